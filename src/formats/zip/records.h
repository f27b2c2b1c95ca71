/// @file
/// Definitions that the code for reading and writing zip archives shares. Private to this folder.
#pragma once

#include <array>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "formats/zip/zip.h"

namespace aether2onnx::zip {

// Signatures and lengths (in bytes) of records. Source: PKWARE's APPNOTE.TXT 6.3.10, section 4.3.
inline constexpr std::uint32_t kLocal = 0x04034b50;    ///< Local header.
inline constexpr std::uint32_t kCentral = 0x02014b50;  ///< Entry of the directory.
inline constexpr std::uint32_t kDescriptor = 0x08074b50;
inline constexpr std::uint32_t kEnd = 0x06054b50;
inline constexpr std::uint32_t kEnd64 = 0x06064b50;
inline constexpr std::uint32_t kLocator64 = 0x07064b50;
inline constexpr std::uint64_t kLocalBytes = 30;
inline constexpr std::uint64_t kCentralBytes = 46;
inline constexpr std::uint64_t kEndBytes = 22;
inline constexpr std::uint64_t kEnd64Bytes = 56;
inline constexpr std::uint64_t kLocator64Bytes = 20;

// If a number is in a zip64 record or in the zip64 field, the header has k16 (16 bits) or k32 (32
// bits) instead of the number. kZip64Field is the id of the zip64 field.
inline constexpr std::uint64_t k16 = 0xffff;
inline constexpr std::uint64_t k32 = 0xffffffff;
inline constexpr unsigned kZip64Field = 0x0001;

inline constexpr unsigned kStored = 0;
inline constexpr unsigned kDeflated = 8;
inline constexpr unsigned kFlagUtf8 = 1U << 11U;

/// Reads a piece of an archive into memory. Returns little-endian numbers and texts in the piece.
class Bytes {
 public:
  Bytes(const Input& input, std::uint64_t offset, std::uint64_t size) : bytes_(to_size(size)) {
    input.read(offset, bytes_);
  }
  std::size_t size() const { return bytes_.size(); }
  std::uint64_t number(std::size_t at, std::size_t width) const {
    std::uint64_t result = 0;
    for (std::size_t i = 0; i < width; ++i) {
      result |= std::to_integer<std::uint64_t>(bytes_.at(at + i)) << (8 * i);
    }
    return result;
  }
  unsigned two(std::size_t at) const { return static_cast<unsigned>(number(at, 2)); }
  std::uint32_t four(std::size_t at) const { return static_cast<std::uint32_t>(number(at, 4)); }
  std::uint64_t eight(std::size_t at) const { return number(at, 8); }
  std::string text(std::size_t at, std::size_t length) const {
    const auto part = std::span(bytes_).subspan(at, length);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

 private:
  std::vector<std::byte> bytes_;
};

/// Collects the irregularities that audit() finds in an archive.
class Findings {
 public:
  template <typename... Args>
  void add(Severity severity, const char* code, fmt::format_string<Args...> format,
           Args&&... args) {
    push(severity, code, {}, fmt::format(format, std::forward<Args>(args)...));
  }

  /// Adds an irregularity of the entry `name`. The first {} of `format` becomes the quoted name.
  template <typename... Args>
  void add_entry(Severity severity, const char* code, const std::string& name,
                 fmt::format_string<std::string, Args...> format, Args&&... args) {
    push(severity, code, name, fmt::format(format, quote(name), std::forward<Args>(args)...));
  }

  static std::string quote(const std::string& name) {
    return fmt::format("'{}'", printable(name, 100));
  }

  std::vector<Irregularity> take() { return std::move(all_); }

 private:
  void push(Severity severity, const char* code, std::string subject, std::string text) {
    // The maximum for each severity. A common maximum would let many irregularities of
    // Severity::note displace an irregularity of Severity::contradiction.
    constexpr int most = 100;
    if (++counts_.at(static_cast<std::size_t>(severity)) > most) return;
    all_.push_back({severity, {code, std::move(subject), {}, {}, std::move(text)}});
  }

  std::vector<Irregularity> all_;
  std::array<int, 4> counts_{};
};

/// The content of the end records of an archive: the usual end record and the zip64 end record.
struct End {
  std::vector<std::uint64_t> ends;    ///< Positions of all end records, from the last to the first.
  std::uint64_t directory = 0;        ///< Position of the directory.
  std::uint64_t directory_bytes = 0;  ///< Length of the directory.
  std::uint64_t directory_end = 0;    ///< Position of the record that follows the directory.
  std::uint64_t entries = 0;
  std::uint64_t disk_entries = 0;  ///< Entries on this disk, if the archive is split.
};

/// Reads the end records. Returns nullopt if there are none. Adds irregularities to `findings`.
std::optional<End> read_end(const Input& input, Findings& findings);

}  // namespace aether2onnx::zip
