#!/bin/sh
# Puts ONNX Runtime into .deps/onnxruntime: headers and library.
#
# Where the distribution packages it (libonnxruntime-dev), nothing is fetched. Debian 12 doesn't: its
# headers come from the package of the next release, unpacked and not installed, the library from
# npm's onnxruntime-node, of the version and hash below.
set -eu

library_version=1.30.0
library_sha512=b7086cd42d82fc1164cf5c9ce4e634288536194aba0d444eee10f86f1e50d90cb79c0309c115d6f31537355733136f5503d96894b3987a9a03f1f8d318e7c8ab

root=$(cd "$(dirname "$0")/.." && pwd)
target=$root/.deps/onnxruntime

if [ -e /usr/include/onnxruntime/onnxruntime_cxx_api.h ] && ldconfig -p | grep -q 'libonnxruntime\.so'; then
  exit 0
fi
if [ -e "$target/include/onnxruntime_cxx_api.h" ] && [ -e "$target/lib/libonnxruntime.so.1" ]; then
  exit 0
fi
mkdir -p "$target/include" "$target/lib"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck source=scripts/own_apt.sh
. "$root/scripts/own_apt.sh"

fetch_headers() {
  # The mirror that this system uses, with the suite of the next release.
  own_apt_update deb trixie || {
    echo "error: no Debian mirror is configured here, so ONNX Runtime's headers can't be fetched." >&2
    echo "Install your distribution's libonnxruntime-dev, or unpack it into $target/include." >&2
    exit 1
  }
  (cd "$work" && own_apt download libonnxruntime-dev)
  dpkg-deb -x "$work"/libonnxruntime-dev_*.deb "$work/unpacked"
  cp "$work"/unpacked/usr/include/onnxruntime/*.h "$target/include/"
}

fetch_library() {
  case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) echo "error: npm has no ONNX Runtime for $(uname -m); install your distribution's." >&2; exit 1 ;;
  esac
  (cd "$work" && npm pack --loglevel=error "onnxruntime-node@$library_version" > archive_name)
  archive=$work/$(tail -n 1 "$work/archive_name")
  echo "$library_sha512  $archive" | sha512sum --check --quiet
  library=package/bin/napi-v6/linux/$arch/libonnxruntime.so.1
  tar -C "$work" -xzf "$archive" "$library"
  cp "$work/$library" "$target/lib/"
}

[ -e "$target/include/onnxruntime_cxx_api.h" ] || fetch_headers
[ -e "$target/lib/libonnxruntime.so.1" ] || fetch_library
