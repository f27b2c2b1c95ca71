"""Published reference values of the stage generations: float64, weights by sines."""

import math
import sys

import torch

from aethernet_stages import AetherStages, PRESET_COUNTS, PRESETS

FULL = dict(channel_attention=True, spatial_attention=True)
LAST = dict(FULL, generation="G7d", embed_dim=17, hidden=25, res_scale=0.2)

# Network, whether its weights make it sensitive to epsilons, tensors filled, sum, sum of squares,
# four elements.
GOLDEN = [
    (dict(FULL, generation="G3"), False, 81, 115.777647322, 5494.989328536,
     (1.337641499, 3.783845079, 0.633282163, 4.424797645)),
    (dict(FULL, generation="G4"), False, 81, 126.720887253, 5438.588709416,
     (1.302026505, 3.841567950, 0.488364688, 4.378222883)),
    (dict(FULL, generation="G5.0"), False, 75, 290.847984450, 1276.730229720,
     (1.344534987, 0.051837622, -0.499347132, 0.779935003)),
    (LAST, False, 75, 337.028603305, 289.865930138,
     (1.069055944, 0.572968558, 0.113492153, 0.889500065)),
    (dict(generation="G7d", hidden=24, scale=4, channel_attention=True, res_scale=0.1,
          norm_type="layernorm"), False, 66, 822.404453520, 8540.371551639,
     (1.082504942, -3.164589691, 0.608747154, 1.620470292)),
    (dict(FULL, generation="G3"), True, 81, 1330.209124864, 8842160.971716827,
     (20.831004626, 350.593200657, 51.379054130, 145.922673637)),
    (dict(FULL, generation="G4"), True, 81, 1326.360655281, 8844080.015772132,
     (20.815892269, 350.652909621, 51.442098426, 145.873936396)),
    (dict(FULL, generation="G5.0"), True, 75, -2183.891385522, 1858421.354258498,
     (-1.803671049, -43.799190547, -33.726438914, -16.679848619)),
    (LAST, True, 75, 344.021223567, 333.743572516,
     (1.270393940, 0.549363595, 0.295671692, 1.039239171)),
]


def fill_sines(net, sensitive):
    """Gives the number of tensors filled."""
    t = 0
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if not value.is_floating_point() or name == "mean":
                continue
            b = torch.sin(0.7 * torch.arange(value.numel(), dtype=torch.float64) + 1.3 * t)
            if name.endswith("running_var"):
                b = (1 + 0.5 * b) * (0.001 if sensitive else 1)
            elif name.endswith("temperature"):
                b = 0.8 + 0.1 * b
            elif name.endswith("running_mean"):
                b = 0.2 * b
            elif "norm" in name and name.endswith(".weight"):
                b = 1 + 0.2 * b
            elif value.dim() > 1 and "norm" not in name and "error" not in name:
                b = b / math.sqrt(value.numel() / value.shape[0])
            else:
                b = b / 2
            is_weak = name.startswith(("fusion_convs.", "quant_fusion_layer.")) or (
                name.startswith("stages.") and name.split(".")[3] == "conv")
            if sensitive and is_weak:
                b = b * 0.03
            value.copy_(b.reshape(value.shape))
            t += 1
    return t


def differences(net, total, squares, points):
    """The largest difference from the published numbers, relative to them where they are above 1."""
    n = torch.arange(3 * 7 * 6, dtype=torch.float64)
    with torch.no_grad():
        y = net((0.5 + 0.5 * torch.sin(0.3 * n)).reshape(1, 3, 7, 6))[0]
    height, width = y.shape[1:]
    found = [y.sum(), (y * y).sum(), y[0, 0, 0], y[1, height // 2, width // 2],
             y[2, height - 1, width - 1], y[0, 3, 1]]
    return max(abs(float(have) - want) / max(1.0, abs(want))
               for have, want in zip(found, [total, squares, *points]))


def check_golden():
    for arguments, sensitive, filled, *published in GOLDEN:
        net = AetherStages(**arguments).double().eval()
        what = f"the network in aethernet_stages.py isn't AetherNet: {arguments}"
        if fill_sines(net, sensitive) != filled:
            sys.exit(f"{what} hasn't {filled} tensors to fill")
        for state in ("unfused", "fused"):
            difference = differences(net if state == "unfused" else net.fuse(), *published)
            if difference > 1e-8:
                sys.exit(f"{what} ({state}, sensitive: {sensitive}) is off by {difference:.1e}")
        # What the vectors are sensitive to, they do notice.
        if sensitive:
            net = AetherStages(**arguments).double().eval()
            fill_sines(net, True)
            net.set_eps(1e-5 if net.rules.eps == 1e-4 else 1e-4)
            difference = differences(net, *published)
            if difference < 1e-3:
                sys.exit(f"a wrong epsilon isn't noticed: {arguments}")


def check_presets():
    """Tensors and parameters of the presets; the largest, whose shapes are no news, are left out."""
    for name, counts in PRESET_COUNTS.items():
        if PRESETS[name]["embed_dim"] > 128:
            continue
        net = AetherStages("G7d", **PRESETS[name])
        for want in counts:
            parameters = sum(parameter.numel() for parameter in net.parameters())
            if (len(net.state_dict()), parameters) != want:
                sys.exit(f"{name} has {len(net.state_dict())} tensors, {parameters} parameters, not {want}")
            net.fuse()
