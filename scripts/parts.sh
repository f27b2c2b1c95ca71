# To be sourced: runs the parts of a test run, measures them, and prints a table against the budget.
#
#   part NAME MINUTES COMMAND...   runs the command
#   parts_table BUDGET             prints all parts, the sum and the budget, in minutes

parts_table_rows=
parts_seconds=0

part() {
  part_name=$1 part_minutes=$2
  shift 2
  echo "== $part_name"
  part_start=$(date +%s)
  "$@"
  part_took=$(($(date +%s) - part_start))
  parts_seconds=$((parts_seconds + part_took))
  parts_table_rows=$parts_table_rows$(printf '%-44s %6s %6s' "$part_name" \
    "$(awk "BEGIN { printf \"%.1f\", $part_took / 60 }")" "$part_minutes")'
'
}

parts_table() {
  echo
  printf '%-44s %6s %6s\n' "part" "took" "budget"
  printf '%s' "$parts_table_rows"
  printf '%-44s %6s %6s\n' "all (minutes; the budget is for 2 quiet cores)" \
    "$(awk "BEGIN { printf \"%.1f\", $parts_seconds / 60 }")" "$1"
}
