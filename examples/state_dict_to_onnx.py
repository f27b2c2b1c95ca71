"""Exports a network to ONNX in the middle of a training, without a checkpoint file.

  state_dict_to_onnx.py CHECKPOINT.pth MODEL.onnx

The checkpoint stands in for the network that a training script has in memory. Needs PyTorch.
"""

from __future__ import annotations

import sys
from typing import Any, Mapping

import aether2onnx


def export(state_dict: Mapping[str, Any], path: str, step: int) -> None:
    """Call this wherever the training script saves a checkpoint."""
    result = aether2onnx.convert(state_dict, path, name=f"step{step}", fp_mode="fp16", shape="1x3xHxW")
    for warning in result.warnings:
        print("warning:", warning)
    print(f"{result.path}: {result.network['model_type']} x{result.scale}, {len(result.onnx)} bytes")


if __name__ == "__main__":
    import torch  # type: ignore[import-not-found,unused-ignore]

    loaded = torch.load(sys.argv[1], map_location="cpu")
    export(loaded.get("params", loaded), sys.argv[2], step=1000)
