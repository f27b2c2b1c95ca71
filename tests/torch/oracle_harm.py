"""Forms that run code, reach files, corrupt memory or never end, with allowed names only; and files of
two formats. See oracle_forms."""

import functools
import struct

import numpy

from oracle_build import Call, Code, Global, Items, Material, Reference, Shared, legacy_head, legacy_storages, pickled
from oracle_forms import UNSEEN, beside

SCALAR = Global("numpy.core.multiarray", "scalar")

# --- code, files and memory by allowed names ---


def object_of(kit, value):
    """numpy returns the value itself."""
    return Call(SCALAR, (Call(Global("numpy", "dtype"), (kit.chance.choice(("O8", "O", "|O")), False, True)), value))


def class_build(kit):
    chance = kit.chance
    kit.container, kit.material = "legacy", Material(chance, True)
    known = chance.choice((("argparse", "Namespace"), ("torch.torch_version", "TorchVersion"),
                           ("torch.nn.modules.linear", "Identity"), ("fractions", "Fraction")))
    attributes = {"dump_patches": True, "__name__": "reversed"}
    changed = object_of(kit, Global(*known))
    changed.state = (None, attributes)
    changed = Shared(changed)
    module = Reference(("module", changed, "/tmp/source.py", "text\nof another source\n"))
    return kit.file(kit.root(extras=[("a", changed), ("b", module)]))


def class_attribute(kit):
    """A class whose attribute is replaced: every object of the class has it, in the whole process."""
    chance = kit.chance
    known = chance.choice((("argparse", "Namespace"), ("fractions", "Fraction"), ("uuid", "UUID"),
                           ("pathlib", "PurePath"), ("torch.torch_version", "TorchVersion")))
    changed = object_of(kit, Global(*known))
    changed.state = (None, {chance.choice(("__repr__", "__reduce__", "__doc__", "note")): chance.choice(
        (Global("torch", "Size"), 5, kit.builtin("list")))})
    return beside(kit, changed)


def new_keywords(kit):
    chance = kit.chance
    kit.protocol = 4
    if chance.random() < 0.5:
        node = Call(Global("torch", "Tensor"), (), how="new",
                    keywords={chance.choice(("_cdata", "cdata")): chance.choice((1, 4096, 0x41414141))})
    else:
        node = Call(Global("torch", "UntypedStorage"), (8,), how="new",
                    keywords={"allocator": chance.choice((1, 4096))})
    return beside(kit, node)


def dtype_flags(kit):
    chance = kit.chance
    name = chance.choice(("O8", "O8", "f8", "V8"))
    flags = chance.choice((0, 0, 1, 2, 4, 8, 16, 63))
    dtype = kit.dtype(name, flags, chance.choice((-1, -1, 1 << 20)))
    raw = struct.pack("<Q", chance.choice((1, 4096, 0x414141414141)))
    if chance.random() < 0.6:
        return beside(kit, Call(SCALAR, (dtype, raw)))
    # A list of an array's elements takes them out one by one.
    array = Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b"),
                 state=(1, (1,), dtype, False, raw))
    return beside(kit, Call(kit.builtin("list"), (array,)))


def scalar_object(kit):
    chance = kit.chance
    dtype = Call(Global("numpy", "dtype"), (chance.choice(("O8", "O")), False, True))
    if chance.random() < 0.5:
        dtype.state = (3, "|", None, None, None, -1, -1, chance.choice((63, 0)))
    node = Call(SCALAR, (dtype,))
    return beside(kit, chance.choice((node, (node, node), Call(kit.builtin("str"), (node,)))))


# --- bombs ---


def bomb_range(kit):
    name = "range" if kit.protocol >= 3 or kit.chance.random() < 0.5 else "xrange"
    numbers = Call(kit.builtin(name), (10**kit.chance.choice((9, 10, 12)),))
    return beside(kit, Call(kit.builtin(kit.chance.choice(("list", "tuple", "set", "bytes", "frozenset"))), (numbers,)))


def bomb_bytes(kit):
    return beside(kit, Call(kit.builtin(kit.chance.choice(("bytearray", "bytes")) if kit.protocol >= 3 else
                                        "bytearray"), (10**10,)))


def bomb_tensor(kit):
    name = kit.chance.choice(("Tensor", "FloatTensor", "DoubleTensor"))
    return beside(kit, Call(Global("torch", name), (10**5, 10**5), how=kit.chance.choice(("reduce", "new"))))


def bomb_number(kit):
    chance = kit.chance
    return beside(kit, chance.choice((
        Call(Global("fractions", "Fraction"), ("1e400000000",)),
        Call(kit.builtin("int"), (Call(Global("decimal", "Decimal"), ("1e400000000",)),)),
        Call(kit.builtin("bytearray"), (Call(kit.builtin("int"), ("9999999999",)),)))))


def bomb_array(kit):
    return beside(kit, Call(Global("numpy", "ndarray"), ((10**5, 10**6),), how=kit.chance.choice(("reduce", "new"))))


