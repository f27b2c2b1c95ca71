#!/usr/bin/python3
"""Fused checkpoints against PyTorch: loads them, and compares them with the unfused ones.

    check_fused.py CASES FUSED

CASES is the folder that make_cases.py filled. FUSED has NAME.TYPE.pth and NAME.TYPE.safetensors: the
fused form of case NAME with weights of TYPE (same, float32, …). Prints a line for each.
"""

import collections
import json
import pathlib
import struct
import sys

import torch

from aethernet import Aether
from make_cases import CASES

SAFETENSORS_TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16,
                     "BF16": torch.bfloat16, "I64": torch.int64}


def expect(condition, what):
    if not condition:
        sys.exit(f"error: {what}")


def load_safetensors(path):
    """The tensors, by the rules of the format's reference implementation."""
    data = path.read_bytes()
    length, = struct.unpack("<Q", data[:8])
    expect(data[8:9] == b"{" and (8 + length) % 8 == 0, f"{path}: a header that isn't aligned JSON")
    header = json.loads(data[8:8 + length], object_pairs_hook=collections.OrderedDict)
    expect(header.pop("__metadata__")["format"] == "pt", f"{path}: metadata without the format")
    tensors, end = {}, 0
    for name, entry in header.items():
        begin, tensor_end = entry["data_offsets"]
        dtype = SAFETENSORS_TYPES[entry["dtype"]]
        expect(begin == end, f"{path}: a gap or an overlap before {name}")
        end = tensor_end
        content = bytearray(data[8 + length + begin:8 + length + end])
        tensors[name] = torch.frombuffer(content, dtype=dtype).reshape(entry["shape"])
    expect(8 + length + end == len(data), f"{path}: bytes after the last tensor")
    return tensors


def load(path):
    if path.suffix == ".safetensors":
        return load_safetensors(path)
    state = torch.load(path, weights_only=True)
    expect(type(state) is collections.OrderedDict, f"{path}: {type(state)}, not a bare state dict")
    for name, value in state.items():
        expect(value.is_contiguous() and not value.requires_grad, f"{path}: {name} isn't plain")
    return state


def bare_state_dict(name, how):
    state = torch.load(f"{sys.argv[1]}/{name}.pth")
    state = state.get(how.get("wrapper"), state)
    prefix = how.get("prefix", "")
    return {key[len(prefix):]: value for key, value in state.items()}


def fused_by_torch(state):
    """The fused state dict, the sums made by PyTorch in float64 and rounded to float32."""
    fused = {}
    for key, value in state.items():
        path, _, last = key.rpartition(".conv.")
        if last == "lk_bias":
            kernel = state[f"{path}.conv.lk_conv.weight"].double().clone()
            small = state[f"{path}.conv.sk_conv.weight"].double()
            begin = (kernel.shape[2] - small.shape[2]) // 2
            end = begin + small.shape[2]
            kernel[:, :, begin:end, begin:end] += small
            bias = value.double() + state[f"{path}.conv.sk_bias"].double()
            wide = torch.float64 if value.dtype == torch.float64 else torch.float32
            fused[f"{path}.conv.fused_conv.weight"] = (kernel.to(wide), value.dtype)
            fused[f"{path}.conv.fused_conv.bias"] = (bias.to(wide), value.dtype)
        elif last not in ("sk_bias", "lk_conv.weight", "sk_conv.weight"):
            fused[key] = (value, value.dtype)
    return fused


def check(path):
    name, type_name = path.stem.split(".")
    arguments, how, _ = CASES[name]
    state = load(path)
    original = bare_state_dict(name, how)

    # Element by element, bit for bit.
    expected = fused_by_torch(original)
    expect(set(state) == set(expected), f"{path}: other keys than PyTorch's")
    for key, (value, stored) in expected.items():
        dtype = stored if type_name == "same" else getattr(torch, type_name)
        expect(state[key].dtype == dtype, f"{path}: {key} is {state[key].dtype}, not {dtype}")
        expect(torch.equal(state[key], value.to(dtype)), f"{path}: {key} has other numbers")

    # The network in its fused state takes them, and computes what the unfused one does.
    net = Aether(**dict(arguments, fused=True)).double()
    net.load_state_dict(state, strict=True)
    reference = Aether(**arguments).double()
    reference.load_state_dict(original, strict=True)
    if path.suffix == ".pth":
        expect(list(state) == list(net.state_dict()), f"{path}: the keys are in another order")
    image = torch.rand(1, arguments.get("channels", 3), 12, 9, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        output, want = net(image.double()), reference(image.double())
    difference = float((output - want).abs().max())
    exact = next(iter(state.values())).dtype in (torch.float32, torch.float64)
    expect(float(want.abs().max()) > 0.1, f"{path}: an output of zeros would prove nothing")
    expect(difference <= (1e-6 if exact else 0.1), f"{path}: the output differs by {difference}")
    print(f"{path.name:40} largest difference {difference:.1e}")


def main():
    torch.set_num_threads(1)
    for path in sorted(pathlib.Path(sys.argv[2]).iterdir()):
        check(path)


if __name__ == "__main__":
    main()
