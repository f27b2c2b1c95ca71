// Reads the stream that PyTorch wrote before 1.6. Newer versions still write this stream if
// torch.save gets _use_new_zipfile_serialization=False. The stream begins with five pickles: a
// magic number, the protocol, properties of the writing system, the saved object, and the keys of
// the storages. Then each storage follows: the number of elements in 64 bits, and the elements.
// Source: torch/serialization.py, _legacy_save and _legacy_load.

#include <array>
#include <unordered_map>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/torch/storage_ids.h"
#include "formats/torch/torch.h"

namespace aether2onnx::torch {

namespace {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

constexpr std::int64_t kProtocol = 1001;

template <typename... Args>
[[noreturn]] void damaged_stream(Fault fault, fmt::format_string<Args...> what, Args&&... args) {
  fail(std::move(fault),
       "the checkpoint (PyTorch's format from before 1.6) is damaged: {}.\n"
       "Download or copy the file again, or save it again with torch.save.",
       fmt::format(what, std::forward<Args>(args)...));
}

class LegacyStorages final : public Storages {
 public:
  // Finds the storages that `object` refers to. The first storage begins at byte `at` of `input`.
  LegacyStorages(const Input& input, std::uint64_t at, const Document& object, const Document& keys)
      : input_(input), at_(at) {
    find_storages(keys, described_storages(object));
  }

  std::vector<std::string> keys() const override {
    std::vector<std::string> result;
    for (const auto& [key, range] : storages_) result.push_back(key);
    return result;
  }

  // Returns the offset of the end of the last storage.
  std::uint64_t end() const override { return at_; }

  std::optional<std::uint64_t> size(std::string_view key) const override {
    const auto found = storages_.find(std::string(key));
    if (found == storages_.end()) return std::nullopt;
    return found->second.bytes;
  }

  void read(std::string_view key, std::uint64_t offset, std::span<std::byte> out) const override {
    const auto found = storages_.find(std::string(key));
    require(found != storages_.end(), "reading a storage that isn't there");
    input_.read(found->second.offset + offset, out);
  }

 private:
  struct Range {
    std::uint64_t offset;
    std::uint64_t bytes;
  };

  // Returns the storages that `object` refers to, by key. Storages of an optimizer are needed too,
  // because only the size of each storage determines where the next storage begins.
  static std::unordered_map<std::string_view, StorageId> described_storages(
      const Document& object) {
    std::unordered_map<std::string_view, StorageId> storages;
    for (ValueId value = 0; value < object.value_count(); ++value) {
      if (object.kind(value) != Kind::persistent_id) continue;
      const ValueId id = object.persistent(value);
      const auto parts = object.elements(id);
      const bool of_storage = object.kind(id) == Kind::tuple && !parts.empty() &&
                              object.kind(parts[0]) == Kind::string &&
                              object.text(parts[0]) == "storage";
      if (!of_storage) continue;  // a reference to a class
      const auto storage = storage_id(object, value);
      if (!storage) {
        damaged_stream({ErrorKind::malformed, "torch-storage-reference"},
                       "a tensor has a malformed reference to its storage");
      }
      if (!storage->element_size()) {
        fail({ErrorKind::unsupported,
              "torch-storage-type",
              printable(storage->key),
              {},
              printable(storage->name)},
             "the checkpoint has a storage of the unknown type {}.{}, so the positions of the "
             "later storages are unknown.\nSave the weights alone: torch.save(net.state_dict(), "
             "'weights.pth').",
             printable(storage->module), printable(storage->name));
      }
      const auto [known, is_new] = storages.emplace(storage->key, *storage);
      const bool agrees = known->second.elements == storage->elements &&
                          known->second.element_size() == storage->element_size();
      if (!agrees) {
        damaged_stream({ErrorKind::malformed, "torch-storage-conflict", printable(storage->key)},
                       "it has two different sizes or types for storage '{}'",
                       printable(storage->key));
      }
    }
    return storages;
  }

  std::uint64_t read_count(std::string_view key) {
    std::array<std::byte, 8> bytes{};
    if (input_.size() - at_ < bytes.size()) {
      damaged_stream({ErrorKind::malformed, "torch-legacy-truncated", printable(key)},
                     "it ends before storage '{}'", printable(key));
    }
    input_.read(at_, bytes);
    at_ += bytes.size();
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      count |= std::to_integer<std::uint64_t>(bytes.at(i)) << (8 * i);
    }
    return count;
  }

