#include "judge/scan/scan.h"

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "judge/scan/containers.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::scans {

namespace {

using archive::FileKind;

class FileScan {
 public:
  explicit FileScan(const Scanned& scanned) : scanned_(scanned), collector_(scanned.collector) {}

  void run() {
    const FileKind kind = archive::sniff(scanned_.input);
    switch (kind) {
      case FileKind::zip:
        scan_zip(scanned_);
        break;
      case FileKind::torch_legacy:
        scan_legacy();
        break;
      case FileKind::safetensors:
        scan_checked("safetensors");
        break;
      case FileKind::onnx:
        scan_onnx();
        break;
      case FileKind::pickle:
        collector_.set_container("pickle");
        scanned_.pickles.all(scanned_.input, 0, "the file");
        break;
      case FileKind::json:
        scan_json();
        break;
      default:
        scan_anything();
    }
    if (kind == FileKind::zip) return;
    scan_as_zip_too(scanned_);
    if (kind != FileKind::tar && kind != FileKind::torch_tar) scan_as_tar_too();
  }

 private:
  // --- PyTorch's stream of pickles ---

  void scan_legacy() {
    constexpr int pickles = 5;
    constexpr std::array names = {"the magic number", "the protocol", "the system", "the object",
                                  "the list of storages"};
    collector_.set_container("PyTorch legacy stream");
    std::uint64_t at = 0;
    for (int i = 0; i < pickles; ++i) {
      const auto outcome =
          scanned_.pickles.one(scanned_.input, at, names.at(static_cast<std::size_t>(i)));
      if (!outcome.whole) return;
      at = outcome.end;
    }
    const auto end = scan_tensors(scanned_);
    if (end && *end < scanned_.input.size()) scan_behind(*end);
  }

  // Bytes that no loader reads.
  void scan_behind(std::uint64_t end) {
    collector_.found("behind-storages", "{} follow the last storage, which no loader reads",
                     plural(scanned_.input.size() - end, "byte"));
    scanned_.pickles.one(scanned_.input, end, "behind the last storage");
  }

  // --- files that are checked when they are opened ---

  void scan_checked(const char* container) {
    collector_.set_container(container);
    scan_tensors(scanned_);
  }

  // A shard index names files, which are opened.
  void scan_json() {
    collector_.set_container("JSON");
    scan_tensors(scanned_);
  }

  void scan_onnx() {
    collector_.set_container("ONNX");
    onnx::File file;
    try {
      file = onnx::read(scanned_.input, scanned_.context);
    } catch (const Error& error) {
      if (must_pass_on(error) || error.kind == ErrorKind::io) throw;
      collector_.unclear("onnx", "{}", first_line(error.what()));
      return;
    }
    for (const onnx::FileTensor& tensor : file.initializers) {
      if (tensor.external_file.empty()) continue;
      const std::string name = printable(tensor.external_file, 100);
      if (!onnx::is_beside(tensor.external_file)) {
        collector_.found("external-path", "its weights are said to lie at '{}', outside its folder",
                         name);
      } else {
        collector_.note("external-data", "weights lie in '{}' beside it", name);
      }
    }
    for (const onnx::FileNode& node : file.nodes) {
      if (node.domain.empty() || node.domain == "ai.onnx" || node.domain == "ai.onnx.ml" ||
          node.domain == "com.microsoft" || file.has_function(node.domain, node.op_type)) {
        continue;
      }
      collector_.unclear("operator", "it needs an operator of somebody's own library, {}.{}",
                         printable(node.domain, 60), printable(node.op_type, 60));
    }
    if (file.has_undescribed_parts) {
      collector_.unclear("onnx-parts",
                         "it has graphs within its graph, functions or sparse tensors, which "
                         "aren't looked into");
    }
  }

  // --- what isn't known, and may be a pickle of the oldest protocols ---

  void scan_anything() {
    const auto document =
        pickle::Document::parse_as_far_as_possible(scanned_.input, 0, scanned_.context);
    bool calls = false;
    for (pickle::ValueId value = 0; value < document.value_count(); ++value) {
      const auto kind = document.kind(value);
      calls = calls || kind == pickle::Kind::global || kind == pickle::Kind::object;
    }
    if (calls) {
      collector_.set_container("pickle");
      scanned_.pickles.all(scanned_.input, 0, "the file");
      return;
    }
    scan_tensors(scanned_);
  }

  // torch.load tries tar before anything but zip.
  void scan_as_tar_too() {
    constexpr std::uint64_t magic_at = 257;
    std::array<std::byte, 5> magic{};
    if (scanned_.input.size() < magic_at + magic.size()) return;
    scanned_.input.read(magic_at, magic);
    if (std::string_view(reinterpret_cast<const char*>(magic.data()), magic.size()) == "ustar") {
      collector_.found("polyglot-tar", "the file is a tar archive as well, which PyTorch prefers");
    }
  }

  const Scanned& scanned_;
  Collector& collector_;
};

}  // namespace

std::optional<std::uint64_t> scan_tensors(const Scanned& scanned) {
  Collector& collector = scanned.collector;
  try {
    const state_dict::Audit audit =
        state_dict::audit(scanned.input, scanned.siblings, scanned.context);
    for (const std::string& problem : audit.contradictions) {
      collector.found("tensor", "something {}", problem);
    }
    for (const std::string& problem : audit.not_read) {
      collector.unclear("tensor-kind", "something {}", problem);
    }
    for (const std::string& key : audit.unused_storages) {
      collector.note("unused-storage", "no tensor refers to storage '{}'", printable(key, 60));
    }
    return audit.end;
  } catch (const Error& error) {
    // Shards that aren't there are no reason to say nothing; bytes that can't be read are.
    const bool of_shards = archive::sniff(scanned.input) == archive::FileKind::json;
    if (error.kind == ErrorKind::io && !of_shards) throw;
    if (must_pass_on(error)) throw;
    collector.unclear(error.kind == ErrorKind::unsupported ? "no-checkpoint" : "damaged", "{}",
                      first_line(error.what()));
    return std::nullopt;
  }
}

ScanReport run(const Input& input, const io::Siblings* siblings, const Context& context) {
  Collector collector;
  PickleScanner pickles(collector, context);
  FileScan({input, siblings, collector, pickles, context}).run();
  return collector.finish();
}

}  // namespace aether2onnx::scans
