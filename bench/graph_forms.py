#!/usr/bin/python3
"""Compares forms of graph that a network of the first generation can have, in ONNX Runtime.

    graph_forms.py [BUILD_FOLDER] [--variant NAME] [--opset N] [--shapes S] [--seconds N]
                   [--forms F]

Writes a model of each form with random weights and has compare_inference run them by turns. The
form that aether2onnx writes is `conv`, the first; the ratios are to it. Needs the package
python3-onnx and a build with the benchmarks.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    sys.exit("error: NumPy or onnx is missing; install the package python3-onnx")

ROOT = pathlib.Path(__file__).resolve().parent.parent
VARIANTS = {  # embed_dim, blocks, hidden width, kernel
    "aether_small": (96, 16, 192, 11),
    "aether_medium": (128, 36, 256, 11),
    "aether_large": (180, 64, 450, 13),
}
FORMS = {
    "conv": "the projections as convolutions of 1 x 1",
    "matmul": "the projections as MatMul and Add, in NHWC",
    "gemm": "the projections as Gemm, on pixels in rows",
    "merged_conv": "gate and main as one convolution of 1 x 1, and a Split",
    "merged_matmul": "gate and main as one MatMul, and a Split",
    "matmul_conv": "gate and main as MatMul, the last projection as a convolution",
    "folded_affine": "LayerNorm's scale and bias in the projections behind it, which are matmul",
    "folded_affine_conv": "the same where they are convolutions",
    "channels_first": "LayerNorm in single operators over axis 1, without a Transpose",
    "padded": "conv, with the hidden width filled up to a multiple of 16",
}
TO_NHWC, TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]


class Model:
    """A model of one form under construction."""

    def __init__(self, variant, form, opset):
        self.channels, self.blocks, self.hidden, self.kernel = VARIANTS[variant]
        self.form, self.opset = form, opset
        if form == "padded":
            self.hidden = (self.hidden + 15) // 16 * 16
        self.random = numpy.random.default_rng(1)
        self.nodes, self.initializers, self.constants = [], [], {}

    # --- operators ---

    def constant(self, array):
        name = f"w{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def scalar(self, number):
        if number not in self.constants:
            self.constants[number] = self.constant(numpy.array(number, numpy.float32))
        return self.constants[number]

    def weights(self, *shape, fan_in=1):
        bound = (3 / fan_in) ** 0.5 if fan_in > 1 else 0.5
        return self.constant(self.random.uniform(-bound, bound, shape).astype(numpy.float32))

    def node(self, kind, *inputs, count=1, **attributes):
        outputs = [f"v{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, **attributes))
        return outputs[0] if count == 1 else outputs

    def conv(self, x, outputs, inputs, kernel, groups=1):
        fan_in = inputs // groups * kernel * kernel
        return self.node("Conv", x, self.weights(outputs, inputs // groups, kernel, kernel,
                                                 fan_in=fan_in), self.weights(outputs),
                         kernel_shape=[kernel, kernel], pads=[kernel // 2] * 4, group=groups,
                         strides=[1, 1], dilations=[1, 1])

    def matmul(self, x, inputs, outputs):
        product = self.node("MatMul", x, self.weights(inputs, outputs, fan_in=inputs))
        return self.node("Add", product, self.weights(outputs))

    def gemm(self, x, inputs, outputs):
        return self.node("Gemm", x, self.weights(inputs, outputs, fan_in=inputs),
                         self.weights(outputs))

    def gelu(self, x):
        if self.opset >= 20:
            return self.node("Gelu", x, approximate="none")
        erf = self.node("Erf", self.node("Div", x, self.scalar(2**0.5)))
        product = self.node("Mul", x, self.node("Add", erf, self.scalar(1)))
        return self.node("Mul", product, self.scalar(0.5))

    def mean(self, x, axis):
        if self.opset >= 18:
            return self.node("ReduceMean", x, self.constant(numpy.array([axis], numpy.int64)),
                             keepdims=1)
        return self.node("ReduceMean", x, axes=[axis], keepdims=1)

    def normalized(self, x, axis, epsilon):
        centred = self.node("Sub", x, self.mean(x, axis))
        variance = self.mean(self.node("Pow", centred, self.scalar(2)), axis)
        deviation = self.node("Sqrt", self.node("Add", variance, self.scalar(epsilon)))
        return self.node("Div", centred, deviation)

    def layer_norm(self, x, epsilon, affine=True):
        """Over the last axis."""
        ones = self.constant(numpy.ones(self.channels, numpy.float32))
        if self.opset >= 17:
            bias = [self.weights(self.channels)] if affine else []
            return self.node("LayerNormalization", x, ones, *bias, axis=-1, epsilon=epsilon)
        x = self.normalized(x, -1, epsilon)
        if not affine:
            return x
        return self.node("Add", self.node("Mul", x, ones), self.weights(self.channels))

    def transpose(self, x, axes):
        return self.node("Transpose", x, perm=axes)

    # --- the network ---

    def gated(self, gate, main):
        return self.node("Mul", self.gelu(gate), main)

    def split(self, x, axis):
        sizes = self.constant(numpy.array([self.hidden] * 2, numpy.int64))
        return self.node("Split", x, sizes, count=2, axis=axis)

    def feed_forward(self, x):
        """From normalized features in NHWC to features in NCHW."""
        c, h = self.channels, self.hidden
        if self.form in ("matmul", "folded_affine"):
            x = self.gated(self.matmul(x, c, h), self.matmul(x, c, h))
            return self.transpose(self.matmul(x, h, c), TO_NCHW)
        if self.form == "merged_matmul":
            x = self.gated(*self.split(self.matmul(x, c, 2 * h), -1))
            return self.transpose(self.matmul(x, h, c), TO_NCHW)
        if self.form == "gemm":
            shape = self.node("Shape", x)
            x = self.node("Reshape", x, self.constant(numpy.array([-1, c], numpy.int64)))
            x = self.gated(self.gemm(x, c, h), self.gemm(x, c, h))
            return self.transpose(self.node("Reshape", self.gemm(x, h, c), shape), TO_NCHW)
        if self.form == "matmul_conv":
            x = self.gated(self.matmul(x, c, h), self.matmul(x, c, h))
            return self.conv(self.transpose(x, TO_NCHW), c, h, 1)
        return self.convolved(self.transpose(x, TO_NCHW))

    def convolved(self, x):
        c, h = self.channels, self.hidden
        if self.form == "merged_conv":
            return self.conv(self.gated(*self.split(self.conv(x, 2 * h, c, 1), 1)), c, h, 1)
        return self.conv(self.gated(self.conv(x, h, c, 1), self.conv(x, h, c, 1)), c, h, 1)

    def block(self, x):
        y = self.conv(x, self.channels, self.channels, self.kernel, self.channels)
        if self.form == "channels_first":
            y = self.node("Mul", self.normalized(y, 1, 1e-6), self.weights(self.channels, 1, 1))
            y = self.convolved(self.node("Add", y, self.weights(self.channels, 1, 1)))
        else:
            affine = not self.form.startswith("folded_affine")
            y = self.feed_forward(self.layer_norm(self.transpose(y, TO_NHWC), 1e-6, affine))
        return self.node("Add", x, y)

    def build(self):
        c = self.channels
        shallow = self.conv(self.node("Sub", "input", self.scalar(0.5)), c, 3, 3)
        body = shallow
        for _ in range(self.blocks):
            body = self.block(body)
        body = self.layer_norm(self.transpose(body, TO_NHWC), 1e-5)
        body = self.conv(self.transpose(body, TO_NCHW), c, c, 3)
        body = self.conv(self.node("Add", body, shallow), 64, c, 3)
        body = self.conv(self.node("LeakyRelu", body, alpha=0.01), 256, 64, 3)
        body = self.conv(self.node("DepthToSpace", body, blocksize=2, mode="CRD"), 3, 64, 3)
        self.node("Add", body, self.scalar(0.5))
        self.nodes[-1].output[0] = "output"

        def image(name):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT,
                                                 ["batch", 3, name + "_height", name + "_width"])

        graph = helper.make_graph(self.nodes, self.form, [image("input")], [image("output")],
                                  self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        return model.SerializeToString()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="forms:\n" + "\n".join(f"  {name:20}{what}" for name, what in FORMS.items()))
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=ROOT / "build" / "release",
                        help="default: build/release")
    parser.add_argument("--variant", choices=VARIANTS, default="aether_small")
    parser.add_argument("--opset", type=int, default=17)
    parser.add_argument("--shapes", default="1x64x64", help="as in 1x64x64,4x128x128")
    parser.add_argument("--seconds", type=float, default=20, help="for each shape; default: 20")
    parser.add_argument("--forms", default=",".join(FORMS), help="with commas; default: all")
    arguments = parser.parse_args()
    helper_program = arguments.build / "bin" / "compare_inference"
    if not helper_program.exists():
        sys.exit(f"error: there is no {helper_program}; build with the benchmarks")
    forms = ["conv"] + [form for form in arguments.forms.split(",") if form != "conv"]
    unknown = [form for form in forms if form not in FORMS]
    if unknown:
        sys.exit(f"error: no form {', '.join(unknown)}; there are {', '.join(FORMS)}")
    with tempfile.TemporaryDirectory() as folder:
        models = [pathlib.Path(folder) / f"{form}.onnx" for form in forms]
        for form, path in zip(forms, models):
            model = Model(arguments.variant, form, arguments.opset)
            path.write_bytes(model.build())
        done = subprocess.run([helper_program, str(arguments.seconds), arguments.shapes, *models],
                              stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    columns = {"session": found["session"], **found["inference"]}
    print(f"ONNX Runtime {found['onnxruntime_version']}, {arguments.variant}, "
          f"opset {arguments.opset}\n")
    print("| form | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 1) + "|")
    for i, form in enumerate(forms):
        cells = (f"{1000 * column['seconds'][i]:.1f} ms, {column['ratio'][i]:.2f} ×"
                 for column in columns.values())
        print(f"| {form} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
