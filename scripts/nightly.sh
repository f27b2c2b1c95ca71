#!/bin/sh
# What takes too long for ./test.sh, which has to have run before: valgrind, clang-tidy over all files, the
# full product of precisions, forms and opsets, files beyond 4 GiB, the oracles with many files and with a newer
# PyTorch, and each fuzzer for MINUTES (default 5).
#
#   nightly.sh [MINUTES]
set -eu
cd "$(dirname "$0")/.."
minutes=${1:-5}
# shellcheck source=scripts/parts.sh
. scripts/parts.sh
jobs=$(nproc)

format() { scripts/lint.sh format; }
tidy() { scripts/lint.sh tidy build/release; }

# Valgrind sees uninitialised memory, which the sanitizers don't. One test of endless work is left out: its
# bound is too near under valgrind.
memory() {
  seq 0 3 | xargs -P "$jobs" -I{} env GTEST_TOTAL_SHARDS=4 GTEST_SHARD_INDEX={} GTEST_BRIEF=1 \
    GTEST_FILTER='-*AnEndlessKeyIsNotCopied*' \
    valgrind --error-exitcode=9 --quiet --leak-check=full --errors-for-leak-kinds=definite \
    --suppressions=tests/valgrind.supp build/release/bin/unit
}

all_opsets() { AETHER2ONNX_ALL_OPSETS=1 ctest --test-dir build/release -j "$jobs" --output-on-failure -R conformance; }
# Every generation, form, opset and precision, random, trained and published networks: no honest file is suspected,
# and each small damage is found.
all_forms() {
  AETHER2ONNX_ALL_FORMS=1 build/release/bin/verify --gtest_filter='*RoundingNoise.*:*TrainedNoise.*:Damages.*'
}
giants() { /usr/bin/python3 -B tests/torch/honest_giant.py build/release/bin/aether2onnx build/release/bin/dump_tensors 4700; }
onnx_oracle() {
  AETHER2ONNX_ORACLE_FILES=400000 build/release/bin/conformance_onnx --gtest_brief=1
}
coverage() { scripts/coverage.sh >build/coverage.log || { cat build/coverage.log; return 1; }; }

# Other files each night. The newer PyTorch loads with weights_only and without.
oracle() {
  seed=$(date +%Y%m%d)
  program=build/release/bin/dump_tensors
  /usr/bin/python3 tests/torch/oracle.py --program "$program" --files 200000 --seed "$seed" \
    --seconds $((minutes * 60)) --keep build/oracle || return 1
  scripts/fetch_torch.sh || return 1
  for option in "" --weights-only; do
    # shellcheck disable=SC2086
    .deps/torch/python tests/torch/oracle.py --program "$program" --files 200000 --seed "$seed" \
      --seconds $((minutes * 60)) --keep build/oracle $option || return 1
  done
}
# Every network in every client; writes docs/clients.md.
clients() {
  scripts/install_clients.sh
  /usr/bin/python3 -B tests/clients/clients.py --program build/release/bin/aether2onnx --clients .deps/clients \
    --torch build/release/tests/torch_cases --stages build/release/tests/stage_cases --all --write docs/clients.md
  /usr/bin/python3 -B tests/clients/rtx_kernels.py --program build/release/bin/aether2onnx --clients .deps/clients \
    --torch build/release/tests/torch_cases --all
}
fuzz() { scripts/fuzz.sh $((minutes * 60)); }

# The hostile corpus through the Windows program, after ./test.sh built it.
windows_corpus() {
  rm -rf build/corpus
  build/release/bin/make_corpus build/corpus >/dev/null
  WINEPREFIX=$(pwd)/build/wine /usr/bin/python3 -B tests/windows/corpus_test.py build/windows/bin/aether2onnx.exe \
    build/release/bin/aether2onnx build/corpus
}

# Every line of the list of hashes on each system that runs here.
all_hashes() {
  scripts/install_packages.sh release
  scripts/portable.sh wasm 1 && scripts/portable.sh windows 1 && scripts/portable.sh arm 1
}

# All that is published, twice: the same bytes. Then the Linux program and wheel on Debian 11.
release() {
  scripts/release.sh build/dist-1 && scripts/release.sh build/dist-2 && diff -r build/dist-1 build/dist-2 &&
    echo "both releases are the same" &&
    build/release/bin/make_sample_checkpoint build/sample.pth &&
    tests/install/debian11_test.sh build/dist-1 build/release/bin/aether2onnx build/sample.pth
}

part "clang-format" 1 format
part "clang-tidy" 10 tidy
part "valgrind" 30 memory
part "all opsets" 5 all_opsets
part "rounding noise of all forms" 15 all_forms
part "files beyond 4 GiB" 3 giants
part "ONNX files against libonnx and ONNX Runtime" 20 onnx_oracle
part "coverage" 8 coverage
part "clients" 15 clients
part "oracle" $((minutes * 3 + 5)) oracle
part "hostile corpus on Windows" 3 windows_corpus
part "all hashes on other systems" 15 all_hashes
part "release, twice" 40 release
part "fuzzers" $((minutes * 4 + 5)) fuzz
parts_table $((minutes * 7 + 175))
