"""What people save with torch.save: values for honest.py, and for write_honest_files.py in tests/data/honest.

Runs on every Python from 2.7 and every PyTorch from 1.0 on: what a version lacks, it leaves out. So no f-strings,
no annotations and no keyword-only arguments here.
"""

import io
import random

import numpy
import torch

import honest_values
from honest_cases import Case, numbers, ordered, raw_bytes, small, version


def network():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1, bias=False), torch.nn.ReLU()),
    )
    for parameter in net.parameters():
        parameter.data.copy_(numbers(parameter.numel()).reshape(parameter.shape))
    return net


# --- tensors ---

def dtypes():
    names = ("float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 uint16 "
             "uint32 uint64 float8_e4m3fn float8_e5m2 complex32 float8_e4m3fnuz float8_e5m2fnuz "
             "float8_e8m0fnu").split()
    tensors = ordered()
    for name in names:
        dtype = getattr(torch, name, None)
        if dtype is None:
            continue
        try:
            tensor = numbers(5).to(dtype)
            raw_bytes(tensor)
            tensors[name] = tensor
        except (RuntimeError, TypeError, NotImplementedError):
            continue  # the version knows the name and can't make one
    common = ordered(*[(name, tensors[name]) for name in tensors
                       if name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")])
    yield Case("dtypes_common", common, common)
    for name in tensors:
        one = ordered(("kept", numbers(2)), ("other", tensors[name]))
        if name not in common:
            yield Case("dtype_" + name, one, one, unread=("other",) if "8_e" in name or name == "complex32" else ())


def parameters():
    values = ordered(("trained", torch.nn.Parameter(numbers(4))),
                     ("frozen", torch.nn.Parameter(numbers(4), requires_grad=False)),
                     ("wants", numbers(3).requires_grad_()))
    yield Case("parameters", values, values)
    net = network()
    yield Case("module_state_dict", net.state_dict(), net.state_dict())
    plain = dict(net.named_parameters())
    yield Case("named_parameters", plain, plain)
    if version() >= (1, 8):
        marked = torch.nn.Parameter(numbers(4))
        marked.is_shared = True
        marked.names_of = ["a", "b"]
        tagged = numbers(4)
        tagged.tag = "kept"
        tensors = ordered(("parameter", marked), ("tensor", tagged))
        yield Case("tensor_attributes", tensors, tensors)
    if hasattr(torch.nn, "Buffer"):
        fixed = torch.nn.Buffer(numbers(2), persistent=False)
        tensors = ordered(("buffer", torch.nn.Buffer(numbers(3))), ("fixed", fixed))
        yield Case("buffers", tensors, tensors)


def layouts():
    flat = numbers(24)
    base = flat.reshape(4, 6)
    tensors = ordered(("transposed", base.t()), ("slice", base[:, ::2]), ("row", base[1:2]),
                      ("permuted", flat.reshape(2, 3, 4).permute(2, 0, 1)), ("scalar", torch.tensor(0.625)),
                      ("scalar_integer", torch.tensor(7)), ("empty", torch.empty(0)), ("empty_3", torch.empty(0, 3)),
                      ("empty_mid", torch.empty(2, 0, 4)), ("rank_8", flat.reshape(2, 3, 1, 4, 1, 1, 1, 1)),
                      ("of_scalar", flat[5]))
    yield Case("views", tensors, tensors)
    one, row = numbers(1), numbers(4)
    column = row[:2].reshape(2, 1)
    tensors = ordered(("expanded", one.expand(3, 4)), ("rows", row.expand(3, 4)), ("columns", column.expand(2, 5)),
                      ("scalar", torch.tensor(1.5).expand(6)))
    yield Case("expanded", tensors, tensors)
    overlapping = ordered(("windows", numbers(10).unfold(0, 4, 2)), ("diagonal", numbers(9).as_strided((3,), (4,))),
                          ("strided", numbers(12).as_strided((3, 3), (2, 1))))
    yield Case("overlapping", overlapping, overlapping)
    whole = numbers(40)
    shared = ordered(("first", whole[:12].view(3, 4)), ("second", whole[12:32].view(2, 10)), ("last", whole[32:]),
                     ("whole", whole), ("tied", whole[12:32].view(2, 10).t()), ("same", whole))
    yield Case("shared", shared, shared)
    if version() >= (1, 5):
        channels = numbers(2 * 3 * 2 * 2).reshape(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
        deep = numbers(2 * 3 * 8).reshape(2, 3, 2, 2, 2).contiguous(memory_format=torch.channels_last_3d)
        tensors = ordered(("four", channels), ("five", deep))
        yield Case("channels_last", tensors, tensors)


def sparse():
    dense = numbers(12).reshape(3, 4) * torch.tensor([[1.0, 0.0, 0.0, 1.0]])
    if hasattr(dense, "to_sparse"):
        kept = ordered(("kept", numbers(2)), ("sparse", dense.to_sparse()))
        yield Case("sparse_coo", kept, kept, unread=("sparse",))
        if version() >= (1, 1):
            uncoalesced = torch.sparse_coo_tensor(torch.tensor([[0, 0], [1, 1]]), numbers(2), (2, 3))
            kept = ordered(("kept", numbers(2)), ("sparse", uncoalesced))
            yield Case("sparse_uncoalesced", kept, kept, unread=("sparse",))
    for name, make in (("csr", "to_sparse_csr"), ("csc", "to_sparse_csc")):
        if version() >= ((1, 13) if name == "csr" else (2, 0)) and hasattr(dense, make):
            kept = ordered(("kept", numbers(2)), ("sparse", getattr(dense, make)()))
            yield Case("sparse_" + name, kept, kept, unread=("sparse",))
    for name, make in (("bsr", "to_sparse_bsr"), ("bsc", "to_sparse_bsc")):
        if version() >= (2, 0) and hasattr(dense, make):
            kept = ordered(("kept", numbers(2)), ("sparse", getattr(numbers(16).reshape(4, 4), make)((2, 2))))
            yield Case("sparse_" + name, kept, kept, unread=("sparse",))


def quantized():
    if not hasattr(torch, "quantize_per_tensor") or version() < (1, 4):
        return
    tensors = ordered(("q", torch.quantize_per_tensor(numbers(6).reshape(2, 3), 0.25, 3, torch.quint8)),
                      ("s", torch.quantize_per_tensor(numbers(6).reshape(2, 3), 0.125, 0, torch.qint8)),
                      ("i", torch.quantize_per_tensor(numbers(4), 0.125, 0, torch.qint32)), ("kept", numbers(2)))
    yield Case("quantized_per_tensor", tensors, tensors)
    scales, zeros = torch.tensor([0.25, 0.125], dtype=torch.float64), torch.tensor([0, 0])
    channel = torch.quantize_per_channel(numbers(6).reshape(2, 3), scales, zeros, 0, torch.qint8)
    tensors = ordered(("c", channel), ("kept", numbers(2)))
    yield Case("quantized_per_channel", tensors, tensors)
    if hasattr(torch, "quint4x2"):
        scales, zeros = torch.tensor([0.25, 0.5]), torch.tensor([0.0, 0.0])
        embedding = torch.quantize_per_channel(numbers(8).reshape(2, 4), scales, zeros, 0, torch.quint4x2)
        kept = ordered(("kept", numbers(2)), ("packed", embedding))
        yield Case("quantized_4_bits", kept, kept, unread=("packed",))


def quantized_modules():
    """Their state dicts have pairs of tensors, types and numbers among the tensors."""
    if version() < (1, 4):
        return
    net = torch.nn.Sequential(torch.nn.Linear(3, 2))
    dynamic = torch.quantization.quantize_dynamic(net, {torch.nn.Linear})
    yield Case("quantized_linear", dynamic.state_dict())


def as_loaded(value):
    """The value as PyTorch loads it: PyTorch 1.13 loses the sign of such tensors when it saves them."""
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file)


def rare_tensors():
    kept = numbers(2)
    if version() >= (1, 10):
        values = numbers(4).to(torch.complex64)
        tensors = ordered(("kept", kept), ("conj", values.conj()))
        yield Case("conjugate", tensors, as_loaded(tensors), unread=("conj",))
        tensors = ordered(("kept", kept), ("negative", (values * 2j).conj().imag))
        yield Case("negative", tensors, as_loaded(tensors), unread=("negative",))
    if version() >= (1, 9):
        tensors = ordered(("kept", kept), ("meta", torch.empty(2, 3, device="meta")))
        yield Case("meta", tensors, {"kept": kept}, unread=("meta",))
    if version() >= (1, 13) and hasattr(torch, "nested"):
        nested = torch.nested.nested_tensor([numbers(2), numbers(3)])
        yield Case("nested", ordered(("kept", kept), ("nested", nested)), {"kept": kept}, unread=("nested",))
    for name, value in (("tensor", kept), ("list", [kept, (kept, 1)]), ("text", "text"), ("number", 3), ("none", None)):
        yield Case("root_" + name, value)


# --- training ---

OPTIMIZERS = ("SGD Adam AdamW Adadelta Adagrad Adamax ASGD NAdam RAdam RMSprop Rprop LBFGS SparseAdam "
              "Adafactor Muon").split()


def make_optimizer(name, net):
    weights = list(net.parameters())
    if name == "SGD":
        return torch.optim.SGD(weights, lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)
    if name == "Adam":
        return torch.optim.Adam(weights, lr=1e-3, betas=(0.9, 0.99), amsgrad=True)
    if name == "Muon":
        return torch.optim.Muon([weight for weight in weights if weight.dim() == 2], lr=1e-3)
    if name == "SparseAdam":
        return None  # takes sparse gradients only
    return getattr(torch.optim, name)(weights, lr=1e-3)


def step(net, optimizer):
    def closure():
        optimizer.zero_grad()
        loss = (net(numbers(6).reshape(2, 3)) ** 2).mean()
        loss.backward()
        return loss
    for _ in range(2):
        optimizer.step(closure)


def optimizers():
    for name in OPTIMIZERS:
        if not hasattr(torch.optim, name):
            continue
        net = torch.nn.Linear(3, 2)
        optimizer = make_optimizer(name, net)
        if optimizer is None:
            continue
        step(net, optimizer)
        saved = {"state_dict": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 1}
        yield Case("optimizer_" + name.lower(), saved, net.state_dict())
    net = torch.nn.Linear(3, 2)
    groups = [{"params": [net.weight], "lr": 1e-2}, {"params": [net.bias], "weight_decay": 0.0, "name": "bias"}]
    optimizer = torch.optim.SGD(groups, lr=1e-3, momentum=0.5)
    step(net, optimizer)
    saved = {"params": net.state_dict(), "optimizers": [optimizer.state_dict()], "iter": 5}
    yield Case("optimizer_groups", saved, net.state_dict())
    yield Case("optimizer_alone", optimizer.state_dict())


def make_schedulers(optimizer):
    lr_scheduler = torch.optim.lr_scheduler
    made = [("step", lambda: lr_scheduler.StepLR(optimizer, 3)),
            ("multi_step", lambda: lr_scheduler.MultiStepLR(optimizer, [10, 20, 20])),
            ("lambda", lambda: lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9 ** epoch)),
            ("multiplicative", lambda: lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.9)),
            ("exponential", lambda: lr_scheduler.ExponentialLR(optimizer, 0.9)),
            ("cosine", lambda: lr_scheduler.CosineAnnealingLR(optimizer, 10)),
            ("restarts", lambda: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 10)),
            ("constant", lambda: lr_scheduler.ConstantLR(optimizer)),
            ("linear", lambda: lr_scheduler.LinearLR(optimizer)),
            ("polynomial", lambda: lr_scheduler.PolynomialLR(optimizer)),
            ("one_cycle", lambda: lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)),
            ("plateau", lambda: lr_scheduler.ReduceLROnPlateau(optimizer)),
            ("sequential", lambda: lr_scheduler.SequentialLR(
                optimizer, [lr_scheduler.ConstantLR(optimizer), lr_scheduler.ExponentialLR(optimizer, 0.9)], [2])),
            ("chained", lambda: lr_scheduler.ChainedScheduler([lr_scheduler.ConstantLR(optimizer)])),
            ("averaging", lambda: torch.optim.swa_utils.SWALR(optimizer, 0.05))]
    for name, make in made:
        try:
            yield name, make()
        except AttributeError:
            continue  # not in this version


