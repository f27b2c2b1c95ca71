#!/usr/bin/python3
"""Compares the reader of checkpoints with PyTorch's own loader on mutations of valid files.

    differential.py DUMP_TENSORS [ROUNDS [SEED]]

A round is 200 files; the same rounds and seed are the same files.

Where both accept a file, its tensors must be equal to the bit. Where PyTorch's safe loader
(weights_only) refuses one that is read here, the reason must be on the list below; docs/security.md
has it in words. What only PyTorch accepts is no error: this reader is the stricter one.
"""

import hashlib
import io
import os
import pathlib
import pickletools
import random
import re
import resource
import subprocess
import sys
import tempfile
import zipfile

import torch

# Why PyTorch's safe loader refuses what is read here, by its message. Everything else is a defect.
ONLY_HERE = {
    "other opcodes": r"Unsupported operand|Unsupported opcode",
    "globals that stay names": r"Unsupported class|Unsupported global|Trying to call reduce for "
                               r"unrecognized|Can not create new object|Can only build|"
                               r"Can not build|Can only create new object",
    "what isn't the state dict": r"TypeError|AttributeError|unhashable|not subscriptable|KeyError|"
                                 r"IndexError|list index|requires_grad must|require gradients|"
                                 r"Can only append|Can only extend|pop from empty|ValueError|"
                                 r"UnicodeDecodeError|object is not|has no attribute|expected|"
                                 r"nullptr storage",
    "bytes in other places": r"persistent_load id must be|Only persistent_load of storage|"
                             r"^AssertionError: $|Only tuples|storage has wrong byte|"
                             r"Invalid magic number|PytorchStreamReader|failed finding",
}


def sample_files():
    """Valid files of several kinds, small."""
    torch.manual_seed(1)
    base = torch.arange(24, dtype=torch.float32)
    dicts = [
        {"a": torch.randn(2, 3), "b": torch.randn(4)},
        {"t": base.view(4, 6).t(), "s": base[3:9], "w": base.view(2, 3, 4)[:, 1:, ::2]},
        {"h": torch.randn(3).half(), "f": torch.randn(3).bfloat16(), "d": torch.randn(3).double(),
         "i": torch.arange(3), "o": torch.tensor(2.5), "e": torch.zeros(0, 3), "z": torch.tensor([True])},
        torch.nn.Linear(2, 3).state_dict(),
        {"p": torch.nn.Parameter(torch.randn(2)), "n": 5, "x": None, "l": [1, 2, "text"]},
    ]
    files = []
    for value in dicts:
        for zipped in (True, False):
            out = io.BytesIO()
            torch.save(value, out, _use_new_zipfile_serialization=zipped)
            files.append(out.getvalue())
    return files


def mutate_bytes(data, chance):
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at] = chance.choice((0, 1, 2, 3, 0x7f, 0x80, 0xff, chance.randrange(256)))
        elif kind == 2:
            del data[at:at + chance.randint(1, 4)]
        elif kind == 3:
            begin = chance.randrange(len(data))
            data[at:at] = data[begin:begin + chance.randint(1, 30)]
        else:
            begin = chance.randrange(len(data))
            part = data[begin:begin + chance.randint(1, 12)]
            data[at:at + len(part)] = part
        if not data:
            return b"."
    return bytes(data)


def mutate_number(pickle, chance):
    """Another small number in place of one: sizes, strides, offsets, counts stay well-formed."""
    numbers = [(at, op.name) for op, _, at in pickletools.genops(pickle)
               if op.name in ("BININT1", "BININT2", "BININT")]
    if not numbers:
        return pickle
    data = bytearray(pickle)
    for _ in range(chance.randint(1, 2)):
        at, _name = chance.choice(numbers)
        data[at + 1] = chance.choice((0, 1, 2, 3, 4, 6, 8, 12, 24, 255))
    return bytes(data)


def mutate(data, chance):
    """Of zip archives mostly the pickle alone, put back with the right checksum."""
    if not data.startswith(b"PK") or chance.random() < 0.2:
        return mutate_bytes(data, chance)
    out = io.BytesIO()
    how = chance.random()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename.endswith("data.pkl"):
                content = (mutate_number if how < 0.5 else mutate_bytes)(content, chance)
            elif "/data/" in info.filename and how > 0.9:
                content = content[:chance.randint(0, len(content))]
            new.writestr(info.filename, content)
    return out.getvalue()


