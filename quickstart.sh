#!/bin/sh
# Builds aether2onnx and does its main job once: a checkpoint in, an ONNX file out, the ONNX file run
# on a picture.
#
#   ./quickstart.sh [MODEL.pth [PICTURE.png]]
#
# Without a model it makes one whose weights are a bilinear interpolation. Results: quickstart/.
set -eu
here=$(pwd)
cd "$(dirname "$0")"
root=$(pwd)

from_here() { case $1 in /*) echo "$1" ;; *) echo "$here/$1" ;; esac; }
model=${1:+$(from_here "$1")}
picture=${2:+$(from_here "$2")}
if [ -n "$model" ] && [ ! -f "$model" ]; then
  echo "error: there is no file $model" >&2
  exit 1
fi

scripts/install_packages.sh build run
scripts/fetch_onnxruntime.sh

echo "Building (two to three minutes on two cores) ..."
build=$root/build/quickstart
cmake --preset release -B "$build" -DAETHER2ONNX_TESTS=OFF >/dev/null
cmake --build "$build" --target aether2onnx_cli make_sample_checkpoint upscale -- --quiet
bin=$build/bin

out=$root/quickstart
mkdir -p "$out"
if [ -z "$model" ]; then
  model=$out/sample.pth
  "$bin/make_sample_checkpoint" "$model"
  echo "No model was given, so quickstart/sample.pth was made: an aether_small x2 whose weights"
  echo "make it a bilinear interpolation. Give yours: ./quickstart.sh path/to/model.pth"
fi
picture=${picture:-$root/examples/picture.png}

echo
"$bin/aether2onnx" "$model" "$out/model.onnx" --dynamic_shapes --verbose
echo
"$bin/upscale" "$out/model.onnx" "$picture" "$out/upscaled.png"
echo
echo "Done: quickstart/model.onnx, and quickstart/upscaled.png to look at."
echo "The program is build/quickstart/bin/aether2onnx; --help lists its options."
