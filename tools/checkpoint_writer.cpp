#include "checkpoint_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <stdexcept>

#include "base/dtype.h"

namespace aether2onnx::tools {

namespace {

void append_little_endian(std::string& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>((value >> (8 * i)) & 0xffU);
}

// Writes pickle opcodes, the same ones as torch.save().
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
    out_ += "\x8a\x08";  // LONG1 of eight bytes can hold every int64
    append_little_endian(out_, static_cast<std::uint64_t>(value), 8);
  }
  void real(double value) {
    std::string bytes;
    append_little_endian(bytes, std::bit_cast<std::uint64_t>(value), 8);
    out_ += 'G';
    out_.append(bytes.rbegin(), bytes.rend());
  }
  void tuple(const std::vector<std::int64_t>& values) {
    out_ += '(';
    for (const std::int64_t value : values) integer(value);
    out_ += 't';
  }
  void value(const PythonValue& value) {
    std::visit([this](const auto& held) { append(held); }, value.value);
  }
  void items(const PythonDict& dict) {
    for (const auto& [key, held] : dict.items) {
      text(key);
      value(held);
    }
  }
  void opcodes(const char* opcodes) { out_ += opcodes; }
  std::string finish() { return out_ + "."; }

 private:
  void append(std::monostate /*none*/) { opcodes("N"); }
  void append(bool flag) { opcodes(flag ? "\x88" : "\x89"); }
  void append(std::int64_t number) { integer(number); }
  void append(double number) { real(number); }
  void append(const std::string& held) { text(held); }
  void append(const PythonList& list) {
    opcodes("](");
    for (const PythonValue& item : list.items) value(item);
    opcodes("e");
  }
  void append(const PythonTuple& tuple) {
    opcodes("(");
    for (const PythonValue& item : tuple.items) value(item);
    opcodes("t");
  }
  void append(const PythonDict& dict) {
    opcodes("}(");
    items(dict);
    opcodes("u");
  }

  std::string out_;
};

// The type of the elements of a storage.
enum class ElementType { float32, float16, bfloat16, float64, int64, qint8 };

ElementType element_type(StorageType type) {
  switch (type) {
    case StorageType::float32:
      return ElementType::float32;
    case StorageType::float16:
      return ElementType::float16;
    case StorageType::bfloat16:
      return ElementType::bfloat16;
    case StorageType::float64:
      return ElementType::float64;
  }
  throw std::logic_error("unknown storage type");
}

struct TypeNames {
  const char* storage_class;  // PyTorch's name
  const char* safetensors;    // nullptr if the format lacks the type
};

TypeNames names_of(ElementType type) {
  switch (type) {
    case ElementType::float32:
      return {"FloatStorage", "F32"};
    case ElementType::float16:
      return {"HalfStorage", "F16"};
    case ElementType::bfloat16:
      return {"BFloat16Storage", "BF16"};
    case ElementType::float64:
      return {"DoubleStorage", "F64"};
    case ElementType::int64:
      return {"LongStorage", "I64"};
    case ElementType::qint8:
      return {"QInt8Storage", nullptr};
  }
  throw std::logic_error("unknown element type");
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

// Returns the strides of a tensor (N, C, H, W) whose elements are stored in the order N, H, W, C.
std::vector<std::int64_t> channels_last_strides(const std::vector<std::int64_t>& shape) {
  return {shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1]};
}

// Returns the row-major values of a tensor (N, C, H, W) in the order N, H, W, C.
std::vector<double> in_channels_last_order(const std::vector<double>& values,
                                           const std::vector<std::int64_t>& shape) {
  std::vector<double> ordered;
  const std::int64_t pixels = shape[2] * shape[3];
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (std::int64_t c = 0; c < shape[1]; ++c) {
        ordered.push_back(values.at(static_cast<std::size_t>((n * shape[1] + c) * pixels + pixel)));
      }
    }
  }
  return ordered;
}

