"""Pickles of random opcodes with a typed stack, so that most of them load.

The root is a dict with honest weights. Statements put random expressions into the root, or change
an object that was given a memo entry before. All names are from the program's own list.
"""

import struct

from oracle_build import Call, Code, Global, Items, Shared
from oracle_honest import ORDERED_DICT, WRAPPERS
from oracle_names import NAMES


class Free:
    def __init__(self, kit):
        self.kit, self.chance = kit, kit.chance
        # Most files keep to what picklers do, in any order and with any sharing.
        self.mild = self.chance.random() < 0.7
        self.used_keys = 0
        self.slots = []  # memo entries and the kind of what is in them
        self.kinds = ("int", "text", "none", "float", "list", "dict", "tuple")

    def file(self):
        kit, chance = self.kit, self.chance
        emitter = kit.emitter()
        emitter.value(kit.root())
        self.emitter = emitter
        self.root_is_dict = True
        root = emitter.put(emitter.count)
        weights = self.inner_dict(root)
        for _ in range(chance.randint(1, 8)):
            form = chance.random()
            if self.mild and (0.15 <= form < 0.45):
                form = 0.35 if self.slots and form < 0.3 else 1
            if form < 0.15 and weights is not None:
                if self.mild:
                    self.key()
                emitter.get(weights)
                emitter.value(f"inner{chance.randrange(10**6)}.weight")
                self.tensor()
                emitter.op(b"ss" if self.mild else b"s0")
            elif form <= 0.35 and self.slots:
                self.change()
            elif form < 0.45:
                self.noise()
            else:
                self.key()
                self.expression(0)
                emitter.op(b"s")
        return kit.packed(kit.finish_pickle(emitter))

    def inner_dict(self, root):
        """Adds one more state dict and returns its memo entry."""
        emitter = self.emitter
        emitter.value(self.chance.choice((*WRAPPERS, "inner")))
        form = self.chance.randrange(3)
        emitter.value(Items([]) if form == 0 else Call(ORDERED_DICT) if form == 1 else
                      Call(Global("collections", "defaultdict"), (None,)))
        slot = emitter.put(emitter.count)
        emitter.value("first.weight")
        self.tensor()
        emitter.op(b"ss")
        return slot

    def remember(self, kind):
        if self.chance.random() < 0.3:
            self.slots.append((self.emitter.put(self.emitter.count), kind))

    def tensor(self):
        kit, emitter, chance = self.kit, self.emitter, self.chance
        form = chance.randrange(6)
        if form == 0 and kit.material.storages:
            key = chance.choice(list(kit.material.storages))
            emitter.value(kit.material.on(key, 0, (1,), (1,)))
        elif form == 1 and not self.mild:
            sizes = [1] if chance.random() < 0.5 else Call(Global("torch", "Size"), ([1],))
            key = kit.material.storage("float32", 4)
            emitter.value(Call(Global("torch._utils", "_rebuild_tensor_v2"), (
                kit.material.reference(key), chance.choice((0, 1, True, Code(b"I03\n"), Code(b"L2L\n"))), sizes,
                (1,), chance.choice((False, False, None, 0)), chance.choice((Call(ORDERED_DICT), None, {})))))
        else:
            emitter.value(kit.weight())
        self.remember("tensor")

    def key(self):
        emitter, chance = self.emitter, self.chance
        if self.mild:
            self.used_keys += 1
            emitter.value(chance.choice((self.used_keys, f"key{self.used_keys}", f"body.{self.used_keys}.weight")))
            return
        form = chance.randrange(12)
        if form < 7:
            emitter.value(chance.choice((kit_name(chance), *WRAPPERS[:4])))
        elif form == 7:
            emitter.op(b"K" + bytes([chance.randrange(4)]))
        elif form == 8:
            emitter.op(chance.choice((b"N", b"\x88", b"\x89", b"G" + struct.pack(">d", 1.0))))
        elif form == 9:
            emitter.op(b"S'%s'\n" % chance.choice((b"plain", b"q\\'q", b"a\\x62", b"tab\\t", b"params")))
        elif form == 10:
            emitter.op(b"V%s\n" % chance.choice((b"plain", b"\\u0061b", b"\\\\", b"a\\\\u0062", b"params")))
        else:
            emitter.value((1, "t"))

    def expression(self, depth):
        emitter, chance = self.emitter, self.chance
        if depth > 3:
            emitter.op(chance.choice((b"N", b"K\x05", b"\x88", b")", b"}", b"]")))
            return
        form = chance.randrange(20)
        if self.mild:
            form = chance.choice((0, 1, 4, 6, 6, 7, 7, 8, 9, 18, 19, 17 if depth else 18))
        if form < 4:
            self.number()
        elif form < 6:
            self.key()
        elif form == 6:
            self.tensor()
        elif form == 7 and self.slots:
            emitter.get(chance.choice(self.slots)[0])
        elif form < 10:
            self.container(depth)
        elif form == 10:
            self.noise()
            self.expression(depth + 1)
        elif form == 11:
            self.expression(depth + 1)
            emitter.op(b"2\x86" if chance.random() < 0.7 else b"20")
        elif form < 16:
            self.known_call()
        elif form < 18:
            self.random_call(depth)
        else:
            emitter.value(self.kit.extra())
            self.remember("object")

    def number(self):
        if self.mild:
            self.emitter.value(self.chance.choice((7, -1, 300, 70000, 2**40, 1.5, True, None, "text", "größe")))
            return
        self.emitter.op(self.chance.choice((
            b"K\x07", b"M\x00\x01", b"J\xff\xff\xff\xff", b"I12\n", b"I-3\n", b"I00\n", b"I01\n", b"I08\n",
            b"I012\n", b"I 7\n", b"I+7\n", b"L12L\n", b"L5\n", b"L012L\n", b"\x8a\x00", b"\x8a\x02\x05\x00",
            b"\x8a\x09" + b"\x01" * 9, b"\x8b\x01\0\0\0\x07", b"F1.5\n", b"F1e5\n", b"F 2\n", b"Finf\n",
            b"G" + struct.pack(">d", 0.5), b"\x88", b"N")))

    def container(self, depth):
        emitter, chance = self.emitter, self.chance
        form = chance.randrange(9)
        parts = chance.randrange(4)
        if form < 3:
            emitter.op(b"(")
            for _ in range(parts):
                self.expression(depth + 1)
            emitter.op(b"l" if form == 0 else b"t")
            self.remember("list" if form == 0 else "tuple")
        elif form == 3:
            emitter.op(b"]")
            self.remember("list")
            for _ in range(parts):
                self.expression(depth + 1)
                emitter.op(b"a")
        elif form < 6:
            emitter.op(b"}" if form == 4 else b"(d")
            self.remember("dict")
            emitter.op(b"(")
            for _ in range(parts):
                self.key()
                self.expression(depth + 1)
            emitter.op(b"u")
        elif form == 6 and not self.mild:
            emitter.op(b"\x8f(")
            for _ in range(parts):
                self.key()
            emitter.op(b"\x90")
            self.remember("set")
        elif form == 7 and not self.mild:
            emitter.op(b"(")
            for _ in range(parts):
                self.key()
            emitter.op(b"\x91")
        else:
            self.expression(depth + 1)
            emitter.op(b"\x85")

    def noise(self):
        """Opcodes that leave the stack as it was."""
        emitter, chance = self.emitter, self.chance
        form = chance.randrange(6)
        if form == 0:
            emitter.op(b"(1")
        elif form == 1:
            emitter.op(b"(0")
        elif form == 2:
            emitter.op(b"(")
            self.expression(2)
            self.expression(3)
            emitter.op(b"1")
        elif form == 3 and emitter.protocol >= 2:
            emitter.op(b"\x80" + bytes([chance.choice((2, 3, 4, 5, emitter.protocol))]))
        elif form == 4:
            emitter.op(b"20")
        else:
            self.expression(2)
            emitter.op(b"0")

    def change(self):
        """Puts something into an object that exists, as the object's kind allows; seldom otherwise."""
        emitter, chance = self.emitter, self.chance
        slot, kind = chance.choice(self.slots)
        if self.mild:
            if kind not in ("list", "dict"):
                return
            self.key()
        emitter.get(slot)
        if not self.mild and chance.random() < 0.15:
            kind = chance.choice(("list", "dict", "object", "tensor"))
        if kind == "list":
            self.expression(2)
            emitter.op(b"a")
        elif kind == "dict":
            self.key()
            self.expression(2)
            emitter.op(b"s")
        elif kind == "set":
            emitter.op(b"(")
            self.key()
            emitter.op(b"\x90")
        elif kind == "tensor":
            emitter.value(chance.choice(({"note": 1}, (None, {"note": 1}), (True, None, Call(ORDERED_DICT)))))
            emitter.op(b"b")
        elif kind == "object":
            emitter.value(chance.choice(({"a": 1}, (None, {"a": 2}), None, 5)))
            emitter.op(b"b")
        # No pickler throws a value away: a mild file puts the object into the root once more.
        emitter.op(b"s" if self.mild else b"0")

    def known_call(self):
        """A call that succeeds."""
        kit, chance, emitter = self.kit, self.chance, self.emitter
        pairs = [["k", 1], ["v", Shared([2])]]
        call = chance.choice((
            lambda: Call(ORDERED_DICT, (pairs,)),
            lambda: Call(ORDERED_DICT, (Items([("w", kit.tensor())]),)),
            lambda: Call(ORDERED_DICT, (pairs,), how="new"),
            lambda: Call(ORDERED_DICT, state={"_metadata": 5}, items=[("a", 2)]),
            lambda: Call(kit.builtin("dict"), (pairs,)),
            lambda: Call(kit.builtin("list"), ((1, 2),)),
            lambda: Call(kit.builtin("tuple"), ([1, 2],)),
            lambda: Call(kit.builtin("str"), (chance.choice((5, "params", b"x", None)),)),
            lambda: Call(kit.builtin("int"), (chance.choice(("12", 5, 7.5)),)),
            lambda: Call(kit.builtin("float"), (chance.choice(("1.5", 5)),)),
            lambda: Call(kit.builtin("bool"), ([],)),
            lambda: Call(kit.builtin("bytearray"), (chance.choice((b"ab", 3, [1, 2])),)),
            lambda: Call(kit.builtin("bytearray"), ("ab", "latin-1")),
            lambda: Call(kit.builtin("complex"), (1.0, 2.0)),
            lambda: Call(kit.builtin("slice"), (1, 2, None)),
            lambda: Call(kit.builtin("set"), ([1, 2],)),
            lambda: Call(kit.builtin("object")),
            lambda: Call(Global("collections", "deque"), ([1], 3)),
            lambda: Call(Global("collections", "Counter"), ("abca",)),
            lambda: Call(Global("collections", "defaultdict"), (kit.builtin("list"), pairs)),
            lambda: Call(Global("argparse", "Namespace"), how="new", state={"a": 1, "b": Shared({})}),
            lambda: Call(Global("types", "SimpleNamespace"), state={"a": 1}),
            lambda: Call(Global("datetime", "timedelta"), (1, 2, 3)),
            lambda: Call(Global("datetime", "date"), (2026, 11, 29)),
            lambda: Call(Global("decimal", "Decimal"), ("1.5",)),
            lambda: Call(Global("fractions", "Fraction"), (1, 3)),
            lambda: Call(Global("pathlib", "PurePosixPath"), ("a", "b")),
            lambda: Call(Global("uuid", "UUID"), how="new", state={"int": 5}),
            lambda: Call(Global("torch", "Size"), ([1, 2],)),
            lambda: Call(Global("torch", "device"), ("cpu", 0)),
            lambda: Call(Global("torch", "Tensor"), ([1.0, 2.0],)),
            lambda: Call(Global("torch", "Tensor"), (2, 3), how="new"),
            lambda: Call(Global("torch", "FloatTensor"), (2,)),
            lambda: Call(Global("torch.nn.parameter", "Parameter"), (kit.tensor(dtype="float32"),)),
            lambda: Call(Global("torch.nn.parameter", "Parameter"), (kit.tensor(dtype="float32"), False), how="new"),
            lambda: Call(Global("torch.nn.modules.linear", "Linear"), (2, 3)),
            lambda: Call(Global("torch.nn.modules.linear", "Identity"), how="new", state={"a": 1}),
            lambda: Call(Global("torch.nn.modules.container", "ModuleDict"), ({},)),
            lambda: Call(Global("torch.torch_version", "TorchVersion"), ("1.13",), how="new"),
            lambda: Call(Global("numpy", "float32"), (1.5,)),
            lambda: Call(Global("numpy", "dtype"), ("f4",)),
            lambda: Call(Global("numpy", "ndarray"), ((2,), kit.dtype("i4"), bytes(8))),
            lambda: Call(Global("numpy.core.multiarray", "scalar"), (kit.dtype("i8"), bytes(8))),
            lambda: kit.array(),
            lambda: kit.module(),
        ))()
        if isinstance(call.function, Global) and isinstance(call.arguments, tuple) and call.keywords is None \
                and call.how == "reduce" and chance.random() < 0.15:
            call.how = chance.choice(("inst", "obj"))
        emitter.value(call)
        self.remember("dict" if call.items or call.function is ORDERED_DICT else "object")

    def random_call(self, depth):
        """Any name of the list with any arguments, or the name alone."""
        emitter, chance = self.emitter, self.chance
        emitter.value(Global(*chance.choice(NAMES)))
        form = 0 if self.mild else chance.randrange(6)
        if form < 3:
            return
        emitter.op(b"(")
        for _ in range(chance.randrange(3)):
            self.expression(depth + 2)
        emitter.op(b"t")
        if form == 5 and emitter.protocol >= 4:
            emitter.op(b"}" + b"\x92")
        else:
            emitter.op(chance.choice((b"R", b"\x81")))
        self.remember("object")


def kit_name(chance):
    return chance.choice(("iter", "note", "body.0.weight", "w", "conv.bias", "x"))


def free(kit):
    return Free(kit).file()
