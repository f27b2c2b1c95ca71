#include <fmt/format.h>

#include "base/error.h"
#include "options.h"

namespace aether2onnx::cli {

void add_words(CommandLine& line, ScanRequest& request) {
  line.describe(
      "Says whether a file holds anything but data, without loading it.",
      "Usage: aether2onnx scan FILE... [options]\n",
      R"(FILE is a checkpoint (.pth, safetensors), a pickle or an ONNX file. Nothing in it is
run or imported. Names in pickles are judged by a list of what is allowed.

Examples:
  aether2onnx scan model.pth
  aether2onnx scan downloads/*.pth --json --quiet

Exit code: 0 clean: data and nothing else; 1 found: loading it would or could do more,
or it is built to deceive; 2 can't tell, which wrong usage and a file that can't be read
are, too. Of several files the worst counts: 1 before 2 before 0.)");
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
