#!/usr/bin/python3
"""No false alarm: files of honest writers are clean to `scan`, and their tensors are read as they were saved.

    honest.py PROGRAM DUMP_TENSORS [--samples MAKE_SAMPLE_CHECKPOINT] [--random COUNT] [--seed SEED]
              [--keep FOLDER] [--only TEXT] [FOLDER...]

The files are: honest_contents.py saved by this machine's PyTorch in each container and pickle protocol; the forms of
honest_emulations.py; the stored files of other writers in tests/data/honest; COUNT checkpoints with random values
beside the weights (honest_random.py). Files that need only be clean: those in the given folders, this repository's own checkpoints and samples, and the published ones in ../shared where they are.
--keep leaves the files in FOLDER; --only takes those whose names have TEXT in them.
"""

import argparse
import collections
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import warnings

import torch

import honest_cases
import honest_contents
import honest_emulations
import honest_random

STORED = pathlib.Path(__file__).parent.parent / "data" / "honest"

# Container and protocol. PyTorch's persistent ids need a binary protocol, so there is none of protocol 0.
FORMS = [(container, protocol) for container in ("zip", "legacy") for protocol in (2, 1, 3, 4, 5)]

# Honest files of which scan need not know that they are harmless, each with the reason.
NOT_ONLY_DATA = {
    "scheduler_one_cycle": "older versions store a method of the scheduler, and so the scheduler and its optimizer",
    "scheduler_averaging": "older versions store a function of the class",
    "torch_memory_format": "stored as an attribute of the module torch that torch._utils imported",
    "beside_types_of_none": "the type of None is stored as a call of type(None)",
    "numpy_long_double": "numpy's types of known size are read, and no others",
    "numpy_array_of_texts": "numpy's types of known size are read, and no others",
    "numpy_array_of_objects": "numpy's types of known size are read, and no others",
    "numpy_structured": "numpy's types of known size are read, and no others",
    "numpy_dates": "numpy's types of known size are read, and no others",
    "records_big_endian": "PyTorch before 2.1 reads other numbers from a big-endian file",
}

# What the system's PyTorch has and cannot save.
UNSAVED = ("dtype_complex32", "nested", "torch_memory_format")

# Checkpoints in tests/data/torch that hold more than data, and are there for that.
MORE_THAN_DATA = ("not_torchscript.pth", "trained.pth", "trained_legacy.pth", "module_averaged.pth")

SAFETENSORS_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "C64": "complex64", "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8"}

GENERATIONS = ("G1", "G3", "G4", "G5.0", "G5.1", "G5.2", "G6.0", "G6.1", "G7a", "G7b", "G7c", "G7d")

File = collections.namedtuple("File", "path case tensors unread")


def is_one_of(names, case):
    """Whether a case, or a file called by its writer and its case, is one of these."""
    return any(f".{name}." in f".{case}." for name in names)


def saved_files(folder, only):
    """Saves each value in each form. PyTorch itself cannot save a few of them in some forms."""
    for case in honest_contents.cases():
        for container, protocol in FORMS:
            name = f"{case.name}.{container}{protocol}"
            if only not in name:
                continue
            path = folder / f"{name}.pth"
            how = {} if container == "zip" else {"_use_new_zipfile_serialization": False}
            try:
                torch.save(case.value, path, pickle_protocol=protocol, **how)
            except Exception as error:  # whatever it raises
                path.unlink(missing_ok=True)
                if case.name not in UNSAVED:
                    sys.exit(f"{name}: PyTorch cannot save it: {error}")
                continue
            yield File(path, case.name, wanted(case.tensors), case.unread)


def wanted(tensors):
    if tensors is None:
        return None
    return {line.split(" ")[3]: line for line in (
        honest_cases.expected_line(name, tensor) for name, tensor in tensors.items() if is_readable(tensor))}


def is_readable(tensor):
    return tensor.layout == torch.strided and tensor.device.type != "meta"


def emulated_files(folder, only):
    """What this machine's PyTorch loads of a file must be what the emulation means."""
    for name, content, tensors, loads in honest_emulations.files():
        if only not in name:
            continue
        path = folder / name
        path.write_bytes(content)
        if loads:
            loaded = torch.load(path, map_location="cpu")
            if wanted(loaded) != wanted(tensors):
                sys.exit(f"{path}: PyTorch loads something else than the emulation means")
        yield File(path, name, wanted(tensors), ())


def random_files(folder, count, seed, only):
    for name, content, tensors in honest_random.files(count, seed):
        if only in name:
            path = folder / name
            path.write_bytes(content)
            yield File(path, name, wanted(tensors), ())


def tensors_of_safetensors(path):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    lines = {}
    for name, tensor in json.loads(content[8:8 + size]).items():
        if name == "__metadata__" or tensor["dtype"] not in SAFETENSORS_TYPES:
            continue
        begin, end = tensor["data_offsets"]
        digest = hashlib.sha256(content[8 + size + begin:8 + size + end]).hexdigest()
        shape = ",".join(map(str, tensor["shape"]))
        lines[name.encode().hex()] = f"{SAFETENSORS_TYPES[tensor['dtype']]} {shape} {digest} {name.encode().hex()}"
    return lines


