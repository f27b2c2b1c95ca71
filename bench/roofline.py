#!/usr/bin/python3
"""What inference costs at least on this machine, from the networks' descriptions.

    roofline.py [BUILD_FOLDER]

Prints for each variant x2 the multiply-adds of its matrix products (GEMM) and of its depthwise
convolutions for each pixel of input, and the pictures a second that the processor could compute at
most: all of the work at the rate of OpenBLAS's sgemm, through NumPy, on all cores.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from openblas import name_processor

name_processor()
# One core is measured, in its own time: a product on all of them would wait for other programs.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
try:
    import numpy
except ImportError:
    sys.exit("error: NumPy is missing; install the package python3-numpy")

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCALE = 2
SIZES = [(64, 64), (360, 640), (720, 1280)]


def rate_of_sgemm():
    """Floating-point operations a second of one core, in the best of many products."""
    size = 2048
    random = numpy.random.default_rng(1)
    a, b = (random.random((size, size), dtype=numpy.float32) for _ in range(2))
    best = float("inf")
    for _ in range(20):
        start = time.thread_time()
        a @ b
        best = min(best, time.thread_time() - start)
    return 2 * size**3 / best


def work_of(build, variant, folder):
    """Multiply-adds for each pixel of input: of GEMM, of depthwise convolutions."""
    name = f"{variant}_fused_fp32.pth"
    subprocess.run([build / "bin" / "make_checkpoints", folder, name], check=True)
    told = subprocess.run([build / "bin" / "aether2onnx", "inspect", folder / name, "--json",
                           "--tensors"], check=True, capture_output=True, text=True)
    described = json.loads(told.stdout)
    total = described["cost"]["multiply_adds_per_megapixel"] / 1e6 * SCALE**2
    depthwise = 0
    for tensor in described["tensors"]:
        shape = tensor["shape"]
        if len(shape) == 4 and shape[1] == 1:
            depthwise += shape[0] * shape[2] * shape[3]
    return total - depthwise, depthwise


def main():
    build = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "release"
    if not (build / "bin" / "make_checkpoints").exists():
        sys.exit(f"error: there is no {build}/bin/make_checkpoints; build with the benchmarks")
    cores = len(os.sched_getaffinity(0))
    rate = rate_of_sgemm() * cores
    print(f"sgemm: {rate / 1e9:.0f} GFLOP/s on {cores} cores\n")
    heads = ["network", "GEMM", "depthwise", *(f"{width}x{height}" for height, width in SIZES)]
    print("| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for variant in ("aether_small", "aether_medium", "aether_large"):
            gemm, depthwise = work_of(build, variant, pathlib.Path(folder))
            seconds = [2 * (gemm + depthwise) * height * width / rate for height, width in SIZES]
            cells = [variant, f"{gemm:,.0f}", f"{depthwise:,.0f}",
                     *(f"{1 / one:.3g} a second" for one in seconds)]
            print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
