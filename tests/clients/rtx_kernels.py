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
# bfloat16 needs compute capability 8.0.
CAPABILITIES = {"fp32": "7.5,8.0,8.6,8.9,12.0,12.1", "fp16": "7.5,8.0,8.6,8.9,12.0,12.1",
                "mixed_fp16": "7.5,8.0,8.6,8.9,12.0,12.1", "bf16": "8.0,8.6,8.9,12.0,12.1",
                "mixed_bf16": "8.0,8.6,8.9,12.0,12.1"}


def plans_of(engine):
    """The number of kernels in each plan of an engine, one plan for each architecture.

    An engine holds its plans as text: a function main whose entries are "KIND={ name=NAME ...". The kind shape_call
    computes sizes on the CPU.
    """
    plans = []
    for plan in re.findall(rb"\nmain \{(.*?)\n\}", engine.read_bytes(), re.DOTALL):
        kinds = collections.Counter(re.findall(rb"\n  (\w+)=\{ name=", plan))
        plans.append(sum(count for kind, count in kinds.items() if kind != b"shape_call"))
    return plans


class Problem(Exception):
    pass


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f"{' '.join(str(word) for word in words)}\n{done.stderr}")
    return done.stdout


def build(arguments, checkpoint, precision, capabilities, options=()):
    """What `engine --build` says of the engine, and its plans."""
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "model.onnx"
        run(arguments.program, checkpoint, model, "--for", "tensorrt-rtx", "--fp_mode", precision, "--quiet", *options)
        facts = json.loads(run(arguments.program, "engine", model, "--for", "tensorrt-rtx", "--build", "--json",
                               "--python", arguments.clients / "bin" / "python", "--compute_capabilities",
                               capabilities))
        return facts, plans_of(pathlib.Path(facts["engine"]))


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
            together = CAPABILITIES[precision]
            for capabilities in [together] + (together.split(",") if arguments.all else []):
                facts, plans = build(arguments, arguments.torch / f"{network}.pth", precision, capabilities)
                counts = sorted(set(plans))
                print(f"| {network} | {precision} | {capabilities} | {', '.join(map(str, counts))} | "
                      f"{facts['built']['bytes'] / 1e6:.1f} MB | {facts['built']['seconds']:.1f} s |", flush=True)
                if not counts or (network == "aether_small" and counts[-1] > MOST):
                    print(f"FAILED: {network} {precision}: {counts or 'no'} kernels, at most {MOST} expected")
                    failed += 1
    # A form that is known to need more: the count counts.
    _, plans = build(arguments, arguments.torch / "aether_small.pth", "fp16", "8.6", ("--projections", "matmul"))
    if not plans or plans[0] <= MOST:
        print(f"FAILED: by MatMul {plans} kernels, more than {MOST} expected")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
