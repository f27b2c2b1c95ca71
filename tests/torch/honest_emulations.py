"""Files as other writers make them: newer versions of PyTorch, other devices and byte orders, other names of files, and
pickles without PyTorch. Where another version could be run, tests/data/honest has its own files.

files() gives (name, content, tensors, whether this machine's PyTorch loads the file).
"""

import argparse
import collections
import contextlib
import ctypes
import io
import json
import pathlib
import pickle
import struct
import sys
import tempfile

import numpy
import torch

import honest_cases

small = honest_cases.small
numbers = honest_cases.numbers
ordered = honest_cases.ordered


def saved(value, **how):
    out = io.BytesIO()
    torch.save(value, out, **how)
    return out.getvalue()


@contextlib.contextmanager
def replaced(module, **values):
    kept = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(module, name, value)


# --- zip archives: PyTorch's own writer of records, given other records ---

class Recorder:
    """Takes the records of torch.save in their order."""

    def __init__(self):
        self.records = []

    def write_record(self, name, content, size):
        # A storage is given by its address.
        if isinstance(content, int):
            content = ctypes.string_at(content, size) if size else b""
        self.records.append((name, content if isinstance(content, bytes) else bytes(content, "utf-8")))


def records_of(value, protocol=2):
    recorder = Recorder()
    torch.serialization._save(value, recorder, pickle, protocol)
    return recorder.records


def archive(records):
    out = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(out)
    for name, content in records:
        writer.write_record(name, content, len(content))
    writer.write_end_of_file()
    return out.getvalue()


IDENTITY = b"0636067387225853246712345678901234567890"  # 40 digits


def as_version(value, major, minor, protocol=2):
    """The records of torch.save of that version around the same pickle and storages."""
    records = records_of(value, protocol)
    order = [record for record in records if record[0] == "data.pkl"]
    if (major, minor) >= (2, 7):
        order += [(".format_version", b"1"), (".storage_alignment", b"64")]
    if (major, minor) >= (2, 1):
        order += [("byteorder", b"little")]
    order += [record for record in records if record[0] != "data.pkl"]
    content = archive(order)
    return content


def swapped(value):
    """What a big-endian machine writes, from 2.1 on."""
    records = [(name, content if name == "data.pkl" else swap(content, 4)) for name, content in records_of(value)]
    return archive([records[0], ("byteorder", b"big"), *records[1:]])


def swap(content, width):
    return b"".join(content[at:at + width][::-1] for at in range(0, len(content), width))


def devices():
    for device in ("cuda:0", "cuda:7", "mps:0", "xpu:0", "npu:0", "cuda"):
        for kind, how in (("zip", {}), ("legacy", {"_use_new_zipfile_serialization": False})):
            with replaced(torch.serialization, location_tag=lambda storage, device=device: device):
                yield f"device_{device.replace(':', '_')}.{kind}.pth", saved(small(), **how), small(), False


# --- pickles: a stand-in reduces to the call that another version writes ---

class Call:
    """Is pickled as the call of a function."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


def hooks():
    return collections.OrderedDict()


def rebuilt_tensors():
    utils = torch._utils
    weight = numbers(6).reshape(2, 3)
    as_v2 = Call(utils._rebuild_tensor_v2, weight.storage(), 0, (2, 3), (3, 1), False, hooks())
    yield "rebuild_tensor", ordered(("weight", Call(utils._rebuild_tensor, weight.storage(), 0, (2, 3), (3, 1))))
    yield "rebuild_parameter", ordered(("weight", Call(utils._rebuild_parameter, as_v2, True, hooks())))
    yield "rebuild_with_metadata", ordered(
        ("weight", Call(utils._rebuild_tensor_v2, weight.storage(), 0, (2, 3), (3, 1), False, hooks(), {})))
    if hasattr(utils, "_rebuild_parameter_with_state"):
        yield "rebuild_parameter_with_state", ordered(
            ("weight", Call(utils._rebuild_parameter_with_state, as_v2, True, hooks(), {"note": 1})))
    yield "rebuild_from_type", ordered(
        ("weight", Call(torch._tensor._rebuild_from_type_v2, utils._rebuild_tensor_v2, torch.nn.Parameter,
                        (weight.storage(), 0, (2, 3), (3, 1), True, hooks()), {"note": 1})))


def rebuilt():
    for name, value in rebuilt_tensors():
        for kind, how in (("zip", {}), ("legacy", {"_use_new_zipfile_serialization": False})):
            loads = name != "rebuild_with_metadata"  # from 2.0 on
            yield f"{name}.{kind}.pth", saved(value, **how), {"weight": numbers(6).reshape(2, 3)}, loads


def versions():
    for major, minor in ((2, 0), (2, 1), (2, 7)):
        yield f"records_of_{major}.{minor}.pth", as_version(small(), major, minor), small(), True
    many = ordered(*[(f"w{i}", numbers(3) + i) for i in range(12)])  # the order of "10" and "2"
    yield "many_storages.pth", as_version(many, 2, 7), many, True
    yield "records_big_endian.pth", swapped(small()), small(), False


# --- other machines, other picklers ---

def other_machines():
    legacy = {"_use_new_zipfile_serialization": False}
    with replaced(torch.serialization, LONG_SIZE=4):
        yield "windows.legacy.pth", saved(small(), **legacy), small(), True
    # Storages of a stream are little-endian on every machine, whatever the stream says of the machine.
    with replaced(sys, byteorder="big"):
        yield "big_endian.legacy.pth", saved(small(), **legacy), small(), True
    path = Call(pathlib.WindowsPath, "C:\\", "folder", "net.pth")
    yield "windows_path.pth", saved({"params": small(), "path": path}), small(), False


class PythonPickle:
    """What torch.save takes as pickle_module: Python's own pickler in Python, as dill and cloudpickle have it."""

    Pickler = pickle._Pickler
    Unpickler = pickle.Unpickler
    load = staticmethod(pickle.load)
    loads = staticmethod(pickle.loads)
    dump = staticmethod(pickle._dump)
    dumps = staticmethod(pickle._dumps)


