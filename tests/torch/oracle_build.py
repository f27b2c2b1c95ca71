"""Builds pickles opcode by opcode, and the zip archives and legacy streams around them.

A pickle is described by a tree of Python's own values and of the nodes below. A function in the
tree is called with the Emitter and writes opcodes that leave one value on the stack.
"""

import io
import struct
import zipfile

import torch

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

# Storage class, torch.dtype and bytes of one element, by the name of the type.
DTYPES = {
    "float32": ("FloatStorage", 4),
    "float64": ("DoubleStorage", 8),
    "float16": ("HalfStorage", 2),
    "bfloat16": ("BFloat16Storage", 2),
    "int64": ("LongStorage", 8),
    "int32": ("IntStorage", 4),
    "int16": ("ShortStorage", 2),
    "int8": ("CharStorage", 1),
    "uint8": ("ByteStorage", 1),
    "bool": ("BoolStorage", 1),
    "complex64": ("ComplexFloatStorage", 8),
    "qint8": ("QInt8Storage", 1),
    "quint8": ("QUInt8Storage", 1),
    "qint32": ("QInt32Storage", 4),
}


class Global:
    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """A call, then what is put into the result: items, elements, a state."""

    def __init__(self, function, arguments=(), items=None, elements=None, state=None, how="reduce",
                 keywords=None):
        self.function, self.arguments = function, arguments
        self.items, self.elements, self.state = items, elements, state
        self.how, self.keywords = how, keywords


class Items:
    """A dict with its items as a list, which may repeat keys or have keys of any type."""

    def __init__(self, pairs):
        self.pairs = list(pairs)


class Reference:
    """A persistent id."""

    def __init__(self, identity):
        self.identity = identity


class Code:
    """Opcodes that leave one value on the stack."""

    def __init__(self, code):
        self.code = code


class Shared:
    """A value that is written once and taken from the memo wherever it occurs again."""

    def __init__(self, value):
        self.value = value


def text_argument(text):
    return text.encode("utf-8", "surrogatepass")