  // Finds the position of each storage, and reads only the number of its elements. `keys` is the
  // stream's list of all storage keys. Throws if the list has no key for a storage. PyTorch is less
  // strict, and then fills the storage with the bytes that were in memory.
  void find_storages(const Document& keys,
                     const std::unordered_map<std::string_view, StorageId>& described) {
    const ValueId list = keys.root();
    if (keys.kind(list) != Kind::list) {
      damaged_stream(
          {ErrorKind::malformed, "torch-legacy-keys", {}, "a list", pickle::describe(keys, list)},
          "its list of storages is {}, not a list", pickle::describe(keys, list));
    }
    for (const ValueId element : keys.elements(list)) {
      if (keys.kind(element) != Kind::string) {
        damaged_stream({ErrorKind::malformed,
                        "torch-legacy-keys",
                        {},
                        "a text",
                        pickle::describe(keys, element)},
                       "its list of storages has {} in it instead of a text",
                       pickle::describe(keys, element));
      }
      const std::string_view key = keys.text(element);
      const auto storage = described.find(key);
      if (storage == described.end()) {
        damaged_stream({ErrorKind::malformed, "torch-legacy-keys", printable(key)},
                       "its list of storages has '{}', which no tensor refers to", printable(key));
      }
      const std::uint64_t count = read_count(key);
      if (count != storage->second.elements) {
        damaged_stream({ErrorKind::malformed, "torch-legacy-count", printable(key),
                        fmt::format("{}", storage->second.elements), fmt::format("{}", count)},
                       "storage '{}' has {} elements, but its tensors say {}", printable(key),
                       count, storage->second.elements);
      }
      const auto bytes = checked_multiply<std::uint64_t>(count, *storage->second.element_size());
      if (!bytes || *bytes > input_.size() - at_) {
        damaged_stream(
            {ErrorKind::malformed, "torch-legacy-truncated", printable(key)},
            "it ends within storage '{}' ({} elements, but only {} are left in the file)",
            printable(key), count, human_bytes(input_.size() - at_));
      }
      if (!storages_.emplace(key, Range{at_, *bytes}).second) {
        damaged_stream({ErrorKind::malformed, "torch-legacy-keys", printable(key)},
                       "its list of storages has '{}' twice", printable(key));
      }
      at_ += *bytes;
    }
    for (const auto& [key, storage] : described) {
      if (!storages_.contains(std::string(key))) {
        damaged_stream({ErrorKind::malformed, "torch-legacy-keys", printable(key)},
                       "its list of storages lacks '{}', which a tensor refers to", printable(key));
      }
    }
  }

  const Input& input_;
  std::uint64_t at_;
  std::unordered_map<std::string, Range> storages_;
};

void check_protocol(const Document& document) {
  const ValueId root = document.root();
  if (document.kind(root) != Kind::integer) {
    damaged_stream({ErrorKind::malformed,
                    "torch-legacy-head",
                    {},
                    fmt::format("{}", kProtocol),
                    pickle::describe(document, root)},
                   "its protocol is {}, not a number", pickle::describe(document, root));
  }
  if (document.integer(root) != kProtocol) {
    fail({ErrorKind::unsupported,
          "torch-legacy-protocol",
          {},
          fmt::format("{}", kProtocol),
          fmt::format("{}", document.integer(root))},
         "the checkpoint has protocol {} of PyTorch's format from before 1.6. aether2onnx reads "
         "only protocol {}.\nSave the checkpoint again with an official release of PyTorch.",
         document.integer(root), kProtocol);
  }
}

// Checks one of the pickles before or behind the pickle of the saved object. Throws if `document`
// has a call, an imported name or a reference to data outside the pickle. torch.save writes only
// plain values into these pickles, such as numbers, texts, lists and dicts.
void check_plain(const Document& document) {
  for (ValueId value = 0; value < document.value_count(); ++value) {
    const Kind kind = document.kind(value);
    if (kind != Kind::object && kind != Kind::global && kind != Kind::persistent_id) continue;
    damaged_stream(
        {ErrorKind::malformed, "torch-legacy-head", {}, {}, pickle::describe(document, value)},
        "its header or list of storages has {}, but only plain values are allowed there",
        pickle::describe(document, value));
  }
}

// Throws if the properties of the writing system are no dict. The property `little_endian` is not
// used: PyTorch writes the elements little-endian on every machine and ignores the property.
void check_system(const Document& document) {
  const ValueId root = document.root();
  if (document.kind(root) == Kind::dict) return;
  damaged_stream(
      {ErrorKind::malformed, "torch-legacy-head", {}, "a dict", pickle::describe(document, root)},
      "the description of the computer that wrote the file is {}, not a dict",
      pickle::describe(document, root));
}

}  // namespace

File open_legacy(const Input& input, const Context& context) {
  std::uint64_t at = 0;
  const auto next = [&] {
    Document document = Document::parse(input, at, context);
    at += document.consumed();
    return document;
  };
  check_plain(next());  // the magic number, by which sniff() recognised the stream
  const Document protocol = next();
  check_plain(protocol);
  check_protocol(protocol);
  const Document system = next();
  check_plain(system);
  check_system(system);
  Document object = next();
  const Document keys = next();
  check_plain(keys);
  auto storages = std::make_unique<LegacyStorages>(input, at, object, keys);
  return {std::move(object), std::move(storages), 6};
}

}  // namespace aether2onnx::torch
