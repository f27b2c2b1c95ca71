#!/usr/bin/python3
"""Compares whole conversions with cp, with each other and with PyTorch's exporter.

    compare.py [BUILD_FOLDER] [--quick] [--skip-peer] [--inference] [--markdown FILE] [--json FILE]

Needs a build with the benchmarks:
    cmake --preset release -DAETHER2ONNX_BENCHMARKS=ON && cmake --build --preset release

What is compared runs by turns, round after round, so that what else the machine does meets all of
it alike; a ratio is the median of the rounds' ratios. Times are of the whole process, from its
start to its end, with the input in the page cache. Output is removed before each run, and isn't
forced to the disk, as cp doesn't. With --inference also the models themselves are compared with the
exporter's, in ONNX Runtime; that takes twenty minutes.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

from openblas import name_processor

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
MB = 1e6

# Bars.
LARGE_TIMES_CP = 2.5
LARGE_FASTER_THAN_PEER = 500
SMALL_SECONDS = 0.015
SMALL_FASTER_THAN_PEER = 200
VARIATION = 1.5
MEMORY_BYTES = 32 * MB
VERSION_SECONDS = 0.005
PROGRAM_BYTES = 3 * MB
BATCH_SPEEDUP = 1.7
VERIFICATION = 1.3
BATCH_SIZE = 50
SESSION_TIMES_PEER = 0.8
INFERENCE_TIMES_PEER = 1.02
INFERENCE_MEDIAN_TIMES_PEER = 0.95
INFERENCE_SIZES = (64, 128, 256)
INFERENCE_BATCHES = (1, 4)


class Problem(Exception):
    """For the person who can fix it."""


# --- running ------------------------------------------------------------------------------------


class Run:
    """What one process took: seconds, seconds of processor time, and bytes of memory."""

    def __init__(self, line):
        wall, cpu, memory = line.split()
        self.wall, self.cpu, self.memory = float(wall), float(cpu), int(memory)


class Command:
    """A command line, and the files or folders that it makes."""

    launcher = None  # run_measured

    def __init__(self, arguments, outputs=()):
        self.arguments = [str(argument) for argument in arguments]
        self.outputs = outputs

    def run(self):
        for output in self.outputs:
            if output.is_dir():
                shutil.rmtree(output)
            else:
                output.unlink(missing_ok=True)
        done = subprocess.run([self.launcher, *self.arguments], capture_output=True, text=True,
                              errors="replace", check=False)
        if done.returncode != 0:
            raise Problem(f"{' '.join(self.arguments)} failed:\n{done.stderr}")
        return Run(done.stdout)


class Sample:
    """The runs of one command."""

    def __init__(self, runs):
        self.runs = runs

    @property
    def wall(self):
        return statistics.median(run.wall for run in self.runs)

    @property
    def fastest(self):
        return min(run.wall for run in self.runs)

    @property
    def cpu(self):
        return statistics.median(run.cpu for run in self.runs)

    @property
    def memory(self):
        return max(run.memory for run in self.runs)

    def times(self, other):
        """How many times as long as the other one, round by round."""
        return statistics.median(a.wall / b.wall for a, b in zip(self.runs, other.runs))


def by_turns(commands, rounds):
    """Runs each command once a round; a first round, which isn't counted, fills the caches."""
    runs = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            run = command.run()
            if turn > 0:
                runs[name].append(run)
    return {name: Sample(taken) for name, taken in runs.items()}


# --- results ------------------------------------------------------------------------------------


