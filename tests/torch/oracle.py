#!/usr/bin/python3
"""Generates checkpoints opcode by opcode, and has PyTorch load each one that scan calls clean.

    oracle.py --program DUMP_TENSORS [--files N] [--seed N] [--classes WORDS] [--weights-only]
              [--only NUMBER] [--keep FOLDER] [--workers N]

Files are made of allowed names and rare opcodes: about half of them as honest writers make them
(oracle_honest.py), the others in forms that no writer makes (oracle_forms.py, oracle_calls.py,
oracle_harm.py) or at random (oracle_free.py). The number of a file and the seed decide its bytes.

Child processes with PyTorch load the clean files (oracle_child.py), 25 a child; a file with a fault is loaded again in
a child of its own. The test fails if loading
  - looked up a name that the scan did not report, imported a module, opened another file, compiled
    or ran code, or made a system call that loading does not need (column "ran");
  - died by a signal, took too long, or ran out of 1 GB (column "killed");
  - gave tensors other than those that a conversion reads (column "weights");
  - failed although a conversion reads a state dict (column "fails").
At least 30 % of all files must be clean and load. If the sandbox can't be set up, the test fails.
"""

import argparse
import collections
import os
import pickle
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import torch  # noqa: E402

import oracle_calls  # noqa: E402
import oracle_child  # noqa: E402
import oracle_forms  # noqa: E402
import oracle_free  # noqa: E402
import oracle_harm  # noqa: E402
import oracle_honest  # noqa: E402

BATCH = 100
TOGETHER = 25  # files that one child loads
MOST_KEPT = 500
SHARES = {"honest": 0.5, "forms": 0.35, "free": 0.15}
# Of all files, so many must be clean and load; the safe loader refuses most of the values beside weights.
ENOUGH, ENOUGH_WEIGHTS_ONLY = 0.3, 0.05
COLUMNS = ("ran", "killed", "weights", "fails")

# Why this PyTorch, or this numpy, can't load an honest file of another release.
OF_ANOTHER_SYSTEM = re.compile(
    r"Can't get attribute '[A-Za-z0-9_]+' on <module '(torch|numpy|pathlib)|"
    r"module '(torch|numpy)[a-z_.]*' has no attribute|No module named '(numpy\._core|pathlib\._local|numpy\.dtypes)|"
    r"cannot instantiate '(Windows|Posix)Path'")


FORMS = {**oracle_forms.FORMS, **oracle_calls.FORMS, **oracle_harm.FORMS}
CLASSES = {**oracle_honest.HONEST, **FORMS, "free": oracle_free.free}


def choose(wanted, chance):
    if wanted:
        return chance.choice([name for name in CLASSES if any(word in name for word in wanted)])
    share = chance.random()
    if share < SHARES["honest"]:
        return chance.choice(list(oracle_honest.HONEST))
    if share < SHARES["honest"] + SHARES["forms"]:
        return chance.choice(list(FORMS))
    return "free"


def make(wanted, seed, number):
    """(class, bytes) of one file."""
    chance = random.Random(f"{seed} {number}")
    name = choose(wanted, chance)
    kit = oracle_honest.Kit(chance)
    if name == "free" or (name in FORMS and chance.random() < 0.7):
        kit.rare = chance.choice((0, 0, 0.1))
    return name, CLASSES[name](kit)


# --- the program's view ---


def text_of(digits):
    return bytes.fromhex(digits).decode("utf-8", "surrogatepass")


