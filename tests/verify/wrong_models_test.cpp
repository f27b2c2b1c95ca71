// Wrong models, each wrong in one way that a converter could get wrong: verification must fail and
// name the block.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::wrong_models_test {
namespace {

using test::CommandResult;
using test::quoted;

const std::string kProgram = AETHER2ONNX_PROGRAM;

::onnx::ModelProto load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  ::onnx::ModelProto model;
  if (!model.ParseFromIstream(&file)) ADD_FAILURE() << "no ONNX file";
  return model;
}

::onnx::TensorProto& initializer(::onnx::ModelProto& model, const std::string& name) {
  for (auto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (tensor.name() == name) return tensor;
  }
  throw std::runtime_error("no initializer " + name);
}

::onnx::NodeProto& node(::onnx::ModelProto& model, const std::string& name) {
  for (auto& candidate : *model.mutable_graph()->mutable_node()) {
    if (candidate.name() == name) return candidate;
  }
  throw std::runtime_error("no node " + name);
}

::onnx::AttributeProto& attribute(::onnx::NodeProto& node, const std::string& name) {
  for (auto& candidate : *node.mutable_attribute()) {
    if (candidate.name() == name) return candidate;
  }
  throw std::runtime_error("no attribute " + name);
}

void edit(::onnx::TensorProto& tensor, const std::function<void(std::vector<float>&)>& change) {
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

  void change(const std::function<void(::onnx::ModelProto&)>& edit) {
    ::onnx::ModelProto model = load(folder_ / "wrong.onnx");
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

  // Whether the log's line on rounding noise names a part that the JSON calls suspicious.
  static bool names_suspicious(const std::string& log, const nlohmann::json& parts) {
    return std::any_of(parts.begin(), parts.end(), [&](const nlohmann::json& part) {
      const std::string text = "the error in " + part["path"].get<std::string>() + " is ";
      return part["suspicious"] == true && log.find(text) != std::string::npos;
    });
  }

  // Expects that the model is within the tolerance, and that `part` is named as suspicious.
  void expect_suspicious(const std::string& part, const std::string& options = "") {
    const CommandResult result =
        run("verify wrong.onnx --against model.pth --report report.html --json " + options);
    ASSERT_EQ(result.exit_code, 1) << result.out << result.err;
    const auto json = nlohmann::json::parse(result.out);
    EXPECT_EQ(json["error"]["code"], "verification-suspicious");
    const auto& details = json["verification"];
    EXPECT_EQ(details["verdict"], "suspicious") << details["first_difference"]["text"];
    EXPECT_FALSE(details["passed"]);
    for (const auto& checked : details["results"]) EXPECT_TRUE(checked["passed"]);
    EXPECT_EQ(details["noise"]["place"], part) << details["noise"]["text"];
    EXPECT_NE(result.err.find("suspicious"), std::string::npos);
    const auto& noise = details["noise"];
    EXPECT_TRUE(names_suspicious(result.err, noise["parts"]) ||
                names_suspicious(result.err, noise["unrounded_parts"]))
        << result.err;
    const std::string report = test::read_text(folder_ / "report.html");
    EXPECT_NE(report.find("Suspicious: "), std::string::npos);
    EXPECT_NE(report.find("<tr class=\"first\"><td>" + part + "</td>"), std::string::npos);
  }

  tools::NetworkShape shape_;
  std::vector<tools::NamedTensor> unfused_;
  test::TemporaryFolder folder_;
};

TEST_F(WrongModel, AWeightMovedByAHundredth) {
  convert("model.pth");
  change([](::onnx::ModelProto& model) {
    edit(initializer(model, "layers.1.0.ffn.fc1_main.weight"),
         [](std::vector<float>& values) { values.at(5) += 1e-2F; });
  });
  expect_difference_at("layers.1.0");
}

TEST_F(WrongModel, TwoChannelsSwapped) {
  convert("model.pth");
  change([](::onnx::ModelProto& model) {
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
  change([](::onnx::ModelProto& model) {
    attribute(node(model, "layers.0.1.norm/LayerNormalization"), "epsilon").set_f(1e-5F);
  });
  expect_difference_at("layers.0.1");
}

TEST_F(WrongModel, TheEpsilonOfTheLastNormChanged) {
  save_network(true);
  convert("model.pth");
  change([](::onnx::ModelProto& model) {
    attribute(node(model, "norm/LayerNormalization"), "epsilon").set_f(1e-6F);
  });
  expect_difference_at("norm", "--atol 1e-5");
}

TEST_F(WrongModel, DepthColumnRowInPlaceOfColumnRowDepth) {
  convert("model.pth");
  change([](::onnx::ModelProto& model) {
    attribute(node(model, "upsample.1/DepthToSpace"), "mode").set_s("DCR");
  });
  expect_difference_at("upsample.1");
}

TEST_F(WrongModel, TanhInPlaceOfTheExactGelu) {
  convert("model.pth", "--opset_version 20");
  change([](::onnx::ModelProto& model) {
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
  change([](::onnx::ModelProto& model) {
    node(model, "layers.1.0.conv.fused_conv/Conv").mutable_input()->RemoveLast();
  });
  expect_difference_at("layers.1.0");
}

TEST_F(WrongModel, NotANumberFailsWhateverTheTolerance) {
  convert("model.pth");
  change([](::onnx::ModelProto& model) {
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
  change([](::onnx::ModelProto& model) {
    for (auto& node : *model.mutable_graph()->mutable_node()) node.clear_name();
    edit(initializer(model, "conv_last.bias"), [](std::vector<float>& values) { values[0] += 1; });
  });
  const CommandResult result = run("verify wrong.onnx --against model.pth");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("The first block that differs is unknown"), std::string::npos)
      << result.err;
}

// --- damages below the tolerance ----------------------------------------------------------------

TEST_F(WrongModel, SmallDamagesAreSuspiciousWhateverTheTolerance) {
  const auto set = [](const std::string& name, const std::string& key, float value) {
    return [=](::onnx::ModelProto& model) { attribute(node(model, name), key).set_f(value); };
  };
  const auto shift = [](const std::string& name, std::size_t index, float by) {
    return [=](::onnx::ModelProto& model) {
      edit(initializer(model, name), [=](std::vector<float>& values) { values.at(index) += by; });
    };
  };
  struct Damage {
    std::string part;
    std::function<void(::onnx::ModelProto&)> change;
    std::string options;
  };
  for (const Damage& damage : std::vector<Damage>{
           {"layers.0.1", set("layers.0.1.norm/LayerNormalization", "epsilon", 1e-5F), ""},
           {"norm", set("norm/LayerNormalization", "epsilon", 1e-6F), ""},
           {"layers.0.0",
            [](::onnx::ModelProto& model) {
              attribute(node(model, "layers.0.0.ffn.act/Gelu"), "approximate").set_s("tanh");
            },
            ""},
           {"layers.1.0", shift("layers.1.0.conv.fused_conv.weight", 12, 2e-4F), ""},
           {"conv_before_upsample.1", set("conv_before_upsample.1/LeakyRelu", "alpha", 0.0099F),
            ""},
           {"conv_last", shift("conv_last.bias", 2, 1e-4F), ""},
           {"layers.1.0", shift("layers.1.0.ffn.fc2.weight", 3, 0.02F), "--atol 10 --rtol 10"}}) {
    convert("model.pth", "--opset_version 20");
    change(damage.change);
    expect_suspicious(damage.part, damage.options + " --atol 0.1 --rtol 0.1");
  }
}

TEST_F(WrongModel, DamagesInHalfPrecisionAreSuspicious) {
  convert("model.pth", "--fp_mode fp16");
  change([](::onnx::ModelProto& model) {
    attribute(node(model, "conv_before_upsample.1/LeakyRelu"), "alpha").set_f(0);
  });
  expect_suspicious("conv_before_upsample.1", "--atol 1 --rtol 1");
  for (const char* mode : {"fp16", "mixed_fp16"}) {
    convert("model.pth", std::string("--fp_mode ") + mode);
    change([](::onnx::ModelProto& model) {
      std::string& raw = *initializer(model, "conv_after_body.weight").mutable_raw_data();
      const auto row = static_cast<std::ptrdiff_t>(raw.size() / 8);
      std::swap_ranges(raw.begin(), raw.begin() + row, raw.begin() + 3 * row);
    });
    expect_suspicious("conv_after_body", "--atol 10 --rtol 10");
  }
}

// ../shared belongs to the project's own machines; another folder may be named.
std::filesystem::path shared_folder() {
  const char* named = std::getenv("AETHER2ONNX_SHARED");
  return named == nullptr ? AETHER2ONNX_SHARED : named;
}

TEST_F(WrongModel, OnTheTrainedNetworkAsWell) {
  const auto checkpoint = shared_folder() / "checkpoints/aether_small_x2_fp16_fused.pth";
  if (!std::filesystem::exists(checkpoint)) GTEST_SKIP() << checkpoint << " isn't there";
  std::filesystem::copy_file(checkpoint, folder_ / "model.pth",
                             std::filesystem::copy_options::overwrite_existing);
  const auto swap_rows = [](const std::string& name) {
    return [=](::onnx::ModelProto& model) {
      auto& tensor = initializer(model, name);
      std::string& raw = *tensor.mutable_raw_data();
      const auto row = static_cast<std::ptrdiff_t>(raw.size()) / tensor.dims(0);
      std::swap_ranges(raw.begin() + 3 * row, raw.begin() + 4 * row, raw.begin() + 4 * row);
    };
  };
  struct Damage {
    std::string part;
    std::string mode;
    std::function<void(::onnx::ModelProto&)> change;
  };
  for (const Damage& damage : std::vector<Damage>{
           {"layers.1.2", "fp32",
            [](::onnx::ModelProto& model) {
              attribute(node(model, "layers.1.2.norm/LayerNormalization"), "epsilon").set_f(1e-5F);
            }},
           {"layers.0.2", "fp32",
            [](::onnx::ModelProto& model) {
              attribute(node(model, "layers.0.2.ffn.act/Gelu"), "approximate").set_s("tanh");
            }},
           {"layers.2.1", "fp32",
            [](::onnx::ModelProto& model) {
              edit(initializer(model, "layers.2.1.conv.fused_conv.weight"),
                   [](std::vector<float>& values) { values.at(907) += 0.02F; });
            }},
           {"conv_before_upsample.1", "fp16",
            [](::onnx::ModelProto& model) {
              attribute(node(model, "conv_before_upsample.1/LeakyRelu"), "alpha").set_f(0);
            }},
           {"layers.2.1", "fp16", swap_rows("layers.2.1.ffn.fc2.weight")}}) {
    const CommandResult converted =
        run("model.pth wrong.onnx --shape 1x3x24x32 --quiet "
            "--opset_version 20 --fp_mode " +
            damage.mode);
    ASSERT_EQ(converted.exit_code, 0) << converted.err;
    EXPECT_EQ(run("verify wrong.onnx --against model.pth").exit_code, 0) << damage.mode;
    change(damage.change);
    expect_suspicious(damage.part, "--atol 0.1 --rtol 0.1");
  }
}

TEST_F(WrongModel, DamageBehindTheLastModuleIsNamedSo) {
  // Adds a node behind the last one, with this constant as its second input.
  const auto append = [](::onnx::ModelProto& model, const std::string& op, float number) {
    auto& graph = *model.mutable_graph();
    const std::string output = graph.output(0).name();
    for (auto& each : *graph.mutable_node()) {
      for (auto& name : *each.mutable_output()) {
        if (name == output) name = "before";
      }
    }
    auto& limit = *graph.add_initializer();
    limit.set_name("limit");
    limit.set_data_type(::onnx::TensorProto::FLOAT);
    limit.add_float_data(number);
    auto& node = *graph.add_node();
    node.set_name("appended");
    node.set_op_type(op);
    node.add_input("before");
    node.add_input("limit");
    node.add_output(output);
  };
  // An output that is clamped, and one whose mean is another.
  struct Appended {
    std::string op;
    float number;
  };
  for (const Appended& each : {Appended{"Clip", 0.45F}, Appended{"Add", 0.17F}}) {
    convert("model.pth");
    change([&](::onnx::ModelProto& model) { append(model, each.op, each.number); });
    const CommandResult result =
        run("verify wrong.onnx --against model.pth --report report.html --json");
    EXPECT_EQ(result.exit_code, 1);
    const auto verification = nlohmann::json::parse(result.out)["verification"];
    const auto& first = verification["first_difference"];
    EXPECT_EQ(first["path"], "output");
    // The parts before are right. The size is that of the output's error.
    const auto& blocks = first["blocks"];
    EXPECT_LT(blocks[blocks.size() - 2]["relative"], 1e-5);
    double largest = 0;
    for (const auto& checked : verification["results"]) {
      largest = std::max(largest, checked["max_absolute"].get<double>());
    }
    const double size = blocks.back()["max_absolute"];
    EXPECT_GT(size, 0.1 * largest);
    EXPECT_LE(size, largest * 1.001);
    if (each.op == "Add") {
      EXPECT_NEAR(size, 0.17, 1e-5);
    }
    const std::string text = fmt::format(
        "The first block that differs is the output, after the last module, by {:.1e}", size);
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
    const std::string report = test::read_text(folder_ / "report.html");
    EXPECT_NE(report.find(text), std::string::npos);
    EXPECT_NE(report.find("<tr class=\"first\"><td>output</td>"), std::string::npos);
    expect_suspicious("output", "--atol 100");
  }
}

// What rounding hides in the outputs shows in the file, if aether2onnx made it.
TEST_F(WrongModel, ChangesBelowTheRoundingShowInTheFile) {
  convert("model.pth", "--fp_mode fp16 --opset_version 17");
  change([](::onnx::ModelProto& model) {
    attribute(node(model, "layers.0.1.norm/LayerNormalization"), "epsilon").set_f(1.1e-6F);
    std::string& raw = *initializer(model, "layers.1.0.ffn.fc2.weight").mutable_raw_data();
    raw[6] = static_cast<char>(raw[6] ^ 1);  // the last bit of element 3
  });
  const CommandResult result =
      run("verify wrong.onnx --against model.pth --report report.html --json");
  EXPECT_EQ(result.exit_code, 1) << result.err;
  const auto verification = nlohmann::json::parse(result.out)["verification"];
  EXPECT_EQ(verification["verdict"], "suspicious");
  EXPECT_EQ(verification["noise"]["place"], "");
  const auto& rewriting = verification["rewriting"];
  EXPECT_EQ(rewriting["count"], 2);
  ASSERT_EQ(rewriting["differences"].size(), 2U);
  EXPECT_EQ(rewriting["differences"][0]["place"], "layers.0.1.norm/LayerNormalization");
  EXPECT_EQ(rewriting["differences"][0]["text"], "epsilon is 1.1e-06, not 1e-06");
  EXPECT_EQ(rewriting["differences"][1]["place"], "layers.1.0.ffn.fc2/Conv");
  EXPECT_NE(result.err.find("epsilon is 1.1e-06, not 1e-06 (the first of 2 differences)"),
            std::string::npos)
      << result.err;
  const std::string report = test::read_text(folder_ / "report.html");
  EXPECT_NE(report.find("<td>epsilon is 1.1e-06, not 1e-06</td>"), std::string::npos);
}

// A copy of the source and a file of another version are not held to the bit.
TEST_F(WrongModel, CopiesOfTheSourceMayRoundOtherwise) {
  convert("model.pth");
  ASSERT_EQ(run("fuse model.pth fused.pth --quiet").exit_code, 0);
  EXPECT_EQ(run("verify wrong.onnx --against fused.pth").exit_code, 0);
  const auto set_version = [](::onnx::ModelProto& model) {
    for (auto& entry : *model.mutable_metadata_props()) {
      if (entry.key() == "aether2onnx_version") entry.set_value("0.0.1");
    }
  };
  change([&](::onnx::ModelProto& model) {
    set_version(model);
    edit(initializer(model, "layers.1.0.ffn.fc2.weight"),
         [](std::vector<float>& values) { values[3] = std::nextafter(values[3], 9.0F); });
  });
  EXPECT_EQ(run("verify wrong.onnx --against model.pth").exit_code, 0);
  // Of other nodes nothing is said.
  change([&](::onnx::ModelProto& model) { node(model, "conv_last/Conv").set_name("other/Conv"); });
  const CommandResult other = run("verify wrong.onnx --against model.pth --json");
  EXPECT_EQ(other.exit_code, 0) << other.err;
  const auto rewriting = nlohmann::json::parse(other.out)["verification"]["rewriting"];
  EXPECT_EQ(rewriting["compared"], false);
  EXPECT_NE(rewriting["why_not"], "");
}

TEST_F(WrongModel, AnotherNetworkIsToldBeforeAnyRun) {
  convert("model.pth");
  tools::NetworkShape other;
  other.embed_dim = 12;
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(other);
  tools::fill_random(tensors, 3);
  test::write_file(folder_ / "other.pth", tools::write_checkpoint(tensors));
  const CommandResult result = run("verify wrong.onnx --against other.pth --json");
  EXPECT_EQ(result.exit_code, 1);
  const auto json = nlohmann::json::parse(result.out)["verification"];
  EXPECT_EQ(json["verdict"], "differs");
  EXPECT_TRUE(json["results"].empty());
  EXPECT_NE(result.err.find("made from a network with"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace aether2onnx::wrong_models_test
