// Facts beside the tensors: the attributes of pickled networks, the modules that quantization
// leaves, and the biases that it adds. Which network they make of a file.

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "generation_files.h"
#include "module_runner.h"
#include "network/network.h"
#include "network/passes/passes.h"
#include "sample_networks.h"
#include "stage_networks.h"
#include "support.h"

namespace aether2onnx::network::module_facts_test {
namespace {

using state_dict::StateDict;
using test::catch_error;
using test::Caught;
using tools::CheckpointLayout;
using tools::NamedTensor;
using tools::StageShape;

// --- pickled modules
// ------------------------------------------------------------------------------

std::string number(std::uint64_t value, unsigned bytes) {
  std::string text;
  for (unsigned i = 0; i < bytes; ++i) text += static_cast<char>((value >> (8 * i)) & 0xffU);
  return text;
}

std::string text(const std::string& value) { return "X" + number(value.size(), 4) + value; }

std::string real(double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  std::string big;
  for (unsigned shift = 64; shift > 0; shift -= 8) {
    big += static_cast<char>((bits >> (shift - 8)) & 0xffU);
  }
  return "G" + big;
}

const std::string kTrue = "\x88";
const std::string kFalse = "\x89";

std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string pickle = "}(";
  for (const auto& [key, value] : items) pickle += text(key) + value;
  return pickle + "u";
}

// Opcodes of attributes by the module's path and a dot: "norm.eps".
using Attributes = std::map<std::string, std::string>;

// The module `path` and the modules in it, as torch.save pickles a network. The attributes and
// parameters with no dot behind the path are its own.
class ModulePickle {
 public:
  ModulePickle(const std::vector<NamedTensor>& tensors, const Attributes& attributes,
               const std::vector<std::string>& modules)
      : tensors_(tensors), attributes_(attributes), modules_(modules) {}

  std::string pickle(const std::string& path) {
    std::vector<std::pair<std::string, std::string>> own;
    std::vector<std::pair<std::string, std::string>> buffers;
    std::vector<std::string> children;
    const auto rest_of = [&](const std::string& name) {
      return name.starts_with(path) ? name.substr(path.size()) : std::string();
    };
    const auto child = [&](const std::string& name) {
      if (std::find(children.begin(), children.end(), name) == children.end()) {
        children.push_back(name);
      }
    };
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const std::string rest = rest_of(tensors_[i].name);
      if (rest.empty()) continue;
      const std::size_t dot = rest.find('.');
      if (dot != std::string::npos) {
        child(rest.substr(0, dot));
      } else {
        buffers.emplace_back(rest, tensor(i));
      }
    }
    for (const std::string& module : modules_) {
      const std::string rest = rest_of(module);
      if (!rest.empty()) child(rest.substr(0, rest.find('.')));
    }
    for (const auto& [name, value] : attributes_) {
      const std::string rest = rest_of(name);
      if (!rest.empty() && rest.find('.') == std::string::npos) own.emplace_back(rest, value);
    }
    std::vector<std::pair<std::string, std::string>> inner;
    for (const std::string& name : children) inner.emplace_back(name, pickle(path + name + "."));
    own.emplace_back("training", kFalse);
    own.emplace_back("_parameters", dict(buffers));
    own.emplace_back("_buffers", dict({}));
    own.emplace_back("_modules", dict(inner));
    return "cnet\nModule\n)\x81" + dict(own) + "b";
  }

 private:
  static std::string tuple(const std::vector<std::int64_t>& sizes) {
    std::string pickle = "(";
    for (const std::int64_t size : sizes) {
      pickle += "J" + number(static_cast<std::uint64_t>(size), 4);
    }
    return pickle + "t";
  }

