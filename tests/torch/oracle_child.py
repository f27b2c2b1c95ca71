"""Loads one file with PyTorch in a process that can do nothing else, and reports what it saw.

A seccomp filter kills the process at any system call that is not on the list below. An audit hook
notes names that are looked up, imports, opened files and code that is compiled or run.
"""

import argparse
import collections
import ctypes
import fractions
import hashlib
import importlib
import inspect
import json
import os
import pathlib
import pickle
import platform
import resource
import signal
import socket
import struct
import sys
import tempfile
import uuid
import warnings

import torch
import torch.torch_version

CPU_SECONDS = 2
MEMORY = 1 << 30
WALL_SECONDS = 60
LARGEST = 16 << 20  # elements of a tensor that are hashed, as in dump_tensors.cpp

# --- the filter ---

# System calls by name: their numbers on x86-64 and on AArch64. Sources: the kernel's
# arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
ALLOWED = {
    "read": (0, 63), "close": (3, 57), "fstat": (5, 80), "stat": (4, None), "lstat": (6, None),
    "lseek": (8, 62), "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215),
    "brk": (12, 214), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "ioctl": (16, 29), "pread64": (17, 67), "readv": (19, 65),
    "access": (21, None), "sched_yield": (24, 124), "mremap": (25, 216), "madvise": (28, 233),
    "dup": (32, 23), "nanosleep": (35, 101), "getpid": (39, 172), "exit": (60, 93),
    "uname": (63, 160), "fcntl": (72, 25), "getcwd": (79, 17), "readlink": (89, None),
    "gettimeofday": (96, 169), "getrusage": (98, 165), "sysinfo": (99, 179), "getuid": (102, 174),
    "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177), "sigaltstack": (131, 132),
    "gettid": (186, 178), "futex": (202, 98), "sched_getaffinity": (204, 123),
    "getdents64": (217, 61), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115), "exit_group": (231, 94), "tgkill": (234, 131),
    "newfstatat": (262, 79), "readlinkat": (267, 78), "faccessat": (269, 48),
    "set_robust_list": (273, 99), "prlimit64": (302, 261), "getcpu": (309, 168),
    "getrandom": (318, 278), "membarrier": (324, 283), "statx": (332, 291), "rseq": (334, 293),
    "faccessat2": (439, 439), "set_tid_address": (218, 96),
}
# Allowed by their arguments.
OPEN, OPENAT, WRITE, CLONE, CLONE3 = (2, None), (257, 56), (1, 64), (56, 220), (435, 435)
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

