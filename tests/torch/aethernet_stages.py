"""The stage generations of AetherNet as PyTorch modules, written from their specification.

Test code: the peer that the converter is measured against. G3 to G7d, unfused and fused, any
dimensions, both kinds of norms, with and without attention; state dicts have the published keys in
the published order. Stubs and functionals that quantization needs are where the generations have
them, so that PyTorch's own quantization and the module names in a state dict's _metadata are real.
"""

import torch
from torch import nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub, QuantStub


class Rules:
    """What one generation does. The defaults are those of the last one."""

    def __init__(self, **differences):
        self.scale_buffer = "scale_tensor"
        self.model_version = None
        self.eps = 1e-4
        self.counts_batches = False
        self.drops_statistics = True  # when fusing
        self.folds_norms = True
        self.flat_norms = False  # statistics of shape (C), not (1, C, 1, 1)
        self.divides_by_temperature = False
        self.scales_gates = True  # the temperature is in use
        self.adds_error_comp_in_int8 = False
        self.activation = "silu"
        self.attention = "conv"
        self.even_split = False
        self.fuses_raw_stages = False
        self.compensates_first = False
        self.norm_before_shortcut = True
        self.range_divides = True
        self.plain_names = False  # of 2.0.0
        self.head = "full"
        self.even_final_width = True
        self.even_widths = False
        self.zero_mean_if_not_rgb = False
        self.has_res_scale = True
        self.root_stubs = ("quant", "dequant", "body_norm_dequant", "body_norm_quant", "upsample_dequant",
                           "upsample_quant", "quant_add")
        self.block_stubs = ("norm_dequant", "norm_quant", "res_dequant", "res_quant", "quant_add")
        self.ffn_stubs = ("act_dequant", "act_quant", "temp_dequant", "temp_quant", "quant_mul")
        self.attention_stubs = ("quant_mul",)
        self.fusion_stubs = ("quant_mul",)
        for name, value in differences.items():
            assert hasattr(self, name), name
            setattr(self, name, value)


WITHOUT_STUBS = dict(root_stubs=(), block_stubs=(), ffn_stubs=(), attention_stubs=(), fusion_stubs=())
RESIDUAL_STUBS = dict(root_stubs=("quant", "dequant"),
                      block_stubs=("quant_add", "residual_quant", "residual_dequant"),
                      ffn_stubs=("quant_mul",), fusion_stubs=("quant_add",))
BEFORE_SEVEN = dict(eps=1e-5, drops_statistics=False, norm_before_shortcut=False, range_divides=False,
                    even_final_width=False)
THIRD = dict(BEFORE_SEVEN, **WITHOUT_STUBS, scale_buffer=None, counts_batches=True,
             divides_by_temperature=True, even_split=True, compensates_first=True, head="half",
             has_res_scale=False)
FIFTH = dict(BEFORE_SEVEN, **RESIDUAL_STUBS, scale_buffer="scale", compensates_first=True)
# Of 3.1.0 and 3.1.1 but for the last one: the fusion has a functional for the sum with error_comp.
EARLY_SEVENTH = dict(model_version=(3, 1, 1), fusion_stubs=("quant_add",))
EARLY_EPS = dict(EARLY_SEVENTH, eps=1e-5, even_widths=True)

