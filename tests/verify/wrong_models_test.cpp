// Wrong models, each wrong in one way that a converter could get wrong: verification must fail and
// name the block.

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx {
namespace {

using test::CommandResult;
using test::quoted;

const std::string kProgram = AETHER2ONNX_PROGRAM;

onnx::ModelProto load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  onnx::ModelProto model;
  if (!model.ParseFromIstream(&file)) ADD_FAILURE() << "no ONNX file";
  return model;
}

onnx::TensorProto& initializer(onnx::ModelProto& model, const std::string& name) {
  for (auto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (tensor.name() == name) return tensor;
  }
  throw std::runtime_error("no initializer " + name);
}

onnx::NodeProto& node(onnx::ModelProto& model, const std::string& name) {
  for (auto& candidate : *model.mutable_graph()->mutable_node()) {
    if (candidate.name() == name) return candidate;
  }
  throw std::runtime_error("no node " + name);
}

onnx::AttributeProto& attribute(onnx::NodeProto& node, const std::string& name) {
  for (auto& candidate : *node.mutable_attribute()) {
    if (candidate.name() == name) return candidate;
  }
  throw std::runtime_error("no attribute " + name);
}

void edit(onnx::TensorProto& tensor, const std::function<void(std::vector<float>&)>& change) {
  std::string& raw = *tensor.mutable_raw_data();
  std::vector<float> values(raw.size() / sizeof(float));
  std::memcpy(values.data(), raw.data(), raw.size());
  change(values);
  std::memcpy(raw.data(), values.data(), raw.size());
}

class WrongModel : public testing::Test {
 protected:
  void SetUp() override { save_network(false); }

  // An unfused network whose output depends on its epsilons where that is asked for.
  void save_network(bool epsilon_sensitive) {
    shape_.scale = 4;
    unfused_ = tools::make_tensors(shape_);
    if (epsilon_sensitive) {
      tools::fill_sines(unfused_);
      tools::make_epsilon_sensitive(unfused_);
    } else {
      tools::fill_random(unfused_, 3);
    }
    test::write_file(folder_ / "model.pth", tools::write_checkpoint(unfused_));
  }

  CommandResult run(const std::string& arguments) const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " + quoted(kProgram) +
                           " " + arguments);
  }

  void convert(const std::string& checkpoint, const std::string& options = "") {
    const CommandResult result =
        run(checkpoint + " wrong.onnx --shape 1x3x14x11 --quiet " + options);
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }

  void change(const std::function<void(onnx::ModelProto&)>& edit) {
    onnx::ModelProto model = load(folder_ / "wrong.onnx");
    edit(model);
    std::ofstream file(folder_ / "wrong.onnx", std::ios::binary);
    ASSERT_TRUE(model.SerializeToOstream(&file));
  }

  // Expects that verification fails and begins at `block`, and that the unchanged model passes.
  void expect_difference_at(const std::string& block, const std::string& options = "") {
    const CommandResult result =
        run("verify wrong.onnx --against model.pth --report report.html --json " + options);
    ASSERT_EQ(result.exit_code, 1) << result.out << result.err;
    const auto json = nlohmann::json::parse(result.out);
    EXPECT_FALSE(json["verification"]["passed"]);
    EXPECT_EQ(json["verification"]["first_difference"]["path"], block) << result.err;
    EXPECT_NE(result.err.find("first block that differs is " + block + ","), std::string::npos)
        << result.err;
    const std::string report = test::read_text(folder_ / "report.html");
    EXPECT_NE(report.find("The first block that differs is " + block), std::string::npos);
    EXPECT_NE(report.find("<tr class=\"first\"><td>" + block + "</td>"), std::string::npos);

    convert("model.pth");
    EXPECT_EQ(run("verify wrong.onnx --against model.pth " + options).exit_code, 0);
  }

  tools::NetworkShape shape_;
  std::vector<tools::NamedTensor> unfused_;
  test::TemporaryFolder folder_;
};

TEST_F(WrongModel, AWeightMovedByAHundredth) {
  convert("model.pth");
  change([](onnx::ModelProto& model) {
    edit(initializer(model, "layers.1.0.ffn.fc1_main.weight"),
         [](std::vector<float>& values) { values.at(5) += 1e-2F; });
  });
  expect_difference_at("layers.1.0");
}

