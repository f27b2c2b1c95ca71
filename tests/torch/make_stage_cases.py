#!/usr/bin/python3
"""Writes checkpoints of the later generations, and quantized ones, as people have them.

    make_stage_cases.py FOLDER

Each case N is N.pth, N.txt, whose lines name inputs and outputs (N.K.in.npy and N.K.out.npy,
float32), and N.json: what the program is to be told and what it is to find (the fields of
describe()). cases.txt names them all. Checks the networks against the published reference values
first, so that parity with them means parity with AetherNet.
"""

import collections
import json
import pathlib
import sys

import numpy
import torch

import stage_cases
import stage_golden
from aethernet import Aether, randomize
from aethernet_quantized import (QuantizableAether, as_fbgemm_packs, converted, float_state, prepared)
from aethernet_stages import AetherStages, GENERATIONS, randomize_stages


# --- what is saved -------------------------------------------------------------------------------

def configuration(net, differences):
    config = dict(net.arguments(), **(differences if isinstance(differences, dict) else {}))
    return {key: value for key, value in config.items() if value != stage_cases.LEFT_OUT}


def release_metadata(net, save):
    config = configuration(net, save.get("arch", True))
    version = net.rules.model_version or save.get("version", (3, 1, 1))
    metadata = {"model_version": ".".join(map(str, version)), "pt_version": "2.7.1+cu126", "scale": net.factor,
                "in_chans": net.channels, "img_range": net.img_range,
                "precision": {torch.float16: "fp16"}.get(save.get("dtype"), "fp32"),
                "architecture": "AetherNet", "quantized": save.get("quantization") == "int8",
                "arch_config": config, "creation_time": "2025-07-22 10:00:00"}
    if metadata["quantized"]:
        metadata["precision"] = "int8"
    return {key: value for key, value in metadata.items() if key not in save.get("without_metadata", ())}


def half_biases(value, key):
    if isinstance(value, tuple):
        return (value[0], None if value[1] is None else half_biases(value[1], "bias"))
    if not key.endswith("bias") or not isinstance(value, torch.Tensor):
        return value
    half = value.detach().half()
    return torch.nn.Parameter(half, requires_grad=False) if isinstance(value, torch.nn.Parameter) else half


def edit(state, save):
    """Changes the values or keys of a state dict in place, its _metadata with it where it stays."""
    if "dtype" in save:
        for key, value in state.items():
            state[key] = value.to(save["dtype"]) if value.is_floating_point() else value
    if "memory_format" in save:
        for key, value in state.items():
            state[key] = value.to(memory_format=save["memory_format"]) if value.dim() == 4 else value
    if save.get("half_biases"):
        for key, value in state.items():
            state[key] = half_biases(value, key)
    return state


def renamed(state, save):
    names = collections.OrderedDict()
    for key, value in state.items():
        path = key.split(".")
        if save.get("pairs") and path[:2] == ["upsample", "blocks"]:
            key = f"upsample.blocks.{int(path[2]) // 2}.0.{path[3]}"
        names[save.get("prefix", "") + key] = value
    return names


def pickled_module(net, save):
    """The whole network as an object. `attributes` differ from those that its blocks compute with."""
    for name, value in save.get("attributes", {}).items():
        if value == stage_cases.LEFT_OUT:
            delattr(net, name)
        else:
            setattr(net, name, value)
    net = torch.nn.DataParallel(net) if save.get("parallel") else net
    return {save["wrapper"]: net} if "wrapper" in save else net


def saved_form(net, state, save):
    if save["kind"] == "bare":
        return state
    if save["kind"] == "release":
        if save.get("without_modules"):
            state = renamed(state, save)
        return {"state_dict": state, "metadata": release_metadata(net, save)}
    if save["kind"] == "module":
        return pickled_module(net, save)
    root = {"params": renamed(state, save)}  # the trainer builds its dict anew, without _metadata
    if save.get("arch"):
        root["arch_config"] = configuration(net, save["arch"])
    return root


# --- cases ---------------------------------------------------------------------------------------

def is_first(case):
    return case["net"]["generation"] == "G1"


def new_network(case, **differences):
    """The first generation's has stubs where it is trained and saved, none where it is compared."""
    arguments = dict(case["net"], **differences)
    if not is_first(case):
        return AetherStages(**arguments)
    del arguments["generation"]
    return (Aether if "fused" in differences else QuantizableAether)(**arguments)


def trained(case, seed):
    """The network with weights, and its state dict as it is saved."""
    save = case["save"]
    def randomly(network, seed):
        return (randomize(network, seed) if is_first(case)
                else randomize_stages(network, seed, save.get("resumed", False)))
    fuses = case["net"].get("fused", False)
    unfused = dict(case, net={key: value for key, value in case["net"].items() if key != "fused"})
    net = randomly(new_network(unfused), seed)
    quantization = save.get("quantization", "")
    if fuses:
        net.fuse()
    if quantization == "qat":
        state = prepared(net, save["flavour"], seed).state_dict()
    elif quantization == "int8":
        state = converted(net, save["flavour"], seed, save.get("calibrations", 1), save.get("engine")).state_dict()
        if save.get("engine") != "qnnpack":
            state = as_fbgemm_packs(state)
    else:
        state = net.state_dict()
    return net, edit(state, save)


def drop_zero_biases(case, numbers, net):
    """QNNPACK packs zeros for a bias that the float layer doesn't have."""
    extras = [key for key in numbers if key.endswith(".bias") and key not in net.state_dict()]
    if not extras:
        sys.exit(f"{case['name']}: no zero biases, so that the case shows nothing")
    for key in extras:
        if numbers.pop(key).any():
            sys.exit(f"{case['name']}: {key} isn't zero")


