#!/bin/sh
# Makes a wheel of a built program:
#
#   wheel.sh PROGRAM PLATFORM FOLDER      PLATFORM is a tag such as win_amd64 or manylinux_2_17_x86_64
#
# The same program gives the same bytes: the time in the archive is that of the last commit.
set -eu
cd "$(dirname "$0")/.."
program=$(realpath "$1") platform=$2
mkdir -p "$3"
folder=$(cd "$3" && pwd)
python=$(pwd)/.deps/python/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 946684800)
export SOURCE_DATE_EPOCH
PATH=$python:$PATH python3 -m build --wheel --no-isolation --outdir "$work" -C cmake.define.AETHER2ONNX_PREBUILT="$program" \
  -C build-dir="$work/build" . >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$python/wheel" tags --remove --platform-tag "$platform" "$work"/*.whl >/dev/null
mv "$work"/*.whl "$folder"
