/// @file
/// The command check runs rules on an ONNX file. The rules read a Model (the file, and facts about
/// the file), do not change the Model, and add findings to a Found.
///
/// A rule is one row of a table in a file rules_*.cpp. The row has the name of the rule's findings,
/// for example "weight-damaged", and the function that adds these findings.
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

/// Runs every rule on an ONNX file. `file` is the parsed file, `input` has its bytes. `siblings`
/// opens external data, and is null for a file in memory. To save memory, run() reads one weight at
/// a time.
///
/// Throws Error(usage) if a version in `options` is malformed or does not belong to its target.
CheckReport run(const onnx::Model& file, const Input& input, const io::Siblings* siblings,
                const CheckOptions& options, const Context& context);

/// The element types that rules use, with their numbers in ONNX's TensorProto.DataType.
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

/// Returns whether `data_type` is float16 or bfloat16.
bool is_half(int data_type);
/// Returns whether `data_type` is float16, bfloat16, float32 or float64.
bool is_real(int data_type);

/// Collects nodes, weights or values that have the same problem. Keeps only their number and the
/// name of the first, because a message names only the first.
struct Places {
  std::uint64_t count = 0;
  std::string first;

  void add(std::string_view name);
  bool empty() const { return count == 0; }
  /// Returns "the node 'a'", or "3 nodes (the first is 'a')", for a message. Here `noun` is "node".
  std::string text(std::string_view noun) const;
};

/// Facts that make_model() collects while it reads the elements of all weights of a model. The
/// rules in rules_weights.cpp report these facts as findings.
struct WeightFacts {
  std::uint64_t half_elements = 0;  ///< Number of elements in float16 weights that were read.
  Places not_finite;
  Places beyond_half;  ///< Tensors with a finite element beyond 65504, float16's limit.
  std::uint64_t half_subnormal = 0;  ///< Number of float16 elements x with 0 < |x| < 6.1e-5.
  Places at_limit;                   ///< float16 tensors with an element of +-65504.
  Places missing;                    ///< Tensors whose external file does not exist.
  Places elsewhere;                  ///< Tensors whose external file is in another folder.
  Places unread;                     ///< Tensors in external files of a model that is in memory.
  Places damaged;
  std::string damage;          ///< What is wrong with the first damaged tensor.
  std::string file_missing;    ///< Name of the first missing external file.
  std::string file_elsewhere;  ///< Name of the first external file in another folder.
};

/// An ONNX file, and facts about the file that several rules of check need.
struct Model {
  Model(const onnx::Model& of_file, const Input& bytes, const io::Siblings* beside)
      : file(of_file), input(bytes), siblings(beside) {}

  const onnx::Model& file;
  const Input& input;
  const io::Siblings* siblings;