def schedulers():
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    step(net, optimizer)
    for name, scheduler in make_schedulers(optimizer):
        saved = {"params": net.state_dict(), "schedulers": [scheduler.state_dict()]}
        yield Case("scheduler_" + name, saved, net.state_dict())


def random_states():
    numpy.random.seed(3)
    random.seed(3)
    state = torch.get_rng_state()
    states = {"state_dict": small(), "torch": state, "cuda": [state], "python": random.getstate()}
    yield Case("random_states", states, small())
    states = {"state_dict": small(), "numpy": numpy.random.get_state()}
    yield Case("random_state_numpy", states, small())
    if hasattr(numpy.random, "default_rng"):
        states = {"state_dict": small(), "numpy": numpy.random.default_rng(3).bit_generator.state}
        yield Case("random_state_pcg", states, small())


def wrappers():
    inner, other = small(), small(-1)
    yield Case("basicsr", {"params": other, "params_ema": inner, "iter": 5000}, inner)
    yield Case("ema_wrapper", {"epoch": 3, "state_dict": other, "state_dict_ema": inner, "ema_decay": 0.999}, inner)
    parallel = ordered(*[("module." + key, value) for key, value in inner.items()])
    yield Case("data_parallel", parallel, parallel)
    parallel._metadata = ordered(("", {"version": 1}), ("module", {"version": 1}))
    yield Case("data_parallel_metadata", {"state_dict": parallel, "epoch": 2}, parallel)
    compiled = ordered(*[("_orig_mod.module." + key, value) for key, value in inner.items()])
    yield Case("compiled", compiled, compiled)
    scaler = {"scale": 65536.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2000,
              "_growth_tracker": 0}
    yield Case("scaler", {"model": inner, "scaler": scaler, "best_psnr": 31.5, "done": False, "note": None}, inner)
    progress = {"total": {"ready": 1, "completed": 0}}
    best = {"best_model_score": torch.tensor(0.5), "best_model_path": "a.ckpt"}
    lightning = {"epoch": 1, "global_step": 10, "pytorch-lightning_version": "2.1.0", "state_dict": inner,
                 "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": progress}},
                 "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": best}, "optimizer_states": [],
                 "lr_schedulers": [], "hparams_name": "kwargs", "hyper_parameters": {"lr": 1e-3}}
    yield Case("lightning", lightning, inner)
    if hasattr(torch.optim, "swa_utils"):
        averaged = torch.optim.swa_utils.AveragedModel(network())
        cleaned = averaged.state_dict()
        yield Case("averaged", cleaned, {key: value for key, value in cleaned.items() if key != "n_averaged"})


