"""Builds an engine with NVIDIA's TensorRT for RTX, without a GPU.

The program aether2onnx contains this text and runs it in the user's Python:

    python -c TEXT ask                          says which Python and which package this is
    python -c TEXT build MODEL ENGINE REQUEST   REQUEST is a JSON object, see build()

Each event is a JSON object on a line of standard output. The messages of TensorRT are lines that begin with [E], [W]
or [I]. TensorRT's libraries may print other lines.
"""

import sys

# With -c the current folder comes first. What lies there is not run unasked.
sys.path[:] = [folder for folder in sys.path if folder]

import importlib
import json
import platform
import time

MODULES = ("tensorrt_rtx", "tensorrt_rtx_bindings")
EVERY = 0.1  # seconds between two events of progress

out = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def say(event, **facts):
    out.write(json.dumps(dict(facts, event=event)) + "\n")
    out.flush()


def package():
    """The module of TensorRT for RTX, or None. Says what it is, or why there is none."""
    say("python", version=platform.python_version(), machine=platform.machine())
    for name in MODULES:
        try:
            rtx = importlib.import_module(name)
            capabilities = [int(c[2:]) for c in dir(rtx.ComputeCapability) if c.startswith("SM") and c[2:].isdigit()]
            say("package", module=name, version=str(rtx.__version__), capabilities=sorted(capabilities))
            return rtx
        except ModuleNotFoundError as error:
            if error.name == name:
                continue
            say("broken", module=name, error=str(error))
        except Exception as error:  # another system's libraries, missing libraries, another package of this name
            say("broken", module=name, error="%s: %s" % (type(error).__name__, error))
        return None
    say("absent")
    return None


def logger_of(rtx):
    letters = {rtx.ILogger.INTERNAL_ERROR: "F", rtx.ILogger.ERROR: "E", rtx.ILogger.WARNING: "W", rtx.ILogger.INFO: "I"}

    class Logger(rtx.ILogger):
        def __init__(self):
            rtx.ILogger.__init__(self)

        def log(self, severity, message):
            # Without a GPU, each failed call says so as well. A build needs none.
            if severity not in letters or "catchCudaError" in message:
                return
            out.write("[%s] %s\n" % (letters[severity], " ".join(message.split())))
            out.flush()

    return Logger()


def monitor_of(rtx):
    class Monitor(rtx.IProgressMonitor):
        def __init__(self):
            rtx.IProgressMonitor.__init__(self)
            self.steps = {}
            self.said = 0.0

        def phase_start(self, phase, parent, steps):
            self.steps[phase] = steps
            self.tell(phase, 0)

        def step_complete(self, phase, step):
            self.tell(phase, step + 1)
            return True

        def phase_finish(self, phase):
            self.steps.pop(phase, None)

        def tell(self, phase, step):
            now = time.monotonic()
            if now - self.said >= EVERY:
                self.said = now
                say("progress", what="%s, %d of %d" % (phase, step, self.steps.get(phase, step)))

    return Monitor()


def build(rtx, model, engine, request):
    """REQUEST has capabilities ([86, 120]), min, opt and max (shapes, only for a dynamic input), workspace (MiB) and
    level (0 to 5); the last two may be null."""
    log = logger_of(rtx)
    builder = rtx.Builder(log)
    network = builder.create_network(1 << int(rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = rtx.OnnxParser(network, log)
    say("progress", what="reading the model")
    if not parser.parse_from_file(model):
        for number in range(parser.num_errors):
            error = parser.get_error(number)
            log.log(rtx.ILogger.ERROR, "%s, node %s (%s): %s" % (model, error.node_name(), error.node_operator(),
                                                                 error.desc()))
        return False
    config = builder.create_builder_config()
    config.num_compute_capabilities = len(request["capabilities"])
    for number, capability in enumerate(request["capabilities"]):
        config.set_compute_capability(getattr(rtx.ComputeCapability, "SM%d" % capability), number)
    if request["min"]:
        profile = builder.create_optimization_profile()
        profile.set_shape(network.get_input(0).name, request["min"], request["opt"], request["max"])
        config.add_optimization_profile(profile)
    if request["workspace"] is not None:
        config.set_memory_pool_limit(rtx.MemoryPoolType.WORKSPACE, request["workspace"] << 20)
    if request["level"] is not None:
        config.builder_optimization_level = request["level"]
    monitor = monitor_of(rtx)  # lives as long as `config`
    config.progress_monitor = monitor
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        return False
    with open(engine, "wb") as file:
        file.write(memoryview(serialized))
    return True


def main(words):
    rtx = package()
    if words[0] == "ask" or rtx is None:
        return rtx is None
    try:
        return not build(rtx, words[1], words[2], json.loads(words[3]))
    except Exception as error:  # of the bindings, or of the disk
        out.write("[E] %s: %s\n" % (type(error).__name__, " ".join(str(error).split())))
        return True


sys.exit(1 if main(sys.argv[1:]) else 0)
