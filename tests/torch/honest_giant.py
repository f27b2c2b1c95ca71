#!/usr/bin/python3
"""Giant honest files are clean to `scan`, which keeps few of their bytes in memory, and are read. For nightly.sh.

    honest_giant.py PROGRAM DUMP_TENSORS [MEGABYTES]

Archives over 4096 MB have numbers that zip's headers have no room for.
"""

import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import torch

MOST_MEMORY = 256  # MB that a scan may take


def write_archive(path, tensor):
    torch.save({"params": {"weight": tensor, "bias": torch.ones(3)}}, path)


def write_stream(path, tensor):
    torch.save({"params": {"weight": tensor, "bias": torch.ones(3)}}, path, _use_new_zipfile_serialization=False)


def write_optimizer(path, tensor):
    """The network is small; the optimizer's state is not."""
    state = {0: {"step": torch.tensor(3.0), "exp_avg": tensor, "exp_avg_sq": tensor.view(2, -1)}}
    torch.save({"params": {"weight": torch.ones(3)}, "optimizer": {"state": state, "param_groups": []}}, path)


def write_safetensors(path, tensor):
    """The file has a hole in place of its zeros."""
    size = tensor.numel() * 4
    text = json.dumps({"weight": {"dtype": "F32", "shape": [tensor.numel()], "data_offsets": [0, size]}}).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + size)


def peak_of(command):
    """Exit code, output and the most memory in MB. A child of a child, so that the figure is its own."""
    measure = ("import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]);"
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr);"
               "sys.exit(done.returncode)")
    done = subprocess.run([sys.executable, "-c", measure, *command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, int(done.stderr.split()[-1])


def main():
    program, dump = sys.argv[1:3]
    tensor = torch.zeros(int(sys.argv[3] if len(sys.argv) > 3 else 1024) << 18)
    digest = hashlib.sha256()
    for _ in range(tensor.numel() >> 18):
        digest.update(bytes(1 << 20))
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for write in (write_archive, write_stream, write_optimizer, write_safetensors):
            path = pathlib.Path(folder, write.__name__)
            write(path, tensor)
            code, out, memory = peak_of([program, "scan", str(path)])
            read = subprocess.run([dump], input=f"{path}\n", capture_output=True, text=True, check=True).stdout
            whole = digest.hexdigest() in read or (write is write_optimizer and "TENSOR float32 3 " in read)
            print(f"{path.name}: {path.stat().st_size >> 20} MB, scan exits {code}, {memory} MB in memory, "
                  f"{'read' if whole else 'not read'}")
            if code != 0 or memory > MOST_MEMORY or not whole:
                print(out[-2000:] + read[-500:])
                failed = True
            path.unlink()
    sys.exit(failed)


main()
