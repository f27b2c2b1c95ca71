#!/bin/sh
# Makes all that is published into dist/: programs for five systems, wheels, SHA256SUMS, and a CycloneDX list of
# what is inside. Publishes nothing. Written for Debian 12.
#
#   release.sh [FOLDER [SYSTEM...]]     FOLDER: instead of dist; SYSTEM: linux-x86_64, linux-aarch64, windows-x86_64,
#                                       macos-arm64, macos-x86_64 (default: all)
#
# The same commit gives the same bytes: times are those of the commit, and compilers and sources are pinned.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
dist=${1:-dist}
[ $# -eq 0 ] || shift
systems=${*:-linux-x86_64 linux-aarch64 windows-x86_64 macos-arm64 macos-x86_64}
version=$(sed -n 's/^project(aether2onnx VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
git diff --quiet HEAD || echo "note: there are changes that are not committed; this is no release"

scripts/install_packages.sh build run portable release
scripts/fetch_portable.sh
scripts/fetch_onnxruntime.sh  # the headers
scripts/fetch_python_tools.sh
scripts/third_party_notices.sh | cmp -s - THIRD_PARTY_NOTICES || {
  echo "error: THIRD_PARTY_NOTICES is out of date: scripts/third_party_notices.sh >THIRD_PARTY_NOTICES" >&2
  exit 1
}
rm -rf "$dist"
mkdir -p "$dist"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each system: the target of the compiler and the tag of its wheel.
target_of() {
  case $1 in
    linux-x86_64) echo x86_64-linux-gnu.2.17 manylinux_2_17_x86_64.manylinux2014_x86_64 ;;
    linux-aarch64) echo aarch64-linux-gnu.2.28 manylinux_2_28_aarch64 ;;
    windows-x86_64) echo x86_64-windows-gnu win_amd64 ;;
    macos-arm64) echo aarch64-macos.13.0 macosx_13_0_arm64 ;;
    macos-x86_64) echo x86_64-macos.13.0 macosx_13_0_x86_64 ;;
    *) echo "error: no system is called $1" >&2; return 1 ;;
  esac
}

# Packs a folder: files in the order of their names, with the time of the commit and no owner.
pack() {
  case $1 in
    windows*)
      /usr/bin/python3 - "$work/$2" "$dist/$2.zip" <<'PYTHON'
import os, pathlib, sys, time, zipfile
folder, archive = map(pathlib.Path, sys.argv[1:])
when = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
    for file in sorted(folder.iterdir()):
        entry = zipfile.ZipInfo(f"{folder.name}/{file.name}", when)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (0o755 if file.suffix == ".exe" else 0o644) << 16
        out.writestr(entry, file.read_bytes(), compresslevel=9)
PYTHON
      ;;
    *)
      tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$2" |
        gzip -9n >"$dist/$2.tar.gz"
      ;;
  esac
}

# What a program does here, for the report: "ran: …", "never run", or an error.
try() {
  case $1 in
    linux-x86_64) runner= ;;
    linux-aarch64)
      command -v qemu-aarch64 >/dev/null || { echo "never run: qemu-user is missing"; return; }
      runner="qemu-aarch64 -L /usr/aarch64-linux-gnu"
      ;;
    windows-x86_64)
      WINEPREFIX=$root/build/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree=,mshtml="
      export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES
      runner=$(command -v wine64 || echo /usr/lib/wine/wine64)
      ;;
    *) echo "never run: there is no Mac here"; return ;;
  esac
  cp "$work/sample.pth" "$work/try.pth"
  # shellcheck disable=SC2086: a command with its arguments
  (cd "$work" && $runner "$2" try.pth "$1.onnx" --quiet) || { echo "FAILED"; return 1; }
  sha256sum <"$work/$1.onnx" >>"$work/outputs"
  echo "ran here: ${runner:-natively}" | sed "s,$root/,,"
}

: >"$work/outputs"
# From nothing, so that no file of an earlier build is inside.
for system in linux-x86_64 $systems; do rm -rf "build/release-$system"; done
scripts/zig_build.sh release-linux-x86_64 x86_64-linux-gnu.2.17 make_sample_checkpoint
build/release-linux-x86_64/bin/make_sample_checkpoint "$work/sample.pth"
for system in $systems; do
  read -r target tag <<END
$(target_of "$system")
END
  echo "== $system ($target)"
  scripts/zig_build.sh "release-$system" "$target" aether2onnx
  program=build/release-$system/bin/aether2onnx
  [ -e "$program" ] || program=$program.exe
  folder=aether2onnx-$version-$system
  mkdir -p "$work/$folder"
  cp "$program" LICENSE THIRD_PARTY_NOTICES "$work/$folder"
  cp docs/windows.md docs/macos.md "$work/$folder" 2>/dev/null || true
  case $system in windows*) rm -f "$work/$folder/macos.md" ;; macos*) rm -f "$work/$folder/windows.md" ;;
    *) rm -f "$work/$folder"/*.md ;; esac
  pack "$system" "$folder"
  scripts/wheel.sh "$program" "$tag" "$dist"
  ran=$(try "$system" "$root/$program")
  printf '%-16s %9s bytes  %s\n' "$system" "$(stat -c %s "$program")" "$ran" >>"$work/report"
done
[ "$(sort -u "$work/outputs" | wc -l)" -le 1 ] || { echo "error: the systems give different bytes" >&2; exit 1; }

.deps/python/bin/twine check --strict "$dist"/*.whl
.deps/python/bin/check-wheel-contents "$dist"/*.whl
for wheel in "$dist"/*manylinux*.whl; do
  [ ! -e "$wheel" ] || .deps/python/bin/auditwheel show "$wheel" | tr '\n' ' ' | grep -o 'consistent with.*tag: "[^"]*"' || true
done
scripts/sbom.py "$version" >"$dist/aether2onnx-$version.cdx.json"
(cd "$dist" && LC_ALL=C sha256sum ./* | sed 's, \./, ,' >"$work/sums" && mv "$work/sums" SHA256SUMS)
echo
cat "$work/report"
[ ! -s "$work/outputs" ] || echo "All programs that ran gave the same bytes."
(cd "$dist" && ls -l | awk 'NR > 1 { printf "%9s  %s\n", $5, $9 }')
