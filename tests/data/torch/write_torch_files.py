#!/usr/bin/python3
"""Writes the checkpoints in this folder with real PyTorch (Debian 12's python3-torch, 1.13.1).

Each X.pth has an X.expected beside it: one line a floating-point tensor of the state dict, with name, type, shape
and the elements in row-major order as hexadecimal floating-point numbers, so that the reader's
tests need neither Python nor PyTorch. Run it only to change the files:

    ./write_torch_files.py
"""

import argparse
import collections
import datetime
import fractions
import functools
import json
import pathlib
import struct

import numpy
import torch

HERE = pathlib.Path(__file__).parent


def numbers(count, dtype=torch.float32):
    """Values that every float type holds exactly and that differ from each other."""
    return ((torch.arange(count, dtype=torch.float64) - count // 3) / 8).to(dtype)


def write(name, saved, tensors, **how):
    torch.save(saved, HERE / f"{name}.pth", **how)
    write_expected(name, tensors)


def write_legacy(name, saved, tensors, protocol=2):
    write(name, saved, tensors, pickle_protocol=protocol, _use_new_zipfile_serialization=False)


def write_expected(name, tensors):
    lines = []
    for key, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue  # counters; the reader's tests compare what weights may be
        shape = ",".join(str(size) for size in tensor.shape)
        values = " ".join(float(value).hex() for value in tensor.detach().double().reshape(-1).tolist())
        lines.append(f"{key} {str(tensor.dtype).removeprefix('torch.')} [{shape}] {values}".rstrip())
    (HERE / f"{name}.expected").write_text("\n".join(lines) + "\n")


def state_dict(**tensors):
    return collections.OrderedDict(tensors)


def write_dtypes():
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        tensors = state_dict(weight=numbers(24, dtype).reshape(2, 3, 4), bias=numbers(5, dtype))
        write(f"dtype_{str(dtype).removeprefix('torch.')}", tensors, tensors)
    mixed = state_dict(
        half=numbers(3, torch.float16),
        double=numbers(3, torch.float64),
        counter=torch.tensor(7),
        flags=torch.tensor([True, False]),
        bytes=torch.tensor([1, 2, 255], dtype=torch.uint8),
    )
    write("dtype_mixed", mixed, {key: mixed[key] for key in ("half", "double")})


def write_strides():
    base = numbers(24).reshape(4, 6)
    tensors = state_dict(
        transposed=base.t(),
        every_second=base[:, ::2],
        permuted=numbers(24).reshape(2, 3, 4).permute(2, 0, 1),
        row_of_size_one=base[1:2, :],
        scalar=torch.tensor(0.625),
        empty=torch.empty(0, 3),
    )
    write("strides", tensors, tensors)
    channels_last = state_dict(
        weight=numbers(2 * 3 * 5 * 5).reshape(2, 3, 5, 5).to(memory_format=torch.channels_last),
        depthwise=numbers(4 * 9).reshape(4, 1, 3, 3).to(memory_format=torch.channels_last),
    )
    write("channels_last", channels_last, channels_last)


def write_offsets_and_sharing():
    flat = numbers(40)
    tensors = state_dict(
        first=flat[:12].view(3, 4),
        second=flat[12:32].view(2, 10),
        last=flat[32:],
        overlapping=flat[8:20],
        whole=flat,
        tied=flat[12:32].view(2, 10).t(),
    )
    write("offsets_and_sharing", tensors, tensors)


def write_parameters():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.LeakyReLU(), torch.nn.Linear(4, 2))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(numbers(parameter.numel()).reshape(parameter.shape))
    write("module_state_dict", net.state_dict(), net.state_dict())
    parameters = {name: parameter for name, parameter in net.named_parameters()}
    write("parameters", parameters, parameters)


def write_nesting():
    inner = state_dict(weight=numbers(6).reshape(2, 3), bias=numbers(2))
    other = state_dict(weight=-numbers(6).reshape(2, 3), bias=-numbers(2))
    write("nested_params", {"params": inner}, inner)
    write("nested_params_ema", {"params": other, "params_ema": inner, "iter": 5000}, inner)
    write("nested_twice", {"epoch": 3, "model": {"state_dict": inner}}, inner)
    prefixed = state_dict(**{f"module.{key}": value for key, value in inner.items()})
    write("module_prefix", {"state_dict": prefixed}, inner)
    compiled = state_dict(**{f"_orig_mod.module.{key}": value for key, value in inner.items()})
    write("compiled_prefix", compiled, inner)


def write_training_checkpoint():
    net = torch.nn.Linear(3, 2)
    with torch.no_grad():
        net.weight.copy_(numbers(6).reshape(2, 3))
        net.bias.copy_(numbers(2))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.0)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [10, 20])
    saved = {
        "epoch": 12,
        "arguments": argparse.Namespace(scale=2, name="net"),
        "path": pathlib.PurePosixPath("somewhere/net.pth"),
        "best": numpy.float64(31.5),
        "array": numpy.arange(4),
        "set": {1, 2},
        "bytes": b"\x00\x01",
        "big": 2**100,
        "complex": 1 + 2j,
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "size": torch.Size([1, 2]),
        "default": collections.defaultdict(list, {"a": [1]}),
        3: "an integer key",
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "state_dict": net.state_dict(),
    }
    write("training_checkpoint", saved, net.state_dict())


