#!/usr/bin/env python3
"""Tries what `convert --for TARGET` writes in the programs that people use, and compares with PyTorch.

    clients.py --program aether2onnx --clients .deps/clients --torch FOLDER --stages FOLDER [--all] [--write FILE]

The folders are those of make_cases.py and make_stage_cases.py, whose cases have PyTorch's results. Without --all, one
network of each generation at x2; with --all, every network of three channels. --write writes docs/clients.md.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

HERE = pathlib.Path(__file__).resolve().parent

GENERATIONS = {"G1": "aether_small", "G3": "g3_fused", "G4": "g4_unfused", "G5.0": "g5_0_fused", "G5.1": "g5_1_unfused",
               "G5.2": "g5_2_fused", "G5x": "g5x_fused", "G6.0": "g6_0_fused", "G6.1": "g6_1_fused",
               "G7a": "g7a_fused", "G7b": "g7b_fused", "G7c": "g7c_fused", "G7d": "g7d_fused"}

# vs-mlrt's ncnn plugin compiles shaders on the CPU for seconds a network.
SLOW = {"vsmlrt-ncnn": ("G1", "G7d")}

NAMES = {"onnxruntime": "ONNX Runtime {onnxruntime}", "onnxruntime-oldest": "ONNX Runtime 1.20.1",
         "openvino": "OpenVINO {openvino}", "web": "onnxruntime-web {web}",
         "tensorrt-rtx": "TensorRT for RTX {tensorrt-rtx-cu13-bindings}, builder", "ncnn": "pnnx {pnnx} and ncnn {ncnn}",
         "vsmlrt-ort": "VapourSynth {vapoursynth}, vs-mlrt {vapoursynth-mlrt-ort}, ort",
         "vsmlrt-ov": "VapourSynth {vapoursynth}, vs-mlrt {vapoursynth-mlrt-ov}, ov",
         "vsmlrt-ncnn": "VapourSynth {vapoursynth}, vs-mlrt {vapoursynth-mlrt-ncnn}, ncnn"}

# The clients that try the files of a target. Those behind the bar stand in for programs that need a GPU or Windows:
# the same parser (TensorRT's) or the same operators (ONNX Runtime's) on this machine.
CLIENTS_OF = {
    "tensorrt": "| tensorrt-rtx onnxruntime",
    "tensorrt-rtx": "tensorrt-rtx | onnxruntime",
    "onnxruntime": "onnxruntime onnxruntime-oldest",
    "onnxruntime-cuda": "| onnxruntime onnxruntime-oldest",
    "directml": "| onnxruntime onnxruntime-oldest",
    "openvino": "openvino",
    "ncnn": "ncnn",
    "web": "web",
    "vsmlrt": "| tensorrt-rtx onnxruntime",
    "vsmlrt-rtx": "tensorrt-rtx | onnxruntime",
    "vsmlrt-ort": "vsmlrt-ort",
    "vsmlrt-ov": "vsmlrt-ov",
    "vsmlrt-ncnn": "vsmlrt-ncnn",
    "vsmlrt-any": "vsmlrt-ort vsmlrt-ov vsmlrt-ncnn | tensorrt-rtx",
    "videojanai": "| tensorrt-rtx onnxruntime",
    "comfyui": "| tensorrt-rtx onnxruntime",
    "chainner": "onnxruntime | ncnn",
}

# Files that a client refuses, crashes on or computes wrongly, and what check says of them. Each is tried: one that
# runs has no place here any more.
REFUSED = [
    ("vsmlrt-ort", "--fp_mode bf16", "bf16-kernels"),
    ("vsmlrt-ort", "--fp_mode mixed_bf16", "bf16-kernels"),
    ("vsmlrt-ov", "--fp_mode fp16 --io_type same", "clip-type"),
    ("vsmlrt-ncnn", "--opset_version 17", "ncnn-layernorm"),
    ("vsmlrt-ncnn", "--graph_form channels_first --opset_version 18", "ncnn-axes"),
    ("vsmlrt-ncnn", "--graph_form channels_first --fp_mode mixed_fp16", "ncnn-casts"),
    ("ncnn", "--graph_form channels_first --opset_version 18", "ncnn-axes"),
    ("ncnn", "--graph_form channels_first --fp_mode fp16", "ncnn-types"),
    ("web", "--fp_mode bf16", "bf16-kernels"),
    ("onnxruntime", "--fp_mode bf16", "bf16-kernels"),
]

# The largest difference, as a part of the largest value that PyTorch gives.
TOLERANCE = {"fp32": 2e-5, "mixed_fp16": 2e-2, "fp16": 2e-2, "bf16": 2e-1, "mixed_bf16": 1e-1}


@dataclasses.dataclass
class Trial:
    target: str
    client: str
    generation: str
    case: str
    stands_in: bool
    model: pathlib.Path
    source: pathlib.Path
    expected: pathlib.Path
    output: pathlib.Path
    precision: str = ""
    answer: str = ""
    error: float = float("nan")

    def failure(self):
        if self.answer.startswith("built"):
            return ""
        if not self.answer.startswith("ran"):
            return self.answer or "no answer"
        if not self.error <= TOLERANCE[self.precision]:
            return f"differs by {self.error:.1e}, allowed {TOLERANCE[self.precision]:.0e} ({self.precision})"
        return ""


def command_of(client, clients):
    python = str(clients / "bin" / "python")
    if client == "web":
        return ["node", str(HERE / "worker_web.mjs"), str(clients / "web")], {}
    if client == "onnxruntime-oldest":
        return [python, str(HERE / "worker.py"), "onnxruntime"], {"PYTHONPATH": str(clients / "oldest")}
    # Mesa's software renderer, so that ncnn's plugin runs without a GPU.
    lavapipe = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json"
    return [python, str(HERE / "worker.py"), client], {"VK_ICD_FILENAMES": lavapipe}


def run_client(client, trials, clients, log):
    """Runs the trials in workers; one that crashes costs the file at hand and is started again."""
    command, environment = command_of(client, clients)
    left = list(trials)
    while left:
        lines = "".join(f"{t.model}\t{t.source}\t{t.output}\n" for t in left)
        try:
            done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, stderr=log, text=True,
                                  env=dict(os.environ, **environment), timeout=60 + 60 * len(left))
            answers, code = done.stdout.splitlines(), done.returncode
        except subprocess.TimeoutExpired as expired:
            answers, code = (expired.stdout or b"").decode().splitlines(), "no answer"
        for trial, answer in zip(left, answers):
            trial.answer = answer
        left = left[len(answers):]
        if left and len(answers) < len(lines.splitlines()):
            left[0].answer = f"crashed ({code})"
            left = left[1:]


def cases(arguments):
    """(generation, case, folder): one network of each generation, or all."""
    if not arguments.all:
        for generation, case in GENERATIONS.items():
            yield generation, case, arguments.torch if case.startswith("aether") else arguments.stages
        return
    for case in ("aether_small", "aether_medium", "aether_large"):
        yield "G1", case, arguments.torch
    for case in (arguments.stages / "cases.txt").read_text().split():
        facts = json.loads((arguments.stages / f"{case}.json").read_text())
        source = arguments.stages / f"{case}.0.in.npy"
        if facts.get("fails") or facts["options"] or not source.exists() or numpy.load(source).shape[1] != 3:
            continue
        known = facts["generation"]  # a list where the file leaves several possible
        yield known if isinstance(known, str) else known[0], case, arguments.stages


def convert(arguments, target, case, folder, work):
    """The ONNX file and what the program says of it."""
    model = work / f"{case}.{target}.onnx"
    done = subprocess.run([arguments.program, folder / f"{case}.pth", model, "--for", target, "--json"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{case} for {target} doesn't convert: {done.stderr}{done.stdout}")
    return model, json.loads(done.stdout)


def check_codes(arguments, target, model):
    """The codes of the errors and warnings of check."""
    done = subprocess.run([arguments.program, "check", model, "--for", target, "--json"], capture_output=True, text=True)
    return [f["code"] for f in json.loads(done.stdout)["findings"] if f["severity"] in ("error", "warning")]


def refused_trials(arguments, work):
    """Trials that must fail, and the codes that check lacks."""
    folder = arguments.torch
    case = GENERATIONS["G1"]
    trials, missing = [], []
    for number, (target, options, code) in enumerate(REFUSED):
        model = work / f"refused{number}.onnx"
        words = [arguments.program, folder / f"{case}.pth", model, "--shape", "1x3xHxW", "--json", "--quiet", *options.split()]
        facts = json.loads(subprocess.check_output(words, text=True))
        if code not in check_codes(arguments, target, model):
            missing.append(f"{target} {options}: check has no {code}")
        trials.append(Trial(target, target, "G1", case, False, model, folder / f"{case}.0.in.npy",
                            folder / f"{case}.0.out.npy", work / f"refused{number}.npy", facts["onnx"]["precision"]))
    return trials, missing


def measure(trials):
    for trial in trials:
        if trial.output.exists():
            expected = numpy.load(trial.expected).astype(numpy.float64)
            found = numpy.load(trial.output).astype(numpy.float64)
            trial.error = abs(found - expected).max() / abs(expected).max() if found.shape == expected.shape \
                else float("inf")


def versions(clients):
    code = ("import importlib.metadata as m, json; "
            "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}))")
    found = json.loads(subprocess.check_output([clients / "bin" / "python", "-c", code], text=True))
    package = json.loads((clients / "web" / "node_modules" / "onnxruntime-web" / "package.json").read_text())
    return dict(found, web=package["version"])


def said(trial):
    """What happened, short, and without the paths of this machine."""
    text = trial.failure() or "runs"
    text = text.replace(str(trial.model), "model.onnx").replace("|", " ")
    if text.startswith("differs"):
        return "a wrong picture"
    for known in ("Could not find an implementation for ", "operator(): "):
        if known in text and "CreateSession" not in text:
            text = "refused: " + (known if known[0] == "C" else "") + text.partition(known)[2]
    if "CreateSessionFromArray" in text:
        text = "refused: no session can be created"
    return text.replace("refused Refused:", "refused:")[:90]


def table(trials, found):
    """docs/clients.md: a row for each target and client."""
    rows = {}
    for trial in trials:
        rows.setdefault((trial.target, trial.stands_in, trial.client), []).append(trial)
    lines = []
    for (target, stands_in, client), group in rows.items():
        good = [t for t in group if not t.failure()]
        errors = [t.error for t in good if t.answer.startswith("ran")]
        what = f"equal to PyTorch, at most {max(errors):.0e} off" if errors else "builds"
        if client == "tensorrt-rtx":
            what = "builds for compute capability 7.5 to 12.1"
        name = NAMES[client].format(**found) + (" (stands in)" if stands_in else "")
        lines.append(f"| `{target}` | {name} | {group[0].precision} | {len(good)} of {len(group)} {what} |")
    return "\n".join(lines)


DOCUMENT = """# Files in the programs that load them

