"""Behaves as NVIDIA's Python package of TensorRT for RTX does at its edges. It builds nothing.

FAKE_RTX_VERSION  its version, "1.7.1.116" where unset
FAKE_RTX_MODE     what happens to a build, or to the import; "ok" where unset
FAKE_RTX_STARTED  file that is made when the build begins
"""

import enum
import json
import os
import signal
import time

mode = os.environ.get("FAKE_RTX_MODE", "ok")
if mode == "absent":
    raise ModuleNotFoundError("No module named 'tensorrt_rtx'", name="tensorrt_rtx")
if mode == "no_libraries":
    raise OSError("libtensorrt_rtx.so.1: cannot open shared object file: No such file or directory")
if mode == "no_numbers":
    raise ModuleNotFoundError("No module named 'numbers_of_rtx'", name="numbers_of_rtx")
if mode == "crash_on_import":
    os.kill(os.getpid(), signal.SIGSEGV)

__version__ = os.environ.get("FAKE_RTX_VERSION", "1.7.1.116")


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class ComputeCapability(enum.Enum):
    NONE, CURRENT, SM75, SM80, SM86, SM89, SM120, SM121 = range(8)


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


class IProgressMonitor:
    pass


class Config:
    def __init__(self):
        self.num_compute_capabilities = 1
        self.capabilities = {}
        self.profiles = []
        self.workspace = None
        self.builder_optimization_level = 3

    def set_compute_capability(self, capability, number):
        assert number < self.num_compute_capabilities
        self.capabilities[number] = capability.name

    def add_optimization_profile(self, profile):
        self.profiles.append(profile)

    def set_memory_pool_limit(self, pool, size):
        assert pool is MemoryPoolType.WORKSPACE
        self.workspace = size


class Profile(dict):
    def set_shape(self, name, *shapes):
        self[name] = shapes


class Network:
    class Input:
        name = "input"

    def get_input(self, number):
        assert number == 0
        return self.Input()


class OnnxParser:
    class Error:
        node_name = staticmethod(lambda: "x/Foo")
        node_operator = staticmethod(lambda: "Foo")
        desc = staticmethod(lambda: 'creator && "Plugin not found"')

    num_errors = 1

    def __init__(self, network, log):
        assert isinstance(network, Network)
        self.log = log

    def parse_from_file(self, path):
        with open(path, "rb") as file:
            assert file.read(1) == b"\x08", "no ONNX file"
        self.log.log(ILogger.VERBOSE, "never shown")
        # Without a GPU, failed queries report this as well.
        self.log.log(ILogger.ERROR, "In catchCudaError: CUDA driver version is insufficient for CUDA runtime version")
        return mode != "operator"

    def get_error(self, number):
        assert number == 0
        return self.Error()


class Builder:
    def __init__(self, log):
        self.log = log

    def create_network(self, flags):
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return Network()

    def create_builder_config(self):
        return Config()

    def create_optimization_profile(self):
        return Profile()

    def build_serialized_network(self, network, config):
        self.log.log(ILogger.WARNING, "a warning\nof no weight")
        if "FAKE_RTX_STARTED" in os.environ:
            with open(os.environ["FAKE_RTX_STARTED"], "w") as file:
                file.write(str(os.getpid()))
        monitor = config.progress_monitor
        monitor.phase_start("Building engine", None, 4)
        if mode == "slow":
            time.sleep(2)
        assert monitor.step_complete("Building engine", 1)
        if mode == "hang":
            time.sleep(1000)
        if mode == "stubborn":
            for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(ending, signal.SIG_IGN)
            time.sleep(1000)
        if mode == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if mode == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if mode == "raise":
            raise TypeError("never seen \033[31m before")
        if mode == "types":
            self.log.log(ILogger.ERROR, "Cannot compile for target(s) sm75, because the model contains HW-specific "
                                        "datatypes: b16")
        if mode == "memory":
            self.log.log(ILogger.INTERNAL_ERROR, "std::bad_alloc")
        if mode in ("types", "memory", "nothing"):
            return None
        monitor.phase_finish("Building engine")
        facts = {"capabilities": list(config.capabilities.values()), "profiles": config.profiles,
                 "workspace": config.workspace, "level": config.builder_optimization_level}
        return json.dumps(facts).encode().ljust(100 if mode == "small" else 5000)
