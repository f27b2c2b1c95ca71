"""Whatever holds a checkpoint, as a file that the program can read."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import tempfile
from typing import Any, BinaryIO, Dict, Iterator, List, Mapping, Tuple, Union

# PyTorch's and NumPy's names of types, and those of safetensors.
_TORCH_TYPES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}
_ARRAY_TYPES = {
    "|b1": "BOOL",
    "|u1": "U8",
    "|i1": "I8",
    "<u2": "U16",
    "<i2": "I16",
    "<u4": "U32",
    "<i4": "I32",
    "<u8": "U64",
    "<i8": "I64",
    "<f2": "F16",
    "<f4": "F32",
    "<f8": "F64",
}

#: A checkpoint: a path, the bytes of a file, an open binary file, a state_dict, or an object with state_dict().
Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, BinaryIO, Mapping[str, Any], Any]


class _Tensor:
    """A tensor ready for writing: its type and shape as safetensors has them, and its elements."""

    def __init__(self, name: str, value: Any) -> None:
        kind = str(getattr(value, "dtype", ""))
        if hasattr(value, "data_ptr") and hasattr(value, "detach"):
            self.type = _TORCH_TYPES.get(kind.rpartition(".")[2], "")
            value = value.detach().cpu().contiguous()
            self.shape = [int(size) for size in value.shape]
            self.bytes = int(value.numel()) * int(value.element_size())
        elif hasattr(value, "tobytes") and hasattr(value, "shape"):
            dtype = value.dtype
            if kind.startswith("bfloat16"):  # ml_dtypes
                self.type = "BF16"
            else:
                value = value.astype(dtype.newbyteorder("<"), copy=False)
                self.type = _ARRAY_TYPES.get(value.dtype.newbyteorder("<").str, "")
            self.shape = [int(size) for size in value.shape]
            self.bytes = int(value.nbytes)
        else:
            raise TypeError(
                f"state_dict: the value of {name!r} is of type {type(value).__name__}, not a tensor or array.\n"
                "Give the state_dict itself, for example checkpoint['params']."
            )
        if not self.type:
            raise TypeError(f"state_dict: {name!r} has elements of type {kind}, which can't be written")
        self._value = value

    def write(self, file: BinaryIO) -> None:
        if not self.bytes:
            return
        if hasattr(self._value, "data_ptr"):
            # The tensor is contiguous, on the CPU, and kept alive by self._value.
            file.write(memoryview((ctypes.c_char * self.bytes).from_address(self._value.data_ptr())))
        else:
            file.write(self._value.tobytes())


def write_safetensors(tensors: Mapping[str, Any], path: pathlib.Path) -> None:
    """Writes a state_dict as safetensors. Source of the format: README of the safetensors project."""
    items: List[Tuple[str, _Tensor]] = []
    for name, value in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"state_dict: the key {name!r} is not a text")
        if isinstance(value, Mapping):
            raise TypeError(
                f"state_dict: {name!r} is a mapping itself, so this is a whole checkpoint.\n"
                f"Give the state_dict in it: checkpoint[{name!r}], or save the checkpoint and give its path."
            )
        items.append((name, _Tensor(name, value)))
    header: Dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in items:
        header[name] = {
            "dtype": tensor.type,
            "shape": tensor.shape,
            "data_offsets": [offset, offset + tensor.bytes],
        }
        offset += tensor.bytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for _, tensor in items:
            tensor.write(file)


def _file_name(name: str, ending: str) -> str:
    """A file name for the checkpoint. It ends up in the model's metadata."""
    plain = "".join("_" if c in '<>:"/\\|?*' or ord(c) < 32 else c for c in os.path.basename(name)).strip(" .")
    plain = plain or "checkpoint"
    return plain if os.path.splitext(plain)[1] else plain + ending


@contextlib.contextmanager
def as_file(source: Source, name: str | None, ending: str = ".pth") -> Iterator[str]:
    """The path of a file with the checkpoint. A file of our own is removed at the end."""
    if hasattr(source, "state_dict") and callable(source.state_dict):
        source = source.state_dict()
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        yield path if not path.startswith("-") else os.path.join(".", path)
        return
    with tempfile.TemporaryDirectory(prefix="aether2onnx-") as folder:
        if isinstance(source, Mapping):
            file = pathlib.Path(folder, _file_name(name or "state_dict", ".safetensors"))
            write_safetensors(source, file)
        elif isinstance(source, (bytes, bytearray, memoryview)):
            file = pathlib.Path(folder, _file_name(name or "checkpoint", ending))
            file.write_bytes(source)
        elif hasattr(source, "read"):
            named = getattr(source, "name", None)
            file = pathlib.Path(folder, _file_name(name or (named if isinstance(named, str) else "checkpoint"), ending))
            with open(file, "wb") as copy:
                shutil.copyfileobj(source, copy)
        else:
            raise TypeError(
                f"source: {type(source).__name__} is not possible; a path, bytes, an open binary file or a "
                "state_dict is expected"
            )
        yield str(file)
