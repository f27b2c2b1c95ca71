#!/usr/bin/env python3
"""Writes files in this folder with the safetensors package, version 0.2 (without PyTorch) or 0.8 (with it).

    write_safetensors.py

write_safetensors.rs does the same with the crate.
"""

import pathlib

import numpy
import safetensors
import safetensors.numpy

HERE = pathlib.Path(__file__).parent


def numbers(count):
    return ((numpy.arange(count) - count // 3) / 8).astype("float32")


def with_numpy(version):
    tensors = {"b": numbers(3), "a": numpy.arange(6.0).reshape(2, 3), "c": numpy.arange(5, dtype="uint8"),
               "d": numpy.array([True, False]), "h": numbers(3).astype("float16"),
               "s": numpy.array(0.5, dtype="float32")}
    safetensors.numpy.save_file(tensors, str(HERE / f"safetensors{version}.numpy.safetensors"))
    safetensors.numpy.save_file(tensors, str(HERE / f"safetensors{version}.metadata.safetensors"), {"format": "np"})


def with_torch(version):
    import safetensors.torch
    import torch
    tensors = {"a.weight": torch.from_numpy(numbers(6)).reshape(2, 3), "e.bool": torch.tensor([True, False]),
               "b.brain": torch.from_numpy(numbers(3)).bfloat16(), "d.long": torch.arange(3), "scalar": torch.tensor(0.5),
               "empty": torch.empty(0, 3), "größe": torch.from_numpy(numbers(2))}
    safetensors.torch.save_file(tensors, HERE / f"safetensors{version}.torch.safetensors",
                                {"format": "pt", "note": "größe \"quoted\" \\"})
    rare = {name: torch.from_numpy(numbers(4)).abs().to(getattr(torch, name))
            for name in ("float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64", "complex64")}
    rare["kept"] = torch.from_numpy(numbers(2))
    safetensors.torch.save_file(rare, HERE / f"safetensors{version}.rare.safetensors")


def main():
    version = ".".join(safetensors.__version__.split(".")[:2])
    with_numpy(version)
    if version != "0.2":
        with_torch(version)


main()
