#!/bin/sh
# Makes the Debian packages from a finished build, checks what is in them and what they need,
# installs them into an empty root, runs the program there, and removes them again.
#
#   packages_test.sh BUILD_FOLDER WORK_FOLDER SAMPLE_MAKER
set -eu
build=$1 work=$2 make_sample=$3
for tool in cpack dpkg dpkg-deb dpkg-shlibdeps; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool isn't installed"; exit 77; }
done
rm -rf "$work"
mkdir -p "$work/debs"
cpack --config "$build/CPackConfig.cmake" -G DEB -B "$work/debs" >"$work/cpack.log" 2>&1 ||
  { cat "$work/cpack.log"; exit 1; }

failed=0
complain() { echo "$1"; failed=1; }
package() { find "$work/debs" -maxdepth 1 -name "$1_*.deb"; }
field() { dpkg-deb -f "$1" "$2"; }
holds() {
  dpkg-deb -c "$1" | awk '{print $6}' | grep -qx "$2" || complain "$(basename "$1") lacks $2"
}
needs() {
  field "$1" Depends | grep -q "$2" || complain "$(basename "$1") doesn't depend on $2"
}

main=$(package aether2onnx)
library=$(package 'libaether2onnx[0-9]*')
development=$(package libaether2onnx-dev)
[ -n "$main" ] && [ -n "$library" ] && [ -n "$development" ] || { ls "$work/debs"; exit 1; }
for path in ./usr/bin/aether2onnx ./usr/share/man/man1/aether2onnx.1 \
  ./usr/share/bash-completion/completions/aether2onnx \
  ./usr/share/zsh/vendor-completions/_aether2onnx \
  ./usr/share/fish/vendor_completions.d/aether2onnx.fish ./usr/share/doc/aether2onnx/copyright; do
  holds "$main" "$path"
done
needs "$main" 'libc6 (>='
needs "$main" 'libdeflate0'
field "$main" Depends | grep -qE 'torch|onnxruntime|python' && complain "the main package needs too much"
dpkg-deb -c "$main" | grep -qE 'include/|\.so' && complain "the main package holds too much"
holds "$development" ./usr/include/aether2onnx/aether2onnx.h
needs "$development" "$(field "$library" Package) (= $(field "$library" Version))"
dpkg-deb -c "$library" | grep -q 'libaether2onnx\.so\.' || complain "the library package is empty"

debs="$main $library $development"
# module NAME LIBRARY NEEDED_PACKAGE
module() {
  module=$(package "aether2onnx-$1")
  if [ -n "$module" ]; then
    debs="$debs $module"
    holds "$module" "./usr/lib.*/aether2onnx/$2"
    needs "$module" "aether2onnx (= $(field "$main" Version))"
    needs "$module" "$3"
  else
    echo "without the package aether2onnx-$1: $3 isn't installed"
  fi
}
module pytorch libaether2onnx_torch.so libtorch
module pictures libaether2onnx_pictures.so libpng

# A root of its own. What the packages need is the system's: the root holds nothing else.
root=$work/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
: >"$root/var/lib/dpkg/status"
dpkg_in_root() {
  dpkg --root="$root" --force-depends --force-not-root --force-script-chrootless --log=/dev/null "$@" \
    >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; exit 1; }
}
# shellcheck disable=SC2086: a list of files
dpkg_in_root -i $debs
"$make_sample" "$work/sample.pth"
"$root/usr/bin/aether2onnx" "$work/sample.pth" "$work/out.onnx" --quiet
[ -s "$work/out.onnx" ] || complain "the installed program wrote nothing"
for deb in $debs; do
  dpkg_in_root --purge "$(field "$deb" Package)"
done
left=$(find "$root" ! -type d ! -path "$root/var/lib/dpkg/*")
[ -z "$left" ] || complain "left behind: $left"

[ "$failed" = 0 ] && echo "the packages are complete, and install and uninstall"
exit "$failed"
