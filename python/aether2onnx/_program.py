"""Finds and runs the program."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import sysconfig
import threading
from typing import IO, Any, Callable, Dict, List, Mapping, Optional, Sequence

from ._errors import InternalError, ProgramMissingError, error_of
from ._results import Progress

_NAME = "aether2onnx.exe" if os.name == "nt" else "aether2onnx"

#: Seconds that a cancelled program gets to remove its files.
_PATIENCE = 10


def version() -> str:
    """The version of this package, which is that of the program."""
    try:
        return importlib.metadata.version("aether2onnx")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


def _candidates() -> List[pathlib.Path]:
    chosen = os.environ.get("AETHER2ONNX_PROGRAM")
    if chosen:
        return [pathlib.Path(chosen)]
    found = []
    try:
        for file in importlib.metadata.files("aether2onnx") or []:
            if file.name == _NAME:
                found.append(pathlib.Path(str(file.locate())))
    except importlib.metadata.PackageNotFoundError:
        pass
    return found + [pathlib.Path(sysconfig.get_path("scripts")) / _NAME]


def find_program() -> str:
    """The path of the program: that of the environment variable AETHER2ONNX_PROGRAM, or the one that was
    installed with this package."""
    candidates = _candidates()
    for candidate in candidates:
        if candidate.is_file():
            return os.path.abspath(candidate)
    raise ProgramMissingError(
        f"the program {_NAME} is not installed: {candidates[0]} does not exist.\n"
        "Install the package again: pip install --force-reinstall aether2onnx",
        code="python-program-missing",
        subject=str(candidates[0]),
    )


def _cannot_start(program: str, error: OSError) -> ProgramMissingError:
    return ProgramMissingError(
        f"{program}: the program can't be started: {error.strerror or error}.\n"
        f"Perhaps the wheel is for another system. This one is {sysconfig.get_platform()}. Install the package "
        "again: pip install --force-reinstall aether2onnx",
        code="python-program-system",
        subject=program,
    )


def replace_this_process(arguments: Sequence[str]) -> int:
    """Runs the program with the terminal of this process. Returns its exit code, if it returns."""
    try:
        program = find_program()
    except ProgramMissingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    words = [program, *arguments]
    try:
        if os.name != "nt":
            os.execv(program, words)
        with subprocess.Popen(words) as process:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:  # the program got Ctrl-C as well, and ends
                    continue
    except OSError as error:
        print(f"error: {_cannot_start(program, error)}", file=sys.stderr)
        return 1


def _read_all(stream: IO[bytes], into: List[bytes]) -> None:
    into.append(stream.read())


def _event(line: bytes) -> Optional[Dict[str, Any]]:
    if not line.startswith(b"{"):
        return None
    try:
        event = json.loads(line.decode("utf-8", "replace"))
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _progress_of(event: Mapping[str, Any]) -> Optional[Progress]:
    kind = event.get("event")
    if kind == "progress":
        return Progress(str(event["step"]), "", event["done"] / max(1, event["total"]))
    if kind == "work":
        return Progress(str(event["name"]), str(event["what"]), float(event["share"]))
    if kind == "step":
        return Progress(str(event["name"]), str(event["summary"]), 1.0)
    return None


def run(
    arguments: Sequence[str],
    progress: Optional[Callable[[Progress], None]] = None,
    environment: Optional[Mapping[str, str]] = None,
    failures: Sequence[str] = ("error",),
) -> Dict[str, Any]:
    """Runs the program and returns its JSON object. Raises Aether2OnnxError if the object has a status of
    `failures`.

    The program ends if this process ends, if `progress` raises, and on KeyboardInterrupt: it watches its
    standard input, whose other end is here.
    """
    program = find_program()
    words = [program, *arguments, "--json", "--supervised"]
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if environment is None else {**os.environ, **environment},
            creationflags=flags,
        )
    except OSError as error:
        raise _cannot_start(program, error) from error
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    output: List[bytes] = []
    reader = threading.Thread(target=_read_all, args=(process.stdout, output), daemon=True)
    log: List[bytes] = []
    try:
        reader.start()
        for line in process.stderr:
            event = _event(line)
            if event is None:
                log.append(line)
                continue
            step = _progress_of(event) if progress is not None else None
            if progress is not None and step is not None:
                progress(step)
        reader.join()
        process.wait()
    finally:
        process.stdin.close()  # cancels
        if process.poll() is None:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stderr.close()
        if reader.ident is not None:
            reader.join()
        process.stdout.close()
    return _answer(b"".join(output), process.returncode, b"".join(log), failures)


def _answer(output: bytes, exit_code: int, log: bytes, failures: Sequence[str]) -> Dict[str, Any]:
    try:
        report = json.loads(output.decode("utf-8", "replace"))
    except ValueError:
        report = None
    if not isinstance(report, dict):
        said = log.decode("utf-8", "replace").strip()[-2000:]
        raise InternalError(
            f"the program ended with {exit_code} and no answer." + (f"\n{said}" if said else ""),
            code="python-no-answer",
        )
    if report.get("status") in failures and "error" in report:
        raise error_of(report)
    return report