GENERATIONS = {
    "G3": Rules(**THIRD, attention="biased linear", fuses_raw_stages=True, zero_mean_if_not_rgb=True),
    "G4": Rules(**THIRD, attention="biased conv"),
    "G5.0": Rules(**dict(FIFTH, scale_buffer=None, even_split=True, has_res_scale=False)),
    "G5.1": Rules(**FIFTH, even_split=True),
    "G5.2": Rules(**FIFTH),
    "G5x": Rules(**dict(BEFORE_SEVEN, **WITHOUT_STUBS), scale_buffer=None, folds_norms=False,
                 flat_norms=True, activation="gelu", attention="linear", plain_names=True),
    "G6.0": Rules(**BEFORE_SEVEN, **RESIDUAL_STUBS),
    "G6.1": Rules(**BEFORE_SEVEN, **RESIDUAL_STUBS, model_version=(3, 1, 0)),
    "G7a": Rules(**EARLY_EPS, scales_gates=False, adds_error_comp_in_int8=True, ffn_stubs=("quant_mul",),
                 block_stubs=("quant_add", "norm_dequant", "norm_quant", "residual_quant", "residual_dequant"),
                 root_stubs=("quant", "dequant")),
    "G7b": Rules(**EARLY_EPS,
                 ffn_stubs=("quant_mul", "quant_mul_scalar", "act_dequant", "act_quant"),
                 block_stubs=("quant_add", "quant_mul_scalar", "norm_dequant", "norm_quant"),
                 root_stubs=("quant_add", "quant", "dequant", "body_norm_dequant", "body_norm_quant")),
    # Its blocks have a functional that nothing uses.
    "G7c": Rules(**EARLY_SEVENTH, block_stubs=("quant_add", "quant_mul_scalar", "norm_dequant", "norm_quant",
                                               "res_dequant", "res_quant")),
    "G7d": Rules(),
}

# name: embed_dim, depths, hidden, large, small, attention; the factor goes with them.
PRESETS = {
    "aether_mobile": dict(embed_dim=64, depths=(2,) * 4, hidden=96, large=7, small=3, res_scale=0.2),
    "aether_tiny": dict(embed_dim=64, depths=(3,) * 3, hidden=96, large=13, small=5, res_scale=0.2,
                        channel_attention=True),
    "aether_small": dict(embed_dim=96, depths=(4,) * 4, hidden=144, large=13, small=5, res_scale=0.1,
                         channel_attention=True),
    "aether_medium": dict(embed_dim=128, depths=(6,) * 4, hidden=192, large=13, small=5, res_scale=0.1,
                          channel_attention=True),
    "aether_large": dict(embed_dim=180, depths=(8,) * 5, hidden=270, large=13, small=5, res_scale=0.1,
                         channel_attention=True, spatial_attention=True),
    "aether_pro": dict(embed_dim=192, depths=(8,) * 5, hidden=336, large=15, small=5, res_scale=0.1,
                       channel_attention=True, spatial_attention=True),
    "aether_extreme": dict(embed_dim=256, depths=(12,) * 5, hidden=512, large=21, small=5, res_scale=0.1,
                           channel_attention=True, spatial_attention=True),
}

# Of each preset: tensors and parameters, unfused and fused, as published for a factor of 2.
PRESET_COUNTS = {
    "aether_mobile": ((147, 414859), (113, 409739)),
    "aether_tiny": ((178, 525068), (140, 510092)),
    "aether_small": ((299, 1533139), (233, 1493203)),
    "aether_medium": ((435, 3414299), (337, 3334427)),
    "aether_large": ((749, 9433443), (587, 9246243)),
    "aether_pro": ((749, 12176379), (587, 11976699)),
    "aether_extreme": ((1109, 35564855), (867, 35165495)),
}


# --- stubs and functionals: there where a generation has them ------------------------------------

def add_stubs(module, names):
    for name in names:
        if name in ("quant_add", "quant_mul", "quant_mul_scalar"):
            setattr(module, name, FloatFunctional())
        else:
            setattr(module, name, DeQuantStub() if name.endswith("dequant") else QuantStub())


def through(module, name, x):
    return getattr(module, name)(x) if hasattr(module, name) else x


def add(module, x, y):
    return module.quant_add.add(x, y) if hasattr(module, "quant_add") else x + y


def multiply(module, x, y):
    return module.quant_mul.mul(x, y) if hasattr(module, "quant_mul") else x * y


def multiply_scalar(module, x, y):
    scalar = hasattr(module, "quant_mul_scalar") and not hasattr(module, "res_quant")
    return module.quant_mul_scalar.mul_scalar(x, float(y)) if scalar else x * y


# --- blocks --------------------------------------------------------------------------------------

