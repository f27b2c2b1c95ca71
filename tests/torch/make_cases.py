#!/usr/bin/python3
"""Writes checkpoints with torch.save, inputs, and PyTorch's own outputs, for torch_parity_test.

    make_cases.py FOLDER

Each case N is N.pth (what the converter gets) and N.txt, whose lines name inputs and outputs
(N.K.in.npy and N.K.out.npy, float32). Some are exported with torch.onnx.export, too (N.exported.onnx). Also checks the network of this folder against the published
reference values, so that parity with it means parity with AetherNet.
"""

import math
import pathlib
import sys

import numpy
import torch

from aethernet import Aether, VARIANTS, randomize

# Case: network, how it is saved, and the sizes of the inputs (N, H, W).
SMALL = dict(embed_dim=8, depths=(2, 1), hidden=16, large=5, small=3)
CASES = {
    "x2_fused": (dict(SMALL, scale=2, fused=True), {}, [(1, 7, 6), (2, 16, 16)]),
    "x2_unfused": (dict(SMALL, scale=2), {}, [(1, 7, 6), (3, 5, 31)]),
    "x1_unfused": (dict(SMALL, scale=1), {}, [(1, 9, 4)]),
    "x3_unfused": (dict(SMALL, scale=3, hidden=20), {}, [(2, 8, 11)]),
    "x4_fused": (dict(SMALL, scale=4, fused=True), {}, [(1, 1, 1), (1, 13, 8)]),
    "x8_unfused": (dict(SMALL, scale=8), {}, [(1, 6, 5)]),
    "grey": (dict(SMALL, channels=1), {}, [(2, 7, 9)]),
    "four_channels": (dict(SMALL, channels=4, scale=4), {}, [(1, 7, 9)]),
    "odd_dimensions": (dict(embed_dim=10, depths=(1, 3, 2), hidden=7, large=9, small=5, scale=2), {},
                       [(1, 12, 7)]),
    "kernels_equal": (dict(SMALL, large=3, small=3), {}, [(1, 7, 6)]),
    "kernel_one": (dict(SMALL, large=7, small=1), {}, [(1, 7, 6)]),
    "channels_last": (dict(SMALL), {"memory_format": torch.channels_last}, [(1, 7, 6)]),
    "double": (dict(SMALL), {"dtype": torch.float64}, [(1, 7, 6)]),
    "half_storage": (dict(SMALL), {"dtype": torch.float16}, [(1, 7, 6)]),
    "bfloat16_storage": (dict(SMALL), {"dtype": torch.bfloat16}, [(1, 7, 6)]),
    "data_parallel": (dict(SMALL), {"prefix": "module."}, [(1, 7, 6)]),
    "training_file": (dict(SMALL), {"wrapper": "params"}, [(1, 7, 6)]),
    "aether_small": (dict(VARIANTS["aether_small"], scale=2), {}, [(1, 33, 47)]),
    "aether_medium": (dict(VARIANTS["aether_medium"], scale=4, fused=True), {}, [(1, 24, 17)]),
    "aether_large": (dict(VARIANTS["aether_large"], scale=3), {}, [(1, 11, 16)]),
}


def saved_form(net, how):
    state = net.state_dict()
    if "dtype" in how:
        state = {key: value.to(how["dtype"]) for key, value in state.items()}
    if "memory_format" in how:
        state = {key: value.to(memory_format=how["memory_format"]) if value.dim() == 4 else value
                 for key, value in state.items()}
    if "prefix" in how:
        state = {how["prefix"] + key: value for key, value in state.items()}
    return {how["wrapper"]: state, "iter": 1000} if "wrapper" in how else state


def make_case(folder, name, arguments, how, sizes, seed):
    net = randomize(Aether(**arguments), seed).eval()
    torch.save(saved_form(net, how), folder / f"{name}.pth")
    if "dtype" in how:  # what PyTorch computes with the weights as they were saved
        net = net.to(how["dtype"])
    if name in INSPECTED:
        channels = arguments.get("channels", 3)
        torch.onnx.export(net, torch.rand(1, channels, 16, 16), folder / f"{name}.onnx",
                          input_names=["input"], output_names=["output"], **INSPECTED[name])
    reference = net.double()
    lines = []
    for index, (batch, height, width) in enumerate(sizes):
        generator = torch.Generator().manual_seed(seed + index)
        channels = arguments.get("channels", 3)
        image = torch.rand(batch, channels, height, width, generator=generator)
        with torch.no_grad():
            output = reference(image.double())
        numpy.save(folder / f"{name}.{index}.in.npy", image.numpy())
        numpy.save(folder / f"{name}.{index}.out.npy", output.float().numpy())
        lines.append(f"{name}.{index}")
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


