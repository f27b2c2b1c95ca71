#!/bin/sh
# Prints THIRD_PARTY_NOTICES: the licenses of everything that is inside the programs. Needs the headers of
# scripts/install_packages.sh and the downloads of scripts/fetch_portable.sh.
set -eu
cd "$(dirname "$0")/.."
deps=.deps/portable
cat <<'END'
Third-party notices

The programs of aether2onnx contain code of the projects below. Each part names the project, says what of it is
inside, and repeats its license.
END
part() {
  printf '\n%s\n%s\n%s\n\n' "$(printf '=%.0s' $(seq 78))" "$1" "$(printf '=%.0s' $(seq 78))"
  sed 's/[ \t]*$//' "$2"
}
part "fmt: formatting of text. All programs." /usr/share/doc/libfmt-dev/copyright
part "JSON for Modern C++ (nlohmann-json): JSON. All programs." /usr/share/doc/nlohmann-json3-dev/copyright
part "CLI11: the options of the command line. All programs." /usr/share/doc/libcli11-dev/copyright
part "protozero: protobuf's wire format. All programs." /usr/share/doc/libprotozero-dev/copyright
part "libdeflate: deflate and CRC-32. All programs." $deps/libdeflate/COPYING
part "LLVM's libc++, libc++abi and libunwind: the C++ library. All programs built with zig." \
  $deps/ziglang/lib/libcxx/LICENSE.TXT
part "Zig's compiler-rt: arithmetic for the compiler. All programs built with zig." $deps/ziglang/LICENSE
part "mingw-w64: start of the program and C library. The programs for Windows." $deps/ziglang/lib/libc/mingw/COPYING
