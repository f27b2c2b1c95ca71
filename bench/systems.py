#!/usr/bin/env python3
"""Measures the programs of a release that run here, by turns with the program built here.

    bench/systems.py DIST PROGRAM CHECKPOINT [ROUNDS]

DIST is a folder of scripts/release.sh. Windows programs run under wine, and ARM programs under qemu-user, which
translates every instruction: its times say nothing of an ARM processor. Prints a Markdown table: the size of each
program, the time of `--version`, and the time of a conversion, each as median and as the median of the ratios of
all rounds to PROGRAM. The last row is the import of the Python package from the wheel.
"""

import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
import zipfile

DIST, PROGRAM, CHECKPOINT = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
ROUNDS = int(sys.argv[4]) if len(sys.argv) > 4 else 15
ROOT = pathlib.Path(__file__).resolve().parents[1]
WINE = shutil.which("wine64") or "/usr/lib/wine/wine64"
RUNNERS = {
    "linux-x86_64": [],
    "linux-aarch64": ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
    "windows-x86_64": [WINE],
}


def unpacked(work, system):
    """The program of a system, unpacked into `work`; None if DIST has none."""
    for archive in DIST.glob(f"aether2onnx-*-{system}.*"):
        shutil.unpack_archive(archive, work / system)
        program = next(path for path in (work / system).rglob("aether2onnx*") if path.is_file())
        program.chmod(0o755)
        return program
    return None


def seconds(command, folder):
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def measured(commands, folder):
    """{name: the times of all rounds} for {name: command}; the commands run by turns, first once unmeasured."""
    times = {name: [] for name in commands}
    for number in range(ROUNDS + 1):
        for name, command in commands.items():
            took = seconds(command, folder)
            if number:
                times[name].append(took)
    return times


@contextlib.contextmanager
def running_windows():
    """Keeps a Windows program open. Without one, wine ends its server and its services after 3 seconds, starts them
    again with the next program, and the start goes on beside this program's conversion."""
    with subprocess.Popen([WINE, "cmd.exe"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as command:
        time.sleep(10)  # until the services have started
        yield
        command.stdin.close()


def shown(times, base):
    ratio = statistics.median(a / b for a, b in zip(times, base))
    return f"{statistics.median(times) * 1000:.1f} ms | {ratio:.2f} ×"


def main():
    os.environ.update(WINEDEBUG="-all", WINEDLLOVERRIDES="mscoree=,mshtml=", WINEPREFIX=str(ROOT / "build" / "wine"))
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        shutil.copy(CHECKPOINT, work / "model.pth")
        programs = {"built here": (PROGRAM, [])}
        for system, runner in RUNNERS.items():
            program = unpacked(work, system)
            if program and (not runner or shutil.which(runner[0])):
                programs[system] = (program, runner)
        with running_windows() if "windows-x86_64" in programs else contextlib.nullcontext():
            starts = measured({key: [*runner, program, "--version"] for key, (program, runner) in programs.items()},
                              work)
            runs = measured({key: [*runner, program, "model.pth", f"{key}.onnx".replace(" ", "_"), "--quiet"]
                             for key, (program, runner) in programs.items()}, work)
        print("| program | bytes | `--version` | ratio | conversion | ratio | conversion without start |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        base = [run - statistics.median(starts["built here"]) for run in runs["built here"]]
        for key, (program, _) in programs.items():
            without = [run - statistics.median(starts[key]) for run in runs[key]]
            ratio = statistics.median(a / b for a, b in zip(without, base))
            print(f"| {key} | {program.stat().st_size:,} | {shown(starts[key], starts['built here'])} | "
                  f"{shown(runs[key], runs['built here'])} | {ratio:.2f} × |")
        wheel = next(DIST.glob("*manylinux_2_17_x86_64*.whl"), None)
        if wheel:
            venv.create(work / "venv", with_pip=False)
            site = next((work / "venv").glob("lib/python*/site-packages"))
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)
            python = work / "venv" / "bin" / "python"
            times = measured({"with": [python, "-c", "import aether2onnx"], "without": [python, "-c", "pass"]}, work)
            taken = [a - b for a, b in zip(times["with"], times["without"])]
            print(f"\n`import aether2onnx` takes {statistics.median(taken) * 1000:.0f} ms; the wheel has "
                  f"{wheel.stat().st_size:,} bytes.")


if __name__ == "__main__":
    main()
