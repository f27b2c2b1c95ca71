#!/usr/bin/env python3
"""Builds engines with NVIDIA's TensorRT for RTX, by `engine --for tensorrt-rtx --build`, and counts their kernels.

    rtx_kernels.py --program aether2onnx --clients .deps/clients --torch FOLDER [--all]

FOLDER is that of make_cases.py. aether_small in each precision must need no more kernels than MOST. With --all: the
other networks and forms as well, for each compute capability alone; prints the table of docs/performance.md.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

MOST = 89
PRECISIONS = ("fp32", "fp16", "mixed_fp16", "bf16", "mixed_bf16")
# One engine has one plan for all its GPUs, that of the oldest. Turing's (7.5) has no fused convolutions and GELU, and
# no bfloat16, so it stands alone.
TURING = "7.5"
NEWER = "8.0,8.6,8.9,12.0,12.1"
# Entries of a plan that launch nothing: sizes, and waiting between streams.
NO_KERNELS = (b"shape_call", b"signal", b"wait")


def kernels_of(engine):
    """The number of kernels that an engine launches, 0 if the engine has no readable plan.

    An engine holds its plan as text: a function main whose entries are "KIND={ name=NAME ...". Each fused kernel has
    such a text as well, which is shorter.
    """
    numbers = [0]
    for plan in re.findall(rb"\nmain \{(.*?)\n\}", engine.read_bytes(), re.DOTALL):
        kinds = collections.Counter(re.findall(rb"\n  (\w+)=\{ name=", plan))
        numbers.append(sum(count for kind, count in kinds.items() if kind not in NO_KERNELS))
    return max(numbers)


class Problem(Exception):
    pass


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f"{' '.join(str(word) for word in words)}\n{done.stderr}")
    return done.stdout


def build(arguments, checkpoint, precision, capabilities, options=()):
    """What `engine --build` says of the engine, and the number of its kernels."""
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "model.onnx"
        run(arguments.program, checkpoint, model, "--for", "tensorrt-rtx", "--fp_mode", precision, "--quiet", *options)
        facts = json.loads(run(arguments.program, "engine", model, "--for", "tensorrt-rtx", "--build", "--json",
                               "--python", arguments.clients / "bin" / "python", "--compute_capabilities",
                               capabilities))
        return facts, kernels_of(pathlib.Path(facts["engine"]))


def main():
    parser = argparse.ArgumentParser()
    for name in ("program", "clients", "torch"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    if not (arguments.clients / "bin" / "python").exists():
        print("skipped: scripts/install_clients.sh has not installed the clients")
        return 77
    networks = ("aether_small", "aether_medium", "aether_large") if arguments.all else ("aether_small",)
    failed = 0
    print("| network | precision | compute capabilities | kernels | engine | build |")
    print("| --- | --- | --- | --- | --- | --- |")
    for network in networks:
        for precision in PRECISIONS:
            lists = [NEWER] if "bf16" in precision else [TURING, NEWER]
            for capabilities in lists + (NEWER.split(",") if arguments.all else []):
                facts, kernels = build(arguments, arguments.torch / f"{network}.pth", precision, capabilities)
                print(f"| {network} | {precision} | {capabilities} | {kernels} | "
                      f"{facts['built']['bytes'] / 1e6:.1f} MB | {facts['built']['seconds']:.1f} s |", flush=True)
                is_over = network == "aether_small" and capabilities != TURING and kernels > MOST
                if kernels == 0 or is_over:
                    print(f"FAILED: {network} {precision}: {kernels} kernels, at most {MOST} expected")
                    failed += 1
    # A form that is known to need more: the count counts.
    _, kernels = build(arguments, arguments.torch / "aether_small.pth", "fp16", "8.6", ("--projections", "matmul"))
    if kernels <= MOST:
        print(f"FAILED: by MatMul {kernels} kernels, more than {MOST} expected")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