std::string encode(const std::vector<double>& values, ElementType type, bool big_endian) {
  std::string bytes;
  for (const double value : values) {
    std::string element;
    switch (type) {
      case ElementType::float32:
        append_little_endian(element, std::bit_cast<std::uint32_t>(static_cast<float>(value)), 4);
        break;
      case ElementType::float16:
        append_little_endian(element, to_half_bits(value), 2);
        break;
      case ElementType::bfloat16:
        append_little_endian(element,
                             std::bit_cast<std::uint32_t>(static_cast<float>(value)) >> 16U, 2);
        break;
      case ElementType::float64:
        append_little_endian(element, std::bit_cast<std::uint64_t>(value), 8);
        break;
      case ElementType::int64:
        append_little_endian(element, static_cast<std::uint64_t>(static_cast<std::int64_t>(value)),
                             8);
        break;
      case ElementType::qint8:
        element += static_cast<char>(static_cast<std::int64_t>(value));
        break;
    }
    if (big_endian) std::reverse(element.begin(), element.end());
    bytes += element;
  }
  return bytes;
}

bool has_channels_last_strides(const NamedTensor& tensor) {
  return tensor.quantization && tensor.quantization->channels_last && tensor.shape.size() == 4;
}

// The values of one storage. The pointers lead to the tensors that are written.
struct Storage {
  ElementType type;
  const std::vector<double>* values;
  const NamedTensor* reordered;  // the tensor, if its values are stored as NHWC; else null

  std::string encoded(bool big_endian) const {
    if (reordered == nullptr) return encode(*values, type, big_endian);
    return encode(in_channels_last_order(*values, reordered->shape), type, big_endian);
  }
};

// All storages of a checkpoint; storage i has the key "i". The order: the storages of the tensors,
// those of the optimizer's copies, then scales, zero points and biases of quantized tensors.
struct Storages {
  std::vector<Storage> all;
  // For each entry the index of its storage; an entry without a storage has the next index.
  std::vector<std::size_t> first;
  // For each entry the index of its first storage with scales, zero points or a bias.
  std::vector<std::size_t> beside;
};

ElementType element_type(const NamedTensor& tensor, const CheckpointLayout& layout) {
  if (tensor.quantization) return ElementType::qint8;
  return tensor.integer ? ElementType::int64 : element_type(layout.type);
}

bool has_storage(const NamedTensor& tensor) {
  return tensor.kind == EntryKind::tensor || tensor.kind == EntryKind::packed_linear;
}

Storages storages_of(const std::vector<NamedTensor>& tensors, const CheckpointLayout& layout) {
  Storages storages;
  for (int copy = 0; copy <= layout.optimizer_copies; ++copy) {
    for (const NamedTensor& tensor : tensors) {
      if (copy == 0) storages.first.push_back(storages.all.size());
      if (!has_storage(tensor)) continue;
      storages.all.push_back({element_type(tensor, layout), &tensor.values,
                              has_channels_last_strides(tensor) ? &tensor : nullptr});
    }
  }
  for (const NamedTensor& tensor : tensors) {
    storages.beside.push_back(storages.all.size());
    if (tensor.quantization && tensor.quantization->axis) {
      storages.all.push_back({ElementType::float64, &tensor.quantization->scales, nullptr});
      storages.all.push_back({ElementType::int64, &tensor.quantization->zero_points, nullptr});
    }
    if (!tensor.packed_bias.empty()) {
      storages.all.push_back({element_type(layout.type), &tensor.packed_bias, nullptr});
    }
  }
  return storages;
}

// Writes the pickle of a whole checkpoint.
class CheckpointPickler {
 public:
  // If `legacy` is true, each reference to a storage has a view of the storage, here None.
  CheckpointPickler(const std::vector<NamedTensor>& tensors, const CheckpointLayout& layout,
                    bool legacy)
      : tensors_(tensors),
        layout_(layout),
        legacy_(legacy),
        storages_(storages_of(tensors, layout)) {}

