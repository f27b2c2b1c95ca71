#!/usr/bin/env python3
"""Measures the networks on an NVIDIA GPU: PyTorch's exporters, AutoCast and aether2onnx.

    bench/gpu/measure.py --program aether2onnx [--seconds 300] [--output DIR]

Needs Python packages only: torch, onnx, onnxruntime-gpu, and the program. Used if installed: onnxscript (PyTorch's new
exporter), nvidia-modelopt (AutoCast), tensorrt-rtx-cu13-bindings and -libs (TensorRT for RTX; not on Hopper).

Each file runs in ONNX Runtime's CUDA provider, with input and output on the device; float32 with and without TF32.
The files of a network run by turns. A ratio is the median of the ratios of all rounds to the exporter's file of the
same precision. Results go to DIR/results.jsonl as they come, and to DIR/table.md at the end. What does not fit into
the time is left out and said.

--provider cpu runs the same on a CPU: one thread, whose processor time counts, so that other programs disturb little.
--quick takes the small network alone, three rounds.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "torch"))

# The rows that the aims are about come first: the time may end before the list does.
CASES = (("aether_small", "fp16"), ("aether_large", "fp16"), ("aether_small", "fp32"), ("aether_medium", "fp16"),
         ("aether_small", "bf16"), ("aether_medium", "fp32"), ("aether_large", "fp32"))
SEED = 2025


class Left(Exception):
    """A file that can't be made or run here, with the reason."""