  std::string tensor(std::size_t index) const {
    const NamedTensor& tensor = tensors_[index];
    std::vector<std::int64_t> strides(tensor.shape.size(), 1);
    for (std::size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * tensor.shape[i];
    return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" +
           (tensor.integer ? "LongStorage\n" : "DoubleStorage\n") + text(std::to_string(index)) +
           text("cpu") + "J" + number(tensor.values.size(), 4) + "tQ" + std::string("K\0", 2) +
           tuple(tensor.shape) + tuple(strides) + kFalse + "ccollections\nOrderedDict\n)RtR";
  }

  const std::vector<NamedTensor>& tensors_;
  const Attributes& attributes_;
  const std::vector<std::string>& modules_;
};

std::vector<std::byte> pickled_module(const std::vector<NamedTensor>& tensors,
                                      const Attributes& attributes,
                                      const std::vector<std::string>& modules = {}) {
  std::vector<tools::ZipEntry> entries = {
      {"net/data.pkl", "\x80\x02" + ModulePickle(tensors, attributes, modules).pickle("") + "."},
      {"net/byteorder", "little"}};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::string data;
    for (const double value : tensors[i].values) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, &value, sizeof bits);
      if (tensors[i].integer) bits = static_cast<std::uint64_t>(value);
      data += number(bits, 8);
    }
    entries.push_back({"net/data/" + std::to_string(i), data});
  }
  entries.push_back({"net/version", "3\n"});
  return tools::write_zip(entries);
}

Network recognise_file(const File& file, const ReadOptions& options = {}) {
  return recognise(file.state_dict, options);
}

std::vector<NamedTensor> random_tensors(const std::string& generation, bool fused = false,
                                        bool layer_norm = false) {
  StageShape shape;
  shape.generation = generation;
  shape.embed_dim = 8;
  shape.hidden_dim = 12;
  shape.channel_attention = shape.spatial_attention = true;
  shape.layer_norm = layer_norm;
  auto tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 6);
  return fused ? tools::fuse(tensors, shape) : tensors;
}

void set_temperatures(std::vector<NamedTensor>& tensors, double value) {
  for (NamedTensor& tensor : tensors) {
    if (tensor.name.ends_with(".temperature")) tensor.values = {value};
  }
}

// Every block's and the body's.
Attributes norm_attributes(const char* name, const std::string& value) {
  Attributes attributes;
  for (const char* norm : {"stages.0.0.norm", "stages.0.1.norm", "stages.1.0.norm", "norm"}) {
    attributes[std::string(norm) + "." + name] = value;
  }
  return attributes;
}

Attributes block_attributes(const char* name, const std::string& value) {
  Attributes attributes;
  for (const char* block : {"stages.0.0", "stages.0.1", "stages.1.0"}) {
    attributes[std::string(block) + "." + name] = value;
  }
  return attributes;
}

TEST(PickledNetwork, ItsAttributesAndModulesAreRead) {
  Attributes attributes = norm_attributes("eps", real(0.25));
  attributes["img_range"] = real(2);
  attributes["arch_config"] = dict({{"scale", "K\x02"}, {"arch_option", "N"}});
  attributes["depths"] =
      "](K\x02K\x01"
      "e";
  attributes["_private"] = "K\x07";
  const File file(pickled_module(random_tensors("G7d"), attributes, {"quant."}));
  EXPECT_EQ(file.state_dict.container(), "PyTorch zip, whole module");
  const std::map<std::string, std::string> found(file.state_dict.attributes().begin(),
                                                 file.state_dict.attributes().end());
  const std::map<std::string, std::string> expected = {{"norm.eps", "0.25"},
                                                       {"stages.0.0.norm.eps", "0.25"},
                                                       {"stages.0.1.norm.eps", "0.25"},
                                                       {"stages.1.0.norm.eps", "0.25"},
                                                       {"img_range", "2"},
                                                       {"depths", "2,1"},
                                                       {"arch_config/scale", "2"},
                                                       {"arch_config/arch_option", "None"}};
  EXPECT_EQ(found, expected);
  const auto& modules = file.state_dict.modules();
  for (const char* path : {"", "quant", "stages.0.1.ffn", "norm"}) {
    EXPECT_NE(std::find(modules.begin(), modules.end(), path), modules.end()) << path;
  }
}

