// Reads the elements of a tensor in an ONNX file. onnx.proto defines, for each element type, which
// field of TensorProto contains the elements.

#include <array>
#include <bit>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx/proto.h"

namespace aether2onnx::onnx {

namespace {

struct Type {
  int number;  // the enumerator in TensorProto.DataType
  DType dtype;
  int field;  // the field of TensorProto with the elements, if raw_data is not used
};

constexpr std::array kTypes = {
    Type{1, DType::float32, tensor_proto::float_data},
    Type{2, DType::uint8, tensor_proto::int32_data},
    Type{3, DType::int8, tensor_proto::int32_data},
    Type{4, DType::uint16, tensor_proto::int32_data},
    Type{5, DType::int16, tensor_proto::int32_data},
    Type{6, DType::int32, tensor_proto::int32_data},
    Type{7, DType::int64, tensor_proto::int64_data},
    Type{9, DType::boolean, tensor_proto::int32_data},
    Type{10, DType::float16, tensor_proto::int32_data},
    Type{11, DType::float64, tensor_proto::double_data},
    Type{12, DType::uint32, tensor_proto::uint64_data},
    Type{13, DType::uint64, tensor_proto::uint64_data},
    Type{14, DType::complex64, tensor_proto::float_data},
    Type{15, DType::complex128, tensor_proto::double_data},
    Type{16, DType::bfloat16, tensor_proto::int32_data},
    Type{17, DType::float8_e4m3fn, tensor_proto::int32_data},
    Type{19, DType::float8_e5m2, tensor_proto::int32_data},
};

struct OtherType {
  int number;
  const char* name;
};

constexpr std::array kOtherTypes = {
    OtherType{8, "string"},
    OtherType{18, "float8_e4m3fnuz"},
    OtherType{20, "float8_e5m2fnuz"},
    OtherType{21, "uint4"},
    OtherType{22, "int4"},
    OtherType{23, "float4_e2m1"},
};

const Type* find_type(int data_type) {
  for (const Type& type : kTypes) {
    if (type.number == data_type) return &type;
  }
  return nullptr;
}

// Throws the error for a tensor whose elements do not fit the tensor's shape.
[[noreturn]] void misfit(const Tensor& tensor, const std::string& expected,
                         const std::string& found) {
  fail({ErrorKind::malformed, "onnx-tensor-size", tensor.name, expected, found},
       "the tensor {} {} should have {} and has {}.", printable(tensor.name),
       shape_text(tensor.dims), expected, found);
}

// Returns the number of bytes that elements of this shape and type need. Throws Error(malformed) if
// the number of elements or bytes does not fit 64 bits.
std::uint64_t bytes_of(const Tensor& tensor, DType dtype) {
  const auto elements = checked_product(tensor.dims);
  const auto bytes = elements ? checked_multiply(static_cast<std::uint64_t>(*elements),
                                                 std::uint64_t{size_of(dtype)})
                              : std::nullopt;
  if (!bytes) {
    fail({ErrorKind::malformed, "onnx-tensor-size", tensor.name},
         "the tensor {} is too large: its number of bytes does not fit 64 bits.",
         printable(tensor.name));
  }
  return *bytes;
}

std::vector<std::byte> read_bytes(const Input& input, std::uint64_t offset, std::uint64_t bytes) {
  std::vector<std::byte> result(to_size(bytes));
  input.read(offset, result);
  return result;
}

std::uint64_t number_of(const Tensor& tensor, const std::string& text, std::uint64_t fallback) {
  if (text.empty()) return fallback;
  const auto number = parse_number<std::uint64_t>(text);
  if (!number) {
    fail({ErrorKind::malformed, "onnx-external-place", tensor.name, {}, text},
         "the tensor {} is in external data, but its offset or length '{}' is no number.",
         printable(tensor.name), printable(text, 40));
  }
  return *number;
}

std::vector<std::byte> read_external(const Tensor& tensor, std::uint64_t bytes,
                                     const io::Siblings* siblings) {
  const std::string shown = printable(tensor.external_file);
  if (!is_beside(tensor.external_file)) {
    fail(
        {ErrorKind::unsupported, "onnx-external-folder", tensor.name, {}, tensor.external_file},
        "the data of the tensor {} are in '{}', in another folder. aether2onnx reads external data "
        "only from the model's folder.",
        printable(tensor.name), shown);
  }
  const auto file = siblings == nullptr ? nullptr : siblings->open(tensor.external_file);
  if (file == nullptr) {
    fail({ErrorKind::io, "onnx-external-missing", tensor.name, tensor.external_file},
         "the data of the tensor {} are in the file '{}', which is missing.",
         printable(tensor.name), shown);
  }
  const std::uint64_t offset = number_of(tensor, tensor.external_offset, 0);
  const std::uint64_t length = number_of(tensor, tensor.external_bytes, bytes);
  if (length != bytes) {
    misfit(tensor, plural(bytes, "byte"), fmt::format("{} in '{}'", length, shown));
  }
  if (offset > file->size() || bytes > file->size() - offset) {
    fail({ErrorKind::malformed, "onnx-external-place", tensor.name, fmt::format("{}", bytes)},
         "the data of the tensor {} reach beyond the end of the file '{}'.", printable(tensor.name),
         shown);
  }
  return read_bytes(*file, offset, bytes);
}

// Decodes the numbers of int32_data, int64_data and uint64_data. Appends the low `element_size`
// bytes of each number to `out`.
class Integers {
 public:
  Integers(std::vector<std::byte>& out, std::size_t element_size, std::uint64_t most)
      : out_(out), element_size_(element_size), most_(most) {}