def torch_view(path):
    """Name to (dtype, sizes, hash), or the message with which it is refused."""
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever it raises
        return None, f"{type(error).__name__}: {error}"
    tensors = {}
    if not isinstance(value, dict):
        return None, "TypeError: not a dict"
    for name, tensor in value.items():
        if not isinstance(tensor, torch.Tensor) or tensor.is_sparse or tensor.is_quantized:
            continue
        if tensor.numel() > 1_000_000 or tensor.storage().size() < tensor.numel():
            continue  # expanded, which is refused here
        dtype = str(tensor.dtype)[6:]
        if tensor.dtype == torch.bool:
            tensor = tensor.view(torch.uint8)  # copying makes 1 of what isn't 0
        flat = torch.empty(tensor.numel(), dtype=tensor.dtype)
        flat.copy_(tensor.detach().reshape(-1))
        raw = bytes(flat.view(torch.uint8).numpy()) if flat.numel() else b""
        sizes = ",".join(map(str, tensor.shape))
        tensors[str(name)] = (dtype, sizes, hashlib.sha256(raw).hexdigest())
    return tensors, ""


def our_views(dump, paths):
    out = subprocess.run([dump], input="\n".join(paths) + "\n", capture_output=True, text=True,
                         check=True).stdout
    views, refused, current = {}, set(), None
    for line in out.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FILE":
            current = rest
            views[current] = {}
        elif word == "ERROR":
            views[current] = None
        elif word == "PROBLEM":
            if rest.startswith("is a tensor"):
                refused.add(current)
        else:
            dtype, sizes, digest, *name = rest.split(" ")
            if dtype == "boolean":
                dtype = "bool"
            views[current][bytes.fromhex(name[0] if name else "").decode("utf-8", "replace")] = (
                dtype, sizes, digest)
    return views, refused


def compare(path, ours, tensor_refused, counts, problems):
    theirs, message = torch_view(path)
    if ours is None:
        counts["only PyTorch" if theirs is not None else "neither"] += 1
        return
    if theirs is None and (tensor_refused or not ours):
        counts["neither"] += 1  # a tensor of the file is refused here, as all of it by PyTorch
        return
    if theirs is None:
        reason = next((what for what, pattern in ONLY_HERE.items()
                       if re.search(pattern, message)), None)
        if reason is None:
            problems.append((path, f"only read here: {message}"))
        counts["only here: " + (reason or "?")] = counts.get("only here: " + (reason or "?"), 0) + 1
        return
    counts["both"] += 1
    for name, seen in ours.items():
        if name in theirs and theirs[name] != seen:
            problems.append((path, f"{name}: {seen} here, {theirs[name]} in PyTorch"))
        elif name in theirs:
            counts["equal tensors"] += 1


def main():
    dump = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 80
    chance = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    samples = sample_files()
    counts = {"both": 0, "neither": 0, "only PyTorch": 0, "equal tensors": 0}
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            first = turn == 0
            paths = []
            for i in range(200):
                path = os.path.join(folder, f"{i}.pth")
                data = samples[i % len(samples)]
                pathlib.Path(path).write_bytes(data if first and i < len(samples) else mutate(data, chance))
                paths.append(path)
            views, refused = our_views(dump, paths)
            for i, path in enumerate(paths):
                before = counts["both"]
                compare(path, views[path], path in refused, counts, problems)
                if first and i < len(samples) and counts["both"] == before:
                    problems.append((path, "a valid file isn't read by both"))
            for path, problem in problems[:5]:
                kept = pathlib.Path(tempfile.gettempdir()) / f"differential-{os.path.basename(path)}"
                kept.write_bytes(pathlib.Path(path).read_bytes())
                print(f"{kept}: {problem}")
            if problems:
                break
    for what, count in counts.items():
        print(f"{count:8} {what}")
    if problems or counts["equal tensors"] == 0:
        sys.exit(1)


main()
