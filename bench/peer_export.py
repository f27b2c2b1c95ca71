#!/usr/bin/python3
"""The peer: the same conversion in Python, as the documented script does it with PyTorch's exporter.

    peer_export.py CHECKPOINT MODEL.onnx MODEL_TYPE SCALE [dynamic]

Loads a fused checkpoint, builds the network, loads the weights strictly and exports with
torch.onnx.export at opset 17 and the script's default shape, 1x3x64x64, or with a dynamic batch,
height and width. The network is our own definition, that of the tests.
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "torch"))
from aethernet import VARIANTS, Aether  # noqa: E402


def main():
    if len(sys.argv) != 5 and sys.argv[5:] != ["dynamic"]:
        sys.exit(__doc__)
    checkpoint, model, model_type, scale = sys.argv[1:5]
    axes = {0: "batch", 2: "height", 3: "width"}
    net = Aether(**VARIANTS[model_type], scale=int(scale), fused=True)
    net.load_state_dict(torch.load(checkpoint, map_location="cpu"), strict=True)
    net.eval()
    torch.onnx.export(net, torch.randn(1, 3, 64, 64), model, export_params=True, opset_version=17,
                      do_constant_folding=True, input_names=["input"], output_names=["output"],
                      dynamic_axes={"input": axes, "output": axes} if sys.argv[5:] else None)


if __name__ == "__main__":
    main()
