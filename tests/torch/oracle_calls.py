"""Calls that rebuild tensors, modules and other values, with arguments and states that no writer gives
them. See oracle_forms."""

import struct

import torch

from oracle_build import Call, Global, Items, Material, Reference, contiguous
from oracle_forms import PARAMETER, TENSOR, beside, float_tensor, parameter, weights
from oracle_honest import ORDERED_DICT


def build_tensor(kit):
    material, chance = kit.material, kit.chance
    tensor = float_tensor(kit)
    other = material.storage("float32", 6)
    if chance.random() < 0.5:
        state = (material.reference(other), 0, (2, 3), (3, 1))
    else:
        state = (material.on(other, 0, (2, 3), (3, 1)), None, Call(ORDERED_DICT), True, None)
    if chance.random() < 0.5:
        node = Call(PARAMETER, (tensor, True, Call(ORDERED_DICT)), state=state)
    else:
        node = Call(tensor.function, tensor.arguments, state=state)
    return weights(kit, [("w", node)])


def second_build(kit):
    """BUILD of one object, twice: Python merges the states."""
    module = kit.module()
    state = dict(module.state)
    state["_buffers"] = Call(ORDERED_DICT, items=[("b", float_tensor(kit))])
    state["_parameters"] = Call(ORDERED_DICT, items=[("p", parameter(float_tensor(kit)))])
    second = dict(state)
    if kit.chance.random() < 0.5:
        del second["_buffers"]
    else:
        second = {"_parameters": state["_parameters"], "_modules": Call(ORDERED_DICT)}

    def node(emitter):
        emitter.value(Call(module.function, how="new", state=state))
        emitter.value(second)
        emitter.op(b"b")

    return kit.file(kit.root(node))


def legacy_views(kit):
    """Views and storages share one table of keys."""
    chance = kit.chance
    kit.container, kit.material = "legacy", Material(chance, True)
    material = kit.material
    root = material.storage("float32", 8)
    part = material.storage("float32", 4)
    view = material.reference(root, (part, chance.choice((0, 2, 4)), 4))
    on_view = Call(Global("torch._utils", "_rebuild_tensor"), (view, 0, (4,), (1,)))
    items = [("v", on_view), ("r", material.on(root, 0, (8,), (1,))),
             ("p", material.on(part, 0, (4,), (1,)))]
    if chance.random() < 0.5:
        chance.shuffle(items)
    return kit.file(kit.root(Items(items)))


def parameter_state(kit):
    chance = kit.chance
    tensor, other = float_tensor(kit), float_tensor(kit)
    state = {chance.choice(("data", "data", "note", "requires_grad")): other}
    if chance.random() < 0.3:
        state = (None, state) if chance.random() < 0.5 else (state, None)
    if chance.random() < 0.7:
        node = Call(Global("torch._utils", "_rebuild_parameter_with_state"),
                    (tensor, True, Call(ORDERED_DICT), state))
    else:
        node = Call(Global("torch._tensor", "_rebuild_from_type_v2"),
                    (TENSOR, Global("torch.nn.parameter", "Parameter"), tensor.arguments, state))
    return weights(kit, [("w", node)])


def metadata(kit):
    chance = kit.chance
    dtype = chance.choice(("float32", "float32", "complex64"))
    tensor = kit.tensor((2, 3), dtype)
    facts = chance.choice(({"neg": True}, {"conj": True}, {"neg": False}, {}, None))
    return weights(kit, [("w", Call(TENSOR, tensor.arguments + (facts,)))])


def arguments(kit):
    """Calls that rebuild tensors, with an argument that no writer passes."""
    chance = kit.chance
    key = kit.material.storage("float32", 24)
    tensor = kit.material.on(key, 0, (2, 3), (3, 1))
    parts = list(tensor.arguments)
    odd = chance.choice((1, "x", None, 5.5, -1, [2, 3], True, {}, (), (2,), float_tensor(kit)))
    form = chance.randrange(7)
    if form < 3:
        parts[chance.randrange(1, 6)] = odd
    elif form == 3:
        parts = parts[:chance.randrange(1, 6)]
    elif form == 4:
        parts.append(odd)
    elif form == 5:
        identity = list(parts[0].identity)
        identity[chance.randrange(1, len(identity))] = odd
        parts[0] = Reference(tuple(identity))
    else:
        rest = chance.choice(((), (odd,), (True, odd), (True, None, odd)))
        return weights(kit, [("w", Call(PARAMETER, (tensor, *rest)))])
    return weights(kit, [("w", Call(chance.choice((TENSOR, TENSOR, Global("torch._utils", "_rebuild_tensor"))),
                                    tuple(parts)))])


