#!/bin/sh
# Builds the core for WebAssembly and runs it under Node.js: the sample checkpoint must convert to the
# same bytes as here, and a part of the list of hashes must be the same. Compiles core, judges and
# program for Windows. Uses the programs of build/release.
set -eu
cd "$(dirname "$0")/.."
native=build/release/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {
  cmake -G Ninja -S tests/portable -B "build/$1" --toolchain "$(pwd)/tests/portable/$1.cmake" \
    -DCMAKE_BUILD_TYPE="$2" -DCMAKE_UNITY_BUILD=ON >"build/$1.log" ||
    { cat "build/$1.log"; exit 1; }
  cmake --build "build/$1" -- --quiet
}
run() { node --no-warnings --experimental-wasi-unstable-preview1 tests/portable/run_wasm.mjs "build/wasm/$1.wasm" "$2"; }

build wasm MinSizeRel
"$native/make_sample_checkpoint" "$work/sample.pth"
"$native/aether2onnx" "$work/sample.pth" "$work/native.onnx" --quiet
run convert sample.pth <"$work/sample.pth" >"$work/wasm.onnx"
cmp "$work/native.onnx" "$work/wasm.onnx"
if echo "no checkpoint" | run convert sample.pth >"$work/none.onnx" 2>"$work/error"; then exit 1; fi
grep -q '^error: ' "$work/error"
run conversion_hashes 14 >"$work/hashes"
awk 'NR % 14 == 1' tests/data/conversion_hashes.txt | cmp - "$work/hashes"
echo "WebAssembly: the sample and $(wc -l <"$work/hashes") lines of hashes have the same bytes"

build windows Debug
echo "Windows: core, judges and program compile"