class Emitter:
    """Writes the opcodes that a pickler of the protocol writes; with `rare`, at that probability
    another form of the same value that some pickler has written."""

    def __init__(self, chance, protocol=2, rare=0.0):
        self.chance, self.protocol, self.rare = chance, protocol, rare
        self.out = bytearray()
        self.memo = {}
        self.count = 0
        self.kept = []  # nodes whose ids are keys of the memo
        self.framed = protocol >= 4
        self.head = b"" if protocol < 2 else b"\x80" + bytes([protocol])

    # --- parts ---

    def op(self, code):
        self.out += code

    def put(self, index=None):
        """Gives the top of the stack a memo entry and returns the entry's number."""
        if index is None:
            index = self.count
        if self.protocol >= 4 and index == self.count:
            self.op(b"\x94")
        elif self.protocol == 0 or self.sometimes(0.3):
            self.op(b"p%d\n" % index)
        elif index < 256:
            self.op(b"q" + bytes([index]))
        else:
            self.op(b"r" + struct.pack("<I", index))
        self.count = max(self.count, index + 1)
        return index

    def get(self, index):
        if self.protocol == 0 or self.sometimes(0.3):
            self.op(b"g%d\n" % index)
        elif index < 256:
            self.op(b"h" + bytes([index]))
        else:
            self.op(b"j" + struct.pack("<I", index))

    def sometimes(self, share=1.0):
        return self.rare > 0 and self.chance.random() < self.rare * share

    def remembered(self, key, keep=None):
        if key in self.memo:
            self.get(self.memo[key])
            return True
        if keep is not None:
            self.kept.append(keep)
        return False

    # --- values ---

    def value(self, value):
        kind = type(value)
        if kind is Code:
            self.op(value.code)
        elif kind is Shared:
            if not self.remembered(id(value), value):
                self.value(value.value)
                self.memo[id(value)] = self.put()
        elif value is None:
            self.op(b"N")
        elif kind is bool:
            self.boolean(value)
        elif kind is int:
            self.integer(value)
        elif kind is float:
            self.op(b"F%r\n" % value if self.protocol == 0 else b"G" + struct.pack(">d", value))
        elif kind is str:
            self.text(value)
        elif kind is bytes:
            self.bytes(value)
        elif kind is tuple:
            self.tuple(value)
        elif kind is list:
            self.list(value)
        elif kind is dict:
            self.dict(value.items())
        elif kind is Items:
            self.dict(value.pairs)
        elif kind in (set, frozenset):
            self.set(value)
        elif kind is Global:
            self.name(value)
        elif kind is Call:
            self.call(value)
        elif kind is Reference:
            self.reference(value)
        else:
            value(self)

    def boolean(self, value):
        if self.protocol < 2:
            self.op(b"I01\n" if value else b"I00\n")
        else:
            self.op(b"\x88" if value else b"\x89")

    def integer(self, value):
        if self.protocol == 0 or self.sometimes(0.2):
            self.op((b"I%d\n" if -2**31 <= value < 2**31 else b"L%dL\n") % value)
        elif 0 <= value < 256:
            self.op(b"K" + bytes([value]))
        elif 0 <= value < 65536:
            self.op(b"M" + struct.pack("<H", value))
        elif -2**31 <= value < 2**31:
            self.op(b"J" + struct.pack("<i", value))
        elif self.protocol == 1:
            self.op(b"L%dL\n" % value)
        else:
            size = (value.bit_length() >> 3) + 1
            self.op(b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True))

    def text(self, value):
        if self.remembered(("text", value)):
            return
        raw = text_argument(value)
        plain = value.isascii() and value.isprintable() and "\\" not in value and "'" not in value
        if self.protocol == 0:
            self.op(b"V" + value.encode("raw-unicode-escape").replace(b"\n", b"\\u000a") + b"\n")
        elif plain and self.sometimes(0.3):
            form = self.chance.randrange(4)  # Python 2 wrote its byte strings so
            if form == 0:
                self.op(b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + struct.pack("<I", len(raw)) + raw)
            elif form == 1:
                self.op(b"T" + struct.pack("<I", len(raw)) + raw)
            elif form == 2:
                self.op(b"S'" + raw + b"'\n")
            else:
                self.op(b"V" + raw + b"\n")
        elif self.protocol >= 4 and len(raw) < 256:
            self.op(b"\x8c" + bytes([len(raw)]) + raw)
        else:
            self.op(b"X" + struct.pack("<I", len(raw)) + raw)
        self.memo["text", value] = self.put()

    def bytes(self, value):
        if self.protocol >= 3:
            self.op(b"C" + bytes([len(value)]) + value if len(value) < 256 else
                    b"B" + struct.pack("<I", len(value)) + value)
            self.put()
        elif value:
            self.call(Call(Global("_codecs", "encode"), (value.decode("latin1"), "latin1")))
        else:
            self.call(Call(self.builtin("bytes")))

    def tuple(self, value):
        if not value:
            self.op(b")" if self.protocol else b"(t")
            return
        as_mark = len(value) > 3 or self.protocol < 2 or self.sometimes(0.2)
        if as_mark:
            self.op(b"(")
        for part in value:
            self.value(part)
        self.op(b"t" if as_mark else bytes([0x84 + len(value)]))
        self.put()

    def list(self, value):
        if self.protocol == 0 or self.sometimes(0.2):
            self.op(b"(")
            for part in value:
                self.value(part)
            self.op(b"l")
            self.put()
            return
        self.op(b"]")
        self.put()
        self.elements(value)

    def elements(self, value):
        value = list(value)
        if len(value) == 1 or self.sometimes(0.2):
            for part in value:
                self.value(part)
                self.op(b"a")
        elif value:
            self.op(b"(")
            for part in value:
                self.value(part)
            self.op(b"e")

    def dict(self, pairs):
        if self.protocol == 0 or self.sometimes(0.1):
            self.op(b"(")
            for key, value in pairs:
                self.value(key)
                self.value(value)
            self.op(b"d")
            self.put()
            return
        self.op(b"}")
        self.put()
        self.items(pairs)

    def items(self, pairs):
        pairs = list(pairs)
        if len(pairs) == 1 or self.protocol == 0 or self.sometimes(0.2):
            for key, value in pairs:
                self.value(key)
                self.value(value)
                self.op(b"s")
        elif pairs:
            self.op(b"(")
            for key, value in pairs:
                self.value(key)
                self.value(value)
            self.op(b"u")

    def set(self, value):
        parts = sorted(value, key=repr)
        if self.protocol >= 4:
            if isinstance(value, frozenset):
                self.op(b"(")
                for part in parts:
                    self.value(part)
                self.op(b"\x91")
                self.put()
            else:
                self.op(b"\x8f")
                self.put()
                self.op(b"(")
                for part in parts:
                    self.value(part)
                self.op(b"\x90")
        else:
            self.call(Call(self.builtin(type(value).__name__), (parts,)))

    def builtin(self, name):
        """A builtin by the module's name in the protocol's Python."""
        return Global("builtins" if self.protocol >= 3 else "__builtin__", name)

    def name(self, value):
        key = "global", value.module, value.name
        if self.remembered(key):
            return
        if self.protocol >= 4:
            self.text(value.module)
            self.text(value.name)
            self.op(b"\x93")
        else:
            self.op(b"c%s\n%s\n" % (value.module.encode(), value.name.encode()))
        self.memo[key] = self.put()

    def call(self, value):
        how = value.how
        if how == "inst":
            self.op(b"(")
            for part in value.arguments:
                self.value(part)
            self.op(b"i%s\n%s\n" % (value.function.module.encode(), value.function.name.encode()))
        elif how == "obj":
            self.op(b"(")
            self.value(value.function)
            for part in value.arguments:
                self.value(part)
            self.op(b"o")
        else:
            self.value(value.function)
            self.value(value.arguments)
            if how == "new" and value.keywords is not None:
                self.value(value.keywords)
                self.op(b"\x92")
            else:
                self.op(b"\x81" if how == "new" else b"R")
        self.put()
        if value.elements is not None:
            self.elements(value.elements)
        if value.items is not None:
            self.items(value.items)
        if value.state is not None:
            self.value(value.state)
            self.op(b"b")

    def reference(self, value):
        self.value(value.identity)
        self.op(b"Q")

    # --- the end ---

    def finish(self):
        """The whole pickle. From protocol 4 on, one frame holds everything behind PROTO."""
        body = bytes(self.out) + b"."
        if self.framed and len(body) >= 4:
            body = b"\x95" + struct.pack("<Q", len(body)) + body
        return self.head + body