# Sources: include/uapi/linux/{seccomp,filter,bpf_common,prctl}.h.
KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
LOAD, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x45, 0x06
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
CLONE_THREAD = 0x10000
ENOSYS = 38
# Everything but O_RDONLY, O_CLOEXEC, O_LARGEFILE, O_DIRECTORY, O_NOFOLLOW and O_NONBLOCK.
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def filter_code(descriptors):
    """The program of the filter. `descriptors` are those that may be written to."""
    column, architecture = ARCHITECTURES[platform.machine()]

    def step(code, value, when_true=0, when_false=0):
        return struct.pack("<HBBI", code, when_true, when_false, value)

    def argument(index):
        return step(LOAD, 16 + 8 * index)

    def only_if(number, body):
        """Runs `body`, which returns, for one system call."""
        if number[column] is None:
            return b""
        return step(JUMP_EQUAL, number[column], 0, len(body) // 8) + body

    code = step(LOAD, 4) + step(JUMP_EQUAL, architecture, 1, 0) + step(RETURN, KILL)
    code += step(LOAD, 0)
    for number in ALLOWED.values():
        code += only_if(number, step(RETURN, ALLOW))
    for call, index in ((OPEN, 1), (OPENAT, 2)):
        code += only_if(call, argument(index) + step(JUMP_SET, WRITING, 0, 1) + step(RETURN, KILL) +
                        step(RETURN, ALLOW))
    checks = b"".join(step(JUMP_EQUAL, descriptor, 0, 1) + step(RETURN, ALLOW) for descriptor in descriptors)
    code += only_if(WRITE, argument(0) + checks + step(RETURN, KILL))
    code += only_if(CLONE, argument(0) + step(JUMP_SET, CLONE_THREAD, 0, 1) + step(RETURN, ALLOW) +
                    step(RETURN, KILL))
    code += only_if(CLONE3, step(RETURN, ERRNO | ENOSYS))  # the C library then calls clone
    return code + step(RETURN, KILL)


LIBC = ctypes.CDLL(None, use_errno=True)


def confine(descriptors):
    """Installs the filter. Raises OSError if the kernel refuses it."""
    code = filter_code(descriptors)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = Filter(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    arguments = (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0)
    for call in arguments:
        if LIBC.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "no seccomp filter can be installed")


# --- what newer releases of PyTorch have ---


def add_newer_functions():
    """Gives an older PyTorch the functions that newer ones have, so that the forms that need them
    are tested with it as well. Source of their meaning: torch/_utils.py of release 2.6."""
    utils = torch._utils
    if hasattr(utils, "_rebuild_parameter_with_state"):
        return

    def rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
        parameter = torch.nn.Parameter(data, requires_grad)
        parameter._backward_hooks = backward_hooks
        of_dict, of_slots = state if isinstance(state, tuple) else (state, None)
        for part in (of_dict, of_slots):
            for name, value in (part or {}).items():
                setattr(parameter, name, value)
        return parameter

    older = utils._rebuild_tensor_v2

    def rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata=None):
        tensor = older(storage, offset, size, stride, requires_grad, hooks)
        if metadata:
            if metadata.get("conj", False):
                tensor = torch.conj(tensor)
            if metadata.get("neg", False):
                tensor = torch._neg_view(tensor)
        return tensor

    utils._rebuild_parameter_with_state = rebuild_parameter_with_state
    utils._rebuild_tensor_v2 = rebuild_tensor_v2


# --- what was loaded, in plain values ---


def hash_of(tensor):
    if tensor.numel() > LARGEST:
        return "-"
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype)
    flat.copy_(tensor.detach().reshape(-1))
    raw = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return hashlib.sha256(raw).hexdigest()


