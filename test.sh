#!/bin/sh
# Installs what the tests need, builds, and runs all tests but the long ones of scripts/nightly.sh. Prints
# the time of each part against its budget. Arguments go to the last ctest.
set -eu
cd "$(dirname "$0")"
# shellcheck source=scripts/parts.sh
. scripts/parts.sh
jobs=$(nproc)

install_packages() {
  scripts/install_packages.sh build run test portable
  scripts/fetch_onnxruntime.sh
  scripts/fetch_portable.sh
}

# The core and the fuzzers under AddressSanitizer and UndefinedBehaviorSanitizer.
build_sanitized() {
  cmake --preset asan >/dev/null
  cmake --build --preset asan -- --quiet
}
test_sanitized() { ctest --test-dir build/asan -j "$jobs" --output-on-failure --progress; }

build_release() {
  cmake --preset release -DAETHER2ONNX_TESTS=ON >/dev/null
  cmake --build --preset release -- --quiet
}

scan_oracle() { ctest --test-dir build/release --output-on-failure -R '^torch.oracle$'; }

# The files in the programs that people use.
test_clients() {
  scripts/install_clients.sh
  ctest --test-dir build/release --output-on-failure -R '^clients$'
}

# Its output also goes to a file, so that the table can stand before ctest's summary.
test_release() {
  status=$(mktemp)
  { ctest --test-dir build/release -j "$jobs" --output-on-failure -E '^(torch.oracle|clients)$' "$@" ||
    echo failed >"$status"; } |
    tee build/release/ctest.log
}

part "packages and downloads" 2 install_packages
part "build with sanitizers" 3 build_sanitized
part "tests with sanitizers" 3 test_sanitized
part "build" 3.5 build_release
part "lint of changed files" 0.5 scripts/lint.sh changed build/release
part "scan's oracle" 3 scan_oracle
part "clients" 4 test_clients
part "other systems: WebAssembly, Windows" 8 scripts/portable.sh
part "tests" 6 test_release "$@"
parts_table 33
echo "Left to scripts/nightly.sh: valgrind, clang-tidy over all files, all opsets, long fuzzing."
echo
sed -n '/tests passed/,$p' build/release/ctest.log
[ ! -s "$status" ]
