#!/bin/sh
# Builds the program for another system with zig, in build/NAME:
#
#   zig_build.sh NAME TARGET [NINJA_TARGET...]     TARGET as in portable/zig.cmake
#
# The C++ library of a target is built once; .deps/zig-cache keeps it. -O2 is for zig as well: with -Os, its memcpy
# and memset, which take the place of the system's, go byte by byte.
set -eu
cd "$(dirname "$0")/.."
name=$1
AETHER2ONNX_TARGET=$2
shift 2
ZIG_GLOBAL_CACHE_DIR=$(pwd)/.deps/zig-cache
ZIG_LOCAL_CACHE_DIR=$ZIG_GLOBAL_CACHE_DIR
export AETHER2ONNX_TARGET ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR
mkdir -p build
cmake -G Ninja -S portable -B "build/$name" --toolchain "$(pwd)/portable/zig.cmake" \
  -DCMAKE_BUILD_TYPE=Release "-DCMAKE_C_FLAGS_RELEASE=-O2 -DNDEBUG" "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG" \
  -DCMAKE_UNITY_BUILD=ON -DCMAKE_EXE_LINKER_FLAGS=-s >"build/$name.log" 2>&1 ||
  { cat "build/$name.log"; exit 1; }
cmake --build "build/$name" -- --quiet "$@"