def shapes(kit):
    """Sizes and strides at their limits."""
    chance, material = kit.chance, kit.material
    key = material.storage("float32", chance.choice((0, 1, 24)))
    huge = chance.choice((2**31, 2**62, 2**63 - 1, 10**5))
    shape, strides = chance.choice((
        ((0, huge), (1, 1)), ((huge, huge, 0), (1, 1, 1)), ((1, 3), (huge, 1)), ((huge,), (0,)), ((0,), (huge,)),
        ((huge, huge), (0, 0)), ((1,) * 70, (1,) * 70), ((), ()), ((3,), (0,)), ((2, 3), (1, 1))))
    offset = chance.choice((0, 0, 1, 23, 24, huge))
    node = material.on(key, offset, shape, strides)
    if chance.random() < 0.2:
        node = parameter(node)
    return weights(kit, [("w", node)])


def quantizer(kit):
    """Quantized tensors whose quantizer or sizes are at their limits."""
    chance, material = kit.chance, kit.material
    dtype = chance.choice(("qint8", "quint8", "qint32"))
    shape, strides = chance.choice((((2, 3), (3, 1)), ((3, 2), (1, 3)), ((10**5, 10**5), (0, 0)), ((0, 3), (3, 1))))
    key = material.storage(dtype, 6)
    scale = chance.choice((0.5, 0.0, -1.0, float("inf"), 1e-40, 1e300, 1))
    zero = chance.choice((0, 3, -200, 300, 2**31, 2**40))
    if chance.random() < 0.5:
        scheme = (Global("torch", "per_tensor_affine"), scale, zero)
    else:
        count = chance.choice((2, 3, 3, 1))
        scheme = (Global("torch", chance.choice(("per_channel_affine", "per_channel_affine_float_qparams"))),
                  kit.tensor((count,), chance.choice(("float64", "float64", "float32", "float16"))),
                  material.on(material.storage(chance.choice(("int64", "int64", "int32", "float32")), count),
                              0, (count,), (1,)), chance.choice((0, 0, 1, 2, -1)))
    node = Call(Global("torch._utils", "_rebuild_qtensor"),
                (material.reference(key), 0, shape, strides, scheme, chance.random() < 0.1, Call(ORDERED_DICT)))
    return weights(kit, [("w", node)])


def gradients(kit):
    """Integers that require gradients, and parameters of parameters."""
    chance = kit.chance
    tensor = kit.tensor((2, 3), chance.choice(("int64", "bool", "float16", "complex64", "uint8")))
    node = chance.choice((
        lambda: Call(tensor.function, (*tensor.arguments[:4], True, Call(ORDERED_DICT))),
        lambda: parameter(tensor),
        lambda: parameter(parameter(tensor)),
        lambda: parameter(Call(tensor.function, (*tensor.arguments[:4], True, Call(ORDERED_DICT)))),
        lambda: Call(PARAMETER, (tensor, False, Call(ORDERED_DICT)))))()
    return weights(kit, [("w", node)])


def sparse(kit):
    """Sparse tensors, most of them with a number that contradicts the others."""
    material, chance = kit.material, kit.chance
    rows, columns = chance.randint(1, 3), chance.randint(1, 4)
    cells = [(row, column) for row in range(rows) for column in range(columns)]
    cells = sorted(chance.sample(cells, chance.randint(0, len(cells))))
    if chance.random() < 0.2:
        chance.shuffle(cells)

    def integers(numbers, shape):
        numbers = list(numbers)
        if numbers and chance.random() < 0.15:
            numbers[chance.randrange(len(numbers))] += chance.choice((-2, -1, 1, 3))
        dtype = chance.choice(("int64",) * 9 + ("int32",))
        data = struct.pack(f"<{len(numbers)}{'q' if dtype == 'int64' else 'i'}", *numbers)
        strides = (1, shape[0]) if len(shape) == 2 and chance.random() < 0.1 else contiguous(shape)
        return material.on(material.storage(dtype, len(numbers), data), 0, shape, strides)

    stored = len(cells) + (chance.random() < 0.1)
    values = kit.tensor(chance.choice(((stored,),) * 9 + ((stored, 2),)), chance.choice(("float32", "int64")))
    size = [rows, columns] + [2] * (chance.random() < 0.05)
    if chance.random() < 0.1:
        size[chance.randrange(2)] -= 1
    size = Call(Global("torch", "Size"), (tuple(size),))
    by_row = chance.random() < 0.4
    layout = Call(Global("torch.serialization", "_get_layout"), ("torch.sparse_csr" if by_row else "torch.sparse_coo",))
    function = "_rebuild_sparse_tensor"
    if by_row:
        if not hasattr(torch, "sparse_compressed_tensor") or hasattr(torch._utils, "_rebuild_sparse_csr_tensor"):
            function = "_rebuild_sparse_csr_tensor"
        ends = [sum(row < end for row, _ in cells) for end in range(rows + 1)]
        parts = (integers(ends, (rows + 1,)), integers([column for _, column in cells], (len(cells),)), values, size)
    else:
        numbers = [row for row, _ in cells] + [column for _, column in cells]
        parts = (integers(numbers, (2, len(cells))), values, size)
    return beside(kit, Call(Global("torch._utils", function), (layout, parts)))


