#!/bin/sh
# Runs quickstart.sh with an existing build, then pastes every command that its last lines print.
#
#   quickstart_test.sh SOURCE_FOLDER BUILD_FOLDER WORK_FOLDER
set -eu
source=$1 build=$2 work=$3
if [ ! -e "$build/lib/libaether2onnx_pictures.so" ]; then
  echo "skipped: the build has no module for pictures"
  exit 77
fi
rm -rf "$work"
mkdir -p "$work/results of a user"
cd "$work"
QUICKSTART_BUILD=$build QUICKSTART_OUT="$work/results of a user" "$source/quickstart.sh" >log
sed -n '/^Done\./,$s/^  //p' log >commands
cat commands
[ "$(wc -l <commands)" -ge 7 ]
# Without the program on PATH but by the first command.
env -i HOME="$work" PATH=/usr/bin:/bin bash -eu commands
for file in any_size.onnx upscaled.png compare.html picture_2x_any_size.png; do
  [ -s "$work/results of a user/$file" ] || { echo "there is no $file"; exit 1; }
done