class ReparameterizedConv(nn.Module):
    """Two depthwise convolutions, or the one that they add up to."""

    def __init__(self, channels, large, small, fused, has_plain_names):
        super().__init__()
        self.channels, self.large, self.has_plain_names = channels, large, has_plain_names
        if fused:
            self.fused_conv = self.depthwise(large, True)
            return
        if not has_plain_names:
            self.lk_bias = nn.Parameter(torch.zeros(channels))
            self.sk_bias = nn.Parameter(torch.zeros(channels))
        self.lk_conv = self.depthwise(large, has_plain_names)
        self.sk_conv = self.depthwise(small, has_plain_names)

    def depthwise(self, size, bias):
        return nn.Conv2d(self.channels, self.channels, size, padding=size // 2, groups=self.channels, bias=bias)

    def biases(self):
        return (self.lk_conv.bias, self.sk_conv.bias) if self.has_plain_names else (self.lk_bias, self.sk_bias)

    def forward(self, x):
        if hasattr(self, "fused_conv"):
            return self.fused_conv(x)
        if self.has_plain_names:
            return self.lk_conv(x) + self.sk_conv(x)
        return (self.lk_conv(x) + self.lk_bias.view(1, -1, 1, 1)
                + self.sk_conv(x) + self.sk_bias.view(1, -1, 1, 1))

    def fuse(self):
        fused = self.depthwise(self.large, True).to(self.lk_conv.weight)
        small = self.sk_conv.weight.shape[-1]
        begin = (self.large - small) // 2
        with torch.no_grad():
            fused.weight.copy_(self.lk_conv.weight)
            fused.weight[:, :, begin:begin + small, begin:begin + small] += self.sk_conv.weight
            fused.bias.copy_(sum(self.biases()))
        for name in ("lk_conv", "sk_conv") + (() if self.has_plain_names else ("lk_bias", "sk_bias")):
            delattr(self, name)
        self.fused_conv = fused


class DeploymentNorm(nn.Module):
    """A factor and an offset for each channel; not folded yet, statistics come first."""

    def __init__(self, channels, rules, eps, folded):
        super().__init__()
        self.rules, self.eps, self.fused = rules, eps, folded
        shape = (channels,) if rules.flat_norms else (1, channels, 1, 1)
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))
        if not (folded and rules.drops_statistics):
            self.register_buffer("running_mean", torch.zeros(shape))
            self.register_buffer("running_var", torch.ones(shape))
            if rules.counts_batches:
                self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def forward(self, x):
        weight, bias = self.weight.view(1, -1, 1, 1), self.bias.view(1, -1, 1, 1)
        if self.fused:
            return x * weight + bias
        mean, variance = self.running_mean.view(1, -1, 1, 1), self.running_var.view(1, -1, 1, 1)
        return (x - mean) / torch.sqrt(variance + self.eps) * weight + bias

    def fuse(self):
        with torch.no_grad():
            scale = self.weight / torch.sqrt(self.running_var + self.eps)
            self.bias.sub_(self.running_mean * scale)
            self.weight.copy_(scale)
        if self.rules.drops_statistics:
            del self.running_mean, self.running_var
        self.fused = True


class LayerNorm2d(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.eps = 1e-5
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        y = nn.functional.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)


class ConvFfn(nn.Module):
    def __init__(self, channels, hidden, rules):
        super().__init__()
        self.divides, self.scales = rules.divides_by_temperature, rules.scales_gates
        self.temperature = nn.Parameter(torch.tensor(0.07) if self.divides else torch.ones(1))
        self.conv_gate = nn.Conv2d(channels, hidden, 1)
        self.conv_main = nn.Conv2d(channels, hidden, 1)
        self.act = nn.SiLU() if rules.activation == "silu" else nn.GELU()
        self.drop = nn.Dropout(0.0)
        self.conv_out = nn.Conv2d(hidden, channels, 1)
        add_stubs(self, rules.ffn_stubs)

    def forward(self, x):
        gate, main = self.conv_gate(x), self.conv_main(x)
        gate = through(self, "temp_dequant", gate)
        if not self.scales:
            pass
        elif self.divides:
            gate = gate / self.temperature
        elif hasattr(self, "quant_mul_scalar"):
            gate = multiply_scalar(self, gate, self.temperature)
        else:
            gate = gate * self.temperature
        gate = through(self, "temp_quant", gate)
        gate = through(self, "act_quant", self.act(through(self, "act_dequant", gate)))
        return self.conv_out(self.drop(multiply(self, gate, main)))


