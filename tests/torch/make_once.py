#!/usr/bin/python3
"""Runs a script that writes test files into a folder. Does nothing if the folder has the files already: written by
the same scripts, the same PyTorch and the same Python.

    make_once.py SCRIPT FOLDER
"""

import hashlib
import importlib.util
import pathlib
import subprocess
import sys


def stamp(script):
    """A digest of all that decides the files: the scripts of this folder, Python and PyTorch."""
    torch = pathlib.Path(importlib.util.find_spec("torch").origin).parent
    digest = hashlib.sha256(f"{script.name} {sys.version}".encode())
    for source in [*sorted(script.parent.glob("*.py")), torch / "version.py"]:
        digest.update(source.read_bytes())
    return digest.hexdigest()


def main():
    script, folder = map(pathlib.Path, sys.argv[1:])
    wanted, made = stamp(script), folder / "made_by"
    if made.exists() and made.read_text() == wanted:
        print(f"{folder} has the files of {script.name} already")
        return
    made.unlink(missing_ok=True)
    subprocess.run([sys.executable, script, folder], check=True)
    made.write_text(wanted)


if __name__ == "__main__":
    main()
