#!/usr/bin/python3
"""A comparison that takes long tells so in a pipe: an estimate before the work, then a line every ten seconds.

  progress_test.py PROGRAM MAKE_SAMPLE_CHECKPOINT WORK_FOLDER

The comparison is cancelled after the first such line.
"""
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

PROGRAM, MAKE_SAMPLE, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
LATEST = 120  # seconds; the line is due after ten, but a layer must end first


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    subprocess.run([MAKE_SAMPLE, WORK / "model.pth"], check=True)
    subprocess.run([PROGRAM, WORK / "model.pth", WORK / "model.onnx", "--dynamic_shapes", "--quiet"], check=True)
    command = [PROGRAM, "verify", WORK / "model.onnx", "--against", WORK / "model.pth", "--shape", "1x3x256x256",
               "--reference", "builtin", "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        first = process.stdout.readline()
        began = time.monotonic()
        line = process.stdout.readline()
        if line.startswith("source"):
            line = process.stdout.readline()
        took = time.monotonic() - began
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    print(first + line)
    estimate = re.search(r"^verifying .*, about (\d+) s", first)
    if not estimate or int(estimate.group(1)) < 5:
        print("no estimate in the first line")
        return 1
    if not re.match(r"verifying   1 of 2, 1x3x256x256, noise(, about \d+ s left)?$", line):
        print("the second line tells nothing of the work")
        return 1
    if not 9 < took < LATEST:
        print(f"the second line came after {took:.0f} s")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
