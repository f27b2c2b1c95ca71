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
import tempfile

PROGRAM, NATIVE, CORPUS = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
EVERY = int(sys.argv[4]) if len(sys.argv) > 4 else 1
WINE = shutil.which("wine64") or "/usr/lib/wine/wine64"
os.environ.update(WINEDEBUG="-all", WINEDLLOVERRIDES="mscoree=,mshtml=,winemenubuilder.exe=")
GROUP = 50


def answer(command, *words):
    # Into a file: a pipe would stay open until wine's own processes end, too.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run([*command, *words, "--json", "--quiet"], cwd=CORPUS, stdin=subprocess.DEVNULL,
                              stdout=output, stderr=subprocess.DEVNULL)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if not text:
        raise SystemExit(f"{words}: the program ended with {done.returncode} and printed nothing")
    return done.returncode, json.loads(text)


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
    # As long as one Windows program runs, wine's own processes need no new start for each file.
    waiting = subprocess.Popen([WINE, "cmd.exe"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    for at in range(0, len(names), GROUP):
        group = names[at : at + GROUP]
        for name, here, there in zip(group, scanned(native, group), scanned(windows, group)):
            if here != there:
                failed += 1
                print(f"scan {name}: {there}, here {here}", flush=True)
        for name in group:
            here, there = inspected(native, name), inspected(windows, name)
            if here != there:
                failed += 1
                print(f"inspect {name}: {there}, here {here}", flush=True)
    waiting.communicate()
    print(f"{len(names)} files of the corpus on Windows: {failed} differences")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
