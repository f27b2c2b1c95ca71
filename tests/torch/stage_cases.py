"""The cases of make_stage_cases.py: networks, how they are saved, and what is to be found."""

import torch

from aethernet_stages import PRESETS

CASES = {}
LEFT_OUT = "left out"  # of arch_config
BOTH = dict(channel_attention=True, spatial_attention=True)
LAYERNORM = dict(norm_type="layernorm")
FIFTH_OF_IT = dict(res_scale=0.2)  # what the presets' rule gives for small widths
FUSED = dict(fused=True)


def case(name, net, save, options=(), sizes=((1, 7, 6), (2, 9, 12)), **expect):
    """`save`: kind "training", "bare", "release" or "module"; arch True or differences from the
    constructor's arguments. `expect`: what differs from the network itself, see describe()."""
    CASES[name] = dict(name=name, net=net, save=save, options=list(options), sizes=sizes, expect=expect)


def training(**more):
    return dict(more, kind="training")


def bare(**more):
    return dict(more, kind="bare")


def release(**more):
    return dict(more, kind="release")


def module(**more):
    return dict(more, kind="module")


def net(generation, *parts, **more):
    result = dict(generation=generation)
    for part in (*parts, more):
        result.update(part)
    return result


RES_SCALE = "--res_scale"
LAST_CHANNELS = torch.channels_last

# --- G3, G4: what identifies them is in the shapes -----------------------------------------------
case("g3_unfused", net("G3", BOTH), training(memory_format=LAST_CHANNELS))
case("g3_fused", net("G3", BOTH, FUSED), bare())
case("g3_x8_plain", net("G3", scale=8, depths=(1, 1, 1), embed_dim=18), training(), sizes=[(1, 5, 4)])
case("g3_x3_fused", net("G3", FUSED, scale=3, channel_attention=True), training())
case("g3_grey", net("G3", channels=1), training())
case("g4_unfused", net("G4", BOTH), training())
case("g4_fused", net("G4", BOTH, FUSED, scale=4), bare())
case("g4_x3", net("G4", scale=3, spatial_attention=True), training(prefix="module."))
case("g4_grey_fused", net("G4", FUSED, channels=1, scale=8), training(), sizes=[(1, 5, 4)])

# --- G5 ------------------------------------------------------------------------------------------
case("g5_0_unfused", net("G5.0", BOTH), training(memory_format=LAST_CHANNELS))
case("g5_0_fused", net("G5.0", BOTH, FUSED), bare(dtype=torch.float16))
case("g5_0_x1", net("G5.0", scale=1), training())
case("g5_0_x8_wide", net("G5.0", scale=8, embed_dim=72, depths=(1,), hidden=20), training(dtype=torch.float16), sizes=[(1, 4, 3)])
# G5.1 and G5.2 are one network where the split is even; which name it gets is a matter of taste.
case("g5_1_unfused", net("G5.1", BOTH), training(), warns=[RES_SCALE], generation=["G5.1", "G5.2"])
case("g5_1_named", net("G5.1", LAYERNORM, res_scale=0.5), training(),
     ["--generation=G5.1", "--res_scale=0.5"])
case("g5_2_unfused", net("G5.2", depths=(1, 1, 1), spatial_attention=True), training(), warns=[RES_SCALE],
     generation=["G5.1", "G5.2"])
case("g5_2_fused", net("G5.2", FUSED, depths=(1, 1, 1), spatial_attention=True), bare(), warns=[RES_SCALE],
     generation=["G5.1", "G5.2"])
case("g5_2_layernorm_fused", net("G5.2", LAYERNORM, FUSED, channel_attention=True, scale=3), bare(),
     warns=[RES_SCALE], generation=["G5.1", "G5.2"])
case("g5_2_img_range", net("G5.2", scale=1, img_range=4.0, res_scale=0.25), training(),
     ["--img_range=4", "--res_scale=0.25"], generation=["G5.1", "G5.2"])
case("g5x_unfused", net("G5x", BOTH, FIFTH_OF_IT), training(), warns=[RES_SCALE])
case("g5x_fused", net("G5x", BOTH, FUSED, FIFTH_OF_IT), bare(), warns=[RES_SCALE])
case("g5x_x4_layernorm", net("G5x", LAYERNORM, scale=4, res_scale=0.1), training(), ["--res_scale=0.1"])
case("g5x_x3", net("G5x", FUSED, FIFTH_OF_IT, scale=3), training(), warns=[RES_SCALE])
case("g5x_x8", net("G5x", FIFTH_OF_IT, scale=8), training(), sizes=[(1, 4, 3)], warns=[RES_SCALE])
case("g5x_x1", net("G5x", FIFTH_OF_IT, scale=1), training(), warns=[RES_SCALE])

