#!/bin/sh
# Which lines of the folders that read files the unit tests, the hostile corpus, the oracle's files and the
# fuzzers' seeds reach; ends with an error below 95 %. Line by line: build/coverage/lines.txt.
set -eu
cd "$(dirname "$0")/.."
build=build/coverage
llvm_cov=$(command -v llvm-cov || command -v llvm-cov-14 || command -v llvm-cov-19)
llvm_profdata=$(command -v llvm-profdata || command -v llvm-profdata-14 || command -v llvm-profdata-19)

cmake --preset coverage >/dev/null
cmake --build --preset coverage -- --quiet
rm -rf "$build/profiles"
mkdir -p "$build/profiles" "$build/runs"

LLVM_PROFILE_FILE=$(pwd)/$build/profiles/%p.profraw
export LLVM_PROFILE_FILE
bin=$(pwd)/$build/bin
"$bin/unit" --gtest_brief=1
"$bin/corpus" --gtest_brief=1
/usr/bin/python3 tests/torch/oracle.py --program "$bin/dump_tensors" --files 3000 --seconds 240
"$bin/make_seeds" "$build/seeds"
for replay in "$bin"/*_replay; do
  name=$(basename "$replay" _replay)
  (cd "$build/runs" &&
    "$replay" --seconds=5 --dictionary=../../../fuzz/formats.dict "../seeds/$name" \
      ../../../tests/data/torch "../../../fuzz/corpus/$name")
done

"$llvm_profdata" merge -sparse "$build"/profiles/*.profraw -o "$build/all.profdata"
objects=
for program in corpus dump_tensors archive_replay scan_replay onnx_replay; do objects="$objects -object $bin/$program"; done
report() {
  # shellcheck disable=SC2086: a list of options
  "$llvm_cov" "$@" "$bin/unit" $objects -instr-profile="$build/all.profdata" \
    src/formats src/state_dict judge/scan src/port/bytes.cpp
}
report show >"$build/lines.txt"
report report
# The export ends without a line break, so that `read` would call it a failure.
percent=$(report export -summary-only 2>/dev/null |
  sed -n 's/.*"totals":.*"lines":{"count":[0-9]*,"covered":[0-9]*,"percent":\([0-9]*\).*/\1/p')
[ "${percent:-0}" -ge 95 ] || { echo "error: less than 95 % of the lines are covered" >&2; exit 1; }