TEST(PickledNetwork, TheBlocksResScaleComesBeforeTheConfigs) {
  const auto tensors = random_tensors("G7d");
  Attributes attributes = {{"arch_config", dict({{"res_scale", real(0.4)}})}};
  Network network = recognise_file(File(pickled_module(tensors, attributes)));
  EXPECT_EQ(network.facts.generation, "G7d");
  EXPECT_EQ(network.facts.number("res_scale", 0), 0.4);
  EXPECT_TRUE(is_certain(network, "res_scale"));
  EXPECT_NE(evidence_of(network, "res_scale")->because.find("arch_config/res_scale"),
            std::string::npos);

  attributes.merge(block_attributes("res_scale", real(0.37)));
  network = recognise_file(File(pickled_module(tensors, attributes)));
  EXPECT_EQ(network.facts.number("res_scale", 0), 0.37);
  EXPECT_NE(evidence_of(network, "res_scale")->because.find("stages.0.0.res_scale"),
            std::string::npos);

  ReadOptions options;
  options.res_scale = 0.6;
  EXPECT_EQ(recognise_file(File(pickled_module(tensors, attributes)), options)
                .facts.number("res_scale", 0),
            0.6);

  attributes["stages.1.0.res_scale"] = real(0.38);
  const Caught caught =
      catch_error([&] { recognise_file(File(pickled_module(tensors, attributes))); });
  EXPECT_EQ(caught.code, "network-attributes-differ");
}

TEST(PickledNetwork, WrappersAroundTheNetworkAreNoPartOfNames) {
  std::vector<NamedTensor> tensors = random_tensors("G7d");
  for (NamedTensor& tensor : tensors) tensor.name = "module." + tensor.name;
  Attributes attributes = {{"res_scale", real(0.9)}};  // the wrapper's
  for (const auto& [name, value] : block_attributes("res_scale", real(0.37))) {
    attributes["module." + name] = value;
  }
  Network network = recognise_file(File(pickled_module(tensors, attributes)));
  EXPECT_EQ(network.facts.number("res_scale", 0), 0.37);

  // One of two networks in a module.
  tensors.push_back({"other.weight", {1}, {0}});
  attributes["other.stages.0.0.res_scale"] = real(0.8);
  network = recognise_file(File(pickled_module(tensors, attributes), "module"));
  EXPECT_EQ(network.facts.number("res_scale", 0), 0.37);
}

TEST(PickledNetwork, EpsilonAndFoldedStatisticsAreTheModules) {
  const auto unfused = random_tensors("G6.0");
  Network network = recognise_file(File(
      pickled_module(unfused, norm_attributes("eps", real(3e-5)), {"stages.0.0.residual_quant."})));
  EXPECT_EQ(network.facts.generation, "G6.0");
  EXPECT_TRUE(is_certain(network, "generation"));
  EXPECT_EQ(network.facts.number("norm_eps", 0), 3e-5);
  EXPECT_TRUE(is_certain(network, "norm_eps"));

  // Fused networks of G6 keep the statistics; one that was built fused never folded them.
  const auto fused = random_tensors("G6.1", true);
  for (const bool folded : {false, true}) {
    network = recognise_file(
        File(pickled_module(fused, norm_attributes("fused", folded ? kTrue : kFalse))));
    EXPECT_EQ(network.facts.number("norm_eps", 0), folded ? 0 : 1e-5);
  }
}

TEST(PickledNetwork, OtherNumbersInPyTorchsOwnLayersAreRefused) {
  const auto tensors = random_tensors("G7d", false, true);
  EXPECT_FALSE(catch_error([&] {
                 recognise_file(File(pickled_module(tensors, norm_attributes("eps", real(1e-5)))));
               }).thrown);
  Caught caught = catch_error(
      [&] { recognise_file(File(pickled_module(tensors, norm_attributes("eps", real(1e-3))))); });
  EXPECT_EQ(caught.code, "network-keys");
  EXPECT_EQ(caught.findings.size(), 4U);

  tools::NetworkShape shape;
  auto first = tools::make_tensors(shape);
  EXPECT_FALSE(catch_error([&] {
                 recognise_file(File(pickled_module(
                     first, {{"norm.eps", real(1e-5)}, {"layers.0.0.norm.eps", real(1e-6)}})));
               }).thrown);
  for (const Attributes& other :
       {Attributes{{"norm.eps", real(1e-6)}}, Attributes{{"layers.0.0.norm.eps", real(1e-5)}},
        Attributes{{"layers.0.0.ffn.act.approximate", text("tanh")}},
        Attributes{{"conv_before_upsample.1.negative_slope", real(0.2)}}}) {
    caught = catch_error([&] {
      recognise_file(
          File(pickled_module(first, other, {"layers.0.0.ffn.act.", "conv_before_upsample.1."})));
    });
    EXPECT_EQ(caught.code, "network-keys") << other.begin()->first;
  }
}