# --- G6: the norm comes after the shortcut -------------------------------------------------------
# Nothing in an unfused training file tells it from G7d; the names of modules and, once fused,
# the statistics that are left do.
case("g6_0_named", net("G6.0", BOTH, FIFTH_OF_IT), training(), ["--generation=G6.0"], warns=[RES_SCALE])
case("g6_0_modules", net("G6.0", FIFTH_OF_IT, channel_attention=True), bare(), warns=[RES_SCALE])
case("g6_0_layernorm_modules", net("G6.0", LAYERNORM, FUSED, FIFTH_OF_IT), bare(), warns=[RES_SCALE])
case("g6_0_fused", net("G6.0", BOTH, FUSED, FIFTH_OF_IT), training(), warns=[RES_SCALE])
case("g6_0_res_scale", net("G6.0", FUSED, scale=4, res_scale=0.1), training(), ["--res_scale=0.1"])
case("g6_1_unfused", net("G6.1", BOTH, res_scale=0.1), training(arch=True, memory_format=LAST_CHANNELS))
case("g6_1_fused", net("G6.1", BOTH, FUSED, res_scale=0.1), release())
case("g6_1_layernorm_x3", net("G6.1", LAYERNORM, scale=3, res_scale=0.1), training(arch=True))
case("g6_1_without_config", net("G6.1", FIFTH_OF_IT, scale=8), training(), sizes=[(1, 4, 3)], warns=[RES_SCALE])
case("g6_1_img_range", net("G6.1", FUSED, img_range=2.0, res_scale=0.1), release())
case("g6_1_compiled", net("G6.1", res_scale=0.1), training(arch=True, prefix="_orig_mod."))
# Built with fused convolutions, so that the norms were never folded.
case("g6_1_built_fused", net("G6.1", res_scale=0.1, fused_init=True), training(arch=True))

# --- G7a to G7c: their epsilon is in nothing but names of modules ---------------------------------
# G7a has temperatures and no use for them. They stay 1, unless the training began from another network.
GENERATION = "--generation"
case("g7a_unfused", net("G7a", BOTH, res_scale=0.1), training(arch=True))
case("g7a_fused", net("G7a", BOTH, FUSED, res_scale=0.1), training(arch=True))
case("g7a_bare_training", net("G7a", FIFTH_OF_IT), training(), warns=[RES_SCALE])
case("g7a_layernorm", net("G7a", LAYERNORM, res_scale=0.1, scale=3), training(arch=True))
case("g7a_resumed_named", net("G7a", BOTH, res_scale=0.1), training(arch=True, resumed=True),
     ["--generation=G7a"])
case("g7a_resumed_fused_named", net("G7a", BOTH, FUSED, res_scale=0.1), training(arch=True, resumed=True),
     ["--generation=G7a"])
case("g7a_modules", net("G7a", res_scale=0.1), release())
case("g7a_resumed_modules", net("G7a", BOTH, res_scale=0.1), release(resumed=True))
case("g7a_resumed_fused", net("G7a", BOTH, FUSED, res_scale=0.1), release(resumed=True))
case("g7a_half", net("G7a", FUSED, FIFTH_OF_IT), release(resumed=True, dtype=torch.float16))
case("g7a_x8_wide", net("G7a", FUSED, scale=8, embed_dim=70, depths=(1,), hidden=20, res_scale=0.3),
     training(arch=True), sizes=[(1, 4, 3)])
case("g7b_eps", net("G7b", res_scale=0.1), training(arch=True), ["--norm_eps=1e-05"], generation="G7c",
     warns=[GENERATION])
case("g7b_named", net("G7b", res_scale=0.1), training(arch=True), ["--generation=G7b"])
case("g7b_modules", net("G7b", BOTH, FIFTH_OF_IT), bare(), warns=[RES_SCALE])
case("g7b_fused", net("G7b", FUSED, res_scale=0.1), release())
case("g7b_layernorm", net("G7b", LAYERNORM, res_scale=0.1), release())
case("g7c_training", net("G7c", BOTH, res_scale=0.1), training(arch=True), warns=[GENERATION, "--norm_eps"])
case("g7c_training_fused", net("G7c", BOTH, FUSED, res_scale=0.1), training(arch=True), warns=[GENERATION])
case("g7c_option", net("G7c", res_scale=0.1), training(arch=dict(arch_option=None)))
case("g7c_modules", net("G7c", BOTH, res_scale=0.1), release())
case("g7c_fused", net("G7c", BOTH, FUSED, res_scale=0.1), release(dtype=torch.float16))
case("g7c_bare_training", net("G7c", FIFTH_OF_IT), training(), warns=[GENERATION, "--norm_eps", RES_SCALE])

