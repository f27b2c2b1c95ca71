#!/bin/sh
# Puts what the builds for other systems and their tests need into .deps/portable: zig from PyPI (compilers and
# the sources of LLVM's C++ runtime), libdeflate's source from Debian, a folder with the headers of our
# header-only dependencies alone, and the oldest ONNX Runtime for Windows that verification supports, from PyPI.
set -eu

zig_version=0.17.1
zig_sha256=ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54
onnxruntime_version=1.20.1
onnxruntime_sha256=19c2d843eb074f385e8bbb753a40df780511061a63f9def1b216bf53860223fb

root=$(cd "$(dirname "$0")/.." && pwd)
target=$root/.deps/portable
complete=$target/complete-$zig_version-$onnxruntime_version
[ ! -e "$complete" ] || exit 0
[ "$(uname -m)" = x86_64 ] || { echo "error: the builds for other systems are set up on x86_64 only" >&2; exit 1; }
rm -rf "$target"
mkdir -p "$target/headers"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The system's Python: another one on PATH may have no pip.
/usr/bin/python3 -m venv "$work/python"
echo "ziglang==$zig_version --hash=sha256:$zig_sha256" >"$work/requirements.txt"
"$work/python/bin/pip" -q --disable-pip-version-check download --no-deps --require-hashes \
  --only-binary :all: -r "$work/requirements.txt" -d "$work"
(cd "$target" && /usr/bin/python3 -m zipfile -e "$work"/ziglang-*.whl . && chmod +x ziglang/zig)
echo "onnxruntime==$onnxruntime_version --hash=sha256:$onnxruntime_sha256" >"$work/requirements.txt"
"$work/python/bin/pip" -q --disable-pip-version-check download --no-deps --require-hashes \
  --only-binary :all: --platform win_amd64 --python-version 3.12 -r "$work/requirements.txt" -d "$work"
/usr/bin/python3 -m zipfile -e "$work"/onnxruntime-*.whl "$work/onnxruntime"
mv "$work/onnxruntime/onnxruntime/capi/onnxruntime.dll" "$target"

# shellcheck source=scripts/own_apt.sh
. "$root/scripts/own_apt.sh"
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
own_apt_update deb-src "$suite" || {
  echo "error: no Debian mirror is configured here, so libdeflate's source can't be fetched." >&2
  exit 1
}
(cd "$work" && own_apt source --download-only libdeflate)
mkdir -p "$target/libdeflate"
tar -C "$target/libdeflate" --strip-components 1 -xzf "$work"/libdeflate_*.orig.tar.gz

for header in fmt nlohmann CLI protozero; do
  [ -e "/usr/include/$header" ] || { echo "error: /usr/include/$header is missing" >&2; exit 1; }
  ln -s "/usr/include/$header" "$target/headers/$header"
done
ln -s "$target/libdeflate/libdeflate.h" "$target/headers/libdeflate.h"
touch "$complete"
