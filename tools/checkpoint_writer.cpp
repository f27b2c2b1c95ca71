#include "checkpoint_writer.h"

#include <zip.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
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

std::string pickle_state_dict(const std::vector<NamedTensor>& tensors,
                              const CheckpointLayout& layout) {
  Pickler pickler;
  if (!layout.wrapper.empty()) {
    pickler.opcodes("}(");
    pickler.text(layout.wrapper);
  }
  pickler.global("collections", "OrderedDict");
  pickler.opcodes(")R(");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const NamedTensor& tensor = tensors[i];
    pickler.text(layout.prefix + tensor.name);
    pickler.global("torch._utils", "_rebuild_tensor_v2");
    pickler.opcodes("((");
    pickler.text("storage");
    pickler.global("torch", storage_class(layout.type));
    pickler.text(std::to_string(i));
    pickler.text("cpu");
    pickler.integer(static_cast<std::int64_t>(tensor.values.size()));
    pickler.opcodes("tQ");
    pickler.integer(0);
    pickler.tuple(tensor.shape);
    pickler.tuple(contiguous_strides(tensor.shape));
    pickler.opcodes("\x89");  // requires_grad False
    pickler.global("collections", "OrderedDict");
    pickler.opcodes(")RtR");
  }
  pickler.opcodes("u");
  if (!layout.wrapper.empty()) pickler.opcodes("u");
  return pickler.finish();
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
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    entries.push_back(
        {root + "data/" + std::to_string(i), encode(tensors[i].values, layout), layout.deflate});
  }
  entries.push_back({root + "version", "3\n", false});
  return write_zip(entries);
}

}  // namespace aether2onnx::tools
