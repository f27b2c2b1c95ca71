// Writes a call in a pickle as Python code.

#include "base/text.h"
#include "judge/scan/scan.h"

namespace aether2onnx::judge::scan {

namespace {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

constexpr int kDepth = 4;
constexpr std::size_t kElements = 4;
constexpr std::size_t kTextBytes = 100;
constexpr std::size_t kCallBytes = 400;

class Renderer {
 public:
  explicit Renderer(const Document& document) : document_(document) {}

  std::string take() { return std::move(out_); }

  void value(ValueId id, int depth) {
    if (depth > kDepth || out_.size() > kCallBytes) {
      out_ += "…";
      return;
    }
    switch (document_.kind(id)) {
      case Kind::none:
        out_ += "None";
        break;
      case Kind::boolean:
        out_ += document_.boolean(id) ? "True" : "False";
        break;
      case Kind::integer:
        out_ += fmt::format("{}", document_.integer(id));
        break;
      case Kind::big_integer:
        out_ += "<a number of more than 64 bits>";
        break;
      case Kind::real:
        out_ += fmt::format("{}", document_.real(id));
        break;
      case Kind::string:
        out_ += fmt::format("'{}'", printable(document_.text(id), kTextBytes));
        break;
      case Kind::bytes:
        out_ += fmt::format("b'{}'", printable(document_.text(id), kTextBytes));
        break;
      case Kind::tuple:
        elements(document_.elements(id), '(', ')', depth);
        break;
      case Kind::list:
        elements(document_.elements(id), '[', ']', depth);
        break;
      case Kind::set:
        elements(document_.elements(id), '{', '}', depth);
        break;
      case Kind::dict:
        dict(id, depth);
        break;
      case Kind::global:
        out_ += fmt::format("{}.{}", printable(document_.module(id), kTextBytes),
                            printable(document_.name(id), kTextBytes));
        break;
      case Kind::object:
        call(id, depth);
        break;
      case Kind::persistent_id:
        reference(id, depth);
        break;
    }
  }

 private:
  void call(ValueId id, int depth) {
    value(document_.callable(id), depth + 1);
    elements(document_.arguments(id), '(', ')', depth);
  }

  // Writes a reference to an object outside the pickle: "<storage>" for a storage. For a reference
  // to a class together with its source text, writes only the class.
  void reference(ValueId id, int depth) {
    const ValueId of = document_.persistent(id);
    const auto parts = document_.elements(of);
    if (document_.kind(of) == Kind::tuple && parts.size() > 1 &&
        document_.kind(parts[1]) == Kind::global &&
        !(document_.kind(parts[0]) == Kind::string && document_.text(parts[0]) == "storage")) {
      value(parts[1], depth + 1);
    } else {
      out_ += "<storage>";
    }
  }

  // Writes at most kElements of `count` items between `open` and `close`. `each(i)` writes item i.
  template <typename Each>
  void items(std::size_t count, char open, char close, Each each) {
    out_ += open;
    for (std::size_t i = 0; i < count && i <= kElements; ++i) {
      if (i > 0) out_ += ", ";
      if (i == kElements) {
        out_ += "…";
      } else {
        each(i);
      }
    }
    out_ += close;
  }

  void elements(std::span<const ValueId> list, char open, char close, int depth) {
    items(list.size(), open, close, [&](std::size_t i) { value(list[i], depth + 1); });
  }

  void dict(ValueId id, int depth) {
    const auto pairs = document_.pairs(id);
    items(pairs.size(), '{', '}', [&](std::size_t i) {
      value(pairs[i].first, depth + 1);
      out_ += ": ";
      value(pairs[i].second, depth + 1);
    });
  }

  const Document& document_;
  std::string out_;
};

}  // namespace

std::string call_text(const Document& document, ValueId call) {
  Renderer renderer(document);
  renderer.value(call, 0);
  return renderer.take();
}

}  // namespace aether2onnx::judge::scan