  std::string pickle() {
    if (!layout_.wrapper.empty()) {
      pickler_.opcodes("}(");
      if (layout_.optimizer_copies > 0) append_optimizer();
      pickler_.text(layout_.wrapper);
    }
    pickler_.global("collections", "OrderedDict");
    pickler_.opcodes(")R(");
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      pickler_.text(layout_.prefix + tensors_[i].name);
      append_entry(i);
    }
    pickler_.opcodes("u");
    if (!layout_.module_names.empty()) append_module_names();
    if (!layout_.wrapper.empty()) {
      pickler_.items(layout_.beside);
      pickler_.opcodes("u");
    }
    return pickler_.finish();
  }

 private:
  void append_entry(std::size_t index) {
    const NamedTensor& tensor = tensors_[index];
    switch (tensor.kind) {
      case EntryKind::none:
        pickler_.opcodes("N");
        return;
      case EntryKind::qint8_type:
        pickler_.global("torch", "qint8");
        return;
      case EntryKind::tensor:
        append_stored(tensor, storages_.first[index], index);
        return;
      case EntryKind::packed_linear:
        break;
    }
    pickler_.opcodes("(");
    append_stored(tensor, storages_.first[index], index);
    if (tensor.packed_bias.empty()) {
      pickler_.opcodes("N");
    } else {
      const bool per_channel = tensor.quantization && tensor.quantization->axis;
      pickler_.global("torch._utils", "_rebuild_parameter");
      pickler_.opcodes("(");
      append_vector(storages_.beside[index] + (per_channel ? 2 : 0));
      append_end();
    }
    pickler_.opcodes("t");
  }

  // Appends a call of the function that rebuilds the tensor from `storage`.
  void append_stored(const NamedTensor& tensor, std::size_t storage, std::size_t index) {
    pickler_.global("torch._utils",
                    tensor.quantization ? "_rebuild_qtensor" : "_rebuild_tensor_v2");
    pickler_.opcodes("(");
    append_layout(storage, tensor.shape,
                  has_channels_last_strides(tensor) ? channels_last_strides(tensor.shape)
                                                    : contiguous_strides(tensor.shape));
    if (tensor.quantization) append_quantizer(*tensor.quantization, storages_.beside[index]);
    append_end();
  }

  void append_quantizer(const Quantization& quantization, std::size_t storage) {
    pickler_.opcodes("(");
    if (quantization.axis) {
      pickler_.global("torch", "per_channel_affine");
      append_vector(storage);
      append_vector(storage + 1);
      pickler_.integer(*quantization.axis);
    } else {
      pickler_.global("torch", "per_tensor_affine");
      pickler_.real(quantization.scales.at(0));
      pickler_.integer(static_cast<std::int64_t>(quantization.zero_points.at(0)));
    }
    pickler_.opcodes("t");
  }

  // Appends a whole storage as a tensor of rank 1.
  void append_vector(std::size_t storage) {
    pickler_.global("torch._utils", "_rebuild_tensor_v2");
    pickler_.opcodes("(");
    append_layout(storage, {static_cast<std::int64_t>(storages_.all[storage].values->size())}, {1});
    append_end();
  }

  // Appends the arguments for the storage, the offset, the shape and the strides.
  void append_layout(std::size_t storage, const std::vector<std::int64_t>& shape,
                     const std::vector<std::int64_t>& strides) {
    pickler_.opcodes("(");
    pickler_.text("storage");
    pickler_.global("torch", names_of(storages_.all[storage].type).storage_class);
    pickler_.text(std::to_string(storage));
    pickler_.text("cpu");
    pickler_.integer(static_cast<std::int64_t>(storages_.all[storage].values->size()));
    pickler_.opcodes(legacy_ ? "NtQ" : "tQ");
    pickler_.integer(0);
    pickler_.tuple(shape);
    pickler_.tuple(strides);
  }

  // Appends the last two arguments (requires_grad False, no hooks) and the call.
  void append_end() {
    pickler_.opcodes("\x89");
    pickler_.global("collections", "OrderedDict");
    pickler_.opcodes(")RtR");
  }

  // Appends "optimizer": {"state": {0: {"copy0": tensor, …}, …}, "param_groups": []}.
  void append_optimizer() {
    const auto stored =
        static_cast<std::size_t>(std::count_if(tensors_.begin(), tensors_.end(), has_storage));
    pickler_.text("optimizer");
    pickler_.opcodes("}(");
    pickler_.text("state");
    pickler_.opcodes("}(");
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      pickler_.integer(static_cast<std::int64_t>(i));
      pickler_.opcodes("}(");
      for (int copy = 0; copy < layout_.optimizer_copies && has_storage(tensors_[i]); ++copy) {
        pickler_.text("copy" + std::to_string(copy));
        append_stored(tensors_[i],
                      (static_cast<std::size_t>(copy) + 1) * stored + storages_.first[i], i);
      }
      pickler_.opcodes("u");
    }
    pickler_.opcodes("u");
    pickler_.text("param_groups");
    pickler_.opcodes("]u");
  }

  // Sets the attribute _metadata of the OrderedDict on top of the stack.
  void append_module_names() {
    pickler_.opcodes("}");
    pickler_.text("_metadata");
    pickler_.global("collections", "OrderedDict");
    pickler_.opcodes(")R(");
    for (const std::string& name : layout_.module_names) {
      pickler_.text(name);
      pickler_.value(PythonDict{{{"version", 1}}});
    }
    pickler_.opcodes("usb");
  }

  const std::vector<NamedTensor>& tensors_;
  const CheckpointLayout& layout_;
  bool legacy_;
  Storages storages_;
  Pickler pickler_;
};

