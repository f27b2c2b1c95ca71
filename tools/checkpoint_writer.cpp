#include "checkpoint_writer.h"

#include <zip.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>

#include "base/dtype.h"

namespace aether2onnx::tools {

namespace {

void append_little_endian(std::string& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>((value >> (8 * i)) & 0xffU);
}

// Writes the opcodes that torch.save writes.
class Pickler {
 public:
  Pickler() { out_ = "\x80\x02"; }

  void global(const std::string& module, const std::string& name) {
    out_ += "c" + module + "\n" + name + "\n";
  }
  void text(const std::string& value) {
    out_ += 'X';
    append_little_endian(out_, value.size(), 4);
    out_ += value;
  }
  void integer(std::int64_t value) {
    out_ += "\x8a\x08";  // LONG1 of eight bytes holds them all
    append_little_endian(out_, static_cast<std::uint64_t>(value), 8);
  }
  void tuple(const std::vector<std::int64_t>& values) {
    out_ += '(';
    for (const std::int64_t value : values) integer(value);
    out_ += 't';
  }
  void opcodes(const char* opcodes) { out_ += opcodes; }
  std::string finish() { return out_ + "."; }

 private:
  std::string out_;
};

const char* storage_class(StorageType type) {
  switch (type) {
    case StorageType::float32:
      return "FloatStorage";
    case StorageType::float16:
      return "HalfStorage";
    case StorageType::bfloat16:
      return "BFloat16Storage";
    case StorageType::float64:
      return "DoubleStorage";
  }
  throw std::logic_error("unknown storage type");
}

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

std::string encode(const std::vector<double>& values, const CheckpointLayout& layout) {
  std::string bytes;
  for (const double value : values) {
    std::string element;
    switch (layout.type) {
      case StorageType::float32:
        append_little_endian(element, std::bit_cast<std::uint32_t>(static_cast<float>(value)), 4);
        break;
      case StorageType::float16:
        append_little_endian(element, to_half_bits(value), 2);
        break;
      case StorageType::bfloat16:
        append_little_endian(element,
                             std::bit_cast<std::uint32_t>(static_cast<float>(value)) >> 16U, 2);
        break;
      case StorageType::float64:
        append_little_endian(element, std::bit_cast<std::uint64_t>(value), 8);
        break;
    }
    if (layout.big_endian) std::reverse(element.begin(), element.end());
    bytes += element;
  }
  return bytes;
}

void check(bool done, zip_t* archive) {
  if (!done) throw std::runtime_error(std::string("libzip: ") + zip_strerror(archive));
}

}  // namespace

namespace {

// `legacy`: with a view of the storage, None, in the reference to it.
void append_tensor(Pickler& pickler, const NamedTensor& tensor, std::size_t storage,
                   const CheckpointLayout& layout, bool legacy) {
  pickler.global("torch._utils", "_rebuild_tensor_v2");
  pickler.opcodes("((");
  pickler.text("storage");
  pickler.global("torch", storage_class(layout.type));
  pickler.text(std::to_string(storage));
  pickler.text("cpu");
  pickler.integer(static_cast<std::int64_t>(tensor.values.size()));
  pickler.opcodes(legacy ? "NtQ" : "tQ");
  pickler.integer(0);
  pickler.tuple(tensor.shape);
  pickler.tuple(contiguous_strides(tensor.shape));
  pickler.opcodes("\x89");  // requires_grad False
  pickler.global("collections", "OrderedDict");
  pickler.opcodes(")RtR");
}

// {"state": {0: {"copy0": tensor, …}, …}, "param_groups": []}. The storages follow the weights'.
void append_optimizer(Pickler& pickler, const std::vector<NamedTensor>& tensors,
                      const CheckpointLayout& layout, bool legacy) {
  pickler.text("optimizer");
  pickler.opcodes("}(");
  pickler.text("state");
  pickler.opcodes("}(");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    pickler.integer(static_cast<std::int64_t>(i));
    pickler.opcodes("}(");
    for (std::size_t copy = 0; copy < static_cast<std::size_t>(layout.optimizer_copies); ++copy) {
      pickler.text("copy" + std::to_string(copy));
      append_tensor(pickler, tensors[i], (copy + 1) * tensors.size() + i, layout, legacy);
    }
    pickler.opcodes("u");
  }
  pickler.opcodes("u");
  pickler.text("param_groups");
  pickler.opcodes("]u");
}

std::string pickle_checkpoint(const std::vector<NamedTensor>& tensors,
                              const CheckpointLayout& layout, bool legacy) {
  Pickler pickler;
  if (!layout.wrapper.empty()) {
    pickler.opcodes("}(");
    if (layout.optimizer_copies > 0) append_optimizer(pickler, tensors, layout, legacy);
    pickler.text(layout.wrapper);
  }
  pickler.global("collections", "OrderedDict");
  pickler.opcodes(")R(");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    pickler.text(layout.prefix + tensors[i].name);
    append_tensor(pickler, tensors[i], i, layout, legacy);
  }
  pickler.opcodes("u");
  if (!layout.wrapper.empty()) pickler.opcodes("u");
  return pickler.finish();
}

