"""The first generation of AetherNet as a PyTorch module, written from its specification.

Test code: the peer that the converter is measured against. Fused or unfused, any dimensions.
"""

import torch
from torch import nn


class ReparameterizedConv(nn.Module):
    """Two depthwise convolutions with a bias each, or the one that they add up to."""

    def __init__(self, channels, large, small, fused):
        super().__init__()
        self.large, self.small, self.fused = large, small, fused
        if fused:
            self.fused_conv = nn.Conv2d(channels, channels, large, padding=large // 2, groups=channels)
        else:
            self.lk_bias = nn.Parameter(torch.zeros(channels))
            self.sk_bias = nn.Parameter(torch.zeros(channels))
            self.lk_conv = nn.Conv2d(channels, channels, large, padding=large // 2, groups=channels, bias=False)
            self.sk_conv = nn.Conv2d(channels, channels, small, padding=small // 2, groups=channels, bias=False)

    def forward(self, x):
        if self.fused:
            return self.fused_conv(x)
        large = self.lk_conv(x) + self.lk_bias.view(1, -1, 1, 1)
        return large + self.sk_conv(x) + self.sk_bias.view(1, -1, 1, 1)


class GatedFfn(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.fc1_gate = nn.Linear(channels, hidden)
        self.fc1_main = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1_gate(x)) * self.fc1_main(x))


class Block(nn.Module):
    def __init__(self, channels, hidden, large, small, fused):
        super().__init__()
        self.conv = ReparameterizedConv(channels, large, small, fused)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.ffn = GatedFfn(channels, hidden)

    def forward(self, x):
        y = self.conv(x).permute(0, 2, 3, 1)
        return x + self.ffn(self.norm(y)).permute(0, 3, 1, 2)


class Aether(nn.Module):
    def __init__(self, channels=3, embed_dim=96, depths=(4, 4, 4, 4), hidden=192, large=11, small=3,
                 scale=2, fused=False):
        super().__init__()
        self.mean = 0.5 if channels == 3 else 0.0
        self.conv_first = nn.Conv2d(channels, embed_dim, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(*(Block(embed_dim, hidden, large, small, fused) for _ in range(depth)))
            for depth in depths)
        self.norm = nn.LayerNorm(embed_dim, eps=1e-5)
        self.conv_after_body = nn.Conv2d(embed_dim, embed_dim, 3, padding=1)
        self.conv_before_upsample = nn.Sequential(nn.Conv2d(embed_dim, 64, 3, padding=1), nn.LeakyReLU(0.01))
        factors = [3] if scale == 3 else [2] * (scale.bit_length() - 1)
        upsample = []
        for factor in factors:
            upsample += [nn.Conv2d(64, 64 * factor * factor, 3, padding=1), nn.PixelShuffle(factor)]
        self.upsample = nn.Sequential(*upsample)
        self.conv_last = nn.Conv2d(64, channels, 3, padding=1)

    def forward(self, x):
        shallow = self.conv_first(x - self.mean)
        body = shallow
        for layer in self.layers:
            body = layer(body)
        body = self.norm(body.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        body = self.conv_after_body(body) + shallow
        body = self.upsample(self.conv_before_upsample(body))
        return self.conv_last(body) + self.mean


VARIANTS = {
    "aether_small": dict(embed_dim=96, depths=(4,) * 4, hidden=192, large=11),
    "aether_medium": dict(embed_dim=128, depths=(6,) * 6, hidden=256, large=11),
    "aether_large": dict(embed_dim=180, depths=(8,) * 8, hidden=450, large=13),
}


def randomize(net, seed):
    """Weights that keep activations near 1, so that errors would show everywhere."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            uniform = torch.rand(parameter.shape, generator=generator, dtype=torch.float64) * 2 - 1
            if name.endswith("norm.weight"):
                parameter.copy_(1 + 0.2 * uniform)
            elif parameter.dim() > 1:
                parameter.copy_(uniform * (3 / parameter[0].numel()) ** 0.5)
            else:
                parameter.copy_(0.5 * uniform)
    return net
