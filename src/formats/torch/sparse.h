/// @file
/// Checks the parts of a sparse tensor. aether2onnx reads no sparse tensors, but PyTorch refuses a
/// file if the parts of a sparse tensor contradict each other. Private to this folder.
#pragma once

#include <functional>
#include <span>

#include "formats/pickle/pickle.h"
#include "formats/tensors.h"

namespace aether2onnx::torch {

/// Checks the arguments of a call of PyTorch's function _rebuild_sparse_tensor: a layout, and a
/// tuple of tensors and the size. `read` reads and checks one of these tensors; check_sparse()
/// reads the elements of the indices from `storages`. Returns the tensor of the values. Throws
/// NotATensor if PyTorch would refuse the sparse tensor. Source:
/// aten/src/ATen/native/sparse/SparseTensor.cpp and SparseCsrTensor.cpp, functions
/// _validate_sparse_coo_tensor_args and _validate_sparse_compressed_tensor_args.
formats::Tensor check_sparse(const pickle::Document& document,
                             std::span<const pickle::ValueId> arguments,
                             const formats::Storages& storages,
                             const std::function<formats::Tensor(pickle::ValueId)>& read);

}  // namespace aether2onnx::torch