# --- whole modules ---

def modules():
    net = network()
    yield Case("module", net, net.state_dict())
    wrapped = {"epoch": 3, "net_g": net, "optimizer": None}
    yield Case("module_wrapped", wrapped, net.state_dict())
    parallel = torch.nn.DataParallel(net)
    yield Case("module_parallel", parallel, parallel.state_dict())
    buffered = network()
    buffered.register_buffer("kept", numbers(2))
    yield Case("module_buffers", buffered.eval(), buffered.state_dict())
    trained = torch.nn.Sequential(torch.nn.Linear(3, 2))
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.1)
    step(trained, optimizer)
    yield Case("module_with_gradients", trained, trained.state_dict())
    tied = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    tied.config = {"scale": 2, "names": ["a"]}
    tied.parents = [tied]
    yield Case("module_tied", tied, tied.state_dict())
    for name, layer in layers():
        holder = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), layer)
        yield Case("layer_" + name.lower(), holder, holder.state_dict())


# Layers that need no arguments, and those that do.
PLAIN_LAYERS = ("ReLU ReLU6 PReLU GELU SiLU Mish ELU Sigmoid Tanh Softplus Hardswish Hardsigmoid Hardtanh GLU Dropout "
                "Dropout2d Flatten Identity").split()
LAYERS = [("LeakyReLU", (0.2,)), ("Softmax", (1,)), ("MultiheadAttention", (4, 2)), ("BatchNorm1d", (4,)),
          ("BatchNorm2d", (4,)), ("SyncBatchNorm", (4,)), ("Conv1d", (2, 2, 1)), ("Conv3d", (2, 2, 1)),
          ("ConvTranspose1d", (2, 2, 1)), ("ConvTranspose2d", (2, 2, 1)), ("ConvTranspose3d", (2, 2, 1)),
          ("InstanceNorm2d", (2,)), ("Linear", (2, 2)), ("LayerNorm", (4,)), ("GroupNorm", (2, 4)), ("RMSNorm", (4,)),
          ("ReflectionPad2d", (1,)), ("ReplicationPad2d", (1,)), ("ZeroPad2d", (1,)), ("ConstantPad2d", (1, 0.5)),
          ("PixelShuffle", (2,)), ("PixelUnshuffle", (2,)), ("AvgPool2d", (2,)), ("MaxPool2d", (2,)),
          ("AdaptiveAvgPool2d", (1,)), ("AdaptiveMaxPool2d", (1,)), ("Upsample", (None, 2)),
          ("UpsamplingNearest2d", (None, 2)), ("UpsamplingBilinear2d", (None, 2))]


def layers():
    yield "ParameterList", torch.nn.ParameterList([torch.nn.Parameter(numbers(2))])
    yield "ParameterDict", torch.nn.ParameterDict({"a": torch.nn.Parameter(numbers(2))})
    yield "ModuleList", torch.nn.ModuleList([torch.nn.ReLU(), torch.nn.Linear(2, 1)])
    yield "ModuleDict", torch.nn.ModuleDict([("a", torch.nn.ReLU())])
    for name, arguments in LAYERS + [(name, ()) for name in PLAIN_LAYERS]:
        if hasattr(torch.nn, name):
            yield name, getattr(torch.nn, name)(*arguments)


GROUPS = (dtypes, parameters, layouts, sparse, quantized, quantized_modules, rare_tensors, optimizers, schedulers,
          random_states, wrappers, honest_values.python_values, honest_values.torch_values, honest_values.numpy_values,
          modules)


def cases():
    for group in GROUPS:
        for case in group():
            yield case
