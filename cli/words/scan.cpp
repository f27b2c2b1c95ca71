#include <fmt/format.h>

#include "base/error.h"
#include "options.h"

namespace aether2onnx::cli {

void add_words(CommandLine& line, ScanRequest& request) {
  line.describe(
      "Reports whether loading a file could run code or do other harm. Does not load the file.",
      "Usage: aether2onnx scan FILE... [options]\n",
      R"(FILE is a checkpoint (.pth, safetensors), a pickle or an ONNX file. scan runs and
imports nothing. A pickle is clean only if all names in it are on the list of
allowed names.

Examples:
  aether2onnx scan model.pth
  aether2onnx scan downloads/*.pth --json --quiet

Exit codes: 0 clean: the file is data and nothing else. 1 dangerous: loading the file could
do more than load data, or the file is built to deceive. 2 unknown: scan does not
understand the file, cannot read it, or the usage is wrong. For several files, the
exit code is that of the worst result: 1 is worse than 2, 2 is worse than 0.)");
  line.then([&] {
    const std::vector<std::string>& files = line.positionals();
    if (files.empty()) {
      fail({ErrorKind::usage, "command-files", "", "1 or more", "0"}, "no file was given.\n{}",
           line.usage());
    }
    request.files.assign(files.begin(), files.end());
  });
  add_limits(line, request.limits);
  line.add_printing(request.printing);
}

}  // namespace aether2onnx::cli
