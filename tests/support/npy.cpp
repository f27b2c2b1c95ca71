#include "npy.h"

#include <cstring>
#include <regex>
#include <stdexcept>
#include <string>

#include "support.h"

namespace aether2onnx::test {

Array load_npy(const std::filesystem::path& path) {
  const std::string file = read_text(path);
  const auto refuse = [&](const char* why) -> void {
    throw std::runtime_error(path.string() + ": " + why);
  };
  if (file.size() < 10 || file.compare(0, 8, std::string("\x93NUMPY\x01\x00", 8)) != 0) {
    refuse("isn't a .npy file of version 1.0");
  }
  const std::size_t header_size =
      static_cast<unsigned char>(file[8]) + 256U * static_cast<unsigned char>(file[9]);
  const std::string header = file.substr(10, header_size);
  std::smatch match;
  const std::regex pattern(
      R"('descr': '<f([48])', 'fortran_order': False, 'shape': \(([0-9, ]*)\))");
  if (!std::regex_search(header, match, pattern)) refuse("has another layout than expected");
  const std::size_t element_size = match[1] == "4" ? 4 : 8;

  Array array;
  std::int64_t count = 1;
  const std::string sizes = match[2];
  const std::regex number("[0-9]+");
  for (auto at = std::sregex_iterator(sizes.begin(), sizes.end(), number);
       at != std::sregex_iterator(); ++at) {
    array.shape.push_back(std::stoll(at->str()));
    count *= array.shape.back();
  }
  const std::size_t begin = 10 + header_size;
  if (file.size() != begin + static_cast<std::size_t>(count) * element_size) refuse("is cut off");
  for (std::int64_t i = 0; i < count; ++i) {
    const char* at = file.data() + begin + static_cast<std::size_t>(i) * element_size;
    if (element_size == 4) {
      float value = 0;
      std::memcpy(&value, at, sizeof value);
      array.values.push_back(value);
    } else {
      double value = 0;
      std::memcpy(&value, at, sizeof value);
      array.values.push_back(value);
    }
  }
  return array;
}

}  // namespace aether2onnx::test