def describe(tensor):
    """[dtype, sizes, hash], or nothing for a kind of tensor that isn't compared."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        return None
    if tensor.is_quantized:
        # Conversions don't read those of embeddings; PyTorch 1.13 dies when it dequantizes some.
        if tensor.qscheme() == torch.per_channel_affine_float_qparams:
            return None
        tensor = tensor.dequantize()
    tensor = tensor.detach()
    if tensor.dtype == torch.bool:
        tensor = tensor.view(torch.uint8)  # copying makes 1 of what isn't 0
        return ["bool", list(tensor.shape), hash_of(tensor)]
    return [str(tensor.dtype)[6:], list(tensor.shape), hash_of(tensor.resolve_conj().resolve_neg())]


def items_of(value):
    if isinstance(value, torch.nn.Module):
        return list(value.state_dict().items())
    if isinstance(value, dict):
        return list(dict.items(value))
    return []


def children_of(value):
    if isinstance(value, dict):
        return list(dict.items(value))
    attributes = getattr(value, "__dict__", None)
    return list(attributes.items()) if type(attributes) is dict else []


def key_text(key):
    return str.__str__(key) if isinstance(key, str) else str(key) if type(key) is int else None


def at(root, path):
    """The value at a path of keys; keys may have a slash in them. The longest key is followed."""
    value = root
    while path:
        fitting = [(len(text), number) for number, (text, _) in enumerate(
            (key_text(key), inner) for key, inner in children_of(value))
            if text is not None and (path == text or path.startswith(text + "/"))]
        if not fitting:
            return None
        length, number = max(fitting)
        value = children_of(value)[number][1]
        path = path[length + 1:]
    return value


def tensors_of(value):
    found = {}
    for key, tensor in items_of(value):
        name = key_text(key)
        if name is not None and isinstance(tensor, torch.Tensor):
            found[name] = describe(tensor)
    return found


def is_weights(value):
    return any(isinstance(tensor, torch.Tensor) and tensor.dim() > 0 and tensor.is_floating_point()
               and key_text(key) is not None for key, tensor in items_of(value))


def places_of(root):
    """The paths of all state dicts, as the program looks for them: each object is entered once."""
    places, pending, entered = [], collections.deque([(root, "", 0)]), set()
    while pending and len(places) < 1000:
        value, path, depth = pending.popleft()
        if is_weights(value):
            places.append(path)
        if id(value) in entered or depth >= 4 or isinstance(value, (torch.nn.Module, torch.Tensor)):
            continue
        entered.add(id(value))
        for key, inner in children_of(value):
            if isinstance(key, str) and not key.startswith("optim"):
                if isinstance(inner, (dict, torch.nn.Module)) or hasattr(inner, "__dict__"):
                    pending.append((inner, f"{path}/{key}" if path else str(key), depth + 1))
    return places


def fact_at(root, path):
    value = at(root, path)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return [type(value).__name__]
    return ["value", repr(float(value)) if isinstance(value, float) else str(value)]


def view(root, ours):
    chosen = at(root, ours["choice"])
    return {
        "tensors": tensors_of(chosen),
        "places": places_of(root),
        "others": {other: is_weights(at(root, other)) for other in ours["others"]},
        "keys": [key_text(key) for key, _ in items_of(root)] if isinstance(root, dict) else None,
        "facts": {path: fact_at(root, path) for path in ours["facts"]},
    }


# --- one file ---

CLASSES = (argparse.Namespace, fractions.Fraction, uuid.UUID, pathlib.Path, pathlib.PurePath,
           torch.torch_version.TorchVersion, torch.Tensor, torch.nn.Parameter, torch.nn.Module, torch.nn.Linear,
           torch.nn.Identity, torch.nn.Sequential, torch.nn.ModuleDict)

# Events of Python's auditing that no harm is in.
QUIET = {"object.__getattr__", "object.__setattr__", "object.__delattr__", "sys._getframe", "gc.get_objects",
         "gc.get_referrers", "gc.get_referents", "builtins.id", "array.__new__", "sys._current_frames",
         "sys.unraisablehook", "sys.excepthook", "os.listdir", "os.scandir", "tempfile.mkdtemp",
         "cpython.PyInterpreterState_Clear", "cpython._PySys_ClearAuditHooks", "mmap.__new__",
         "marshal.loads", "time.sleep"}


def read_only(arguments):
    path, mode, flags = arguments
    if mode is not None and not set(str(mode)) <= set("rbtU"):
        return False
    return not isinstance(flags, int) or not flags & WRITING


def load(path, is_bare, options):
    """What torch.load returns; or Python's own unpickler, for a file of a pickle alone."""
    arguments = {} if options.get("weights_only") is None else {"weights_only": options["weights_only"]}
    if is_bare:
        try:
            torch.load(path, map_location="cpu", **arguments)
        except Exception:  # no such file is PyTorch's, but it reads the first pickle
            pass
        with open(path, "rb") as file:
            return pickle.load(file)
    return torch.load(path, map_location="cpu", **arguments)