TEST(PickledNetwork, EndlessAttributesEnd) {
  // Each module has the attributes of the one before, and that module twice.
  std::string attributes = "}(";
  for (int i = 0; i < 900; ++i)
    attributes += text("a" + std::to_string(i)) + text(std::string(190, 'x'));
  std::string pickle =
      "}(" + text("shared") + attributes + text("_parameters") + "}" + text("_modules") + "}uq";
  pickle += std::string(1, '\0') + text("_parameters") + dict({}) + text("_buffers") +
            dict({{"w", ModulePickle({{"w", {1}, {1}}}, {}, {}).pickle("")}}) + text("_modules") +
            "}(";
  for (int i = 0; i < 1000; ++i) {
    pickle += text("m" + std::to_string(i)) + "cm\nM\n)\x81h" + std::string(1, '\0') + "b";
  }
  pickle = "cm\nM\n)\x81" + pickle + "uub";
  const auto bytes = tools::write_zip(
      {{"a/data.pkl", "\x80\x02" + pickle + "."}, {"a/data/0", "12345678"}, {"a/version", "3"}});
  const Caught caught = catch_error([&] { const File file{bytes}; });
  EXPECT_EQ(caught.kind, ErrorKind::limit) << caught.message;
  EXPECT_EQ(caught.code, "state-dict-attributes") << caught.message;
}

// --- G7a, G7b and G7c
// -----------------------------------------------------------------------------

TEST(EarlySeventh, UntrainedTemperaturesAreThoseOfG7a) {
  for (const bool fused : {false, true}) {
    auto tensors = random_tensors("G7a", fused);
    set_temperatures(tensors, 1);
    const Network network = recognise_file(File(tensors, {}));
    EXPECT_EQ(network.facts.generation, "G7a");
    EXPECT_TRUE(is_certain(network, "generation"));
    EXPECT_EQ(network.facts.number("norm_eps", 0), fused ? 0 : 1e-5);
    EXPECT_EQ(is_certain(network, "norm_eps"), !fused);

    // A single one that was trained.
    for (NamedTensor& tensor : tensors) {
      if (tensor.name == "stages.1.0.ffn.temperature") tensor.values = {1.0001};
    }
    const Network other = recognise_file(File(tensors, {}));
    EXPECT_EQ(other.facts.generation, "G7c");
    EXPECT_FALSE(is_certain(other, "generation"));
  }
}

// The only tensors without effect on the output, whatever their values are.
TEST(EarlySeventh, TheGateOfG7aHasNoTemperature) {
  const auto output_of = [](const std::string& generation, double temperature) {
    auto tensors = random_tensors("G7a");
    set_temperatures(tensors, temperature);
    CheckpointLayout layout;
    layout.type = tools::StorageType::float64;
    const File file(tensors, layout);
    ReadOptions options;
    options.generation = generation;
    const Network network = recognise_file(file, options);
    const Folded folded = fold(fuse(network).network);
    EXPECT_EQ(folded.temperatures, generation == "G7a" ? 0U : 3U);
    return test::run_modules(folded.network, file.state_dict, test::make_image(3, 5, 4));
  };
  EXPECT_EQ(test::largest_difference(output_of("G7a", 0.5), output_of("G7a", 3)), 0);
  EXPECT_LT(test::largest_difference(output_of("G7a", 3), output_of("G7b", 1)), 1e-12);
  EXPECT_GT(test::largest_difference(output_of("G7b", 0.5), output_of("G7b", 1)), 1e-3);
}