def write_protocols():
    tensors = state_dict(weight=numbers(6).reshape(2, 3), bias=numbers(2))
    for protocol in (3, 4, 5):
        torch.save(tensors, HERE / f"protocol_{protocol}.pth", pickle_protocol=protocol)
        expected = (HERE / "nested_params.expected").read_text()
        (HERE / f"protocol_{protocol}.expected").write_text(expected)


def small_state(factor=1):
    return state_dict(weight=factor * numbers(6).reshape(2, 3), bias=factor * numbers(2))


def write_wrappers():
    inner, other = small_state(), small_state(-1)
    for key in ("params-ema", "net_g", "model_state_dict", "model", "generator", "ema", "state_dict_ema"):
        write(f"wrapper_{key.replace('-', '_')}", {key: inner, "iter": 7}, inner)
    write("wrapper_of_any_name", {"epoch": 1, "my_network": inner, "rng_state": torch.get_rng_state(),
                                  "best": torch.tensor(31.5)}, inner)
    write("wrapper_gan", {"net_d": other, "net_g": small_state(2), "net_g_ema": inner, "iter": 7}, inner)
    write("wrapper_attribute", argparse.Namespace(scale=2, model=inner), inner)
    flat = state_dict(**{f"net_g.module.{key}": value for key, value in inner.items()},
                      **{f"net_d.{key}": value for key, value in other.items()})
    write("flat_gan", {"state_dict": flat}, flat)
    shared = state_dict(**{f"model.net_g.{key}": value for key, value in inner.items()})
    write("prefix_twice", {"state_dict": shared}, inner)
    wrapped = state_dict(**{"body._orig_mod.weight": inner["weight"],
                            "body._fsdp_wrapped_module.bias": inner["bias"]})
    write("prefix_within", wrapped, {"body.weight": inner["weight"], "body.bias": inner["bias"]})
    averaged = torch.optim.swa_utils.AveragedModel(small_network())
    write("averaged_model", averaged.state_dict(), small_network().state_dict())


class Settings:
    """An object with attributes and another object in it, as configurations are."""

    def __init__(self):
        self.scale = 2
        self.inner = argparse.Namespace(depths=[1, 2], path=pathlib.PurePosixPath("data"))


def small_network():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1, bias=False), torch.nn.GELU()),
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(numbers(parameter.numel()).reshape(parameter.shape))
    return net


def write_trained(name, legacy):
    """What a training run leaves after real steps of Adam, three times the weights in its state."""
    net = small_network()
    averaged = torch.optim.swa_utils.AveragedModel(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, amsgrad=True)
    warm_up = functools.partial(max, 0.1)
    schedulers = [torch.optim.lr_scheduler.MultiStepLR(optimizer, [10, 20]),
                  torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)]
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.arange(75.0).reshape(1, 3, 5, 5) / 75).square().mean().backward()
        optimizer.step()
        averaged.update_parameters(net)
        for scheduler in schedulers:
            scheduler.step()
    saved = {
        "version": torch.__version__,  # a TorchVersion
        "iter": 3,
        "arguments": argparse.Namespace(scale=2, dtype=torch.float16, device=torch.device("cpu")),
        "settings": Settings(),
        "partial": warm_up,
        "when": datetime.datetime(2026, 1, 2, 3, 4, 5),
        "fraction": fractions.Fraction(1, 3),
        "numpy": [numpy.float32(1.5), numpy.int64(3), numpy.arange(3.0), numpy.random.get_state()],
        "sets": [{1, 2}, frozenset("ab")],
        "slice": slice(1, 2),
        "optimizer": optimizer.state_dict(),
        "optimizer_object": optimizer,
        "schedulers": [scheduler.state_dict() for scheduler in schedulers],
        "rng": torch.get_rng_state(),
        "scaler": {"scale": torch.tensor(65536.0), "growth_tracker": 0},
        5: {"integer": "key"},
        "state_dict": net.state_dict(),
        "averaged": averaged.state_dict(),
    }
    (write_legacy if legacy else write)(name, saved, net.state_dict())


