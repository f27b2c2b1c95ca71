/// @file
/// Reads, checks and writes files of torch.save.
///
/// PyTorch has two containers: the zip archive of PyTorch 1.6 and later, and the older stream of
/// pickles. The code in this folder reads both containers, references to storages, and the calls by
/// which a pickle rebuilds tensors. known_names.h has the table of all names that checkpoints have
/// in their pickles. The reading functions return the pickled object as a pickle::Document and each
/// tensor as a formats::Record. The reading functions know nothing about state dicts.
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

/// The storages of a PyTorch file, and the short texts that a zip container may contain.
class Storages : public formats::Storages {
 public:
  /// Returns the keys of all storages.
  virtual std::vector<std::string> keys() const = 0;
  /// Returns the short texts in the zip container's folder `.data`, where PyTorch keeps texts of
  /// its own. write() puts Content::notes into this folder.
  virtual formats::Notes notes() const { return {}; }
  /// Returns the offset of the first byte behind everything that torch.load reads.
  virtual std::uint64_t end() const = 0;
};

/// An opened PyTorch file.
struct File {
  pickle::Document document;  ///< The records of the pickled object.
  std::unique_ptr<Storages> storages;
  /// The number of elements in the tuple that refers to a storage: 5 in the zip container, 6 in the
  /// older stream.
  std::size_t reference_parts = 5;
};

/// Opens PyTorch's zip container. Returns nullopt if the archive has no `<folder>/data.pkl`, where
/// torch.save() writes the pickle. `input` must outlive the result. Throws Error(malformed),
/// Error(unsupported) or Error(limit).
std::optional<File> open_zip(const Input& input, const Context& context);

/// Opens PyTorch's older stream of pickles and storages, the default before PyTorch 1.6. `input`
/// must outlive the result. Throws the same errors as open_zip().
File open_legacy(const Input& input, const Context& context);

/// Returns whether the value is a call that rebuilds a tensor. The arguments may be malformed.
bool is_tensor(const pickle::Document& document, pickle::ValueId value);

/// Returns whether the value is a call that rebuilds a tensor, and has a shape and type that
/// weights may have. Single numbers and integers are not weights, but counters, metrics or states
/// of random generators. The arguments may be malformed.
bool may_be_weight(const pickle::Document& document, pickle::ValueId value);

/// Returns whether the value can be a torch.nn.Module: an object whose class is a layer of
/// torch.nn, or a class that known_names.h does not list.
bool may_be_layer(const pickle::Document& document, pickle::ValueId value);

using NamedValue = std::pair<std::string, pickle::ValueId>;

/// Returns a record for each value: a tensor, or the reason why the value is no valid tensor. One
/// such reason: the value's reference to a storage states another type or size of the storage than
/// an earlier reference.
std::vector<formats::Record> describe_tensors(const pickle::Document& document,
                                              const formats::Storages& storages,
                                              const std::vector<NamedValue>& values);

/// Describes a value for a message, for example "a list". Does the same as pickle::describe(), but
/// also names classes that the older stream stores with their source text: "an object of
/// torch.nn.modules.linear.Linear".
std::string describe(const pickle::Document& document, pickle::ValueId value);

/// Returns whether the name `module.name`, which a pickle imports, belongs to PyTorch's tensors, is
/// harmless, is suspicious (because it is unknown), or is dangerous (it can run code, for example).
Verdict verdict_of(std::string_view module, std::string_view name);

/// A place in a pickle that no program would write. The pickle uses a known name (known_names.h) in
/// a wrong way, or has a malformed reference. A loader would then run Python code in a way that the
/// code's authors never tried, and could make other values than this reader. Uses of unknown names
/// are not judged.
struct Misuse {
  pickle::ValueId value = 0;  ///< The misused object, key or reference.
  std::string code;
  std::string text;  ///< For example "collections.OrderedDict is called with (the number 5)".
  /// If false, `value` is a call that a program may have written, but the call's arguments do not
  /// show that the call is harmless.
  bool is_certain = true;
};

/// Calls `report` for each misuse in the pickle, until `report` returns false.
void find_misuses(const pickle::Document& document,
                  const std::function<bool(const Misuse&)>& report);

/// Checks all tensors of the file, and all references to storages. Does not read elements.
formats::Audit audit(const File& file);

/// Throws Error(malformed) if the pickle has a Misuse with `is_certain`, or if audit() finds that
/// the data of a tensor or a reference contradict each other or the file's storages. PyTorch would
/// refuse such a file, or could load other tensors from the file than this reader.
void check_as_written(const File& file);

/// Returns the first 20 dangerous names in the pickle: names of functions and classes that can run
/// code, start programs, or reach files and networks when PyTorch loads the file. The names are
/// printable: control characters are escaped.
std::vector<std::string> dangerous_names(const pickle::Document& document);

/// Writes a zip container as torch.save does. The pickled object is the state dict itself, not a
/// dict that contains the state dict. Returns the file's size in bytes. Only one tensor at a time
/// is in memory.
std::uint64_t write(const formats::Content& content, Output& output);

}  // namespace aether2onnx::torch
