#!/bin/sh
# Puts the programs that load our files into .deps/clients, for tests/clients: VapourSynth with vs-mlrt's plugins,
# OpenVINO, TensorRT for RTX, pnnx and ncnn, two releases of ONNX Runtime, onnxruntime-web. All of them have
# fixed versions and hashes (tests/clients/requirements*.txt, package-lock.json). Needs Python 3.12 or 3.13, which
# Debian 12 does not have, and Node.js. Without such a Python the script says so and installs nothing.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
lists=$root/tests/clients
target=$root/.deps/clients
mark=$target/complete-$(cat "$lists"/requirements*.txt "$lists/package-lock.json" | sha256sum | cut -c1-16)
[ ! -e "$mark" ] || exit 0
[ "$(uname -m)" = x86_64 ] || { echo "note: the clients are set up on x86_64 only" >&2; exit 0; }

python=
for candidate in python3.13 python3.12 "$HOME"/.pyenv/versions/3.13*/bin/python "$HOME"/.pyenv/versions/3.12*/bin/python \
  "$(uv python find '>=3.12,<3.14' 2>/dev/null || true)"; do
  if "$candidate" -c 'import sys, venv; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "note: no Python 3.12 or 3.13 was found, so the tests with other programs are skipped" >&2
  exit 0
fi

"$root/scripts/install_packages.sh" clients
rm -rf "$target"
mkdir -p "$root/.deps"
"$python" -m venv "$target"
install() { "$target/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: "$@"; }
install -r "$lists/requirements.txt"
install --target "$target/oldest" -r "$lists/requirements_oldest.txt"
mkdir "$target/web"
cp "$lists/package.json" "$lists/package-lock.json" "$target/web"
(cd "$target/web" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
touch "$mark"