# --- G7d -----------------------------------------------------------------------------------------
case("g7d_unfused", net("G7d", BOTH, res_scale=0.1), training(arch=dict(arch_option=None)))
case("g7d_fused", net("G7d", BOTH, FUSED, res_scale=0.1), release())
case("g7d_channels_last", net("G7d", BOTH, res_scale=0.1), training(arch=True, memory_format=LAST_CHANNELS))
case("g7d_half", net("G7d", FUSED, res_scale=0.1, channel_attention=True), release(dtype=torch.float16))
case("g7d_layernorm", net("G7d", LAYERNORM, BOTH, res_scale=0.1, scale=4), training(arch=True))
case("g7d_layernorm_fused", net("G7d", LAYERNORM, FUSED, res_scale=0.1), release())
case("g7d_x1", net("G7d", res_scale=0.1, scale=1), training(arch=True))
case("g7d_x3", net("G7d", FUSED, res_scale=0.1, scale=3), training(arch=True))
case("g7d_x8", net("G7d", res_scale=0.1, scale=8, embed_dim=17, depths=(1, 1, 1)), training(arch=True),
     sizes=[(1, 4, 3)])
case("g7d_grey", net("G7d", res_scale=0.1, channels=1), training(arch=True))
case("g7d_four_channels", net("G7d", res_scale=0.1, channels=4, fused=True), release())
case("g7d_without_config", net("G7d", FIFTH_OF_IT), training(), warns=["--generation", RES_SCALE])
case("g7d_layernorm_fused_without_config", net("G7d", LAYERNORM, FUSED, FIFTH_OF_IT), training(),
     warns=["--generation", RES_SCALE])
case("g7d_fused_without_config", net("G7d", FUSED, FIFTH_OF_IT), training(), warns=[RES_SCALE])
case("g7d_modules", net("G7d", FIFTH_OF_IT), bare(), warns=[RES_SCALE])
case("g7d_layernorm_modules", net("G7d", LAYERNORM, FIFTH_OF_IT), bare(), warns=[RES_SCALE])
case("g7d_named", net("G7d", res_scale=0.3), training(), ["--generation=G7d", "--res_scale=0.3"])
case("g7d_config_without_res_scale", net("G7d", FIFTH_OF_IT), training(arch=dict(res_scale=LEFT_OUT)),
     warns=[RES_SCALE])
case("g7d_wide_without_config", net("G7d", FUSED, embed_dim=72, depths=(1, 1), hidden=20, res_scale=0.1),
     training(), warns=[RES_SCALE])
case("g7d_img_range", net("G7d", res_scale=0.1, img_range=2.0), training(arch=True))
case("g7d_overridden", net("G7d", res_scale=0.4), training(arch=dict(res_scale=0.1)), ["--res_scale=0.4"])
# Of the version that the release's metadata name, and nothing else that tells.
UNTOLD = dict(without_metadata=["arch_config"], without_modules=True)
case("g7d_metadata", net("G7d", LAYERNORM, FIFTH_OF_IT), release(**UNTOLD), warns=[RES_SCALE])
case("g6_metadata", net("G6.0", LAYERNORM, FIFTH_OF_IT), release(**UNTOLD, version=(3, 1, 0)), warns=[RES_SCALE],
     generation=["G6.0", "G6.1"])
case("g7d_contradiction", net("G7d", res_scale=0.1), training(arch=dict(embed_dim=64, norm_type="layernorm")),
     contradictions=["embed_dim", "norm_type"])
case("g7d_built_fused", net("G7d", BOTH, res_scale=0.1, fused_init=True), training(arch=True))
case("g7d_trained_fused", net("G7d", FUSED, res_scale=0.1), training(arch=dict(fused_init=False)))
case("g7d_pairs", net("G7d", res_scale=0.1, scale=4), training(arch=True, pairs=True))
case("g7d_module_prefix", net("G7d", FUSED, res_scale=0.1), training(arch=True, prefix="module."))
case("g7d_tuple_depths", net("G7d", res_scale=0.1), training(arch=dict(depths=(2, 1))))
PICTURE = [(1, 12, 10)]
case("g7d_tiny", net("G7d", PRESETS["aether_tiny"]), training(arch=True), sizes=PICTURE,
     model_type="aether_tiny")
