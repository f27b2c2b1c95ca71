#!/bin/sh
# Puts a newer PyTorch than this system's into .deps/torch, for the oracle (tests/torch/oracle.py): the
# packages of the Debian release below with all that they need, unpacked and not installed. Debian's
# signature is checked. PyPI has no build of PyTorch for Linux without CUDA, whose wheels are over 3 GB.
# .deps/torch/python starts its Python.
set -eu

suite=trixie
version=2.6.0

root=$(cd "$(dirname "$0")/.." && pwd)
target=$root/.deps/torch
[ ! -e "$target/complete-$version" ] || exit 0
[ "$(uname -m)" = x86_64 ] || { echo "error: the newer PyTorch is set up on x86_64 only" >&2; exit 1; }
rm -rf "$target"
mkdir -p "$target/tree"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck source=scripts/own_apt.sh
. "$root/scripts/own_apt.sh"
own_apt_update deb "$suite" || {
  echo "error: no Debian mirror is configured here, so PyTorch can't be fetched." >&2
  exit 1
}
: >"$work/status" # nothing counts as installed
own_apt -o Dir::State::status="$work/status" -o Debug::NoLocking=1 --no-install-recommends --yes \
  --download-only install "python3-torch=$version*"
for package in "$work"/cache/archives/*.deb; do dpkg-deb -x "$package" "$target/tree"; done

tree=$target/tree
libraries=$tree/usr/lib/x86_64-linux-gnu
# What maintainer scripts would link: the default BLAS and LAPACK.
folders=$libraries:$libraries/blas:$libraries/lapack
cat >"$target/python" <<END
#!/bin/sh
export PYTHONHOME=$tree/usr PYTHONPATH=$tree/usr/lib/python3/dist-packages
exec $libraries/ld-linux-x86-64.so.2 --library-path $folders \\
  $tree/usr/bin/python3.13 "\$@"
END
chmod +x "$target/python"
"$target/python" -c "import torch, numpy; print(torch.__version__)"
touch "$target/complete-$version"
