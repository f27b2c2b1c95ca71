// Reads all records of a zip archive, but not the data of the entries. Reports the places that zip
// programs are known to read differently. Source of all offsets, flags and codes: PKWARE's
// APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.

#include <algorithm>
#include <cctype>
#include <unordered_map>

#include "base/checked.h"
#include "base/limits.h"
#include "formats/zip/records.h"

namespace aether2onnx::zip {

namespace {

using enum Severity;

constexpr unsigned kAes = 99;  // the compression method of entries that are encrypted with AES

constexpr unsigned kFlagEncrypted = 1U << 0U;
constexpr unsigned kFlagDescriptor = 1U << 3U;
// Flags of entries that are not supported: patch data, strong encryption, masked headers.
constexpr unsigned kFlagsNotRead = 1U << 5U | 1U << 6U | 1U << 13U;

constexpr unsigned kUnicodeNameField = 0x7075;

// An entry of an archive, as the directory or a local header describes the entry.
struct Header {
  std::string name;
  unsigned version = 0;  // the version of the zip format that a program must support
  unsigned flags = 0;
  unsigned method = 0;
  std::uint32_t time = 0;  // time and date of the file's last change
  std::uint32_t crc = 0;
  std::uint64_t packed = 0;
  std::uint64_t size = 0;
  std::uint64_t begin = 0;  // offset of the local header in the file
  std::uint64_t data = 0;   // offset of the entry's data; 0 if the directory describes the entry

