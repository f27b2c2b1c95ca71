#!/bin/sh
# Installs what is missing of the Debian packages for: build, run (ONNX Runtime on a picture), test,
# portable (builds for other systems), release (running them), clients (programs that load our files), and bench
# (measuring).
#
#   install_packages.sh build [run] [test] [portable] [release] [clients] [bench]
set -eu

build="g++ cmake ninja-build pkg-config libprotozero-dev libcli11-dev libfmt-dev nlohmann-json3-dev
  libdeflate-dev"
run="libpng-dev libturbojpeg0-dev ca-certificates"
test="libgtest-dev libonnx-dev libprotobuf-dev protobuf-compiler libtorch-dev libopenblas0-pthread
  python3-torch python3-numpy chromium dpkg-dev file zsh fish clang libclang-rt-dev valgrind
  clang-format clang-tidy clang-tools"
portable="clang-22 lld-22 libc++-22-dev-wasm32 libc++abi-22-dev-wasm32 libclang-rt-22-dev-wasm32 wasi-libc
  nodejs python3-venv dpkg-dev wine wine64"
release="debootstrap qemu-user libc6-arm64-cross"
clients="libvulkan1 mesa-vulkan-drivers nodejs npm"
bench="libbenchmark-dev valgrind python3-torch python3-onnx"

packages=
for group in "$@"; do
  case $group in
    build) packages="$packages $build" ;;
    run)
      packages="$packages $run"
      # ONNX Runtime: the distribution's, or (Debian 12 has none) npm's library.
      if apt-cache show libonnxruntime-dev >/dev/null 2>&1; then
        packages="$packages libonnxruntime-dev"
      else
        command -v npm >/dev/null || packages="$packages npm"
      fi
      ;;
    test) packages="$packages $test" ;;
    portable) packages="$packages $portable" ;;
    release) packages="$packages $release" ;;
    clients)
      command -v npm >/dev/null && clients=${clients% nodejs npm}
      packages="$packages $clients"
      ;;
    bench) packages="$packages $bench" ;;
    *) echo "error: no group of packages is called $group" >&2; exit 2 ;;
  esac
done

missing=
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "error: these packages are missing, and neither root nor sudo is at hand:$missing" >&2
    exit 1
  }
  as_root=sudo
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -qq update
# shellcheck disable=SC2086: a list of packages
$as_root apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends $missing >/dev/null
