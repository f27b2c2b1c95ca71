"""The forms by which a file means one thing to this program and another to PyTorch: frames, numbers,
texts, dicts, and objects that change.

Each form takes a Kit and returns the bytes of one file. Everything around the form is honest and
made by oracle_honest. The classes are those of past findings, and their neighbours.
"""

import struct

from oracle_build import (Call, Code, Global, Items, Material, Reference, Shared, contiguous, legacy_head,
                          legacy_storages, pickled)
from oracle_honest import ORDERED_DICT, WRAPPERS

PARAMETER = Global("torch._utils", "_rebuild_parameter")
TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
# A name that no list allows, and whose call does no harm.
UNSEEN = b"cposix\ngetpid\n)R"


def beside(kit, value):
    """The value stands in an honest file as one of the extras, or in a pickle alone."""
    if kit.chance.random() < 0.1:
        kit.container = "pickle"
        return kit.file(Items([("iter", 5), ("value", value)]))
    return kit.file(kit.root(extras=[("value", value)]))


def weights(kit, items):
    """The items are a part of the state dict of an otherwise honest file."""
    pairs = [(f"honest.{i}.weight", kit.tensor()) for i in range(kit.chance.randint(1, 2))] + items
    kit.chance.shuffle(pairs)
    if kit.chance.random() < 0.5:
        return kit.file(kit.root(Items(pairs)))
    return kit.file(kit.root(Call(ORDERED_DICT, items=pairs)))


def float_tensor(kit, shape=(2, 3)):
    return kit.tensor(shape, "float32")


