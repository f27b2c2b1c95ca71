// Names in pickles: objects of any class beside the state dict, and calls.

#include "corpus.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

void add_global_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view opcodes, ScanResult scan) {
    converts(cases, "global_" + name, checkpoint(with_extra(opcodes)), scan);
  };
  // What no writer does with a known name.
  const auto misused = [&](const std::string& name, std::string_view opcodes,
                           ScanResult scan = ScanResult::unclear) {
    refused(cases, "global_" + name, checkpoint(with_extra(opcodes)),
            {ErrorKind::malformed, "torch-misuse"}, scan);
  };
  const ScanResult clean = ScanResult::clean;
  const ScanResult found = ScanResult::found;
  const std::string argument = "(" + text("true") + "t";
  add("namespace", global("argparse", "Namespace") + ")\x81}" + text("a") + "K\x01sb", clean);
  add("torch_version",
      global("torch.torch_version", "TorchVersion") + "(" + text("2.6.0") + "t\x81", clean);
  add("posix_path", call("pathlib", "PosixPath", "(" + text("/") + "t"), clean);
  add("default_dict", call("collections", "defaultdict", "(" + global("__builtin__", "list") + "t"),
      clean);
  add("frozen_set", call("__builtin__", "frozenset", "(]t"), clean);
  add("bytes", call("_codecs", "encode", "(" + text("abc") + text("latin1") + "t"), clean);
  for (const char* module : {"numpy.core.multiarray", "numpy._core.multiarray"}) {
    const std::string dtype = call("numpy", "dtype", "(" + text("f4") + "\x89\x88t") + "(K\x03" +
                              text("<") + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"s;
    add(module[6] == '_' ? "numpy_2_scalar" : "numpy_1_scalar",
        call(module, "scalar",
             "(" + dtype + call("_codecs", "encode", "(" + text("abcd") + text("latin1") + "t") +
                 "t"),
        clean);
  }
  add("date",
      call(
          "datetime", "date",
          "(" +
              call("_codecs", "encode", "(" + text("\x07\xc3\xaa\x01\x02") + text("latin1") + "t") +
              "t"),
      clean);
  add("easy_dict", global("easydict", "EasyDict") + ")\x81}b", found);
  add("unknown_class", global("my.network", "AetherNet") + ")\x81}b", found);
  add("system", call("os", "system", argument), found);
  add("system_of_posix", call("posix", "system", argument), found);
  add("eval", call("__builtin__", "eval", argument), found);
  add("getattr", call("__builtin__", "getattr", "(" + global("os", "path") + text("x") + "t"),
      found);
  add("call_of_a_call", call("__builtin__", "getattr", argument) + ")R", found);
  misused("call_of_a_text", text("os.system") + argument + "R");
  add("popen", global("subprocess", "Popen") + argument + "\x81", found);
  add("pip", call("pip", "main", argument), found);
  add("pip_below", call("pip._internal.cli.main", "main", argument), found);
  add("torch_utils", call("torch.utils.bottleneck.__main__", "run_autograd_prof", argument), found);
  add("torch_load", call("torch", "load", argument), found);
  add("load_from_bytes", call("torch.storage", "_load_from_bytes", "(B" + little(3, 4) + "abct"),
      found);
  add("dotted_name", text("torch") + text("Size.__class__") + "\x93)R", found);
  add("dotted_module", text("torch.Size") + text("mro") + "\x93)R", found);
  add("rebuild_of_another_module", call("evil._utils", "_rebuild_tensor_v2", ")"), found);
  add("allowed_with_a_blank", text("torch ") + text("Size") + "\x93)R", found);
  add("allowed_with_a_newline", text("torch\nSize") + text("") + "\x93)R", found);
  refused(cases, "global_not_utf8", checkpoint(with_extra(text("\xff") + text("\xfe") + "\x93)R")),
          {ErrorKind::malformed, "pickle-text"}, found);
  add("escapes_in_a_name", text("os\x1b]0;x\x07") + text("\x1b[2J") + "\x93)R", found);
  add("escapes_in_an_argument", call("os", "system", "(" + text("\x1b[2J\r\nclean") + "t"), found);
  add("long_argument", call("os", "system", "(" + text(std::string(100'000, 'x')) + "t"), found);
  add("storage_class_as_a_value", global("torch", "FloatStorage"), clean);
  add("dtype_as_a_value", global("torch", "float16"), clean);
  misused("reference_to_nothing", text("hello") + "Q", found);
  refused(cases, "global_reference_as_text", checkpoint(with_extra("Phello\n")),
          {ErrorKind::malformed, "pickle-reference"}, found);
  // Only PyTorch's format from before 1.6 has such references.
  refused(cases, "global_reference_to_a_class",
          checkpoint(with_extra("(" + text("module") + global("my", "Net") + text("net.py") +
                                text("class Net: ...") + "tQ")),
          {ErrorKind::malformed, "torch-tensor"}, found);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += global("m" + std::to_string(i), "n");
  add("five_thousand_names", "](" + many + "e", found);
}

}  // namespace aether2onnx::corpus
