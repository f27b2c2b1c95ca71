// A zip archive looked at byte by byte. Source: PKWARE's APPNOTE.TXT 6.3.10; the cases are those in
// which readers of zip archives are known to differ.

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <unordered_map>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/zip/buffered_input.h"
#include "formats/zip/zip.h"

namespace aether2onnx::archive {

namespace {

constexpr std::uint32_t kLocal = 0x04034b50;
constexpr std::uint32_t kCentral = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50;
constexpr std::uint32_t kLocator64 = 0x07064b50;
constexpr std::uint32_t kDescriptor = 0x08074b50;

constexpr std::uint64_t kLocalBytes = 30;
constexpr std::uint64_t kCentralBytes = 46;
constexpr std::uint64_t kEndBytes = 22;
constexpr std::uint64_t kEnd64Bytes = 56;
constexpr std::uint64_t kLocator64Bytes = 20;
constexpr std::uint64_t kLongestComment = 0xffff;

constexpr std::uint64_t k32 = 0xffffffff;  // "see the zip64 field"

constexpr unsigned kFlagDescriptor = 1U << 3U;
// Encrypted, patch data, strongly encrypted, masked headers.
constexpr unsigned kFlagsNotRead = 1U << 0U | 1U << 5U | 1U << 6U | 1U << 13U;

// Little-endian numbers in a piece of the archive.
class Bytes {
 public:
  explicit Bytes(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  std::size_t size() const { return bytes_.size(); }
  std::uint64_t number(std::size_t at, std::size_t width) const {
    std::uint64_t result = 0;
    for (std::size_t i = 0; i < width; ++i) {
      result |= std::to_integer<std::uint64_t>(bytes_.at(at + i)) << (8 * i);
    }
    return result;
  }
  unsigned two(std::size_t at) const { return static_cast<unsigned>(number(at, 2)); }
  std::uint64_t four(std::size_t at) const { return number(at, 4); }
  std::uint64_t eight(std::size_t at) const { return number(at, 8); }
  std::string text(std::size_t at, std::size_t length) const {
    const auto part = std::span(bytes_).subspan(at, length);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

 private:
  std::vector<std::byte> bytes_;
};

// What a header says of an entry; the directory's and the local one's have the same fields.
struct Header {
  std::string name;
  unsigned flags = 0;
  unsigned method = 0;
  std::uint64_t crc = 0;
  std::uint64_t packed = 0;  // bytes in the archive
  std::uint64_t size = 0;
  std::uint64_t local = 0;  // of a directory's entry: where its local header is
};

struct Placed {
  Header header;
  std::uint64_t begin = 0;  // of the local header
  std::uint64_t end = 0;    // of the data
};

class Audit {
 public:
  Audit(const Input& input, const Context& context) : input_(input), context_(context) {}

  ZipAudit run() {
    if (!find_end()) return std::move(result_);
    result_.has_end = true;
    read_end64();
    read_directory();
    check_names();
    for (const Header& header : headers_) {
      context_.check_cancelled();
      check_local(header);
    }
    check_places();
    return std::move(result_);
  }

 private:
  Bytes read(std::uint64_t offset, std::uint64_t size) const {
    std::vector<std::byte> bytes(to_size(size));
    input_.read(offset, bytes);
    return Bytes(std::move(bytes));
  }

  bool has(std::uint64_t offset, std::uint64_t size) const {
    return offset <= input_.size() && size <= input_.size() - offset;
  }

  template <typename... Args>
  void add(const char* code, fmt::format_string<Args...> format, Args&&... args) {
    // One of each kind is enough to know, but for a few that name entries.
    constexpr std::size_t most = 100;
    if (result_.irregularities.size() >= most) return;
    result_.irregularities.push_back({code, fmt::format(format, std::forward<Args>(args)...)});
  }

  template <typename... Args>
  void note(const char* code, fmt::format_string<Args...> format, Args&&... args) {
    const std::size_t before = result_.irregularities.size();
    add(code, format, std::forward<Args>(args)...);
    if (result_.irregularities.size() > before) result_.irregularities.back().contradicts = false;
  }

  // --- the end ---

  bool find_end() {
    const std::uint64_t size = input_.size();
    if (size < kEndBytes) return false;
    const std::uint64_t window = std::min(size, kEndBytes + kLongestComment);
    const std::uint64_t start = size - window;
    const Bytes tail = read(start, window);
    std::vector<std::size_t> ends;  // the last first
    for (std::size_t at = static_cast<std::size_t>(window - kEndBytes) + 1; at-- > 0;) {
      if (tail.four(at) == kEnd) ends.push_back(at);
    }
    if (ends.empty()) return false;
    const std::size_t at = ends.front();
    end_ = start + at;
    disk_entries_ = tail.two(at + 8);
    entries_ = tail.two(at + 10);
    directory_bytes_ = tail.four(at + 12);
    directory_ = tail.four(at + 16);
    if (tail.two(at + 4) != 0 || tail.two(at + 6) != 0) {
      add("disks", "its end says that it is one of several disks");
    }
    const std::uint64_t comment = tail.two(at + 20);
    const std::uint64_t behind = size - end_ - kEndBytes;
    if (comment > behind) {
      add("comment", "its comment should have {} bytes and has {}", comment, behind);
    } else if (comment < behind) {
      add("behind-end", "{} stand behind its end", plural(behind - comment, "byte"));
    } else if (comment > 0) {
      note("comment", "it has a comment of {}, which PyTorch never writes",
           plural(comment, "byte"));
    }
    for (const std::size_t other : ends) other_ends_.push_back(start + other);
    return true;
  }

  void read_end64() {
    directory_end_ = end_;
    if (end_ < kLocator64Bytes) return;
    const Bytes locator = read(end_ - kLocator64Bytes, kLocator64Bytes);
    if (locator.four(0) != kLocator64) {
      if (entries_ == 0xffff || directory_ == k32 || directory_bytes_ == k32) {
        add("zip64", "its end refers to a zip64 record and there is none");
      }
      return;
    }
    const std::uint64_t at = locator.eight(8);
    if (!has(at, kEnd64Bytes) || at > end_ - kLocator64Bytes || read(at, 4).four(0) != kEnd64) {
      add("zip64", "its zip64 locator leads to no zip64 record");
      return;
    }
    const Bytes record = read(at, kEnd64Bytes);
    if (record.eight(4) != end_ - kLocator64Bytes - at - 12) {
      add("zip64", "its zip64 record doesn't end where its locator begins");
    }
    directory_end_ = at;
    const auto take = [&](std::uint64_t& small, std::uint64_t unset, std::uint64_t large,
                          const char* what) {
      if (small != unset && small != large) {
        add("zip64", "its two ends say different things of {}: {} and {}", what, small, large);
      }
      small = large;
    };
    if (locator.four(4) != 0 || record.four(16) != 0 || record.four(20) != 0) {
      add("disks", "its end says that it is one of several disks");
    }
    take(disk_entries_, 0xffff, record.eight(24), "the entries of this disk");
    take(entries_, 0xffff, record.eight(32), "the number of entries");
    take(directory_bytes_, k32, record.eight(40), "the directory's length");
    take(directory_, k32, record.eight(48), "where the directory is");
  }

  // --- the directory ---

  void read_directory() {
    if (entries_ != disk_entries_) {
      add("count", "its end says {} entries, {} of them on this disk", entries_, disk_entries_);
    }
    if (!has(directory_, directory_bytes_) || directory_ + directory_bytes_ > directory_end_) {
      add("directory", "its directory doesn't lie within the file");
      directory_ = directory_end_;  // so that all before the end is between entries
      return;
    }
    // Where something was put before the archive, all that it says of places is too small.
    shift_ = directory_end_ - directory_ - directory_bytes_;
    if (shift_ > 0) {
      add("before", "something of {} stands before it, or between its directory and its end",
          plural(shift_, "byte"));
      directory_ += shift_;
    }
    if (directory_bytes_ > context_.limits.directory_bytes) {
      fail(ErrorKind::limit, "the archive's directory has {}; at most {} are read.\n{}",
           human_bytes(directory_bytes_), human_bytes(context_.limits.directory_bytes),
           limits::how_to_raise("directory_bytes"));
    }
    // Within an entry it is the end of an archive that was put into this one.
    const auto beyond_entries = std::count_if(other_ends_.begin(), other_ends_.end(),
                                              [&](std::uint64_t at) { return at >= directory_; });
    if (beyond_entries > 1) {
      add("two-ends", "it has {} ends, so that readers find different directories", beyond_entries);
    }
    const Bytes directory = read(directory_, directory_bytes_);
    std::size_t at = 0;
    while (directory.size() - at >= kCentralBytes && directory.four(at) == kCentral) {
      const std::size_t name = directory.two(at + 28);
      const std::size_t extra = directory.two(at + 30);
      const std::size_t comment = directory.two(at + 32);
      const std::size_t length = kCentralBytes + name + extra + comment;
      if (length > directory.size() - at) break;
      if (headers_.size() >= context_.limits.archive_entries) {
        fail(ErrorKind::limit, "the archive has over {} entries.\n{}",
             with_thousands(context_.limits.archive_entries),
             limits::how_to_raise("archive_entries"));
      }
      headers_.push_back(central_header(directory, at, name, extra));
      at += length;
    }
    if (at != directory.size()) {
      add("directory", "its directory has something else than an entry at byte {}",
          directory_ + at);
    }
    if (headers_.size() != entries_) {
      add("count", "its end says {} entries and its directory has {}", entries_, headers_.size());
    }
  }

  Header central_header(const Bytes& directory, std::size_t at, std::size_t name,
                        std::size_t extra) {
    Header header;
    header.flags = directory.two(at + 8);
    header.method = directory.two(at + 10);
    header.crc = directory.four(at + 16);
    header.packed = directory.four(at + 20);
    header.size = directory.four(at + 24);
    header.local = directory.four(at + 42);
    header.name = directory.text(at + kCentralBytes, name);
    read_extra(directory, at + kCentralBytes + name, extra, header,
               {&header.size, &header.packed, &header.local});
    header.local = checked_add(header.local, shift_).value_or(header.local);
    if (directory.two(at + 34) != 0) {
      add("disks", "its entry {} is said to lie on another disk", quote(header.name));
    }
    constexpr std::uint64_t dos_folder = 0x10;
    const bool is_folder =
        header.name.ends_with('/') || (directory.four(at + 38) & dos_folder) != 0;
    if (is_folder && header.size > 0) {
      add("folder", "its entry {} is marked as a folder, of which PyTorch doesn't read the bytes",
          quote(header.name));
    }
    // The upper half of the attributes is the file's mode where a Unix system wrote it.
    constexpr std::uint64_t type_of_file = 0170000;
    constexpr std::uint64_t symbolic_link = 0120000;
    if (directory.two(at + 4) >> 8U == 3 &&
        (directory.four(at + 38) >> 16U & type_of_file) == symbolic_link) {
      add("link", "its entry {} is a symbolic link", quote(header.name));
    }
    return header;
  }

  // Sizes of 64 bits, for those of `wide` that say so; other fields must be whole.
  void read_extra(const Bytes& bytes, std::size_t at, std::size_t length, const Header& header,
                  std::initializer_list<std::uint64_t*> wide) {
    const std::size_t end = at + length;
    bool seen = false;
    while (end - at >= 4) {
      const unsigned id = bytes.two(at);
      const std::size_t size = bytes.two(at + 2);
      at += 4;
      if (size > end - at) {
        add("extra", "an extra field of its entry {} reaches beyond its header",
            quote(header.name));
        return;
      }
      if (id == 0x0001) {
        if (seen) add("extra", "its entry {} has two zip64 fields", quote(header.name));
        seen = true;
        read_wide(bytes, at, size, header, wide);
      } else if (id == 0x7075) {
        add("extra", "its entry {} has a second name in an extra field", quote(header.name));
      }
      at += size;
    }
    if (at != end) {
      add("extra", "the extra fields of its entry {} have {} left over", quote(header.name),
          plural(end - at, "byte"));
    }
  }

  void read_wide(const Bytes& bytes, std::size_t at, std::size_t size, const Header& header,
                 std::initializer_list<std::uint64_t*> wide) {
    const std::size_t end = at + size;
    bool taken = false;
    for (std::uint64_t* number : wide) {
      if (*number != k32) continue;
      if (end - at < 8) {
        add("extra", "the zip64 field of its entry {} is too short", quote(header.name));
        return;
      }
      *number = bytes.eight(at);
      at += 8;
      taken = true;
    }
    if (!taken && size > 0) {
      add("extra", "its entry {} has a zip64 field beside sizes of 32 bits", quote(header.name));
    }
  }

  static std::string quote(const std::string& name) {
    return fmt::format("'{}'", printable(name, 100));
  }

  // --- names ---

  void check_names() {
    std::unordered_map<std::string, std::string> by_lower_case;
    for (const Header& header : headers_) {
      std::string lower = header.name;
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const auto [known, is_new] = by_lower_case.emplace(std::move(lower), header.name);
      if (!is_new && known->second == header.name) {
        add("two-of-one-name",
            "it has two entries of one name ({}), so it can't be told which one counts",
            quote(header.name));
      } else if (!is_new) {
        add("case",
            "its entries {} and {} differ in case alone, and PyTorch doesn't tell these apart",
            quote(known->second), quote(header.name));
      }
      if (header.name.find('\0') != std::string::npos) {
        add("name", "the name of its entry {} has a NUL in it", quote(header.name));
      } else if (header.name.empty()) {
        add("name", "an entry has no name");
      } else if (header.name.find('\\') != std::string::npos) {
        add("name", "the name of its entry {} has a backslash in it", quote(header.name));
      } else if (leads_out(header.name)) {
        note("name", "the name of its entry {} leads out of the folder that it is unpacked to",
             quote(header.name));
      } else if (printable(header.name, header.name.size() + 1) != header.name) {
        note("name", "the name of its entry {} has control characters or isn't UTF-8",
             quote(header.name));
      }
    }
  }

  static bool leads_out(const std::string& name) {
    return name.front() == '/' || (name.size() > 1 && name[1] == ':') ||
           ("/" + name + "/").find("/../") != std::string::npos;
  }

  // --- local headers ---

  std::optional<Placed> local_header(std::uint64_t at) {
    if (!has(at, kLocalBytes)) return std::nullopt;
    const Bytes fixed = read(at, kLocalBytes);
    if (fixed.four(0) != kLocal) return std::nullopt;
    const std::size_t name = fixed.two(26);
    const std::size_t extra = fixed.two(28);
    if (!has(at + kLocalBytes, name + extra)) return std::nullopt;
    const Bytes rest = read(at + kLocalBytes, name + extra);
    Placed placed;
    placed.begin = at;
    placed.end = at + kLocalBytes + name + extra;
    Header& header = placed.header;
    header.flags = fixed.two(6);
    header.method = fixed.two(8);
    header.crc = fixed.four(14);
    header.packed = fixed.four(18);
    header.size = fixed.four(22);
    header.name = rest.text(0, name);
    read_extra(rest, name, extra, header, {&header.size, &header.packed});
    return placed;
  }

  void check_local(const Header& central) {
    const auto name = [&] { return quote(central.name); };
    if ((central.flags & kFlagsNotRead) != 0) {
      add("flags", "its entry {} is marked as encrypted or as a patch", name());
    }
    if (central.method != 0 && central.method != 8) {
      add("method", "its entry {} is compressed by method {}", name(), central.method);
    }
    auto placed = local_header(central.local);
    if (!placed) {
      add("local-header", "its entry {} has no header where the directory says", name());
      return;
    }
    const Header& local = placed->header;
    if (local.name != central.name) {
      add("local-name", "its entry {} is called {} where it lies", name(), quote(local.name));
    }
    if (local.flags != central.flags) {
      add("local-flags", "its entry {} has other flags where it lies than in the directory",
          name());
    }
    if (local.method != central.method) {
      add("local-method", "its entry {} is said to be compressed by method {} and by method {}",
          name(), central.method, local.method);
    }
    if (central.method == 0 && central.packed != central.size) {
      add("stored-size", "its entry {} isn't compressed and is said to have {} and {} bytes",
          name(), central.size, central.packed);
    }
    // With a descriptor behind the data the numbers may be left out before them.
    const bool later = (central.flags & kFlagDescriptor) != 0;
    const auto differs = [&](std::uint64_t here, std::uint64_t there) {
      return here != there && !(later && here == 0);
    };
    if (differs(local.packed, central.packed) || differs(local.size, central.size)) {
      add("local-size", "its entry {} has other sizes where it lies than in the directory", name());
    }
    if (differs(local.crc, central.crc)) {
      add("local-crc", "its entry {} has another checksum where it lies than in the directory",
          name());
    }
    const std::uint64_t data = placed->end;
    result_.parts.push_back(
        {local.name, data, std::min(central.packed, input_.size() - data), central.method == 0});
    if (central.packed > directory_ || data > directory_ - central.packed) {
      add("size", "its entry {} reaches beyond the entries' part of the file", name());
      return;
    }
    placed->end = data + central.packed;
    placed->header = central;
    placed_.push_back(*placed);
  }

  // --- what lies between ---

  void check_places() {
    std::sort(placed_.begin(), placed_.end(),
              [](const Placed& a, const Placed& b) { return a.begin < b.begin; });
    std::uint64_t at = 0;
    for (const Placed& placed : placed_) {
      if (placed.begin < at) {
        add("overlap", "its entry {} lies within another one", quote(placed.header.name));
        at = std::max(at, placed.end);
        continue;
      }
      check_gap(at, placed.begin);
      at = placed.end + descriptor_bytes(placed);
    }
    check_gap(at, directory_);
  }

  // The descriptor behind an entry's data: a signature that may be missing, the checksum, two sizes
  // of 32 or 64 bits.
  std::uint64_t descriptor_bytes(const Placed& placed) {
    const Header& header = placed.header;
    if ((header.flags & kFlagDescriptor) == 0) return 0;
    for (const std::uint64_t signature : std::array<std::uint64_t, 2>{4, 0}) {
      for (const std::uint64_t width : std::array<std::uint64_t, 2>{4, 8}) {
        const std::uint64_t size = signature + 4 + 2 * width;
        if (!has(placed.end, size) || placed.end + size > directory_) continue;
        const Bytes bytes = read(placed.end, size);
        const auto at = static_cast<std::size_t>(signature);
        if (signature != 0 && bytes.four(0) != kDescriptor) continue;
        const bool fits = bytes.four(at) == header.crc &&
                          bytes.number(at + 4, width) == header.packed &&
                          bytes.number(at + 4 + width, width) == header.size;
        if (fits) return size;
      }
    }
    add("descriptor", "the record behind its entry {} contradicts the directory",
        quote(header.name));
    return 0;
  }

  void check_gap(std::uint64_t begin, std::uint64_t end) {
    while (begin < end) {
      const auto hidden = local_header(begin);
      if (!hidden || hidden->end > end) break;
      add("unlisted", "an entry {} lies in it that the directory doesn't list",
          quote(hidden->header.name));
      // An entry whose length stands behind it may reach to the end.
      const std::uint64_t left = end - hidden->end;
      const std::uint64_t packed = hidden->header.packed == 0 ? left : hidden->header.packed;
      result_.parts.push_back(
          {hidden->header.name, hidden->end, std::min(packed, left), hidden->header.method == 0});
      begin = hidden->end + std::min(packed, left);
    }
    if (begin < end) {
      note("gap", "{} at byte {} belong to no entry", plural(end - begin, "byte"), begin);
    }
  }

  const Input& input_;
  const Context& context_;
  ZipAudit result_;
  std::uint64_t end_ = 0;
  std::vector<std::uint64_t> other_ends_;  // and this one
  std::uint64_t directory_end_ = 0;
  std::uint64_t directory_ = 0;
  std::uint64_t directory_bytes_ = 0;
  std::uint64_t shift_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t disk_entries_ = 0;
  std::vector<Header> headers_;
  std::vector<Placed> placed_;
};

}  // namespace

ZipAudit audit_zip(const Input& input, const Context& context) {
  const BufferedInput buffered(input);
  return Audit(buffered, context).run();
}

}  // namespace aether2onnx::archive
