"""Checkpoints with random values beside the weights: shared objects, cycles, and every honest type in every place.

files(count, seed) gives (name, content, tensors), the same for the same seed.
"""

import argparse
import collections
import datetime
import decimal
import fractions
import io
import pathlib
import pickle
import random
import types

import numpy
import torch

import honest_emulations

WORDS = ("epoch iter lr name scale loss best history options state group buffer note rank data keys items values copy cuda "
         "größe 网络 a.b x/y").split()
NUMBERS = ("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 "
           "complex128").split()
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool)


class Maker:
    """Makes values, and keeps them to use them again."""

    def __init__(self, chance):
        self.chance = chance
        self.made = []  # values that may be shared
        self.open = []  # containers that may get another element, also one that contains them

    def number(self):
        kind = self.chance.randrange(5)
        if kind == 0:
            return self.chance.choice((True, False, None))
        if kind == 1:
            return self.chance.uniform(-1e6, 1e6)
        return self.chance.randrange(-(1 << self.chance.randint(1, 90)), 1 << self.chance.randint(1, 90))

    def text(self):
        return "".join(self.chance.choice(WORDS) for _ in range(self.chance.randrange(1, 4)))

    def key(self):
        kind = self.chance.randrange(8)
        if kind == 0:
            return self.chance.randrange(-5, 1000)
        if kind == 1:
            return (self.chance.randrange(100), self.text())
        if kind == 2:
            return numpy.int64(self.chance.randrange(1000))
        return self.text()

    def tensor(self):
        dtype = self.chance.choice(DTYPES)
        base = (torch.arange(self.chance.randint(4, 24)) % 7).to(dtype)
        shape = self.chance.randrange(6)
        if shape == 0:
            base = base[1:4]
        elif shape == 1:
            base = base[:4].reshape(2, 2).t()
        elif shape == 2:
            base = base[:1].expand(3)
        elif shape == 3:
            base = base[0]
        if dtype.is_floating_point and self.chance.random() < 0.3:
            return torch.nn.Parameter(base, requires_grad=self.chance.random() < 0.5)
        return base

    def of_numpy(self):
        array = numpy.arange(self.chance.randrange(7)).astype(self.chance.choice(NUMBERS))
        kind = self.chance.randrange(4)
        if kind == 0 and len(array):
            return array[-1]
        if kind == 1 and len(array) % 2 == 0:
            return numpy.asfortranarray(array.reshape(2, -1))
        return array.dtype if kind == 2 else array

    def leaf(self):
        number = self.chance.randrange
        kind = number(18)
        if kind < 5:
            return self.number()
        if kind < 8:
            return self.text()
        if kind < 10:
            return self.tensor()
        if kind < 12:
            return self.of_numpy()
        return (lambda: bytes(number(256) for _ in range(number(9))), lambda: bytearray(number(5)),
                lambda: datetime.datetime(2026, 1 + number(12), 1 + number(28), number(24)),
                lambda: pathlib.PurePosixPath("runs", self.text()), lambda: fractions.Fraction(number(9), 7),
                lambda: decimal.Decimal(number(999)) / 8, lambda: slice(number(3), None),
                lambda: range(number(9)), lambda: torch.Size([number(4), 2]), lambda: torch.device("cuda", number(3)),
                lambda: self.chance.choice(DTYPES), lambda: complex(number(9), 1),
                lambda: {number(9), self.text()}, lambda: frozenset((self.text(), 3)),
                lambda: collections.Counter(self.text()))[number(15)]()

    def value(self, depth):
        if self.made and self.chance.random() < 0.15:
            return self.chance.choice(self.made)
        if depth == 0 or self.chance.random() < 0.3:
            return self.leaf()
        count = self.chance.randrange(5)
        result = self.container(self.chance.randrange(9), count, depth - 1)
        self.made.append(result)
        return result

    def container(self, kind, count, depth):
        if kind == 0:
            return tuple(self.value(depth) for _ in range(count))
        if kind == 1:
            return collections.deque((self.value(depth) for _ in range(count)), maxlen=self.chance.choice((None, 9)))
        if kind == 2:
            names = {self.text().replace(" ", "_"): self.value(depth) for _ in range(count)}
            return self.chance.choice((argparse.Namespace, types.SimpleNamespace))(**names)
        if kind < 6:
            result = [self.value(depth) for _ in range(count)]
            self.open.append(result.append)
            return result
        pairs = [(self.key(), self.value(depth)) for _ in range(count)]
        if kind == 6:
            result = collections.OrderedDict(pairs)
            if self.chance.random() < 0.3:
                result.note = self.value(depth)
        elif kind == 7:
            result = collections.defaultdict(self.chance.choice((list, int, dict, None)), pairs)
        else:
            result = dict(pairs)
        self.open.append(lambda value: result.__setitem__("more", value))
        return result

    def close(self):
        """Puts containers into each other, and into themselves."""
        for add in self.open:
            if self.made and self.chance.random() < 0.15:
                add(self.chance.choice(self.made))


def files(count, seed):
    for number in range(count):
        chance = random.Random(seed * 1000003 + number)
        maker = Maker(chance)
        weights = collections.OrderedDict([("layer.weight", torch.arange(6.0).reshape(2, 3))])
        weights.update((f"layer.{i}.weight", maker.tensor()) for i in range(chance.randrange(4)))
        beside = [("beside", {maker.text(): maker.value(4) for _ in range(chance.randrange(1, 6))})]
        beside.insert(chance.randrange(2), ("params", weights))
        maker.close()
        protocol = chance.randint(2, 5)
        module = honest_emulations.PythonPickle if chance.random() < 0.2 else pickle
        out = io.BytesIO()
        torch.save(dict(beside), out, pickle_module=module, pickle_protocol=protocol,
                   _use_new_zipfile_serialization=chance.random() < 0.6)
        yield f"random_{seed}_{number}.pth", out.getvalue(), weights
