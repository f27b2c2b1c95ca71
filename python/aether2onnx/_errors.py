"""Errors of the program as exceptions."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Type


class Aether2OnnxError(Exception):
    """An error that the program reported. `code` is stable (docs/errors.md), `message` is for people."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = "internal",
        code: str = "internal",
        subject: str = "",
        expected: str = "",
        found: str = "",
        findings: List[str] | None = None,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.code = code
        #: The file, tensor or option that the error is about.
        self.subject = subject
        self.expected = expected
        self.found = found
        #: All that is wrong, one sentence each, if there is more than one thing.
        self.findings = findings or []
        #: The program's JSON object.
        self.report = report or {}

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.message, self.__dict__)


def _rebuild(kind: Type[Aether2OnnxError], message: str, state: Dict[str, Any]) -> Aether2OnnxError:
    error = kind(message)
    error.__dict__.update(state)
    return error


class UsageError(Aether2OnnxError, ValueError):
    """An option is unknown, or its value is not possible."""


class FileAccessError(Aether2OnnxError, OSError):
    """A file is missing, locked, or can't be read or written."""

    __str__ = Exception.__str__


class MalformedFileError(Aether2OnnxError, ValueError):
    """The file is damaged or forged."""


class UnsupportedError(Aether2OnnxError):
    """The file is sound, but of a network or kind that can't be converted."""


class LimitError(Aether2OnnxError):
    """The file costs more than a limit permits. The option `limits` raises limits."""


class VerificationError(Aether2OnnxError):
    """The model differs from its checkpoint, or the comparison is not possible here."""


class EngineError(Aether2OnnxError):
    """TensorRT built no engine."""


class CancelledError(Aether2OnnxError):
    """The work was cancelled. Nothing was left behind."""


class InternalError(Aether2OnnxError):
    """A defect of aether2onnx, or the program ended without an answer."""


class ProgramMissingError(Aether2OnnxError):
    """The program is not installed, or is for another system."""


_KINDS: Dict[str, Type[Aether2OnnxError]] = {
    "usage": UsageError,
    "io": FileAccessError,
    "malformed": MalformedFileError,
    "unsupported": UnsupportedError,
    "limit": LimitError,
    "verification": VerificationError,
    "engine": EngineError,
    "cancelled": CancelledError,
}

def _as_in_python(text: str) -> str:
    """The program writes --io_type, Python io_type."""
    return re.sub(r"--(?!help)([a-z][a-z0-9_]*)", r"\1", text)


def error_of(report: Mapping[str, Any]) -> Aether2OnnxError:
    """The exception for a result object of a failure."""
    error = report.get("error") or {}
    kind = str(error.get("kind", "internal"))
    return _KINDS.get(kind, InternalError)(
        _as_in_python(str(error.get("message", "the program failed"))),
        kind=kind,
        code=str(error.get("code", "internal")),
        subject=str(error.get("subject") or ""),
        expected=str(error.get("expected") or ""),
        found=str(error.get("found") or ""),
        findings=[_as_in_python(str(finding)) for finding in error.get("findings") or []],
        report=report,
    )
