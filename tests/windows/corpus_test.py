"""The hostile corpus on Windows, under wine: the same verdicts and codes as here.

  corpus_test.py PROGRAM.exe NATIVE_PROGRAM CORPUS [EVERY]

CORPUS is a folder of files, as make_corpus writes it; of these every EVERY-th one counts (default: all).
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

PROGRAM, NATIVE, CORPUS = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
EVERY = int(sys.argv[4]) if len(sys.argv) > 4 else 1
WINE = shutil.which("wine64") or "/usr/lib/wine/wine64"
os.environ.update(WINEDEBUG="-all", WINEDLLOVERRIDES="mscoree=,mshtml=")
GROUP = 50


def answer(command, *words):
    done = subprocess.run([*command, *words, "--json", "--quiet"], cwd=CORPUS, capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode, json.loads(done.stdout.decode("utf-8", "replace"))


def scanned(command, names):
    _, report = answer(command, "scan", *names)
    return [
        (result["result"], (result.get("error") or {}).get("code"), [found["code"] for found in result.get("findings", [])])
        for result in report["results"]
    ]


def inspected(command, name):
    code, report = answer(command, "inspect", name)
    return code, (report.get("error") or {}).get("code"), (report.get("network") or {}).get("model_type")


def main():
    native, windows = [str(NATIVE)], [WINE, str(PROGRAM)]
    names = sorted(str(path.relative_to(CORPUS)) for path in CORPUS.rglob("*") if path.is_file())[::EVERY]
    failed = 0
    for at in range(0, len(names), GROUP):
        group = names[at : at + GROUP]
        for name, here, there in zip(group, scanned(native, group), scanned(windows, group)):
            if here != there:
                failed += 1
                print(f"scan {name}: {there}, here {here}")
        for name in group:
            here, there = inspected(native, name), inspected(windows, name)
            if here != there:
                failed += 1
                print(f"inspect {name}: {there}, here {here}")
    print(f"{len(names)} files of the corpus on Windows: {failed} differences")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
