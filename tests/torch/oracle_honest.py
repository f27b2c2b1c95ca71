"""Files that honest writers make, built from parts at random: what the hostile forms hide in."""

import collections
import io
import pathlib
import struct

import numpy
import torch

from oracle_build import (Call, Emitter, Global, Items, Material, Shared, contiguous, legacy_file,
                          zip_file)

WRAPPERS = ("params", "params_ema", "state_dict", "model", "net_g", "generator", "ema", "model_ema")
NAMES = ("body", "head", "tail", "conv", "attn", "norm", "mlp", "up", "skip", "gate")
LEAVES = ("weight", "bias", "scale", "gamma", "running_mean", "alpha")
ORDERED_DICT = Global("collections", "OrderedDict")


class Kit:
    """One file in the making: a form needs it to take random values and storages."""

    def __init__(self, chance, container=None, protocol=None, rare=None):
        self.chance = chance
        self.container = container or chance.choice(("zip", "zip", "zip", "legacy"))
        self.protocol = chance.choice((2,) * 12 + (3, 4, 4, 5)) if protocol is None else protocol
        self.rare = chance.choice((0, 0, 0.1, 0.3)) if rare is None else rare
        self.material = Material(chance, self.container == "legacy")
        self.finish_pickle = Emitter.finish
        self.keys = None  # of the legacy stream's list

    def builtin(self, name):
        return Global("builtins" if self.protocol >= 3 else "__builtin__", name)

    def name(self):
        chance = self.chance
        parts = [chance.choice(NAMES)]
        if chance.random() < 0.6:
            parts.append(str(chance.randrange(12)))
        return ".".join([*parts, chance.choice(LEAVES)])

    def tensor(self, shape=None, dtype=None):
        return self.material.tensor(shape, dtype)

    def weight(self):
        """A tensor of any kind that state dicts hold."""
        chance, material = self.chance, self.material
        form = chance.randrange(14)
        if form == 0:  # a part of a storage
            key = material.storage("float32", 24)
            return chance.choice((
                lambda: material.on(key, chance.randrange(5), (3, 4), (4, 1)),
                lambda: material.on(key, 0, (4, 6), (1, 4)),
                lambda: material.on(key, 2, (2, 3), (12, 2))))()
        if form == 1:
            key = material.storage("int64", 1)
            return material.on(key, 0, (), ())
        if form == 2:
            return Call(Global("torch._utils", "_rebuild_parameter"),
                        (self.tensor(), True, Call(ORDERED_DICT)))
        if form == 3:
            dtype = chance.choice(("qint8", "quint8", "qint32"))
            shape = (chance.randint(1, 4), chance.randint(1, 4))
            key = material.storage(dtype, shape[0] * shape[1])
            return Call(Global("torch._utils", "_rebuild_qtensor"), (
                material.reference(key), 0, shape, contiguous(shape),
                (Global("torch", "per_tensor_affine"), chance.uniform(0.001, 0.1), chance.randrange(5)),
                False, Call(ORDERED_DICT)))
        if form == 4:
            return self.tensor(dtype=chance.choice(("int64", "int32", "uint8", "bool", "int16", "int8")))
        if form == 5 and material.storages and not material.legacy:
            key = chance.choice(list(material.storages))
            if material.storages[key][0] == "float32":
                count = len(material.storages[key][1]) // 4
                return material.on(key, 0, (count,), (1,))
        return self.tensor()

    def state_dict(self, most=5):
        chance = self.chance
        names = list(dict.fromkeys(self.name() for _ in range(chance.randint(1, most))))
        items = [(names[0], self.tensor())] + [(name, self.weight()) for name in names[1:]]
        form = chance.randrange(4)
        if form == 0:
            return Items(items)
        state = None
        if form == 1:
            versions = [("", {"version": 1})] + [(name.rpartition(".")[0], {"version": 1})
                                                 for name in names]
            state = {"_metadata": Call(ORDERED_DICT, items=list(dict(versions).items()))}
        if form == 2 and self.protocol < 3:  # as Python 2 wrote the class
            return Call(ORDERED_DICT, ([[name, value] for name, value in items],), state=state)
        return Call(ORDERED_DICT, items=items, state=state)

    def extra(self):
        """A value that stands beside the weights in honest files."""
        chance = self.chance
        choices = (
            lambda: chance.choice((0, 1, 255, 256, 65536, 500000, 2**31, 2**40, -1)),
            lambda: chance.uniform(-1, 1),
            lambda: chance.choice((None, True, False)),
            lambda: chance.choice(("text", "AetherNet", "größe", "x" * 300, "")),
            lambda: [chance.randrange(9) for _ in range(chance.randrange(6))],
            lambda: (4, 4.5, "t", None),
            lambda: {"lr": 1e-4, "betas": (0.9, 0.99), 3: [1, 2]},
            lambda: {1, 2, 3},
            lambda: b"bytes",
            lambda: Call(Global("collections", "Counter"), ({4: 1, 9: 2},)),
            lambda: Call(Global("torch", "Size"), ((1, 3, 8, 8),)),
            lambda: Call(Global("torch", "device"), ("cpu",)),
            lambda: Global("torch", chance.choice(("float16", "float32", "int64", "bfloat16"))),
            lambda: Call(Global("collections", "defaultdict"), (self.builtin("dict"),),
                         items=[(0, {"step": 5, "exp_avg": self.tensor()})]),
            lambda: Call(Global("argparse", "Namespace"), how="new",
                         state={"scale": 2, "name": "x2", "crop": None}),
            lambda: Call(Global("pathlib", "PosixPath"), ("a", "b.pth")),
            lambda: Call(Global("datetime", "datetime"), (b"\x07\xe8\x05\x06\x01\x02\x03\0\0\0",)),
            lambda: Call(Global("numpy.core.multiarray", "scalar"),
                         (self.dtype("f8"), struct.pack("<d", chance.uniform(-1, 1)))),
            lambda: self.array(),
            lambda: self.optimizer(),
            lambda: self.state_dict(2),
        )
        return chance.choice(choices)()

    def dtype(self, name, flags=0, size=-1):
        return Call(Global("numpy", "dtype"), (name, False, True),
                    state=(3, "<", None, None, None, size, size, flags))

    def array(self):
        shape = (self.chance.randint(1, 3), 2)
        return Call(Global("numpy.core.multiarray", "_reconstruct"),
                    (Global("numpy", "ndarray"), (0,), b"b"),
                    state=(1, shape, self.dtype("f4"), False, bytes(shape[0] * 8)))

    def optimizer(self):
        return {"state": {0: {"step": 3, "exp_avg": self.tensor()}},
                "param_groups": [{"lr": 0.001, "betas": (0.9, 0.999), "params": [0, 1]}]}

    def module(self):
        """A pickled layer or stack of layers."""
        chance = self.chance

        def layer(kind, width, tensors):
            parameters = [(name, None if value is None else Call(
                Global("torch._utils", "_rebuild_parameter"), (value, True, Call(ORDERED_DICT))))
                for name, value in tensors]
            facts = {"in_features": width, "out_features": width} if kind == "Linear" else {}
            return layers("torch.nn.modules.linear", kind, parameters, [], facts)

        def layers(module, name, parameters, modules, facts):
            state = {"training": False, "_parameters": Call(ORDERED_DICT, items=parameters),
                     "_buffers": Call(ORDERED_DICT), "_non_persistent_buffers_set": set(),
                     "_backward_hooks": Call(ORDERED_DICT), "_is_full_backward_hook": None,
                     "_forward_hooks": Call(ORDERED_DICT), "_forward_pre_hooks": Call(ORDERED_DICT),
                     "_state_dict_hooks": Call(ORDERED_DICT),
                     "_load_state_dict_pre_hooks": Call(ORDERED_DICT),
                     "_load_state_dict_post_hooks": Call(ORDERED_DICT),
                     "_modules": Call(ORDERED_DICT, items=modules), **facts}
            return Call(Global(module, name), how="new", state=state)

        parts = []
        for i in range(chance.randint(1, 3)):
            width = chance.randint(1, 3)
            bias = self.tensor((width,), "float32") if chance.random() < 0.7 else None
            parts.append((str(i), layer("Linear", width, [
                ("weight", self.tensor((width, width), "float32")), ("bias", bias)])))
        return layers("torch.nn.modules.container", "Sequential", [], parts, {})

    def root(self, state_dict=None, extras=None):
        """A file's object: the state dict alone or in wrappers, with other values around it."""
        chance = self.chance
        state_dict = self.state_dict() if state_dict is None else state_dict
        if chance.random() < 0.3 and not extras:
            return state_dict
        pairs = [(chance.choice(WRAPPERS), state_dict)]
        pairs += [(name, self.extra()) for name in
                  chance.sample(("iter", "epoch", "scale", "arch", "optimizer", "lr", "note", "args"),
                                chance.randrange(4))]
        pairs += extras or []
        chance.shuffle(pairs)
        if chance.random() < 0.1:
            pairs = [("state", Items(pairs))]
        return Items(pairs)

    def emitter(self):
        return Emitter(self.chance, self.protocol, self.rare)

    def file(self, root):
        emitter = self.emitter()
        emitter.value(root)
        return self.packed(self.finish_pickle(emitter))

    def packed(self, pickle):
        if self.container == "zip":
            return zip_file(pickle, self.material.storages, self.chance)
        if self.container == "pickle":
            return pickle
        return legacy_file(pickle, self.material.storages, self.chance, self.protocol, self.keys)