class ChannelAttention(nn.Module):
    def __init__(self, channels, rules):
        super().__init__()
        bias = rules.attention.startswith("biased")
        reduced = channels // 8
        self.is_linear = rules.attention.endswith("linear")

        def layer(inputs, outputs):
            if self.is_linear:
                return nn.Linear(inputs, outputs, bias=bias)
            return nn.Conv2d(inputs, outputs, 1, bias=bias)

        self.fc = nn.Sequential(layer(channels, reduced), nn.ReLU(), layer(reduced, channels), nn.Sigmoid())
        add_stubs(self, rules.attention_stubs)

    def forward(self, x):
        mean = x.mean((2, 3), keepdim=True)
        if self.is_linear:
            return multiply(self, x, self.fc(mean[:, :, 0, 0]).view(mean.shape))
        return multiply(self, x, self.fc(mean))


class SpatialAttention(nn.Module):
    def __init__(self, rules):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.sigmoid = nn.Sigmoid()
        add_stubs(self, rules.attention_stubs)

    def forward(self, x):
        both = torch.cat([x.max(dim=1, keepdim=True)[0], x.mean(dim=1, keepdim=True)], dim=1)
        return multiply(self, x, self.sigmoid(self.conv(both)))


class Block(nn.Module):
    def __init__(self, net, rules, fused):
        super().__init__()
        self.res_scale = net.res_scale
        self.conv = ReparameterizedConv(net.embed_dim, net.large, net.small, fused, rules.plain_names)
        self.norm = net.new_norm()
        self.ffn = ConvFfn(net.embed_dim, net.hidden, rules)
        if net.channel_attention:
            self.channel_attn = ChannelAttention(net.embed_dim, rules)
        if net.spatial_attention:
            self.spatial_attn = SpatialAttention(rules)
        self.drop_path = nn.Identity()
        add_stubs(self, rules.block_stubs)

    def forward(self, x):
        y = through(self, "norm_dequant", self.conv(x))
        y = self.ffn(through(self, "norm_quant", self.norm(y)))
        if hasattr(self, "channel_attn"):
            y = self.channel_attn(y)
        if hasattr(self, "spatial_attn"):
            y = self.spatial_attn(y)
        y = multiply_scalar(self, through(self, "res_dequant", self.drop_path(y)), self.res_scale)
        y = through(self, "residual_quant", through(self, "res_quant", y))
        return add(self, x, y)


class StageFusion(nn.Module):
    def __init__(self, channels, inputs, rules):
        super().__init__()
        self.rules = rules
        self.bypasses_error_comp = False
        self.error_comp = nn.Parameter(torch.zeros(1, inputs, 1, 1))
        setattr(self, "conv" if rules.plain_names else "fusion_conv", nn.Conv2d(inputs, channels, 1))
        add_stubs(self, rules.fusion_stubs)

    def forward(self, x):
        convolution = self.conv if self.rules.plain_names else self.fusion_conv
        if self.bypasses_error_comp:
            return convolution(x)
        if self.rules.compensates_first:
            return convolution(add(self, x, self.error_comp))
        return add(self, convolution(x), self.error_comp)


class Upsample(nn.Module):
    """Convolutions and shuffles at indices of one list, or, in 2.0.0, in named pairs."""

    def __init__(self, pairs, has_plain_names):
        super().__init__()
        if not has_plain_names:
            layers = []
            for inputs, outputs, factor in pairs:
                layers.append(nn.Conv2d(inputs, outputs * factor * factor, 3, padding=1))
                layers += [nn.PixelShuffle(factor)] if factor > 1 else []
            self.blocks = nn.Sequential(*layers)
            return
        self.upsample = nn.Sequential()
        for index, (inputs, outputs, factor) in enumerate(pairs):
            pair = nn.Sequential(nn.Conv2d(inputs, outputs * factor * factor, 3, padding=1),
                                 nn.PixelShuffle(factor))
            self.upsample.add_module("up_3x" if factor == 3 else f"up_{index}", pair)

    def forward(self, x):
        return self.blocks(x) if hasattr(self, "blocks") else self.upsample(x)


