#!/bin/sh
# Builds aether2onnx and does its main job once: a checkpoint in, an ONNX file out, the ONNX file run
# on a picture.
#
#   ./quickstart.sh [MODEL.pth [PICTURE.png]]
#
# Without a model it makes one whose weights are a bilinear interpolation. Results: quickstart/.
# A test sets QUICKSTART_BUILD, an existing build to use, and QUICKSTART_OUT, the folder for results.
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

build=${QUICKSTART_BUILD:-$root/build/quickstart}
if [ -z "${QUICKSTART_BUILD:-}" ]; then
  scripts/install_packages.sh build run
  scripts/fetch_onnxruntime.sh
  echo "Building (two to three minutes on two cores) ..."
  cmake --preset release -B "$build" -DAETHER2ONNX_TESTS=OFF >/dev/null
  cmake --build "$build" --target aether2onnx_cli make_sample_checkpoint aether2onnx_pictures -- --quiet
fi
bin=$build/bin

out=${QUICKSTART_OUT:-$root/quickstart}
mkdir -p "$out"
if [ -z "$model" ]; then
  model=$out/sample.pth
  "$bin/make_sample_checkpoint" "$model"
  echo "You gave no model, so the script made a small sample (an aether_small x2 that enlarges a"
  echo "picture by bilinear interpolation): $model"
fi
picture=${picture:-$root/examples/picture.png}

echo
"$bin/aether2onnx" "$model" "$out/model.onnx" --dynamic_shapes --verbose
echo
"$bin/aether2onnx" upscale "$out/model.onnx" "$picture" --output "$out/upscaled.png" --compare "$out/compare.html"
echo
echo "Done. The model is $out/model.onnx, and the enlarged picture $out/upscaled.png"
echo "Open $out/compare.html in a browser to see the picture before and after."
echo
echo "The program is $bin/aether2onnx"
echo "To call it by its name in this terminal, paste:"
echo "  export PATH=\"$bin:\$PATH\""
echo "Then, for example:"
echo "  aether2onnx help"
echo "  aether2onnx inspect \"$model\""
echo "  aether2onnx \"$model\" \"$out/any_size.onnx\" --shape 1x3xHxW --max_height 1080 --max_width 1920"
echo "  aether2onnx verify \"$out/any_size.onnx\" --against \"$model\""
echo "  aether2onnx upscale \"$out/any_size.onnx\" \"$picture\" --output \"$out\""
echo "  aether2onnx engine \"$out/any_size.onnx\""
