#!/usr/bin/env python3
"""Runs ONNX files in one of the programs that people use.

    worker.py CLIENT

Reads lines "MODEL INPUT OUTPUT" (INPUT and OUTPUT are .npy files, NCHW, float32) and answers each with one line:
"ran SECONDS" if OUTPUT was written, "built SECONDS" if the client only builds on this machine, or "refused REASON".
A client may crash this process.
"""

import os
import pathlib
import subprocess
import sys
import sysconfig
import tempfile
import time

import numpy


class Refused(Exception):
    pass


def types_of(model):
    """The element types of the model's input and output."""
    import onnx
    graph = onnx.load(model, load_external_data=False).graph
    return [value[0].type.tensor_type.elem_type for value in (graph.input, graph.output)]


def as_input(array, element):
    return array.astype(numpy.float16) if element == 10 else array


# --- ONNX Runtime, OpenVINO, TensorRT for RTX -----------------------------------------------------


def onnxruntime(model, array):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    is_half = session.get_inputs()[0].type == "tensor(float16)"
    return session.run(None, {name: array.astype(numpy.float16) if is_half else array})[0]


def openvino(model, array):
    import openvino
    core = openvino.Core()
    # Without the hint, processors that have bf16 compute in it.
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    is_half = compiled.inputs[0].element_type == openvino.Type.f16
    return compiled([array.astype(numpy.float16) if is_half else array])[0]


# The GPUs that TensorRT for RTX 1.7 builds for on a machine without one.
CAPABILITIES = [(7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1)]


def tensorrt_rtx(model, array, capabilities=CAPABILITIES):
    import tensorrt_rtx_bindings as rtx

    class Log(rtx.ILogger):
        def __init__(self):
            rtx.ILogger.__init__(self)
            self.errors = []

        def log(self, severity, message):
            if severity in (rtx.ILogger.ERROR, rtx.ILogger.INTERNAL_ERROR):
                self.errors.append(message)

    log = Log()
    builder = rtx.Builder(log)
    network = builder.create_network(0)
    parser = rtx.OnnxParser(network, log)
    if not parser.parse_from_file(model):
        raise Refused(parser.get_error(0).desc())
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    tensor = network.get_input(0)
    profile.set_shape(tensor.name, array.shape, array.shape, array.shape)
    config.add_optimization_profile(profile)
    for number, (major, minor) in enumerate(capabilities):
        config.num_compute_capabilities = number + 1
        config.set_compute_capability(getattr(rtx.ComputeCapability, f"SM{major}{minor}"), number)
    if builder.build_serialized_network(network, config) is None:
        raise Refused(log.errors[0] if log.errors else "no engine, and no reason")
    return None


# --- ncnn, with pnnx as its converter --------------------------------------------------------------


def pnnx_ncnn(model, array):
    import ncnn
    # Importing pnnx would import PyTorch.
    program = pathlib.Path(sysconfig.get_path("purelib")) / "pnnx" / "pnnx"
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "model.onnx"
        copy.write_bytes(pathlib.Path(model).read_bytes())
        shape = "inputshape=[" + ",".join(map(str, array.shape)) + "]f32"
        done = subprocess.run([program, copy, shape, "fp16=0"], cwd=folder, capture_output=True, text=True)
        param = pathlib.Path(folder) / "model.ncnn.param"
        if done.returncode != 0 or not param.exists():
            raise Refused(f"pnnx ends with {done.returncode}")
        net = ncnn.Net()
        net.opt.use_vulkan_compute = False
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        if net.load_param(str(param)) != 0 or net.load_model(str(param).replace(".param", ".bin")) != 0:
            raise Refused("ncnn doesn't load the network")
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(array[0]).clone())  # a Mat of an array does not keep it alive
        code, out = extractor.extract("out0")
        if code != 0:
            raise Refused(f"ncnn ends with {code}")
        return numpy.array(out)[None]


# --- VapourSynth -----------------------------------------------------------------------------------


def clip_of(core, array, half):
    """A clip of one frame with the values of `array`, 1x3xHxW."""
    import vapoursynth as vs
    clip = core.std.BlankClip(format=vs.RGBH if half else vs.RGBS, width=array.shape[3], height=array.shape[2],
                              length=1)

    def fill(n, f):
        frame = f.copy()
        for plane in range(3):
            numpy.asarray(frame[plane])[:] = array[0, plane]
        return frame

    return core.std.ModifyFrame(clip, clip, fill)


def vapoursynth(model, array, plugin, **options):
    import vapoursynth as vs
    core = vs.core
    half = 10 in types_of(model)
    try:
        result = getattr(core, plugin).Model(clip_of(core, array, half), network_path=model, **options)
        frame = result.get_frame(0)
    except vs.Error as error:
        raise Refused(str(error)) from error
    return numpy.stack([numpy.asarray(frame[plane]) for plane in range(3)])[None]


CLIENTS = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "tensorrt-rtx": tensorrt_rtx,
    "ncnn": pnnx_ncnn,
    "vsmlrt-ort": lambda model, array: vapoursynth(model, array, "ort"),
    "vsmlrt-ov": lambda model, array: vapoursynth(
        model, array, "ov", config=lambda: {"INFERENCE_PRECISION_HINT": "f32"}),
    "vsmlrt-ncnn": lambda model, array: vapoursynth(model, array, "ncnn", fp16=0),
}


def main():
    client = CLIENTS[sys.argv[1]]
    # Libraries print to the output; the answers have their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        model, source, target = line.rstrip("\n").split("\t")
        start = time.time()
        try:
            result = client(model, numpy.load(source))
        except Exception as error:  # whatever the client throws is its refusal
            print("refused", " ".join(f"{type(error).__name__}: {error}".split()), file=answers, flush=True)
            continue
        took = f"{time.time() - start:.1f}"
        if result is None:
            print("built", took, file=answers, flush=True)
        else:
            numpy.save(target, numpy.asarray(result, dtype=numpy.float32))
            print("ran", took, file=answers, flush=True)


if __name__ == "__main__":
    main()
