/// @file
/// The command engine with models to use it on, and a stand-in for trtexec.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::test {

class EngineCommandTest : public testing::Test {
 protected:
  // fixed.onnx and dynamic.onnx of float32, fixed16.onnx and dynamic16.onnx of float16.
  void SetUp() override {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
    tools::fill_random(tensors, 5);
    const MemoryInput checkpoint(checkpoint_ = tools::write_checkpoint(tensors));
    for (const bool dynamic : {false, true}) {
      for (const Precision precision : {Precision::fp32, Precision::fp16}) {
        ConvertOptions options;
        options.precision = precision;
        if (dynamic) options.shape = InputShape::dynamic_defaults();
        MemoryOutput model;
        convert(checkpoint, {&model, nullptr, {}}, options);
        write_file(folder_ / (std::string(dynamic ? "dynamic" : "fixed") +
                              (precision == Precision::fp16 ? "16" : "") + ".onnx"),
                   model.bytes());
      }
    }
  }

  // Runs the program in the temporary folder; `before` stands before it, for variables. No trtexec
  // of this machine is found.
  CommandResult run(const std::string& arguments, const std::string& before = "") const {
    return run_shell("cd " + quoted(folder_.path().string()) +
                     " && unset TENSORRT_HOME TENSORRT_ROOT; " + before + " " +
                     quoted(AETHER2ONNX_PROGRAM) + " engine " + arguments);
  }

  // Makes the stand-in a program of this name in the temporary folder.
  void add_trtexec(const std::string& name) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::filesystem::copy_file(AETHER2ONNX_FAKE_TRTEXEC, folder_ / name);
  }

  // What is in e.engine, "none" where there is no such file.
  std::string engine() const {
    const std::filesystem::path path = folder_ / "e.engine";
    return std::filesystem::exists(path) ? read_text(path) : "none";
  }

  // What is in the folder now and was not in `before`.
  std::vector<std::string> added(const std::vector<std::string>& before) const {
    std::vector<std::string> names;
    const std::vector<std::string> now = list_files(folder_.path());
    std::set_difference(now.begin(), now.end(), before.begin(), before.end(),
                        std::back_inserter(names));
    return names;
  }

  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  TemporaryFolder folder_;

 private:
  std::vector<std::byte> checkpoint_;
};

}  // namespace aether2onnx::test
