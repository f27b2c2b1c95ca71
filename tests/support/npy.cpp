#include "npy.h"

#include <cstring>
#include <stdexcept>
#include <string>

#include "support.h"

namespace aether2onnx::test {

namespace {

// What stands in the header between `before` and `after`; "" where they don't.
std::string between(const std::string& header, const std::string& before,
                    const std::string& after) {
  const std::size_t begin = header.find(before);
  if (begin == std::string::npos) return "";
  const std::size_t end = header.find(after, begin + before.size());
  if (end == std::string::npos) return "";
  return header.substr(begin + before.size(), end - begin - before.size());
}

template <typename Element>
void append_values(const std::string& data, std::vector<double>& values) {
  for (std::size_t at = 0; at + sizeof(Element) <= data.size(); at += sizeof(Element)) {
    Element value = 0;
    std::memcpy(&value, data.data() + at, sizeof value);
    values.push_back(value);
  }
}

}  // namespace

Array load_npy(const std::filesystem::path& path) {
  const std::string file = read_text(path);
  const auto refuse = [&](const char* why) {
    throw std::runtime_error(path.string() + ": " + why);
  };
  if (file.size() < 10 || file.compare(0, 8, std::string("\x93NUMPY\x01\x00", 8)) != 0) {
    refuse("isn't a .npy file of version 1.0");
  }
  const std::size_t header_size =
      static_cast<unsigned char>(file[8]) + 256U * static_cast<unsigned char>(file[9]);
  const std::string header = file.substr(10, header_size);
  const std::string type = between(header, "'descr': '", "'");
  if ((type != "<f4" && type != "<f8") || between(header, "'fortran_order': ", ",") != "False") {
    refuse("has another layout than expected");
  }

  Array array;
  std::size_t count = 1;
  const std::string sizes = between(header, "'shape': (", ")");
  for (std::size_t at = 0; at < sizes.size();) {
    std::size_t length = 0;
    array.shape.push_back(std::stoll(sizes.substr(at), &length));
    count *= static_cast<std::size_t>(array.shape.back());
    at = sizes.find_first_of("0123456789", sizes.find(',', at + length));
  }
  const std::string data = file.substr(10 + header_size);
  if (data.size() != count * (type == "<f4" ? 4 : 8)) refuse("is cut off");
  if (type == "<f4") {
    append_values<float>(data, array.values);
  } else {
    append_values<double>(data, array.values);
  }
  return array;
}

}  // namespace aether2onnx::test
