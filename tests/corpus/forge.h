/// @file
/// Zip archives and pickles of any content, right or wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sample_networks.h"

namespace aether2onnx::corpus {

/// `number` in `size` bytes, the least significant first.
std::string little(std::uint64_t number, std::size_t size);

// --- zip ---

/// An entry of a forged archive. What isn't set is as it should be.
struct RawEntry {
  std::string name;
  std::string content;
  unsigned flags = 0;
  unsigned method = 0;
  std::string central_extra = {};
  std::string local_extra = {};
  std::optional<std::string> local_name = {};
  std::optional<unsigned> local_flags = {};
  std::optional<unsigned> local_method = {};
  std::optional<std::uint32_t> crc = {};
  std::optional<std::uint32_t> local_crc = {};
  std::optional<std::uint32_t> size = {};  ///< Once unpacked; of a stored entry also packed.
  std::optional<std::uint32_t> packed = {};
  std::optional<std::uint32_t> local_size = {};
  std::optional<std::uint32_t> offset = {};
  unsigned disk = 0;
  unsigned made_by = 0;
  std::uint32_t attributes = 0;
  bool descriptor = false;  ///< Numbers behind the data, zeros before.
  std::optional<std::uint32_t> descriptor_crc = {};
  bool listed = true;       ///< In the directory.
  std::string behind = {};  ///< Bytes behind the data that belong to none.
};

/// The end of a forged archive.
struct RawEnd {
  std::optional<unsigned> count = {};
  std::optional<std::uint32_t> directory_size = {};
  std::optional<std::uint32_t> directory_offset = {};
  std::optional<unsigned> comment_length = {};
  std::string comment = {};
  unsigned disk = 0;
  std::string before_end = {};  ///< Between the directory and its end.
  std::string behind = {};
  bool zip64 = false;
  std::optional<std::uint64_t> zip64_count = {};
  std::optional<std::uint64_t> zip64_offset = {};
  std::optional<std::uint64_t> locator_offset = {};
};

std::string raw_zip(const std::vector<RawEntry>& entries, const RawEnd& end = {});

// --- pickles ---

std::string text(std::string_view value);  ///< BINUNICODE
std::string integer(std::int64_t value);   ///< LONG1
std::string tuple(const std::vector<std::int64_t>& values);
std::string global(std::string_view module, std::string_view name);
/// A call of a global with the opcodes of a tuple.
std::string call(std::string_view module, std::string_view name, std::string_view arguments);

/// The call that rebuilds a tensor. What isn't set is as it should be.
struct Record {
  std::string function = "_rebuild_tensor_v2";
  std::string storage_class = "FloatStorage";
  std::string key = "0";
  std::int64_t elements = 0;  ///< Of the storage.
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
  std::optional<std::string> persistent_id = {};  ///< In place of the tuple: opcodes.
  std::string behind = {};                        ///< Opcodes behind the call.
};
std::string record_of(const tools::NamedTensor& tensor, std::size_t storage);
std::string opcodes(const Record& record);
Record as_record(const tools::NamedTensor& tensor, std::size_t storage);

// --- a whole checkpoint ---

/// The smallest network that converts.
std::vector<tools::NamedTensor> sample();
/// Opcodes of its state dict, without PROTO and STOP; `first` in place of the first tensor's
/// record.
std::string state_dict(const std::optional<std::string>& first = {});
/// A pickle of {"params": state dict, "extra": what the opcodes make}.
std::string with_extra(std::string_view opcodes);
/// The entries of a checkpoint with that pickle.
std::vector<RawEntry> entries(const std::string& pickle);
/// The whole file.
std::string checkpoint(const std::string& pickle);
/// PROTO 2, the opcodes, STOP.
std::string pickle(std::string_view opcodes);
/// The elements of a tensor, float32.
std::string elements(const tools::NamedTensor& tensor);

}  // namespace aether2onnx::corpus
