#!/usr/bin/python3
"""Writes the checkpoints in this folder with real PyTorch (Debian 12's python3-torch, 1.13.1).

Each X.pth has an X.expected beside it: one line a tensor of the state dict, with name, type, shape
and the elements in row-major order as hexadecimal floating-point numbers, so that the reader's
tests need neither Python nor PyTorch. Run it only to change the files:

    ./write_torch_files.py
"""

import argparse
import collections
import pathlib

import numpy
import torch

HERE = pathlib.Path(__file__).parent


def numbers(count, dtype=torch.float32):
    """Values that every float type holds exactly and that differ from each other."""
    return ((torch.arange(count, dtype=torch.float64) - count // 3) / 8).to(dtype)


def write(name, saved, tensors):
    torch.save(saved, HERE / f"{name}.pth")
    lines = []
    for key, tensor in tensors.items():
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


def write_what_is_no_checkpoint():
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.save(optimizer.state_dict(), HERE / "not_optimizer.pth")
    torch.save({"epoch": 1, "iter": 2, "optimizers": [optimizer.state_dict()], "schedulers": []},
               HERE / "not_training_state.pth")
    torch.save(net, HERE / "not_whole_module.pth")
    torch.save(numbers(3), HERE / "not_single_tensor.pth")
    torch.save({}, HERE / "not_empty.pth")
    torch.save({"name": "net", "scale": 2}, HERE / "not_settings.pth")
    torch.jit.save(torch.jit.script(net), HERE / "not_torchscript.pth")
    torch.save(net.state_dict(), HERE / "not_legacy.pth", _use_new_zipfile_serialization=False)


def main():
    write_dtypes()
    write_strides()
    write_offsets_and_sharing()
    write_parameters()
    write_nesting()
    write_training_checkpoint()
    write_protocols()
    write_what_is_no_checkpoint()


if __name__ == "__main__":
    main()
