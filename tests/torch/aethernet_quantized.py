"""The networks of this folder through PyTorch's own quantization, as their trainers used it.

Test code. Gives state dicts as such training saves them, with the entries of observers and fake
quantizers, and as they are once converted to int8.
"""

import warnings

import torch
from torch import nn
from torch.ao import quantization as q

from aethernet import Aether, Block, ReparameterizedConv
from aethernet_stages import AetherStages

# FBGEMM is what the trainers had. oneDNN, too, keeps a missing bias missing; QNNPACK makes zeros.
for engine in ("fbgemm", "onednn", "qnnpack"):
    if engine in torch.backends.quantized.supported_engines:
        torch.backends.quantized.engine = engine
        break


class QuantizableAether(Aether):
    """The first generation with stubs."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.quant, self.dequant = q.QuantStub(), q.DeQuantStub()

    def forward(self, x):
        shallow = body = self.conv_first(self.quant(x - self.mean))
        for layer in self.layers:
            body = layer(body)
        body = self.conv_after_body(self.norm(body.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)) + shallow
        body = self.conv_last(self.upsample(self.conv_before_upsample(body)))
        return self.dequant(body) + self.mean

    def fuse(self):
        for block in [module for module in self.modules() if isinstance(module, Block)]:
            conv = block.conv
            channels, size = conv.lk_bias.numel(), conv.lk_conv.weight.shape[-1]
            fused = ReparameterizedConv(channels, size, 1, True)
            begin = (size - conv.sk_conv.weight.shape[-1]) // 2
            end = size - begin
            with torch.no_grad():
                fused.fused_conv.weight.copy_(conv.lk_conv.weight)
                fused.fused_conv.weight[:, :, begin:end, begin:end] += conv.sk_conv.weight
                fused.fused_conv.bias.copy_(conv.lk_bias + conv.sk_bias)
            block.conv = fused
        return self


def moving_config(is_per_channel):
    """That of G7d: observers alone, of the whole range."""
    weight = (q.MovingAveragePerChannelMinMaxObserver if is_per_channel else q.MovingAverageMinMaxObserver)
    scheme = torch.per_channel_symmetric if is_per_channel else torch.per_tensor_symmetric
    return q.QConfig(
        activation=q.MovingAverageMinMaxObserver.with_args(dtype=torch.quint8, reduce_range=False),
        weight=weight.with_args(dtype=torch.qint8, qscheme=scheme))


# The flavours of training that G1q files have, that of G5x, and G7d's.
CONFIGS = {
    "A": lambda: q.get_default_qconfig("fbgemm"),
    "B": lambda: q.QConfig(
        activation=q.MinMaxObserver.with_args(dtype=torch.quint8),
        weight=q.FakeQuantize.with_args(
            observer=q.MovingAveragePerChannelMinMaxObserver, quant_min=-128, quant_max=127,
            dtype=torch.qint8, qscheme=torch.per_channel_symmetric, ch_axis=0)),
    "C": lambda: q.get_default_qat_qconfig("fbgemm"),
    "qnnpack": lambda: q.get_default_qconfig("qnnpack"),
    "per_tensor": lambda: moving_config(False),
    "per_channel": lambda: moving_config(True),
}


def prepared(net, flavour, seed, calibrations=1):
    """The network in quantization-aware training, once it has seen some pictures."""
    if isinstance(net, AetherStages):
        net.fuse()
        net.quant_fusion_layer.bypasses_error_comp = (
            net.rules.norm_before_shortcut and not net.rules.adds_error_comp_in_int8)
    net.train()
    net.qconfig = CONFIGS[flavour]()
    # Floats until the output: only what was first quantized in 3.1.1 is left out of it.
    if isinstance(net, AetherStages) and hasattr(net, "upsample_quant"):
        net.upsample.qconfig = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        q.prepare_qat(net, inplace=True)
        generator = torch.Generator().manual_seed(seed)
        channels = net.conv_first.weight.shape[1]
        with torch.no_grad():
            for _ in range(calibrations):
                net(torch.rand(1, channels, 12, 9, generator=generator))
    return net


def converted(net, flavour, seed, calibrations=1, engine=None):
    """The network in int8; it can't be run in every generation."""
    usual = torch.backends.quantized.engine
    torch.backends.quantized.engine = engine or usual
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return q.convert(prepared(net, flavour, seed, calibrations).eval(), inplace=True)
    finally:
        torch.backends.quantized.engine = usual


def as_fbgemm_packs(state):
    """Convolutions with a scale for each channel lie with the channels last in its files."""
    for key, value in state.items():
        if isinstance(value, torch.Tensor) and value.is_quantized and value.dim() == 4 \
                and value.qscheme() == torch.per_channel_affine:
            state[key] = value.contiguous(memory_format=torch.channels_last)
    return state


def is_extra(key):
    return "weight_fake_quant" in key or "activation_post_process" in key


def float_state(state, is_int8):
    """The state dict of the float network: extras left out, int8 as the numbers that it stands for."""
    result = {}
    for key, value in state.items():
        if is_extra(key):
            continue
        if key.endswith("._packed_params._packed_params"):
            module = key[:-len("._packed_params._packed_params")]
            result[f"{module}.weight"] = value[0].dequantize()
            if value[1] is not None:
                result[f"{module}.bias"] = value[1].detach()
        elif isinstance(value, torch.Tensor) and value.is_quantized:
            result[key] = value.dequantize()
        elif isinstance(value, torch.Tensor) and not (
                is_int8 and key.endswith((".scale", ".zero_point"))):
            result[key] = value.detach()
    return result
