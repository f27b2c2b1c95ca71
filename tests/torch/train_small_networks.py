#!/usr/bin/python3
"""Trains one small x2 network of each later generation: the files in tests/data/trained.

    train_small_networks.py PICTURES FOLDER [NAME ...]

PICTURES has hr/*.png and lr_x2/*.png, pairs of 8-bit RGB pictures. The last pair is not trained on; the
PSNR of the network and of bicubic interpolation on it goes to the standard output. Each file is written as its
generation's trainer writes it: {"params": state_dict}, and "arch_config" from G6.1 on. One thread and fixed
seeds: the same PyTorch on the same processor writes the same bytes.

Weights of a trained network are not what random ones are: a few channels carry the picture, variances differ
by orders of magnitude, and errors are small beside the output.
"""

import pathlib
import struct
import sys
import zlib

import torch
from torch.nn import functional

from aethernet_stages import AetherStages, DeploymentNorm

BOTH = dict(channel_attention=True, spatial_attention=True)
# The factor of the residuals that the published rule gives for widths up to 64.
FIFTH = dict(res_scale=0.2)
NETWORKS = {
    "g3": dict(BOTH, generation="G3"),
    "g4": dict(BOTH, generation="G4"),
    "g5_0": dict(BOTH, generation="G5.0"),
    "g5_1": dict(generation="G5.1", channel_attention=True),
    "g5_2": dict(generation="G5.2", norm_type="layernorm"),
    "g5x": dict(BOTH, **FIFTH, generation="G5x"),
    "g6_0": dict(BOTH, **FIFTH, generation="G6.0"),
    "g6_1": dict(FIFTH, generation="G6.1", channel_attention=True),
    "g7a": dict(BOTH, **FIFTH, generation="G7a"),
    "g7b": dict(FIFTH, generation="G7b", channel_attention=True),
    "g7c": dict(FIFTH, generation="G7c"),
    "g7d": dict(BOTH, **FIFTH, generation="G7d"),
    "g7d_layernorm": dict(FIFTH, generation="G7d", channel_attention=True, norm_type="layernorm"),
}
SHAPE = dict(embed_dim=16, depths=(2, 1), hidden=24, large=7, small=3, scale=2)
STEPS = 500
BATCH = 4
PATCH = 32  # pixels of the small picture
FROZEN = 0.7  # of the steps; then the statistics stay what they are


# --- pictures ------------------------------------------------------------------------------------