def pickled(value, chance, protocol=2, rare=0.0):
    emitter = Emitter(chance, protocol, rare)
    emitter.value(value)
    return emitter.finish()


class Material:
    """The storages of one file, and tensors in them."""

    def __init__(self, chance, legacy):
        self.chance, self.legacy = chance, legacy
        self.storages = {}  # key to (dtype, bytes)
        self.next_address = 94000000000000 + 64 * chance.randrange(1000)

    def elements(self, dtype, count):
        """Random bytes that are numbers of the type, never NaN: a NaN's bits may change on a copy."""
        chance = self.chance
        if dtype == "bool":
            return bytes(chance.randrange(2) for _ in range(count))
        if dtype in ("float32", "complex64"):
            count *= 2 if dtype == "complex64" else 1
            return struct.pack(f"<{count}f", *(chance.uniform(-2, 2) for _ in range(count)))
        if dtype == "float64":
            return struct.pack(f"<{count}d", *(chance.uniform(-2, 2) for _ in range(count)))
        if dtype == "float16":
            return struct.pack(f"<{count}e", *(chance.uniform(-2, 2) for _ in range(count)))
        if dtype == "bfloat16":
            return b"".join(struct.pack("<f", chance.uniform(-2, 2))[2:] for _ in range(count))
        return chance.randbytes(count * DTYPES[dtype][1])

    def new_key(self):
        if not self.legacy:
            return str(len(self.storages))
        self.next_address += 64 * self.chance.randint(1, 9)
        return str(self.next_address)

    def storage(self, dtype, count, data=None, key=None):
        """A new storage and its key."""
        key = self.new_key() if key is None else key
        self.storages[key] = (dtype, self.elements(dtype, count) if data is None else data)
        return key

    def reference(self, key, view=None):
        dtype, data = self.storages[key]
        name, size = DTYPES[dtype]
        identity = ("storage", Global("torch", name), key, "cpu", len(data) // size)
        return Reference(identity + ((view,) if self.legacy else ()))

    def on(self, key, offset, shape, strides, requires_grad=False):
        """A tensor on a storage that exists."""
        return Call(Global("torch._utils", "_rebuild_tensor_v2"),
                    (self.reference(key), offset, tuple(shape), tuple(strides), requires_grad,
                     Call(Global("collections", "OrderedDict"))))

    def tensor(self, shape=None, dtype=None, value=None):
        chance = self.chance
        if shape is None:
            shape = tuple(chance.randint(1, 4) for _ in range(chance.choice((1, 1, 2, 4, 4))))
        dtype = dtype or chance.choice(("float32",) * 8 + ("float16", "bfloat16", "float64"))
        count = 1
        for size in shape:
            count *= size
        return self.on(self.storage(dtype, count, value), 0, shape, contiguous(shape))


def contiguous(shape):
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


# --- containers ---


def zip_file(pickle, storages, chance):
    """An archive as torch.save writes it, or as other zip writers do."""
    out = io.BytesIO()
    records = [("data.pkl", pickle)]
    records += [(f"data/{key}", data) for key, (_, data) in storages.items()]
    if chance.random() < 0.8:
        writer = torch._C.PyTorchFileWriter(out)
        for name, data in records:
            writer.write_record(name, data, len(data))
        writer.write_end_of_file()
        return out.getvalue()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in [*records, ("version", b"3\n")]:
            archive.writestr("archive/" + name, data)
    return out.getvalue()


def legacy_head(chance, protocol=2):
    system = {"protocol_version": PROTOCOL_VERSION, "little_endian": True,
              "type_sizes": {"short": 2, "int": 4, "long": 4}}
    return [pickled(MAGIC_NUMBER, chance, protocol), pickled(PROTOCOL_VERSION, chance, protocol),
            pickled(system, chance, protocol)]


def legacy_storages(storages, keys, counts=None):
    out = b""
    for key in keys:
        dtype, data = storages[key]
        count = len(data) // DTYPES[dtype][1] if counts is None else counts[key]
        out += struct.pack("<q", count) + data
    return out


def legacy_file(pickle, storages, chance, protocol=2, keys=None, head=None):
    keys = sorted(storages) if keys is None else keys
    parts = [*(legacy_head(chance, protocol) if head is None else head), pickle,
             pickled(list(keys), chance, protocol), legacy_storages(storages, keys)]
    return b"".join(parts)
