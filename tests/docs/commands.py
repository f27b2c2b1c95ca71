#!/usr/bin/python3
"""Holds the commands in README, CONTRIBUTING, SECURITY and docs/ against the program.

  commands.py SOURCE_FOLDER PROGRAM MAKE_SAMPLE_CHECKPOINT

Each block of shell commands has a tag behind its language: "sh run" is run and must end with 0, of "sh parse" each
command of the program must be understood (any exit code but 2), "sh show" has commands of other programs only.
Commands within a line of text count as "parse"; they may leave out their files. Links to files and headings must lead somewhere.
"""
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SOURCE, PROGRAM, MAKE_SAMPLE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3]
DOCUMENTS = [SOURCE / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(SOURCE.glob("docs/*.md"))
WRONG_USAGE = 2
UNDERSTOOD_AFTER = 2  # seconds: wrong usage ends a command at once, a verification takes long
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
OURS = re.compile(r"^(\$ )?aether2onnx( |$)")
failures, counts = [], {"run": 0, "parse": 0, "show": 0}
understood = set()  # commands that many documents have


def complain(document, line, text):
    failures.append(f"{document.relative_to(SOURCE)}:{line}: {text}")


def shell(script, folder, seconds=120):
    """Runs the script. After `seconds` it is ended, with exit code 124."""
    environment = {"PATH": f"{PROGRAM.parent}:/usr/bin:/bin", "HOME": folder, "LC_ALL": "C.UTF-8"}
    return subprocess.run(["timeout", "-k", "2", str(seconds), "bash", "-e", "-o", "pipefail", "-c", script],
                          cwd=folder, env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def set_up(folder):
    """The files that the documents speak of."""
    for name in ("model.pth", "a.pth", "b.pth", "c.ckpt", "checkpoints/net.pth", "downloads/net.pth", "MODEL.pth"):
        (folder / name).parent.mkdir(exist_ok=True)
        subprocess.run([MAKE_SAMPLE, str(folder / name)], check=True)
    for name in ("photo.png", "photos/a.png", "photos/b.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(SOURCE / "examples/picture.png", folder / name)
    (folder / "run.toml").write_text('fp_mode = "fp16"\ndynamic_shapes = true\n')
    for name in ("exported.onnx", "model.onnx", "MODEL.onnx"):
        assert shell(f"aether2onnx model.pth {name} --dynamic_shapes --quiet", folder).returncode == 0


def parse(document, line, command, folder, may_lack_files=False):
    if command in understood:
        return
    result = shell(command, folder, UNDERSTOOD_AFTER)
    words = shlex.split(command, comments=True)
    lacks_files = (may_lack_files and result.returncode == WRONG_USAGE and
                   '"code": "command-files"' in shell(f"{command} --json", folder).stdout)
    # scan's exit code 2 is a result.
    if result.returncode == WRONG_USAGE and words[1:2] != ["scan"] and not lacks_files:
        complain(document, line, f"{command}\n{result.stdout}")
    else:
        understood.add(command)


def commands_of(text):
    """The commands in a block, without comments behind them."""
    joined = text.replace("\\\n", " ")
    return [line for line in joined.split("\n") if OURS.match(line)]


def check(document):
    text = document.read_text()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        set_up(folder)
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            language, _, tag = block.group(1).partition(" ")
            ours = commands_of(block.group(2))
            if language != "sh":
                if any(not command.lstrip().startswith("$") for command in ours):
                    complain(document, line, "commands of the program stand in a block without a tag")
                for command in ours:
                    parse(document, line, command.lstrip()[2:], folder)
                continue
            if tag not in counts:
                complain(document, line, f"a block of commands needs a tag (run, parse or show), not '{tag}'")
                continue
            counts[tag] += 1
            if tag == "show" and ours:
                complain(document, line, "'show' is for commands of other programs")
            if tag == "run":
                result = shell(block.group(2), folder)
                if result.returncode != 0:
                    complain(document, line, f"exit code {result.returncode}\n{block.group(2)}{result.stdout}")
            if tag == "parse":
                for command in ours:
                    parse(document, line, command, folder)
        prose = BLOCK.sub(lambda found: "\n" * found.group(0).count("\n"), text)
        for found in re.finditer(r"`(aether2onnx [^`]+)`", prose):
            parse(document, prose.count("\n", 0, found.start()) + 1, found.group(1).replace("\n", " "), folder,
                  may_lack_files=True)
        for found in re.finditer(r"\]\(([^)#\s]*)(#[^)]*)?\)", prose):
            check_link(document, prose.count("\n", 0, found.start()) + 1, found.group(1), found.group(2))


def check_link(document, line, target, anchor):
    if "://" in target:
        return
    path = (document.parent / target) if target else document
    if not path.exists():
        complain(document, line, f"there is no {target}")
    elif anchor:
        headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
        slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        if anchor[1:] not in slugs:
            complain(document, line, f"{target} has no heading {anchor}")


for each in DOCUMENTS:
    check(each)
for failure in failures:
    print(failure)
if not all(counts.values()):
    failures.append("a tag without a block")
    print("no block has the tag", [tag for tag, count in counts.items() if count == 0])
print(f"blocks of commands: {counts}; {len(failures)} failures")
sys.exit(1 if failures else 0)