# --- classes of honest files ---


def honest_built(kit):
    return kit.file(kit.root())


def honest_module(kit):
    module = kit.module()
    return kit.file(module if kit.chance.random() < 0.5 else Items([("net_g", module), ("iter", 5)]))


def honest_rare(kit):
    """Old protocols, and other encodings of the same values."""
    kit.protocol = kit.chance.choice((0, 1, 2, 3, 4, 5))
    if kit.container == "legacy" and kit.protocol == 0:
        kit.protocol = 1
    if kit.protocol == 0:  # a tuple as a persistent id needs a binary protocol
        kit.protocol = 1
    kit.rare = 0.5
    return kit.file(kit.root())


def honest_training(kit):
    state_dict = kit.state_dict()
    pairs = [("params", state_dict), ("params_ema", kit.state_dict()),
             ("optimizers", [kit.optimizer()]), ("schedulers", [{"milestones": Call(
                 Global("collections", "Counter"), ({100: 1},)), "last_epoch": 5}]),
             ("epoch", 3), ("iter", 1000)]
    return kit.file(Items(pairs))


def honest_shared(kit):
    tensor = Shared(kit.tensor())
    return kit.file(kit.root(Items([("a.weight", tensor), ("b.weight", tensor), ("c.weight", kit.tensor())])))


