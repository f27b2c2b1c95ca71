// The list of allowed names, and the verdict on every other name. Sources of the allowed names:
// torch/_weights_only_unpickler.py (_get_allowed_globals), torch/_utils.py, torch/storage.py,
// numpy's and Python's own classes of plain values.

#include <algorithm>
#include <array>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/limits.h"
#include "judge/scan/scan.h"
#include "judge/words.h"

namespace aether2onnx::judge::scan {

namespace {

struct Names {
  std::string_view module;
  std::string_view names;  // see words_of()
};

constexpr std::array kTensors = {
    Names{"torch._utils",
          "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter "
          "_rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor "
          "_rebuild_meta_tensor_no_storage _rebuild_nested_tensor"},
    Names{"torch._tensor", "_rebuild_from_type_v2"},
    Names{"torch", "Size Tensor device"},
    Names{"torch.nn.parameter", "Parameter Buffer"},
    Names{"torch.serialization", "_get_layout"},
    Names{"torch.storage", "TypedStorage UntypedStorage _TypedStorage _UntypedStorage"},
    Names{"torch",
          "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bfloat16 "
          "complex32 complex64 complex128 qint8 quint8 qint32 quint4x2 quint2x4 bits8 bits16 "
          "bits1x8 bits2x4 bits4x2 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz "
          "float8_e8m0fnu"},
    Names{"torch",
          "per_tensor_affine per_tensor_symmetric per_channel_affine per_channel_symmetric "
          "per_channel_affine_float_qparams strided sparse_coo preserve_format contiguous_format "
          "channels_last channels_last_3d"},
    Names{"torch",
          "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage "
          "ComplexFloatStorage DoubleStorage FloatStorage HalfStorage IntStorage LongStorage "
          "ShortStorage QInt8Storage QInt32Storage QUInt8Storage QUInt4x2Storage QUInt2x4Storage "
          "UntypedStorage"},
    Names{"torch.cuda",
          "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage "
          "ComplexFloatStorage DoubleStorage FloatStorage HalfStorage IntStorage LongStorage "
          "ShortStorage"},
    Names{"torch",
          "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor "
          "IntTensor LongTensor ShortTensor"},
    Names{"torch.cuda",
          "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor "
          "IntTensor LongTensor ShortTensor"},
};

// Classes of plain values. Creating such a value only stores the arguments.
constexpr std::array kHarmless = {
    Names{"collections", "OrderedDict Counter defaultdict deque"},
    Names{"builtins",
          "set frozenset bytearray bytes complex slice range int float str bool list tuple dict "
          "object"},
    Names{"__builtin__",
          "set frozenset bytearray bytes complex slice range xrange int long float str unicode "
          "bool list tuple dict object"},
    Names{"_codecs", "encode"},
    Names{"copyreg", "_reconstructor"},
    Names{"copy_reg", "_reconstructor"},
    Names{"torch.torch_version", "TorchVersion"},
    Names{"argparse", "Namespace"},
    Names{"types", "SimpleNamespace"},
    Names{"datetime", "datetime date time timedelta timezone"},
    Names{"decimal", "Decimal"},
    Names{"fractions", "Fraction"},
    Names{"uuid", "UUID"},
    Names{"pathlib", "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath"},
    Names{"pathlib._local", "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath"},
    Names{"numpy",
          "dtype ndarray bool_ float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 "
          "uint64"},
    Names{"numpy.core.multiarray", "scalar _reconstruct"},
    Names{"numpy._core.multiarray", "scalar _reconstruct"},
    Names{"numpy.core.numeric", "_frombuffer"},
    Names{"numpy._core.numeric", "_frombuffer"},
    Names{"numpy.dtypes",
          "BoolDType Float16DType Float32DType Float64DType Int8DType Int16DType Int32DType "
          "Int64DType UInt8DType UInt16DType UInt32DType UInt64DType"},
    // Layers: only torch.nn.Module defines what setting their state does.
    Names{"torch.nn.modules.activation",
          "ReLU ReLU6 LeakyReLU PReLU GELU SiLU Mish ELU Sigmoid Tanh Softmax Softplus Hardswish "
          "Hardsigmoid Hardtanh GLU MultiheadAttention"},
    Names{"torch.nn.modules.batchnorm", "BatchNorm1d BatchNorm2d SyncBatchNorm"},
    Names{"torch.nn.modules.container",
          "Sequential ModuleList ModuleDict ParameterList ParameterDict"},
    Names{"torch.nn.modules.conv",
          "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d"},
    Names{"torch.nn.modules.dropout", "Dropout Dropout2d"},
    Names{"torch.nn.modules.flatten", "Flatten Unflatten"},
    Names{"torch.nn.modules.instancenorm", "InstanceNorm2d"},
    Names{"torch.nn.modules.linear", "Linear Identity"},
    Names{"torch.nn.modules.normalization", "LayerNorm GroupNorm RMSNorm"},
    Names{"torch.nn.modules.padding", "ReflectionPad2d ReplicationPad2d ZeroPad2d ConstantPad2d"},
    Names{"torch.nn.modules.pixelshuffle", "PixelShuffle PixelUnshuffle"},
    Names{"torch.nn.modules.pooling", "AvgPool2d MaxPool2d AdaptiveAvgPool2d AdaptiveMaxPool2d"},
    Names{"torch.nn.modules.upsampling", "Upsample UpsamplingNearest2d UpsamplingBilinear2d"},
    Names{"torch.nn.parallel.data_parallel", "DataParallel"},
};

// Modules that run code, start programs, or reach files, networks and the interpreter itself, with
// everything below them. Names from modules that are missing here are suspicious all the same.
// torch.hub and the modules behind it are parts of modules that also have allowed names.
constexpr const char* kDangerousModules =
    "os posix nt sys subprocess _posixsubprocess commands popen2 pty platform shutil socket "
    "_socket ssl socketserver urllib urllib2 urllib3 requests httplib http httpx aiohttp ftplib "
    "smtplib poplib imaplib nntplib telnetlib xmlrpc webbrowser importlib imp runpy pkgutil "
    "zipimport site sysconfig code codeop compileall py_compile ctypes _ctypes cffi pickle "
    "_pickle cPickle dill cloudpickle joblib shelve marshal functools operator _operator "
    "itertools inspect gc asyncio threading _thread thread multiprocessing concurrent signal "
    "sched pip ensurepip venv setuptools distutils pkg_resources timeit profile cProfile trace "
    "pdb bdb doctest unittest test idlelib lib2to3 pydoc logging tempfile fileinput io _io "
    "linecache antigravity cgitb "
    "torch.hub torch.jit torch.ops torch.package torch.distributed torch.multiprocessing "
    "torch.utils torch.fx torch.testing torch._dynamo torch._inductor torch.onnx numpy.testing "
    "numpy.f2py numpy.distutils";

constexpr std::array kDangerous = {
    Names{"builtins",
          "eval exec compile __import__ getattr setattr delattr open input breakpoint globals "
          "locals vars map filter apply execfile file reload memoryview type super"},
    Names{"__builtin__",
          "eval exec compile __import__ getattr setattr delattr open input raw_input breakpoint "
          "globals locals vars map filter apply execfile file reload type super"},
    Names{"types", "FunctionType CodeType MethodType LambdaType"},
    Names{"torch", "load hub save"},
    Names{"torch.serialization", "load _load _legacy_load save"},
    Names{"torch.storage", "_load_from_bytes"},
    Names{"numpy", "load fromfile memmap loadtxt genfromtxt savetxt save"},
};

using Set = std::unordered_set<std::string>;

// "module\nname": no allowed module or name contains a newline.
std::string key_of(std::string_view module, std::string_view name) {
  std::string key(module);
  key += '\n';
  return key += name;
}

template <std::size_t size>
Set set_of(const std::array<Names, size>& table) {
  Set result;
  for (const Names& row : table) {
    for (const std::string_view name : words_of(row.names)) {
      result.insert(key_of(row.module, name));
    }
  }
  return result;
}

bool is_below(std::string_view module, std::string_view top) {
  return module.starts_with(top) && (module.size() == top.size() || module[top.size()] == '.');
}

bool is_in_dangerous_module(std::string_view module) {
  static const std::vector<std::string_view> dangerous = words_of(kDangerousModules);
  return std::any_of(dangerous.begin(), dangerous.end(),
                     [&](std::string_view top) { return is_below(module, top); });
}

}  // namespace

Verdict verdict_of(std::string_view module, std::string_view name) {
  static const Set tensors = set_of(kTensors);
  static const Set harmless = set_of(kHarmless);
  static const Set dangerous = set_of(kDangerous);
  // No known name is so long, and one long text can be named a million times.
  if (module.size() > limits::kNameBytes || name.size() > limits::kNameBytes) {
    return Verdict::suspicious;
  }
  const std::string key = key_of(module, name);
  const bool plain = module.find('\n') == std::string_view::npos;
  if (plain && tensors.contains(key)) return Verdict::tensors;
  if (plain && harmless.contains(key)) return Verdict::harmless;
  // From protocol 4 on a name may contain attributes: "Size.__class__.mro".
  const std::string_view first = name.substr(0, name.find('.'));
  if (dangerous.contains(key_of(module, first)) || is_in_dangerous_module(module) ||
      name.find("__") != std::string_view::npos) {
    return Verdict::dangerous;
  }
  return Verdict::suspicious;
}

}  // namespace aether2onnx::judge::scan
