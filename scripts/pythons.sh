#!/bin/sh
# Prints the oldest and the newest Python from 3.9 on that this system has: the system's own and pyenv's.
set -eu
for python in /usr/bin/python3 /usr/bin/python3.[0-9] /usr/bin/python3.[0-9][0-9] "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
  [ -x "$python" ] && "$python" -c 'import sys, venv, ensurepip
if sys.version_info >= (3, 9): print("%d.%03d" % sys.version_info[:2], sys.executable)' 2>/dev/null || true
done | sort -u | awk '!seen[$1]++ { print $2 }' | sed -n '1p;$p' | sort -u