def upsample_pairs(rules, embed_dim, scale):
    """(inputs, outputs after the shuffle, factor) of each step, and the width that leaves."""
    steps = scale.bit_length() - 1
    if rules.plain_names:
        if scale == 3:
            return [(embed_dim, embed_dim, 3)], embed_dim
        widths = [embed_dim >> i for i in range(steps)] + [embed_dim]
        return [(widths[i], widths[i + 1], 2) for i in range(steps)], embed_dim
    if rules.head == "half":  # every step but the first keeps its width
        half = embed_dim // 2
        final = max(32, half // max(1, scale // 2))
        if scale == 3:
            return [(half, final, 3)], final
        return [(half if i == 0 else final, final, 2) for i in range(steps)], final
    final = embed_dim // max(1, scale // 2)
    final = max(32, final & -2 if rules.even_final_width else final)
    if scale == 1:
        return [(embed_dim, final, 1)], final
    if scale == 3:
        return [(embed_dim, final, 3)], final
    pairs, width = [], embed_dim
    for i in range(steps):
        following = width // 2 & -2 if rules.even_widths else width // 2
        following = final if i == steps - 1 else following
        pairs.append((width, following, 2))
        width = following
    return pairs, final


# --- the network ---------------------------------------------------------------------------------

class AetherStages(nn.Module):
    """`fused`: as fuse() leaves it. `fused_init`: built with fused convolutions, norms not folded."""

    def __init__(self, generation="G7d", channels=3, embed_dim=16, depths=(2, 1), hidden=32, large=5, small=3,
                 scale=2, norm_type="deployment", channel_attention=False, spatial_attention=False,
                 res_scale=1.0, img_range=1.0, fused=False, fused_init=False, eps=None):
        super().__init__()
        rules = self.rules = GENERATIONS[generation]
        self.eps = eps or rules.eps
        assert res_scale == 1 or rules.has_res_scale
        self.generation, self.channels, self.embed_dim, self.depths = generation, channels, embed_dim, depths
        self.hidden, self.large, self.small, self.factor = hidden, large, small, scale
        self.norm_type, self.res_scale, self.img_range = norm_type, res_scale, img_range
        self.channel_attention, self.spatial_attention = channel_attention, spatial_attention
        self.fused_init = fused_init
        # The published classes note their arguments from 3.1.0 on.
        if rules.scale_buffer == "scale_tensor" and generation != "G6.0":
            self.arch_config = self.arguments()
        self.folded = fused and rules.folds_norms

        if rules.scale_buffer:
            self.register_buffer(rules.scale_buffer, torch.tensor(scale, dtype=torch.long))
        if rules.model_version:
            self.register_buffer("pt_version", torch.tensor((2, 7, 1), dtype=torch.long))
            self.register_buffer("model_version", torch.tensor(rules.model_version, dtype=torch.long))
        mean = 0.0 if rules.zero_mean_if_not_rgb and channels != 3 else 0.5
        mean = torch.full((1, channels, 1, 1), mean)
        if rules.plain_names:
            self.mean = nn.Parameter(mean)
        else:
            self.register_buffer("mean", mean)

        self.conv_first = nn.Conv2d(channels, embed_dim, 3, padding=1)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(self, rules, fused or fused_init) for _ in range(depth))) for depth in depths)
        count = len(depths)
        widths = [embed_dim // count + (not rules.even_split and i < embed_dim % count) for i in range(count)]
        self.fusion_convs = nn.ModuleList(nn.Conv2d(embed_dim, width, 1) for width in widths)
        self.quant_fusion_layer = StageFusion(
            embed_dim, embed_dim * count if rules.fuses_raw_stages else embed_dim, rules)
        self.norm = self.new_norm()
        self.conv_after_body = nn.Conv2d(embed_dim, embed_dim, 3, padding=1)
        head = nn.Conv2d(embed_dim, embed_dim // 2 if rules.head == "half" else embed_dim, 3, padding=1)
        self.conv_before_upsample = head if rules.plain_names else nn.Sequential(head, nn.LeakyReLU(0.01))
        pairs, final = upsample_pairs(rules, embed_dim, scale)
        self.upsample = Upsample(pairs, rules.plain_names)
        self.conv_last = nn.Conv2d(final, channels, 3, padding=1)
        add_stubs(self, rules.root_stubs)

    def arguments(self):
        """What the constructor was called with; never that the network was fused later."""
        return {"in_chans": self.channels, "embed_dim": self.embed_dim, "depths": list(self.depths),
                "mlp_ratio": self.hidden / self.embed_dim, "drop": 0.0, "drop_path_rate": 0.1,
                "lk_kernel": self.large, "sk_kernel": self.small, "scale": self.factor,
                "img_range": self.img_range, "fused_init": self.fused_init, "quantize_residual": True,
                "use_channel_attn": self.channel_attention, "use_spatial_attn": self.spatial_attention,
                "norm_type": self.norm_type, "res_scale": self.res_scale}

    def new_norm(self):
        if self.norm_type == "layernorm":
            return LayerNorm2d(self.embed_dim)
        return DeploymentNorm(self.embed_dim, self.rules, self.eps, self.folded)

    def fuse(self):
        for module in list(self.modules()):
            if isinstance(module, ReparameterizedConv) and hasattr(module, "lk_conv"):
                module.fuse()
            elif isinstance(module, DeploymentNorm) and self.rules.folds_norms and not module.fused:
                module.fuse()
        return self

    def set_eps(self, eps):
        for module in self.modules():
            if isinstance(module, DeploymentNorm):
                module.eps = eps

    def forward(self, x):
        rules = self.rules
        x = x / self.img_range - self.mean if rules.range_divides else (x - self.mean) * self.img_range
        shallow = body = self.conv_first(through(self, "quant", x))
        outputs = []
        for stage, projection in zip(self.stages, self.fusion_convs):
            body = stage(body)
            outputs.append(body if rules.fuses_raw_stages else projection(body))
        body = self.quant_fusion_layer(torch.cat(outputs, dim=1))
        if rules.norm_before_shortcut:
            body = self.norm(through(self, "body_norm_dequant", body))
            body = add(self, through(self, "body_norm_quant", body), shallow)
            body = add(self, self.conv_after_body(body), body)
        else:
            body = add(self, body, shallow)
            body = add(self, self.conv_after_body(self.norm(body)), body)
        body = through(self, "upsample_dequant", self.conv_before_upsample(body))
        body = through(self, "upsample_quant", self.upsample(body))
        body = through(self, "dequant", self.conv_last(body))
        return (body + self.mean) * self.img_range if rules.range_divides else body / self.img_range + self.mean


def randomize_stages(net, seed, is_resumed=False):
    """Weights that keep activations near 1, so that errors would show everywhere; variances so
    small that a wrong epsilon shows in float32. A temperature that is not in use stays 1, as training
    leaves it, unless the network was trained on from another one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if not value.is_floating_point() or name == "mean":
                continue
            uniform = torch.rand(value.shape, generator=generator, dtype=torch.float64) * 2 - 1
            if name.endswith("running_var"):
                value.copy_(0.03 + 0.015 * uniform)
            elif name.endswith("temperature"):
                if not net.rules.scales_gates and not is_resumed:
                    continue
                value.copy_(0.8 + 0.3 * uniform)
            elif name.endswith("norm.weight"):
                value.copy_(0.2 + 0.05 * uniform)
            elif value.dim() > 1 and not name.endswith(("norm.bias", "running_mean", "error_comp")):
                value.copy_(uniform * (3 / value[0].numel()) ** 0.5)
            else:
                value.copy_(0.5 * uniform)
    return net