def write_legacy_streams():
    for protocol in (1, 2, 3, 4, 5):
        write_legacy(f"legacy_protocol_{protocol}", small_state(), small_state(), protocol)
    flat = numbers(40)
    shared = state_dict(first=flat[:12].view(3, 4), last=flat[32:], tied=flat[12:32].view(2, 10).t())
    write_legacy("legacy_sharing", {"params_ema": shared, "params": small_state()}, shared)
    mixed = state_dict(half=numbers(3, torch.float16), brain=numbers(3, torch.bfloat16),
                       double=numbers(3, torch.float64), counter=torch.tensor(7),
                       flags=torch.tensor([True, False]), scalar=torch.tensor(0.625),
                       empty=torch.empty(0, 3))
    write_legacy("legacy_dtypes", mixed,
                 {key: mixed[key] for key in ("half", "brain", "double", "scalar", "empty")})


def write_whole_modules():
    net = small_network()
    net.register_buffer("kept", numbers(2))
    net.register_buffer("omitted", numbers(3), persistent=False)
    expected = net.state_dict()
    write("module_zip", net, expected)
    write_legacy("module_legacy", net, expected)
    write("module_parallel", torch.nn.DataParallel(net), expected)
    write("module_wrapped", {"epoch": 3, "net_g": net, "optimizer": None}, expected)


SAFETENSORS_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
                     torch.float64: "F64", torch.int64: "I64", torch.uint8: "U8"}


def write_safetensors(path, tensors, metadata=None):
    """The format is simple enough to be written here; the package isn't in Debian 12."""
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for key, tensor in tensors.items():
        content = bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist()) if tensor.numel() else b""
        header[key] = {"dtype": SAFETENSORS_TYPES[tensor.dtype], "shape": list(tensor.shape),
                       "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_safetensors_files():
    mixed = state_dict(single=numbers(6).reshape(2, 3), half=numbers(3, torch.float16),
                       brain=numbers(3, torch.bfloat16), double=numbers(4, torch.float64).reshape(2, 2),
                       scalar=torch.tensor(0.625), empty=torch.empty(0, 3))
    write_safetensors(HERE / "safetensors_types.safetensors",
                      dict(mixed, counter=torch.arange(3), bytes=torch.tensor([1, 255], dtype=torch.uint8)),
                      {"format": "pt", "iter": "5000"})
    write_expected("safetensors_types", mixed)
    names = ["shards-00001-of-00002.safetensors", "shards-00002-of-00002.safetensors"]
    parts = [state_dict(weight=numbers(6).reshape(2, 3)), state_dict(bias=numbers(2))]
    for name, part in zip(names, parts):
        write_safetensors(HERE / name, part, {"format": "pt"})
    weight_map = {key: name for name, part in zip(names, parts) for key in part}
    (HERE / "shards.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": 32}, "weight_map": weight_map}, indent=2) + "\n")
    write_expected("shards", small_state())


def write_what_is_no_checkpoint():
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.save(optimizer.state_dict(), HERE / "not_optimizer.pth")
    torch.save({"epoch": 1, "iter": 2, "optimizers": [optimizer.state_dict()], "schedulers": []},
               HERE / "not_training_state.pth")
    torch.save(numbers(3), HERE / "not_single_tensor.pth")
    torch.save({}, HERE / "not_empty.pth")
    torch.save({"name": "net", "scale": 2}, HERE / "not_settings.pth")
    torch.jit.save(torch.jit.script(net), HERE / "not_torchscript.pth")
    torch.save({"first": small_state(), "second": small_state()}, HERE / "not_one_state_dict.pth")


def main():
    write_dtypes()
    write_strides()
    write_offsets_and_sharing()
    write_parameters()
    write_nesting()
    write_training_checkpoint()
    write_protocols()
    write_wrappers()
    write_trained("trained", legacy=False)
    write_trained("trained_legacy", legacy=True)
    write_legacy_streams()
    write_whole_modules()
    write_safetensors_files()
    write_what_is_no_checkpoint()


if __name__ == "__main__":
    main()