def unfiltered(rows, height, width, depth):
    """Undoes the five filters of PNG's lines (its specification, section 9)."""
    stride = width * depth
    above = bytearray(stride)
    for y in range(height):
        kind, line = rows[y * (stride + 1)], bytearray(rows[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            left = line[i - depth] if i >= depth else 0
            corner = above[i - depth] if i >= depth else 0
            if kind == 1:
                predicted = left
            elif kind == 2:
                predicted = above[i]
            elif kind == 3:
                predicted = (left + above[i]) // 2
            elif kind == 4:
                distances = (abs(above[i] - corner), abs(left - corner), abs(left + above[i] - 2 * corner))
                predicted = (left, above[i], corner)[distances.index(min(distances))]
            else:
                predicted = 0
            line[i] = (line[i] + predicted) & 255
        yield line
        above = line


def read_png(path):
    """(3, H, W) from 0 to 1."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, *form = struct.unpack(">IIBBBBB", body)
            if form != [8, 2, 0, 0, 0]:
                sys.exit(f"{path}: only 8-bit RGB without interlacing")
        packed += body if kind == b"IDAT" else b""
        at += length + 12
    lines = b"".join(unfiltered(zlib.decompress(packed), height, width, 3))
    return torch.tensor(bytearray(lines)).view(height, width, 3).permute(2, 0, 1).float() / 255


def psnr(picture, truth):
    return float(-10 * torch.log10(functional.mse_loss(picture.clamp(0, 1), truth)))


# --- training ------------------------------------------------------------------------------------

class BatchStatistics:
    """The norms with the statistics of the batch, of which they keep a running average."""

    def __init__(self, net):
        self.norms = [module for module in net.modules() if isinstance(module, DeploymentNorm)]
        for norm in self.norms:
            norm.forward = lambda x, norm=norm: functional.batch_norm(
                x, norm.running_mean.view(-1), norm.running_var.view(-1), norm.weight.view(-1),
                norm.bias.view(-1), True, 0.05, norm.eps)

    def end(self, step):
        for norm in self.norms:
            del norm.forward
            if hasattr(norm, "num_batches_tracked"):
                norm.num_batches_tracked += step


def begin_as_interpolation(net):
    """The picture takes its way through the first three channels and is interpolated at the end, nearly as
    bicubic interpolation does it, so that training begins with a picture."""
    taps = torch.tensor([[0.227, 0.878, -0.105], [-0.105, 0.878, 0.227]])  # a quarter pixel to each side
    with torch.no_grad():
        head = net.conv_before_upsample if net.rules.plain_names else net.conv_before_upsample[0]
        step = net.upsample.upsample[0][0] if net.rules.plain_names else net.upsample.blocks[0]
        fusion = net.quant_fusion_layer.conv if net.rules.plain_names else net.quant_fusion_layer.fusion_conv
        net.norm.weight.view(-1)[:3] *= 0.05
        for layer in (fusion, net.conv_after_body):
            layer.weight[:3] *= 0.05
            layer.bias[:3] = 0
        for channel in range(3):
            for layer in (net.conv_first, head, net.conv_last):
                layer.weight[channel] *= 0.02
                layer.weight[channel, channel, 1, 1] += 1
                layer.bias[channel] = 0
            head.bias[channel] = 1  # LeakyReLU leaves what is above 0
            for phase in range(4):
                kernel = step.weight[4 * channel + phase]
                kernel *= 0.02
                kernel[channel] += torch.outer(taps[phase // 2], taps[phase % 2])
                step.bias[4 * channel + phase] = -1


def train(net, pairs, seed, steps):
    generator = torch.Generator().manual_seed(seed)
    begin_as_interpolation(net)
    statistics = BatchStatistics(net)
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.5e-3, total_steps=steps)
    for step in range(steps):
        if step == int(steps * FROZEN):
            statistics.end(step)
        small, large = [], []
        for _ in range(BATCH):
            low, high = pairs[int(torch.randint(len(pairs), (1,), generator=generator))]
            y, x = (int(torch.randint(size - PATCH, (1,), generator=generator)) for size in low.shape[1:])
            turns, mirrored = (int(torch.randint(n, (1,), generator=generator)) for n in (4, 2))
            for patches, picture, factor in ((small, low, 1), (large, high, 2)):
                patch = picture[:, factor * y:factor * (y + PATCH), factor * x:factor * (x + PATCH)]
                patch = torch.rot90(patch, turns, (1, 2))
                patches.append(patch.flip(2) if mirrored else patch)
        loss = functional.l1_loss(net(torch.stack(small)), torch.stack(large))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def main():
    torch.set_num_threads(1)
    pictures, folder = (pathlib.Path(argument) for argument in sys.argv[1:3])
    names = sys.argv[3:] or list(NETWORKS)
    pairs = [(read_png(path), read_png(pictures / "hr" / path.name)) for path in sorted(pictures.glob("lr_x2/*.png"))]
    *pairs, (low, high) = pairs
    bicubic = psnr(functional.interpolate(low[None], scale_factor=2, mode="bicubic", align_corners=False), high[None])
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        seed = list(NETWORKS).index(name) + 1
        torch.manual_seed(seed)
        net = AetherStages(**SHAPE, **NETWORKS[name])
        train(net, pairs, seed, STEPS)
        net.eval()
        with torch.no_grad():
            score = psnr(net(low[None]), high[None])
        # The trainer builds the dictionary anew, without _metadata.
        root = {"params": dict(net.state_dict().items())}
        if hasattr(net, "arch_config"):
            root["arch_config"] = net.arch_config
        torch.save(root, folder / f"{name}.pth")
        size = (folder / f"{name}.pth").stat().st_size
        print(f"{name}: {score:.2f} dB, bicubic {bicubic:.2f} dB, {size} bytes", flush=True)


if __name__ == "__main__":
    main()
