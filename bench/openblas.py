"""Names the processor for OpenBLAS, as aether2onnx does before it loads PyTorch: the version of
Debian 12 takes processors that are newer than itself for the oldest of their kind."""

import contextlib
import os


def name_processor():
    """Before OpenBLAS is loaded, by this process or those that it starts."""
    flags = set()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((set(line.split()) for line in file if line.startswith("flags")), flags)
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags:
        os.environ.setdefault("OPENBLAS_CORETYPE", "SKYLAKEX")
    elif {"avx2", "fma"} <= flags:
        os.environ.setdefault("OPENBLAS_CORETYPE", "HASWELL")
