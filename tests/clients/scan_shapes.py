#!/usr/bin/env python3
"""Compares the shapes that `scan` computes in ONNX files with the shapes that onnx's own shape inference computes.

    scan_shapes.py --program aether2onnx --clients .deps/clients [--files 2000] [--seed 1]

Makes random graphs. In each graph, one size of one value becomes the condition of a constant: the constant is far too
large if the size is the one that onnx computes, or in other files if the size is not. `scan` must call every file of
the first kind "unclear", and most files of the second kind "clean". Runs itself again with the Python that has onnx.
"""

import argparse
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile

SKIPPED = 77
# The share of harmless files that scan may call unclear. onnx can take an open size from another value, scan can't.
MOST_ALARMS = 0.04
LARGE = 2**31


class Graph:
    """A random graph. Each method that begins with make_ returns the nodes of one operator, or None if the value does
    not fit the operator."""

    def __init__(self, chance):
        import numpy
        import onnx

        self.numpy, self.onnx, self.chance = numpy, onnx, chance
        self.opset = chance.choice([11, 13, 17, 18])
        self.nodes, self.constants, self.shapes = [], [], {}
        self.inputs = []
        for _ in range(chance.randint(1, 2)):
            sizes = [self.size() for _ in range(chance.choice([1, 2, 3, 4, 4, 4]))]
            self.inputs.append(
                onnx.helper.make_tensor_value_info(f"x{len(self.inputs)}", onnx.TensorProto.FLOAT, sizes))
        self.infer()
        self.values = list(self.shapes)

    def size(self):
        return self.chance.choice(["n", "h"]) if self.chance.random() < 0.12 else self.chance.choice(
            [1, 2, 3, 4, 6, 8, 12, 16])

    def constant(self, numbers, real=False):
        name = f"c{len(self.constants)}"
        kind = self.numpy.float32 if real else self.numpy.int64
        self.constants.append(self.onnx.numpy_helper.from_array(self.numpy.array(numbers, dtype=kind), name))
        return name

    def node(self, operator, inputs, outputs, **attributes):
        return self.onnx.helper.make_node(operator, inputs, outputs, **attributes)

    def model(self, outputs=()):
        helper = self.onnx.helper
        infos = [helper.make_tensor_value_info(name, self.onnx.TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "g", self.inputs, infos, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def infer(self):
        """Asks onnx for all shapes; raises an error for a graph that onnx does not allow. None is an open size."""
        graph = self.onnx.shape_inference.infer_shapes(self.model(), strict_mode=True).graph
        for value in [*graph.input, *graph.value_info]:
            if value.type.tensor_type.HasField("shape"):
                self.shapes[value.name] = [dim.dim_value if dim.HasField("dim_value") else None
                                           for dim in value.type.tensor_type.shape.dim]

    def grow(self):
        source = self.chance.choice(self.values)
        kinds = [name for name in dir(self) if name.startswith("make_")]
        before = len(self.nodes)
        outputs = [f"v{before}", f"w{before}"]
        shape = self.shapes[source]
        made = getattr(self, self.chance.choice(kinds))(source, shape, outputs)
        if made is None:
            return
        self.nodes += made
        try:
            self.infer()
        except Exception:  # onnx has a class of errors for each step, all derived from Exception
            del self.nodes[before:]
            return
        used = [output for node in made for output in node.output]
        self.values += [name for name in used if name in outputs and name in self.shapes and
                        all(size is None or size > 0 for size in self.shapes[name])]

    def axis(self, shape):
        return self.chance.randint(-len(shape), len(shape) - 1)

    def axes(self, shape):
        return self.chance.sample(range(-len(shape), 0), self.chance.randint(1, len(shape)))

    def with_axes(self, operator, since, value, axes, output, **attributes):
        """A node whose axes are an input since a version of ONNX's operators, before an attribute."""
        if self.opset >= since:
            return [self.node(operator, [value, self.constant(axes)], [output], **attributes)]
        return [self.node(operator, [value], [output], axes=axes, **attributes)]

    def make_same(self, value, shape, outputs):
        return [self.node(self.chance.choice(["Relu", "Erf", "Identity", "Sigmoid"]), [value], outputs[:1])]

    def make_sum(self, value, shape, outputs):
        other = self.chance.choice(self.values + [self.constant([0.5] * self.chance.choice([1, 3]), real=True)])
        return [self.node("Add", [value, other], outputs[:1])]

    def make_transpose(self, value, shape, outputs):
        order = list(range(len(shape)))
        self.chance.shuffle(order)
        more = {"perm": order} if shape and self.chance.random() < 0.8 else {}
        return [self.node("Transpose", [value], outputs[:1], **more)]

    def make_reshape(self, value, shape, outputs):
        sizes = self.chance.choice([[-1], [0, -1], [1, -1], [2, -1], [0, 0, -1], [5, 7], [3, -1, 1]])
        if None not in shape and self.chance.random() < 0.5:
            count = math.prod(shape)
            first = self.chance.choice([size for size in range(1, 17) if count % size == 0])
            sizes = [first, count // first]
        return [self.node("Reshape", [value, self.constant(sizes)], outputs[:1])]

    def make_squeeze(self, value, shape, outputs):
        ones = [axis for axis, size in enumerate(shape) if size == 1]
        if not ones:
            return None
        if self.chance.random() < 0.2 and None not in shape:
            return [self.node("Squeeze", [value], outputs[:1])]
        return self.with_axes("Squeeze", 13, value, ones[:self.chance.randint(1, len(ones))], outputs[0])

    def make_unsqueeze(self, value, shape, outputs):
        return self.with_axes("Unsqueeze", 13, value, [self.chance.randint(-len(shape) - 1, len(shape))], outputs[0])

    def make_flatten(self, value, shape, outputs):
        return [self.node("Flatten", [value], outputs[:1], axis=self.chance.randint(-len(shape), len(shape)))]

    def make_concat(self, value, shape, outputs):
        if not shape:
            return None
        return [self.node("Concat", [value] * self.chance.randint(1, 3), outputs[:1], axis=self.axis(shape))]

    def make_split(self, value, shape, outputs):
        axis = self.axis(shape) if shape else 0
        if not shape or (shape[axis] or 0) < 2:
            return None
        first = self.chance.randint(1, shape[axis] - 1)
        sizes = [first, shape[axis] - first]
        if self.opset < 13:
            return [self.node("Split", [value], outputs, axis=axis, split=sizes)]
        return [self.node("Split", [value, self.constant(sizes)], outputs, axis=axis)]

    def make_slice(self, value, shape, outputs):
        if not shape:
            return None
        axes = self.axes(shape)
        ends = [-2**63, -3, -1, 0, 1, 2, 5, 100, 2**63 - 1]
        lists = [[self.chance.choice(ends) for _ in axes], [self.chance.choice(ends) for _ in axes], axes,
                 [self.chance.choice([1, 1, 2, 3, -1, -2]) for _ in axes]]
        return [self.node("Slice", [value, *map(self.constant, lists)], outputs[:1])]

    def make_pad(self, value, shape, outputs):
        pads = [self.chance.choice([0, 0, 1, 2, 5, -1]) for _ in 2 * shape]
        return [self.node("Pad", [value, self.constant(pads)], outputs[:1])] if shape else None

    def make_resize(self, value, shape, outputs):
        if not shape or self.opset < 13:
            return None
        if self.chance.random() < 0.5:
            sizes = self.constant([self.chance.randint(1, 9) for _ in shape])
            return [self.node("Resize", [value, "", "", sizes], outputs[:1])]
        scales = self.constant([self.chance.choice([1, 2, 3, 0.5, 1.5, 0.3]) for _ in shape], real=True)
        return [self.node("Resize", [value, "", scales], outputs[:1])]

    def make_expand(self, value, shape, outputs):
        sizes = [self.chance.choice([2, 3]) if size == 1 else 1 for size in shape]
        return [self.node("Expand", [value, self.constant([2, *sizes])], outputs[:1])]

    def make_tile(self, value, shape, outputs):
        repeats = [self.chance.randint(1, 3) for _ in shape]
        return [self.node("Tile", [value, self.constant(repeats)], outputs[:1])] if shape else None

    def make_gather(self, value, shape, outputs):
        if not shape:
            return None
        indices = self.constant(self.chance.choice([0, [0], [0, 0], [[0, 0, 0]]]))
        return [self.node("Gather", [value, indices], outputs[:1], axis=self.axis(shape))]

    def make_gather_nd(self, value, shape, outputs):
        if not shape:
            return None
        indices = self.constant([[0] * self.chance.randint(1, len(shape))] * 2)
        return [self.node("GatherND", [value, indices], outputs[:1])]

    def make_reduction(self, value, shape, outputs):
        if not shape:
            return None
        name, since = self.chance.choice([("ReduceSum", 13), ("ReduceMean", 18), ("ReduceMax", 18)])
        keeps = self.chance.randint(0, 1)
        if self.chance.random() < 0.2:
            return [self.node(name, [value], outputs[:1], keepdims=keeps)]
        return self.with_axes(name, since, value, self.axes(shape), outputs[0], keepdims=keeps)

    def make_arg_max(self, value, shape, outputs):
        if not shape:
            return None
        keeps = self.chance.randint(0, 1)
        index = "i" + outputs[0]
        return [self.node("ArgMax", [value], [index], axis=self.axis(shape), keepdims=keeps),
                self.node("Cast", [index], outputs[:1], to=1)]

    def make_of_two(self, value, shape, outputs):
        """Operators that can take a size from either of two values."""
        other = self.chance.choice(self.values)
        kind = self.chance.choice(["Concat", "MatMul", "Gemm", "GridSample", "Einsum", "Where"])
        if kind == "Where":
            return [self.node("Cast", [value], ["b" + outputs[0]], to=9),
                    self.node("Where", ["b" + outputs[0], other, value], outputs[:1])]
        more = {}
        if kind == "Concat":
            more = {"axis": self.axis(shape)} if shape else None
        elif kind == "Einsum":
            letters = ["abcd"[:len(shape)], self.chance.choice(["abcd", "bcde", "cdef"])[:len(self.shapes[other])]]
            kept = [letter for letter in sorted(set("".join(letters))) if self.chance.random() < 0.7]
            more = {"equation": f"{letters[0]},{letters[1]}->{''.join(kept)}"} if all(letters) else None
        return None if more is None else [self.node(kind, [value, other], outputs[:1], **more)]

    def make_grid_sample(self, value, shape, outputs):
        if len(shape) != 4 or self.opset < 16:
            return None
        grid = self.constant(self.numpy.zeros([self.chance.choice([1, 2]), 5, 7, 2]), real=True)
        return [self.node("GridSample", [value, grid], outputs[:1])]

    def make_conv(self, value, shape, outputs):
        if len(shape) != 4 or not shape[1]:
            return None
        kernel = [self.chance.randint(1, 3), self.chance.randint(1, 3)]
        weights = self.constant(self.numpy.zeros([self.chance.randint(1, 4), shape[1], *kernel]), real=True)
        return [self.node("Conv", [value, weights], outputs[:1], pads=[self.chance.randint(0, 2) for _ in range(4)],
                          strides=[self.chance.randint(1, 2)] * 2, dilations=[self.chance.randint(1, 2)] * 2)]

    def make_transposed_conv(self, value, shape, outputs):
        if len(shape) != 4 or not shape[1]:
            return None
        weights = self.constant(self.numpy.zeros([shape[1], self.chance.randint(1, 3), 3, 2]), real=True)
        return [self.node("ConvTranspose", [value, weights], outputs[:1], strides=[self.chance.randint(2, 3)] * 2,
                          pads=[self.chance.randint(0, 1)] * 4, output_padding=[self.chance.randint(0, 1), 0])]

    def make_pool(self, value, shape, outputs):
        if len(shape) != 4:
            return None
        if self.chance.random() < 0.2:
            return [self.node("GlobalAveragePool", [value], outputs[:1])]
        return [self.node(self.chance.choice(["MaxPool", "AveragePool"]), [value], outputs[:1],
                          kernel_shape=[self.chance.randint(2, 3)] * 2, strides=[self.chance.randint(1, 2)] * 2,
                          pads=[self.chance.randint(0, 1)] * 4)]

    def make_product(self, value, shape, outputs):
        if not shape or not shape[-1]:
            return None
        sizes = self.chance.choice([[shape[-1]], [shape[-1], 5], [1, shape[-1], 2]])
        return [self.node("MatMul", [value, self.constant(self.numpy.zeros(sizes), real=True)], outputs[:1])]

    def make_gemm(self, value, shape, outputs):
        if len(shape) != 2 or not shape[1]:
            return None
        turns = self.chance.randint(0, 1)
        weights = self.numpy.zeros([5, shape[1]] if turns else [shape[1], 5])
        return [self.node("Gemm", [value, self.constant(weights, real=True)], outputs[:1], transB=turns)]

    def make_shuffle(self, value, shape, outputs):
        if len(shape) != 4 or not shape[1] or shape[1] % 4 != 0:
            return None
        return [self.node("DepthToSpace", [value], outputs[:1], blocksize=2)]

    def make_top(self, value, shape, outputs):
        if not shape or not shape[-1]:
            return None
        count = self.constant([self.chance.randint(1, shape[-1])])
        return [self.node("TopK", [value, count], [outputs[0], "i" + outputs[0]])]

    def make_filled(self, value, shape, outputs):
        sizes = "s" + outputs[0]
        return [self.node("Shape", [value], [sizes]), self.node("ConstantOfShape", [sizes], outputs[:1])]


def make_file(chance, path):
    """Writes one file. Returns whether the file is harmful, or None if no shape of the graph is known."""
    graph = Graph(chance)
    for _ in range(chance.randint(2, 9)):
        graph.grow()
    value = graph.values[-1]
    shape = graph.shapes[value]
    if not shape or None in shape:
        return None
    axis = chance.randrange(len(shape))
    is_harmful = chance.random() < 0.7
    expected = shape[axis] + (0 if is_harmful else chance.choice([-1, 1, 2]))
    graph.nodes += [
        graph.node("Shape", [value], ["sizes"]),
        graph.node("Gather", ["sizes", graph.constant([axis])], ["size"]),
        graph.node("Equal", ["size", graph.constant([expected])], ["is_equal"]),
        graph.node("Where", ["is_equal", graph.constant([LARGE]), graph.constant([1])], ["count"]),
        graph.node("ConstantOfShape", ["count"], ["large"]),
    ]
    graph.onnx.save(graph.model(["large"]), path)
    return is_harmful


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--clients", required=True, type=pathlib.Path)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    python = given.clients / "bin" / "python"
    if not python.exists():
        print("skipped: scripts/install_clients.sh has not run, so there is no Python with onnx")
        return SKIPPED
    if pathlib.Path(sys.prefix).resolve() != given.clients.resolve():
        os.execv(python, [str(python), "-B", *sys.argv])

    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        harmful = {}
        while len(harmful) < given.files:
            path = f"{folder}/{len(harmful)}.onnx"
            answer = make_file(chance, path)
            if answer is not None:
                harmful[path] = answer
        paths = list(harmful)
        results = {}
        for first in range(0, len(paths), 500):
            found = subprocess.run([given.program, "scan", "--json", *paths[first:first + 500]],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
            results |= {entry["file"]: entry["result"] for entry in json.loads(found.stdout)["results"]}
    missed = [path for path, answer in harmful.items() if answer and results[path] == "clean"]
    alarms = [path for path, answer in harmful.items() if not answer and results[path] != "clean"]
    harmless = list(harmful.values()).count(False)
    print(f"{len(harmful) - harmless} harmful files, {len(missed)} of them clean; "
          f"{harmless} harmless files, {len(alarms)} of them not clean (seed {given.seed})")
    return 1 if missed or len(alarms) > MOST_ALARMS * harmless else 0


if __name__ == "__main__":
    sys.exit(main())