def last_line(text):
    lines = [line for line in str(text).splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "no reason"


class Bench:
    def __init__(self, arguments):
        import onnxruntime
        import torch
        self.torch, self.runtime = torch, onnxruntime
        self.arguments = arguments
        self.folder = arguments.output
        self.folder.mkdir(parents=True, exist_ok=True)
        self.size = arguments.size or (64 if arguments.quick or arguments.provider == "cpu" else 256)
        self.started = time.monotonic()
        self.device = "cuda" if arguments.provider == "cuda" else "cpu"
        self.clock = time.perf_counter if self.device == "cuda" else time.thread_time
        self.rows = []
        self.results = open(self.folder / "results.jsonl", "a", encoding="utf-8")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise SystemExit("PyTorch finds no GPU. --provider cpu tries the script on a CPU.")

    def left(self):
        return self.arguments.seconds - (time.monotonic() - self.started)

    def say(self, **facts):
        facts["at"] = round(time.monotonic() - self.started, 1)
        self.results.write(json.dumps(facts) + "\n")
        self.results.flush()
        os.fsync(self.results.fileno())
        print(" ".join(f"{key}={value}" for key, value in facts.items() if key != "at"), flush=True)

    def describe(self):
        torch = self.torch
        facts = {"date": datetime.date.today().isoformat(), "python": platform.python_version(),
                 "torch": torch.__version__, "onnxruntime": self.runtime.__version__, "device": self.device,
                 "size": self.size,
                 "program": subprocess.run([self.arguments.program, "--version"], capture_output=True,
                                           text=True).stdout.strip()}
        if self.device == "cuda":
            facts.update(gpu=torch.cuda.get_device_name(), capability=torch.cuda.get_device_capability(),
                         cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version())
        self.facts = facts
        self.say(machine=facts)

    # --- the files -----------------------------------------------------------------------------------

    def network(self, name):
        from aethernet import VARIANTS, Aether, randomize
        net = randomize(Aether(**VARIANTS[name], scale=2, fused=True), SEED).eval()
        checkpoint = self.folder / f"{name}.pth"
        self.torch.save(net.state_dict(), checkpoint)
        return net, checkpoint

    def picture(self, size):
        generator = self.torch.Generator().manual_seed(SEED)
        return self.torch.rand((1, 3, size, size), generator=generator)

    def export(self, net, model, precision, new):
        """PyTorch's exporter, as people call it: the network in the precision, opset 17 (bf16: 22)."""
        torch = self.torch
        kind = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
        options = {"opset_version": 22 if precision == "bf16" else 17, "input_names": ["input"],
                   "output_names": ["output"]}
        major = tuple(int(part) for part in torch.__version__.split(".")[:2])
        if new:
            if major < (2, 5):
                raise Left(f"PyTorch {torch.__version__} has no new exporter")
            options.update(dynamo=True, opset_version=max(18, options["opset_version"]))
        elif major >= (2, 5):
            options["dynamo"] = False
        typed = net.to(self.device, kind)
        try:
            with torch.no_grad():
                torch.onnx.export(typed, (self.picture(64).to(self.device, kind),), str(model), **options,
                                  **({} if new else {"dynamic_axes": {"input": {2: "h", 3: "w"}}}),
                                  **({"dynamic_shapes": ({2: "h", 3: "w"},)} if new else {}))
        finally:
            net.to("cpu", torch.float32)

    def converted(self, exported, model, precision):
        """The exporter's float32 file with every float32 tensor as float16: what it writes of net.half(), for
        processors on which PyTorch can't run that."""
        import numpy
        import onnx
        if precision != "fp16":
            raise Left(f"no {precision} of {exported.name}")
        loaded = onnx.load(exported)
        graph = loaded.graph

        def halve(tensor):
            if tensor.data_type == onnx.TensorProto.FLOAT:
                array = onnx.numpy_helper.to_array(tensor).astype(numpy.float16)
                tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))

        for tensor in graph.initializer:
            halve(tensor)
        for attribute in (attribute for node in graph.node for attribute in node.attribute):
            if attribute.type == onnx.AttributeProto.TENSOR:
                halve(attribute.t)
            elif attribute.name == "to" and attribute.i == onnx.TensorProto.FLOAT:
                attribute.i = onnx.TensorProto.FLOAT16
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
                value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
        onnx.save(loaded, model)

    def autocast(self, exported, model, precision):
        import onnx
        try:
            from modelopt.onnx.autocast import convert_to_mixed_precision
        except ImportError as error:
            raise Left(f"nvidia-modelopt: {error}") from error
        if precision == "fp32":
            raise Left("AutoCast makes 16-bit files")
        onnx.save(convert_to_mixed_precision(onnx_path=str(exported), low_precision_type=precision), str(model))

    def ours(self, checkpoint, model, precision, target):
        done = subprocess.run([self.arguments.program, checkpoint, model, "--for", target, "--fp_mode", precision,
                               "--quiet"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Left(last_line(done.stderr))

    def files(self, name, precision):
        """(label, file, reason if there is none), the exporter's file first."""
        net, checkpoint = self.network(name)
        exported = self.folder / f"{name}.exporter.fp32.onnx"
        if not exported.exists():
            self.export(net, exported, "fp32", False)

        def exporter(model):
            try:
                if precision != "fp32":
                    self.export(net, model, precision, False)
            except Left:
                raise
            except Exception as error:
                if self.device == "cuda":
                    raise Left(f"{type(error).__name__}: {last_line(error)}") from error
                self.converted(exported, model, precision)

        target = "onnxruntime-cuda" if self.device == "cuda" else "onnxruntime"
        makers = [("exporter", exporter),
                  ("new exporter", lambda model: self.export(net, model, precision, True)),
                  ("AutoCast", lambda model: self.autocast(exported, model, precision)),
                  (f"aether2onnx, {target}", lambda model: self.ours(checkpoint, model, precision, target))]
        if precision == "fp16":
            makers.append((f"aether2onnx mixed_fp16, {target}",
                           lambda model: self.ours(checkpoint, model, "mixed_fp16", target)))
        for label, make in makers:
            model = self.folder / f"{name}.{label.split(',')[0].replace(' ', '_')}.{precision}.onnx"
            try:
                make(model)
                yield label, model, ""
            except Left as error:
                yield label, None, str(error)
            except Exception as error:
                yield label, None, f"{type(error).__name__}: {last_line(error)}"

    # --- the runs ------------------------------------------------------------------------------------

    def session(self, model, tf32):
        options = self.runtime.SessionOptions()
        options.log_severity_level = 4
        if self.device == "cpu":
            options.intra_op_num_threads = 1
            return self.runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        provider = ("CUDAExecutionProvider", {"use_tf32": int(tf32), "cudnn_conv_algo_search": "EXHAUSTIVE"})
        session = self.runtime.InferenceSession(str(model), options, providers=[provider])
        if session.get_providers()[0] != provider[0]:
            raise Left("ONNX Runtime left the CUDA provider out; see its messages")
        return session

    def runner(self, model, tf32):
        """A function that runs the file once and waits, and its output as float32 on the CPU."""
        torch = self.torch
        session = self.session(model, tf32)
        kind = {"tensor(float)": (torch.float32, 1), "tensor(float16)": (torch.float16, 10),
                "tensor(bfloat16)": (torch.bfloat16, 16)}
        x_kind, x_number = kind[session.get_inputs()[0].type]
        y_kind, y_number = kind[session.get_outputs()[0].type]
        x = self.picture(self.size).to(self.device, x_kind).contiguous()
        y = torch.empty((1, 3, 2 * self.size, 2 * self.size), dtype=y_kind, device=self.device)
        binding = session.io_binding()
        binding.bind_input(session.get_inputs()[0].name, self.device, 0, x_number, tuple(x.shape), x.data_ptr())
        binding.bind_output(session.get_outputs()[0].name, self.device, 0, y_number, tuple(y.shape), y.data_ptr())

        def once(keep=(x, y)):
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()

        return once, lambda: y.float().cpu()

    def rtx_runner(self, model):
        """The same in TensorRT for RTX: the engine is built by `aether2onnx engine --build`."""
        try:
            import tensorrt_rtx_bindings as rtx
        except ImportError:
            try:
                import tensorrt_rtx as rtx
            except ImportError as error:
                raise Left(f"TensorRT for RTX: {error}") from error
        torch = self.torch
        if self.device != "cuda" or torch.cuda.get_device_capability()[0] == 9:
            raise Left("TensorRT for RTX does not run here (no GPU, or Hopper)")
        major, minor = torch.cuda.get_device_capability()
        engine = model.with_suffix(".engine")
        done = subprocess.run([self.arguments.program, "engine", model, "--for", "tensorrt-rtx", "--build", "--python",
                               sys.executable, "--compute_capabilities", f"{major}.{minor}", "--save_engine", engine,
                               "--shape", f"1x3x{self.size}x{self.size}", "--quiet"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Left(last_line(done.stderr))
        log = rtx.Logger(rtx.Logger.ERROR)
        runtime = rtx.Runtime(log)
        loaded = runtime.deserialize_cuda_engine(engine.read_bytes())
        if loaded is None:
            raise Left("TensorRT for RTX does not load the engine")
        context = loaded.create_execution_context()
        kinds = {rtx.DataType.FLOAT: torch.float32, rtx.DataType.HALF: torch.float16, rtx.DataType.BF16: torch.bfloat16}
        source, target = (loaded.get_tensor_name(number) for number in (0, 1))
        x = self.picture(self.size).to("cuda", kinds[loaded.get_tensor_dtype(source)])
        y = torch.empty((1, 3, 2 * self.size, 2 * self.size), dtype=kinds[loaded.get_tensor_dtype(target)], device="cuda")
        context.set_input_shape(source, tuple(x.shape))
        context.set_tensor_address(source, x.data_ptr())
        context.set_tensor_address(target, y.data_ptr())
        stream = torch.cuda.Stream()

        def once(keep=(runtime, loaded, context, x, y)):
            context.execute_async_v3(stream.cuda_stream)
            stream.synchronize()

        return once, lambda: y.float().cpu()

    def case(self, name, precision):
        runners, expected = [], None
        for label, model, reason in self.files(name, precision):
            variants = [("ONNX Runtime", lambda m: self.runner(m, False))]
            if precision == "fp32" and self.device == "cuda":
                variants.append(("ONNX Runtime, TF32", lambda m: self.runner(m, True)))
            if label.startswith("aether2onnx"):
                variants.append(("TensorRT for RTX", self.rtx_runner))
            for where, make in variants:
                facts = {"network": name, "precision": precision, "file": label, "in": where}
                if reason:
                    self.say(**facts, left_out=reason)
                    break
                if self.left() < 5:
                    self.say(**facts, left_out="the time is up")
                    continue
                try:
                    if where == "TensorRT for RTX":
                        target = self.folder / f"{name}.rtx.{precision}.onnx"
                        kind = "mixed_fp16" if "mixed" in label else precision
                        self.ours(self.folder / f"{name}.pth", target, kind, "tensorrt-rtx")
                        once, output = make(target)
                    else:
                        once, output = make(model)
                    once()  # chooses convolutions
                    result = output()
                    expected = result if expected is None else expected
                    facts["off"] = float((result - expected).abs().max() / expected.abs().max())
                    runners.append((facts, once, []))
                    self.say(**facts, runs=True)
                except Left as error:
                    self.say(**facts, left_out=str(error))
                except Exception as error:
                    self.say(**facts, left_out=f"{type(error).__name__}: {last_line(error)}")
        for number in range(3 if self.arguments.quick else 15):
            if self.left() < 2:
                break
            for facts, once, times in runners if number % 2 == 0 else reversed(runners):
                start = self.clock()
                once()
                times.append(self.clock() - start)
        bases = {facts["in"]: times for facts, _, times in runners if facts["file"] == "exporter"}
        for facts, _, times in runners:
            if not times:
                self.say(**facts, left_out="the time is up")
                continue
            base = bases.get(facts["in"]) or bases.get("ONNX Runtime") or []
            facts["ms"] = round(1e3 * statistics.median(times), 3)
            facts["ratio"] = round(statistics.median(a / b for a, b in zip(times, base)), 3) if base else None
            facts["rounds"] = len(times)
            self.say(**facts)
            self.rows.append(facts)

    def table(self):
        lines = ["; ".join(f"{key} {value}" for key, value in self.facts.items()), "",
                 "| network | precision | file | runs in | median | against the exporter's | off |",
                 "| --- | --- | --- | --- | --- | --- | --- |"]
        for row in self.rows:
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f} ×"
            lines.append(f"| {row['network']} | {row['precision']} | {row['file']} | {row['in']} | {row['ms']} ms | "
                         f"{ratio} | {row['off']:.0e} |")
        text = "\n".join(lines) + "\n"
        (self.folder / "table.md").write_text(text, encoding="utf-8")
        print("\n" + text)

    def run(self):
        self.describe()
        for name, precision in CASES:
            if name not in (self.arguments.only or ([CASES[0][0]] if self.arguments.quick else [name])):
                continue
            if self.left() < 10:
                self.say(network=name, precision=precision, left_out="the time is up")
                continue
            try:
                self.case(name, precision)
            except Exception as error:  # one case costs no other
                self.say(network=name, precision=precision, left_out=f"{type(error).__name__}: {last_line(error)}")
            self.table()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="aether2onnx")
    parser.add_argument("--provider", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--size", type=int, help="height and width of the picture; default: 256, on a CPU 64")
    parser.add_argument("--only", action="append", help="only this network")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("gpu-results"))
    Bench(parser.parse_args()).run()


if __name__ == "__main__":
    main()
