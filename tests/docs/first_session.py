#!/usr/bin/python3
"""The first session of someone who has never seen the project, with the commands of README.md.

  first_session.py SOURCE_FOLDER BUILD_FOLDER WORK_FOLDER

A copy of the files under version control, as a clone has them; quickstart.sh with the program of BUILD_FOLDER; then a
model of one's own: convert, upscale, verify, and the command that builds an engine. The blocks of commands are taken from
README.md. Beyond the build, the session takes at most 2 minutes on two processors.
"""
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

SOURCE, BUILD, WORK = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
SKIPPED = 77
# The real trained model of the project's own machines; elsewhere the sample of quickstart.sh.
REAL_MODEL = SOURCE / "../shared/checkpoints/aether_small_x2_fp16_fused.pth"
SECTIONS = ("Convert", "Enlarge pictures", "Check the result", "TensorRT")
MOST_SECONDS = 120
MOST_WORK = 2 * MOST_SECONDS  # processor time: holds on a busy machine


def complain(text):
    print(text)
    sys.exit(1)


def clone():
    names = subprocess.run(["git", "-C", SOURCE, "ls-files", "-z"], stdout=subprocess.PIPE, check=False)
    if names.returncode != 0:
        print("skipped: the sources are not under version control")
        sys.exit(SKIPPED)
    folder = WORK / "aether2onnx"
    for name in names.stdout.decode().split("\0"):
        if name and not name.startswith("tests/") and (SOURCE / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(SOURCE / name, folder / name)
    return folder


def blocks(readme, heading, tag):
    """The blocks of commands with this tag in the section."""
    found = re.search(rf"^(#+) {re.escape(heading)}$(.*?)(?=^#+ |\Z)", without_comments(readme), re.M | re.S)
    if not found:
        complain(f"README.md has no section '{heading}'")
    return re.findall(rf"^```sh {tag}\n(.*?)^```$", found.group(2), re.M | re.S)


def without_comments(readme):
    return re.sub(r"(?m)^(aether2onnx .*?|\./quickstart\.sh)\s+# .*$", r"\1", readme)


def run(script, folder, environment):
    print(script.rstrip())
    done = subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=environment, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        complain(f"exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def main():
    if not (BUILD / "lib/libaether2onnx_pictures.so").exists():
        print("skipped: the build has no module for pictures")
        return SKIPPED
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    started = time.monotonic()
    folder = clone()
    readme = (folder / "README.md").read_text()
    environment = {"HOME": str(WORK), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}

    quickstart = [line for block in blocks(readme, "Get it", "show") for line in block.split("\n") if line]
    if quickstart != ["./quickstart.sh"]:
        complain(f"README.md has another way to begin: {quickstart}")
    output = run(quickstart[0], folder, {**environment, "QUICKSTART_BUILD": str(BUILD)})
    on_path = re.search(r'^  export PATH="([^:]*):\$PATH"$', output, re.M)
    if not on_path:
        complain(f"quickstart.sh does not say how to put the program on PATH\n{output}")
    environment["PATH"] = f"{on_path.group(1)}:{environment['PATH']}"

    mine = WORK / "my models"
    (mine / "photos").mkdir(parents=True)
    (mine / "checkpoints").mkdir()
    model = REAL_MODEL if REAL_MODEL.exists() else folder / "quickstart/sample.pth"
    shutil.copyfile(model, mine / "model.pth")
    shutil.copyfile(model, mine / "checkpoints/net.pth")
    for name in ("photo.png", "photos/a.png"):
        shutil.copyfile(folder / "examples/picture.png", mine / name)
    for heading in SECTIONS:
        commands = blocks(readme, heading, "run")
        if not commands:
            complain(f"the section '{heading}' of README.md has no commands to run")
        for block in commands:
            output = run(block, mine, environment)
            if heading == "TensorRT" and "trtexec --onnx=" not in output:
                complain(f"no command of trtexec\n{output}")
    for name in ("photo_2x_model.png", "enlarged/a_2x_model.png", "compare.html", "report.html", "model.onnx"):
        if not (mine / name).is_file():
            complain(f"there is no {name} after the session: {sorted(os.listdir(mine))}")

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    work, took = usage.ru_utime + usage.ru_stime, time.monotonic() - started
    print(f"the session took {took:.0f} s and {work:.0f} s of processor time, of at most {MOST_SECONDS} and {MOST_WORK}")
    return 1 if work > MOST_WORK else 0


if __name__ == "__main__":
    sys.exit(main())
