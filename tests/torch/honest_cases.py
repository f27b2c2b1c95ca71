"""What a case of honest_contents.py is. Runs on every Python from 2.7 and every PyTorch from 1.0 on."""

import collections
import hashlib

import torch


class Case(object):
    """A value to save. `tensors` are those that the reader should find, None if there is no state dict.

    `unread`: names of tensors that scan understands, but of which no weights are read.
    """

    def __init__(self, name, value, tensors=None, unread=()):
        self.name = name
        self.value = value
        self.tensors = tensors
        self.unread = unread


def version():
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in torch.__version__.split(".")[:2])


def numbers(count, dtype=torch.float32):
    """Values that every float type holds exactly, and that differ from each other."""
    return ((torch.arange(count, dtype=torch.float32) - count // 3) / 8).to(dtype)


def raw_bytes(tensor):
    """The elements in row-major order."""
    tensor = tensor.detach()
    if getattr(tensor, "is_quantized", False):
        tensor = tensor.dequantize()
    if hasattr(tensor, "resolve_conj"):
        tensor = tensor.resolve_conj()
    if hasattr(tensor, "resolve_neg"):
        tensor = tensor.resolve_neg()
    if tensor.numel() == 0:
        return b""
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype)
    flat.copy_(tensor.reshape(-1))
    try:
        return flat.numpy().tobytes()
    except TypeError:  # a type that numpy lacks
        return flat.view(torch.uint8).numpy().tobytes()


def expected_line(name, tensor):
    """"dtype sizes SHA-256 name-in-hex", as dump_tensors prints it."""
    quantized = getattr(tensor, "is_quantized", False)
    dtype = "float32" if quantized else str(tensor.dtype)[6:]
    sizes = ",".join(str(size) for size in tensor.shape)
    digest = hashlib.sha256(raw_bytes(tensor)).hexdigest()
    text = name if isinstance(name, bytes) else name.encode("utf-8")
    return "%s %s %s %s" % (dtype, sizes, digest, "".join("%02x" % c for c in bytearray(text)))


def ordered(*pairs):
    return collections.OrderedDict(pairs)


def small(factor=1):
    return ordered(("weight", factor * numbers(6).reshape(2, 3)), ("bias", factor * numbers(2)))
