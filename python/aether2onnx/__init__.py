"""AetherNet checkpoints to ONNX.

    import aether2onnx

    aether2onnx.convert("model.pth", "model.onnx", fp_mode="fp16")
    onnx_bytes = aether2onnx.convert(network.state_dict(), name="epoch40").onnx

Each call runs the native program in a process of its own: a hostile file can't hurt the caller. The package
needs neither PyTorch nor NumPy.
"""

from ._api import check, convert, fuse, inspect, scan, verify
from ._errors import (
    Aether2OnnxError,
    CancelledError,
    EngineError,
    FileAccessError,
    InternalError,
    LimitError,
    MalformedFileError,
    ProgramMissingError,
    UnsupportedError,
    UsageError,
    VerificationError,
)
from ._options import CheckOptions, ConvertOptions, FuseOptions, InspectOptions, ScanOptions, VerifyOptions
from ._program import version
from ._results import Check, Conversion, Finding, Fusion, Inspection, Progress, Scan, Verification, Warned

__version__ = version()

__all__ = [
    "Aether2OnnxError",
    "CancelledError",
    "Check",
    "CheckOptions",
    "Conversion",
    "ConvertOptions",
    "EngineError",
    "FileAccessError",
    "Finding",
    "FuseOptions",
    "Fusion",
    "InspectOptions",
    "Inspection",
    "InternalError",
    "LimitError",
    "MalformedFileError",
    "Progress",
    "ProgramMissingError",
    "Scan",
    "ScanOptions",
    "UnsupportedError",
    "UsageError",
    "Verification",
    "VerificationError",
    "VerifyOptions",
    "Warned",
    "check",
    "convert",
    "fuse",
    "inspect",
    "scan",
    "verify",
]