std::vector<std::byte> as_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::string pickle_state_dict(const std::vector<NamedTensor>& tensors,
                              const CheckpointLayout& layout) {
  return CheckpointPickler(tensors, layout, false).pickle();
}

LegacyParts legacy_parts(const std::vector<NamedTensor>& tensors, const CheckpointLayout& layout) {
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
  parts.object = CheckpointPickler(tensors, layout, true).pickle();
  Pickler keys;
  keys.opcodes("](");
  const std::vector<Storage> storages = storages_of(tensors, layout).all;
  for (std::size_t i = 0; i < storages.size(); ++i) {
    keys.text(std::to_string(i));
    append_little_endian(parts.storages, storages[i].values->size(), 8);
    parts.storages += storages[i].encoded(false);
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
  std::string header = "{";
  std::string data;
  for (const NamedTensor& tensor : tensors) {
    std::string shape;
    for (const std::int64_t size : tensor.shape) {
      shape += (shape.empty() ? "" : ",") + std::to_string(size);
    }
    const ElementType type = element_type(tensor, layout);
    const char* type_name = names_of(type).safetensors;
    if (tensor.kind != EntryKind::tensor || type_name == nullptr) {
      throw std::invalid_argument("safetensors can't hold " + tensor.name);
    }
    const std::size_t begin = data.size();
    data += encode(tensor.values, type, false);
    header += (header.size() == 1 ? "\"" : ",\"") + layout.prefix + tensor.name +
              R"(":{"dtype":")" + type_name + R"(","shape":[)" + shape + R"(],"data_offsets":[)" +
              std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
  }
  header += "}";
  return join_safetensors(header, data);
}

std::vector<std::byte> join_safetensors(const std::string& header, const std::string& data) {
  std::string file;
  append_little_endian(file, header.size(), 8);
  return as_bytes(file + header + data);
}

std::vector<std::byte> write_checkpoint(const std::vector<NamedTensor>& tensors,
                                        const CheckpointLayout& layout) {
  const std::string root = layout.root + "/";
  std::vector<ZipEntry> entries;
  entries.push_back({root + "data.pkl", pickle_state_dict(tensors, layout), layout.deflate});
  entries.push_back({root + "byteorder", layout.big_endian ? "big" : "little", false});
  const std::vector<Storage> storages = storages_of(tensors, layout).all;
  for (std::size_t i = 0; i < storages.size(); ++i) {
    entries.push_back({root + "data/" + std::to_string(i), storages[i].encoded(layout.big_endian),
                       layout.deflate});
  }
  entries.push_back({root + "version", "3\n", false});
  return write_zip(entries);
}

}  // namespace aether2onnx::tools
