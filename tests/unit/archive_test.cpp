#include "formats/zip/zip.h"

#include <gtest/gtest.h>

#include <cstring>

#include "checkpoint_writer.h"
#include "formats/file_kind.h"
#include "support.h"

namespace aether2onnx::zip::archive_test {
namespace {

using namespace std::string_literals;
using formats::FileKind;
using formats::gzip_name;
using formats::sniff;
using test::catch_error;
using test::Caught;
using tools::write_zip;

FileKind sniff_text(const std::string& text) { return sniff(MemoryInput(test::bytes_of(text))); }

TEST(Sniff, TellsFilesByTheirContent) {
  EXPECT_EQ(sniff_text(""), FileKind::empty);
  EXPECT_EQ(sniff_text("PK\x03\x04rest"), FileKind::zip);
  EXPECT_EQ(sniff_text("PK\x05\x06"), FileKind::zip_spanned);
  EXPECT_EQ(sniff_text("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02"),
            FileKind::torch_legacy);
  EXPECT_EQ(sniff_text("\x80\x05\x95\x0d\0\0\0\0\0\0\0"s
                       "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s),
            FileKind::torch_legacy);
  EXPECT_EQ(sniff_text("L119547037146038801333356L\n.M\xe9\x03."), FileKind::torch_legacy);
  EXPECT_EQ(sniff_text("\x80\x02\x8a\x0a\x6d\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."),
            FileKind::pickle);
  EXPECT_EQ(sniff_text("\x80\x02}q\x00."s), FileKind::pickle);
  EXPECT_EQ(sniff_text("\x80\x04\x95."), FileKind::pickle);
  EXPECT_EQ(sniff_text("\x1f\x8b\x08"), FileKind::gzip);
  EXPECT_EQ(sniff_text("7z\xbc\xaf\x27\x1c"), FileKind::seven_zip);
  EXPECT_EQ(sniff_text("\n  <!DOCTYPE html><html>"), FileKind::html);
  EXPECT_EQ(sniff_text("<HTML><body>"), FileKind::html);
  EXPECT_EQ(sniff_text("{\"error\": \"not found\"}"), FileKind::json);
  EXPECT_EQ(sniff_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
            FileKind::git_lfs_pointer);
  EXPECT_EQ(sniff_text("\x40\0\0\0\0\0\0\0{\"__metadata__\":{}}"s), FileKind::safetensors);
  EXPECT_EQ(sniff_text("\x08\x08\x12\x07pytorch"s), FileKind::onnx);
  EXPECT_EQ(sniff_text("\x89PNG\r\n\x1a\n"), FileKind::image);
  EXPECT_EQ(sniff_text("just a note\n"), FileKind::text);
  EXPECT_EQ(sniff_text("\x01\x02\x03\x04\x05"), FileKind::unknown);
  std::string tar(512, '\0');
  tar.replace(0, 8, "sys_info");
  tar.replace(257, 5, "ustar");
  EXPECT_EQ(sniff_text(tar), FileKind::torch_tar);
  tar.replace(0, 8, "model.pt");
  EXPECT_EQ(sniff_text(tar), FileKind::tar);
}

TEST(Sniff, TheNameInsideAGzipFile) {
  const auto name = [](const std::string& text) {
    return gzip_name(MemoryInput(test::bytes_of(text)));
  };
  const std::string head = "\x1f\x8b\x08"s;
  const std::string rest = "\0\0\0\0\x02\x03"s;
  EXPECT_EQ(name(head + "\x08" + rest + "net.pth\0data"s), "net.pth");
  EXPECT_EQ(name(head + "\x0c" + rest + "\x03\0abcnet.pth\0data"s), "net.pth");
  EXPECT_EQ(name(head + "\x00"s + rest + "net.pth\0data"s), "");
  EXPECT_EQ(name(head + "\x08" + rest + "net.pth"), "");
  EXPECT_EQ(name(head + "\x0c" + rest + "\xff\xff"), "");
  EXPECT_EQ(name(head), "");
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Position of the last occurrence of a signature in the archive.
std::size_t find_last(const std::vector<std::byte>& bytes, const std::string& signature) {
  return text_of(bytes).rfind(signature);
}

Caught open_error(const std::vector<std::byte>& bytes) {
  return catch_error([&] {
    const MemoryInput input(bytes);
    const Archive archive(input, {});
  });
}

Caught read_error(const std::vector<std::byte>& bytes, const std::string& name) {
  return catch_error([&] {
    const MemoryInput input(bytes);
    const Archive archive(input, {});
    archive.read_all(archive.find(name).value(), 1U << 20U);
  });
}

TEST(ZipArchive, ReadsStoredAndDeflatedEntries) {
  const std::string long_text(100000, 'a');
  const auto bytes = write_zip({{"a/one", "first"}, {"a/two", long_text, true}, {"a/three", ""}});
  const MemoryInput input(bytes);
  const Archive archive(input, {});
  ASSERT_EQ(archive.entries().size(), 3U);
  EXPECT_TRUE(archive.entries()[0].stored);
  EXPECT_FALSE(archive.entries()[1].stored);
  EXPECT_EQ(archive.entries()[1].size, long_text.size());
  EXPECT_FALSE(archive.find("a/four"));
  EXPECT_FALSE(archive.find("A/ONE"));
  EXPECT_EQ(text_of(archive.read_all(0, 100)), "first");
  EXPECT_EQ(text_of(archive.read_all(1, 1000000)), long_text);
  EXPECT_TRUE(archive.read_all(2, 0).empty());
  EXPECT_EQ(catch_error([&] { archive.read_all(1, 1000); }).kind, ErrorKind::limit);
}

TEST(ZipArchive, ReadsPartsInAnyOrderAndMoreThanOnce) {
  std::string content;
  for (int i = 0; i < 300000; ++i) content += static_cast<char>('a' + i % 26);
  for (const bool deflate : {false, true}) {
    const auto bytes = write_zip({{"x", content, deflate}});
    const MemoryInput input(bytes);
    const Archive archive(input, {});
    for (const std::size_t offset : {std::size_t{123456}, std::size_t{0}, content.size() - 10}) {
      std::vector<std::byte> part(10);
      archive.read(0, offset, part);
      EXPECT_EQ(text_of(part), content.substr(offset, 10)) << deflate << ' ' << offset;
    }
  }
}

// Each read of another entry inflates 32 MiB. Without a limit, a small file with many tensors in
// two entries would take hours.
TEST(ZipArchive, EntriesAreNotInflatedAgainWithoutEnd) {
  const std::string zeros(std::size_t{32} << 20U, '\0');
  const auto bytes = write_zip({{"a/one", zeros, true}, {"a/two", zeros, true}});
  const MemoryInput input(bytes);
  const Archive archive(input, {});
  std::vector<std::byte> part(4);
  for (std::size_t i = 0; i < 20; ++i) archive.read(i % 2, 0, part);
  const Caught caught = catch_error([&] {
    for (std::size_t i = 0; i < 60; ++i) archive.read(i % 2, 0, part);
  });
  EXPECT_EQ(caught.code, "zip-inflated-total");
}

TEST(ZipArchive, AnEntryWithoutBytesIsReadMoreThanOnce) {
  const auto bytes = write_zip({{"a/empty", ""}, {"a/some", "some"}});
  const MemoryInput input(bytes);
  const Archive zip(input, {});
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(zip.read_all(*zip.find("a/empty"), 100).empty());
    zip.read(*zip.find("a/some"), 4, {});
  }
}

TEST(ZipArchive, EveryTruncationIsRefused) {
  const auto bytes = write_zip({{"a/data.pkl", "some bytes"}, {"a/version", "3\n"}});
  for (std::size_t length = 4; length < bytes.size(); ++length) {
    const std::vector<std::byte> cut(bytes.begin(),
                                     bytes.begin() + static_cast<std::ptrdiff_t>(length));
    const Caught caught = open_error(cut);
    EXPECT_TRUE(caught.thrown) << length;
    EXPECT_EQ(caught.kind, ErrorKind::malformed) << caught.message;
  }
  const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + 40);
  EXPECT_EQ(open_error(cut).code, "zip-cut-off");
}

TEST(ZipArchive, ChecksTheCrc) {
  for (const bool deflate : {false, true}) {
    auto bytes = write_zip({{"x", std::string(200, 'q') + "w", deflate}});
    // Both headers get another CRC, so that they still agree.
    for (const auto& [signature, offset] : {std::pair{"PK\x03\x04", 14}, {"PK\x01\x02", 16}}) {
      bytes[find_last(bytes, signature) + static_cast<std::size_t>(offset)] ^= std::byte{1};
    }
    const Caught caught = read_error(bytes, "x");
    EXPECT_TRUE(caught.thrown);
    EXPECT_EQ(caught.kind, ErrorKind::malformed);
    EXPECT_EQ(caught.code, "zip-crc");
    EXPECT_NE(caught.message.find("'x'"), std::string::npos);
  }
}

TEST(ZipArchive, ChecksTheCrcWhenOnlyAPartIsWanted) {
  auto bytes = write_zip({{"x", std::string(1000, 'q')}});
  const std::size_t content = text_of(bytes).find("qqqq");
  bytes[content + 900] ^= std::byte{1};
  const MemoryInput input(bytes);
  const Archive archive(input, {});
  std::vector<std::byte> part(10);
  EXPECT_EQ(catch_error([&] { archive.read(0, 0, part); }).kind, ErrorKind::malformed);
}

TEST(ZipArchive, ACrcOfZeroMeansNotComputed) {
  for (const bool deflate : {false, true}) {
    auto bytes = write_zip({{"x", "content without checksum", deflate}});
    for (const auto& [signature, offset] : {std::pair{"PK\x03\x04", 14}, {"PK\x01\x02", 16}}) {
      std::memset(bytes.data() + find_last(bytes, signature) + offset, 0, 4);
    }
    const MemoryInput input(bytes);
    const Archive archive(input, {});
    EXPECT_EQ(archive.entries()[0].crc, 0U);
    EXPECT_EQ(text_of(archive.read_all(0, 100)), "content without checksum");
  }
}

TEST(ZipArchive, RefusesWhatContradictsItself) {
  // Another name in the local header than in the directory.
  auto renamed = write_zip({{"name", "content"}});
  renamed[30] = std::byte{'N'};
  EXPECT_EQ(open_error(renamed).kind, ErrorKind::malformed);

  auto twice = write_zip({{"same", "a"}, {"same", "b"}});
  const Caught caught = open_error(twice);
  EXPECT_EQ(caught.kind, ErrorKind::malformed);
  EXPECT_EQ(caught.code, "zip-two-of-one-name") << caught.message;

  // A stored entry that claims to be larger than the file.
  auto large = write_zip({{"x", "content"}});
  const std::size_t directory = find_last(large, "PK\x01\x02");
  for (const std::size_t at : {std::size_t{18}, std::size_t{22}}) {
    large[at + 3] = std::byte{0x10};
    large[directory + at + 2 + 3] = std::byte{0x10};
  }
  EXPECT_EQ(open_error(large).kind, ErrorKind::malformed);
}

TEST(ZipAudit, EntriesLieWithinTheFileWhateverTheEndSays) {
  const auto bytes = write_zip({{"a/data.pkl", "some bytes"}, {"a/version", "3\n"}});
  const std::size_t end = find_last(bytes, "PK\x05\x06");
  for (std::size_t at = end + 8; at < end + 20; ++at) {
    for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
      auto forged = bytes;
      forged[at] = static_cast<std::byte>(value);
      const Audit found = audit(MemoryInput(forged), {});
      for (const Entry& entry : found.entries) {
        EXPECT_LE(entry.offset, forged.size()) << at;
        EXPECT_LE(entry.packed, forged.size() - entry.offset) << at;
      }
    }
  }
  const Audit good = audit(MemoryInput(bytes), {});
  EXPECT_TRUE(good.has_end);
  EXPECT_TRUE(good.irregularities.empty());
  ASSERT_EQ(good.entries.size(), 2U);
  EXPECT_EQ(good.entries[0].name, "a/data.pkl");
  EXPECT_EQ(good.entries[0].size, 10U);
}

TEST(ZipArchive, RefusesABomb) {
  // A deflated entry that claims 1 GB from 30 bytes.
  auto bytes = write_zip({{"x", std::string(1000, 'a'), true}});
  const std::size_t directory = find_last(bytes, "PK\x01\x02");
  bytes[22 + 3] = std::byte{0x40};
  bytes[directory + 24 + 3] = std::byte{0x40};
  const Caught caught = open_error(bytes);
  EXPECT_EQ(caught.kind, ErrorKind::malformed);
  EXPECT_EQ(caught.code, "zip-inflation") << caught.message;
}

// The deflate stream of the one entry "x" is replaced by another of the same length.
Caught deflate_error(const std::string& content, const std::string& stream, std::size_t size) {
  auto bytes = write_zip({{"x", content}});
  const std::size_t directory = find_last(bytes, "PK\x01\x02");
  std::memcpy(bytes.data() + 31, stream.data(), stream.size());
  for (const std::size_t header : {std::size_t{0}, directory + 2}) {
    bytes[header + 8] = std::byte{8};
    bytes[header + 22] = static_cast<std::byte>(size);
    std::memset(bytes.data() + header + 14, 0, 4);  // the CRC isn't computed
  }
  return read_error(bytes, "x");
}

TEST(ZipArchive, ADeflateStreamEndsWhereItsEntryEnds) {
  // One stored block with the byte 'a', as the whole entry, and with a byte behind it.
  const std::string stream =
      "\x01\x01\0\xfe\xff"
      "a"s;
  EXPECT_FALSE(deflate_error("123456", stream, 1).thrown);
  EXPECT_EQ(deflate_error("1234567", stream + "x", 1).code, "zip-deflate");
  EXPECT_EQ(deflate_error("123456", stream, 0).code, "zip-deflate");
  EXPECT_EQ(deflate_error("123456", stream, 2).code, "zip-deflate");
  EXPECT_EQ(deflate_error("123456", "\x07" + stream.substr(1), 1).code, "zip-deflate");
  EXPECT_EQ(deflate_error("12345", stream.substr(0, 5), 1).code, "zip-deflate");
}

TEST(ZipArchive, ANoteNeverCrowdsOutAContradiction) {
  std::vector<tools::ZipEntry> entries;
  for (int i = 0; i < 200; ++i) entries.push_back({"../" + std::to_string(i), "x"});
  EXPECT_FALSE(open_error(write_zip(entries)).thrown);
  entries.push_back({"../7", "y"});
  EXPECT_EQ(open_error(write_zip(entries)).code, "zip-two-of-one-name");
}

TEST(ZipArchive, ADeflatedEntryOfImpossibleSizeCostsNoMemory) {
  // 2 GiB from 3 MB: within deflate's ratio, beyond the limit for entries in memory.
  auto bytes = write_zip({{"x", std::string(3'000'000, 'a')}});
  const std::size_t directory = find_last(bytes, "PK\x01\x02");
  for (const std::size_t header : {std::size_t{0}, directory + 2}) {
    bytes[header + 8] = std::byte{8};
    bytes[header + 25] = std::byte{0x80};
  }
  const Caught caught = catch_error([&] {
    const MemoryInput input(bytes);
    const Archive archive(input, {});
    archive.read(0, 0, {});
  });
  EXPECT_EQ(caught.kind, ErrorKind::limit);
  EXPECT_EQ(caught.code, "zip-inflated-size");
}

TEST(ZipArchive, NamesEncryption) {
  auto bytes = write_zip({{"x", "content of the entry"}});
  bytes[6] |= std::byte{1};
  bytes[find_last(bytes, "PK\x01\x02") + 8] |= std::byte{1};
  const Caught caught = open_error(bytes);
  EXPECT_EQ(caught.kind, ErrorKind::unsupported) << caught.message;
  EXPECT_EQ(caught.code, "zip-encrypted") << caught.message;
}

TEST(ZipArchive, NamesOtherCompression) {
  auto bytes = write_zip({{"x", "content of the entry"}});
  bytes[8] = std::byte{12};  // bzip2
  bytes[find_last(bytes, "PK\x01\x02") + 10] = std::byte{12};
  const Caught caught = open_error(bytes);
  EXPECT_EQ(caught.kind, ErrorKind::unsupported) << caught.message;
  EXPECT_EQ(caught.code, "zip-method") << caught.message;
  EXPECT_NE(caught.message.find("method 12"), std::string::npos) << caught.message;
}

// An input whose reads fail at some point, as those of a disk that goes away.
class FailingInput final : public Input {
 public:
  FailingInput(std::span<const std::byte> bytes, int reads) : memory_(bytes), reads_left_(reads) {}
  std::uint64_t size() const override { return memory_.size(); }
  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (reads_left_-- <= 0)
      throw Error(ErrorKind::io, {"file-read", "", "", "", "the disk is gone"});
    memory_.read(offset, out);
  }

 private:
  MemoryInput memory_;
  mutable int reads_left_;
};

TEST(ZipArchive, AFailingReadIsReportedAsItself) {
  const auto bytes = write_zip({{"x", "content"}});
  bool succeeded = false;
  for (int reads = 0; reads < 100 && !succeeded; ++reads) {
    const FailingInput input(bytes, reads);
    const Caught caught = catch_error([&] {
      const Archive archive(input, {});
      archive.read_all(0, 100);
      succeeded = true;
    });
    if (!succeeded) {
      EXPECT_EQ(caught.kind, ErrorKind::io) << caught.message;
      EXPECT_EQ(caught.message, "the disk is gone");
    }
  }
  EXPECT_TRUE(succeeded);
}

}  // namespace
}  // namespace aether2onnx::zip::archive_test