`tests/clients/clients.py` converts {count} networks, at least one of each generation of AetherNet, with `--for TARGET`.
`clients.py` loads each ONNX file in the programs of the column "tried in", and compares each enlarged picture with
PyTorch's picture. In the column "result", "at most 2e-03 off" means that no value of a picture differs from PyTorch's
value by more than 0.002 of the picture's largest value. `./test.sh` runs `clients.py` with one network of each
generation, and `scripts/nightly.sh` runs `clients.py` with all networks.

If a target needs a GPU or Windows, `clients.py` loads the ONNX file in another program, which has the target's parser
of ONNX files or the target's operators. In the column "tried in", the words "(stands in)" mark a program that
`clients.py` runs in place of the target. Nothing in this table was run on a GPU.

| target | tried in | precision | result |
| --- | --- | --- | --- |
{table}

## What clients refuse

The next table lists ONNX files of aether_small that the target's program refuses or runs incorrectly. We converted
aether_small with the options of the column "options", and without `--for`, because `--for` chooses suitable options.
`check --for TARGET` reports a problem in every file of the table, with the code in the last column. `clients.py` fails
if `check` reports no problem in an ONNX file of the next table, or if the target runs such a file correctly (for
example after an update), because the table is then outdated.

| target | options | in the client | `check` |
| --- | --- | --- | --- |
{refused}
"""


def main():
    parser = argparse.ArgumentParser()
    for name in ("program", "clients", "torch", "stages"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("--refused", action="store_true", help="only the files that clients refuse")
    parser.add_argument("--target", action="append", help="only this target")
    arguments = parser.parse_args()
    arguments.clients = arguments.clients.resolve()
    if not (arguments.clients / "bin" / "python").exists():
        print("skipped: scripts/install_clients.sh has not installed the clients")
        return 77
    trials, unclean = [], []
    networks = set()
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        for target, clients in CLIENTS_OF.items():
            if arguments.refused or (arguments.target and target not in arguments.target):
                continue
            real, _, others = clients.partition("|")
            for generation, case, folder in cases(arguments):
                networks.add(case)
                model, facts = convert(arguments, target, case, folder, work)
                for client in real.split() + others.split():
                    if client in SLOW and not arguments.all and generation not in SLOW[client]:
                        continue
                    trials.append(Trial(target, client, generation, case, client not in real.split(), model,
                                        folder / f"{case}.0.in.npy", folder / f"{case}.0.out.npy",
                                        work / f"{case}.{target}.{client}.npy", facts["onnx"]["precision"]))
                code = check_codes(arguments, target, model)
                if code:
                    unclean.append(f"{case} for {target}: check says {', '.join(code)}")
        refused, missing = refused_trials(arguments, work)
        with concurrent.futures.ThreadPoolExecutor(2) as pool, open(work / "log", "w+") as log:
            both = trials + refused
            names = sorted({t.client for t in both})
            list(pool.map(lambda c: run_client(c, [t for t in both if t.client == c], arguments.clients, log), names))
            measure(both)
            if any(t.answer.startswith("crashed") for t in trials):
                log.seek(0)
                print(log.read()[-4000:])
    text = table(trials, versions(arguments.clients))
    refusals = "\n".join(f"| `{target}` | `{options}` | {said(trial)} | `{code}` |"
                         for trial, (target, options, code) in zip(refused, REFUSED))
    print(text, refusals, sep="\n")
    if arguments.write:
        arguments.write.write_text(DOCUMENT.format(count=len(networks), table=text, refused=refusals))
    failed = [t for t in trials if t.failure()]
    for trial in failed:
        print(f"FAILED: {trial.case} for {trial.target} in {trial.client}: {trial.failure()}")
    lacking = networks and len(networks) < len(GENERATIONS)
    if lacking:
        print(f"FAILED: only {len(networks)} networks were tried")
    for line in unclean + missing:
        print(f"FAILED: {line}")
    accepted = [t for t in refused if not t.failure()]
    for trial in accepted:
        print(f"FAILED: {trial.model.name} runs in {trial.client}, see REFUSED")
    print(f"{len(trials)} trials of {len(networks)} networks, {len(failed)} failed; {len(refused)} files that clients "
          f"refuse, {len(accepted)} accepted")
    return 1 if failed or lacking or unclean or missing or accepted or not refused else 0


if __name__ == "__main__":
    sys.exit(main())