case("g7d_mobile", net("G7d", PRESETS["aether_mobile"], FUSED, scale=4), release(), sizes=PICTURE,
     model_type="aether_mobile")
case("g7d_mobile_without_config", net("G7d", PRESETS["aether_mobile"], FUSED), bare(dtype=torch.float16), sizes=PICTURE,
     model_type="aether_mobile", warns=[RES_SCALE])
case("g7d_small", net("G7d", PRESETS["aether_small"], FUSED), release(dtype=torch.float16), sizes=PICTURE,
     model_type="aether_small")

# --- quantization-aware training: the float network and more --------------------------------------
FIRST = dict(generation="G1", embed_dim=8, depths=(2, 1), hidden=16, large=5, small=3)


def qat(flavour, **more):
    return dict(more, quantization="qat", flavour=flavour)


def int8(flavour, **more):
    return dict(more, quantization="int8", flavour=flavour)


case("g1q_observers", dict(FIRST, fused=True), bare(**qat("A")))
case("g1q_observers_unfused", FIRST, training(**qat("A")))
case("g1q_fake_quant", dict(FIRST, fused=True, scale=1), training(**qat("B")))
case("g1q_fused_fake_quant", dict(FIRST, scale=3), training(**qat("C")))
case("g7d_qat", net("G7d", BOTH, FUSED, res_scale=0.1), training(**qat("per_tensor", arch=True)))
case("g7d_qat_per_channel", net("G7d", LAYERNORM, FUSED, FIFTH_OF_IT, channel_attention=True),
     training(**qat("per_channel")), warns=[RES_SCALE])
case("g7a_qat", net("G7a", BOTH, FUSED, FIFTH_OF_IT), training(**qat("per_channel")), warns=[RES_SCALE])
case("g7a_resumed_qat", net("G7a", FUSED, res_scale=0.1), training(**qat("per_tensor", arch=True, resumed=True)))
case("g7b_qat", net("G7b", BOTH, FUSED, FIFTH_OF_IT), training(**qat("per_channel")), warns=[RES_SCALE])
case("g7c_qat", net("G7c", BOTH, FUSED, FIFTH_OF_IT), training(**qat("per_channel")), warns=[RES_SCALE])
case("g7c_qat_release", net("G7c", FUSED, res_scale=0.1), release(**qat("per_tensor")))
case("g6_0_qat", net("G6.0", LAYERNORM, FUSED, FIFTH_OF_IT), training(**qat("C")), warns=[RES_SCALE])
case("g5_2_qat", net("G5.2", BOTH, FUSED), training(**qat("C")), warns=[RES_SCALE], generation=["G5.1", "G5.2"])

# --- int8 ------------------------------------------------------------------------------------------
DEQUANTIZE = ["--dequantize"]
case("g1q_int8", dict(FIRST, fused=True), bare(**int8("A")), DEQUANTIZE)
case("g1q_int8_refused", dict(FIRST, fused=True), bare(**int8("A")), fails="--dequantize")
case("g1q_int8_uncalibrated", dict(FIRST, fused=True), bare(**int8("A", calibrations=0, half_biases=True)),
     DEQUANTIZE)
case("g1q_int8_x8", dict(FIRST, fused=True, scale=8), bare(**int8("A", calibrations=0)), DEQUANTIZE,
     sizes=[(1, 4, 3)])
case("g7d_int8", net("G7d", BOTH, FUSED, res_scale=0.1), release(**int8("per_tensor")), DEQUANTIZE)
case("g7d_int8_per_channel", net("G7d", BOTH, FUSED, res_scale=0.1, scale=4), release(**int8("per_channel")),
     DEQUANTIZE)
case("g7d_int8_layernorm", net("G7d", LAYERNORM, FUSED, FIFTH_OF_IT), bare(**int8("per_channel")), DEQUANTIZE,
     warns=[RES_SCALE])
