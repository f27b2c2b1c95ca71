#!/bin/sh
# Installs what the tests need, builds, and runs all of them: first the core under AddressSanitizer
# and UndefinedBehaviorSanitizer, then everything. Arguments go to the last ctest.
set -eu
cd "$(dirname "$0")"

scripts/install_packages.sh build run test
scripts/fetch_onnxruntime.sh
jobs=$(nproc)

cmake --preset asan >/dev/null
cmake --build --preset asan -- --quiet
ctest --test-dir build/asan -j "$jobs" --output-on-failure --progress

cmake --preset release -DAETHER2ONNX_TESTS=ON >/dev/null
cmake --build --preset release -- --quiet
exec ctest --test-dir build/release -j "$jobs" --output-on-failure "$@"
