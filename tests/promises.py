#!/usr/bin/python3
"""Compares what docs/versioning.md promises with the committed descriptions in tests/data/promises.

  promises.py [--write] PROGRAM MAKE_SAMPLE

MAKE_SAMPLE is the program that makes a sample checkpoint. --write writes the descriptions anew.
"""
import difflib
import inspect
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROMISES = ROOT / "tests" / "data" / "promises"
COMMANDS = ("convert", "fuse", "verify", "inspect", "check", "scan", "engine", "upscale", "completion", "manual")


def run(program, *words):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout


def command_line(program):
    """Each command and its options with the kinds of their values."""
    lines = []
    for command in COMMANDS:
        lines.append(command)
        options = []
        for line in run(program, command, "--help-all").splitlines():
            if line.startswith("  -"):
                options.append("  " + line.strip().split("  ")[0])
        lines += sorted(options)
    return lines


def shape(value, path, lines):
    """The keys of a JSON object and the types of their values. The items of a list share a line."""
    if isinstance(value, dict):
        lines.add(f"{path}: object")
        for key, item in value.items():
            # Operators and metadata are data.
            name = "*" if path.rsplit(".", 1)[-1] in ("operators", "metadata") else key
            shape(item, f"{path}.{name}", lines)
    elif isinstance(value, list):
        lines.add(f"{path}: list")
        for item in value:
            shape(item, f"{path}[]", lines)
    else:
        kind = {bool: "boolean", int: "number", float: "number", str: "text"}.get(type(value), "null")
        lines.add(f"{path}: {kind}")


def json_objects(program, make_sample):
    lines = set()
    with tempfile.TemporaryDirectory() as folder:
        sample = pathlib.Path(folder, "sample.pth")
        subprocess.run([make_sample, sample], check=True, stdout=subprocess.DEVNULL)
        model = pathlib.Path(folder, "model.onnx")
        for words in (
            ("convert", sample, model),
            ("convert", sample, model, "--dry_run"),
            ("convert", sample, "--output_dir", folder),
            ("fuse", sample, pathlib.Path(folder, "fused.pth")),
            ("inspect", sample, "--tensors"),
            ("inspect", model),
            ("check", model),
            ("scan", sample),
            ("engine", model, "--trt_version", "10.3"),
            ("inspect", pathlib.Path(folder, "none.pth")),
        ):
            shape(json.loads(run(program, *words, "--json", "--quiet")), words[0], lines)
    return sorted(lines)


def python_package(program):
    os.environ["AETHER2ONNX_PROGRAM"] = str(program)
    sys.path.insert(0, str(ROOT / "python"))
    import aether2onnx

    lines = []
    for name in sorted(aether2onnx.__all__):
        value = getattr(aether2onnx, name)
        if inspect.isfunction(value):
            lines.append(f"{name}({', '.join(str(p).split(':')[0] for p in inspect.signature(value).parameters.values())})")
            continue
        bases = [base.__name__ for base in value.__bases__]
        lines.append(f"class {name}({', '.join(bases)})")
        members = set(getattr(value, "__annotations__", {}))
        members |= {key for key, item in vars(value).items() if isinstance(item, property)}
        for base in value.__mro__:
            if base.__module__.startswith("aether2onnx") and not issubclass(base, dict):
                members |= set(re.findall(r"self\.([a-z]\w*):? *[^=\n]*= ", inspect.getsource(base)))
        lines += [f"  {member}" for member in sorted(members)]
    return lines


def main():
    words = [word for word in sys.argv[1:] if word != "--write"]
    program, make_sample = (pathlib.Path(word).resolve() for word in words)
    failed = False
    for name, lines in (
        ("cli.txt", command_line(program)),
        ("json.txt", json_objects(program, make_sample)),
        ("python.txt", python_package(program)),
    ):
        file = PROMISES / name
        text = "".join(line + "\n" for line in lines)
        if "--write" in sys.argv:
            PROMISES.mkdir(exist_ok=True)
            file.write_text(text)
        elif file.read_text() != text:
            failed = True
            sys.stdout.writelines(
                difflib.unified_diff(file.read_text().splitlines(True), text.splitlines(True), str(file), "the program")
            )
    if failed:
        print("What is promised changed (docs/versioning.md). If that is meant: tests/promises.py --write PROGRAM MAKE_SAMPLE")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