def stored_files(only):
    """tests/data/honest/expected.txt: "FILE", then a line for each tensor as expected_line() writes it."""
    files, current = {}, None
    for line in (STORED / "expected.txt").read_text().splitlines():
        if line.startswith("  "):
            current[line[2:].split(" ")[3]] = line[2:]
        else:
            name, _, unread = line.partition(" unread ")
            current = {}
            files[name] = (current, tuple(unread.split()))
    for path in sorted(STORED.iterdir()):
        if path.suffix not in (".pth", ".safetensors") or only not in path.name:
            continue
        if path.suffix == ".safetensors":
            yield File(path, path.name, tensors_of_safetensors(path), ())
            continue
        tensors, unread = files[path.name]
        yield File(path, path.name, tensors or None, unread)


def checkpoints_in(folder):
    kinds = (".pth", ".safetensors", ".safetensors.index.json")
    return [path for path in sorted(pathlib.Path(folder).rglob("*"))
            if path.name.endswith(kinds) and path.name not in MORE_THAN_DATA]



def other_files(folder, given):
    """Files that need only be clean."""
    source = pathlib.Path(__file__).parent.parent.parent
    files = []
    for place in (*given.more, source / "tests/data/torch", source.parent / "shared/checkpoints"):
        files += checkpoints_in(place)
    if given.samples:
        for generation in GENERATIONS:
            path = folder / f"sample_{generation}.pth"
            subprocess.run([given.samples, "--generation", generation, path], check=True, stdout=subprocess.DEVNULL)
            files.append(path)
    # The networks pickled whole have classes of their own.
    return [path for path in files if given.only in path.name and not path.name.startswith("module_g")]


def scan(program, paths):
    results = {}
    for first in range(0, len(paths), 300):
        some = [str(path) for path in paths[first:first + 300]]
        out = subprocess.run([program, "scan", "--json", "--quiet", *some],
                             capture_output=True, text=True, check=False)
        answer = json.loads(out.stdout)
        for result in answer["results"]:
            results[result["file"]] = result
    return results


def dump(program, paths):
    out = subprocess.run([program], input="\n".join(map(str, paths)) + "\n", capture_output=True, text=True,
                         check=True).stdout
    read, current = {}, None
    for line in out.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FILE":
            current = read.setdefault(rest, {"tensors": {}, "error": "", "problems": []})
        elif word == "ERROR":
            current["error"] = rest
        elif word == "PROBLEM":
            current["problems"].append(rest)
        elif word == "TENSOR":
            dtype, sizes, digest, name = (rest + " ").split(" ")[:4]
            dtype = {"boolean": "bool"}.get(dtype, dtype)
            current["tensors"][name] = f"{dtype} {sizes} {digest} {name}"
    return read


def alarms(result):
    """Why a file is not clean, in one line."""
    texts = [f"{name['name']} is {name['verdict']}" for name in result.get("globals", [])
             if name["verdict"] in ("suspicious", "dangerous")]
    texts += [f"{finding['code']}: {finding['what']}" for finding in result.get("findings", [])
              if finding["code"] not in ("module-source", "unused-storage")]
    return f"{result['result']}: " + "; ".join(texts[:4])


def wrong_tensors(file, read):
    """What the reader gives must be what was saved; all that was saved must be there, but for the unread ones."""
    if file.tensors is None:
        return [] if read["error"] in ("", "unsupported", "mismatch") else [f"error {read['error']}"]
    if read["error"]:
        return [f"error {read['error']}"]
    unread = {name.encode().hex() for name in file.unread}
    problems = []
    for name, line in read["tensors"].items():
        if file.tensors.get(name) != line:
            problems.append(f"{bytes.fromhex(name).decode()}: {line} read, {file.tensors.get(name)} saved")
    for name in file.tensors:
        if name not in read["tensors"] and name not in unread:
            problems.append(f"{bytes.fromhex(name).decode()} is not read ({'; '.join(read['problems'])[:200]})")
    return problems


def main():
    words = argparse.ArgumentParser()
    words.add_argument("program")
    words.add_argument("dump_tensors")
    words.add_argument("--samples")
    words.add_argument("--keep")
    words.add_argument("--only", default="")
    words.add_argument("--random", type=int, default=500)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("more", nargs="*")
    given = words.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(given.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        files = [*saved_files(folder, given.only), *emulated_files(folder, given.only), *stored_files(given.only),
                 *random_files(folder, given.random, given.seed, given.only)]
        more = other_files(folder, given)
        scanned = scan(given.program, [*(file.path for file in files), *more])
        read = dump(given.dump_tensors, [file.path for file in files])
    faults, counts = [], collections.Counter()
    for file in files:
        result = scanned[str(file.path)]
        counts[result["result"]] += 1
        problems = wrong_tensors(file, read[str(file.path)])
        counts["equal tensors"] += len(read[str(file.path)]["tensors"]) if not problems else 0
        if result["result"] != "clean" and not is_one_of(NOT_ONLY_DATA, file.case):
            problems.append(alarms(result))
        faults += [f"{file.path}: {problem}" for problem in problems]
    for path in more:
        if scanned[str(path)]["result"] != "clean":
            faults.append(f"{path}: {alarms(scanned[str(path)])}")
    for fault in faults:
        print(fault)
    print(f"{len(files) + len(more)} honest files: " + \
          ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    if faults or (counts["equal tensors"] < 1000 and not given.only):
        sys.exit(1)


main()
