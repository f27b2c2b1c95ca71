#!/usr/bin/env python
"""Writes files in this folder with another PyTorch than the system's, for tests/torch/honest.py.

    write_honest_files.py            in an environment with that PyTorch; Python 2.7 or later

The values are those of tests/torch/honest_contents.py. A file is called by its writer, "torch1.5-py37.shared.pth".
Files over 4 KB are left out, so that all of them stay small. expected.txt says what the tensors are; the lines of
files that are written anew are replaced. The safetensors files are from write_safetensors.py and write_safetensors.rs.
"""

import os
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "torch"))
import honest_cases  # noqa: E402
import honest_contents  # noqa: E402

LARGEST = 4096

# What writers differ in; of the rest, the system's PyTorch writes all.
OLD = ("dtypes_common parameters views shared expanded basicsr optimizer_adam scheduler_multi_step torch_size "
       "data_parallel_metadata beside_ordered_dict_attributes beside_default_dict beside_bytes beside_sets "
       "beside_datetime beside_namespace torch_version torch_device numpy_metrics numpy_array_forms").split()
BETWEEN = "shared dtypes_common parameters torch_version scheduler_multi_step numpy_metrics".split()
NEW = ("dtypes_common parameters tensor_attributes buffers shared expanded sparse_coo quantized_per_tensor conjugate "
       "negative meta scheduler_one_cycle data_parallel_metadata beside_paths torch_version torch_dtypes "
       "numpy_metrics numpy_array_forms dtype_uint16 dtype_float8_e4m3fn").split()

# Saved in a zip archive; the others in a stream of pickles, which is smaller. "shared" is saved in both.
ZIPPED = "shared tensor_attributes buffers negative sparse_coo dtype_uint16 torch_version numpy_metrics".split()


def wanted():
    version = honest_cases.version()
    return OLD if version < (1, 4) else NEW if version >= (2, 6) else BETWEEN


def containers(name):
    if honest_cases.version() < (1, 4):  # which knows no archives
        return (False,)
    return (True, False) if name == "shared" else (name in ZIPPED,)


def writer():
    major, minor = honest_cases.version()
    return "torch%d.%d-py%d%d" % (major, minor, sys.version_info[0], sys.version_info[1])


def save(value, path, zipped):
    if honest_cases.version() < (1, 4):
        torch.save(value, path)
    else:
        torch.save(value, path, _use_new_zipfile_serialization=zipped)
    if os.path.getsize(path) > LARGEST:
        raise ValueError("%d bytes are too many" % os.path.getsize(path))


def described(case):
    lines = []
    for name, tensor in (case.tensors or {}).items():
        if tensor.layout == torch.strided and tensor.device.type != "meta":
            lines.append("  " + honest_cases.expected_line(name, tensor))
    return lines


def read_expected(path):
    """The lines of each file; its own line is "FILE" or "FILE unread NAME...". """
    expected, current = {}, None
    for line in open(path).read().splitlines() if os.path.exists(path) else ():
        if line.startswith("  "):
            expected[current].append(line)
        else:
            current = line
            expected[current] = []
    return expected


def write_without_crc(expected):
    """From 2.6 on, writers may leave the checksums out."""
    case = next(case for case in honest_contents.cases() if case.name == "shared")
    name = writer() + ".without_crc.pth"
    torch.serialization.set_crc32_options(False)
    save(case.value, os.path.join(HERE, name), True)
    expected[name] = described(case)


def main():
    names = sys.argv[1:] or wanted()
    path = os.path.join(HERE, "expected.txt")
    expected = read_expected(path)
    for case in honest_contents.cases():
        for zipped in containers(case.name) if case.name in names else ():
            name = "%s.%s%s.pth" % (writer(), case.name, "" if zipped else ".legacy")
            for known in [line for line in expected if line.split(" ")[0] == name]:
                del expected[known]
            target = os.path.join(HERE, name)
            try:
                save(case.value, target, zipped)
            except Exception as error:  # whatever this version raises
                print("left out %s: %s" % (name, error))
                if os.path.exists(target):
                    os.remove(target)
                continue
            expected[name + (" unread " + " ".join(case.unread) if case.unread else "")] = described(case)
    if hasattr(torch.serialization, "set_crc32_options"):
        write_without_crc(expected)
    with open(path, "w") as out:
        for name in sorted(expected):
            out.write("\n".join([name] + expected[name]) + "\n")


main()
