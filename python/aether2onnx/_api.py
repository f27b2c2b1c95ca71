"""The calls."""

from __future__ import annotations

import glob
import importlib.util
import os
import pathlib
import tempfile
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Sequence, Union

from . import _options
from ._program import run
from ._results import Check, Conversion, Fusion, Inspection, Progress, Scan, Verification
from ._sources import Source, as_file

if TYPE_CHECKING:
    from typing_extensions import Unpack

Report = Optional[Callable[[Progress], None]]
Path = Union[str, "os.PathLike[str]"]


def _onnxruntime() -> Dict[str, str]:
    """ONNX Runtime of the extra [verify] or [gpu], for the program."""
    if os.environ.get("AETHER2ONNX_ONNXRUNTIME"):
        return {}
    package = importlib.util.find_spec("onnxruntime")
    if package is None or package.origin is None:
        return {}
    folder = os.path.join(os.path.dirname(package.origin), "capi")
    for pattern in ("libonnxruntime.so*", "libonnxruntime*.dylib", "onnxruntime.dll"):
        for library in sorted(glob.glob(os.path.join(glob.escape(folder), pattern))):
            return {"AETHER2ONNX_ONNXRUNTIME": library}
    return {}


def convert(
    source: Source,
    output: Optional[Path] = None,
    *,
    name: Optional[str] = None,
    progress: Report = None,
    **options: "Unpack[_options.ConvertOptions]",
) -> Conversion:
    """Converts a checkpoint to ONNX.

    `source` is a path, the bytes of a file, an open binary file, a state_dict of tensors or arrays, or a
    module with state_dict(). `output` is the path of the ONNX file; without it the model is in the result
    (`.onnx`). `name` is what the metadata call a source that is no path. `progress` is called with a Progress
    now and then; an exception that it raises cancels the conversion. The options are the program's:
    fp_mode="fp16", shape="1x3xHxW", opset_version=18, …

    Raises Aether2OnnxError. On any error no output exists or changes.
    """
    words = _options.words_of(options)
    with as_file(source, name) as file, tempfile.TemporaryDirectory(prefix="aether2onnx-") as folder:
        target = pathlib.Path(folder, "model.onnx") if output is None else pathlib.Path(os.fsdecode(output))
        report = run(
            [f"--input_model_path={file}", f"--output_onnx_path={target}", *words],
            progress,
            _onnxruntime() if options.get("verify_onnx") else None,
        )
        if output is not None:
            return Conversion(report, target, None)
        if report["output"]["external_data_path"] is not None:
            raise ValueError("the model has over 2 GiB and two files; give an output path")
        return Conversion(report, None, target.read_bytes())


def fuse(
    source: Source,
    output: Optional[Path] = None,
    *,
    name: Optional[str] = None,
    progress: Report = None,
    **options: "Unpack[_options.FuseOptions]",
) -> Fusion:
    """Fuses a checkpoint, for PyTorch. Without `output` the file is in the result (`.checkpoint`), a .pth unless
    format="safetensors"."""
    words = _options.words_of(options)
    with as_file(source, name) as file, tempfile.TemporaryDirectory(prefix="aether2onnx-") as folder:
        ending = options.get("format", "pth")
        target = pathlib.Path(folder, f"fused.{ending}") if output is None else pathlib.Path(os.fsdecode(output))
        report = run(
            ["fuse", f"--input_model_path={file}", f"--output_model_path={target}", *words], progress
        )
        return Fusion(report, target if output is not None else None, target.read_bytes() if output is None else None)


def inspect(
    source: Source,
    *,
    name: Optional[str] = None,
    progress: Report = None,
    **options: "Unpack[_options.InspectOptions]",
) -> Inspection:
    """Says what a checkpoint or an ONNX file is, whoever made it."""
    with as_file(source, name) as file:
        return Inspection(run(["inspect", file, *_options.words_of(options)], progress))


def scan(
    source: Source,
    *,
    name: Optional[str] = None,
    progress: Report = None,
    **options: "Unpack[_options.ScanOptions]",
) -> Scan:
    """Says whether a file holds anything but data, without loading it."""
    with as_file(source, name) as file:
        report = run(["scan", file, *_options.words_of(options)], progress)
        return Scan(report["results"][0])


def check(
    model: Source,
    targets: Union[str, Sequence[str], None] = None,
    *,
    progress: Report = None,
    **options: "Unpack[_options.CheckOptions]",
) -> Check:
    """Says what would stop or slow the programs that run an ONNX file. `targets`: "tensorrt:10.3", "onnxruntime",
    "vsmlrt", "videojanai"; default: all."""
    words: List[str] = []
    if targets is not None:
        words.append("--for=" + (targets if isinstance(targets, str) else ",".join(targets)))
    with as_file(model, None, ".onnx") as file:
        return Check(run(["check", file, *words, *_options.words_of(options)], progress))


def verify(
    model: Source,
    against: Source,
    *,
    progress: Report = None,
    **options: "Unpack[_options.VerifyOptions]",
) -> Verification:
    """Compares an ONNX file with its checkpoint in PyTorch. Raises VerificationError if they differ."""
    words = _options.words_of(options)
    with as_file(model, None, ".onnx") as file, as_file(against, None) as checkpoint:
        return Verification(run(["verify", file, f"--against={checkpoint}", *words], progress, _onnxruntime()))
