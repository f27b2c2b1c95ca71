"""Values of Python, PyTorch and numpy that people save beside weights. See honest_contents.py."""

import argparse
import collections
import datetime
import decimal
import fractions
import sys
import uuid

import numpy
import torch

from honest_cases import Case, numbers, ordered, small, version


def attributed():
    """The fields of an OrderedDict are stored after its items."""
    value = ordered(("a", 1))
    value.note = "an attribute"
    value.more = [1, 2]
    return value


def scalars_and_containers():
    default_dict = collections.defaultdict
    yield "plain", [
        None, True, False, 1, -1, 255, 256, 65535, 65536, -(2 ** 31), 1.5, float("inf"), float("nan"),
        "text", u"\u00e9\u4e2d", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {},
        {1: "a", (1, 2): "b", None: 0, 1.5: 1, True: 2}]
    yield "integers", [2 ** 31, 2 ** 40, -(2 ** 63), 2 ** 63, 2 ** 64, -(2 ** 100), 2 ** 2100]
    yield "complex", [1 + 2j, complex(float("inf"), 0)]
    yield "bytes", [b"", b"\x00\x01\xff", b"plain", b"x" * 300, bytearray(b"\x00\xff"), bytearray()]
    yield "ordered_dict", ordered(("a", 1), ("b", ordered(("c", 2))), ("d", ordered()))
    yield "ordered_dict_attributes", attributed()
    yield "default_dict", [
        default_dict(list, {"a": [1], "b": [2]}), default_dict(dict, {1: {2: 3}}), default_dict(None, {"a": 1}),
        default_dict(float, a=1.5), default_dict(int), default_dict(set), default_dict(str), default_dict(tuple),
        default_dict(bool)]
    yield "counter", [collections.Counter("aab"), collections.Counter({10: 1, 20: 2}), collections.Counter()]
    yield "deque", [collections.deque([1, 2, 3], maxlen=3), collections.deque(["a"]), collections.deque()]
    yield "sets", [{1, 2}, set(), frozenset("ab"), frozenset(), {("a", 1)}]
    yield "slices", [slice(1, 2), slice(None), slice(1, None, 2)]
    yield "ranges", [range(3), range(1, 10, 2)]
    yield "types", [int, float, str, bool, list, dict, tuple, set, bytes, object]
    yield "types_of_none", type(None)


def objects():
    yield "namespace", argparse.Namespace(scale=2, name="net", depths=[1, 2], inner=argparse.Namespace(lr=0.1))
    # Options of training scripts that are also names of methods.
    yield "namespace_names", argparse.Namespace(
        data="folder", names=["a"], shape=(1, 2), cuda=True, cpu=False, half=False, eval=True, get=1, items=2, keys=3,
        values=4, update=5, copy=6, forward=7, grad=None, to="cpu")
    yield "datetime", [datetime.datetime(2026, 1, 2, 3, 4, 5, 6), datetime.date(2026, 1, 2), datetime.time(3, 4, 5),
                       datetime.timedelta(3, 4, 5)]
    yield "decimal", [decimal.Decimal("1.50"), decimal.Decimal("NaN")]
    yield "fraction", fractions.Fraction(1, 3)
    yield "uuid", [uuid.UUID(int=5), uuid.uuid1(), uuid.UUID(int=2**128 - 1)]
    if sys.version_info >= (3, 6):
        import pathlib
        import types
        yield "paths", [pathlib.PurePosixPath("a/b.pth"), pathlib.PureWindowsPath("C:\\a\\b"), pathlib.Path("/a/b/c"),
                        pathlib.Path()]
        yield "simple_namespace", types.SimpleNamespace(scale=2, inner=types.SimpleNamespace())
        zone = datetime.timezone(datetime.timedelta(hours=2), "CEST")
        yield "timezone", [datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), zone,
                           datetime.timezone(datetime.timedelta(hours=1)), datetime.time(1, tzinfo=zone)]
        yield "fold", [datetime.datetime(2026, 1, 2, fold=1), datetime.time(3, fold=1)]


