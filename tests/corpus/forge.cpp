#include "forge.h"

#include <cstring>
#include <span>

#include "base/crc32.h"

namespace aether2onnx::corpus {

std::string little(std::uint64_t number, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>((number >> (8 * i)) & 0xffU);
  return bytes;
}

namespace {

std::uint32_t crc_of(const std::string& content) {
  return crc32(std::as_bytes(std::span(content)));
}

std::string local_part(const RawEntry& entry) {
  const std::uint32_t crc = entry.crc.value_or(crc_of(entry.content));
  const auto length = static_cast<std::uint32_t>(entry.content.size());
  const std::uint32_t packed = entry.packed.value_or(entry.size.value_or(length));
  const std::uint32_t size = entry.size.value_or(length);
  const unsigned later = entry.descriptor ? 8U : 0U;
  const std::string& name = entry.local_name.value_or(entry.name);
  std::string out = "PK\x03\x04" + little(20, 2);
  out += little(entry.local_flags.value_or(entry.flags | later), 2);
  out += little(entry.local_method.value_or(entry.method), 2) + little(0, 2) + little(33, 2);
  out += little(entry.descriptor ? 0 : entry.local_crc.value_or(crc), 4);
  out += little(entry.descriptor ? 0 : entry.local_size.value_or(packed), 4);
  out += little(entry.descriptor ? 0 : entry.local_size.value_or(size), 4);
  out += little(name.size(), 2) + little(entry.local_extra.size(), 2) + name + entry.local_extra;
  out += entry.content;
  if (entry.descriptor) {
    out += "PK\x07\x08" + little(entry.descriptor_crc.value_or(crc), 4) + little(packed, 4) +
           little(size, 4);
  }
  return out + entry.behind;
}

std::string central_part(const RawEntry& entry, std::uint64_t offset) {
  const auto length = static_cast<std::uint32_t>(entry.content.size());
  const std::uint32_t size = entry.size.value_or(length);
  const unsigned later = entry.descriptor ? 8U : 0U;
  std::string out = "PK\x01\x02" + little(entry.made_by << 8U | 20U, 2) + little(20, 2);
  out += little(entry.flags | later, 2) + little(entry.method, 2) + little(0, 2) + little(33, 2);
  out += little(entry.crc.value_or(crc_of(entry.content)), 4);
  out += little(entry.packed.value_or(size), 4) + little(size, 4);
  out += little(entry.name.size(), 2) + little(entry.central_extra.size(), 2) + little(0, 2);
  out += little(entry.disk, 2) + little(0, 2) + little(entry.attributes, 4);
  out += little(entry.offset.value_or(static_cast<std::uint32_t>(offset)), 4);
  return out + entry.name + entry.central_extra;
}

}  // namespace

std::string raw_zip(const std::vector<RawEntry>& entries, const RawEnd& end) {
  std::string file;
  std::string directory;
  std::size_t listed = 0;
  for (const RawEntry& entry : entries) {
    if (entry.listed) {
      directory += central_part(entry, file.size());
      ++listed;
    }
    file += local_part(entry);
  }
  const std::size_t offset = file.size();
  file += directory + end.before_end;
  if (end.zip64) {
    const std::size_t at = file.size();
    const std::uint64_t count = end.zip64_count.value_or(listed);
    file += "PK\x06\x06" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) +
            little(count, 8) + little(count, 8) + little(directory.size(), 8) +
            little(end.zip64_offset.value_or(offset), 8);
    file += "PK\x06\x07" + little(0, 4) + little(end.locator_offset.value_or(at), 8) + little(1, 4);
  }
  const std::uint64_t count = end.count.value_or(static_cast<unsigned>(listed));
  file += "PK\x05\x06" + little(end.disk, 2) + little(end.disk, 2) + little(count, 2) +
          little(count, 2);
  file += little(end.directory_size.value_or(static_cast<std::uint32_t>(directory.size())), 4);
  file += little(end.directory_offset.value_or(static_cast<std::uint32_t>(offset)), 4);
  file += little(end.comment_length.value_or(static_cast<unsigned>(end.comment.size())), 2);
  return file + end.comment + end.behind;
}

// --- pickles ---

std::string text(std::string_view value) {
  return "X" + little(value.size(), 4) + std::string(value);
}

std::string integer(std::int64_t value) {
  return "\x8a\x08" + little(static_cast<std::uint64_t>(value), 8);
}

std::string tuple(const std::vector<std::int64_t>& values) {
  std::string out = "(";
  for (const std::int64_t value : values) out += integer(value);
  return out + "t";
}

std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}

std::string call(std::string_view module, std::string_view name, std::string_view arguments) {
  return global(module, name) + std::string(arguments) + "R";
}

Record as_record(const tools::NamedTensor& tensor, std::size_t storage) {
  Record record;
  record.key = std::to_string(storage);
  record.elements = static_cast<std::int64_t>(tensor.values.size());
  record.shape = tensor.shape;
  record.strides.assign(tensor.shape.size(), 1);
  for (std::size_t i = tensor.shape.size(); i-- > 1;) {
    record.strides[i - 1] = record.strides[i] * tensor.shape[i];
  }
  return record;
}

std::string opcodes(const Record& record) {
  std::string id = "(" + text("storage") + global("torch", record.storage_class) +
                   text(record.key) + text("cpu") + integer(record.elements) + "t";
  if (record.persistent_id) id = *record.persistent_id;
  return call("torch._utils", record.function,
              "(" + id + "Q" + integer(record.offset) + tuple(record.shape) +
                  tuple(record.strides) + "\x89" + call("collections", "OrderedDict", ")") + "t") +
         record.behind;
}

std::string record_of(const tools::NamedTensor& tensor, std::size_t storage) {
  return opcodes(as_record(tensor, storage));
}

// --- a whole checkpoint ---

std::vector<tools::NamedTensor> sample() {
  tools::NetworkShape shape;
  shape.embed_dim = 1;
  shape.hidden_dim = 1;
  shape.depths = {1};
  shape.large_kernel = 3;
  shape.small_kernel = 1;
  shape.scale = 1;
  shape.fused = true;
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 1);
  return tensors;
}

std::string state_dict(const std::optional<std::string>& first) {
  const auto tensors = sample();
  std::string out = call("collections", "OrderedDict", ")") + "(";
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    out += text(tensors[i].name) + (i == 0 && first ? *first : record_of(tensors[i], i));
  }
  return out + "u";
}

std::string pickle(std::string_view opcodes) { return "\x80\x02" + std::string(opcodes) + "."; }

std::string with_extra(std::string_view opcodes) {
  return pickle("}(" + text("params") + state_dict() + text("extra") + std::string(opcodes) + "u");
}

std::string elements(const tools::NamedTensor& tensor) {
  std::string bytes;
  for (const double value : tensor.values) {
    const auto element = static_cast<float>(value);
    bytes.append(reinterpret_cast<const char*>(&element), sizeof element);
  }
  return bytes;
}

std::vector<RawEntry> entries(const std::string& pickle) {
  std::vector<RawEntry> result = {{"archive/data.pkl", pickle}, {"archive/byteorder", "little"}};
  const auto tensors = sample();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    result.push_back({"archive/data/" + std::to_string(i), elements(tensors[i])});
  }
  result.push_back({"archive/version", "3\n"});
  return result;
}

std::string checkpoint(const std::string& pickle) { return raw_zip(entries(pickle)); }

}  // namespace aether2onnx::corpus
