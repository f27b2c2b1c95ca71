#!/bin/sh
# Compares what conversion_hashes prints with the committed list.
#
#   compare.sh PROGRAM LIST
set -eu
found=$(mktemp)
trap 'rm -f "$found"' EXIT
"$1" >"$found"
if cmp -s "$found" "$2"; then
  echo "the bytes of all $(wc -l <"$2") lines are as committed"
  exit 0
fi
echo "Bytes changed; the first lines, '<' as committed, '>' as found:"
diff "$2" "$found" | head -40
exit 1
