#!/bin/sh
# Checks the code's form:
#   lint.sh format                 clang-format, all files
#   lint.sh tidy BUILD_FOLDER      clang-tidy, all files
#   lint.sh changed                clang-format, all files; clang-tidy, files changed since the commit
#                                  $LINT_SINCE (default HEAD~1)
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
  format)
    find bench cli examples fuzz include judge src tests tools verify -name '*.h' -o -name '*.cpp' |
      sort | xargs clang-format --dry-run -Werror
    ;;
  tidy)
    # In a unity build (preset release) the files that are compiled as one are read as one, which takes
    # a sixth of the time. verify/torch is left out: clang 14 can't compile libtorch's headers as C++20.
    root=$(pwd) build=$(cd "$2" && pwd)
    run-clang-tidy -p "$build" -quiet -j "$(nproc)" -checks=-bugprone-suspicious-include \
      "^($root|$build)/(bench|src|judge|cli|tools|examples|verify)/(?!.*(torch_module|aether2onnx_torch)).*\.(cpp|cxx)\$" \
      2>/dev/null | { ! grep -E '(error|warning):' ; }
    ;;
  changed)
    scripts/lint.sh format
    files=$(git diff --name-only --diff-filter=d "${LINT_SINCE:-HEAD~1}" -- '*.h' '*.cpp')
    [ -n "$files" ] || exit 0
    files=$(echo "$files" | grep -E '^(src|judge|cli|tools|examples|verify)/.*\.cpp$' |
      grep -vE '^(verify/torch/|src/port/(windows|memory))' || true)
    [ -n "$files" ] || exit 0
    # A unity build has no commands for single files.
    cmake -G Ninja -S . -B build/lint -DCMAKE_BUILD_TYPE=Release -DAETHER2ONNX_TESTS=OFF >/dev/null
    echo "$files" | xargs -P "$(nproc)" -n 1 clang-tidy -p build/lint -quiet 2>/dev/null |
      { ! grep -E '(error|warning):' ; }
    ;;
  *)
    echo "usage: lint.sh format | lint.sh tidy BUILD_FOLDER | lint.sh changed" >&2
    exit 2
    ;;
esac