def tensor_attributes(kit):
    """Attributes of parameters that hide their methods or can't be set."""
    chance = kit.chance
    name = chance.choice([name for name in dir(torch.Tensor) if chance.random() < 0.9])
    state = {name: chance.choice((1, None, "text", (1, 2), Global("torch", "float16"), kit.builtin("list")))}
    tensor = float_tensor(kit)
    if chance.random() < 0.6:
        node = Call(Global("torch._utils", "_rebuild_parameter_with_state"),
                    (tensor, True, Call(ORDERED_DICT), state))
    else:
        node = Call(Global("torch._tensor", "_rebuild_from_type_v2"),
                    (TENSOR, Global("torch.nn.parameter", "Parameter"), tensor.arguments, state))
    return weights(kit, [("w", node)])


def dict_attributes(kit):
    """Attributes of state dicts that hide their methods."""
    chance = kit.chance
    name = chance.choice([name for name in dir(dict) + ["_metadata", "move_to_end", "note"]])
    value = chance.choice((1, kit.builtin("list"), kit.builtin("slice"), ORDERED_DICT))
    state_dict = Call(ORDERED_DICT, items=[("w", float_tensor(kit))], state={name: value})
    return kit.file(kit.root(state_dict))


def module_fields(kit):
    """Fields of modules that hide methods, or are of another type than PyTorch's."""
    chance = kit.chance
    module = kit.module()
    state = dict(module.state)
    state["_buffers"] = Call(ORDERED_DICT, items=[("b", float_tensor(kit))])
    callables = (kit.builtin("slice"), kit.builtin("list"), ORDERED_DICT, Global("torch", "Size"), 5)
    form = chance.randrange(8)
    if form < 2:
        names = [name for name in dir(torch.nn.Module) if not name.startswith("__")]
        state[chance.choice((chance.choice(names), "_save_to_state_dict", "state_dict"))] = chance.choice(callables)
    elif form == 2:
        state["_non_persistent_buffers_set"] = chance.choice(("abc", {"b": 1}, ["b"], ("b",), None, 5))
    elif form == 3:
        state["_modules"] = Call(ORDERED_DICT, items=[("a", chance.choice((
            None, 5, float_tensor(kit), Call(Global("argparse", "Namespace"), how="new", state={"x": 1}))))])
    elif form == 4:
        state[chance.choice(("_parameters", "_buffers", "_modules"))] = chance.choice((
            Items([("w", 5)]), Items([("a.b", float_tensor(kit))]), Items([("", float_tensor(kit))]),
            Items([(3, float_tensor(kit))]), Items([("w", kit.extra())]), None, []))
    elif form == 5:
        state["_parameters"] = Call(ORDERED_DICT, items=[("b", parameter(float_tensor(kit)))])
    elif form == 6:
        hooks = chance.choice([name for name in state if name.endswith("_hooks")] or ["_state_dict_hooks"])
        state[hooks] = Call(ORDERED_DICT, items=[(0, chance.choice(callables))])
    else:
        del state[chance.choice(list(state))]
    node = Call(module.function, how="new", state=state)
    return kit.file(node if chance.random() < 0.5 else Items([("net_g", node), ("iter", 1)]))


