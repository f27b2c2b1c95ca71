/// @file
/// What a rule sees and says. Private to this stage.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "formats/onnx/onnx.h"
#include "judge/check/versions.h"
#include "port/files.h"

namespace aether2onnx::checks {

/// TensorProto.DataType, as far as rules know them.
namespace type {
enum {
  unknown = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  int32 = 6,
  int64 = 7,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  bfloat16 = 16,
};
}  // namespace type

/// Whether it is a floating-point type of 16 bits.
bool is_half(int data_type);
bool is_real(int data_type);

/// Things of one kind: how many, and the first one's name.
struct Places {
  std::uint64_t count = 0;
  std::string first;

  void add(std::string_view name);
  bool empty() const { return count == 0; }
  /// "the node 'a'", "3 nodes, the first of them 'a'".
  std::string text(std::string_view noun) const;
};

/// What reading the weights told.
struct WeightFacts {
  std::uint64_t elements = 0;  ///< Of the floating-point weights that were read.
  std::uint64_t half_elements = 0;
  Places not_finite;
  Places beyond_half;  ///< Tensors of wider types with a finite element beyond 65504.
  std::uint64_t half_subnormal = 0;
  Places at_limit;   ///< float16 tensors with an element of +-65504.
  Places missing;    ///< External data that isn't there.
  Places elsewhere;  ///< External data in another folder.
  Places unread;     ///< External data of a file in memory.
  Places damaged;
  std::string damage;  ///< What is wrong with the first damaged one.
  std::string file;    ///< The first file that isn't there or lies elsewhere.
};

/// An ONNX file with what several rules need of it.
struct Model {
  Model(const onnx::File& of_file, const Input& bytes, const io::Siblings* beside)
      : file(of_file), input(bytes), siblings(beside) {}

  const onnx::File& file;
  const Input& input;
  const io::Siblings* siblings;

  std::int64_t opset = 0;  ///< Of ONNX's own operators; 0 where the file names none.
  std::vector<const onnx::FileValue*> inputs;  ///< Those that have no value in the file.
  std::unordered_map<std::string_view, const onnx::FileTensor*> constants;
  std::unordered_map<std::string_view, const onnx::FileNode*> makers;
  std::unordered_map<std::string_view, std::vector<const onnx::FileNode*>> users;
  /// Inferred in the order of the file; a value that isn't in it is of unknown type.
  std::unordered_map<std::string_view, int> types;
  bool dynamic_size = false;  ///< Whether an input's height or width is dynamic.
  bool dynamic_batch = false;
  WeightFacts weights;

  int type_of(std::string_view value) const;
  bool is_dynamic() const { return dynamic_size || dynamic_batch; }
  /// Whether any value is of this type.
  bool has_type(int data_type) const { return used_types.contains(data_type); }
  std::unordered_set<int> used_types;
};

/// `context.observer` is told how many weights were read.
Model make_model(const onnx::File& file, const Input& input, const io::Siblings* siblings,
                 const Context& context);

/// Whether the operator is one of ONNX's own, of this name.
bool is_op(const onnx::FileNode& node, std::string_view op_type);
/// The node's name, or that of what it makes where it has none.
std::string_view name_of(const onnx::FileNode& node);
/// A size, where the axis has a fixed one.
std::optional<std::int64_t> size_of_axis(const std::string& dim);
/// The elements of a constant list of integers; nothing where it is no short one.
std::optional<std::vector<std::int64_t>> integers_of(const Model& model, std::string_view value);
/// The elements of a constant as numbers, under the same conditions.
std::optional<std::vector<double>> numbers_of(const Model& model, std::string_view value);

/// How bad a thing is for which versions of a target.
struct Concern {
  CheckTarget target = CheckTarget::tensorrt;
  Severity severity = Severity::note;
  Range versions = all_versions();
};

/// What a rule found.
struct RawFinding {
  std::string what;
  std::vector<Concern> concerns;
  std::string remedy;
  std::uint64_t count = 1;
};
using Found = std::vector<RawFinding>;

/// A rule: the code of its findings, and what looks for them.
struct Rule {
  const char* code;
  void (*apply)(const Model& model, Found& found);
};

std::span<const Rule> file_rules();
std::span<const Rule> graph_rules();
std::span<const Rule> operator_rules();
std::span<const Rule> shape_rules();
std::span<const Rule> type_rules();
std::span<const Rule> quantization_rules();
std::span<const Rule> weight_rules();

/// One row an operator: how its type follows from its inputs. Private to model.cpp and the rules of
/// types.
struct TypeRow {
  enum class Result { input, second_input, boolean, int64, cast, cast_like, quantize, dequantize };
  const char* op;
  Result result;
  /// The inputs that must be of one type, a bit each.
  std::uint32_t agree;
};
const TypeRow* find_type_row(const onnx::FileNode& node);

/// The remedy where a lower opset would do, but for bfloat16.
inline constexpr const char* kInsteadOfBfloat16 =
    "bfloat16 needs opset 22: convert with --fp_mode mixed_fp16, or update what runs the model.";

/// Short forms for concerns.
inline Concern tensorrt(Severity severity, Range versions = all_versions()) {
  return {CheckTarget::tensorrt, severity, versions};
}
inline Concern onnxruntime(Severity severity, Range versions = all_versions()) {
  return {CheckTarget::onnxruntime, severity, versions};
}
inline Concern vsmlrt(Severity severity) { return {CheckTarget::vsmlrt, severity, {}}; }
inline Concern videojanai(Severity severity) { return {CheckTarget::videojanai, severity, {}}; }
/// All targets alike.
std::vector<Concern> everywhere(Severity severity);

}  // namespace aether2onnx::checks
