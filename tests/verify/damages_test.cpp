// Small damages on networks of every generation, random, trained and published, in every precision:
// each is found, in float32 by its outputs alone. AETHER2ONNX_ALL_FORMS in the environment tries
// all of them and prints which the outputs alone show; otherwise a sample.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/dtype.h"
#include "networks.h"
#include "support.h"

namespace aether2onnx::damages_test {
namespace {

using Json = nlohmann::ordered_json;

struct Damage {
  std::string name;
  // Changes the model and returns the node; nullopt where the model has no such place.
  std::function<std::optional<std::string>(::onnx::ModelProto&)> change;
  // The epsilon that the converter is told wrongly, for norms that it folds into weights.
  std::optional<double> folded_epsilon = {};
};

::onnx::NodeProto* node_of(::onnx::ModelProto& model, const std::string& op,
                           const std::string& name) {
  for (auto& node : *model.mutable_graph()->mutable_node()) {
    if (node.op_type() == op && node.name().find(name) != std::string::npos) return &node;
  }
  return nullptr;
}

std::optional<std::string> set_attribute(::onnx::ModelProto& model, const std::string& op,
                                         const std::string& key,
                                         const std::function<void(::onnx::AttributeProto&)>& set) {
  ::onnx::NodeProto* node = node_of(model, op, "");
  if (node == nullptr) return std::nullopt;
  for (auto& attribute : *node->mutable_attribute()) {
    if (attribute.name() == key) set(attribute);
  }
  return node->name();
}

// Changes the values of the weight that the convolution takes.
std::optional<std::string> edit_weight(
    ::onnx::ModelProto& model, const std::string& name,
    const std::function<void(std::vector<float>&, std::size_t rows)>& change) {
  const ::onnx::NodeProto* node = node_of(model, "Conv", name);
  if (node == nullptr) return std::nullopt;
  for (auto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (tensor.name() != node->input(1)) continue;
    const DType type = tensor.data_type() == ::onnx::TensorProto::FLOAT     ? DType::float32
                       : tensor.data_type() == ::onnx::TensorProto::FLOAT16 ? DType::float16
                                                                            : DType::bfloat16;
    std::string& raw = *tensor.mutable_raw_data();
    std::vector<std::byte> bytes;
    convert_elements(std::as_bytes(std::span(raw)), type, DType::float32, bytes);
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    change(values, static_cast<std::size_t>(tensor.dims(0)));
    bytes.clear();
    convert_elements(std::as_bytes(std::span(values)), DType::float32, type, bytes);
    raw.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return node->name();
  }
  return std::nullopt;
}

std::vector<Damage> damages() {
  return {
      {"epsilon 1e-5 for 1e-6",
       [](::onnx::ModelProto& model) {
         // The norms of the stages have 1e-5; there the wrong one is 1e-6.
         return set_attribute(model, "LayerNormalization", "epsilon",
                              [](auto& each) { each.set_f(each.f() < 5e-6F ? 1e-5F : 1e-6F); });
       }},
      {"folded epsilon 1e-5 for 1e-4 (1e-4 for 1e-5)", {}, 0},
      {"GELU of tanh for that of erf",
       [](::onnx::ModelProto& model) {
         return set_attribute(model, "Gelu", "approximate", [](auto& each) { each.set_s("tanh"); });
       }},
      {"depthwise tap off by 0.02",
       [](::onnx::ModelProto& model) {
         return edit_weight(model, "0.1.conv.fused_conv",
                            [](std::vector<float>& values, std::size_t rows) {
                              values.at(values.size() / rows / 2 + 1) += 0.02F;
                            });
       }},
      {"LeakyReLU slope 0",
       [](::onnx::ModelProto& model) {
         return set_attribute(model, "LeakyRelu", "alpha", [](auto& each) { each.set_f(0); });
       }},
      {"two channels swapped",
       [](::onnx::ModelProto& model) {
         return edit_weight(
             model, "conv_after_body", [](std::vector<float>& values, std::size_t rows) {
               const auto row = static_cast<std::ptrdiff_t>(values.size() / rows);
               std::swap_ranges(values.begin(), values.begin() + row, values.begin() + 3 * row);
             });
       }},
  };
}

bool tries_all() { return std::getenv("AETHER2ONNX_ALL_FORMS") != nullptr; }

class Damages : public testing::Test {
 protected:
  // Whether the damage was made.
  bool make(const test::Checkpoint& network, Precision precision, const Damage& damage) {
    ConvertOptions options;
    options.read.generation = network.generation;
    options.precision = precision;
    const bool bfloat16 = precision == Precision::bf16 || precision == Precision::mixed_bf16;
    options.opset_version = bfloat16 ? 22 : 20;
    options.shape.height = Axis::fixed(19);
    options.shape.width = Axis::fixed(14);
    test::write_file(folder_ / "model.pth", network.bytes);
    const ConvertReport right =
        convert_file(folder_ / "model.pth", folder_ / "model.onnx", options);
    ::onnx::ModelProto model = load();
    if (damage.folded_epsilon) return make_with_epsilon(options, right, model);
    const auto place = damage.change(model);
    if (!place) return false;
    place_ = *place;
    save(model);
    return true;
  }

