#!/bin/sh
# Checks the code's form: lint.sh format, or lint.sh tidy BUILD_FOLDER [FILES]
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
  format)
    find cli examples fuzz include src tests tools verify -name '*.h' -o -name '*.cpp' |
      sort | xargs clang-format --dry-run -Werror
    ;;
  tidy)
    # verify/reference*.cpp are left out: clang 14 can't compile libtorch's headers as C++20.
    run-clang-tidy -p "$2" -quiet -j "$(nproc)" \
      "$(pwd)/(src|cli|tools|examples|verify)/(?!reference).*\.cpp" 2>/dev/null |
      { ! grep -E '(error|warning):' ; }
    ;;
  *)
    echo "usage: lint.sh format | lint.sh tidy BUILD_FOLDER" >&2
    exit 2
    ;;
esac
