#!/bin/sh
# Runs the fuzzers with libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   fuzz.sh SECONDS [FUZZER...]
#
# Each fuzzer runs for so many seconds, as many at a time as there are processors. What they learn stays in
# build/fuzz/corpus; what they find is put beside it and ends this with an error.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:?usage: fuzz.sh SECONDS [FUZZER...]}
shift
[ $# -gt 0 ] || set -- archive pickle legacy safetensors onnx checkpoint scan

cmake --preset fuzz >/dev/null
targets=
for name in "$@"; do targets="$targets ${name}_fuzzer"; done
# shellcheck disable=SC2086: a list of targets
cmake --build --preset fuzz --target make_seeds $targets -- --quiet
build/fuzz/bin/make_seeds build/fuzz/seeds
mkdir -p build/fuzz/found build/fuzz/corpus

run_one() {
  mkdir -p "build/fuzz/corpus/$1"
  build/fuzz/bin/"${1}_fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -max_len=100000 \
    -print_final_stats=1 -dict=fuzz/formats.dict -artifact_prefix="build/fuzz/found/$1-" \
    "build/fuzz/corpus/$1" "build/fuzz/seeds/$1" "fuzz/corpus/$1" >"build/fuzz/$1.log" 2>&1 ||
    { echo "$1: found something, see build/fuzz/$1.log" && touch "build/fuzz/found/.$1"; }
  echo "$1: $(sed -n 's/stat::number_of_executed_units: *//p' "build/fuzz/$1.log") executions"
}

rm -f build/fuzz/found/.[a-z]*
running=0
for name in "$@"; do
  run_one "$name" &
  running=$((running + 1))
  if [ "$running" -ge "$(nproc)" ]; then
    wait
    running=0
  fi
done
wait
[ -z "$(ls -A build/fuzz/found)" ]