  Header() = default;
  // Reads the fields that a directory entry and a local header share. `at` is the offset of the
  // field `version`.
  Header(const Bytes& bytes, std::size_t at)
      : version(bytes.two(at)),
        flags(bytes.two(at + 2)),
        method(bytes.two(at + 4)),
        time(bytes.four(at + 6)),
        crc(bytes.four(at + 10)),
        packed(bytes.four(at + 14)),
        size(bytes.four(at + 18)) {}
};

bool is_plain(const std::string& name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

bool leads_out(const std::string& name) {
  return name.front() == '/' || (name.size() > 1 && name[1] == ':') ||
         (name.find("..") != std::string::npos &&
          ("/" + name + "/").find("/../") != std::string::npos);
}

class Auditor {
 public:
  Auditor(const Input& input, const Context& context) : input_(input), context_(context) {}

  Audit run() {
    if (const std::optional<End> end = read_end(input_, findings_)) {
      result_.has_end = true;
      read_directory(*end);
      check_names();
      for (const Header& header : headers_) check_entry(header);
      check_places();
    }
    result_.irregularities = findings_.take();
    return std::move(result_);
  }

 private:
  bool has(std::uint64_t offset, std::uint64_t size) const {
    return offset <= input_.size() && size <= input_.size() - offset;
  }

  // --- the directory ---

  void read_directory(const End& end) {
    if (end.entries != end.disk_entries) {
      findings_.add(contradiction, "zip-count",
                    "The zip archive's end record counts {} entries in all, but {} on this disk.",
                    end.entries, end.disk_entries);
    }
    directory_ = end.directory_end;  // without a valid directory, check_gap() searches up to here
    if (end.directory_bytes > end.directory_end ||
        end.directory > end.directory_end - end.directory_bytes) {
      findings_.add(contradiction, "zip-directory",
                    "The zip archive's directory does not lie within the file.");
      return;
    }
    directory_ -= end.directory_bytes;
    // If other data precede the archive, every position that the archive states is too small by the
    // length of these data.
    shift_ = directory_ - end.directory;
    if (shift_ > 0) {
      findings_.add(contradiction, "zip-before",
                    "{} lie before the zip archive, or between its directory and its end record.",
                    plural(shift_, "byte"));
    }
    const Limits& most = context_.limits;
    if (end.directory_bytes > most.directory_bytes) {
      fail({ErrorKind::limit, "zip-directory-size"},
           "The directory of the archive has {}; at most {} are read.\n{}",
           human_bytes(end.directory_bytes), human_bytes(most.directory_bytes),
           limits::how_to_raise("directory_bytes"));
    }
    // End records before the directory are not counted: they belong to a zip archive that is the
    // data of an entry.
    const auto ends = std::count_if(end.ends.begin(), end.ends.end(),
                                    [&](std::uint64_t at) { return at >= directory_; });
    if (ends > 1) {
      findings_.add(contradiction, "zip-two-ends",
                    "The zip archive has {} end records. Programs may read different directories.",
                    ends);
    }
    const Bytes directory(input_, directory_, end.directory_bytes);
    std::size_t at = 0;
    while (directory.size() - at >= kCentralBytes && directory.four(at) == kCentral) {
      const std::size_t length = kCentralBytes + directory.two(at + 28) + directory.two(at + 30) +
                                 directory.two(at + 32);  // lengths of name, extra fields, comment
      if (length > directory.size() - at) break;
      if (headers_.size() >= most.archive_entries) {
        fail({ErrorKind::limit, "zip-entries"}, "The archive has over {} entries.\n{}",
             with_thousands(most.archive_entries), limits::how_to_raise("archive_entries"));
      }
      headers_.push_back(central_header(directory, at));
      at += length;
    }
    if (at != directory.size()) {
      findings_.add(contradiction, "zip-directory",
                    "The zip archive's directory has no valid entry at byte {}, "
                    "where an entry should begin.",
                    at);
    }
    if (headers_.size() != end.entries) {
      findings_.add(contradiction, "zip-count",
                    "The end record counts {} entries, but the zip archive's directory has {}.",
                    end.entries, headers_.size());
    }
  }

  Header central_header(const Bytes& directory, std::size_t at) {
    Header header(directory, at + 6);
    const std::size_t name = directory.two(at + 28);
    const std::uint32_t attributes = directory.four(at + 38);
    header.begin = directory.four(at + 42);
    header.name = directory.text(at + kCentralBytes, name);
    read_extra(directory, at + kCentralBytes + name, directory.two(at + 30), header.name,
               {&header.size, &header.packed, &header.begin});
    header.begin = checked_add(header.begin, shift_).value_or(header.begin);
    if (directory.two(at + 34) != 0) {
      findings_.add_entry(contradiction, "zip-disks", header.name,
                          "The zip archive's directory says that the entry {} is on another disk.");
    }
    constexpr std::uint32_t dos_folder = 0x10;
    if (header.size > 0 && (header.name.ends_with('/') || (attributes & dos_folder) != 0)) {
      findings_.add_entry(contradiction, "zip-folder", header.name,
                          "The entry {} is marked as a folder and has bytes, which PyTorch does "
                          "not read.");
    }
    // If a Unix system (number 3) wrote the entry, the upper half of `attributes` is the file's
    // mode. The mode tells whether the file is a symbolic link.
    constexpr std::uint32_t type_of_file = 0170000;
    constexpr std::uint32_t symbolic_link = 0120000;
    if (directory.two(at + 4) >> 8U == 3 && (attributes >> 16U & type_of_file) == symbolic_link) {
      findings_.add_entry(contradiction, "zip-link", header.name,
                          "The entry {} is a symbolic link.");
    }
    return header;
  }

  // Reads the extra fields of the entry `name`. If one of `numbers` is 0xffffffff, replaces it by
  // the real number from the zip64 field. `local` is null if the fields are from the directory.
  void read_extra(const Bytes& bytes, std::size_t at, std::size_t length, const std::string& name,
                  std::initializer_list<std::uint64_t*> numbers, Header* local = nullptr) {
    const bool needed =
        std::any_of(numbers.begin(), numbers.end(), [](auto* number) { return *number == k32; });
    const std::size_t end = at + length;
    bool seen = false;
    while (end - at >= 4) {
      const unsigned id = bytes.two(at);
      const std::size_t size = bytes.two(at + 2);
      at += 4;
      if (size > end - at) {
        findings_.add_entry(contradiction, "zip-extra", name,
                            "An extra field of the entry {} reaches beyond its header.");
        return;
      }
      if (id == kZip64Field) {
        if (seen) {
          findings_.add_entry(contradiction, "zip-extra", name,
                              "The entry {} has two zip64 fields.");
        }
        seen = true;
        if (local == nullptr || !is_of_giant(bytes, at, size, *local)) {
          read_zip64(bytes, at, size, name, numbers);
        }
      } else if (id == kUnicodeNameField) {
        findings_.add_entry(contradiction, "zip-extra", name,
                            "The entry {} has a second name in an extra field.");
      }
      at += size;
    }
    if (at != end) {
      findings_.add_entry(contradiction, "zip-extra", name,
                          "The entry {} has {} behind its last extra field.",
                          plural(end - at, "byte"));
    }
    if (needed && !seen) {
      findings_.add_entry(damage, "zip-extra", name,
                          "The entry {} refers to a zip64 field, which its header lacks.");
    }
  }

  void read_zip64(const Bytes& bytes, std::size_t at, std::size_t size, const std::string& name,
                  std::initializer_list<std::uint64_t*> numbers) {
    const std::size_t end = at + size;
    bool taken = false;
    for (std::uint64_t* number : numbers) {
      if (*number != k32) continue;
      if (end - at < 8) {
        findings_.add_entry(contradiction, "zip-extra", name,
                            "The zip64 field of the entry {} is too short.");
        return;
      }
      *number = bytes.eight(at);
      at += 8;
      taken = true;
    }
    if (at == end) return;
    findings_.add_entry(taken ? damage : contradiction, "zip-extra", name,
                        "The zip64 field of the entry {} repeats sizes or offsets of the header. "
                        "Programs may read different numbers.");
  }

  // Returns whether a zip64 field in the local header `local` has the form that PyTorch writes for
  // large entries. PyTorch writes the sizes of each entry behind the entry's data. For an entry of
  // at least 4 GiB, PyTorch also writes two numbers into a zip64 field: the size, and 0 as packed
  // size. For an entry that begins beyond 4 GiB, PyTorch also writes the entry's offset into the
  // zip64 field. Source: mz_zip_writer_add_mem_ex_v2 in miniz.
  bool is_of_giant(const Bytes& bytes, std::size_t at, std::size_t size, Header& local) const {
    const bool has_sizes = size == 16 || size == 24;
    const bool has_place = size == 8 || size == 24;
    const bool later = (local.flags & kFlagDescriptor) != 0;
    if (!later || local.size != 0 || local.packed != 0 || (!has_sizes && !has_place)) return false;
    if (has_sizes && (bytes.eight(at) < k32 || bytes.eight(at + 8) != 0)) return false;
    if (has_place) {
      const std::uint64_t place = bytes.eight(at + size - 8);
      if (place < k32 || place + shift_ != local.begin) return false;
    }
    if (has_sizes) local.size = bytes.eight(at);
    return true;
  }

  // --- names ---

  void check_names() {
    std::unordered_map<std::string, const std::string*> by_lower_case;
    for (const Header& header : headers_) {
      const std::string& name = header.name;
      std::string lower = name;
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const auto [known, is_new] = by_lower_case.emplace(std::move(lower), &name);
      if (!is_new && *known->second == name) {
        findings_.add_entry(contradiction, "zip-two-of-one-name", name,
                            "Two entries have the name {}. Readers use different entries.");
      } else if (!is_new) {
        findings_.add_entry(contradiction, "zip-case", name,
                            "The names {} and {} differ only in case. For PyTorch, both are the "
                            "same name.",
                            Findings::quote(*known->second));
      }
      check_name(header);
    }
  }

  void check_name(const Header& header) {
    const std::string& name = header.name;
    if (name.find('\0') != std::string::npos) {
      findings_.add_entry(contradiction, "zip-name", name, "The name {} has a NUL in it.");
    } else if (name.empty()) {
      findings_.add(contradiction, "zip-name", "An entry has no name.");
    } else if (name.find('\\') != std::string::npos) {
      findings_.add_entry(contradiction, "zip-name", name, "The name {} has a backslash in it.");
    } else if (leads_out(name)) {
      findings_.add_entry(
          note, "zip-name", name,
          "The name {} leads out of the folder into which the archive is unpacked.");
    } else if (!is_plain(name) && printable(name, name.size() + 1) != name) {
      findings_.add_entry((header.flags & kFlagUtf8) != 0 ? damage : note, "zip-name", name,
                          "The name {} has control characters or is not UTF-8.");
    }
  }

  // --- local headers ---

  std::optional<Header> local_header(std::uint64_t at) {
    context_.check_cancelled();
    constexpr std::uint64_t usual_names = 200;  // bytes, enough for most names and extra fields
    if (!has(at, kLocalBytes)) return std::nullopt;
    Bytes bytes(input_, at, std::min(kLocalBytes + usual_names, input_.size() - at));
    if (bytes.four(0) != kLocal) return std::nullopt;
    const std::size_t name = bytes.two(26);
    const std::size_t extra = bytes.two(28);
    const std::uint64_t length = kLocalBytes + name + extra;
    if (!has(at, length)) return std::nullopt;
    if (length > bytes.size()) bytes = Bytes(input_, at, length);
    Header header(bytes, 4);
    header.name = bytes.text(kLocalBytes, name);
    header.begin = at;
    header.data = at + length;
    read_extra(bytes, kLocalBytes + name, extra, header.name, {&header.size, &header.packed},
               &header);
    return header;
  }

  void check_entry(const Header& central) {
    const std::string& name = central.name;
    if ((central.flags & kFlagEncrypted) != 0) {
      findings_.add_entry(unsupported, "zip-encrypted", name, "The entry {} is encrypted.");
    } else if ((central.flags & kFlagsNotRead) != 0) {
      findings_.add_entry(
          contradiction, "zip-flags", name,
          "The entry {} is marked as strongly encrypted, or as changes to another file (a patch).");
    } else if (central.method != kStored && central.method != kDeflated) {
      findings_.add_entry(central.method == kAes ? contradiction : unsupported, "zip-method", name,
                          "The entry {} is compressed by method {}. Only stored and deflated "
                          "entries are read.",
                          central.method);
    }
    const std::optional<Header> local = local_header(central.begin);
    if (!local) {
      findings_.add_entry(
          contradiction, "zip-local-header", name,
          "The entry {} has no local header at the position that the archive's directory states.");
      return;
    }
    compare(central, *local);
    const bool stored = central.method == kStored;
    if (stored && central.packed != central.size) {
      findings_.add_entry(contradiction, "zip-stored-size", name,
                          "The entry {} is not compressed and has two sizes, {} and {} bytes.",
                          central.size, central.packed);
    }
    if (!stored && central.size / limits::kInflation > central.packed) {
      findings_.add_entry(damage, "zip-inflation", name,
                          "The archive's directory says that the entry {} inflates from {} to {}, "
                          "which is impossible.",
                          human_bytes(central.packed), human_bytes(central.size));
    }
    const std::uint64_t left = input_.size() - local->data;
    result_.entries.push_back({local->name, central.size, std::min(central.packed, left),
                               local->data, central.crc, stored});
    if (central.packed > directory_ || local->data > directory_ - central.packed) {
      findings_.add_entry(
          contradiction, "zip-size", name,
          "The entry {} reaches into the zip archive's directory or beyond the end of the file.");
      return;
    }
    places_.push_back({central.begin, local->data + central.packed, &central});
  }

  void compare(const Header& central, const Header& local) {
    const auto differ = [&](bool different, Severity severity, const char* code, const char* what) {
      if (!different) return;
      findings_.add_entry(
          severity, code, central.name,
          "The local header of the entry {} has another {} than the archive's directory.", what);
    };
    // If a descriptor follows the data, a local header may have zeros as sizes and checksum: the
    // descriptor has the real numbers.
    const bool later = (central.flags & kFlagDescriptor) != 0;
    const auto numbers_differ = [&](std::uint64_t here, std::uint64_t there) {
      return here != there && !(later && here == 0);
    };
    if (local.name != central.name) {
      findings_.add_entry(contradiction, "zip-local-name", central.name,
                          "The entry {} has the name {} in its local header.",
                          Findings::quote(local.name));
    }
    differ(local.flags != central.flags, contradiction, "zip-local-flags", "set of flags");
    differ(local.method != central.method, contradiction, "zip-local-method", "compression method");
    differ(numbers_differ(local.packed, central.packed) || numbers_differ(local.size, central.size),
           contradiction, "zip-local-size", "size");
    differ(numbers_differ(local.crc, central.crc), contradiction, "zip-local-crc", "checksum");
    differ(local.time != central.time, damage, "zip-local-time", "time");
    differ(local.version > central.version, damage, "zip-local-version", "version");
  }

  // --- the bytes between entries ---

  struct Place {
    std::uint64_t begin = 0;  // offset of the local header
    std::uint64_t end = 0;    // offset of the end of the entry's data
    const Header* header = nullptr;
  };

  void check_places() {
    std::sort(places_.begin(), places_.end(),
              [](const Place& a, const Place& b) { return a.begin < b.begin; });
    std::uint64_t at = 0;
    for (const Place& place : places_) {
      if (place.begin < at) {
        findings_.add_entry(contradiction, "zip-overlap", place.header->name,
                            "The entry {} lies within another entry.");
        at = std::max(at, place.end);
        continue;
      }
      check_gap(at, place.begin);
      at = place.end + descriptor_bytes(place);
    }
    check_gap(at, directory_);
  }

  // Returns the length of the descriptor behind an entry's data: an optional signature, the
  // checksum, and two sizes of 32 or 64 bits. Returns 0 if there is no valid descriptor.
  std::uint64_t descriptor_bytes(const Place& place) {
    const Header& header = *place.header;
    if ((header.flags & kFlagDescriptor) == 0) return 0;
    for (const std::size_t signature : {4U, 0U}) {
      for (const std::size_t width : {4U, 8U}) {
        const std::size_t size = signature + 4 + 2 * width;
        if (size > directory_ - place.end) continue;
        const Bytes bytes(input_, place.end, size);
        if (signature != 0 && bytes.four(0) != kDescriptor) continue;
        const bool fits = bytes.four(signature) == header.crc &&
                          bytes.number(signature + 4, width) == header.packed &&
                          bytes.number(signature + 4 + width, width) == header.size;
        if (fits) return size;
      }
    }
    findings_.add_entry(contradiction, "zip-descriptor", header.name,
                        "The data descriptor of the entry {} contradicts the archive's directory.");
    return 0;
  }

  void check_gap(std::uint64_t begin, std::uint64_t end) {
    while (begin < end && result_.entries.size() < context_.limits.archive_entries) {
      const std::optional<Header> hidden = local_header(begin);
      if (!hidden || hidden->data > end) break;
      findings_.add_entry(
          contradiction, "zip-unlisted", hidden->name,
          "The archive has an entry {} that the archive's directory does not list.");
      // A packed size of 0 may mean that only the descriptor behind the data has the size. Then
      // assume that the entry's data end at `end`.
      const std::uint64_t left = end - hidden->data;
      const std::uint64_t packed = hidden->packed == 0 ? left : std::min(hidden->packed, left);
      result_.entries.push_back({hidden->name, hidden->size, packed, hidden->data, hidden->crc,
                                 hidden->method == kStored});
      begin = hidden->data + packed;
    }
    if (begin < end) {
      findings_.add(note, "zip-gap", "{} at byte {} belong to no entry.",
                    plural(end - begin, "byte"), begin);
    }
  }

  const Input& input_;
  const Context& context_;
  Findings findings_;
  Audit result_;
  std::uint64_t directory_ = 0;
  std::uint64_t shift_ = 0;
  std::vector<Header> headers_;
  std::vector<Place> places_;
};

}  // namespace

Audit audit(const Input& input, const Context& context) { return Auditor(input, context).run(); }

}  // namespace aether2onnx::zip
