#!/bin/sh
# Installs the project into an empty prefix and uses it from there: the program, the library through
# find_package and through pkg-config, shared and static.
#
#   install_test.sh SOURCE_FOLDER BUILD_FOLDER WORK_FOLDER SAMPLE_MAKER
set -eu
source=$1 build=$2 work=$3 make_sample=$4
rm -rf "$work"
mkdir -p "$work"
"$make_sample" "$work/sample.pth"

check_example() {
  output=$("$1" "$work/sample.pth" "$work/$2.onnx")
  [ "$output" = "aether_small x2, 237 nodes" ] || { echo "$2 printed: $output"; exit 1; }
  [ -s "$work/$2.onnx" ] || { echo "$2 wrote nothing"; exit 1; }
  if "$1" "$work/missing.pth" "$work/none.onnx" 2>"$work/error"; then exit 1; fi
  grep -q "there is no such file" "$work/error"
}

use_prefix() {
  prefix=$1 kind=$2
  libdir=$(dirname "$(find "$prefix" -name aether2onnx.pc)")/..
  cmake -G Ninja -S "$source/tests/install" -B "$work/$kind-cmake" -DCMAKE_PREFIX_PATH="$prefix" \
    -DEXAMPLE="$source/examples/convert_file.cpp" >"$work/$kind-cmake.log"
  cmake --build "$work/$kind-cmake" >>"$work/$kind-cmake.log"
  check_example "$work/$kind-cmake/convert_file" "$kind-cmake"

  export PKG_CONFIG_PATH="$libdir/pkgconfig"
  # shellcheck disable=SC2046: flags are to be split
  c++ -std=c++20 "$source/examples/convert_file.cpp" -o "$work/$kind-pkgconfig" \
    $(pkg-config --cflags --libs aether2onnx) -Wl,-rpath,"$libdir"
  check_example "$work/$kind-pkgconfig" "$kind-pkgconfig"
}

# The example is short enough to be read at a glance.
[ "$(wc -l <"$source/examples/convert_file.cpp")" -lt 30 ]

cmake --install "$build" --prefix "$work/shared-prefix" >"$work/install.log"
"$work/shared-prefix/bin/aether2onnx" "$work/sample.pth" "$work/program.onnx" --quiet
[ -s "$work/program.onnx" ]
use_prefix "$work/shared-prefix" shared

cmake -G Ninja -S "$source" -B "$work/static-build" -DBUILD_SHARED_LIBS=OFF -DAETHER2ONNX_TESTS=OFF \
  -DAETHER2ONNX_VERIFICATION=OFF -DCMAKE_BUILD_TYPE=Debug >"$work/static.log"
cmake --build "$work/static-build" -j 2 --target aether2onnx aether2onnx_cli >>"$work/static.log"
cmake --install "$work/static-build" --prefix "$work/static-prefix" >>"$work/static.log"
use_prefix "$work/static-prefix" static

# Installed headers don't lead back into the source tree.
if grep -rn '#include "' "$work/shared-prefix/include"; then exit 1; fi
echo "installed and used from a prefix"
