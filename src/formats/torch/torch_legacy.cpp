// PyTorch's stream from before 1.6 (today with _use_new_zipfile_serialization=False): five pickles
// (a magic number, the protocol, facts about the writing system, the object, the storages' keys),
// then for each key the count of elements, 64 bits, and the elements.
// Source: torch/serialization.py, _legacy_save and _legacy_load.

#include <array>
#include <unordered_map>
#include <unordered_set>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/torch/storage_ids.h"
#include "state_dict/containers.h"
#include "state_dict/find.h"

namespace aether2onnx::state_dict {

namespace {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

constexpr std::int64_t kProtocol = 1001;

[[noreturn]] void damaged_stream(const std::string& what) {
  fail(ErrorKind::malformed,
       "the checkpoint (PyTorch's format from before 1.6) is damaged: {}.\n"
       "Download or copy it again, or save it anew with torch.save.",
       what);
}

class TorchLegacy final : public StorageSource {
 public:
  TorchLegacy(const Input& input, const Context& context) : input_(input) {
    next(context);  // the magic number, by which the file was recognised
    check_protocol(next(context));
    check_system(next(context));
    object_ = std::make_unique<Document>(next(context));
    const Document keys = next(context);
    find_storages(keys, described_storages());
  }

  const Document& object() const { return *object_; }

  // Where the last storage ends.
  std::uint64_t end() const { return at_; }

  // The pickle isn't needed any more once its tensors are described.
  void forget_object() { object_.reset(); }

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

  // PyTorch writes little-endian on every machine. `little_endian` in the third pickle is about the
  // machine, and PyTorch doesn't look at it.
  bool big_endian() const override { return false; }

 private:
  struct Range {
    std::uint64_t offset;
    std::uint64_t bytes;
  };

  // The next pickle of the stream.
  Document next(const Context& context) {
    Document document = Document::parse(input_, at_, context);
    at_ += document.consumed();
    return document;
  }

  static void check_protocol(const Document& document) {
    const ValueId root = document.root();
    if (document.kind(root) != Kind::integer) {
      damaged_stream(fmt::format("its protocol is {}", pickle::describe(document, root)));
    }
    if (document.integer(root) != kProtocol) {
      fail(ErrorKind::unsupported,
           "the checkpoint is of protocol {} of PyTorch's format from before 1.6; {} is read.\n"
           "Save it anew with a release of PyTorch.",
           document.integer(root), kProtocol);
    }
  }

  static void check_system(const Document& document) {
    if (document.kind(document.root()) != Kind::dict) {
      damaged_stream(fmt::format("where the facts about the writing system should be is {}",
                                 pickle::describe(document, document.root())));
    }
  }

  // The storages that the object refers to, each with what is said of it. All of them are needed,
  // those of the optimizer too: only their sizes tell where the next one begins.
  std::unordered_map<std::string_view, StorageId> described_storages() const {
    std::unordered_map<std::string_view, StorageId> storages;
    for (ValueId value = 0; value < object_->value_count(); ++value) {
      if (object_->kind(value) != Kind::persistent_id) continue;
      const ValueId id = object_->persistent(value);
      const auto parts = object_->elements(id);
      const bool of_storage = object_->kind(id) == Kind::tuple && !parts.empty() &&
                              object_->kind(parts[0]) == Kind::string &&
                              object_->text(parts[0]) == "storage";
      if (!of_storage) continue;  // a class with its source text
      const auto storage = storage_id(*object_, value);
      if (!storage) damaged_stream("a tensor has a malformed reference to its storage");
      if (!storage->element_size()) {
        fail(ErrorKind::unsupported,
             "the checkpoint has a storage of the unknown type {}.{}, so it can't be told where "
             "those behind it begin.\nSave the weights alone: torch.save(net.state_dict(), "
             "'weights.pth').",
             printable(storage->module), printable(storage->name));
      }
      const auto [known, is_new] = storages.emplace(storage->key, *storage);
      const bool agrees = known->second.elements == storage->elements &&
                          known->second.element_size() == storage->element_size();
      if (!agrees) {
        damaged_stream(
            fmt::format("it says two different things of storage '{}'", printable(storage->key)));
      }
    }
    return storages;
  }

  std::uint64_t read_count(std::string_view key) {
    std::array<std::byte, 8> bytes{};
    if (input_.size() - at_ < bytes.size()) {
      damaged_stream(fmt::format("it ends before storage '{}'", printable(key)));
    }
    input_.read(at_, bytes);
    at_ += bytes.size();
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      count |= std::to_integer<std::uint64_t>(bytes.at(i)) << (8 * i);
    }
    return count;
  }

  // Goes from one storage to the next; of each only the count before it is read. PyTorch takes more
  // than this: it leaves a storage that isn't listed filled with whatever was in memory.
  void find_storages(const Document& keys,
                     const std::unordered_map<std::string_view, StorageId>& described) {
    const ValueId list = keys.root();
    if (keys.kind(list) != Kind::list) {
      damaged_stream(fmt::format("its list of storages is {}", pickle::describe(keys, list)));
    }
    for (const ValueId element : keys.elements(list)) {
      if (keys.kind(element) != Kind::string) {
        damaged_stream(
            fmt::format("its list of storages has {} in it", pickle::describe(keys, element)));
      }
      const std::string_view key = keys.text(element);
      const auto storage = described.find(key);
      if (storage == described.end()) {
        damaged_stream(fmt::format("its list of storages has '{}', which no tensor refers to",
                                   printable(key)));
      }
      const std::uint64_t count = read_count(key);
      if (count != storage->second.elements) {
        damaged_stream(fmt::format("storage '{}' has {} elements where its tensors say {}",
                                   printable(key), count, storage->second.elements));
      }
      const auto bytes = checked_multiply<std::uint64_t>(count, *storage->second.element_size());
      if (!bytes || *bytes > input_.size() - at_) {
        damaged_stream(
            fmt::format("it ends within storage '{}' ({} elements, of which {} are left)",
                        printable(key), count, human_bytes(input_.size() - at_)));
      }
      if (!storages_.emplace(key, Range{at_, *bytes}).second) {
        damaged_stream(fmt::format("its list of storages has '{}' twice", printable(key)));
      }
      at_ += *bytes;
    }
    for (const auto& [key, storage] : described) {
      if (!storages_.contains(std::string(key))) {
        damaged_stream(fmt::format("storage '{}' isn't in its list of storages", printable(key)));
      }
    }
  }

  const Input& input_;
  std::uint64_t at_ = 0;
  std::unique_ptr<Document> object_;
  std::unordered_map<std::string, Range> storages_;
};

}  // namespace

StateDict::Parts open_torch_legacy(const Input& input, const OpenOptions& options,
                                   const Context& context) {
  auto legacy = std::make_unique<TorchLegacy>(input, context);
  StateDict::Parts parts = find_state_dict(legacy->object(), *legacy, options, context);
  legacy->forget_object();
  parts.container = "PyTorch legacy stream" + parts.container;
  parts.storages = std::move(legacy);
  parts.files = {&input};
  return parts;
}

Audit audit_torch_legacy(const Input& input, const Context& context) {
  const TorchLegacy legacy(input, context);
  Audit result;
  audit_tensors(legacy.object(), legacy, result);
  result.end = legacy.end();
  return result;
}

}  // namespace aether2onnx::state_dict