class Ours:
    """What the program says of one file."""

    def __init__(self):
        self.scan, self.error = None, None
        self.codes, self.names, self.choice = [], set(), ""
        self.others, self.keys, self.facts = [], [], {}
        self.tensors, self.problems = {}, {}

    def take(self, word, rest):
        if word == "SCAN":
            self.scan = rest
        elif word == "CODE":
            self.codes.append(rest.partition(" ")[0])
        elif word == "NAME":
            self.names.add(text_of(rest))
        elif word == "CHOICE":
            self.choice = text_of(rest)
        elif word == "OTHER":
            self.others.append(text_of(rest))
        elif word == "KEY":
            self.keys.append(text_of(rest))
        elif word == "FACT":
            path, _, value = rest.partition(" ")
            self.facts[text_of(path)] = text_of(value)
        elif word == "TENSOR":
            dtype, sizes, digest, *name = rest.split(" ")
            shape = [int(size) for size in sizes.split(",")] if sizes else []
            self.tensors[text_of(name[0] if name else "")] = [dtype, shape, digest]
        elif word == "PROBLEM":
            name, _, problem = rest.partition(" ")
            self.problems[text_of(name)] = problem
        elif word == "ERROR":
            self.error = rest

    def questions(self):
        return {"choice": self.choice, "others": self.others, "facts": list(self.facts)}


def views_of(program, paths):
    """The program's view of each file; None for a file at which the program broke down."""
    done = subprocess.run([program, "--scan"], input="\n".join(paths) + "\n", capture_output=True,
                          text=True, check=False, timeout=300)
    if done.returncode != 0:
        if len(paths) == 1:
            return {paths[0]: None}
        views = {}
        for path in paths:
            views.update(views_of(program, [path]))
        return views
    views, current = {}, None
    for line in done.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FILE":
            current = views[rest] = Ours()
        else:
            current.take(word, rest)
    return views


# --- the verdict ---


def harmless_event(event, subject, path, names):
    if event == "open":
        # PyTorch compares the source texts of classes in legacy streams.
        return subject == path or (subject.endswith(".py") and "/lib" in subject)
    if event == "compile":  # into a syntax tree, for the same comparison
        return "'<unknown>'" in subject
    if event == "import":  # the module of a name that the scan reported
        return any(name == subject or name.startswith(subject + ".") for name in names)
    return False


def ran(path, ours, report):
    for module, name in report["names"]:
        if f"{module}.{name}" not in ours.names and f"{module}.{name}".replace(
                "torch._tensor.", "torch.tensor.") not in ours.names:
            return f"{module}.{name} is looked up, and the scan did not report the name"
    for event, subject in report["events"]:
        if not harmless_event(event, subject, path, ours.names):
            return f"{event}: {subject}"
    return None


def is_dry(error):
    return error is not None and (error[0] == "MemoryError" or "allocate" in error[1] or "memory" in error[1])


def weights_differ(ours, seen):
    theirs = seen["tensors"]
    for name, tensor in ours.tensors.items():
        if name not in theirs:
            if name.startswith("<"):  # the key is no text: the name describes the key
                continue
            return f"{name} is no tensor in PyTorch"
        if theirs[name] is not None and theirs[name] != tensor:
            return f"{name}: {tensor} here, {theirs[name]} in PyTorch"
    for name in theirs:
        if name not in ours.tensors and name not in ours.problems and not name.endswith("n_averaged") \
                and "_packed_params" not in name:
            return f"{name} is a tensor in PyTorch alone"
    keys = seen["keys"]
    if keys is not None and ours.keys and {key for key in keys if key is not None} != {
            key for key in ours.keys if not key.startswith("<")}:
        return f"keys at the root: {sorted(ours.keys)} here, {keys} in PyTorch"
    known = {ours.choice, *ours.others}
    for place in seen["places"]:
        if place not in known:
            return f"'{place}' is a state dict in PyTorch alone"
    for path, (kind, *value) in seen["facts"].items():
        text = ours.facts[path]
        if kind == "value" and value[0] != text and not is_same_number(value[0], text):
            return f"fact {path}: {text} here, {value[0]} in PyTorch"
    return None


def is_same_number(one, other):
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def judge(path, ours, report, ended_by, memory, weights_only, foreign):
    """(column, what happened) of a fault, or None."""
    if ended_by == signal.SIGSYS:
        return "ran", "a system call that loading does not need"
    if ended_by:
        return "killed", signal.Signals(ended_by).name
    if report is None:
        return "killed", "the process ended without a report"
    error = report["error"]
    problem = ran(path, ours, report)
    if problem and not (weights_only and error):
        return "ran", problem
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if is_dry(error) or memory > oracle_child.MEMORY + own:
        return "killed", f"over 1 GB: {error}"
    if error:
        is_read = ours.error is None and ours.tensors and not foreign
        if is_read and not weights_only and not OF_ANOTHER_SYSTEM.search(error[1]):
            return "fails", ": ".join(error)
        return None
    if ours.error is None and ours.tensors:
        if report["view"] is None:
            return "weights", f"can't be looked at: {report['view_error']}"
        problem = weights_differ(ours, report["view"])
        if problem:
            return "weights", problem
    return None


