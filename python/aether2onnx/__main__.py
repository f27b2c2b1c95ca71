"""python -m aether2onnx: the program itself."""

import sys

from ._program import replace_this_process

if __name__ == "__main__":
    sys.exit(replace_this_process(sys.argv[1:]))
