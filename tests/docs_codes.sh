#!/bin/sh
# Compares the codes of findings in the sources with the lists in docs/check.md and docs/security.md.
#
#   docs_codes.sh SOURCE_FOLDER
set -eu
cd "$1"
failed=0

# compare NAME SOURCE DOCUMENT: both files list codes, one a line. (In a pipe, a function could not
# set `failed`.)
compare() {
  sort -u "$2" >"$folder/source"
  sort -u "$3" >"$folder/documented"
  if ! diff "$folder/source" "$folder/documented" >"$folder/difference"; then
    echo "$1: the sources (<) and the document (>) list different codes:"
    grep '^[<>]' "$folder/difference"
    failed=1
  elif [ ! -s "$folder/source" ]; then
    echo "$1: no codes were found"
    failed=1
  fi
}

# The codes in the first cells of tables, in lines that match the pattern $2 of file $1.
first_cells() {
  grep -E "$2" "$1" | cut -d'|' -f2 | grep -oE '`[^`]+`' | tr -d '`'
}

# The string literals behind calls of the functions $1 in the other files, also across lines.
literals() {
  functions=$1
  shift
  cat "$@" | tr '\n' ' ' | grep -oE "[^a-z](${functions})[({] *\"[a-z0-9-]+\"" | cut -d'"' -f2
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

first_cells docs/check.md '^\| `' >"$folder/check"
literals Rule judge/check/rules_*.cpp >"$folder/codes"
compare "check" "$folder/codes" "$folder/check"

first_cells docs/security.md "^\| \`.*\| (found|can't tell|clean) \|" | grep -vE '^zip-|…' >"$folder/scan"
literals 'found|unclear|note' judge/scan/*.cpp >"$folder/codes"
compare "scan" "$folder/codes" "$folder/scan"

first_cells docs/security.md "^\| \`.*\| (dangerous|unknown) \|" >"$folder/zip"
{
  literals 'add|note' src/formats/zip/*.cpp || true
  # Findings with the prefix in the source; codes of errors stand behind their kind.
  cat src/formats/zip/*.cpp | tr '\n' ' ' | sed -E 's/ErrorKind::[a-z_]+, *"[a-z0-9-]+"//g' |
    grep -oE '"zip-[a-z0-9-]+"' | tr -d '"' | sed 's/^zip-//' || true
} >"$folder/codes"
compare "scan of archives" "$folder/codes" "$folder/zip"

[ "$failed" = 0 ] && echo "every code is documented"
exit "$failed"