def doubled(depth, combine):
    return Code(b"N\x85" + combine * depth)


def bomb_key(kit):
    """A key that is a tuple of itself, forty deep: its hash takes 2^40 steps."""
    return beside(kit, Items([(doubled(40, b"2\x86"), 1)]))


def bomb_text(kit):
    nested = doubled(34, b"2\x86")
    name = kit.chance.choice(("str", "str", "Tensor"))
    if name == "str":
        return beside(kit, Call(kit.builtin("str"), (nested,)))
    return beside(kit, Call(Global("torch", "Tensor"), (Code(b"G\x3f\xf0" + b"\0" * 6 + b"\x85" + b"2\x86" * 30),)))


def integers_of_one_hash():
    modulus = 2**61 - 1
    return [i * modulus for i in range(1, 40001)]


@functools.lru_cache
def integers_on_one_path(bits=17):
    """Integers that fill two fifths of a dict of 2^bits slots, and then integers for which Python searches long.

    The search goes from slot i to 5 i + 1 + (hash >> 5 step), until the shift leaves 0. The hash of an integer is
    the integer. For each of the later integers, these slots are taken by the first ones, and the last slot is near
    one start of the same path. Source: Objects/dictobject.c."""
    size, first = 2**bits, 2**bits * 2 // 5
    wanted = size * 2 // 3 - 1 - first
    near, slot, passed = numpy.zeros(size, bool), first + 1, 0
    while passed < wanted // 4:
        near[slot] = True
        passed += slot >= first
        slot = (5 * slot + 1) % size
    chance, found, u64 = numpy.random.default_rng(1), set(), numpy.uint64

    def after(slots, numbers, step):
        return (5 * slots + (numbers >> u64(5 * step)) + u64(1)) & u64(size - 1)

    while len(found) < wanted:
        numbers = chance.integers(0, first, 2**19, dtype=u64)
        slots, step = numbers, 0
        while len(numbers):
            step += 1
            bit = bits + 5 * (step - 1)
            if bit < 60:  # five more bits, with a few attempts
                digits = chance.integers(0, min(32, 2**(60 - bit)), len(numbers), dtype=u64)
                for _ in range(6):
                    free = after(slots, numbers | digits << u64(bit), step) >= first
                    digits[free] = chance.integers(0, min(32, 2**(60 - bit)), int(free.sum()), dtype=u64)
                numbers = numbers | digits << u64(bit)
            slots, ended = after(slots, numbers, step), numbers >> u64(5 * step) == 0
            found.update(numbers[ended & near[slots] & (numbers >= size)].tolist())
            going = ~ended & (slots < first)
            numbers, slots = numbers[going], slots[going]
    return [*range(first), *sorted(found)[:wanted]]


def nested_frozen_sets(kit):
    """Two frozensets of frozensets that are equal, but not the same: Python compares 2^40 frozensets."""
    def made(*elements):
        return Shared(Call(kit.builtin("frozenset"), (list(elements),)))

    def outermost():
        level = made(1)
        for _ in range(40):
            level = made(level, made(level))
        return level

    return Call(kit.builtin("set"), ([outermost(), outermost()],))


def bomb_collisions(kit):
    """Keys of one hash, keys that are searched on one path, and keys that take long to compare."""
    form = kit.chance.choice(("hash", "path", "complex", "sets"))
    if form == "sets":
        return beside(kit, nested_frozen_sets(kit))
    if form == "complex":
        numbers = [Call(kit.builtin("complex"), (1e12 - 1000003.0 * i, float(i))) for i in range(1, 25001)]
        return beside(kit, Call(kit.builtin("set"), (numbers,)))
    numbers, length = (integers_of_one_hash(), 10) if form == "hash" else (integers_on_one_path(), 8)
    return beside(kit, Code(b"}(" + b"".join(
        b"\x8a" + bytes([length]) + number.to_bytes(length, "little") + b"N" for number in numbers) + b"u"))


# The constants of Python's hash of tuples. Source: Objects/tupleobject.c (xxHash).
PRIME1, PRIME2, PRIME5, MASK = 11400714785074694791, 14029467366897019727, 2870177450012600261, 2**64 - 1


@functools.lru_cache
def colliding_pairs(count):
    """Pairs of integers that all have one hash in Python 3.8 and later."""
    def lane(state, number):
        state = (state + number * PRIME2) & MASK
        return ((state << 31 | state >> 33) * PRIME1) & MASK

    wanted, inverse, pairs, first = lane(lane(PRIME5, 0), 0), pow(PRIME2, -1, 2**64), [], 0
    state = (wanted * pow(PRIME1, -1, 2**64)) & MASK
    before = (state >> 31 | state << 33) & MASK
    while len(pairs) < count:
        first += 1
        second = ((before - lane(PRIME5, first)) * inverse) & MASK
        second -= 2**64 if second >= 2**63 else 0
        if -2**61 + 2 < second < 2**61 - 1 and second != -1:
            pairs.append((first, second))
    return pairs


