#!/bin/sh
# Judges a wheel, installs it without network in a fresh environment of each PYTHON, and tests it there.
#
#   wheel_test.sh WHEEL SAMPLE CORPUS PYTHON...
set -eu
cd "$(dirname "$0")/../.."
wheel=$(realpath "$1") sample=$2 corpus=$3
shift 3
tools=.deps/python/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
$tools/twine check --strict "$wheel" >"$work/log" || { cat "$work/log"; exit 1; }
$tools/check-wheel-contents "$wheel" >"$work/log" || { cat "$work/log"; exit 1; }
$tools/mypy --cache-dir "$work/mypy" python/aether2onnx examples/state_dict_to_onnx.py >"$work/log" ||
  { cat "$work/log"; exit 1; }
for python in "$@"; do
  "$python" -m venv "$work/venv"
  "$work/venv/bin/python" -m pip -q --disable-pip-version-check install --no-index "$wheel"
  "$work/venv/bin/aether2onnx" --version >/dev/null
  "$work/venv/bin/python" -B tests/python/package_test.py "$sample" "$corpus" >"$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
  echo "$("$python" --version): $(tail -1 "$work/log")"
  rm -rf "$work/venv"
done
