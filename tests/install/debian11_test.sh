#!/bin/sh
# The released program and wheel for linux-x86_64 on Debian 11 (glibc 2.31, Python 3.9), in a chroot without network:
# the same bytes as from the program here. Needs root.
#
#   debian11_test.sh DIST PROGRAM SAMPLE     DIST: a folder of release.sh; PROGRAM: a program for this system
set -eu
dist=$(realpath "$1") program=$(realpath "$2") sample=$(realpath "$3")
[ "$(id -u)" = 0 ] || { echo "error: a chroot needs root" >&2; exit 1; }
command -v debootstrap >/dev/null || {
  echo "error: debootstrap is missing; install it with: scripts/install_packages.sh release" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
debootstrap --variant=minbase --include=python3,python3-venv bullseye "$root" >"$work/log" 2>&1 || {
  tail -20 "$work/log" >&2
  exit 1
}
mkdir "$root/try"
tar -C "$root/try" --strip-components=1 -xzf "$dist"/aether2onnx-*-linux-x86_64.tar.gz
cp "$dist"/*manylinux_2_17_x86_64*.whl "$root/try"
cp "$sample" "$root/try/sample.pth"
(cd "$work" && cp "$sample" sample.pth && "$program" sample.pth here.onnx --quiet)
unshare --net chroot "$root" /bin/sh -euc '
  cd /try
  ./aether2onnx sample.pth program.onnx --quiet
  python3 -m venv venv
  venv/bin/python -m pip -q --disable-pip-version-check install --no-index ./*.whl
  venv/bin/aether2onnx sample.pth wheel.onnx --quiet
  venv/bin/python -c "import aether2onnx; aether2onnx.convert(\"sample.pth\", \"package.onnx\")"
  venv/bin/python --version
'
for made in program wheel package; do
  cmp "$work/here.onnx" "$root/try/$made.onnx"
done
echo "Debian 11: program, wheel and Python package give the same bytes as here"