def bomb_pairs(kit):
    """Keys that are pairs with one hash: in a dict, or in the list of a set."""
    pairs = [b"J" + struct.pack("<i", first) + b"\x8a\x08" + struct.pack("<q", second) + b"\x86"
             for first, second in colliding_pairs(kit.chance.choice((9000, 30000)))]
    if kit.chance.random() < 0.5:
        return beside(kit, Code(b"}(" + b"".join(pair + b"N" for pair in pairs) + b"u"))
    return beside(kit, Call(kit.builtin("set"), (Code(b"](" + b"".join(pairs) + b"e"),)))


def deep_tuple(kit):
    deep = Code(b")" + b"\x85" * 200000)
    return beside(kit, kit.chance.choice((Items([(deep, 1)]), Call(kit.builtin("set"), ([deep],)),
                                          Call(kit.builtin("str"), (deep,)))))


def encoding(kit):
    chance = kit.chance
    name = chance.choice(("punycode", "rot13", "utf-7", "cp037", "idna", "uu_codec", "mac_roman"))
    node = Call(kit.builtin(chance.choice(("bytearray", "bytes"))), ("text", name))
    if chance.random() < 0.3:
        node = Call(kit.builtin("str"), (b"text", name))
    return beside(kit, node)


# --- files of two formats ---


def tar_fields(before, data):
    """Makes the first 512 bytes of `before` and `data` a V7 tar header. `data` is free text."""
    head = bytearray((before + data)[:512])
    head[329:345] = b"0000000\0" * 2
    head[100:148] = b"0000644\0" + b"0000000\0" * 2 + b"00000000000\0" * 2
    head[148:156] = b" " * 8
    head[156:157] = b"0"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + (before + data)[512:]


def tar_legacy(kit):
    chance = kit.chance
    kit.container, kit.material = "legacy", Material(chance, True)
    magic, protocol, _ = legacy_head(chance)
    text = b"\x80\x02}X\x04\0\0\0textX" + struct.pack("<I", 600)
    fields = tar_fields(magic + protocol + text, b"x" * 600)
    system = fields[len(magic + protocol):] + b"s."
    emitter = kit.emitter()
    emitter.value(kit.root())
    keys = sorted(kit.material.storages)
    return b"".join([magic, protocol, system, emitter.finish(), pickled(keys, chance),
                     legacy_storages(kit.material.storages, keys)])


def tar_pickle(kit):
    text = b"\x80" + bytes([kit.chance.choice((2, 3, 4))]) + b"}X\x04\0\0\0textX" + struct.pack("<I", 600)
    return tar_fields(text, b"x" * 600) + b"sX\x04\0\0\0iterK\x05s."


def safetensors(kit, header, data):
    return struct.pack("<Q", len(header)) + header + data


def tar_safetensors(kit):
    data = kit.material.elements("float32", 6)
    start = b'{"__metadata__":{"t":"'
    fields = tar_fields(b"\0" * 8 + start, b"x" * 600)[8:].replace(b"\0", b" ")
    rest = b'"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
    header = fields + rest
    header += b" " * (-len(header) % 8)
    whole = bytearray(safetensors(kit, header, data))
    whole[148:156] = b" " * 8
    whole[148:156] = b"%06o  " % sum(whole[:512])
    return bytes(whole)


def safetensors_pickle(kit):
    """The header's length is the opcode SHORT_BINUNICODE and its size. A text in the metadata hops
    from there to the header's end, and the elements of a tensor go on."""
    start = b'{"__metadata__":{"t":"'
    skip = 8 + len(start) - 2
    size = 0x8C + 256 * skip
    code = kit.chance.choice((UNSEEN, b"(" + UNSEEN + b"1N", UNSEEN + b"\x85")) + b"."
    data = code + b"\0" * (-len(code) % 4)
    last = b'"},"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (len(data), len(data))
    left = size - len(start)
    hops = b""
    while left > 0:
        step = left if left <= 2 + 126 else min(102, left - 80)
        hops += b"U" + bytes([step - 2]) + b"x" * (step - 2)
        left -= step
    hops = hops[:len(hops) - len(last)] + last
    return struct.pack("<Q", size) + start + hops + data


FORMS = {
    "class: dump_patches": class_build,
    "class: attribute": class_attribute,
    "memory: keywords": new_keywords,
    "memory: dtype flags": dtype_flags,
    "memory: scalar": scalar_object,
    "bomb: range": bomb_range,
    "bomb: bytes": bomb_bytes,
    "bomb: tensor": bomb_tensor,
    "bomb: number": bomb_number,
    "bomb: array": bomb_array,
    "bomb: key": bomb_key,
    "bomb: text": bomb_text,
    "bomb: collisions": bomb_collisions,
    "bomb: pairs": bomb_pairs,
    "bomb: deep tuple": deep_tuple,
    "bomb: encoding": encoding,
    "polyglot: tar, legacy": tar_legacy,
    "polyglot: tar, pickle": tar_pickle,
    "polyglot: tar, safetensors": tar_safetensors,
    "polyglot: safetensors, pickle": safetensors_pickle,
}
