#!/bin/sh
# Counts the instructions of whole conversions, which is the same on a busy machine as on an idle one,
# and fails where one takes more than instructions.txt allows. Exit code 77 where Valgrind is missing.
#
#   instructions.sh BUILD_FOLDER
set -eu
bin=$1/bin
bounds=$(dirname "$0")/instructions.txt
command -v valgrind >/dev/null || { echo "skipped: valgrind isn't installed"; exit 77; }
for tool in aether2onnx make_checkpoints; do
  [ -x "$bin/$tool" ] || { echo "error: there is no $bin/$tool; build with the tests" >&2; exit 2; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0
while read -r most checkpoint options; do
  case $most in '#'*) continue ;; esac
  [ -e "$work/$checkpoint" ] || "$bin/make_checkpoints" "$work" "$checkpoint"
  rm -f "$work/model.onnx" # --dry_run would compare with it
  # Several options, or none.
  # shellcheck disable=SC2086
  valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$work/log" \
    "$bin/aether2onnx" "$work/$checkpoint" "$work/model.onnx" --quiet $options ||
    { cat "$work/log"; exit 1; }
  count=$(sed -n 's/.*Collected : //p' "$work/log")
  found=$((count / 1000000))
  verdict=
  [ "$found" -le "$most" ] || { verdict="  too many"; failed=1; }
  printf '%5d million, at most %5d: %s %s%s\n' "$found" "$most" "$checkpoint" "$options" "$verdict"
done <"$bounds"
exit "$failed"
