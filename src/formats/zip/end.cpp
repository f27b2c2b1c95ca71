// Reads the records at the end of a zip archive: the end record and the zip64 end record, which has
// numbers of 64 bits. Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.14 to 4.3.16.

#include <algorithm>

#include "formats/zip/records.h"

namespace aether2onnx::zip {

namespace {

using enum Severity;

constexpr std::uint64_t kLongestComment = 0xffff;
// The number of bytes at the end of a file that are searched for an end record. PyTorch's reader
// (miniz) searches in whole blocks of 4096 bytes, so it reaches a little further than the longest
// comment. Source: mz_zip_reader_locate_header_sig() in miniz.c.
constexpr std::uint64_t kSearched = kEndBytes + kLongestComment + std::uint64_t{2} * 4096;

void read_end64(const Input& input, End& end, Findings& findings) {
  if (end.directory_end < kLocator64Bytes) return;
  const std::uint64_t locator_at = end.directory_end - kLocator64Bytes;
  const Bytes locator(input, locator_at, kLocator64Bytes);
  if (locator.four(0) != kLocator64) {
    if (end.entries == k16 || end.directory == k32 || end.directory_bytes == k32) {
      findings.add(contradiction, "zip-zip64",
                   "The end record refers to a zip64 record, which the archive lacks.");
    }
    return;
  }
  const std::uint64_t at = locator.eight(8);
  if (locator_at < kEnd64Bytes || at > locator_at - kEnd64Bytes ||
      Bytes(input, at, 4).four(0) != kEnd64) {
    findings.add(contradiction, "zip-zip64", "The zip64 locator leads to no zip64 record.");
    return;
  }
  const Bytes record(input, at, kEnd64Bytes);
  if (record.eight(4) != locator_at - at - 12) {
    findings.add(contradiction, "zip-zip64",
                 "The zip64 record does not end where the zip64 locator begins.");
  }
  if (locator.four(4) != 0 || record.four(16) != 0 || record.four(20) != 0) {
    findings.add(contradiction, "zip-disks",
                 "The zip64 record says that the archive is split over several disks.");
  }
  end.directory_end = at;
  const auto take = [&](std::uint64_t& small, std::uint64_t unset, std::size_t from,
                        const char* what) {
    const std::uint64_t large = record.eight(from);
    if (small != unset && small != large) {
      findings.add(contradiction, "zip-zip64", "The two end records disagree about {}: {} and {}.",
                   what, small, large);
    }
    small = large;
  };
  take(end.disk_entries, k16, 24, "the number of entries on this disk");
  take(end.entries, k16, 32, "the number of entries");
  take(end.directory_bytes, k32, 40, "the length of the directory");
  take(end.directory, k32, 48, "the position of the directory");
}

}  // namespace

std::optional<End> read_end(const Input& input, Findings& findings) {
  const std::uint64_t size = input.size();
  if (size < kEndBytes) return std::nullopt;
  const std::uint64_t start = size - std::min(size, kSearched);
  const Bytes tail(input, start, size - start);
  End end;
  for (std::size_t at = tail.size() - kEndBytes + 1; at-- > 0;) {
    if (tail.four(at) == kEnd) end.ends.push_back(start + at);
  }
  if (end.ends.empty()) return std::nullopt;
  end.directory_end = end.ends.front();
  const auto at = static_cast<std::size_t>(end.ends.front() - start);
  end.disk_entries = tail.two(at + 8);
  end.entries = tail.two(at + 10);
  end.directory_bytes = tail.four(at + 12);
  end.directory = tail.four(at + 16);
  if (tail.two(at + 4) != 0 || tail.two(at + 6) != 0) {
    findings.add(contradiction, "zip-disks",
                 "The end record says that the archive is split over several disks.");
  }
  const std::uint64_t comment = tail.two(at + 20);
  const std::uint64_t behind = tail.size() - at - kEndBytes;
  if (comment > behind) {
    findings.add(contradiction, "zip-comment",
                 "The comment of the archive should have {} bytes and has {}.", comment, behind);
  } else if (comment < behind) {
    findings.add(contradiction, "zip-behind-end", "{} follow the end of the archive.",
                 plural(behind - comment, "byte"));
  } else if (comment > 0) {
    findings.add(note, "zip-comment",
                 "The archive has a comment of {}. PyTorch never writes comments.",
                 plural(comment, "byte"));
  }
  read_end64(input, end, findings);
  return end;
}

bool has_directory(const Input& input) {
  const std::uint64_t size = input.size();
  if (size < kEndBytes) return false;
  const auto is_at = [&](std::uint32_t signature, std::uint64_t at) {
    return size >= 4 && at <= size - 4 && Bytes(input, at, 4).four(0) == signature;
  };
  // Returns whether a directory with an entry begins at `position`, or `bytes` bytes before `end`.
  // Checks both places, because programs differ: some use the position in the end record, and some
  // subtract the directory's length (`bytes`) from `end`.
  const auto begins = [&](std::uint64_t position, std::uint64_t bytes, std::uint64_t end) {
    return is_at(kCentral, position) || (bytes <= end && is_at(kCentral, end - bytes));
  };
  const std::uint64_t start = size - std::min(size, kSearched);
  const Bytes tail(input, start, size - start);
  for (std::size_t at = 0; at + kEndBytes <= tail.size(); ++at) {
    if (tail.four(at) != kEnd) continue;
    const std::uint64_t end = start + at;
    if (begins(tail.four(at + 16), tail.four(at + 12), end)) return true;
    if (end < kLocator64Bytes || !is_at(kLocator64, end - kLocator64Bytes)) continue;
    const std::uint64_t end64 = Bytes(input, end - kLocator64Bytes, kLocator64Bytes).eight(8);
    if (end64 > end || end - end64 < kEnd64Bytes || !is_at(kEnd64, end64)) continue;
    const Bytes record(input, end64, kEnd64Bytes);
    if (begins(record.eight(48), record.eight(40), end64)) return true;
  }
  return false;
}

}  // namespace aether2onnx::zip
