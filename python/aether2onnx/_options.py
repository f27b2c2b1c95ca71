"""The options of the calls: those of the program, with the same names and meanings (aether2onnx --help)."""

from __future__ import annotations

import os
from typing import List, Mapping, Sequence, Tuple, TypedDict, Union

Path = Union[str, "os.PathLike[str]"]


class _Reading(TypedDict, total=False):
    params_key: str
    generation: str
    res_scale: float
    norm_eps: float
    img_range: float
    limits: Mapping[str, int]


class _Network(_Reading, total=False):
    dequantize: bool
    model_type: str
    scale: int
    input_channels: int


class _Comparison(TypedDict, total=False):
    atol: float
    rtol: float
    device: str
    provider: str
    tf32: bool
    reference: str
    reference_precision: str
    thorough: bool
    seed: int
    verify_images: Path
    report: Path
    onnxruntime_library: Path


class ConvertOptions(_Network, _Comparison, total=False):
    dynamic_shapes: bool
    shape: str
    min_batch_size: int
    opt_batch_size: int
    max_batch_size: int
    min_height: int
    opt_height: int
    max_height: int
    min_width: int
    opt_width: int
    max_width: int
    opset_version: int
    fp_mode: str
    io_type: str
    graph_form: str
    depthwise_fp32: bool
    fp32_blocks: Sequence[str]
    fp32_operators: Sequence[str]
    projections: str
    gelu: str
    split_kernels_over: int
    verify_onnx: bool


class FuseOptions(_Network, total=False):
    dtype: str
    format: str


class InspectOptions(_Reading, total=False):
    tensors: bool


class ScanOptions(TypedDict, total=False):
    limits: Mapping[str, int]


class CheckOptions(TypedDict, total=False):
    strict: bool
    limits: Mapping[str, int]


class VerifyOptions(_Reading, _Comparison, total=False):
    dequantize: bool
    shapes: Sequence[Union[str, Tuple[int, int, int, int]]]


def words_of(options: Mapping[str, object]) -> List[str]:
    """The words of the command line. None and False leave an option out."""
    words: List[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        if name == "limits":
            if not isinstance(value, Mapping):
                raise TypeError("limits: a mapping of names to numbers is expected")
            words += [f"--limit={limit}={number}" for limit, number in value.items()]
        elif name == "shapes":
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise TypeError("shapes: a sequence is expected, for example [(1, 3, 64, 64)]")
            for shape in value:
                words.append("--shape=" + (shape if isinstance(shape, str) else "x".join(map(str, shape))))
        elif value is True:
            words.append(f"--{name}")
        elif isinstance(value, (str, int, float)):
            words.append(f"--{name}={value!r}" if isinstance(value, float) else f"--{name}={value}")
        elif isinstance(value, os.PathLike):
            words.append(f"--{name}={os.fsdecode(value)}")
        elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
            words.append(f"--{name}=" + ",".join(map(str, value)))
        else:
            raise TypeError(f"{name}: a value of type {type(value).__name__} is not possible")
    return words
