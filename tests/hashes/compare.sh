#!/bin/sh
# Compares what conversion_hashes prints with the committed list: all lines, or every Nth one.
#
#   compare.sh PROGRAM LIST [N]
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
every=${3:-1}
"$1" "$every" >"$work/found"
awk -v every="$every" '(NR - 1) % every == 0' "$2" >"$work/committed"
if cmp -s "$work/found" "$work/committed"; then
  echo "the bytes of $(wc -l <"$work/found") lines are as committed"
  exit 0
fi
echo "Bytes changed; the first lines, '<' as committed, '>' as found:"
diff "$work/committed" "$work/found" | head -40
exit 1