def padded(code, size):
    """Opcodes that do nothing, behind others: `size` bytes in all."""
    return code + b"N0" * ((size - len(code)) // 2)


# --- frames ---


def body_of(kit):
    """A root dict on the stack, without a frame; and the emitter."""
    kit.container, kit.protocol, kit.rare = "zip", kit.chance.choice((4, 5)), 0
    kit.material = Material(kit.chance, False)
    emitter = kit.emitter()
    emitter.value(Items([("params", kit.state_dict()), ("iter", kit.chance.randrange(1000))]))
    return emitter


def frame(length):
    return b"\x95" + struct.pack("<Q", length)


def hidden_code(kit, emitter):
    """What CPython runs instead of what is seen, with the root and a key on the stack."""
    if kit.chance.random() < 0.6:
        return UNSEEN
    return b"0h%cN" % emitter.memo["text", "params"]  # root["params"] = None


def frame_argument(kit):
    emitter = body_of(kit)
    hidden = hidden_code(kit, emitter)
    hidden = padded(hidden, len(hidden) + 2 * kit.chance.randrange(9))
    cut = kit.chance.randrange(1, 10)
    # Read behind the frame: the rest of the text, and of the next text its head of 5 bytes.
    size = cut + 5
    seen = b"X" + struct.pack("<I", size) + b"k" * (size - cut)
    first = bytes(emitter.out) + seen
    rest = b"t" * cut + b"X" + struct.pack("<I", len(hidden)) + hidden + b"s."
    return kit.packed(emitter.head + frame(len(first)) + first + rest)


def frame_line(kit):
    emitter = body_of(kit)
    theirs, ours = 150 + kit.chance.randrange(50), 3
    emitter.value("pad")
    emitter.op(b"X" + struct.pack("<I", 5000) + b"x" * 5000 + b"s")
    for index, tensor in ((theirs, float_tensor(kit)), (int(f"{ours}{theirs}"), float_tensor(kit))):
        emitter.value(f"honest{index}")
        emitter.value(Items([("w", tensor)]))
        emitter.op(b"r" + struct.pack("<I", index) + b"s")
    emitter.value("params_ema")
    first = bytes(emitter.out) + b"g%d" % ours
    return kit.packed(emitter.head + frame(len(first)) + first + b"%d\ns." % theirs)


def frame_nested(kit):
    emitter = body_of(kit)
    hidden = hidden_code(kit, emitter)
    emitter.value("key")
    seen = b"X" + struct.pack("<I", len(hidden))
    first = bytes(emitter.out) + frame(len(hidden) + 2) + seen
    return kit.packed(emitter.head + frame(len(first)) + first + hidden + b"s.")


def frame_beyond_stop(kit):
    """The facts about the writing system end in a frame that reaches over our object and into the
    bytes of a storage, where another object begins."""
    chance = kit.chance
    ours, theirs = Material(chance, True), Material(chance, True)
    theirs.next_address += 10**9
    shape = (2, 3)
    blob = ours.new_key()
    ours.storages[blob] = ("uint8", b"")
    key = ours.storage("float32", 6)
    hidden = theirs.storage("float32", 6)
    their_pickle = pickled(Items([("w", theirs.on(hidden, 0, shape, contiguous(shape)))]), chance)
    if chance.random() < 0.5:
        their_pickle = b"\x80\x02" + UNSEEN + b"0" + their_pickle[2:]
    their_part = their_pickle + pickled([hidden], chance) + legacy_storages(theirs.storages, [hidden])
    pad = 9000 + chance.randrange(500)
    size = pad + len(their_part)
    ours.storages[blob] = ("uint8", b"\0" * size)
    our_pickle = pickled(Items([("w", ours.on(key, 0, shape, contiguous(shape))),
                                ("blob", ours.on(blob, 0, (size,), (1,)))]), chance)
    between = our_pickle + pickled([key, blob], chance) + legacy_storages(ours.storages, [key])
    length = 2 + len(between) + 8 + pad
    system = b"\x80\x04" + frame(length) + b"}."
    blob_part = struct.pack("<q", size) + b"\0" * pad + their_part
    return b"".join([*legacy_head(chance)[:2], system, between, blob_part])


# --- one file, two networks ---


def octal(kit):
    material, chance = kit.material, kit.chance
    key = material.storage("float32", 200)
    number = Code(b"I0%o\n" % chance.choice((8, 9, 12, 16)))
    form = chance.randrange(4)
    if form == 0:
        node = material.on(key, number, (2, 3), (3, 1))
    elif form == 1:
        node = material.on(key, 0, (number,), (1,))
    elif form == 2:
        node = material.on(key, 0, (2, 3), (number, 1))
    else:
        return beside(kit, Code(b"I0100\n"))
    return weights(kit, [("w", node)])


def octal_long(kit):
    return beside(kit, Code(kit.chance.choice((b"L010L\n", b"L0777\n", b"L00L\n", b"L-01L\n"))))


def escaped(text, chance):
    """A STRING line in which some characters are escapes."""
    at = chance.randrange(len(text))
    escape = chance.choice(("\\x%02x", "\\%03o")) % ord(text[at])
    return Code(("S'" + text[:at] + escape + text[at + 1:] + "'\n").encode())


def spelled_pairs(kit, spelled):
    """Keys that are spelled in another way: of weights, of a wrapper, or a repetition of a key."""
    chance = kit.chance
    form = chance.randrange(4)
    if form == 0:
        return weights(kit, [(spelled("body.weight"), float_tensor(kit))])
    if form == 1:
        pairs = [("params", kit.state_dict()), (spelled("params_ema"), kit.state_dict())]
        return kit.file(Items(pairs))
    if form == 2:
        pairs = [("params", kit.state_dict()), (spelled("params"), kit.state_dict())]
        return kit.file(Items(pairs))
    pairs = [("w", float_tensor(kit)), (spelled("w"), float_tensor(kit))]
    return kit.file(kit.root(Items(pairs)))


def string_escape(kit):
    return spelled_pairs(kit, lambda text: escaped(text, kit.chance))


def storage_escape(kit):
    """Two spellings of one storage in a legacy stream."""
    chance = kit.chance
    kit.container, kit.material = "legacy", Material(chance, True)
    key = kit.material.storage("float32", 6)
    tensor = kit.material.on(key, 0, (2, 3), (3, 1))
    spelled = escaped(key, chance)
    plain = kit.material.storages[key]
    identity = ("storage", Global("torch", "FloatStorage"), spelled, "cpu", 6, None)
    other = Call(TENSOR, (Reference(identity), 0, (2, 3), (3, 1), False, Call(ORDERED_DICT)))
    pickle = pickled(Items([("a", tensor), ("b", other)]), chance)
    data = struct.pack("<q", 6) + plain[1]
    second = struct.pack("<q", 6) + kit.material.elements("float32", 6)
    keys = pickled([key, spelled], chance)
    return b"".join([*legacy_head(chance), pickle, keys, data, second])


def unicode_backslash(kit):
    chance = kit.chance

    def spelled(text):
        form = chance.randrange(3)
        if form == 0:
            return Code(b"V\\\\u0041" + text.encode() + b"\n")
        if form == 1:
            return Code(b"V" + text.encode() + "größe".encode() + b"\n")
        return Code(b"V" + text.encode() + b"\\\\\\\\u005f\n")

    return spelled_pairs(kit, spelled)


def key_call(kit):
    chance = kit.chance

    def spelled(text):
        return chance.choice((
            lambda: Call(kit.builtin("str"), (text,)),
            lambda: Call(kit.builtin("str"), (text,), how="new"),
            lambda: Call(kit.builtin("str"), (text.encode(), "ascii")),
            lambda: Call(Global("torch.torch_version", "TorchVersion"), (text,), how="new")))()

    return spelled_pairs(kit, spelled)


def constructor(kit):
    chance = kit.chance
    hidden = kit.state_dict(2)
    shown = [("shown.weight", float_tensor(kit))]
    pairs = [["hidden.weight", float_tensor(kit)]]
    inside = Items([("hidden.weight", float_tensor(kit)), ("shown.weight", float_tensor(kit))])
    choices = (
        lambda: Call(ORDERED_DICT, (inside,), items=shown if chance.random() < 0.5 else None),
        lambda: Call(ORDERED_DICT, (hidden,), items=shown),
        lambda: Call(ORDERED_DICT, (tuple(map(tuple, pairs)),), items=shown),
        lambda: Call(ORDERED_DICT, (Call(kit.builtin("list"), (pairs,)),), items=shown),
        lambda: Call(Global("collections", "defaultdict"), (None, inside), items=shown),
        lambda: Call(Global("collections", "defaultdict"), (None, pairs), items=shown),
        lambda: Call(kit.builtin("dict"), (inside,), items=shown),
        lambda: Call(kit.builtin("dict"), (pairs,), items=shown),
        lambda: Call(Global("collections", "Counter"), (inside,), items=shown),
        lambda: Call(Global("copyreg" if kit.protocol >= 3 else "copy_reg", "_reconstructor"),
                     (ORDERED_DICT, kit.builtin("dict"), inside), items=shown),
    )
    return kit.file(kit.root(chance.choice(choices)()))


def ordered_dict_new(kit):
    pairs = [["w", float_tensor(kit)], ["v", float_tensor(kit)]]
    shown = [("x", float_tensor(kit))] if kit.chance.random() < 0.5 else None
    return kit.file(kit.root(Call(ORDERED_DICT, (pairs,), items=shown, how="new")))


def changed_after(kit):
    """A list or dict that is changed after a call or BUILD took it."""
    chance = kit.chance
    tensor, other = float_tensor(kit), float_tensor(kit)
    kit.protocol = min(kit.protocol, 3)

    def ordered_dict(emitter):
        emitter.value(ORDERED_DICT)
        emitter.value([["w", tensor]])
        index = emitter.put(emitter.count)
        emitter.op(b"\x85R")
        emitter.get(index)
        emitter.value(["v" if chance.random() < 0.5 else "w", other])
        emitter.op(b"a0")

    def copied(emitter):
        is_default = chance.random() < 0.5
        emitter.value(Global("collections", "defaultdict") if is_default else ORDERED_DICT)
        if is_default:
            emitter.op(b"N")
        emitter.value(Items([("w", tensor)]))
        index = emitter.put(emitter.count)
        emitter.op(b"\x86R" if is_default else b"\x85R")
        emitter.value("x")
        emitter.value(float_tensor(kit))
        emitter.op(b"s")
        emitter.get(index)
        emitter.value("v")
        emitter.value(other)
        emitter.op(b"s0")

    def shape(emitter):
        key = kit.material.storage("float32", 24)
        sizes = Shared([2])
        strides = Shared([3])
        emitter.value(Items([("w", kit.material.on(key, 0, (1,), (1,)))]))
        emitter.value("t")
        emitter.value(TENSOR)
        emitter.op(b"(")
        emitter.value(kit.material.reference(key))
        emitter.value(0)
        emitter.value(sizes)
        emitter.value(strides)
        emitter.value(False)
        emitter.value(Call(ORDERED_DICT))
        emitter.op(b"tRs")
        for shared, number in ((sizes, 3), (strides, 1)):
            emitter.value(shared)
            emitter.value(number)
            emitter.op(b"a0")

    def module(emitter):
        state = kit.module().state
        emitter.value(Global("torch.nn.modules.container", "Sequential"))
        emitter.op(b")\x81")
        inner = {"training": False, "_buffers": Call(ORDERED_DICT), "_modules": Call(ORDERED_DICT)}
        inner["_parameters"] = Call(ORDERED_DICT, items=[("w", parameter(tensor))])
        inner["_non_persistent_buffers_set"] = set()
        for name in ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks",
                     "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"):
            inner[name] = state[name]
        emitter.value(inner)
        index = emitter.put(emitter.count)
        emitter.op(b"b")
        emitter.get(index)
        emitter.value("_parameters")
        emitter.value(Call(ORDERED_DICT, items=[("w", parameter(other))]))
        emitter.op(b"s0")

    return kit.file(kit.root(chance.choice((ordered_dict, copied, shape, module))))


