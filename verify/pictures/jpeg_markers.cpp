#include "jpeg_markers.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>

namespace aether2onnx::verify::pictures {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kExif = "Exif\0\0"sv;
constexpr std::string_view kIccProfile = "ICC_PROFILE\0"sv;
constexpr unsigned kStartOfImage = 0xd8;
constexpr unsigned kApp1 = 0xe1;
constexpr unsigned kApp2 = 0xe2;
constexpr unsigned kStartOfScan = 0xda;

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

// Reads numbers of EXIF data, which are a TIFF structure with one of two byte orders.
class TiffBytes {
 public:
  TiffBytes(std::string_view bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  std::optional<std::uint32_t> number(std::size_t at, std::size_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = value << 8U | byte_at(bytes_, at + (big_endian_ ? i : size - 1 - i));
    }
    return value;
  }

 private:
  std::string_view bytes_;
  bool big_endian_;
};

int orientation_of(std::string_view exif) {
  if (!exif.starts_with("II") && !exif.starts_with("MM")) return 1;
  const TiffBytes tiff(exif, exif.starts_with("MM"));
  constexpr std::size_t entry_size = 12;
  constexpr std::uint32_t orientation_tag = 0x112;
  constexpr std::uint32_t type_short = 3;
  const auto directory = tiff.number(4, 4);
  if (!directory) return 1;
  const auto count = tiff.number(*directory, 2);
  for (std::uint32_t i = 0; i < count.value_or(0); ++i) {
    const std::size_t entry = std::size_t{*directory} + 2 + entry_size * i;
    const auto tag = tiff.number(entry, 2);
    if (!tag) return 1;
    if (*tag != orientation_tag || tiff.number(entry + 2, 2) != type_short) continue;
    const auto value = tiff.number(entry + 8, 2);
    return value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
  }
  return 1;
}

// Returns the ICC profile, which a JPEG file contains in numbered parts. Joins the parts in the
// order of their numbers. Returns "" if one of the `count` parts is missing.
std::string joined(const std::map<unsigned, std::string_view>& parts, unsigned count) {
  std::string profile;
  if (parts.size() != count) return profile;
  for (const auto& [number, part] : parts) profile += part;
  return profile;
}

}  // namespace

JpegMarkers read_markers(std::string_view file) {
  JpegMarkers markers;
  std::map<unsigned, std::string_view> profile;
  unsigned profile_parts = 0;
  std::size_t at = 2;
  while (file.size() >= 4 && at <= file.size() - 4) {
    if (byte_at(file, at) != 0xff) break;
    const unsigned marker = byte_at(file, at + 1);
    if (marker == 0xff) {  // a fill byte before the marker
      ++at;
      continue;
    }
    const std::size_t length = byte_at(file, at + 2) << 8U | byte_at(file, at + 3);
    if (marker == kStartOfScan || length < 2 || length > file.size() - at - 2) break;
    const std::string_view content = file.substr(at + 4, length - 2);
    if (marker == kApp1 && content.starts_with(kExif)) {
      markers.orientation = orientation_of(content.substr(kExif.size()));
    } else if (marker == kApp2 && content.starts_with(kIccProfile) &&
               content.size() > kIccProfile.size() + 2) {
      profile_parts = byte_at(content, kIccProfile.size() + 1);
      const unsigned number = byte_at(content, kIccProfile.size());
      if (number >= 1 && number <= profile_parts) {
        profile[number] = content.substr(kIccProfile.size() + 2);
      }
    }
    at += 2 + length;
  }
  markers.icc_profile = joined(profile, profile_parts);
  return markers;
}

std::string with_profile(std::string_view file, std::string_view icc_profile) {
  constexpr std::size_t most = 65533 - kIccProfile.size() - 2;  // profile bytes in one segment
  const std::size_t parts = (icc_profile.size() + most - 1) / most;
  const bool begins_with_jfif = file.size() > 6 && byte_at(file, 1) == kStartOfImage &&
                                byte_at(file, 2) == 0xff && byte_at(file, 3) == 0xe0;
  if (parts == 0 || parts > 255 || !begins_with_jfif) return std::string(file);
  const std::size_t jfif = 4 + (byte_at(file, 4) << 8U | byte_at(file, 5));
  std::string result(file.substr(0, jfif));
  for (std::size_t part = 0; part < parts; ++part) {
    const std::string_view data = icc_profile.substr(part * most, most);
    const std::size_t length = 2 + kIccProfile.size() + 2 + data.size();
    result += {'\xff', static_cast<char>(kApp2), static_cast<char>(length >> 8U),
               static_cast<char>(length & 0xffU)};
    result += kIccProfile;
    result += {static_cast<char>(part + 1), static_cast<char>(parts)};
    result += data;
  }
  result += file.substr(std::min(jfif, file.size()));
  return result;
}

}  // namespace aether2onnx::verify::pictures