def run(files, options, report):
    """In the forked process: loads (path, questions, whether it is bare) one after another, and writes a
    line of JSON for each. Never returns."""
    result, recording = {}, False

    def hook(event, arguments):
        if not recording or event in QUIET:
            return
        if event == "pickle.find_class":
            result["names"].append([str(part) for part in arguments])
        elif event == "open" and read_only(arguments):
            result["events"].append(["open", str(arguments[0])])
        elif event in ("open", "import"):
            result["events"].append([event if event == "import" else "open for writing", str(arguments[0])])
        else:
            result["events"].append([event, str([str(part)[:60] for part in arguments])[:200]])

    def begin():
        nonlocal result
        result = {"names": [], "events": [], "error": None, "view": None}
        used = resource.getrusage(resource.RUSAGE_SELF)
        most = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))

    def finish():
        os.write(report, json.dumps(result).encode() + b"\n")

    begin()
    try:
        add_newer_functions()
        os.chdir(os.path.dirname(files[0][0]))
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (options["address_space"], options["address_space"]))
        signal.alarm(WALL_SECONDS)
        sys.addaudithook(hook)
        confine((report, 1, 2))
    except Exception as error:  # nothing may be loaded without the sandbox
        result["error"] = ["sandbox", str(error)]
        finish()
        os._exit(0)
    states = class_states()
    for path, ours, is_bare in files:
        begin()
        loaded = None
        try:
            recording = True
            if "action" in options:
                options["action"]()
            else:
                loaded = load(path, is_bare, options)
            if class_states() != states:
                result["events"].append(["changed a class", ""])
            recording = False  # of this function's own calls
        except BaseException as error:  # whatever it raises
            recording = False
            result["error"] = [type(error).__name__, str(error)[:300]]
        else:
            try:
                result["view"] = view(loaded, ours) if ours else {}
            except Exception as error:  # of forged objects
                result["view_error"] = [type(error).__name__, str(error)[:300]]
        finish()
    os._exit(0)


def class_states():
    """What the attributes of the classes that a pickle may name are."""
    return [(known.__name__, {name: id(value) for name, value in vars(known).items()}) for known in CLASSES]


def address_space():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize() + MEMORY


def watch(files, options):
    """Loads files in a child: their reports, the signal that ended it, the most memory in bytes. See `run`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        run(files, options, writing)
    os.close(writing)
    parts = []
    while part := os.read(reading, 1 << 16):
        parts.append(part)
    os.close(reading)
    _, status, usage = os.wait4(child, 0)
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    lines = b"".join(parts).split(b"\n")[:-1]
    return [json.loads(line) for line in lines], ended_by, usage.ru_maxrss * 1024


def check_sandbox(folder):
    """The filter must kill a process that tries one of these. Returns the first that it lets pass."""
    path = os.path.join(folder, "file")
    with open(path, "wb"):
        pass

    actions = {
        "fork": os.fork,
        "execve": lambda: os.execv("/bin/true", ["true"]),
        "open for writing": lambda: os.open("new", os.O_WRONLY | os.O_CREAT, 0o600),
        "open to append": lambda: os.open("file", os.O_WRONLY | os.O_APPEND),
        "unlink": lambda: os.unlink("file"),
        "rename": lambda: os.rename("file", "other"),
        "mkdir": lambda: os.mkdir("folder"),
        "chmod": lambda: os.chmod("file", 0o700),
        "symlink": lambda: os.symlink("file", "link"),
        "kill": lambda: os.kill(1, 0),
        "socket": socket.socket,
    }
    for name, action in actions.items():
        reports, ended_by, _ = watch([(path, None, False)], {"address_space": address_space(), "action": action})
        if ended_by != signal.SIGSYS:
            return f"{name}: {reports and reports[0]['error'] or ended_by}"
    return None


# Those of names that scan allows, and those that torch.load imports when a file needs them.
MODULES = """collections copyreg datetime decimal encodings.latin_1 types difflib linecache tarfile zipfile
packaging.version numpy numpy.core.multiarray numpy._core.multiarray numpy.core.numeric numpy.dtypes
torch.storage torch._tensor torch.nn.parallel.data_parallel"""


def warm_up(samples, options, folder):
    """Loads honest files in this process, so that a child imports nothing."""
    warnings.simplefilter("ignore")
    for name in MODULES.split():
        try:
            importlib.import_module(name)
        except ImportError:  # of another release
            pass
    inspect.getsource(torch.nn.Linear)
    tempfile.gettempdir()
    for number, sample in enumerate(samples):
        path = os.path.join(folder, f"warm{number}")
        with open(path, "wb") as file:
            file.write(sample)
        try:
            loaded = load(path, False, options)
            view(loaded, {"choice": "", "others": [], "facts": []})
        except Exception:  # of a file that this PyTorch can't load
            pass
        os.unlink(path)