def parameter(tensor):
    return Call(PARAMETER, (tensor, True, Call(ORDERED_DICT)))


def repeated_wrapper(kit):
    chance = kit.chance
    name = chance.choice(WRAPPERS)
    after = chance.choice((5, None, "text", [1, 2], {"a": 1}))
    pairs = [(name, kit.state_dict()), (name, after)]
    if chance.random() < 0.5:
        pairs.append(("iter", 5))
    if chance.random() < 0.3:
        return kit.file(Items([("a", Items(pairs))]))
    return kit.file(Items(pairs))


def repeated_key(kit):
    """Keys that are equal in Python: of one text, or numbers of several types."""
    chance = kit.chance
    first, second = chance.choice(((1, True), (1, 1.0), (0, False), (1, "1"), ("w", "w"), (2, 2.0)))
    after = float_tensor(kit) if chance.random() < 0.6 else 5
    return weights(kit, [(first, float_tensor(kit)), (second, after)])


def memo_gaps(kit):
    """Memo entries out of turn, with MEMOIZE between them: entries are counted, not numbered."""
    chance = kit.chance
    kit.protocol = 4

    def state_dict(emitter):
        start = emitter.count
        gap = start + chance.randrange(2, 6)
        emitter.op(b"}")
        emitter.value("a")
        emitter.value(float_tensor(kit))
        emitter.op(b"q" + bytes([min(gap + 60, 255)]) + b"s")
        emitter.op(b"X\x01\0\0\0b\x94")
        emitter.value(float_tensor(kit))
        emitter.op(b"\x94s")
        emitter.op(b"X\x01\0\0\0c")
        emitter.op(b"h" + bytes([chance.choice((min(gap + 60, 255), emitter.count + 2, emitter.count + 1))]))
        emitter.op(b"s")

    return kit.file(Items([("iter", 1), ("params", state_dict)]))


FORMS = {
    "frame: argument": frame_argument,
    "frame: line": frame_line,
    "frame: nested": frame_nested,
    "frame: beyond STOP": frame_beyond_stop,
    "number: octal": octal,
    "number: long": octal_long,
    "text: STRING escapes": string_escape,
    "text: storage keys": storage_escape,
    "text: UNICODE": unicode_backslash,
    "text: calls as keys": key_call,
    "dict: constructor": constructor,
    "dict: NEWOBJ": ordered_dict_new,
    "dict: repeated wrapper": repeated_wrapper,
    "dict: repeated key": repeated_key,
    "changed after use": changed_after,
    "memo: gaps": memo_gaps,
}