case("g7d_int8_refused", net("G7d", FUSED, res_scale=0.1), release(**int8("per_tensor")), fails="--dequantize")
# The first of the seventh adds error_comp in int8, too.
case("g7a_int8", net("G7a", BOTH, FUSED, res_scale=0.1), release(**int8("per_tensor", resumed=True)), DEQUANTIZE)
case("g7c_int8", net("G7c", BOTH, FUSED, res_scale=0.1), release(**int8("per_tensor")), DEQUANTIZE)
case("g6_1_int8", net("G6.1", BOTH, FUSED, res_scale=0.1), release(**int8("per_channel")), DEQUANTIZE)
case("g5_2_int8", net("G5.2", BOTH, FUSED), bare(**int8("per_tensor")), DEQUANTIZE, warns=[RES_SCALE],
     generation=["G5.1", "G5.2"])
# QNNPACK packs zeros where the float layer has no bias: attention, and branches that aren't fused.
case("g1q_int8_unfused", FIRST, bare(**int8("A")), DEQUANTIZE)
case("g1q_int8_unfused_qnnpack", FIRST, bare(**int8("qnnpack", engine="qnnpack")), DEQUANTIZE)
case("g7d_int8_qnnpack", net("G7d", BOTH, FUSED, res_scale=0.1), release(**int8("qnnpack", engine="qnnpack")),
     DEQUANTIZE)
case("g7a_int8_qnnpack", net("G7a", BOTH, FUSED, res_scale=0.1),
     release(**int8("qnnpack", engine="qnnpack", resumed=True)), DEQUANTIZE)
case("g6_1_int8_qnnpack", net("G6.1", FUSED, res_scale=0.1, channel_attention=True),
     release(**int8("per_tensor", engine="qnnpack")), DEQUANTIZE)
case("g5_2_int8_qnnpack", net("G5.2", BOTH, FUSED), bare(**int8("qnnpack", engine="qnnpack")), DEQUANTIZE,
     warns=[RES_SCALE], generation=["G5.1", "G5.2"])
case("g5x_int8_qnnpack", net("G5x", BOTH, FUSED, FIFTH_OF_IT), bare(**int8("qnnpack", engine="qnnpack")),
     DEQUANTIZE, warns=[RES_SCALE])

# --- pickled modules: their attributes say what no tensor does --------------------------------------
OWN = dict(res_scale=0.37)
LEGACY = dict(legacy=True)
case("module_g7d_res_scale", net("G7d", BOTH, OWN), module())
case("module_g7d_res_scale_legacy", net("G7d", BOTH, OWN), module(**LEGACY))
case("module_g7d_fused", net("G7d", BOTH, FUSED, OWN), module())
case("module_g7d_blocks_count", net("G7d", OWN), module(attributes=dict(res_scale=0.1)))
case("module_g7d_without_config", net("G7d", OWN), module(attributes=dict(arch_config=LEFT_OUT)))
case("module_g7d_eps", net("G7d", BOTH, OWN, eps=3e-5), module())
case("module_g7d_img_range", net("G7d", OWN, img_range=2.0), module())
case("module_g7d_layernorm", net("G7d", LAYERNORM, OWN, scale=4), module(**LEGACY))
case("module_g7d_parallel", net("G7d", BOTH, OWN), module(parallel=True))
case("module_g7d_in_training_file", net("G7d", OWN), module(wrapper="net_g"))
case("module_g7c", net("G7c", BOTH, OWN), module())
case("module_g7b", net("G7b", BOTH, OWN), module())
case("module_g7b_legacy", net("G7b", OWN), module(**LEGACY))
case("module_g7b_fused", net("G7b", BOTH, FUSED, OWN), module())
case("module_g7a", net("G7a", BOTH, OWN), module(resumed=True))
case("module_g7a_fused_legacy", net("G7a", FUSED, OWN), module(resumed=True, **LEGACY))
case("module_g6_0", net("G6.0", BOTH, OWN), module())
case("module_g6_0_legacy", net("G6.0", LAYERNORM, OWN), module(**LEGACY))
case("module_g6_0_fused", net("G6.0", BOTH, FUSED, OWN), module())
case("module_g6_0_built_fused", net("G6.0", OWN, fused_init=True), module())
case("module_g6_1", net("G6.1", BOTH, OWN), module())
case("module_g5_2", net("G5.2", BOTH, OWN), module(), generation=["G5.1", "G5.2"])
case("module_g5x", net("G5x", BOTH, OWN), module())
case("module_g4", net("G4", BOTH), module())
case("module_g1", FIRST, module())
case("module_g1_fused_legacy", dict(FIRST, fused=True), module(**LEGACY))
