#!/bin/sh
# Builds for other systems and runs there what can be run here, with the programs of build/release as judges:
#
#   portable.sh wasm       the core for WebAssembly, under Node.js: the same bytes
#   portable.sh windows    the program for Windows, under wine: the same bytes, and a session of a user
set -eu
cd "$(dirname "$0")/.."
native=build/release/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$native/make_sample_checkpoint" "$work/sample.pth"

# Compares every 14th line of the committed hashes with "$work/hashes".
compare_hashes() {
  tr -d '\r' <"$work/hashes" >"$work/found"
  awk 'NR % 14 == 1' tests/data/conversion_hashes.txt | cmp - "$work/found"
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
  run_wasm conversion_hashes 14 >"$work/hashes"
  compare_hashes WebAssembly
}

windows() {
  scripts/zig_build.sh windows x86_64-windows-gnu
  WINEPREFIX=$(pwd)/build/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree=,mshtml="
  export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES
  wine=$(command -v wine64 || echo /usr/lib/wine/wine64)
  "$wine" wineboot -i >/dev/null 2>&1
  "$wine" build/windows/bin/conversion_hashes.exe 14 >"$work/hashes"
  compare_hashes Windows
  /usr/bin/python3 -B tests/windows/session_test.py build/windows/bin "$native/aether2onnx" "$work/sample.pth"
}

case ${1:-} in
  wasm | windows) "$1" ;;
  *) echo "usage: portable.sh wasm | windows" >&2; exit 2 ;;
esac
