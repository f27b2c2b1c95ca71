"""What the calls return."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional


@dataclass(frozen=True)
class Progress:
    """How far a call is. `share` is 0 to 1, within the step."""

    step: str
    detail: str
    share: float


@dataclass(frozen=True)
class Warned:
    """A warning. `code` is stable (docs/errors.md)."""

    code: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Finding:
    """A finding of scan() or check(). `severity` is "error", "warning" or "note"; "found", "unclear" or "note"
    for scan(). `code` is stable (docs/check.md, docs/security.md)."""

    code: str
    severity: str
    message: str
    details: Mapping[str, Any] = field(repr=False)


def warnings_of(report: Mapping[str, Any]) -> List[Warned]:
    codes = report.get("warning_codes") or []
    return [Warned(str(code), str(text)) for code, text in zip(codes, report.get("warnings") or [])]


class _FileOrBytes:
    """A result that was saved to a path, or is in memory."""

    def __init__(self, path: Optional[pathlib.Path], content: Optional[bytes]) -> None:
        #: Where the file was saved; None if no output was given.
        self.path = path
        self._content = content

    def _bytes(self) -> bytes:
        if self._content is None:
            assert self.path is not None
            self._content = self.path.read_bytes()
        return self._content


class Conversion(_FileOrBytes):
    """A finished conversion."""

    def __init__(self, report: Dict[str, Any], path: Optional[pathlib.Path], content: Optional[bytes]) -> None:
        super().__init__(path, content)
        #: The program's JSON object, with everything that it knows.
        self.report = report
        #: What the network is: "generation", "model_type", "scale", "depths", …
        self.network: Dict[str, Any] = report["network"]
        self.scale: int = self.network["scale"]
        self.warnings: List[Warned] = warnings_of(report)
        #: The model's metadata_props.
        self.metadata: Dict[str, str] = report["onnx"]["metadata"]
        external = report["output"]["external_data_path"]
        #: The second file of a model beyond 2 GiB.
        self.external_data_path: Optional[pathlib.Path] = None if external is None else pathlib.Path(external)

    @property
    def onnx(self) -> bytes:
        """The bytes of the ONNX file."""
        return self._bytes()

    def __repr__(self) -> str:
        place = "in memory" if self.path is None else str(self.path)
        return f"Conversion({self.network['model_type']} x{self.scale}, {place})"


class Fusion(_FileOrBytes):
    """A fused checkpoint."""

    def __init__(self, report: Dict[str, Any], path: Optional[pathlib.Path], content: Optional[bytes]) -> None:
        super().__init__(path, content)
        self.report = report
        self.network: Dict[str, Any] = report["network"]
        self.warnings: List[Warned] = warnings_of(report)

    @property
    def checkpoint(self) -> bytes:
        """The bytes of the file, a .pth or safetensors."""
        return self._bytes()


class Inspection:
    """What a file is."""

    def __init__(self, report: Dict[str, Any]) -> None:
        self.report = report
        self.source: Dict[str, Any] = report["source"]
        #: None if the file has no network that can be converted; then `not_recognised` says why.
        self.network: Optional[Dict[str, Any]] = report["network"]
        self.not_recognised: Optional[Dict[str, Any]] = report["not_recognised"]
        self.training: Dict[str, str] = report["training"]
        self.cost: Optional[Dict[str, Any]] = report["cost"]
        #: Facts about an ONNX file; None for a checkpoint.
        self.onnx: Optional[Dict[str, Any]] = report["onnx"]
        #: All tensors, with tensors=True.
        self.tensors: Optional[List[Dict[str, Any]]] = report["tensors"]
        self.warnings: List[Warned] = warnings_of(report)


class Scan:
    """Whether a file holds anything but data: `result` is "clean", "found" or "unclear"."""

    def __init__(self, report: Dict[str, Any]) -> None:
        self.report = report
        self.result: str = report["result"]
        #: Why the file can't be judged: the program's error object.
        self.error: Optional[Dict[str, Any]] = report.get("error")
        self.findings = _findings(report)

    @property
    def clean(self) -> bool:
        return self.result == "clean"

    def __bool__(self) -> bool:
        raise TypeError("ask for .clean: a scan is neither true nor false")


class Check:
    """What would stop or slow the programs that run an ONNX file."""

    def __init__(self, report: Dict[str, Any]) -> None:
        self.report = report
        self.findings = _findings(report)
        self.errors: int = report["errors"]
        self.warnings: int = report["warnings"]

    @property
    def ok(self) -> bool:
        """No errors; with strict=True no warnings either."""
        return bool(self.report["exit_code"] == 0)


class Verification:
    """The comparison of a model with its checkpoint, which it passed."""

    def __init__(self, report: Dict[str, Any]) -> None:
        self.report = report
        self.details: Dict[str, Any] = report["verification"]


def _findings(report: Mapping[str, Any]) -> List[Finding]:
    return [
        Finding(
            str(finding.get("code", "")),
            str(finding.get("severity", finding.get("weight", ""))),
            str(finding.get("what", "")),
            finding,
        )
        for finding in report.get("findings") or []
    ]
