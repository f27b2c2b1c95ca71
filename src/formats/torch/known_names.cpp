// The table of known names: the names that PyTorch, numpy and Python put into pickles of
// checkpoints. Comments between the rows name the source files that the rows follow.

#include "formats/torch/known_names.h"

#include <array>
#include <string>
#include <unordered_map>

#include "base/limits.h"
#include "base/text.h"

namespace aether2onnx::torch {

namespace {

// Row::calls describes, in a small language, how a name may be called. '|' separates alternatives;
// a call must match one of them. An alternative begins with the opcode: R is REDUCE, N is NEWOBJ.
// Then one word follows for each argument. '?' at the end of a word: the argument may be missing.
// '*': any number of arguments may match the word. '/': the argument matches one of the words
// beside the slash. '-' has no meaning and only joins the parts of one word. '=' precedes the exact
// content. Row::state is one word for the argument of BUILD. Row::filled is "items" (the opcode
// SETITEM may set items) or "elements" (APPEND may add elements). The words:
// - none, bool, int, real, text, list, dict, tuple: any value of this type. empty: the tuple ().
//   one-zero: the tuple (0,). text=X: the text X. latin: a text of characters below U+0100.
// - count: an integer from 0 on. step: an integer except 0. short-number: a text with a number of
//   at most 50 characters. fraction: a text like "1/3" of at most 50 characters. days, seconds,
//   microseconds: an integer in the range of this part of a timedelta. device-number: 0 to 127.
//   counted: a dict whose values are numbers. uuid-state: a dict with the number of a UUID.
// - bytes: a bytes object, in the form of any pickle protocol, or a text of Python 2. only-bytes:
//   no text of Python 2. type-code: the byte "b". date, time, date-time: the bytes that store a
//   date, a time, or both. timezone: a call of datetime.timezone. offset: a call of
//   datetime.timedelta for less than one day.
// - counts: a tuple of counts, or torch.Size. sizes: counts whose product fits 64 bits.
// - items: a list of pairs with distinct texts as keys. keys: a list of elements for a set.
// - fields, layer-fields, attribute-dict: a dict of the attributes of an OrderedDict, of a layer,
//   of a tensor. attributes: None or an attribute-dict.
// - storage: a reference to a storage. tensor: a call that makes a tensor. hooks: an empty
//   OrderedDict. metadata: a dict of the flags neg and conj. quantizer: a tuple that says how a
//   tensor is quantized: (scheme, scale, …). layout-name: a text that names a layout. device: a
//   text that names a kind of device, for example "cuda".
// - function: the name of a function that makes a tensor. type: a class of tensors. dtype: an
//   element type. version: the class TorchVersion. ndarray: the class numpy.ndarray. object: the
//   class object. text-class: the class str. class: a class that may have a state, or an unknown
//   class. factory: the default_factory of a defaultdict, which is None or a Python class of
//   numbers, texts or containers.
// - one-number, array, sparse and compressed each stand for all arguments of a call. sparse,
//   compressed: the layout and the content of a sparse tensor. one-number: (dtype, bytes of one
//   number). array: (bytes, dtype, shape, order).
// - element-type: numpy's text for an element type, for example "f4". dtype-state, array-state: the
//   state of a numpy.dtype or numpy.ndarray.
constexpr std::array kRows = {
    // Sources: torch/_utils.py and torch/_tensor.py, Tensor._reduce_ex_internal
    Row{"torch._utils", "_rebuild_tensor", Role::rebuild, "R storage count sizes counts"},
    Row{"torch._utils", "_rebuild_tensor_v2", Role::rebuild,
        "R storage count sizes counts bool hooks metadata?"},
    Row{"torch._utils", "_rebuild_tensor_v3", Role::rebuild,
        "R storage count sizes counts bool hooks dtype metadata?"},
    Row{"torch._utils", "_rebuild_parameter", Role::rebuild, "R tensor bool hooks"},
    Row{"torch._utils", "_rebuild_parameter_with_state", Role::rebuild,
        "R tensor bool hooks attributes"},
    Row{"torch._utils", "_rebuild_qtensor", Role::rebuild,
        "R storage count sizes counts quantizer bool hooks"},
    Row{"torch._utils", "_rebuild_sparse_tensor", Role::rebuild, "R sparse"},
    Row{"torch._utils", "_rebuild_sparse_csr_tensor", Role::rebuild, "R compressed"},
    Row{"torch._utils", "_rebuild_meta_tensor_no_storage", Role::rebuild,
        "R dtype sizes counts bool"},
    Row{"torch._tensor", "_rebuild_from_type_v2", Role::rebuild,
        "R function type tuple attribute-dict"},
    Row{"torch._tensor torch.tensor", "_rebuild_from_type", Role::rebuild,
        "R function type tuple attribute-dict"},
    // The sizes of this tensor are in other tensors, and a file could forge these sizes. So the
    // arguments do not show whether the call is harmless: Row::judged is false.
    Row{"torch._utils", "_rebuild_nested_tensor", Role::rebuild, "R tensor tensor tensor tensor",
        "", "", false},
    Row{"torch", "Size", Role::of_torch, "R counts|N counts"},
    // Source: torch/csrc/Device.cpp, THPDevice_reduce
    Row{"torch", "device", Role::of_torch, "R device device-number?"},
    Row{"torch", "Tensor", Role::of_torch, ""},
    Row{"torch.nn.parameter", "Parameter Buffer", Role::of_torch, ""},
    // Source: torch/serialization.py, _get_layout
    Row{"torch.serialization", "_get_layout", Role::of_torch, "R layout-name"},
    // References to storages name these classes. Source: torch/serialization.py, persistent_id
    Row{"torch",
        "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage "
        "ComplexFloatStorage DoubleStorage FloatStorage HalfStorage IntStorage LongStorage "
        "ShortStorage QInt8Storage QInt32Storage QUInt8Storage QUInt4x2Storage QUInt2x4Storage "
        "UntypedStorage",
        Role::of_torch, ""},
    Row{"torch.cuda",
        "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage "
        "ComplexFloatStorage DoubleStorage FloatStorage HalfStorage IntStorage LongStorage "
        "ShortStorage",
        Role::of_torch, ""},
    Row{"torch.storage", "UntypedStorage _UntypedStorage", Role::of_torch, ""},
    // The names of PyTorch's element types, quantization schemes and memory formats. A pickle
    // imports them by name. Sources: torch/csrc/Dtype.cpp, QScheme.cpp and MemoryFormat.cpp
    Row{"torch",
        "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bfloat16 "
        "complex32 complex64 complex128 qint8 quint8 qint32 quint4x2 quint2x4 bits8 bits16 "
        "bits1x8 bits2x4 bits4x2 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz "
        "float8_e8m0fnu",
        Role::of_torch, ""},
    Row{"torch",
        "per_tensor_affine per_tensor_symmetric per_channel_affine per_channel_symmetric "
        "per_channel_affine_float_qparams preserve_format contiguous_format channels_last "
        "channels_last_3d",
        Role::of_torch, ""},
    // From pickle protocol 4 on, a pickle imports the memory formats from torch._utils, by names
    // that begin with "torch.".
    Row{"torch._utils",
        "torch.preserve_format torch.contiguous_format torch.channels_last torch.channels_last_3d",
        Role::of_torch, ""},
    // Old classes of tensors. Some checkpoints contain settings, and a setting may be one of these
    // classes.
    Row{"torch torch.cuda",
        "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor "
        "IntTensor LongTensor ShortTensor",
        Role::of_torch, ""},
    // TorchVersion is a subclass of str, so a pickle makes a TorchVersion from a text. Source:
    // torch/torch_version.py
    Row{"torch.torch_version", "TorchVersion", Role::plain, "N text"},
    // In files from before PyTorch 1.5, each layer's attribute _backend is a call of this function.
    // Source: torch/nn/backends/thnn.py
    Row{"torch.nn.backends.thnn", "_get_thnn_function_backend", Role::plain, "R"},

    // Sources: Lib/collections/__init__.py and Modules/_collectionsmodule.c. Python 2 passes the
    // items of an OrderedDict as an argument.
    Row{"collections", "OrderedDict", Role::plain, "R|R items", "items", "fields"},
    Row{"collections", "Counter", Role::plain, "R counted"},
    Row{"collections", "defaultdict", Role::plain, "R|R factory", "items"},
    Row{"collections", "deque", Role::plain, "R|R list|R empty count/none|R list count/none",
        "elements"},
    // Python pickles these objects as calls: sets below protocol 4, bytearrays below protocol 5,
    // empty bytes objects below protocol 3; complex, range and slice in all protocols. Sources:
    // setobject.c, bytearrayobject.c, bytesobject.c, rangeobject.c and sliceobject.c in Objects/
    Row{"builtins __builtin__", "set frozenset", Role::plain, "R keys"},
    Row{"builtins __builtin__", "bytearray", Role::plain, "R|R latin text=latin-1|R only-bytes"},
    Row{"builtins __builtin__", "bytes", Role::plain, "R"},
    Row{"builtins __builtin__", "complex", Role::plain, "R real real"},
    Row{"builtins __builtin__", "range", Role::plain, "R int int step"},
    Row{"__builtin__", "xrange", Role::plain, "R int int step"},
    Row{"builtins __builtin__", "slice", Role::plain, "R int/none int/none int/none"},
    Row{"builtins __builtin__", "int float str bool list tuple dict object", Role::plain, ""},
    Row{"__builtin__", "long unicode", Role::plain, ""},
    // Python writes bytes as this call below protocol 3: Lib/pickle.py, save_bytes
    Row{"_codecs", "encode", Role::plain, "R latin text=latin1"},
    // Python writes objects as calls of _reconstructor in protocols 0 and 1: Lib/copyreg.py
    Row{"copyreg copy_reg", "_reconstructor", Role::plain,
        "R class object none|R version text-class text", "", "dict"},
    Row{"argparse", "Namespace", Role::plain, "N", "", "dict"},
    Row{"types", "SimpleNamespace", Role::plain, "R", "", "dict"},
    // Sources: Lib/decimal.py, fractions.py and uuid.py
    Row{"decimal", "Decimal", Role::plain, "R short-number"},
    Row{"fractions", "Fraction", Role::plain, "R int step|R fraction"},
    Row{"uuid", "UUID", Role::plain, "N", "", "uuid-state"},
    // Source: Lib/datetime.py, __reduce__
    Row{"datetime", "datetime", Role::plain, "R date-time timezone?"},
    Row{"datetime", "date", Role::plain, "R date"},
    Row{"datetime", "time", Role::plain, "R time timezone?"},
    Row{"datetime", "timedelta", Role::plain, "R days seconds microseconds"},
    Row{"datetime", "timezone", Role::plain, "R offset text?"},
    // Source: Lib/pathlib.py, PurePath.__reduce__
    Row{"pathlib pathlib._local",
        "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath", Role::plain,
        "R text*"},
    // Sources: descriptor.c, methods.c and scalartypes.c.src in numpy/core/src/multiarray/;
    // numpy/core/numeric.py
    Row{"numpy", "dtype", Role::plain, "R element-type bool/count bool/count", "", "dtype-state"},
    Row{"numpy.core.multiarray numpy._core.multiarray", "scalar", Role::plain, "R one-number"},
    Row{"numpy.core.multiarray numpy._core.multiarray", "_reconstruct", Role::plain,
        "R ndarray one-zero type-code", "", "array-state"},
    Row{"numpy.core.numeric numpy._core.numeric", "_frombuffer", Role::plain, "R array"},
    Row{"numpy",
        "ndarray bool bool_ float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 "
        "uint64 "
        "complex64 complex128",
        Role::plain, ""},

    // Source: the folder torch/nn/modules/. A layer's state is a dict of the layer's attributes,
    // which BUILD passes to Module.__setstate__.
    Row{"torch.nn.modules.activation",
        "ReLU ReLU6 LeakyReLU PReLU GELU SiLU Mish ELU Sigmoid Tanh Softmax Softplus Hardswish "
        "Hardsigmoid Hardtanh GLU MultiheadAttention",
        Role::layer, "N", "", "layer-fields"},
    Row{"torch.nn.modules.batchnorm", "BatchNorm1d BatchNorm2d SyncBatchNorm", Role::layer, "N", "",
        "layer-fields"},
    Row{"torch.nn.modules.container",
        "Sequential ModuleList ModuleDict ParameterList ParameterDict", Role::layer, "N", "",
        "layer-fields"},
    Row{"torch.nn.modules.conv",
        "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d", Role::layer, "N",
        "", "layer-fields"},
    Row{"torch.nn.modules.dropout", "Dropout Dropout2d", Role::layer, "N", "", "layer-fields"},
    Row{"torch.nn.modules.flatten", "Flatten Unflatten", Role::layer, "N", "", "layer-fields"},
    Row{"torch.nn.modules.instancenorm", "InstanceNorm2d", Role::layer, "N", "", "layer-fields"},
    Row{"torch.nn.modules.linear", "Linear NonDynamicallyQuantizableLinear Identity", Role::layer,
        "N", "", "layer-fields"},
    Row{"torch.nn.modules.normalization", "LayerNorm GroupNorm RMSNorm", Role::layer, "N", "",
        "layer-fields"},
    Row{"torch.nn.modules.padding", "ReflectionPad2d ReplicationPad2d ZeroPad2d ConstantPad2d",
        Role::layer, "N", "", "layer-fields"},
    Row{"torch.nn.modules.pixelshuffle", "PixelShuffle PixelUnshuffle", Role::layer, "N", "",
        "layer-fields"},
    Row{"torch.nn.modules.pooling", "AvgPool2d MaxPool2d AdaptiveAvgPool2d AdaptiveMaxPool2d",
        Role::layer, "N", "", "layer-fields"},
    Row{"torch.nn.modules.upsampling", "Upsample UpsamplingNearest2d UpsamplingBilinear2d",
        Role::layer, "N", "", "layer-fields"},
    Row{"torch.nn.parallel.data_parallel", "DataParallel", Role::layer, "N", "", "layer-fields"},
};

// Returns the key "module\nname", by which find_row() finds a row. No known module or name has a
// newline.
std::string key_of(std::string_view module, std::string_view name) {
  std::string key(module);
  key += '\n';
  return key += name;
}

}  // namespace

const Row* find_row(std::string_view module, std::string_view name) {
  static const auto index = [] {
    std::unordered_map<std::string, const Row*> result;
    for (const Row& row : kRows) {
      for (const auto one : split(row.modules, ' ')) {
        for (const auto each : split(row.names, ' ')) result.emplace(key_of(one, each), &row);
      }
    }
    return result;
  }();
  // The table has no name of more than kNameBytes bytes. Return early for a longer name, because
  // copying and hashing the name at each use would be slow.
  if (module.size() > limits::kNameBytes || name.size() > limits::kNameBytes ||
      module.find('\n') != std::string_view::npos) {
    return nullptr;
  }
  const auto found = index.find(key_of(module, name));
  return found == index.end() ? nullptr : found->second;
}

}  // namespace aether2onnx::torch