TEST_F(WrongModel, TwoChannelsSwapped) {
  convert("model.pth");
  change([](onnx::ModelProto& model) {
    edit(initializer(model, "conv_after_body.weight"), [](std::vector<float>& values) {
      const auto row = static_cast<std::ptrdiff_t>(values.size() / 8);
      std::swap_ranges(values.begin(), values.begin() + row, values.begin() + 3 * row);
    });
  });
  expect_difference_at("conv_after_body");
}

TEST_F(WrongModel, AnEpsilonOfABlockChanged) {
  save_network(true);
  convert("model.pth");
  change([](onnx::ModelProto& model) {
    attribute(node(model, "layers.0.1.norm/LayerNormalization"), "epsilon").set_f(1e-5F);
  });
  expect_difference_at("layers.0.1");
}

TEST_F(WrongModel, TheEpsilonOfTheLastNormChanged) {
  save_network(true);
  convert("model.pth");
  change([](onnx::ModelProto& model) {
    attribute(node(model, "norm/LayerNormalization"), "epsilon").set_f(1e-6F);
  });
  expect_difference_at("norm", "--atol 1e-5");
}

TEST_F(WrongModel, DepthColumnRowInPlaceOfColumnRowDepth) {
  convert("model.pth");
  change([](onnx::ModelProto& model) {
    attribute(node(model, "upsample.1/DepthToSpace"), "mode").set_s("DCR");
  });
  expect_difference_at("upsample.1");
}

TEST_F(WrongModel, TanhInPlaceOfTheExactGelu) {
  convert("model.pth", "--opset_version 20");
  change([](onnx::ModelProto& model) {
    attribute(node(model, "layers.0.0.ffn.act/Gelu"), "approximate").set_s("tanh");
  });
  expect_difference_at("layers.0.0", "--atol 1e-5");
}

TEST_F(WrongModel, TheSmallKernelFusedOffByOne) {
  // A fused checkpoint in which the small kernel was added one column too far to the right.
  std::vector<tools::NamedTensor> fused = tools::fuse(unfused_);
  const auto find = [](std::vector<tools::NamedTensor>& tensors, const std::string& name) {
    for (tools::NamedTensor& tensor : tensors) {
      if (tensor.name == name) return &tensor;
    }
    throw std::runtime_error("no tensor " + name);
  };
  tools::NamedTensor& weight = *find(fused, "layers.0.1.conv.fused_conv.weight");
  const tools::NamedTensor& small = *find(unfused_, "layers.0.1.conv.sk_conv.weight");
  for (std::size_t channel = 0; channel < 8; ++channel) {
    for (std::size_t y = 0; y < 3; ++y) {
      for (std::size_t x = 0; x < 3; ++x) {
        const double value = small.values.at((channel * 3 + y) * 3 + x);
        weight.values.at((channel * 5 + y + 1) * 5 + x + 1) -= value;
        weight.values.at((channel * 5 + y + 1) * 5 + x + 2) += value;
      }
    }
  }
  test::write_file(folder_ / "fused.pth", tools::write_checkpoint(fused));
  convert("fused.pth");
  expect_difference_at("layers.0.1");
}

TEST_F(WrongModel, ABiasDropped) {
  convert("model.pth");
  change([](onnx::ModelProto& model) {
    node(model, "layers.1.0.conv.fused_conv/Conv").mutable_input()->RemoveLast();
  });
  expect_difference_at("layers.1.0");
}

TEST_F(WrongModel, NotANumberFailsWhateverTheTolerance) {
  convert("model.pth");
  change([](onnx::ModelProto& model) {
    edit(initializer(model, "conv_last.bias"), [](std::vector<float>& values) {
      values.at(1) = std::numeric_limits<float>::quiet_NaN();
    });
  });
  const CommandResult result =
      run("verify wrong.onnx --against model.pth --atol 1e30 --rtol 1e30 --json");
  EXPECT_EQ(result.exit_code, 1);
  const auto json = nlohmann::json::parse(result.out)["verification"];
  EXPECT_EQ(json["first_difference"]["path"], "conv_last");
  EXPECT_TRUE(json["results"][0]["max_absolute"].is_null());
}

TEST_F(WrongModel, WithoutNamesItSaysThatItCannotTellWhere) {
  convert("model.pth");
  change([](onnx::ModelProto& model) {
    for (auto& node : *model.mutable_graph()->mutable_node()) node.clear_name();
    edit(initializer(model, "conv_last.bias"), [](std::vector<float>& values) { values[0] += 1; });
  });
  const CommandResult result = run("verify wrong.onnx --against model.pth");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("The place where the difference begins is unknown"), std::string::npos)
      << result.err;
}

}  // namespace
}  // namespace aether2onnx