def seconds_text(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def bytes_text(count):
    return f"{count / MB:.1f} MB"


class Row:
    """A line of the table. `bar` is met where value <= bar, or value >= bar with `at_least`."""

    def __init__(self, what, sample=None, measured="", against="", value=None, text="", bar=None,
                 at_least=False, unit=None):
        self.what, self.sample, self.measured, self.against = what, sample, measured, against
        self.value, self.text, self.bar, self.at_least = value, text, bar, at_least
        self.unit = unit or (lambda number: f"{number:g}")

    @property
    def verdict(self):
        if self.bar is None:
            return ""
        if self.value is None:
            return "not measured"
        good = self.value >= self.bar if self.at_least else self.value <= self.bar
        return "met" if good else "missed"

    def cells(self):
        sample = self.sample
        bar = "" if self.bar is None else f"{'≥' if self.at_least else '≤'} {self.unit(self.bar)}"
        taken = ([seconds_text(sample.wall), seconds_text(sample.fastest),
                  seconds_text(sample.cpu), bytes_text(sample.memory)]
                 if sample else [self.measured, "", "", ""])
        return [self.what, *taken, self.against, self.text, bar, self.verdict]

    def as_json(self):
        return {"what": self.what, "value": self.value, "bar": self.bar,
                "at_least": self.at_least, "verdict": self.verdict, "against": self.against,
                "runs": [{"wall": run.wall, "cpu": run.cpu, "memory": run.memory}
                         for run in self.sample.runs] if self.sample else []}


HEADS = ["what", "median", "fastest", "CPU time", "memory", "compared with", "result", "bar", ""]


def times_text(ratio):
    return f"{ratio:.2f} ×"


def faster_text(ratio):
    return f"{ratio:.0f} × faster"


def ratio_row(what, sample, name, other, bar):
    ratio = sample.times(other)
    return Row(what, sample, against=f"{name}: {seconds_text(other.wall)}", value=ratio,
               text=times_text(ratio), bar=bar, unit=times_text)


def table(rows, markdown):
    lines = [HEADS, *(row.cells() for row in rows)]
    if markdown:
        lines.insert(1, ["---"] * len(HEADS))
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    widths = [max(len(cells[i]) for cells in lines) for i in range(len(HEADS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip()
                     for cells in lines)


# --- the machine --------------------------------------------------------------------------------


def output_of(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def first_line(text):
    return text.splitlines()[0] if text else "unknown"


def value_in(path, key, separator):
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
        for line in file:
            name, found, value = line.partition(separator)
            if found and name.split(":")[0].strip() == key:
                return value.strip()
    return "unknown"


def describe_machine(build, program, folder):
    compiler = value_in(build / "CMakeCache.txt", "CMAKE_CXX_COMPILER", "=")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": value_in("/proc/cpuinfo", "model name", ":"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "file system": output_of("df", "--output=fstype", folder).split("\n")[-1],
        "compiler": first_line(output_of(compiler, "--version")),
        "build": value_in(build / "CMakeCache.txt", "CMAKE_BUILD_TYPE", "="),
        "program": first_line(output_of(program, "--version")),
        "cp": first_line(output_of("cp", "--version")),
    }


# --- what is measured ---------------------------------------------------------------------------


class Bench:
    def __init__(self, arguments, folder):
        self.build, self.folder, self.quick = arguments.build.resolve(), folder, arguments.quick
        self.program = self.tool("aether2onnx")
        Command.launcher = self.tool("run_measured")
        self.python = None if arguments.skip_peer else find_python(arguments.python)
        self.rows = []
        self.machine = describe_machine(self.build, self.program, folder)
        if self.python:
            self.machine["PyTorch"] = output_of(self.python, "-c",
                                                "import torch; print(torch.__version__)")

    def tool(self, name):
        path = self.build / "bin" / name
        if not path.exists():
            raise Problem(f"there is no {path}; build it with\n"
                          "  cmake --preset release -DAETHER2ONNX_BENCHMARKS=ON && "
                          "cmake --build --preset release")
        return path

    def rounds(self, full):
        return max(3, full // 4) if self.quick else full

    def checkpoint(self, name):
        path = self.folder / name
        if not path.exists():
            Command([self.tool("make_checkpoints"), self.folder, name]).run()
        return path

    def conversion(self, name, *options):
        output = self.folder / "converted.onnx"
        return Command([self.program, self.checkpoint(name), output, "--quiet", *options],
                       [output])

    def measure_large(self):
        fused = "aether_large_fused_fp32.pth"
        copied = self.folder / "copied.pth"
        samples = by_turns({
            "cp": Command(["cp", self.checkpoint(fused), copied], [copied]),
            "fused": self.conversion(fused),
            "unfused checkpoint": self.conversion("aether_large_unfused_fp32.pth"),
            "--fp_mode fp16": self.conversion(fused, "--fp_mode", "fp16"),
            "--dynamic_shapes": self.conversion(fused, "--dynamic_shapes"),
            "safetensors": self.conversion("aether_large_fused_fp32.safetensors"),
            "legacy stream": self.conversion("aether_large_fused_fp32.legacy"),
            "float16 checkpoint": self.conversion("aether_large_fused_fp16.pth"),
        }, self.rounds(21))
        ours = samples.pop("fused")
        self.rows.append(ratio_row("aether_large", ours, "cp", samples.pop("cp"), LARGE_TIMES_CP))
        self.measure_peer("aether_large", 1, LARGE_FASTER_THAN_PEER)
        for name, sample in samples.items():
            bar = None if name == "float16 checkpoint" else VARIATION
            self.rows.append(ratio_row(f"aether_large, {name}", sample, "fused fp32", ours, bar))
        self.rows.append(Row("aether_large, peak memory", value=ours.memory,
                             text=bytes_text(ours.memory), bar=MEMORY_BYTES, unit=bytes_text))

    def measure_medium(self):
        name = "aether_medium_fused_fp32.pth"
        copied = self.folder / "copied.pth"
        samples = by_turns({"cp": Command(["cp", self.checkpoint(name), copied], [copied]),
                            "ours": self.conversion(name)}, self.rounds(21))
        self.rows.append(ratio_row("aether_medium", samples["ours"], "cp", samples["cp"], None))
        self.measure_peer("aether_medium", 1, None)

    def measure_small(self):
        samples = by_turns({"small": self.conversion("aether_small_fused_fp32.pth"),
                            "version": Command([self.program, "--version"])}, self.rounds(41))
        small, version = samples["small"], samples["version"]
        self.rows.append(Row("aether_small", small, value=small.wall, text=seconds_text(small.wall),
                             bar=SMALL_SECONDS, unit=seconds_text))
        self.measure_peer("aether_small", 3, SMALL_FASTER_THAN_PEER)
        self.rows.append(Row("--version", version, value=version.wall,
                             text=seconds_text(version.wall), bar=VERSION_SECONDS,
                             unit=seconds_text))

    def measure_peer(self, variant, rounds, bar):
        """A run of the peer takes seconds, so that the conversion runs several times before it."""
        what = f"{variant}, and PyTorch's exporter"
        if not self.python:
            self.rows.append(Row(what, bar=bar, at_least=True, unit=faster_text))
            return
        name = f"{variant}_fused_fp32.pth"
        exported = self.folder / "exported.onnx"
        peer = Command([self.python, HERE / "peer_export.py", self.checkpoint(name), exported,
                        variant, "2"], [exported])
        ours = self.conversion(name)
        turns = [(Sample([ours.run() for _ in range(5)]), peer.run())
                 for _ in range(1 if self.quick else rounds)]
        sample = Sample([run for own, _ in turns for run in own.runs])
        ratio = statistics.median(run.wall / own.wall for own, run in turns)
        theirs = Sample([run for _, run in turns])
        against = f"{seconds_text(theirs.wall)}, {bytes_text(theirs.memory)}"
        self.rows.append(Row(what, sample, against=against, value=ratio, text=faster_text(ratio),
                             bar=bar, at_least=True, unit=faster_text))

    def measure_program(self):
        stripped = self.folder / "stripped"
        Command(["strip", "-o", stripped, self.program]).run()
        size = stripped.stat().st_size
        self.rows.append(Row("program, stripped", value=size, text=bytes_text(size),
                             bar=PROGRAM_BYTES, unit=bytes_text))

    def measure_batch(self):
        what = f"{BATCH_SIZE} × aether_small, 2 cores"
        cores = sorted(os.sched_getaffinity(0))[:2]
        if len(cores) < 2:
            self.rows.append(Row(what, bar=BATCH_SPEEDUP, at_least=True, unit=times_text))
            return
        many, models = self.folder / "many", self.folder / "models"
        many.mkdir()
        # Copies, since one file read again and again would stay in the processor's cache.
        for number in range(BATCH_SIZE):
            shutil.copyfile(self.checkpoint("aether_small_fused_fp32.pth"), many / f"{number}.pth")

        def batch(count):
            on = ",".join(str(core) for core in cores[:count])
            return Command(["taskset", "-c", on, self.program, many, "--output_dir", models,
                            "--quiet", "--jobs", count], [models])

        samples = by_turns({"one": batch(1), "two": batch(2)}, self.rounds(9))
        shutil.rmtree(many)
        shutil.rmtree(models)
        speedup = samples["one"].times(samples["two"])
        self.rows.append(Row(what, samples["two"],
                             against=f"1 core: {seconds_text(samples['one'].wall)}", value=speedup,
                             text=times_text(speedup), bar=BATCH_SPEEDUP, at_least=True,
                             unit=times_text))

    def measure_verification(self):
        """Of a dynamic model, so of several shapes, in a process that runs all of it: see
        verification_benchmark.cpp."""
        what = "verification of aether_small"
        checkpoint = self.checkpoint("aether_small_fused_fp32.pth")
        model = self.folder / "dynamic.onnx"
        sizes = [part for axis in ("height", "width") for bound, size in
                 (("min", 16), ("opt", 32), ("max", 64)) for part in (f"--{bound}_{axis}", size)]
        Command([self.program, checkpoint, model, "--quiet", "--dynamic_shapes",
                 "--max_batch_size", 1, *sizes], [model]).run()
        helper = self.build / "bin" / "verification_benchmark"
        done = helper.exists() and subprocess.run([helper, checkpoint, model, str(self.rounds(12))],
                                                  capture_output=True, text=True, check=False)
        if not done or done.returncode != 0:
            why = (done.stderr.strip() if done else
                   "verification_benchmark isn't built, since libtorch or ONNX Runtime is missing")
            print(f"Verification isn't measured: {why}", file=sys.stderr)
            self.rows.append(Row(what, bar=VERIFICATION, unit=times_text))
            return
        found = json.loads(done.stdout)
        self.machine["ONNX Runtime"] = found["onnxruntime_version"]
        against = (f"{found['inputs']} runs of PyTorch: {seconds_text(found['pytorch'])}, "
                   f"of ONNX Runtime: {seconds_text(found['onnxruntime'])}")
        self.rows.append(Row(what, measured=seconds_text(found["verification"]), against=against,
                             value=found["ratio"], text=times_text(found["ratio"]),
                             bar=VERIFICATION, unit=times_text))

    def inference_models(self, variant):
        """The exporter's and ours, of dynamic shapes, at the exporter's newest opset."""
        name = f"{variant}_fused_fp32.pth"
        exported, ours = (self.folder / f"{variant}_{who}.onnx" for who in ("peer", "ours"))
        Command([self.python, HERE / "peer_export.py", self.checkpoint(name), exported, variant,
                 "2", "dynamic"]).run()
        Command([self.program, self.checkpoint(name), ours, "--quiet", "--dynamic_shapes",
                 "--opset", "17"]).run()
        return exported, ours

    def measure_inference(self):
        """See compare_inference.cpp."""
        helper = self.build / "bin" / "compare_inference"
        if not self.python or not helper.exists():
            print("Inference isn't measured: it needs PyTorch's exporter and ONNX Runtime",
                  file=sys.stderr)
            self.rows.append(Row("ONNX Runtime", bar=INFERENCE_TIMES_PEER, unit=times_text))
            return
        shapes = [f"{batch}x{size}x{size}" for size in INFERENCE_SIZES
                  for batch in INFERENCE_BATCHES]
        seconds = "5" if self.quick else "20"
        ratios = []
        for variant in ("aether_small", "aether_medium", "aether_large"):
            print(f"  {variant} ...", file=sys.stderr)
            done = subprocess.run([helper, seconds, ",".join(shapes),
                                   *self.inference_models(variant)],
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Problem(f"compare_inference failed:\n{done.stderr}")
            found = json.loads(done.stdout)
            self.machine["ONNX Runtime"] = found["onnxruntime_version"]
            self.inference_row(f"{variant}, session", found["session"], SESSION_TIMES_PEER)
            ratios += [self.inference_row(f"{variant}, {shape}", found["inference"][shape],
                                          INFERENCE_TIMES_PEER) for shape in shapes]
        self.rows.append(Row("inference, median", value=statistics.median(ratios),
                             text=times_text(statistics.median(ratios)),
                             bar=INFERENCE_MEDIAN_TIMES_PEER, unit=times_text))

    def inference_row(self, what, found, bar):
        theirs, ours = found["seconds"]
        ratio = found["ratio"][1]
        self.rows.append(Row(what, measured=seconds_text(ours),
                             against=f"exporter's: {seconds_text(theirs)}", value=ratio,
                             text=times_text(ratio), bar=bar, unit=times_text))
        return ratio


def find_python(given):
    candidates = [given] if given else [sys.executable, "/usr/bin/python3"]
    for python in candidates:
        if output_of(python, "-c", "import torch; print(1)") == "1":
            return python
    raise Problem("no Python with PyTorch was found for the peer: run scripts/install_packages.sh "
                  "bench,\nname one with --python, or leave the peer out with --skip-peer")


def check_tools():
    for tool, package in (("cp", "coreutils"), ("strip", "binutils"), ("taskset", "util-linux")):
        if shutil.which(tool) is None:
            raise Problem(f"{tool} is missing; install the package {package}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=ROOT / "build" / "release",
                        help="default: build/release")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--skip-peer", action="store_true", help="without PyTorch's exporter")
    parser.add_argument("--inference", action="store_true",
                        help="also the models in ONNX Runtime; takes twenty minutes")
    parser.add_argument("--python", help="interpreter with PyTorch, for the peer")
    parser.add_argument("--folder", type=pathlib.Path,
                        help="where the files go while it runs, about 1 GB; default: BUILD_FOLDER")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    arguments = parser.parse_args()

    check_tools()
    name_processor()
    if not arguments.build.is_dir():
        raise Problem(f"there is no build folder {arguments.build}")
    with tempfile.TemporaryDirectory(dir=arguments.folder or arguments.build) as folder:
        bench = Bench(arguments, pathlib.Path(folder))
        load = os.getloadavg()[0]
        for part in (bench.measure_large, bench.measure_medium, bench.measure_small,
                     bench.measure_batch, bench.measure_program, bench.measure_verification,
                     *([bench.measure_inference] if arguments.inference else [])):
            print(f"{part.__name__.replace('_', ' ')} ...", file=sys.stderr)
            part()
        bench.machine["load before, after"] = f"{load:.1f}, {os.getloadavg()[0]:.1f}"
    report(bench, arguments)


def report(bench, arguments):
    for key, value in bench.machine.items():
        print(f"{key:20}{value}")
    print()
    print(table(bench.rows, markdown=False))
    if arguments.markdown:
        machine = "; ".join(f"{key} {value}" for key, value in bench.machine.items())
        arguments.markdown.write_text(f"{machine}\n\n{table(bench.rows, markdown=True)}\n",
                                      encoding="utf-8")
    if arguments.json:
        content = {"machine": bench.machine, "rows": [row.as_json() for row in bench.rows]}
        arguments.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n",
                                  encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        sys.exit(f"error: {problem}")