std::vector<std::byte> as_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// How many storages a checkpoint has; storage i holds the values of tensor i modulo their count.
std::size_t storage_count(const std::vector<NamedTensor>& tensors, const CheckpointLayout& layout) {
  return tensors.size() * (1 + static_cast<std::size_t>(layout.optimizer_copies));
}

}  // namespace

std::string pickle_state_dict(const std::vector<NamedTensor>& tensors,
                              const CheckpointLayout& layout) {
  return pickle_checkpoint(tensors, layout, false);
}

LegacyParts legacy_parts(const std::vector<NamedTensor>& tensors, const CheckpointLayout& layout) {
  CheckpointLayout little = layout;
  little.big_endian = false;
  LegacyParts parts;
  parts.magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  parts.protocol = "\x80\x02M\xe9\x03.";
  Pickler system;
  system.opcodes("}(");
  system.text("protocol_version");
  system.integer(1001);
  system.text("little_endian");
  system.opcodes(layout.big_endian ? "\x89" : "\x88");
  system.text("type_sizes");
  system.opcodes("}u");
  parts.system = system.finish();
  parts.object = pickle_checkpoint(tensors, little, true);
  Pickler keys;
  keys.opcodes("](");
  for (std::size_t i = 0; i < storage_count(tensors, layout); ++i) {
    keys.text(std::to_string(i));
    const NamedTensor& tensor = tensors[i % tensors.size()];
    append_little_endian(parts.storages, tensor.values.size(), 8);
    parts.storages += encode(tensor.values, little);
  }
  keys.opcodes("e");
  parts.keys = keys.finish();
  return parts;
}

std::vector<std::byte> join_legacy(const LegacyParts& parts) {
  return as_bytes(parts.magic + parts.protocol + parts.system + parts.object + parts.keys +
                  parts.storages);
}

std::vector<std::byte> write_legacy_checkpoint(const std::vector<NamedTensor>& tensors,
                                               const CheckpointLayout& layout) {
  return join_legacy(legacy_parts(tensors, layout));
}

std::vector<std::byte> write_safetensors(const std::vector<NamedTensor>& tensors,
                                         const CheckpointLayout& layout) {
  constexpr const char* types[] = {"F32", "F16", "BF16", "F64"};
  CheckpointLayout little = layout;
  little.big_endian = false;
  std::string header = "{";
  std::string data;
  for (const NamedTensor& tensor : tensors) {
    std::string shape;
    for (const std::int64_t size : tensor.shape) {
      shape += (shape.empty() ? "" : ",") + std::to_string(size);
    }
    const std::size_t begin = data.size();
    data += encode(tensor.values, little);
    header += (header.size() == 1 ? "\"" : ",\"") + layout.prefix + tensor.name +
              R"(":{"dtype":")" + types[static_cast<int>(layout.type)] + R"(","shape":[)" + shape +
              R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(data.size()) +
              "]}";
  }
  header += "}";
  return join_safetensors(header, data);
}

std::vector<std::byte> join_safetensors(const std::string& header, const std::string& data) {
  std::string file;
  append_little_endian(file, header.size(), 8);
  return as_bytes(file + header + data);
}

std::vector<std::byte> write_zip(const std::vector<ZipEntry>& entries) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error);
  if (target == nullptr) throw std::runtime_error("libzip: no buffer");
  zip_source_keep(target);
  zip_t* archive = zip_open_from_source(target, ZIP_TRUNCATE, &error);
  if (archive == nullptr) throw std::runtime_error("libzip: no archive");
  for (const ZipEntry& entry : entries) {
    zip_source_t* source =
        zip_source_buffer(archive, entry.content.data(), entry.content.size(), 0);
    const zip_int64_t index = zip_file_add(archive, entry.name.c_str(), source, ZIP_FL_ENC_UTF_8);
    check(index >= 0, archive);
    const auto at = static_cast<zip_uint64_t>(index);
    check(zip_set_file_compression(archive, at, entry.deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) ==
              0,
          archive);
    check(zip_file_set_mtime(archive, at, 315532800, 0) == 0, archive);  // 1980: always the same
  }
  check(zip_close(archive) == 0, archive);
  check(zip_source_open(target) == 0, archive);
  std::vector<std::byte> bytes;
  std::vector<std::byte> chunk(1U << 20U);
  for (;;) {
    const zip_int64_t got = zip_source_read(target, chunk.data(), chunk.size());
    if (got <= 0) break;
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + got);
  }
  zip_source_close(target);
  zip_source_free(target);
  return bytes;
}

std::vector<std::byte> write_checkpoint(const std::vector<NamedTensor>& tensors,
                                        const CheckpointLayout& layout) {
  const std::string root = layout.root + "/";
  std::vector<ZipEntry> entries;
  entries.push_back({root + "data.pkl", pickle_state_dict(tensors, layout), layout.deflate});
  entries.push_back({root + "byteorder", layout.big_endian ? "big" : "little", false});
  for (std::size_t i = 0; i < storage_count(tensors, layout); ++i) {
    entries.push_back({root + "data/" + std::to_string(i),
                       encode(tensors[i % tensors.size()].values, layout), layout.deflate});
  }
  entries.push_back({root + "version", "3\n", false});
  return write_zip(entries);
}

}  // namespace aether2onnx::tools