def is_bare(data):
    """Whether the file is no container of PyTorch, but a pickle alone."""
    return data[:1] == b"\x80" and b"\x6c\xfc\x9c\x46" not in data[:40] and data[1:2] in b"\x02\x03\x04\x05"


def is_safetensors(data):
    return data[5:9] == b"\0\0\0{"


class Counts:
    def __init__(self):
        self.by_class = collections.defaultdict(collections.Counter)
        self.codes = collections.defaultdict(collections.Counter)
        self.faults = []

    def add(self, other):
        for name, counter in other.by_class.items():
            self.by_class[name].update(counter)
        for name, counter in other.codes.items():
            self.codes[name].update(counter)
        self.faults += other.faults

    def add_views(self, files, views):
        """Counts the answers of the program."""
        for path, (number, name, _) in files.items():
            ours, counter = views[path], self.by_class[name]
            counter["files"] += 1
            if ours is None:
                counter["broke"] += 1
                self.faults.append((name, number, "broke", "the program broke down"))
            elif ours.scan == "clean":
                counter["clean"] += 1
            else:
                self.codes[name].update(set(ours.codes))

    def total(self, what):
        return sum(counter[what] for counter in self.by_class.values())


def run_batch(numbers, options, folder, counts):
    files = {}
    for number in numbers:
        name, data = make(options.classes, options.seed, number)
        place = os.path.join(folder, str(number))
        os.mkdir(place)
        path = os.path.join(place, "file.pth")
        with open(path, "wb") as file:
            file.write(data)
        files[path] = (number, name, data)
    views = views_of(options.program, list(files))
    counts.add_views(files, views)
    clean = [(path, views[path].questions(), is_bare(data)) for path, (_, _, data) in files.items()
             if views[path] and views[path].scan == "clean"]
    for start in range(0, len(clean), TOGETHER):
        load_group(clean[start:start + TOGETHER], files, views, options, counts)
    for path in files:
        shutil.rmtree(os.path.dirname(path))


def load_group(group, files, views, options, counts):
    """Loads files in one child. Those with a fault, or all if the child broke down, again in one of their own."""
    loading = {"address_space": oracle_child.address_space(), "weights_only": options.weights_only or
               (None if options.old else False)}

    def judge_one(file, report, ended_by, memory):
        path, data = file[0], files[file[0]][2]
        if os.listdir(os.path.dirname(path)) != ["file.pth"]:
            return "ran", "the file's folder has another file"
        return judge(path, views[path], report, ended_by, memory, options.weights_only, is_safetensors(data))

    reports, ended_by, memory = oracle_child.watch(group, loading)
    if reports and reports[0]["error"] and reports[0]["error"][0] == "sandbox":
        sys.exit(f"the sandbox can't be set up: {reports[0]['error'][1]}")
    is_whole = len(reports) == len(group)
    for index, file in enumerate(group):
        report = reports[index] if is_whole else None
        fault = judge_one(file, report, ended_by, memory)
        if fault:
            alone, *ended = oracle_child.watch([file], loading)
            report = alone[0] if alone else None
            fault = judge_one(file, report, *ended)
        number, name, data = files[file[0]]
        counts.by_class[name]["loaded"] += bool(report and not report["error"])
        if fault:
            counts.by_class[name][fault[0]] += 1
            counts.faults.append((name, number, *fault))
            keep(options, number, data)


def keep(options, number, data):
    if len(os.listdir(options.keep)) < MOST_KEPT:
        with open(os.path.join(options.keep, f"{options.seed}-{number}.pth"), "wb") as file:
            file.write(data)


