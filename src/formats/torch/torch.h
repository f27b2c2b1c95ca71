/// @file
/// Reads, audits and writes files of torch.save.
///
/// Owns PyTorch's two containers (the zip archive of 1.6 and later, and the older stream of
/// pickles), the references to storages, the calls by which a pickle rebuilds its tensors, and the
/// table of all names that writers of checkpoints put into pickles.
/// Returns the pickled object and its tensors as records. Knows nothing of state dicts.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/pickle/pickle.h"
#include "formats/tensors.h"

namespace aether2onnx::torch {

/// The storages of a file, and the records beside its pickle.
class Storages : public formats::Storages {
 public:
  /// Returns the keys of all storages.
  virtual std::vector<std::string> keys() const = 0;
  /// Returns the short texts in the folder `.data`, where PyTorch keeps its own records. write()
  /// puts its notes there.
  virtual formats::Notes notes() const { return {}; }
  /// Returns the offset of the first byte that torch.load does not read.
  virtual std::uint64_t end() const = 0;
};

/// An opened file.
struct File {
  pickle::Document document;  ///< The pickled object.
  std::unique_ptr<Storages> storages;
  /// The number of parts of a reference to a storage: 5 in a zip container, 6 in a stream.
  std::size_t reference_parts = 5;
};

/// Opens PyTorch's zip container. Returns nullopt if the archive has no `<folder>/data.pkl`, where
/// torch.save() writes the pickle. `input` must outlive the result. Throws Error(malformed,
/// unsupported, limit).
std::optional<File> open_zip(const Input& input, const Context& context);

/// Opens PyTorch's stream of pickles and storages, from before 1.6. `input` must outlive the
/// result. Throws the same errors as open_zip().
File open_legacy(const Input& input, const Context& context);

/// Returns whether the value is a call that rebuilds a tensor, well-formed or not.
bool is_tensor(const pickle::Document& document, pickle::ValueId value);

/// Returns whether the value is a tensor, well-formed or not, of a shape and type that weights
/// have. Single numbers and integers are not weights, but counters, metrics or states of random
/// generators.
bool may_be_weight(const pickle::Document& document, pickle::ValueId value);

using NamedValue = std::pair<std::string, pickle::ValueId>;

/// Describes and checks the tensors among the values. All references to one storage must agree on
/// its type and size.
std::vector<formats::Record> describe_tensors(const pickle::Document& document,
                                              const formats::Storages& storages,
                                              const std::vector<NamedValue>& values);

/// Describes a value like pickle::describe(): "a list". Also knows objects whose class the legacy
/// stream stores with its source text: "an object of torch.nn.modules.linear.Linear".
std::string describe(const pickle::Document& document, pickle::ValueId value);

/// Returns the verdict on a name that a pickle imports.
Verdict verdict_of(std::string_view module, std::string_view name);

/// A use of a name in the table of known names, or a reference, that no writer makes. A loader
/// would run code in a way that the code's authors never tried, and could make other values than
/// this reader. Uses of all other names are not judged.
struct Misuse {
  pickle::ValueId value = 0;  ///< The object, key or reference.
  std::string code;
  std::string text;  ///< For example "collections.OrderedDict is called with (the number 5)".
  /// false: a writer may make the call, but its arguments do not show whether the call is harmless.
  bool is_certain = true;
};

/// Calls `report` for each misuse in the pickle, until `report` returns false.
void find_misuses(const pickle::Document& document,
                  const std::function<bool(const Misuse&)>& report);

/// Checks all tensors of the file, and all references to storages, without reading elements.
formats::Audit audit(const File& file);

/// Throws Error(malformed) if a known name has a certain Misuse, or if audit() finds a
/// contradiction. PyTorch would refuse such a file, or could load other tensors from the file than
/// this reader.
void check_as_written(const File& file);

/// Returns the first 20 names in the pickle that run code, start programs, or reach files and
/// networks when PyTorch loads the file. The names are printable.
std::vector<std::string> dangerous_names(const pickle::Document& document);

/// Writes a zip container with a bare state dict, as torch.save does. Returns the count of bytes.
/// One tensor is in memory at a time.
std::uint64_t write(const formats::Content& content, Output& output);

}  // namespace aether2onnx::torch
