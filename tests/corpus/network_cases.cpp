// Checkpoints that are whole and whose content is strange.

#include <cmath>
#include <limits>

#include "corpus.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

template <typename Change>
std::string with_tensors(Change change) {
  std::vector<tools::NamedTensor> tensors = sample();
  change(tensors);
  const auto bytes = tools::write_checkpoint(tensors);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void add_network_cases(Cases& cases) {
  using Tensors = std::vector<tools::NamedTensor>;
  const auto add = [&](const std::string& name, std::string_view bytes, ErrorKind kind,
                       const std::string& text) {
    refused(cases, "network_" + name, bytes, kind, text, ScanResult::clean);
  };
  add("nan", with_tensors([](Tensors& t) { t[0].values[0] = std::nan(""); }), ErrorKind::precision,
      "NaN");
  add("infinite",
      with_tensors([](Tensors& t) { t[0].values[0] = std::numeric_limits<double>::infinity(); }),
      ErrorKind::precision, "inf");
  converts(cases, "network_all_zero", with_tensors([](Tensors& t) {
             for (auto& tensor : t) tensor.values.assign(tensor.values.size(), 0);
           }),
           ScanResult::clean);
  add("key_missing", with_tensors([](Tensors& t) { t.erase(t.begin() + 3); }), ErrorKind::mismatch,
      "missing key");
  add("keys_unknown", with_tensors([](Tensors& t) {
        for (int i = 0; i < 10; ++i) t.push_back({"extra." + std::to_string(i), {1}, {1}});
      }),
      ErrorKind::mismatch, "extra.0");
  add("channels_differ", with_tensors([](Tensors& t) {
        t.back().shape = {7};
        t.back().values.assign(7, 0);
      }),
      ErrorKind::mismatch, "is (7), expected (3)");
  add("rank_of_a_convolution", with_tensors([](Tensors& t) {
        t[0].shape = {static_cast<std::int64_t>(t[0].values.size())};
      }),
      ErrorKind::mismatch, sample().front().name);
  add("mixed_prefixes", with_tensors([](Tensors& t) { t[0].name = "module." + t[0].name; }),
      ErrorKind::mismatch, "");
  cases.back().error.reset();  // the prefix is taken off wherever it stands in front
  cases.back().text = "";
  add("of_numbers", checkpoint(pickle("}(" + text("epoch") + "K\x05u")), ErrorKind::unsupported,
      "a dict without tensors");
  add("of_nothing", checkpoint(pickle("}")), ErrorKind::unsupported, "an empty dict");
  add("a_list", checkpoint(pickle("]")), ErrorKind::unsupported, "holds a list");
  add("names_with_escapes", with_tensors([](Tensors& t) { t[0].name = "\x1b[2Jconv"; }),
      ErrorKind::mismatch, "\\x1b[2Jconv");
  add("names_like_formats", with_tensors([](Tensors& t) { t[0].name = "%s%n{}{0}"; }),
      ErrorKind::mismatch, "%s%n{}{0}");
  add("name_of_a_megabyte",
      with_tensors([](Tensors& t) { t[0].name = std::string(1'000'000, 'n'); }),
      ErrorKind::mismatch, "a text of 1,000,000");
  refused(cases, "network_names_that_repeat",
          checkpoint(pickle(state_dict() + "(" + text(sample()[0].name) + "Nu")),
          {ErrorKind::malformed, "pickle-key-twice"}, ScanResult::unclear);
  converts(cases, "network_both_copies",
           checkpoint(pickle("}(" + text("params") + state_dict() + text("params_ema") +
                             state_dict() + "u")),
           ScanResult::clean);
}

}  // namespace aether2onnx::corpus