def samples():
    """Honest files that make PyTorch import what loading needs."""
    names, chosen = list(oracle_honest.HONEST), []
    for number in range(150):
        chance = random.Random(f"warm {number}")
        kit = oracle_honest.Kit(chance)
        chosen.append(oracle_honest.HONEST[names[number % len(names)]](kit))
    return chosen


def worker(index, options, pipe):
    counts = Counts()
    with tempfile.TemporaryDirectory() as folder:
        oracle_child.warm_up(samples(), {"weights_only": None if options.old else False},
                             folder)
        weak = oracle_child.check_sandbox(folder)
        if weak:
            sys.exit(f"the sandbox lets a system call pass: {weak}")
        os.unlink(os.path.join(folder, "file"))
        numbers = [options.only] if options.only is not None else range(index, options.files, options.workers)
        for start in range(0, len(numbers), BATCH):
            run_batch(numbers[start:start + BATCH], options, folder, counts)
            if time.monotonic() > options.deadline:
                break
    with os.fdopen(pipe, "wb") as out:
        pickle.dump(counts, out)


def run_workers(options):
    counts, children = Counts(), []
    if options.only is not None:
        options.workers = 1
    for index in range(options.workers):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(reading)
                worker(index, options, writing)
                code = 0
            except SystemExit as stop:
                print(stop.code, file=sys.stderr, flush=True)
            except Exception:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        os.close(writing)
        children.append((child, reading))
    failed = False
    for child, reading in children:
        with os.fdopen(reading, "rb") as pipe:
            data = pipe.read()
        _, status = os.waitpid(child, 0)
        failed |= status != 0
        if status == 0:
            counts.add(pickle.loads(data))
    if failed:
        sys.exit("a worker failed")
    return counts


def print_counts(counts, verbose):
    columns = ("files", "clean", "loaded", *COLUMNS)
    print(f"{'class':32}" + "".join(f"{column:>9}" for column in columns))
    for name in sorted(counts.by_class):
        counter = counts.by_class[name]
        print(f"{name:32}" + "".join(f"{counter[column]:9}" for column in columns))
        if verbose and counts.codes[name]:
            print("    " + ", ".join(f"{code} {count}" for code, count in counts.codes[name].most_common(6)))
    print(f"{'all':32}" + "".join(f"{counts.total(column):9}" for column in columns))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, help="dump_tensors")
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--classes", type=lambda text: text.split(","), default=[],
                        help="words that the names of the classes contain, with commas")
    parser.add_argument("--weights-only", action="store_true", help="load with weights_only=True")
    parser.add_argument("--only", type=int, help="the file of this number alone")
    parser.add_argument("--keep", default=os.path.join(tempfile.gettempdir(), "oracle"),
                        help="a folder for the files with faults")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no batch after these")
    parser.add_argument("--verbose", action="store_true", help="why files are not clean")
    options = parser.parse_args()
    options.deadline = time.monotonic() + options.seconds
    options.old = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 0)
    torch.set_num_threads(1)
    os.makedirs(options.keep, exist_ok=True)
    begun = time.monotonic()
    counts = run_workers(options)
    print_counts(counts, options.verbose)
    shown = collections.Counter()
    for name, number, column, what in counts.faults:
        shown[name, column] += 1
        if shown[name, column] <= 3 and (sum(shown.values()) <= 200 or options.verbose):
            print(f"{name}, file {number}, {column}: {what[:300]}")
    if counts.faults:
        words = f" --classes {','.join(options.classes)}" if options.classes else ""
        print(f"The files are in {options.keep}, called {options.seed}-NUMBER.pth. One file again: {sys.argv[0]} "
              f"--program {options.program} --seed {options.seed}{words} --only NUMBER")
    print(f"PyTorch {torch.__version__}, {time.monotonic() - begun:.0f} s")
    files, loaded = counts.total("files"), counts.total("loaded")
    enough = ENOUGH_WEIGHTS_ONLY if options.weights_only else ENOUGH
    if not options.classes and options.only is None and loaded < enough * files:
        print(f"only {loaded} of {files} files are clean and load")
        sys.exit(1)
    if counts.faults:
        sys.exit(1)


main()
