#include "formats/torch/sparse.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "base/text.h"
#include "formats/torch/layout.h"
#include "formats/torch/storage_table.h"

namespace aether2onnx::torch {

namespace {

using formats::Tensor;
using pickle::Kind;
using pickle::ValueId;
using Sizes = std::span<const std::int64_t>;

// The arguments of _rebuild_sparse_tensor. nnz is the number of elements, or blocks of elements,
// that the tensor stores.
struct SparseTensor {
  std::string_view layout;         // "torch.sparse_coo", "torch.sparse_csr", …
  std::vector<std::int64_t> size;  // The shape of the tensor.
  // COO: one tensor with the shape (sparse dimensions, nnz). Other layouts: the compressed indices
  // with the shape (…, rows + 1), and the plain indices with the shape (…, nnz). The layouts csc
  // and bsc count columns instead of rows.
  std::vector<Tensor> indices;
  Tensor values;              // Shape: (…, nnz, …)
  bool is_coalesced = false;  // COO: whether the indices must be sorted and distinct.
};

void expect(bool holds, const char* problem) {
  if (!holds) no_tensor("torch-tensor-sparse", "is a sparse tensor {}", problem);
}

bool are_equal(Sizes a, Sizes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

template <typename Number>
std::int64_t number_at(std::span<std::byte> bytes, bool big_endian) {
  Number number{};
  const auto own = bytes.first(sizeof(number));
  if (big_endian != (std::endian::native == std::endian::big)) {
    std::reverse(own.begin(), own.end());
  }
  std::memcpy(&number, own.data(), sizeof(number));
  return number;
}

// Returns the elements of a tensor of int64 or int32, row-major. The reader of the tensor has
// checked that all elements lie within the storage.
std::vector<std::int64_t> integers(const Tensor& tensor, const formats::Storages& storages) {
  const std::size_t size = size_of(tensor.dtype);
  std::vector<std::int64_t> result;
  result.reserve(static_cast<std::size_t>(tensor.elements));
  if (tensor.elements == 0) return result;
  const std::int64_t last = reach(tensor).value();
  std::vector<std::byte> bytes((static_cast<std::size_t>(last) + 1) * size);
  storages.read(tensor.storage, static_cast<std::uint64_t>(tensor.storage_offset) * size, bytes);
  std::vector<std::byte> element(size);
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  std::int64_t at = 0;
  while (true) {
    std::memcpy(element.data(), bytes.data() + static_cast<std::size_t>(at) * size, size);
    result.push_back(tensor.dtype == DType::int64
                         ? number_at<std::int64_t>(element, storages.big_endian())
                         : number_at<std::int32_t>(element, storages.big_endian()));
    std::size_t axis = index.size();
    while (axis > 0 && ++index[axis - 1] == tensor.shape[axis - 1]) {
      --axis;
      at -= (tensor.shape[axis] - 1) * tensor.strides[axis];
      index[axis] = 0;
    }
    if (axis == 0) return result;
    at += tensor.strides[axis - 1];
  }
}

// Returns whether the tensor has the strides that PyTorch gives to a contiguous tensor.
bool is_contiguous(const Tensor& tensor) {
  std::optional<std::int64_t> step = 1;
  for (std::size_t axis = tensor.shape.size(); axis-- > 0;) {
    if (step != tensor.strides[axis]) return false;  // also if the product has overflowed
    step = checked_multiply(*step, std::max<std::int64_t>(1, tensor.shape[axis]));
  }
  return true;
}

// Checks a COO tensor. Each column of the indices is the place of one element in the tensor's
// sparse dimensions. All other dimensions of the tensor are dense. The first dimension of the
// values counts the stored elements, and the dense dimensions follow.
void check_coordinates(const SparseTensor& tensor, const formats::Storages& storages) {
  const Tensor& indices = tensor.indices.front();
  const Sizes values = tensor.values.shape;
  const Sizes size = tensor.size;
  expect(indices.dtype == DType::int64 && indices.shape.size() == 2,
         "whose indices are not int64 with two dimensions");
  const auto sparse = static_cast<std::size_t>(indices.shape[0]);
  const auto stored = static_cast<std::size_t>(indices.shape[1]);
  expect(!values.empty() && values[0] == indices.shape[1],
         "whose indices are too many or too few for its values");
  expect(sparse <= size.size() && are_equal(size.subspan(sparse), values.subspan(1)),
         "whose values have another shape than the tensor");
  const std::vector<std::int64_t> numbers = integers(indices, storages);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    expect(numbers[i] >= 0 && numbers[i] < size[i / stored], "with an index outside the tensor");
  }
  if (!tensor.is_coalesced) return;
  for (std::size_t column = 1; column < stored; ++column) {
    std::size_t row = 0;
    const auto at = [&](std::size_t place) { return numbers[row * stored + place]; };
    while (row < sparse && at(column - 1) == at(column)) ++row;
    expect(row < sparse && at(column - 1) < at(column),
           "that is marked as coalesced, but whose indices are not sorted and distinct");
  }
}

// Checks a tensor of any layout but COO, for example csr. In csr, the plain indices are the column
// numbers of the elements, row after row. The column numbers of row i begin at compressed[i] and
// end before compressed[i + 1]. The layouts csc and bsc exchange rows and columns. The layouts bsr
// and bsc store blocks of values.
void check_compressed(const SparseTensor& tensor, const formats::Storages& storages) {
  const Tensor& compressed = tensor.indices[0];
  const Tensor& plain = tensor.indices[1];
  const bool by_column = is_one_of("torch.sparse_csc torch.sparse_bsc", tensor.layout);
  const bool in_blocks = is_one_of("torch.sparse_bsr torch.sparse_bsc", tensor.layout);
  expect(compressed.dtype == plain.dtype &&
             (plain.dtype == DType::int64 || plain.dtype == DType::int32),
         "whose indices are neither int64 nor int32");
  expect(is_contiguous(compressed) && is_contiguous(plain) && is_contiguous(tensor.values),
         "whose indices or values are not contiguous");
  expect(!plain.shape.empty() && compressed.shape.size() == plain.shape.size(),
         "whose indices differ in their number of dimensions");
  const std::size_t batch = plain.shape.size() - 1;
  const std::size_t dense_from = batch + (in_blocks ? 3 : 1);  // in the values
  const Sizes values = tensor.values.shape;
  const Sizes size = tensor.size;
  expect(values.size() >= dense_from && size.size() == batch + 2 + values.size() - dense_from,
         "whose values have another number of dimensions than the tensor");
  const Sizes batches = size.first(batch);
  expect(are_equal(Sizes(compressed.shape).first(batch), batches) &&
             are_equal(Sizes(plain.shape).first(batch), batches) &&
             are_equal(values.first(batch), batches) &&
             are_equal(values.subspan(dense_from), size.subspan(batch + 2)),
         "whose values have another shape than the tensor");
  std::int64_t lines = size[batch + (by_column ? 1 : 0)];
  std::int64_t across = size[batch + (by_column ? 0 : 1)];
  if (in_blocks) {
    const std::int64_t of_lines = values[batch + (by_column ? 2 : 1)];
    const std::int64_t of_across = values[batch + (by_column ? 1 : 2)];
    expect(of_lines > 0 && of_across > 0 && lines % of_lines == 0 && across % of_across == 0,
           "whose blocks do not divide the tensor");
    lines /= of_lines;
    across /= of_across;
  }
  const std::int64_t stored = plain.shape[batch];
  expect(compressed.shape[batch] - 1 == lines && values[batch] == stored,
         "whose indices are too many or too few for its rows or values");
  const std::vector<std::int64_t> ends = integers(compressed, storages);
  const std::vector<std::int64_t> places = integers(plain, storages);
  const auto width = static_cast<std::size_t>(lines) + 1;
  for (std::size_t row = 0, first = 0; row < ends.size(); row += width) {
    const auto of_batch = std::span(ends).subspan(row, width);
    expect(of_batch.front() == 0 && of_batch.back() == stored,
           "whose compressed indices do not reach from 0 to the number of values");
    for (std::size_t line = 1; line < width; ++line) {
      const std::int64_t begin = of_batch[line - 1];
      const std::int64_t end = of_batch[line];
      expect(begin <= end && end - begin <= across && end <= stored,
             "whose compressed indices do not ascend");
      for (std::int64_t at = begin; at < end; ++at) {
        const auto place = std::span(places).subspan(first + static_cast<std::size_t>(at));
        expect(place[0] >= 0 && place[0] < across, "with an index outside the tensor");
        expect(at + 1 == end || place[0] < place[1],
               "whose indices are not sorted and distinct in each row");
      }
    }
    first += static_cast<std::size_t>(stored);
  }
}

}  // namespace

Tensor check_sparse(const pickle::Document& document, std::span<const ValueId> arguments,
                    const formats::Storages& storages, const std::function<Tensor(ValueId)>& read) {
  const auto none = arguments.first(0);
  const auto layout = arguments.size() == 2 ? document.arguments(arguments[0]) : none;
  auto parts = arguments.size() == 2 ? document.elements(arguments[1]) : none;
  SparseTensor tensor;
  if (!parts.empty() && document.kind(parts.back()) == Kind::boolean) {
    tensor.is_coalesced = document.boolean(parts.back());
    parts = parts.first(parts.size() - 1);
  }
  if (layout.size() != 1 || parts.size() < 3 || parts.size() > 4) {
    no_tensor("torch-tensor-arguments", "is a call with wrong arguments for a sparse tensor");
  }
  tensor.layout = document.text(layout[0]);
  tensor.size = sizes(document, parts.back(), "size");
  for (const ValueId part : parts.first(parts.size() - 2)) tensor.indices.push_back(read(part));
  tensor.values = read(parts[parts.size() - 2]);
  expect(checked_product(tensor.size).has_value(),
         "with more elements than a 64-bit number can count");
  if (tensor.indices.size() == 1) {
    check_coordinates(tensor, storages);
  } else {
    check_compressed(tensor, storages);
  }
  return std::move(tensor.values);
}

}  // namespace aether2onnx::torch
