#!/bin/sh
# Builds for other systems and runs there what can be run here, with the programs of build/release as judges:
#
#   portable.sh wasm [EVERY]       the core for WebAssembly, under Node.js: the same bytes
#   portable.sh windows [EVERY]    the program for Windows, under wine: the same bytes, and a session of a user
#   portable.sh arm [EVERY]        the conversions for 64-bit ARM, under qemu-user: the same bytes
#
# Compares every EVERY-th line of the committed hashes (default: 14).
set -eu
cd "$(dirname "$0")/.."
every=${2:-14}
native=build/release/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$native/make_sample_checkpoint" "$work/sample.pth"

# Compares these lines of the committed hashes with "$work/hashes".
compare_hashes() {
  tr -d '\r' <"$work/hashes" >"$work/found"
  awk -v n="$every" '(NR - 1) % n == 0' tests/data/conversion_hashes.txt | cmp - "$work/found"
  echo "$1: $(wc -l <"$work/found") lines of hashes have the same bytes"
}

run_wasm() {
  node --no-warnings --experimental-wasi-unstable-preview1 portable/run_wasm.mjs "build/wasm/bin/$1.wasm" "$2"
}

wasm() {
  cmake -G Ninja -S portable -B build/wasm --toolchain "$(pwd)/portable/wasm.cmake" \
    -DCMAKE_BUILD_TYPE=MinSizeRel -DCMAKE_UNITY_BUILD=ON >build/wasm.log || { cat build/wasm.log; exit 1; }
  cmake --build build/wasm -- --quiet
  "$native/aether2onnx" "$work/sample.pth" "$work/native.onnx" --quiet
  run_wasm convert sample.pth <"$work/sample.pth" >"$work/wasm.onnx"
  cmp "$work/native.onnx" "$work/wasm.onnx"
  if echo "no checkpoint" | run_wasm convert sample.pth >"$work/none.onnx" 2>"$work/error"; then exit 1; fi
  grep -q '^error: ' "$work/error"
  run_wasm conversion_hashes "$every" >"$work/hashes"
  compare_hashes WebAssembly
}

windows() {
  scripts/zig_build.sh windows x86_64-windows-gnu
  WINEPREFIX=$(pwd)/build/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree=,mshtml="
  export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES
  wine=$(command -v wine64 || echo /usr/lib/wine/wine64)
  "$wine" wineboot -i >/dev/null 2>&1
  "$wine" build/windows/bin/conversion_hashes.exe "$every" >"$work/hashes"
  compare_hashes Windows
  /usr/bin/python3 -B tests/windows/session_test.py build/windows/bin "$native/aether2onnx" "$work/sample.pth" \
    .deps/portable/onnxruntime.dll
}

arm() {
  scripts/zig_build.sh arm aarch64-linux-gnu.2.28 conversion_hashes
  qemu-aarch64 -L /usr/aarch64-linux-gnu build/arm/bin/conversion_hashes "$every" >"$work/hashes"
  compare_hashes ARM
}

case ${1:-} in
  wasm | windows | arm) "$1" ;;
  *) echo "usage: portable.sh wasm | windows | arm [EVERY]" >&2; exit 2 ;;
esac