def unloadable(kit):
    """Values that Python can't make, beside weights that this program reads."""
    chance = kit.chance
    value = chance.choice((
        lambda: Items([([1], 2)]),
        lambda: Items([({}, 2)]),
        lambda: Call(ORDERED_DICT, (1, 2, 3)),
        lambda: Call(ORDERED_DICT, (5,)),
        lambda: Call(Global("torch", "Size"), ("ab",)),
        lambda: Call(Global("torch", "device"), ("nowhere",)),
        lambda: Call(Global("torch", "float32")),
        lambda: Call(kit.builtin("int"), ("x",)),
        lambda: Call(kit.builtin("set"), ([[1]],)),
        lambda: Call(Global("datetime", "datetime"), (1,)),
        lambda: Call(Global("collections", "deque"), (5,)),
        lambda: Call(kit.builtin("object"), state={"a": 1}),
        lambda: Call(Global("collections", "Counter"), elements=[1]),
        lambda: Call(Global("argparse", "Namespace"), items=[(1, 2)]),
        lambda: Call(Global("decimal", "Decimal"), ("x",)),
        lambda: Call(Global("uuid", "UUID"), ("x",)),
        lambda: Call(kit.builtin("complex"), ("a", 1)),
        lambda: Call(Global("numpy", "dtype"), ("nothing",)),
        lambda: Call(Global("torch.nn.modules.linear", "Linear"), ("a",)),
        lambda: Call(Global("_codecs", "encode"), (5, "latin1")),
        lambda: Call(Global("_codecs", "encode"), ("\u20ac", "latin1")),
        lambda: Call(kit.builtin("bytearray"), ("\u20ac", "latin-1")),
        lambda: Call(Global("torch.serialization", "_get_layout"), ("torch.nothing",)),
        lambda: Call(Global("torch", "device"), (chance.choice(("", "cpu:x", "cuda:-2", "meta:5000")),)),
        lambda: Call(Global("torch", "device"), ("cpu", chance.choice((1, 300, 2**40)))),
        lambda: Call(Global("torch", "Size"), ((2**62, 2**62),)),
        lambda: Call(Global("datetime", "datetime"), (bytes(10),)),
        lambda: Call(Global("datetime", "date"), (b"\0\0\x0d\x40",)),
        lambda: Call(Global("datetime", "time"), (b"\x1f" * 6,)),
        lambda: Call(Global("datetime", "timedelta"), (10**12, 0, 0)),
        lambda: Call(Global("datetime", "timezone"), (Call(Global("datetime", "timedelta"), (2, 0, 0)),)),
        lambda: Call(kit.builtin("range"), (0, 5, 0)),
        lambda: Call(kit.builtin("slice"), (1,)),
        lambda: Call(kit.builtin("set"), ([{}],)),
        lambda: Call(Global("collections", "deque"), ([], -1)),
        lambda: Call(Global("collections", "deque"), ([], 2**70)),
        lambda: Call(Global("collections", "Counter"), (Items([([], 1)]),)),
        lambda: Call(Global("pathlib", "WindowsPath"), ("a",)),
        lambda: Call(Global("types", "SimpleNamespace"), state={5: 1}),
        lambda: Call(Global("argparse", "Namespace"), how="new", state={5: 1}),
        lambda: Call(Global("numpy.core.numeric", "_frombuffer"), (b"", kit.dtype("f4"), (0,), "C")),
        lambda: Call(Global("numpy.core.numeric", "_frombuffer"), (b"", kit.dtype("f4"), (2**40, 2**40, 0), "C")),
        lambda: Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b"),
                     state=(1, (2**62, 2**62, 0), kit.dtype("f4"), False, b"")),
        lambda: Call(Global("numpy.core.multiarray", "scalar"), (kit.dtype("c16"), bytes(16))),
        lambda: Call(Global("torch.torch_version", "TorchVersion"), ("",), how="new"),
        lambda: Call(Global("torch._utils", "_rebuild_meta_tensor_no_storage"),
                     (Global("torch", "float32"), (2**62, 2**62), (1, 1), False)),
        lambda: Call(Global("torch._utils", "_rebuild_meta_tensor_no_storage"),
                     (Global("torch", "int64"), (2,), (1,), True)),
    ))()
    return beside(kit, value)


def module_items(kit):
    """Items and elements put into modules, and modules whose state is of another form."""
    chance = kit.chance
    module = kit.module()
    state = dict(module.state)
    form = chance.randrange(5)
    if form == 0:
        node = Call(Global("torch.nn.modules.container", chance.choice(("ModuleDict", "ParameterDict", "Sequential"))),
                    items=[("w", parameter(float_tensor(kit)))], how=chance.choice(("new", "reduce")))
    elif form == 1:
        state["_non_persistent_buffers_set"] = Call(kit.builtin("set"), ([Call(kit.builtin("str"), ("b",))],))
        state["_buffers"] = Call(ORDERED_DICT, items=[("b", float_tensor(kit))])
        node = Call(module.function, how="new", state=state)
    elif form == 2:
        state["_parameters"] = Items([("p", parameter(float_tensor(kit))), (Call(kit.builtin("str"), ("p",)), None)])
        node = Call(module.function, how="new", state=state)
    elif form == 3:
        node = Call(module.function, how="new", state=(state, {"_parameters": Call(ORDERED_DICT)}))
    else:
        node = Call(module.function, how="new", state=(None, state))
    return kit.file(node if chance.random() < 0.5 else Items([("net_g", node), ("iter", 1)]))


FORMS = {
    "build: tensor": build_tensor,
    "build: twice": second_build,
    "build: module": module_items,
    "legacy: views": legacy_views,
    "tensor: state": parameter_state,
    "tensor: metadata": metadata,
    "tensor: arguments": arguments,
    "tensor: shapes": shapes,
    "tensor: quantizer": quantizer,
    "tensor: gradients": gradients,
    "tensor: sparse": sparse,
    "tensor: attributes": tensor_attributes,
    "dict: attributes": dict_attributes,
    "build: fields": module_fields,
    "value: unloadable": unloadable,
}