  std::int64_t opset = 0;                      ///< The opset of ONNX's own operators; 0 if unknown.
  std::vector<const onnx::ValueInfo*> inputs;  ///< Graph inputs without an initializer.
  std::unordered_map<std::string_view, const onnx::Tensor*> constants;
  std::unordered_map<std::string_view, const onnx::Node*> makers;
  std::unordered_map<std::string_view, std::vector<const onnx::Node*>> users;
  /// The type of each value, inferred node by node. A value without an entry has an unknown type.
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

/// Collects the facts about an ONNX file that the rules of check need. Reads all weights, and
/// reports the progress to the observer in `context`.
Model make_model(const onnx::Model& file, const Input& input, const io::Siblings* siblings,
                 const Context& context);

/// Returns whether the node runs the operator `op_type` of ONNX's own domain.
bool is_op(const onnx::Node& node, std::string_view op_type);
/// Returns the node's name. If the node has no name, returns the name of the node's first output.
/// If the node has no output either, returns the name of the operator.
std::string_view name_of(const onnx::Node& node);
/// Returns the name of a node's input; empty if the node has fewer inputs.
std::string_view input_of(const onnx::Node& node, std::size_t index);
/// Returns the type in the node's attribute `name`, or type::unknown without this attribute.
int type_attribute(const onnx::Node& node, const char* name);
/// Returns the size of a fixed axis, or nullopt for a dynamic axis.
std::optional<std::int64_t> size_of_axis(const std::string& dim);
/// Returns the elements of a short int64 constant, which has at most one axis and 65,536 elements,
/// and is stored in the ONNX file itself. Returns nullopt for any other `value`.
std::optional<std::vector<std::int64_t>> integers_of(const Model& model, std::string_view value);
/// Returns the elements of a short floating-point constant, which has at most one axis and 65,536
/// elements, and is stored in the ONNX file itself. Returns nullopt for any other `value`.
std::optional<std::vector<double>> numbers_of(const Model& model, std::string_view value);

/// Returns the nodes of the graph for which `condition` is true.
template <typename Condition>
Places nodes_where(const Model& model, Condition condition) {
  Places places;
  for (const onnx::Node& node : model.file.nodes) {
    if (condition(node)) places.add(name_of(node));
  }
  return places;
}

/// States how serious a finding is for `target` (a program that runs ONNX files) in `versions`. The
/// severity also applies to each program that contains the target as its runtime
/// (TargetRow::runtime), unless `itself` is true.
struct Concern {
  Target target = Target::tensorrt;
  Severity severity = Severity::note;
  Range versions = all_versions();
  bool itself = false;
};

/// Collects the findings of one rule for all targets (programs that run ONNX files). run() keeps
/// only the findings for the requested targets.
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
  /// Adds a finding whose text is places.text(noun), a colon and `what`, for example "the node 'a':
  /// computes in float16". Adds nothing if `places` is empty.
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

/// How the type of an operator's output follows from the types of its inputs.
struct TypeRow {
  enum class Result { input, second_input, boolean, int64, cast, cast_like, quantize, dequantize };
  Result result;
  /// The inputs that must all have the same type: bit 0 for the first input, and so on.
  std::uint32_t agree;
};
/// Returns the row that gives the output type of the node's operator; null for an operator without
/// a row in the table kTypeRows (model.cpp).
const TypeRow* find_type_row(const onnx::Node& node);

// --- functions that return how serious a finding is for one target or several (Concern) ---

inline Concern tensorrt(Severity severity, Range versions = all_versions()) {
  return {Target::tensorrt, severity, versions};
}
inline Concern tensorrt_rtx(Severity severity) { return {Target::tensorrt_rtx, severity}; }
inline Concern onnxruntime(Severity severity, Range versions = all_versions()) {
  return {Target::onnxruntime, severity, versions};
}
inline Concern videojanai(Severity severity) { return {Target::videojanai, severity}; }
/// Returns a severity for `target` that does not apply to programs with `target` as their runtime.
inline Concern itself(Target target, Severity severity) {
  return {target, severity, all_versions(), true};
}
/// Returns the same severity for TensorRT and TensorRT for RTX, one Concern each.
std::vector<Concern> both_tensorrts(Severity severity);
/// Returns the same severity for all plugins of vs-mlrt, which run ONNX files in VapourSynth.
std::vector<Concern> vsmlrt(Severity severity);
/// Returns the same severity for all programs that give a model one picture at a time
/// (TargetRow::is_player).
std::vector<Concern> players(Severity severity);
std::vector<Concern> everywhere(Severity severity);
/// Returns one list with the elements of `a` and of `b`.
std::vector<Concern> both(std::vector<Concern> a, const std::vector<Concern>& b);

inline constexpr const char* kReconvert = "Convert the checkpoint with aether2onnx.";
inline constexpr const char* kDamaged = "The file is damaged. Create the file again.";
/// Returns the beginning of a remedy: "Convert the checkpoint with {option:opset_version} 17". The
/// caller adds the end of the sentence. Later code replaces {option:…} by the option's name.
std::string convert_with(std::string_view option_name, std::string_view value);
/// Returns the remedy for a bfloat16 model if a program is too old for opset 22, which bfloat16
/// needs: convert with mixed_fp16, or update the program.
std::string instead_of_bfloat16();

}  // namespace aether2onnx::judge::check