  // Decodes the varints in `bytes`. Returns false for bytes that are no varints, or if `out` would
  // get more than `most` bytes.
  bool take(std::span<const std::byte> bytes) {
    std::uint64_t number = 0;
    unsigned shift = 0;
    for (const std::byte byte : bytes) {
      if (shift > 63) return false;
      number |= (std::to_integer<std::uint64_t>(byte) & 0x7fU) << shift;
      shift += 7;
      if ((byte & std::byte{0x80}) != std::byte{}) continue;
      if (out_.size() >= most_) return false;
      for (std::size_t i = 0; i < element_size_; ++i) {
        out_.push_back(static_cast<std::byte>(number >> (8 * i)));
      }
      number = 0;
      shift = 0;
    }
    return shift == 0;
  }

 private:
  std::vector<std::byte>& out_;
  std::size_t element_size_;
  std::uint64_t most_;
};

std::vector<std::byte> read_pieces(const Tensor& tensor, const Type& type, std::uint64_t bytes,
                                   const Input& file) {
  const bool integers =
      type.field != tensor_proto::float_data && type.field != tensor_proto::double_data;
  std::vector<std::byte> result;
  Integers numbers(result, size_of(type.dtype), bytes);
  for (const Tensor::Piece& piece : tensor.pieces) {
    if (piece.field != static_cast<std::uint64_t>(type.field)) {
      misfit(tensor, fmt::format("elements of {}", to_string(type.dtype)), "other elements");
    }
    if (!integers && piece.bytes > bytes - result.size()) {
      misfit(tensor, plural(bytes, "byte"), "more bytes");
    }
    const auto content = read_bytes(file, piece.offset, piece.bytes);
    if (!integers) {
      result.insert(result.end(), content.begin(), content.end());
    } else if (!numbers.take(content)) {
      misfit(tensor, plural(bytes / size_of(type.dtype), "number"), "other content");
    }
  }
  return result;
}

}  // namespace

// Returns true only if the name means a file in the model's folder on every operating system.
// Windows drops dots and spaces at the end of a name, so a name of only dots and spaces is a folder
// on Windows. Windows reads "C:name" as a file on drive C.
bool is_beside(const std::string& external_file) {
  if (external_file.find_first_not_of(". ") == std::string::npos) return false;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (external_file.size() > 1 && external_file[1] == ':' && is_letter(external_file[0])) {
    return false;
  }
  return external_file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

std::optional<DType> dtype_of(int data_type) {
  const Type* type = find_type(data_type);
  return type == nullptr ? std::nullopt : std::optional(type->dtype);
}

int data_type_of(DType dtype) {
  for (const Type& type : kTypes) {
    if (type.dtype == dtype) return type.number;
  }
  defect("ONNX has no number for a tensor's type");
}

std::string type_text(int data_type) {
  if (const Type* type = find_type(data_type)) return std::string(to_string(type->dtype));
  for (const OtherType& other : kOtherTypes) {
    if (other.number == data_type) return other.name;
  }
  return fmt::format("type {}", data_type);
}

void convert_byte_order(std::vector<std::byte>& elements, DType dtype) {
  if constexpr (std::endian::native == std::endian::big) {
    const bool complex = dtype == DType::complex64 || dtype == DType::complex128;
    swap_byte_order(elements, complex ? size_of(dtype) / 2 : size_of(dtype));
  }
}

TensorData read_tensor(const Tensor& tensor, const Input& file, const io::Siblings* siblings) {
  const Type* type = find_type(tensor.data_type);
  if (type == nullptr) {
    const std::string found = type_text(tensor.data_type);
    fail({ErrorKind::unsupported, "onnx-tensor-type", tensor.name, {}, found},
         "the tensor {} has the type {}, which aether2onnx does not read.", printable(tensor.name),
         found);
  }
  const std::uint64_t bytes = bytes_of(tensor, type->dtype);
  TensorData data{type->dtype, tensor.dims, {}};
  if (!tensor.external_file.empty()) {
    data.bytes = read_external(tensor, bytes, siblings);
  } else if (tensor.pieces.empty() && tensor.raw_bytes == bytes) {
    data.bytes = read_bytes(file, tensor.raw_offset, bytes);
  } else if (tensor.raw_bytes == 0) {
    data.bytes = read_pieces(tensor, *type, bytes, file);
  }
  if (data.bytes.size() != bytes) {
    misfit(tensor, plural(bytes, "byte"),
           fmt::format("{}", tensor.raw_bytes != 0 ? tensor.raw_bytes : data.bytes.size()));
  }
  convert_byte_order(data.bytes, type->dtype);
  return data;
}

TensorData TensorReader::read(const Tensor& tensor) {
  if (made_.exceeded()) {
    fail({ErrorKind::limit, "onnx-tensor-bytes", tensor.name, human_bytes(made_.most())},
         "the tensors of the model have over {} of data, far more than the files contain, "
         "because many tensors share the same external data.",
         human_bytes(made_.most()));
  }
  TensorData data = read_tensor(tensor, file_, siblings_);
  made_.add(data.bytes.size());
  if (!tensor.external_file.empty() && external_files_.insert(tensor.external_file).second) {
    if (const auto external = siblings_->open(tensor.external_file)) made_.allow(external->size());
  }
  return data;
}

}  // namespace aether2onnx::onnx