def structures():
    shared = [1, 2]
    yield "shared_objects", [shared, shared, {"again": shared}, ("t", shared), ("t", shared)]
    loop = []
    loop.append(loop)
    yield "cyclic", loop
    tree = argparse.Namespace(name="root", children=[])
    tree.children.append(argparse.Namespace(name="leaf", parent=tree))
    table = ordered(("rows", [1]))
    table["itself"] = table
    counts = collections.defaultdict(list)
    counts["all"].append(counts)
    yield "cyclic_objects", [tree, table, counts]
    yield "long_list", list(range(2500))
    yield "long_dict", dict((str(i), i) for i in range(2500))
    yield "long_text", u"t" * 70000
    yield "keys", {torch.float32: 1, int: 2, (1, "a", None): 3, 1.5: 4, -(2 ** 40): 5, True: 6, None: 7, "": 8}
    yield "numpy_keys", [{numpy.int64(1): 1, numpy.float32(2.5): 2}, {numpy.int64(3), numpy.int64(4)},
                         {(1, numpy.int64(2)): 7}]
    yield "rare_keys", {torch.device("cpu"): 3, frozenset("a"): 5, datetime.date(2026, 1, 2): 6, 1.5 + 2j: 9,
                        2 ** 70: 10}
    nested = []
    for _ in range(60):
        nested = [nested]
    yield "nested_lists", nested


def python_values():
    for group in (scalars_and_containers, objects, structures):
        for name, value in group():
            yield Case("beside_" + name, {"state_dict": small(), "value": value}, small())


DTYPES = ("float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 qint8 quint8 qint32 "
          "uint16 uint32 uint64 float8_e4m3fn float8_e5m2").split()


def of_torch():
    yield "dtypes", [getattr(torch, name) for name in DTYPES if hasattr(torch, name)]
    yield "size", [torch.Size([1, 2]), torch.Size([]), numbers(6).reshape(2, 3).shape]
    yield "device", [torch.device("cpu"), torch.device("cuda:1"), torch.device("cuda")]
    yield "layout", [torch.strided, torch.sparse_coo]
    yield "version", torch.__version__
    yield "generator_state", torch.get_rng_state()
    yield "tensors_in_containers", [numbers(2), (numbers(1), {"a": numbers(3)}),
                                    ordered(("p", torch.nn.Parameter(numbers(2))))]
    if hasattr(torch, "channels_last"):
        yield "memory_format", [torch.channels_last, torch.contiguous_format, torch.preserve_format]
    if hasattr(torch, "per_tensor_affine"):
        yield "qscheme", [torch.per_tensor_affine, torch.per_channel_affine, torch.per_tensor_symmetric]
    if version() < (2, 0):
        yield "storage", [numbers(2).storage(), torch.arange(3).storage()]
    else:
        yield "untyped_storage", numbers(2).untyped_storage()


def torch_values():
    for name, value in of_torch():
        yield Case("torch_" + name, {"state_dict": small(), "value": value}, small())


NUMPY_TYPES = [numpy.dtype(name) for name in (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128").split()]


def of_numpy():
    matrix = numpy.arange(6.0).reshape(2, 3)
    yield "scalars", [dtype.type(1) for dtype in NUMPY_TYPES]
    yield "long_double", numpy.longdouble(1.5)
    yield "arrays", [numpy.arange(3).astype(dtype) for dtype in NUMPY_TYPES]
    yield "dtypes", NUMPY_TYPES
    yield "scalar_types", [dtype.type for dtype in NUMPY_TYPES]
    yield "array_forms", [numpy.zeros(()), numpy.zeros((0, 3)), matrix, numpy.asfortranarray(matrix), matrix.T,
                          numpy.arange(6)[::2], numpy.arange(3).astype(">i4"), numpy.arange(3, dtype="<f8")]
    yield "array_large", numpy.arange(2000.0)
    yield "array_of_texts", [numpy.array(["a", "bcd"]), numpy.array([b"a", b"bcd"]), numpy.str_("text"),
                             numpy.bytes_(b"bytes")]
    yield "array_of_objects", numpy.array([None, "text", 3], dtype=object)
    yield "structured", numpy.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", "<f8")])
    yield "dates", [numpy.datetime64("2026-01-02"), numpy.timedelta64(3, "D"),
                    numpy.array(["2026-01-02"], dtype="datetime64[ns]")]
    yield "metrics", {"psnr": numpy.float64(31.5), "ssim": numpy.float32(0.5), "iter": numpy.int64(3),
                      "good": numpy.bool_(True)}


def numpy_values():
    for name, value in of_numpy():
        yield Case("numpy_" + name, {"state_dict": small(), "value": value}, small())