def other_picklers():
    values = {"values": {"params": small(), "sets": [{1}, frozenset("a")], "bytes": b"x" * 300,
                         "array": numpy.arange(3), "names": argparse.Namespace(a=[1])},
              "large": {"params": small(), "numbers": list(range(30000)), "text": "t" * 70000,
                        "texts": [str(i) for i in range(1001)], "pairs": dict(enumerate("x" * 1001)),
                        "array": numpy.arange(20000.0), "bytes": b"b" * 70000}}
    for name, value in values.items():
        for protocol in (2, 3, 4, 5):
            for pickler, module in (("python", PythonPickle), ("c", pickle)):
                for kind, zipped in (("zip", True), ("legacy", False)):
                    content = saved(value, pickle_module=module, pickle_protocol=protocol,
                                    _use_new_zipfile_serialization=zipped)
                    yield f"pickler_{pickler}.{name}.{kind}_{protocol}.pth", content, small(), False


# --- names of files, and files without PyTorch ---

def names():
    with tempfile.TemporaryDirectory() as folder:
        for name in ("two words.pth", "dots.1.2.pth", "größe.pth", "网络.pth",
                     "no_ending", "UPPER.PTH", "a" * 150 + ".pth"):
            path = pathlib.Path(folder, name)
            torch.save(small(), path)
            yield f"named_{len(name)}_{name.partition('.')[0][:8]}.pth", path.read_bytes(), small(), True
    yield "buffer.pth", saved(small()), small(), True


def bare_pickles():
    values = {
        "arrays": {"weight": numpy.arange(6.0).reshape(2, 3), "bias": numpy.float32(0.5), "step": 3},
        "settings": {"name": "net", "scale": 2, "rate": 0.5, "many": [1, None, True, (1, 2)], "big": 2**70,
                     "text": "größe \\ \n end", "arguments": argparse.Namespace(lr=0.1)},
        "ordered": ordered(("a", 1), ("b", {1, 2})),
    }
    for name, value in values.items():
        for protocol in range(6):
            yield f"pickle_{name}.protocol_{protocol}.pkl", pickle.dumps(value, protocol), None, False


# --- safetensors whose length of the header, the first bytes, is a pickle as well: 88 2E is the pickle of True ---

def safetensors(header_bytes):
    tensor = numbers(3)
    content = honest_cases.raw_bytes(tensor)
    header = {"__metadata__": {"note": ""}, "weight": {"dtype": "F32", "shape": [3], "data_offsets": [0, len(content)]}}
    missing = header_bytes - len(json.dumps(header))
    header["__metadata__"]["note"] = "n" * missing
    return struct.pack("<Q", header_bytes) + json.dumps(header).encode() + content


def header_lengths():
    stop = 0x2e << 8
    # The crate pads to eight bytes since 0.3; before, any length.
    for low in sorted({*range(0, 256, 8), *b")N]}\x89"}):
        yield f"header_{stop + low}.safetensors", safetensors(stop + low), {"weight": numbers(3)}, False


def files():
    for group in (versions, devices, rebuilt, other_machines, other_picklers, names, bare_pickles, header_lengths):
        yield from group()
