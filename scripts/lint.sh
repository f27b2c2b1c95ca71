#!/bin/sh
# Checks the code's form: lint.sh format, or lint.sh tidy BUILD_FOLDER
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
  format)
    find bench cli examples fuzz include judge src tests tools verify -name '*.h' -o -name '*.cpp' |
      sort | xargs clang-format --dry-run -Werror
    ;;
  tidy)
    # In a unity build (preset release) the files that are compiled as one are read as one, which takes
    # a sixth of the time. verify/reference*.cpp are left out: clang 14 can't compile libtorch's headers
    # as C++20.
    root=$(pwd) build=$(cd "$2" && pwd)
    run-clang-tidy -p "$build" -quiet -j "$(nproc)" -checks=-bugprone-suspicious-include \
      "^($root|$build)/(bench|src|judge|cli|tools|examples|verify)/(?!.*reference).*\.(cpp|cxx)\$" \
      2>/dev/null | { ! grep -E '(error|warning):' ; }
    ;;
  *)
    echo "usage: lint.sh format | lint.sh tidy BUILD_FOLDER" >&2
    exit 2
    ;;
esac
