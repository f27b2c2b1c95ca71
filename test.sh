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
  scripts/fetch_python_tools.sh
}

# The core and the fuzzers under AddressSanitizer and UndefinedBehaviorSanitizer.
build_sanitized() {
  cmake --preset asan >/dev/null
  cmake --build --preset asan -- --quiet
}
test_sanitized() { ctest --test-dir build/asan -j "$((jobs + 1))" --output-on-failure --progress; }

build_release() {
  cmake --preset release -DAETHER2ONNX_TESTS=ON >/dev/null
  cmake --build --preset release -- --quiet
}

# The wheel of the program at hand, in fresh environments of the oldest and the newest Python here; the wheel of
# the Windows program is judged but not run.
test_wheels() {
  rm -rf build/wheels
  scripts/wheel.sh build/release/bin/aether2onnx "linux_$(uname -m)" build/wheels
  scripts/wheel.sh build/windows/bin/aether2onnx.exe win_amd64 build/wheels
  build/release/bin/make_sample_checkpoint build/wheels/sample.pth
  build/release/bin/make_corpus build/wheels/corpus >/dev/null
  # shellcheck disable=SC2046: a list of programs
  tests/python/wheel_test.sh build/wheels/*linux*.whl build/wheels/sample.pth build/wheels/corpus \
    $(scripts/pythons.sh)
  .deps/python/bin/twine check --strict build/wheels/*win_amd64.whl
  .deps/python/bin/check-wheel-contents build/wheels/*win_amd64.whl
}
scan_oracle() { ctest --test-dir build/release --output-on-failure -R '^torch.oracle$'; }

# The files in the programs that people use.
test_clients() {
  scripts/install_clients.sh
  ctest --test-dir build/release --output-on-failure -R '^clients$'
}

# The fuzzers ran with the sanitizers. Some tests wait for signals and time limits: one more runs meanwhile.
# The output also goes to a file, so that the table can stand before ctest's summary.
test_release() {
  status=$(mktemp)
  { ctest --test-dir build/release -j "$((jobs + 1))" --output-on-failure \
    -E '^(torch.oracle|clients|fuzz\..*)$' "$@" ||
    echo failed >"$status"; } |
    tee build/release/ctest.log
}

part "packages and downloads" 2 install_packages
part "build with sanitizers" 3 build_sanitized
part "tests with sanitizers" 3 test_sanitized
part "build" 3.5 build_release
part "lint of changed files" 0.5 scripts/lint.sh changed
part "scan's oracle" 3 scan_oracle
part "clients" 4 test_clients
part "WebAssembly" 2.5 scripts/portable.sh wasm
part "Windows program and session" 5 scripts/portable.sh windows
part "Python package" 1 test_wheels
part "tests" 6 test_release "$@"
parts_table 33.5
echo "Left to scripts/nightly.sh: valgrind, clang-tidy over all files, all opsets, long fuzzing."
echo
sed -n '/tests passed/,$p' build/release/ctest.log
[ ! -s "$status" ]
