/// @file
/// The rules of check: what they see of an ONNX file, and what they report. Rules only read.
///
/// A rule is one row of a table in rules_*.cpp: the code of its findings, and a function.
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
#include "judge/targets.h"
#include "port/files.h"

namespace aether2onnx::judge::check {

/// Applies every rule to the file described by `file`, whose bytes are `input`. `siblings` opens
/// external data and is null for a file in memory. Weights are read one at a time.
///
/// Throws Error(usage) if a version in `options` is none.
CheckReport run(const onnx::Model& file, const Input& input, const io::Siblings* siblings,
                const CheckOptions& options, const Context& context);

/// The element types that rules know, by their numbers in TensorProto.DataType.
namespace type {
enum {
  unknown = 0,
  float32 = 1,
  uint8 = 2,
  int64 = 7,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  bfloat16 = 16,
  float8e4m3fn = 17,
  float8e5m2 = 19,
};
}  // namespace type

/// Whether `data_type` is float16 or bfloat16.
bool is_half(int data_type);
/// Whether `data_type` is a floating-point type.
bool is_real(int data_type);

/// Nodes, weights or values of one kind: their number, and the first one's name.
struct Places {
  std::uint64_t count = 0;
  std::string first;

  void add(std::string_view name);
  bool empty() const { return count == 0; }
  /// "the node 'a'", "3 nodes (the first is 'a')".
  std::string text(std::string_view noun) const;
};

/// What the elements of the weights show.
struct WeightFacts {
  std::uint64_t half_elements = 0;  ///< Of all float16 weights that were read.
  Places not_finite;
  Places beyond_half;  ///< Tensors of wider types with a finite element beyond 65504.
  std::uint64_t half_subnormal = 0;
  Places at_limit;   ///< float16 tensors with an element of +-65504.
  Places missing;    ///< External data that do not exist.
  Places elsewhere;  ///< External data in another folder.
  Places unread;     ///< External data of a file in memory.
  Places damaged;
  std::string damage;          ///< What is wrong with the first damaged tensor.
  std::string file_missing;    ///< The first file that is missing.
  std::string file_elsewhere;  ///< The first file in another folder.
};

/// An ONNX file, and what several rules need to know about it.
struct Model {
  Model(const onnx::Model& of_file, const Input& bytes, const io::Siblings* beside)
      : file(of_file), input(bytes), siblings(beside) {}

  const onnx::Model& file;
  const Input& input;
  const io::Siblings* siblings;

  std::int64_t opset = 0;  ///< Of ONNX's own operators; 0 if the file names none.
  std::vector<const onnx::ValueInfo*> inputs;  ///< Inputs that have no value in the file.
  std::unordered_map<std::string_view, const onnx::Tensor*> constants;
  std::unordered_map<std::string_view, const onnx::Node*> makers;
  std::unordered_map<std::string_view, std::vector<const onnx::Node*>> users;
  /// Inferred in the order of the file. A value that is missing here has an unknown type.
  std::unordered_map<std::string_view, int> types;
  std::unordered_set<int> used_types;
  bool dynamic_size = false;  ///< Whether an input's height or width is dynamic.
  bool dynamic_batch = false;
  WeightFacts weights;

  int type_of(std::string_view value) const;
  const onnx::Node* maker_of(std::string_view value) const;
  bool is_dynamic() const { return dynamic_size || dynamic_batch; }
  bool has_type(int data_type) const { return used_types.contains(data_type); }
  bool has_half() const { return has_type(type::float16) || has_type(type::bfloat16); }
};

/// Reads the weights and tells the observer how many are done.
Model make_model(const onnx::Model& file, const Input& input, const io::Siblings* siblings,
                 const Context& context);

/// Whether the node is ONNX's own operator of this name.
bool is_op(const onnx::Node& node, std::string_view op_type);
/// The node's name; without one the name of its first output.
std::string_view name_of(const onnx::Node& node);
/// The number in an attribute that holds a data type; type::unknown if there is none.
int type_attribute(const onnx::Node& node, const char* name);
/// The size of a fixed axis; nullopt for a dynamic one.
std::optional<std::int64_t> size_of_axis(const std::string& dim);
/// The elements of a short constant list of integers; nullopt for any other value.
std::optional<std::vector<std::int64_t>> integers_of(const Model& model, std::string_view value);
/// The same for floating-point numbers.
std::optional<std::vector<double>> numbers_of(const Model& model, std::string_view value);

/// The nodes for which `condition` is true.
template <typename Condition>
Places nodes_where(const Model& model, Condition condition) {
  Places places;
  for (const onnx::Node& node : model.file.nodes) {
    if (condition(node)) places.add(name_of(node));
  }
  return places;
}

/// How bad something is, for some versions of a target. The concern holds for programs that run
/// this target as well (TargetRow::runtime), unless `itself` is set.
struct Concern {
  Target target = Target::tensorrt;
  Severity severity = Severity::note;
  Range versions = all_versions();
  bool itself = false;
};

/// Collects the findings of one rule, before they are weighed for the requested targets.
struct Found {
  struct Raw {
    std::string what;
    std::vector<Concern> concerns;
    std::string remedy;
    std::uint64_t count = 1;
  };
  std::vector<Raw> findings;

  void add(std::string what, std::vector<Concern> concerns, std::string remedy,
           std::uint64_t count = 1);
  /// One finding for all `places`: "3 nodes (the first is 'a'): what". None if `places` is empty.
  void add(const Places& places, std::string_view noun, std::string_view what,
           std::vector<Concern> concerns, std::string remedy);
};

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
std::span<const Rule> target_rules();

/// How an operator's type follows from its inputs.
struct TypeRow {
  enum class Result { input, second_input, boolean, int64, cast, cast_like, quantize, dequantize };
  Result result;
  /// The inputs that must have the same type, one bit each.
  std::uint32_t agree;
};
/// Null for an operator that is not in the table.
const TypeRow* find_type_row(const onnx::Node& node);

// --- short forms ---

inline Concern tensorrt(Severity severity, Range versions = all_versions()) {
  return {Target::tensorrt, severity, versions};
}
inline Concern tensorrt_rtx(Severity severity) { return {Target::tensorrt_rtx, severity}; }
inline Concern onnxruntime(Severity severity, Range versions = all_versions()) {
  return {Target::onnxruntime, severity, versions};
}
inline Concern videojanai(Severity severity) { return {Target::videojanai, severity}; }
/// For one target, and for no program that runs this target.
inline Concern itself(Target target, Severity severity) {
  return {target, severity, all_versions(), true};
}
/// TensorRT and TensorRT for RTX.
std::vector<Concern> both_tensorrts(Severity severity);
/// The plugins of vs-mlrt.
std::vector<Concern> vsmlrt(Severity severity);
/// Programs that give the model one picture at a time (TargetRow::is_player).
std::vector<Concern> players(Severity severity);
std::vector<Concern> everywhere(Severity severity);
/// All concerns of `a` and `b`.
std::vector<Concern> both(std::vector<Concern> a, const std::vector<Concern>& b);

inline constexpr const char* kReconvert = "Convert the checkpoint with aether2onnx.";
inline constexpr const char* kDamaged = "The file is damaged. Create the file again.";
/// "Convert the checkpoint with {option:opset_version} 17", without a full stop.
std::string convert_with(std::string_view option_name, std::string_view value);
/// The remedy for a bfloat16 model with an opset that is too new.
std::string instead_of_bfloat16();

}  // namespace aether2onnx::judge::check
