// Files that are no checkpoint, and those that only look like one.

#include "corpus.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

void add_detection_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view bytes, const std::string& text,
                       ScanResult scan = ScanResult::unclear) {
    refused(cases, "detect_" + name, bytes, ErrorKind::unsupported, text, scan);
  };
  const std::string whole = checkpoint(pickle(state_dict()));
  add("empty", "", "the file is empty");
  add("one_byte", "P", "text, not a checkpoint");
  add("pk_alone", "PK", "text, not a checkpoint");
  add("end_alone", raw_zip({}), "empty zip archive");
  add("web_page", "<!DOCTYPE html><html><body>Sign in</body></html>", "a web page");
  add("json_error", R"({"error": "not found"})", "JSON text");
  add("git_lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
      "Git LFS pointer");
  add("gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x03\x00"s, "compressed with gzip");
  add("seven_zip", "7z\xbc\xaf\x27\x1c\x00\x04"s + whole, "7-Zip archive", ScanResult::found);
  add("xz", "\xfd\x37zXZ\0\0"s, "compressed with xz");
  add("zstd", "\x28\xb5\x2f\xfd\x04"s, "compressed with zstd");
  add("bzip2", "BZh91AY", "compressed with bzip2");
  add("rar", "Rar!\x1a\x07\x01"s, "RAR archive");
  add("hdf5", "\x89HDF\r\n\x1a\n"s, "HDF5");
  add("gguf", "GGUF\x03\0\0\0"s, "GGUF");
  add("engine", "ftrt\0\0\0\0"s, "TensorRT engine");
  add("picture", "\x89PNG\r\n\x1a\n"s, "a picture");
  add("picture_and_zip", "\x89PNG\r\n\x1a\n"s + whole, "a picture", ScanResult::found);
  add("bytes", "\x01\x02\x03\x04\x05", "fit no known format");
  add("preview_format", "PYTORCH1\x01\x00\x00\x00"s, "fit no known format");
  add("onnx", "\x08\x08\x12\x07pytorch:\x00"s, "an ONNX model already", ScanResult::clean);
  std::string tar(1024, '\0');
  tar.replace(257, 5, "ustar");
  tar.replace(0, 8, "sys_info");
  add("tar_of_2016", tar, "tar format of 2016");
  tar.replace(0, 8, "net.pth\0"s);
  add("tar", tar, "a tar archive");
  add("bare_pickle", pickle("}"), "a bare pickle", ScanResult::clean);
  add("bare_pickle_that_calls", pickle(call("os", "system", "(" + text("true") + "t")),
      "a bare pickle", ScanResult::found);
  add("oldest_pickle_that_calls", "cos\nsystem\n(S'true'\ntR.", "text, not a checkpoint",
      ScanResult::found);
  add("two_bare_pickles", pickle("}") + pickle(call("os", "system", ")")), "a bare pickle",
      ScanResult::found);
  add("pickle_and_junk", pickle("}") + "junk", "a bare pickle", ScanResult::found);
  refused(cases, "detect_torchscript",
          raw_zip({{"m/data.pkl", pickle("}")},
                   {"m/constants.pkl", pickle(")")},
                   {"m/code/__torch__/n.py", "class N(Module):\n"},
                   {"m/version", "3\n"}}),
          ErrorKind::unsupported, "TorchScript", ScanResult::found);
  add("zip_of_other_things", raw_zip({{"notes.txt", "hello"}}), "no data.pkl in it");
  add("checkpoint_zipped_again", raw_zip({{"net.pth", whole}}), "with 'net.pth' in it");
  converts(cases, "detect_safetensors_named_pth", "", ScanResult::clean);
  cases.back().bytes = tools::write_safetensors(sample());
  converts(cases, "detect_good", whole, ScanResult::clean);
}

}  // namespace aether2onnx::corpus