  // A converter that folds the norms with another epsilon, and notes the right one.
  bool make_with_epsilon(ConvertOptions options, const ConvertReport& right,
                         const ::onnx::ModelProto& model) {
    const double epsilon = right.network.number("norm_eps", 0);
    if (epsilon == 0) return false;
    options.read.norm_eps = epsilon < 5e-5 ? 1e-4 : 1e-5;
    convert_file(folder_ / "model.pth", folder_ / "model.onnx", options);
    ::onnx::ModelProto wrong = load();
    *wrong.mutable_metadata_props() = model.metadata_props();
    save(wrong);
    place_.clear();
    return true;
  }

  ::onnx::ModelProto load() const {
    std::ifstream file(folder_ / "model.onnx", std::ios::binary);
    ::onnx::ModelProto model;
    if (!model.ParseFromIstream(&file)) ADD_FAILURE() << "no ONNX file";
    return model;
  }
  void save(const ::onnx::ModelProto& model) const {
    std::ofstream file(folder_ / "model.onnx", std::ios::binary);
    ASSERT_TRUE(model.SerializeToOstream(&file));
  }

  test::TemporaryFolder folder_;
  std::string place_;
};

TEST_F(Damages, AreFoundOnEveryNetworkInEveryPrecision) {
  std::vector<std::pair<std::string, test::Checkpoint>> networks;
  unsigned seed = 0;
  for (const std::string& generation : test::generations()) {
    ++seed;
    networks.emplace_back("random", test::random_network(generation, seed, seed % 3 == 0));
  }
  for (test::Checkpoint& each : test::trained_networks()) {
    networks.emplace_back("trained", std::move(each));
  }
  for (test::Checkpoint& each : test::published_networks()) {
    if (each.name.find("int8") == std::string::npos) {
      networks.emplace_back("published", std::move(each));
    }
  }
  // Of each damage in each precision: files, and those that the outputs alone show.
  std::map<std::string, std::pair<int, int>> table;
  std::size_t index = 0;
  std::size_t made = 0;  // without files of published networks, which some machines lack
  for (const auto& [kind, network] : networks) {
    for (const Precision precision : {Precision::fp32, Precision::fp16, Precision::mixed_fp16,
                                      Precision::bf16, Precision::mixed_bf16}) {
      for (const Damage& damage : damages()) {
        if (++index % 11 != 0 && kind != "published" && !tries_all()) continue;
        if (!make(network, precision, damage)) continue;
        if (kind != "published") ++made;
        const std::string name =
            fmt::format("{}, {}, {}", network.name, to_string(precision), damage.name);
        const Json details =
            test::verify_loosely(folder_ / "model.onnx", folder_ / "model.pth", network.generation);
        const Json& rewriting = details["rewriting"];
        const bool by_outputs = details["verdict"] == "differs" ||
                                !details["noise"]["place"].get<std::string>().empty();
        EXPECT_FALSE(details["passed"]) << name;
        EXPECT_TRUE(rewriting["compared"]) << name << rewriting["why_not"];
        EXPECT_GT(rewriting["count"], 0) << name;
        if (!place_.empty() && rewriting["count"] > 0) {
          EXPECT_EQ(rewriting["differences"][0]["place"], place_) << name;
        }
        if (precision == Precision::fp32) {
          EXPECT_TRUE(by_outputs) << name;
        }
        auto& [files, shown] =
            table[fmt::format("{:10} {:45} {}", kind, damage.name, to_string(precision))];
        ++files;
        if (by_outputs) ++shown;
      }
    }
  }
  EXPECT_GT(made, 40U);
  if (!tries_all()) return;
  for (const auto& [what, counts] : table) {
    std::printf("%s: outputs alone show %d of %d\n", what.c_str(), counts.second, counts.first);
  }
}

}  // namespace
}  // namespace aether2onnx::damages_test
