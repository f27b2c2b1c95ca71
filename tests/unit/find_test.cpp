// Finding the state dict in hostile pickles.

#include <gtest/gtest.h>

#include <chrono>

#include "checkpoint_writer.h"
#include "state_dict/state_dict.h"
#include "support.h"

namespace aether2onnx::state_dict::find_test {
namespace {

using namespace std::string_literals;
using test::catch_error;
using test::Caught;

std::string text(const std::string& value) {
  std::string opcodes = "X";
  for (unsigned shift = 0; shift < 32; shift += 8) {
    opcodes += static_cast<char>((value.size() >> shift) & 0xffU);
  }
  return opcodes + value;
}

// A good tensor of one element, on storage "0".
std::string tensor() {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" +
         text("0") + text("cpu") +
         "K\x01tQK\x00K\x01\x85K\x01\x85\x89"
         "ccollections\nOrderedDict\n)RtR"s;
}

// A module of these entries, each "key value", on the stack: an object of class M.
std::string module(const std::string& parameters, const std::string& modules) {
  return "cm\nM\n)\x81}(" + text("_parameters") + "}(" + parameters + "u" + text("_buffers") + "}" +
         text("_modules") + "}(" + modules + "uub";
}

std::vector<std::byte> checkpoint(const std::string& pickle) {
  return tools::write_zip(
      {{"a/data.pkl", "\x80\x02" + pickle + "."}, {"a/data/0", "1234"}, {"a/version", "3"}});
}

struct Opened {
  Caught caught;
  std::vector<std::string> names;
  std::string wrapper;
};

// Opens it, within a time that only quadratic work would need.
Opened open(const std::string& pickle) {
  Opened opened;
  const auto bytes = checkpoint(pickle);
  const auto started = std::chrono::steady_clock::now();
  opened.caught = catch_error([&] {
    const MemoryInput input(bytes);
    const StateDict state_dict = StateDict::open(input, {}, {});
    opened.wrapper = state_dict.wrapper();
    for (const Entry& entry : state_dict.entries()) opened.names.push_back(entry.name);
  });
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(60));
  return opened;
}

using Names = std::vector<std::string>;

TEST(WholeModule, NamesComeFromTheModulesInIt) {
  const std::string inner = module(text("weight") + tensor() + text("bias") + "N", "");
  const Opened opened =
      open(module(text("scale") + tensor(), text("body") + inner + text("nothing") + "N"));
  EXPECT_EQ(opened.names, (Names{"scale", "body.weight"})) << opened.caught.message;
}

TEST(WholeModule, ModulesInACircleEnd) {
  // The module is in the memo as 0 before its state is made.
  const std::string circle = "cm\nM\n)\x81q\x00}("s + text("_parameters") + "}" + text("_modules") +
                             "}" + text("again") + "h\x00sub"s;
  const Opened opened = open(circle);
  EXPECT_EQ(opened.caught.kind, ErrorKind::limit) << opened.caught.message;
  EXPECT_EQ(opened.caught.code, "state-dict-depth");
}

TEST(WholeModule, ModulesThatDoubleEnd) {
  // Each has the one before it twice: 2^60 in all, in a few thousand bytes. The list keeps them.
  std::string pickle = "](" + module(text("w") + tensor(), "") + "q\x00"s;
  for (char i = 1; i <= 60; ++i) {
    const std::string before = "h"s + static_cast<char>(i - 1);
    pickle += module("", text("a") + before + text("b") + before) + "q"s + i;
  }
  const Opened opened = open("}(" + text("model") + "h\x3c"s + text("all") + pickle + "eu");
  EXPECT_EQ(opened.caught.code, "pickle-memo") << opened.caught.message;
  const Opened later = open("}(" + text("all") + pickle + "e" + text("model") + "h\x3cu"s);
  EXPECT_EQ(later.caught.kind, ErrorKind::limit) << later.caught.message;
  EXPECT_EQ(later.caught.code, "state-dict-limit");
}

TEST(WholeModule, LongNamesThatAddUpEnd) {
  const std::string name = text(std::string(600, 'n'));
  const Opened opened = open(module("", name + module(name + tensor(), "")));
  EXPECT_EQ(opened.caught.code, "state-dict-name") << opened.caught.message;
}

TEST(WholeModule, AnObjectWithoutModulesIsNone) {
  const Opened opened = open("cm\nM\n)\x81}(" + text("_parameters") + "}" + text("x") + "Nub");
  EXPECT_EQ(opened.caught.code, "state-dict-none");
  EXPECT_NE(opened.caught.message.find("an object of m.M"), std::string::npos)
      << opened.caught.message;
}

TEST(StateDictNames, AnEndlessKeyIsNotCopiedForEveryItem) {
  // One key of a million bytes in a hundred thousand modules.
  const std::string key = text(std::string(1'000'000, 'k'));
  std::string pickle = "}(" + text("w") + tensor() + text("all") + "](}" + key + "q\x00Ns"s;
  for (int i = 0; i < 100'000; ++i) pickle += "}h\x00Ns"s;
  const Opened opened = open(pickle + "eu");
  EXPECT_EQ(opened.names, (Names{"w", "all"})) << opened.caught.message;
}

TEST(StateDictNames, ObjectsThatShareTheirAttributesEnd) {
  // A hundred thousand objects, all with the same attributes, of which there are ten thousand.
  std::string pickle = "}(" + text("first") + "}(";
  for (int i = 0; i < 10'000; ++i) pickle += text("x" + std::to_string(i)) + "N";
  pickle += "uq\x00"s + text("w") + tensor();
  for (int i = 0; i < 100'000; ++i) {
    pickle += text("o" + std::to_string(i)) + "cm\nM\n)\x81h\x00"s + "b";
  }
  const Opened opened = open(pickle + "u");
  EXPECT_EQ(opened.caught.code, "state-dict-search") << opened.caught.message;
}

TEST(Wrappers, AnItemOfPython2) {
  // Python 2 gave an OrderedDict its items as one argument: [['w', tensor]].
  const Opened opened = open("ccollections\nOrderedDict\n]](" + text("w") + tensor() + "ea\x85R");
  EXPECT_EQ(opened.names, (Names{"w"})) << opened.caught.message;
}

TEST(Wrappers, NestedTooDeeplyIsNotSearched) {
  std::string pickle = "}" + text("w") + tensor() + "s";
  std::string wrapped = pickle;
  for (int i = 0; i < 4; ++i) wrapped = "}" + text("model") + wrapped + "s";
  EXPECT_EQ(open(wrapped).wrapper, "model/model/model/model");
  wrapped = "}" + text("model") + wrapped + "s";
  EXPECT_EQ(open(wrapped).caught.code, "state-dict-none");
}

}  // namespace
}  // namespace aether2onnx::state_dict::find_test