def honest_views(kit):
    """A legacy stream with views, as releases before 0.4 wrote them."""
    kit.container, kit.material = "legacy", Material(kit.chance, True)
    key = kit.material.storage("float32", 12)
    view = kit.material.new_key()
    storage = kit.material.reference(key, (view, 4, 8))
    tensor = Call(Global("torch._utils", "_rebuild_tensor"), (storage, 1, (2, 3), (3, 1)))
    return kit.file(Items([("w", tensor), ("v", kit.tensor())]))


def honest_expanded(kit):
    key = kit.material.storage("float32", 3)
    return kit.file(kit.root(Items([("w", kit.tensor()), ("e", kit.material.on(key, 0, (4, 3), (0, 1)))])))


def honest_sparse(kit):
    indices = kit.material.on(kit.material.storage("int64", 2, struct.pack("<2q", 0, 2)), 0, (1, 2), (2, 1))
    layout = Call(Global("torch.serialization", "_get_layout"), ("torch.sparse_coo",))
    sparse = Call(Global("torch._utils", "_rebuild_sparse_tensor"),
                  (layout, (indices, kit.tensor((2,), "float32"), Call(Global("torch", "Size"), ((4,),)))))
    return kit.file(kit.root(Items([("w", kit.tensor()), ("s", sparse)])))


def honest_saved(kit):
    """What torch.save of this PyTorch makes of random objects."""
    chance = kit.chance

    def tensor():
        shape = [chance.randint(1, 4) for _ in range(chance.choice((0, 1, 2, 4)))]
        count = int(numpy.prod(shape))
        data = torch.tensor([chance.uniform(-2, 2) for _ in range(count)]).reshape(shape)
        form = chance.randrange(8)
        if form == 0:
            return data.half()
        if form == 1:
            return data.bfloat16()
        if form == 2:
            return data.double().t() if data.dim() == 2 else data.double()
        if form == 3:
            return torch.nn.Parameter(data)
        if form == 4:
            return (data * 100).long()
        if form == 5 and data.dim() and data.numel():
            return torch.quantize_per_tensor(data, 0.1, 3, torch.qint8)
        return data[1:] if form == 6 and data.dim() and data.shape[0] > 1 else data

    weights = {kit.name(): tensor() for _ in range(chance.randint(1, 5))}
    weights["first.weight"] = torch.tensor([[chance.random(), 1.0]])
    if chance.random() < 0.5:
        weights = collections.OrderedDict(weights)
    extras = [7, 0.5, "text", None, [1, 2], (1, "a"), {"k": 2}, {1, 2}, b"raw", 1j, bytearray(b"xy"),
              torch.Size([2, 3]), torch.float16, torch.device("cpu"), collections.Counter("aab"),
              numpy.float64(0.25), numpy.arange(6.0).reshape(2, 3), numpy.int32(4),
              pathlib.PurePosixPath("a/b"), 2**70, frozenset({3}),
              torch.nn.Linear(2, 2).state_dict(), torch.optim.Adam([torch.zeros(2, requires_grad=True)]).state_dict()]
    kind = chance.randrange(5)
    if kind == 0:
        saved = weights
    elif kind == 1:
        saved = chance.choice((torch.nn.Linear(2, 3), torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.PReLU()),
                               torch.nn.BatchNorm2d(2)))
    else:
        saved = {chance.choice(WRAPPERS): weights}
        saved.update((f"extra{i}", chance.choice(extras)) for i in range(chance.randrange(4)))
    out = io.BytesIO()
    torch.save(saved, out, pickle_protocol=kit.protocol,
               _use_new_zipfile_serialization=kit.container == "zip")
    return out.getvalue()


def honest_pickle(kit):
    """A pickle alone, without tensors."""
    kit.container = "pickle"
    return kit.file({"iter": 5, "args": Call(Global("argparse", "Namespace"), how="new", state={"scale": 2}),
                     "array": kit.array(), "list": [1, 2.5, None, "text"]})


HONEST = {
    "honest: built": honest_built,
    "honest: saved": honest_saved,
    "honest: module": honest_module,
    "honest: rare": honest_rare,
    "honest: training": honest_training,
    "honest: shared": honest_shared,
    "honest: views": honest_views,
    "honest: expanded": honest_expanded,
    "honest: sparse": honest_sparse,
    "honest: pickle": honest_pickle,
}
