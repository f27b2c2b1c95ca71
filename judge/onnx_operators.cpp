#include "judge/onnx_operators.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/text.h"

namespace aether2onnx::judge {

namespace {

// --- known operators that only compute outputs from inputs, and load or call no program ---

// The operators of ONNX's own domain. Source: docs/Operators.md and docs/Changelog.md of ONNX 1.23.
constexpr std::string_view kOnnx =
    "Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention "
    "AveragePool BatchNormalization Bernoulli BitCast BitShift BitwiseAnd BitwiseNot "
    "BitwiseOr BitwiseXor BlackmanWindow Cast CastLike CausalConvWithState Ceil Celu "
    "CenterCropPad Clip Col2Im Compress Concat ConcatFromSequence Constant ConstantOfShape "
    "Conv ConvInteger ConvTranspose Cos Cosh CumProd CumSum DFT DeformConv DepthToSpace "
    "DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand "
    "EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool "
    "GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization "
    "HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity If ImageDecoder "
    "InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual "
    "LinearAttention Log LogSoftmax Loop LpNormalization LpPool MatMul MatMulInteger Max "
    "MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization MelWeightMatrix Min Mish Mod "
    "Mul Multinomial Neg NegativeLogLikelihoodLoss NonMaxSuppression NonZero Not OneHot "
    "Optional OptionalGetElement OptionalHasElement Or PRelu Pad Pow QLinearConv "
    "QLinearMatMul QuantizeLinear RMSNormalization RNN RandomNormal RandomNormalLike "
    "RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum "
    "ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare "
    "RegexFullMatch Relu Reshape Resize ReverseSequence RoiAlign RotaryEmbedding Round STFT "
    "Scan Scatter ScatterElements ScatterND Selu SequenceAt SequenceConstruct SequenceEmpty "
    "SequenceErase SequenceInsert SequenceLength SequenceMap Shape Shrink Sigmoid Sign Sin "
    "Sinh Size Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split "
    "SplitToSequence Sqrt Squeeze StringConcat StringNormalizer StringSplit Sub Sum SwiGLU "
    "Swish Tan Tanh TensorScatter TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu "
    "Unique Unsqueeze Upsample Where Xor";

// Operators that ONNX Runtime adds to ONNX's own domain. Files that ONNX Runtime has optimized
// contain these operators. Source: ONNX Runtime's onnx_deprecated_operators.cc, contrib_defs.cc and
// internal_schema_defs.cc.
constexpr std::string_view kOnnxRuntimeOwn =
    "Affine Crop DynamicSlice GRUUnit GivenTensorFill ImageScaler MemcpyFromHost MemcpyToHost "
    "ParametricSoftplus Scale ScaledTanh SimplifiedLayerNormalization";

// The operators of the domain ai.onnx.ml. Source: docs/Operators-ml.md and docs/Changelog-ml.md of
// ONNX 1.23.
constexpr std::string_view kMl =
    "ArrayFeatureExtractor Binarizer CastMap CategoryMapper DictVectorizer FeatureVectorizer "
    "Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer OneHotEncoder "
    "SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier "
    "TreeEnsembleRegressor ZipMap";

// The operators of the domain com.microsoft. Source: ONNX Runtime's docs/ContribOperators.md, and
// the operators that ONNX Runtime 1.30 registers. This list omits EPContext and Snpe, because these
// operators load programs. kLoaders lists them.
constexpr std::string_view kMicrosoft =
    "Attention AttnLSTM BeamSearch BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu "
    "BifurcationDetector BitmaskBiasDropout BitmaskDropout CDist CausalConvWithState "
    "ComplexMul ComplexMulConj ConvTransposeWithDynamicPads CropAndResize DecoderAttention "
    "DecoderMaskedMultiHeadAttention DecoderMaskedSelfAttention DequantizeBFP "
    "DequantizeLinear DequantizeWithOrder DynamicQuantizeLSTM DynamicQuantizeMatMul "
    "DynamicTimeWarping EmbedLayerNormalization EngramGate ExpandDims FastGelu FusedConv "
    "FusedGemm FusedMatMul FusedMatMulActivation GatedAdd GatedDeltaNet GatedRMSNorm "
    "GatedRelativePositionBias GatherND Gelu GemmFastGelu GemmFloat8 GemmaRotaryEmbedding "
    "GreedySearch GridSample GroupNorm GroupQueryAttention Inverse Irfft IsAllFinite "
    "LinearAttention LinearAttentionGate LongformerAttention MRotaryEmbedding "
    "MatMulBlockQuantizedFp4Weight MatMulBlockQuantizedFp8Weight MatMulBnb4 MatMulFpQ4 "
    "MatMulInteger16 MatMulIntegerToFloat MatMulNBits MaxpoolWithMask MoE MulInteger "
    "MultiHeadAttention MurmurHash3 NGramHashMapping NGramRepeatBlock NhwcConv NhwcFusedConv "
    "NhwcMaxPool PackedAttention PackedMultiHeadAttention Pad PagedAttention QAttention "
    "QEmbedLayerNormalization QGemm QLinearAdd QLinearAveragePool QLinearConcat QLinearConv "
    "QLinearConvTranspose QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul "
    "QLinearReduceMean QLinearSigmoid QLinearSoftmax QLinearWhere QMoE QOrderedAttention "
    "QOrderedGelu QOrderedLayerNormalization QOrderedLongformerAttention QOrderedMatMul "
    "QuantizeBFP QuantizeLinear QuantizeWithOrder QuickGelu Range ReduceSumInteger "
    "RelativePositionBias RemovePadding RestorePadding Rfft RotaryEmbedding SampleOp Sampling "
    "SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization SparseAttention "
    "SparseToDenseMatMul Tokenizer TorchEmbedding TransposeMatMul Trilu UnfoldTensor Unique "
    "VarlenCausalConvWithState WhisperBeamSearch WordConvEmbedding";

// The operators of the domain com.microsoft.nchwc. Source: ONNX Runtime's nchwc_schema_defs.cc.
constexpr std::string_view kBlocked =
    "AveragePool Conv GlobalAveragePool GlobalMaxPool MaxPool ReorderInput ReorderOutput Upsample";

struct Library {
  std::string_view domain;
  std::string_view operators;
};

// The operators of each domain. In ONNX Runtime's domain com.ms.internal.nhwc, the operators have
// the names of operators of ONNX and com.microsoft, but their tensors have the channels last. So
// this table uses the lists kOnnx and kMicrosoft for this domain, too. Source: ONNX Runtime's
// internal_nhwc_onnx_schemas.cc.
constexpr std::array kLibraries = {
    Library{"", kOnnx},
    Library{"", kOnnxRuntimeOwn},
    Library{"ai.onnx.ml", kMl},
    Library{"ai.onnx.preview", "FlexAttention"},
    Library{"ai.onnx.preview.training", "Adagrad Adam Gradient Momentum"},
    Library{"ai.onnx.training", "Gradient GraphCall"},
    Library{"com.microsoft", kMicrosoft},
    Library{"com.microsoft.nchwc", kBlocked},
    Library{"com.ms.internal.nhwc", kOnnx},
    Library{"com.ms.internal.nhwc", kMicrosoft},
};

using Operators = std::unordered_map<std::string_view, std::unordered_set<std::string_view>>;

const Operators& computing() {
  static const Operators result = [] {
    Operators operators;
    for (const Library& library : kLibraries) {
      for (const std::string_view name : split(library.operators, ' ')) {
        operators[library.domain].insert(name);
      }
    }
    return operators;
  }();
  return result;
}

// --- operators that load or call a program ---

struct Loader {
  std::string_view domain;  // "*": any domain
  std::string_view op_type;
  std::string_view text;
};

// Operators that load or call a program. Sources: EP-Context-Design, ORTModule_PythonOp_Notes.md,
// PyOp.md, ContribOperators.md (Snpe), ORT_Use_Triton_Kernel.md in ONNX Runtime's documentation;
// PyTorch's exporter for ATen; onnxruntime-extensions for the operators that send their input to a
// server.
constexpr std::array kLoaders = {
    Loader{"com.microsoft", "EPContext", "loads a compiled program for a device"},
    Loader{"com.microsoft", "PythonOp", "calls a Python function by its name"},
    Loader{"com.microsoft", "PythonOpGrad", "calls a Python function by its name"},
    Loader{"*", "PyOp", "imports a Python module and calls a class of the module"},
    Loader{"com.microsoft", "Snpe", "loads a compiled model for Qualcomm's SNPE"},
    Loader{"com.microsoft", "TritonOp", "runs a GPU program by its name"},
    Loader{"*", "ATen", "calls any operator of PyTorch by its name"},
    Loader{"com.microsoft.extensions", "AzureTextToText", "sends its input to a server"},
    Loader{"com.microsoft.extensions", "AzureTritonInvoker", "sends its input to a server"},
    Loader{"com.microsoft.extensions", "OpenAIAudioToText", "sends its input to a server"},
};

std::string_view plain(std::string_view domain) {
  return onnx::is_onnx_domain(domain) ? std::string_view() : domain;
}

std::string_view load_text(std::string_view domain, std::string_view op_type) {
  const auto found = std::find_if(kLoaders.begin(), kLoaders.end(), [&](const Loader& loader) {
    return loader.op_type == op_type && (loader.domain == "*" || loader.domain == domain);
  });
  return found == kLoaders.end() ? std::string_view() : found->text;
}

Power power_of(std::string_view domain, std::string_view op_type) {
  if (!load_text(domain, op_type).empty()) return Power::loads;
  const auto library = computing().find(plain(domain));
  const bool known = library != computing().end() && library->second.contains(op_type);
  return known ? Power::computes : Power::unknown;
}

// --- calls of functions ---

std::uint64_t add(std::uint64_t a, std::uint64_t b) {
  return a >= kEndless - 1 - b ? kEndless - 1 : a + b;
}

std::optional<std::size_t> called_by(const onnx::Model& model, const onnx::Node& node) {
  const onnx::Function* called = model.function_of(node);
  if (called == nullptr) return std::nullopt;
  return static_cast<std::size_t>(called - model.functions.data());
}

// Returns the number of nodes in `nodes`. A call of a function counts as one node plus all nodes of
// the function. For each called function i, sizes[i] must be the result of size_of() for the nodes
// of the function.
std::uint64_t size_of(const onnx::Model& model, const std::vector<onnx::Node>& nodes,
                      const std::vector<std::uint64_t>& sizes) {
  std::uint64_t size = 0;
  for (const onnx::Node& node : nodes) {
    const auto called = called_by(model, node);
    size = add(size, called ? add(1, sizes[*called]) : 1);
  }
  return size;
}

}  // namespace

Power power_of(const onnx::Node& node) { return power_of(node.domain, node.op_type); }

bool replaces_operator(const onnx::Function& function) {
  return power_of(function.domain, function.name) != Power::unknown;
}

std::string_view load_text(const onnx::Node& node) { return load_text(node.domain, node.op_type); }

std::string full_name(const onnx::Node& node) {
  return onnx::is_onnx_domain(node.domain) ? node.op_type : node.domain + "." + node.op_type;
}

// Counts the nodes of each function, and then the nodes of the model. A function must wait until
// all functions that it calls are counted. If some functions wait forever, a function calls itself,
// directly or through other functions, and the result is kEndless.
std::uint64_t expanded_nodes(const onnx::Model& model) {
  const std::size_t count = model.functions.size();
  std::vector<std::vector<std::size_t>> callers(count);
  std::vector<std::size_t> waiting(count, 0);
  for (std::size_t i = 0; i < count; ++i) {
    for (const onnx::Node& node : model.functions[i].nodes) {
      const auto called = called_by(model, node);
      if (!called) continue;
      callers[*called].push_back(i);
      ++waiting[i];
    }
  }
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < count; ++i) {
    if (waiting[i] == 0) ready.push_back(i);
  }
  std::vector<std::uint64_t> sizes(count, 0);
  std::size_t done = 0;
  while (!ready.empty()) {
    const std::size_t index = ready.back();
    ready.pop_back();
    ++done;
    sizes[index] = size_of(model, model.functions[index].nodes, sizes);
    for (const std::size_t caller : callers[index]) {
      if (--waiting[caller] == 0) ready.push_back(caller);
    }
  }
  if (done < count) return kEndless;
  return add(size_of(model, model.nodes, sizes), size_of(model, model.inner_nodes, sizes));
}

}  // namespace aether2onnx::judge