# Cases of which PyTorch's exporter writes N.onnx too, for inspect_exports_test.
INSPECTED = {
    "x2_fused": dict(opset_version=17, dynamic_axes={"input": {0: "n", 2: "h", 3: "w"}}),
    "x2_unfused": dict(opset_version=17),
    "x1_unfused": dict(opset_version=11),
    "x3_unfused": dict(opset_version=11, do_constant_folding=False),
    "x4_fused": dict(opset_version=13, keep_initializers_as_inputs=True),
    "x8_unfused": dict(opset_version=16, export_params=False),
    "grey": dict(opset_version=14),
    "kernels_equal": dict(opset_version=17),
    "kernel_one": dict(opset_version=12),
    "aether_small": dict(opset_version=17),
}

# Models as PyTorch's own exporter makes them: case, opset, and whether its shapes are dynamic.
EXPORTS = [("x2_fused", 17, True), ("x2_unfused", 11, True), ("x3_unfused", 16, False),
           ("x8_unfused", 17, False), ("grey", 13, True), ("four_channels", 17, True),
           ("aether_small", 17, True), ("aether_medium", 14, False)]


def export(folder, name, opset, dynamic):
    arguments = CASES[name][0]
    net = Aether(**arguments).eval()
    net.load_state_dict(torch.load(folder / f"{name}.pth"))
    axes = {0: "batch_size", 2: "height", 3: "width"}
    torch.onnx.export(net, torch.rand(1, arguments.get("channels", 3), 12, 15),
                      str(folder / f"{name}.exported.onnx"), opset_version=opset,
                      input_names=["input"], output_names=["output"],
                      dynamic_axes={"input": axes, "output": axes} if dynamic else None)


# The published reference: case, sum, sum of squares, four elements; float64, weights by sines.
GOLDEN = [
    (dict(scale=2, hidden=16), False, 69.145351251, 102.953092280,
     (0.310502256, -0.614804446, -0.050019296, -0.438833121)),
    (dict(scale=3, hidden=20), False, 194.139690778, 11158.238108706,
     (-0.728532295, -3.139479033, 2.514102071, -6.064844049)),
    (dict(scale=4, hidden=16), False, 1859.169837739, 1729.640747975,
     (0.897553169, 1.100234095, 0.869389754, 0.885781780)),
    (dict(scale=1, hidden=16), False, 42.066589971, 2083.861857255,
     (-0.384662412, 5.447490579, -3.142033012, 6.996830949)),
    (dict(scale=2, hidden=16), True, 69.375366346, 20.627628702,
     (0.061827199, 0.013990989, 0.260607188, -0.011581049)),
]


def fill_sines(net, epsilon_sensitive):
    with torch.no_grad():
        for t, (name, value) in enumerate(net.state_dict().items()):
            b = torch.sin(0.7 * torch.arange(value.numel(), dtype=torch.float64) + 1.3 * t)
            if "norm" in name and name.endswith(".weight"):
                b = 1 + 0.2 * b
            elif value.dim() > 1 and "norm" not in name:
                b = b / math.sqrt(value.numel() / value.shape[0])
            else:
                b = b / 2
            if epsilon_sensitive:
                if name.startswith("conv_first.") or (name.startswith("layers.") and ".conv." in name) \
                        or ".ffn.fc2." in name:
                    b = b * 0.002
                elif ".ffn.fc1_gate." in name:
                    b = b * 3
            value.copy_(b.reshape(value.shape))


def check_golden():
    for arguments, sensitive, total, squares, points in GOLDEN:
        net = Aether(**dict(SMALL, **arguments)).double().eval()
        fill_sines(net, sensitive)
        n = torch.arange(3 * 7 * 6, dtype=torch.float64)
        with torch.no_grad():
            y = net((0.5 + 0.5 * torch.sin(0.3 * n)).reshape(1, 3, 7, 6))[0]
        height, width = y.shape[1:]
        found = [y.sum(), (y * y).sum(), y[0, 0, 0], y[1, height // 2, width // 2],
                 y[2, height - 1, width - 1], y[0, 3, 1]]
        for have, want in zip(found, [total, squares, *points]):
            if abs(float(have) - want) > 1e-8 * max(1.0, abs(want)):
                sys.exit(f"the network in aethernet.py isn't AetherNet: {arguments} gives "
                         f"{float(have):.9f}, expected {want:.9f}")


def main():
    torch.set_num_threads(2)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    check_golden()
    for seed, (name, (arguments, how, sizes)) in enumerate(CASES.items()):
        make_case(folder, name, arguments, how, sizes, 100 * seed)
    for name, opset, dynamic in EXPORTS:
        export(folder, name, opset, dynamic)
    (folder / "exports.txt").write_text("\n".join(name for name, _, _ in EXPORTS) + "\n")
    (folder / "inspected.txt").write_text("\n".join(INSPECTED) + "\n")
    (folder / "cases.txt").write_text("\n".join(CASES) + "\n")


if __name__ == "__main__":
    main()
