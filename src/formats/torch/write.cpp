// Writes PyTorch's zip container as torch.save does. The pickled object is the state dict itself,
// not a dict that contains the state dict. Sources: torch/serialization.py,
// torch/_weights_only_unpickler.py (the opcodes that PyTorch reads), Python's pickletools.

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "formats/torch/storage_ids.h"
#include "formats/torch/torch.h"
#include "formats/zip/writer.h"

namespace aether2onnx::torch {

namespace {

using formats::NewTensor;

// The folder of all entries. torch.save uses this name if the file has no name of its own.
constexpr const char* kRoot = "archive/";

// The opcodes for tuples of 0 to 3 values: EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3.
constexpr std::string_view kTuples = ")\x85\x86\x87";

// Writes a pickle of protocol 2. A repeated text or global becomes a reference to the first
// occurrence, as in Python's pickler.
class Pickler {
 public:
  void global(const std::string& name) {  // `name` is "module name"
    if (recalled(name)) return;
    const std::size_t space = name.find(' ');
    out_ += 'c' + name.substr(0, space) + '\n' + name.substr(space + 1) + '\n';
    memorise(name);
  }

  void text(const std::string& value) {
    const std::string key = '\'' + value;  // no global's name begins with a quote
    if (recalled(key)) return;
    out_ += 'X';
    append(value.size(), 4);
    out_ += value;
    memorise(key);
  }

  void integer(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    if (value >= 0 && value <= 0xff) {
      out_ += 'K';
      append(bits, 1);
    } else if (value >= 0 && value <= 0xffff) {
      out_ += 'M';
      append(bits, 2);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
      out_ += 'J';
      append(bits, 4);
    } else {
      out_ += "\x8a\x08";  // LONG1 with eight bytes
      append(bits, 8);
    }
  }

  void tuple(const std::vector<std::int64_t>& values) {
    const bool is_short = values.size() < kTuples.size();
    if (!is_short) out_ += '(';
    for (const std::int64_t value : values) integer(value);
    out_ += is_short ? kTuples[values.size()] : 't';
  }

  void opcodes(const char* opcodes) { out_ += opcodes; }

  const std::string& finish() { return out_ += '.'; }

 private:
  void append(std::uint64_t number, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) out_ += static_cast<char>((number >> (8 * i)) & 0xffU);
  }

  // Writes an opcode that puts a value into the memo, or gets a value from the memo. The long
  // opcode is for an `index` above 255.
  void memo(char short_opcode, char long_opcode, std::size_t index) {
    const bool is_short = index <= 0xff;
    out_ += is_short ? short_opcode : long_opcode;
    append(index, is_short ? 1 : 4);
  }
  void memorise(const std::string& key) {
    memo('q', 'r', memo_.size());
    memo_.emplace(key, memo_.size());
  }
  bool recalled(const std::string& key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) return false;
    memo('h', 'j', found->second);
    return true;
  }

  std::string out_ = "\x80\x02";
  std::unordered_map<std::string, std::size_t> memo_;
};

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

// Returns the pickle of an OrderedDict. Each item has the tensor's name as key and this call as
// value: _rebuild_tensor_v2(('storage', class, key, 'cpu', elements), offset 0, shape, strides,
// requires_grad False, OrderedDict()). The key of storage i is "i".
std::string pickle_state_dict(const std::vector<NewTensor>& tensors) {
  Pickler pickler;
  pickler.global("collections OrderedDict");
  pickler.opcodes(")R(");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const NewTensor& tensor = tensors[i];
    pickler.text(tensor.name);
    pickler.global("torch._utils _rebuild_tensor_v2");
    pickler.opcodes("((");
    pickler.text("storage");
    pickler.global("torch " + std::string(storage_class(tensor.dtype)));
    pickler.text(fmt::format("{}", i));
    pickler.text("cpu");
    pickler.integer(static_cast<std::int64_t>(byte_count(tensor) / size_of(tensor.dtype)));
    pickler.opcodes("tQ");
    pickler.integer(0);
    pickler.tuple(tensor.shape);
    pickler.tuple(contiguous_strides(tensor.shape));
    pickler.opcodes("\x89");
    pickler.global("collections OrderedDict");
    pickler.opcodes(")RtR");
  }
  pickler.opcodes("u");
  return pickler.finish();
}

}  // namespace

std::uint64_t write(const formats::Content& content, Output& output) {
  zip::Writer zip(output);
  const auto add_text = [&zip](const std::string& name, const std::string& text) {
    zip.add(kRoot + name, std::as_bytes(std::span(text)));
  };
  add_text("data.pkl", pickle_state_dict(content.tensors));
  add_text("byteorder", "little");
  for (std::size_t i = 0; i < content.tensors.size(); ++i) {
    zip.add(fmt::format("{}data/{}", kRoot, i), load_little_endian(content.tensors[i]));
  }
  add_text("version", "3\n");
  // PyTorch keeps its own records in the folder `.data` and ignores all other files in the folder.
  // So PyTorch ignores the notes: texts with settings of the network, which `fuse` writes.
  for (const auto& [name, text] : content.notes) add_text(".data/" + name, text);
  return zip.finish();
}

}  // namespace aether2onnx::torch
