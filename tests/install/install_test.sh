#!/bin/sh
# Installs the finished build into an empty prefix and uses the prefix: the program, and the examples
# with find_package and pkg-config. A second prefix gets the static library. Only examples are compiled.
#
#   install_test.sh SOURCE_FOLDER BUILD_FOLDER WORK_FOLDER SAMPLE_MAKER STATIC_LIBRARY
set -eu
source=$1 build=$2 work=$3 make_sample=$4 static_library=$5
rm -rf "$work"
mkdir -p "$work"
"$make_sample" "$work/sample.pth"

fail() { echo "$1"; exit 1; }

# run EXPECTED_TEXT PROGRAM ARGUMENTS…
run() {
  expected=$1
  shift
  output=$("$@") || fail "$1 ended with an error: $output"
  echo "$output" | grep -qF -e "$expected" || fail "$1 printed: $output"
}

check_convert() {
  run "aether_small x2, 237 nodes" "$1" "$work/sample.pth" "$work/model.onnx"
  [ -s "$work/model.onnx" ] || fail "$1 wrote nothing"
  if "$1" "$work/missing.pth" "$work/none.onnx" 2>"$work/error"; then exit 1; fi
  grep -q "there is no such file" "$work/error"
}

# build_with_cmake PREFIX FOLDER EXAMPLES
build_with_cmake() {
  { cmake -G Ninja -S "$source/tests/install" -B "$2" -DCMAKE_PREFIX_PATH="$1" -DEXAMPLES="$3" &&
    cmake --build "$2"; } >"$2.log" 2>&1 || { cat "$2.log"; exit 1; }
}

use_pkg_config() {
  PKG_CONFIG_PATH=$(dirname "$(find "$1" -name aether2onnx.pc)")
  export PKG_CONFIG_PATH
  if ! [ -e "$work/convert_file.o" ]; then
    # shellcheck disable=SC2046: flags are to be split
    c++ -std=c++20 -c "$source/examples/convert_file.cpp" -o "$work/convert_file.o" \
      $(pkg-config --cflags aether2onnx)
  fi
  # shellcheck disable=SC2046: flags are to be split
  c++ "$work/convert_file.o" -o "$work/$2" $(pkg-config --libs aether2onnx) \
    -Wl,-rpath,"$PKG_CONFIG_PATH/.."
  check_convert "$work/$2"
}

examples=
for task in convert_file fuse_file inspect_file check_file scan_file engine_command; do
  file=$source/examples/$task.cpp
  [ "$(wc -l <"$file")" -lt 32 ] || fail "$file is too long to read at a glance"
  examples="$examples;$file"
done

prefix=$work/prefix
cmake --install "$build" --prefix "$prefix" >"$work/install.log"
"$prefix/bin/aether2onnx" "$work/sample.pth" "$work/program.onnx" --quiet
[ -s "$work/program.onnx" ]
if grep -rn '#include "' "$prefix/include"; then fail "an installed header includes the source tree"; fi

programs=$work/programs
build_with_cmake "$prefix" "$programs" "${examples#;}"
check_convert "$programs/convert_file"
run "pairs of convolutions" "$programs/fuse_file" "$work/sample.pth" "$work/fused.safetensors"
run "aether_small x2" "$programs/inspect_file" "$work/model.onnx"
run "0 errors" "$programs/check_file" "$work/model.onnx"
run "clean" "$programs/scan_file" "$work/sample.pth"
run "--onnx=" "$programs/engine_command" "$work/model.onnx"
use_pkg_config "$prefix" with_pkg_config

# The static library is made of the objects of the finished build; nothing is compiled again.
static=$work/static
cmake -G Ninja -S "$source" -B "$static" -DBUILD_SHARED_LIBS=OFF -DAETHER2ONNX_TESTS=OFF \
  -DAETHER2ONNX_VERIFICATION=OFF -DCMAKE_BUILD_TYPE=Debug >"$static.log" 2>&1
mkdir -p "$static/lib"
cp "$static_library" "$static/lib/libaether2onnx.a"
cmake --install "$static" --component development --prefix "$work/static-prefix" >>"$static.log"
build_with_cmake "$work/static-prefix" "$work/static-programs" "$source/examples/convert_file.cpp"
check_convert "$work/static-programs/convert_file"
use_pkg_config "$work/static-prefix" static_with_pkg_config
echo "installed and used from a prefix"