TEST(EarlySeventh, ObserversTellThemApart) {
  const auto with_observers = [](const std::vector<std::string>& modules) {
    auto tensors = random_tensors("G7c", true);
    for (const std::string& module : modules) {
      tensors.push_back({"stages.0.0." + module + ".activation_post_process.min_val", {}, {0}});
    }
    return recognise_file(File(tensors, {}));
  };
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"G7a", {"quant_add", "norm_quant", "residual_quant", "ffn.quant_mul"}},
      {"G7b", {"quant_add", "quant_mul_scalar", "norm_quant", "ffn.quant_mul_scalar"}},
      {"G7c", {"quant_add", "quant_mul_scalar", "norm_quant", "res_quant", "ffn.temp_quant"}}};
  for (const auto& [generation, modules] : cases) {
    const Network network = with_observers(modules);
    EXPECT_EQ(network.facts.generation, generation);
    EXPECT_EQ(network.facts.quantization, Quantization::qat);
    EXPECT_TRUE(is_certain(network, "generation"));
  }
}

// --- biases in int8 files
// -------------------------------------------------------------------------

std::vector<NamedTensor> with_int8_weight(std::vector<NamedTensor> tensors, std::string_view name) {
  for (NamedTensor& tensor : tensors) {
    if (tensor.name != name) continue;
    tensor.quantization = tools::Quantization{{0.01}, {0}, {}, false};
    for (double& value : tensor.values) value = 3;
  }
  return tensors;
}

TEST(Int8Biases, ZerosMayStandWhereTheFloatLayerHasNone) {
  ReadOptions options;
  options.dequantize = true;
  StageShape shape;
  shape.channel_attention = shape.spatial_attention = true;
  const auto stages = with_int8_weight(tools::make_tensors(shape), "conv_first.weight");
  const auto first =
      with_int8_weight(tools::make_tensors(tools::NetworkShape{}), "conv_first.weight");
  const auto width = first.front().shape[0];
  struct Case {
    const std::vector<NamedTensor>& tensors;
    const char* key;
    std::int64_t size;
  };
  for (const Case& c : {Case{stages, "stages.0.0.channel_attn.fc.0.bias", 2},
                        {stages, "stages.0.0.channel_attn.fc.2.bias", 16},
                        {stages, "stages.0.0.spatial_attn.conv.bias", 1},
                        {stages, "stages.0.0.conv.lk_conv.bias", 16},
                        {first, "layers.0.0.conv.lk_conv.bias", width},
                        {first, "layers.0.0.conv.sk_conv.bias", width}}) {
    SCOPED_TRACE(c.key);
    auto tensors = c.tensors;
    const std::vector<double> zeros(static_cast<std::size_t>(c.size), 0);
    tensors.push_back({c.key, {c.size}, zeros});
    const Network network = recognise_file(File(tensors, {}), options);
    for (const Parameter& parameter : network.parameters) EXPECT_NE(parameter.name, c.key);
    for (const Buffer& buffer : network.buffers) EXPECT_NE(buffer.name, c.key);

    tensors.back().values.back() = 1e-30;
    Caught caught = catch_error([&] { recognise_file(File(tensors, {}), options); });
    EXPECT_EQ(caught.code, "network-keys");
    EXPECT_EQ(caught.findings.size(), 1U);
    tensors.back() = {c.key, {c.size + 1}, std::vector<double>(zeros.size() + 1, 0)};
    EXPECT_EQ(catch_error([&] { recognise_file(File(tensors, {}), options); }).code,
              "network-keys");
    // In a float file there is no such bias.
    auto floats = c.tensors;
    for (NamedTensor& tensor : floats) tensor.quantization.reset();
    floats.push_back({c.key, {c.size}, zeros});
    EXPECT_EQ(catch_error([&] { recognise_file(File(floats, {}), options); }).code, "network-keys");
  }
}

}  // namespace
}  // namespace aether2onnx::network::module_facts_test