def reference(case, state):
    """The float network that the file is of, in float64."""
    quantization = case["save"].get("quantization", "")
    net = new_network(case, fused=case["net"].get("fused", False))
    numbers = float_state(state, quantization == "int8")
    if case["save"].get("engine") == "qnnpack":
        drop_zero_biases(case, numbers, net)
    net.load_state_dict(numbers, strict=True)
    if not is_first(case):
        net.quant_fusion_layer.bypasses_error_comp = (
            quantization == "int8" and net.rules.norm_before_shortcut and not net.rules.adds_error_comp_in_int8)
    return net.double().eval()


def check_sensitive(case, net, image, output):
    """Each question that the file leaves open changes the picture so much that tests notice."""
    def changed(what):
        with torch.no_grad():
            difference = float((net(image) - output).abs().max() / output.abs().max())
        if difference < 3e-4:
            sys.exit(f"{case['name']}: another {what} would hardly be noticed ({difference:.1e})")

    rules, fusion = net.rules, net.quant_fusion_layer
    right = dict(vars(rules))
    if rules.has_res_scale:
        for block in [module for module in net.modules() if hasattr(module, "res_scale") and module is not net]:
            block.res_scale *= 2
        changed("res_scale")
        for block in [module for module in net.modules() if hasattr(module, "res_scale") and module is not net]:
            block.res_scale /= 2
    rules.norm_before_shortcut = not rules.norm_before_shortcut
    changed("place of the norm")
    vars(rules).update(right)
    fusion.bypasses_error_comp = not fusion.bypasses_error_comp
    changed("use of error_comp")
    fusion.bypasses_error_comp = not fusion.bypasses_error_comp
    if net.norm_type == "deployment" and not net.norm.fused:
        net.set_eps(1e-5 if rules.eps == 1e-4 else 1e-4)
        changed("epsilon")
        net.set_eps(net.eps)
    if rules.scales_gates or case["save"].get("resumed"):
        ffns = [module for module in net.modules() if hasattr(module, "temperature")]
        for ffn in ffns:
            ffn.scales = not ffn.scales
        changed("use of the temperature")
        for ffn in ffns:
            ffn.scales = not ffn.scales


def describe(case, net):
    """What the program is expected to find."""
    save, expected = case["save"], case["expect"]
    arguments = case["net"]
    folded = is_first(case) or net.norm_type == "layernorm" or net.norm.fused
    return {
        "generation": expected.get("generation", arguments["generation"]),
        "model_type": expected.get("model_type", "custom"),
        "scale": arguments.get("scale", 2),
        "options": case["options"],  # of the program
        "fused": arguments.get("fused", False) or arguments.get("fused_init", False),
        "quantization": save.get("quantization", ""),
        "res_scale": arguments.get("res_scale", 1.0),
        "img_range": arguments.get("img_range", 1.0),
        "norm_type": arguments.get("norm_type", "layernorm" if is_first(case) else "deployment"),
        "norm_eps": None if folded else net.eps,
        "channel_attention": arguments.get("channel_attention", False),
        "spatial_attention": arguments.get("spatial_attention", False),
        # The options that a warning each names, no others.
        "warns": expected.get("warns", []),
        # What the file says wrongly of itself, which a warning each names.
        "contradictions": expected.get("contradictions", []),
        # What the error says where the file is refused.
        "fails": expected.get("fails"),
    }


def make_case(folder, case, seed):
    name = case["name"]
    net, state = trained(case, seed)
    torch.save(saved_form(net, state, case["save"]), folder / f"{name}.pth",
               _use_new_zipfile_serialization=not case["save"].get("legacy", False))
    if "fails" in case["expect"]:
        (folder / f"{name}.json").write_text(json.dumps(describe(case, net), indent=2))
        (folder / f"{name}.txt").write_text("")
        return
    network = reference(case, state)
    lines = []
    for index, (batch, height, width) in enumerate(case["sizes"]):
        generator = torch.Generator().manual_seed(seed + index)
        channels = case["net"].get("channels", 3)
        image = torch.rand(batch, channels, height, width, generator=generator)
        with torch.no_grad():
            output = network(image.double())
        if index == 0 and not is_first(case):
            check_sensitive(case, network, image.double(), output)
        numpy.save(folder / f"{name}.{index}.in.npy", image.numpy())
        numpy.save(folder / f"{name}.{index}.out.npy", output.float().numpy())
        lines.append(f"{name}.{index}")
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (folder / f"{name}.json").write_text(json.dumps(describe(case, network), indent=2))


def make_second_generation(folder):
    """G2 never ran, so that there are keys and shapes but no outputs."""
    net = randomize_stages(AetherStages("G3", channel_attention=True, spatial_attention=True), 1)
    state = collections.OrderedDict(
        (key, value) for key, value in net.state_dict().items()
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked")))
    state["upsample.blocks.0.weight"] = torch.rand(4 * 32, 32, 3, 3)
    torch.save({"params": state}, folder / "g2.pth")
    (folder / "g2.txt").write_text("")
    (folder / "g2.json").write_text(json.dumps({"options": [], "fails": "G2"}, indent=2))


def main():
    torch.set_num_threads(1)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    stage_golden.check_golden()
    stage_golden.check_presets()
    missing = set(GENERATIONS) - {case["net"]["generation"] for case in stage_cases.CASES.values()}
    if missing:
        sys.exit(f"no case of {missing}")
    for seed, case in enumerate(stage_cases.CASES.values()):
        make_case(folder, case, 100 * seed)
    make_second_generation(folder)
    (folder / "cases.txt").write_text("\n".join([*stage_cases.CASES, "g2"]) + "\n")


if __name__ == "__main__":
    main()
