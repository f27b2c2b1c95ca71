#!/bin/sh
# Puts what builds and judges the wheels into .deps/python: the packages of python/tools.txt, pinned and
# hashed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
target=$root/.deps/python
stamp=$target/complete-$(sha256sum "$root/python/tools.txt" | cut -c1-16)
[ ! -e "$stamp" ] || exit 0
rm -rf "$target"
# The system's Python: another one on PATH may be of a version that the hashes don't fit.
/usr/bin/python3 -m venv "$target"
"$target/bin/pip" -q --disable-pip-version-check install --no-deps --require-hashes --only-binary :all: \
  -r "$root/python/tools.txt"
touch "$stamp"
