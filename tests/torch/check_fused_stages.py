#!/usr/bin/python3
"""Fused checkpoints of the later generations against PyTorch: loads them, and runs them.

    check_fused_stages.py CASES FUSED

CASES is the folder that make_stage_cases.py filled. FUSED has NAME.pth and NAME.safetensors: the
fused form of case NAME. Prints a line for each, and ends with 1 where one differs.
"""

import collections
import pathlib
import sys

import numpy
import torch

from check_fused import load_safetensors
from make_stage_cases import is_first, new_network
from stage_cases import CASES


def load(path):
    """The state dict: nothing is around it but texts and numbers that say what it is of."""
    if path.suffix == ".safetensors":
        return load_safetensors(path)
    state = torch.load(path, weights_only=True)
    return collections.OrderedDict(
        (key, value) for key, value in state.items() if isinstance(value, torch.Tensor))


def problem_of(path, folder):
    name = path.stem
    case = CASES[name]
    state = load(path)
    # As fuse() leaves it, also what was built with fused convolutions.
    net = new_network(dict(case, net=dict(case["net"], fused_init=False)) if not is_first(case) else case,
                      fused=True)
    wanted = net.state_dict()
    if set(state) != set(wanted):
        return f"other keys than PyTorch's: {sorted(set(state) ^ set(wanted))[:4]}"
    for key, value in state.items():
        if not value.is_contiguous() or value.is_floating_point() != wanted[key].is_floating_point():
            return f"{key} isn't plain"
        if not value.is_floating_point() and key in ("scale", "scale_tensor", "model_version") \
                and not torch.equal(value, wanted[key]):
            return f"{key} is {value}, not {wanted[key]}"
    net.load_state_dict(state, strict=True)
    net = net.double().eval()
    was_fused = case["net"].get("fused", False)
    half = not was_fused and any(value.dtype == torch.float16 for value in state.values())
    for line in (folder / f"{name}.txt").read_text().split():
        image = torch.from_numpy(numpy.load(folder / f"{line}.in.npy")).double()
        want = torch.from_numpy(numpy.load(folder / f"{line}.out.npy")).double()
        with torch.no_grad():
            difference = float((net(image) - want).abs().max() / want.abs().max())
        if difference > (1e-2 if half else 1e-6):
            return f"the output differs by {difference:.1e} of the largest"
    if path.suffix == ".pth" and list(state) != list(wanted):
        place = next(i for i, pair in enumerate(zip(state, wanted)) if pair[0] != pair[1])
        return f"{list(state)[place]} is where PyTorch has {list(wanted)[place]}"
    return ""


def main():
    torch.set_num_threads(1)
    failures = []
    for path in sorted(pathlib.Path(sys.argv[2]).iterdir()):
        problem = problem_of(path, pathlib.Path(sys.argv[1]))
        print(f"{path.name:40} {problem or 'the same'}")
        failures += [f"{path.name}: {problem}"] if problem else []
    if failures:
        sys.exit("error: " + "\n".join(failures))


if __name__ == "__main__":
    main()
