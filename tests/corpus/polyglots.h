/// @file
/// Pieces of files that are more than one thing.
#pragma once

#include <string>

#include "forge.h"
#include "protobuf.h"

namespace aether2onnx::corpus {

using test::varint;

/// How a number of a tar header is written.
enum class TarNumber {
  octal,
  base_256,
  spaces,
  prefix,
  underscores,
  plus,
  negative,
  empty,  ///< Means 0. The block gets bytes that make its sum 0.
};

/// A tar header of the oldest kind. What isn't set is as Python's tarfile writes the header.
struct TarForm {
  bool signed_sum = false;  ///< The checksum adds signed bytes.
  bool ustar = false;
  TarNumber checksum = TarNumber::octal;
  std::string mode = "0000644 ";
  char fill = '\0';  ///< Stands in unused places.
  int wrong_by = 0;  ///< Added to the checksum.
};

/// 512 bytes that begin with `start`, up to 100 bytes, and are a tar header.
std::string tar_block(const std::string& start, const TarForm& form);

/// A checkpoint in a zip archive whose first 512 bytes are a tar header.
std::string zip_and_tar();

/// An archive of a checkpoint with that pickle, as it stands from byte `base` of a file on.
std::string zip_at(std::size_t base, const std::string& pickle, RawEnd end);

/// Field 7 of an ONNX file: a graph with one node.
std::string onnx_graph();
std::string onnx_and_pickle();
std::string onnx_and_safetensors();

/// A safetensors file that Python reads as a pickle: a short text by `opcode`, then `rest`.
std::string short_string_polyglot(char opcode, const std::string& rest);
/// A safetensors file that Python reads as a pickle of one short text.
std::string text_polyglot();

}  // namespace aether2onnx::corpus
