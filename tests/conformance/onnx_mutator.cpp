#include "onnx_mutator.h"

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <utility>

#include "protobuf.h"

namespace aether2onnx::test {

namespace {

using List = std::vector<WireField>;

// The messages of onnx.proto, apart from the table in the reader: kind and number of a field, and
// the kind of the message in it.
const std::map<std::pair<std::string, std::uint64_t>, std::string>& messages() {
  static const std::map<std::pair<std::string, std::uint64_t>, std::string> table = {
      {{"Model", 7}, "Graph"},       {{"Model", 8}, "Opset"},       {{"Model", 14}, "Entry"},
      {{"Model", 20}, "Training"},   {{"Model", 25}, "Function"},   {{"Training", 1}, "Graph"},
      {{"Training", 2}, "Graph"},    {{"Function", 7}, "Node"},     {{"Function", 9}, "Opset"},
      {{"Graph", 1}, "Node"},        {{"Graph", 5}, "Tensor"},      {{"Graph", 11}, "Value"},
      {{"Graph", 12}, "Value"},      {{"Graph", 13}, "Value"},      {{"Graph", 15}, "Sparse"},
      {{"Node", 5}, "Attribute"},    {{"Node", 9}, "Entry"},        {{"Attribute", 5}, "Tensor"},
      {{"Attribute", 6}, "Graph"},   {{"Attribute", 10}, "Tensor"}, {{"Attribute", 11}, "Graph"},
      {{"Attribute", 22}, "Sparse"}, {{"Attribute", 23}, "Sparse"}, {{"Tensor", 13}, "Entry"},
      {{"Sparse", 1}, "Tensor"},     {{"Sparse", 2}, "Tensor"},     {{"Value", 2}, "Type"},
      {{"Type", 1}, "TensorType"},   {{"Type", 4}, "Sequence"},     {{"TensorType", 2}, "Shape"},
      {{"Sequence", 1}, "Type"},     {{"Shape", 1}, "Dim"},
  };
  return table;
}

class Parser {
 public:
  explicit Parser(const std::string& bytes) : bytes_(bytes) {}

  List parse(const std::string& message, std::size_t end) {
    List list;
    while (at_ < end) {
      const std::uint64_t tag = number();
      WireField field{tag >> 3U, static_cast<unsigned>(tag & 7U)};
      if (field.wire == 0) {
        field.value = number();
      } else {
        const std::size_t length = field.wire == 1   ? 8
                                   : field.wire == 5 ? 4
                                                     : static_cast<std::size_t>(number());
        const auto inner = messages().find({message, field.number});
        if (inner != messages().end()) {
          field.message = inner->second;
          field.fields = parse(field.message, at_ + length);
        } else {
          field.bytes = bytes_.substr(at_, length);
          at_ += length;
        }
      }
      list.push_back(std::move(field));
    }
    return list;
  }

 private:
  std::uint64_t number() {
    std::uint64_t result = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.at(at_++));
      result |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return result;
    }
  }

  const std::string& bytes_;
  std::size_t at_ = 0;
};

std::string varint_of(std::uint64_t number, int more) {
  std::string bytes = varint(number);
  for (; more > 0 && bytes.size() < 10; --more) {
    bytes.back() = static_cast<char>(bytes.back() | '\x80');
    bytes += '\0';
  }
  return bytes;
}

std::string serialize(const List& list) {
  std::string out;
  for (const WireField& field : list) {
    const std::string content = field.message.empty() ? field.bytes : serialize(field.fields);
    if (field.is_group) {
      out +=
          varint_of(field.number << 3U | 3U, 0) + content + varint_of(field.number << 3U | 4U, 0);
      continue;
    }
    out += varint_of(field.number << 3U | field.wire, field.long_tag);
    if (field.wire == 0) out += varint_of(field.value, field.long_value);
    if (field.wire == 2) out += varint_of(content.size(), field.long_length);
    if (field.wire != 0) out += content;
  }
  return out;
}

WireField number(std::uint64_t field, std::uint64_t value) { return {field, 0, value}; }
WireField text(std::uint64_t field, std::string value) { return {field, 2, 0, std::move(value)}; }
WireField message(std::uint64_t field, std::string kind, List fields) {
  return {field, 2, 0, {}, std::move(kind), std::move(fields)};
}
WireField entry(std::uint64_t field, std::string key, std::string value) {
  return message(field, "Entry", {text(1, std::move(key)), text(2, std::move(value))});
}
WireField attribute(std::string name, std::uint64_t type, WireField value) {
  return message(5, "Attribute", {text(1, std::move(name)), std::move(value), number(20, type)});
}
WireField external_tensor(std::uint64_t field, std::string name, std::string file) {
  return message(
      field, "Tensor",
      {number(1, 2), number(2, 1), text(8, std::move(name)), entry(13, "location", std::move(file)),
       entry(13, "offset", "0"), entry(13, "length", "8"), number(14, 1)});
}
WireField node(std::uint64_t field, std::string op, std::string domain, List more = {}) {
  List fields = {text(1, "a"), text(2, "b"), text(4, std::move(op))};
  if (!domain.empty()) fields.push_back(text(7, std::move(domain)));
  for (WireField& each : more) fields.push_back(std::move(each));
  return message(field, "Node", std::move(fields));
}

WireField float_input(std::string name) {
  return message(
      11, "Value",
      {text(1, std::move(name)),
       message(
           2, "Type",
           {message(1, "TensorType",
                    {number(1, 1), message(2, "Shape", {message(1, "Dim", {number(1, 4)})})})})});
}

constexpr std::array kNames = {"x",     "weight",    "net/conv.1", "",   "ä€",     "a b",   "then",
                               "../up", "onnx::W_1", "input",      "64", "name\n", "w.data"};
constexpr std::array kOperators = {"Relu", "Conv", "Identity", "Constant", "If", "Ghost", "Tanh"};
constexpr std::array kFiles = {"../w",  "/etc/passwd", "a/b", "a\\b",   "..",
                               "C:w.d", ".",           " ",   "w.data/"};

}  // namespace

Mutator::Mutator(const std::string& bytes, std::uint64_t seed)
    : random_(seed), file_(Parser(bytes).parse("Model", bytes.size())) {}

std::string Mutator::bytes() const { return serialize(file_); }

std::vector<Mutator::Spot> Mutator::spots() {
  std::vector<Spot> result = {{&file_, "Model"}};
  for (std::size_t i = 0; i < result.size(); ++i) {
    for (WireField& field : *result[i].list) {
      if (!field.message.empty()) result.push_back({&field.fields, field.message});
    }
  }
  return result;
}

// The first levels are chosen more often: most messages are names and shapes.
Mutator::Spot Mutator::any_spot() {
  const std::vector<Spot> all = spots();
  const std::uint64_t end = below(2) == 0 ? std::min<std::uint64_t>(all.size(), 12) : all.size();
  return all[below(end)];
}

WireField* Mutator::any_field(Spot& spot) {
  return spot.list->empty() ? nullptr : &(*spot.list)[below(spot.list->size())];
}

// One of the fields with that number in messages of that kind.
WireField* Mutator::find(const std::string& message, std::uint64_t number, Spot* where) {
  std::vector<std::pair<WireField*, Spot>> found;
  for (const Spot& spot : spots()) {
    if (spot.message != message) continue;
    for (WireField& field : *spot.list) {
      if (field.number == number) found.emplace_back(&field, spot);
    }
  }
  if (found.empty()) return nullptr;
  const auto& [field, spot] = found[below(found.size())];
  if (where != nullptr) *where = spot;
  return field;
}

std::string Mutator::any_name() { return kNames[below(kNames.size())]; }

// --- as exporters differ ---

void Mutator::change_honestly() {
  switch (below(8)) {
    case 0:
      return reorder();
    case 1:
    case 2:
      return rename();
    case 3:
      return repack();
    case 4:
      return replace_operator();
    case 5:
    case 6:
      return add_honest_part();
    default:
      return wrap_in_if();
  }
}

void Mutator::reorder() {
  const Spot spot = any_spot();
  // The file's first bytes tell what the file is.
  const std::size_t first = spot.message == "Model" ? 2 : 0;
  if (spot.list->size() < first + 2) return;
  const std::size_t a = first + below(spot.list->size() - first);
  const std::size_t b = first + below(spot.list->size() - first);
  std::swap((*spot.list)[a], (*spot.list)[b]);
}

void Mutator::rename() {
  constexpr std::array<std::pair<const char*, std::uint64_t>, 8> places = {{{"Node", 3},
                                                                            {"Node", 1},
                                                                            {"Node", 2},
                                                                            {"Tensor", 8},
                                                                            {"Graph", 2},
                                                                            {"Value", 1},
                                                                            {"Entry", 2},
                                                                            {"Dim", 2}}};
  const auto& [message, number] = places[below(places.size())];
  if (WireField* field = find(message, number)) {
    field->bytes = below(2) == 0 ? field->bytes + "_" + std::to_string(below(9)) : any_name();
  }
}

// A list of integers in one field, or in a field each: both are honest.
void Mutator::repack() {
  constexpr std::array<std::pair<const char*, std::uint64_t>, 3> places = {
      {{"Tensor", 1}, {"Attribute", 8}, {"Tensor", 7}}};
  const auto& [message, number] = places[below(places.size())];
  Spot spot{};
  const WireField* field = find(message, number, &spot);
  if (field == nullptr || field->wire != 0) return;
  std::string packed;
  for (const WireField& each : *spot.list) {
    if (each.number == number && each.wire == 0) packed += varint(each.value);
  }
  const std::uint64_t removed = number;
  std::erase_if(*spot.list, [removed](const WireField& each) { return each.number == removed; });
  spot.list->push_back(text(removed, packed));
}

void Mutator::replace_operator() {
  Spot spot{};
  WireField* field = find("Node", 4, &spot);
  if (field == nullptr) return;
  field->bytes = kOperators[below(kOperators.size())];
  if (below(3) != 0) return;
  std::erase_if(*spot.list, [](const WireField& each) { return each.number == 7; });
  spot.list->push_back(text(7, below(2) == 0 ? "ai.onnx" : "com.microsoft"));
}

void Mutator::add_honest_part() {
  const std::string unique = std::to_string(below(1'000'000));
  WireField* graph = find("Model", 7);
  if (graph == nullptr) return;
  List& fields = graph->fields;
  switch (below(8)) {
    case 0:
      file_.push_back(entry(14, "key" + unique, any_name()));
      return;
    case 1:
      fields.push_back(external_tensor(5, "w" + unique, "w.data"));
      return;
    case 2:
      fields.push_back(node(1, "FusedConv", "com.microsoft"));
      return;
    case 3:
      file_.push_back(message(25, "Function",
                              {text(1, "F" + unique), text(4, "a"), text(5, "b"),
                               node(7, "Relu", ""), text(10, "mine")}));
      if (below(2) == 0) fields.push_back(node(1, "F" + unique, "mine"));
      return;
    case 4:
      fields.push_back(node(1, "Relu", "", {attribute("n" + unique, 2, number(3, random_()))}));
      return;
    case 5:
      // An input may have a value in the file; then no caller has to give it.
      if (below(2) == 0) fields.push_back(float_input("s" + unique));
      fields.push_back(message(
          15, "Sparse",
          {message(
               1, "Tensor",
               {number(1, 1), number(2, 1), text(8, "s" + unique), text(9, std::string(4, '\1'))}),
           message(2, "Tensor", {number(1, 1), number(2, 7), text(7, varint(2))}), number(3, 4)}));
      return;
    case 6:
      fields.push_back(float_input("v" + unique));
      if (below(2) == 0) return;
      fields.push_back(message(
          5, "Tensor",
          {number(1, 1), number(2, 1), text(8, "v" + unique), text(9, std::string(4, '\1'))}));
      return;
    default:
      fields.push_back(
          message(5, "Tensor",
                  {number(1, 3), number(2, 7), text(8, "i" + unique),
                   text(7, varint(below(1000)) + varint(random_()) + varint(~std::uint64_t{0}))}));
      return;
  }
}

// A node becomes the branch of an If.
void Mutator::wrap_in_if() {
  Spot spot{};
  WireField* field = find("Graph", 1, &spot);
  if (field == nullptr) return;
  WireField inner = *field;
  *field = node(
      1, "If", "",
      {attribute("then_branch", 5, message(6, "Graph", {std::move(inner), text(2, "inner")}))});
}

// --- as a forger might ---

void Mutator::forge() {
  switch (below(10)) {
    case 0:
      return lengthen();
    case 1:
      return raise_number();
    case 2:
      return repeat();
    case 3:
      return split();
    case 4:
      return change_wire();
    case 5:
      return insert_unknown();
    case 6:
      return change_value();
    case 7:
      return move();
    default:
      return hide();
  }
}

void Mutator::lengthen() {
  Spot spot = any_spot();
  WireField* field = any_field(spot);
  if (field == nullptr) return;
  const int more = 1 + static_cast<int>(below(5));
  switch (below(3)) {
    case 0:
      field->long_tag = more;
      return;
    case 1:
      field->long_length = more;
      return;
    default:
      field->long_value = more;
      return;
  }
}

// Numbers of fields beyond 29 bits, which protobuf cuts, and numbers of other fields.
void Mutator::raise_number() {
  Spot spot = any_spot();
  WireField* field = any_field(spot);
  if (field == nullptr) return;
  field->number = below(2) == 0 ? field->number + (std::uint64_t{1} << (29 + below(4))) : below(30);
}

void Mutator::repeat() {
  Spot spot = any_spot();
  const WireField* field = any_field(spot);
  if (field == nullptr) return;
  WireField copy = *field;
  if (!copy.bytes.empty() && below(2) == 0) copy.bytes = any_name();
  if (!copy.fields.empty() && below(2) == 0) copy.fields.pop_back();
  spot.list->insert(spot.list->begin() + static_cast<std::ptrdiff_t>(below(spot.list->size() + 1)),
                    std::move(copy));
}

// A message in two pieces, which protobuf joins.
void Mutator::split() {
  Spot spot = any_spot();
  WireField* field = any_field(spot);
  if (field == nullptr || field->fields.size() < 2) return;
  WireField rest = *field;
  const auto cut = static_cast<std::ptrdiff_t>(1 + below(field->fields.size() - 1));
  field->fields.erase(field->fields.begin() + cut, field->fields.end());
  rest.fields.erase(rest.fields.begin(), rest.fields.begin() + cut);
  spot.list->push_back(std::move(rest));
}

void Mutator::change_wire() {
  Spot spot = any_spot();
  WireField* field = any_field(spot);
  if (field == nullptr) return;
  if (below(4) == 0 && !field->message.empty()) {
    field->is_group = true;
    return;
  }
  constexpr std::array wires = {0U, 1U, 2U, 5U};
  field->wire = wires[below(wires.size())];
  field->message.clear();
  field->bytes.resize(field->wire == 1 ? 8 : field->wire == 5 ? 4 : field->bytes.size());
}

void Mutator::insert_unknown() {
  Spot spot = any_spot();
  constexpr std::array<std::uint64_t, 6> numbers = {3, 12, 16, 19, 31, 1000};
  spot.list->push_back(
      message(numbers[below(numbers.size())], "Graph", {node(1, "EPContext", "com.microsoft")}));
}

void Mutator::change_value() {
  constexpr std::array<std::pair<const char*, std::uint64_t>, 8> places = {{{"Tensor", 2},
                                                                            {"Tensor", 14},
                                                                            {"Tensor", 1},
                                                                            {"Attribute", 20},
                                                                            {"Attribute", 3},
                                                                            {"Opset", 2},
                                                                            {"TensorType", 1},
                                                                            {"Dim", 1}}};
  const auto& [message, number] = places[below(places.size())];
  WireField* field = find(message, number);
  if (field == nullptr) return;
  constexpr std::array<std::uint64_t, 5> shifts = {31, 32, 33, 62, 63};
  field->value =
      below(2) == 0 ? field->value + (std::uint64_t{1} << shifts[below(shifts.size())]) : below(20);
}

// A field to another message, of the same number or another one.
void Mutator::move() {
  Spot from = any_spot();
  const WireField* field = any_field(from);
  if (field == nullptr) return;
  WireField copy = *field;
  if (below(2) == 0) copy.number = below(26);
  any_spot().list->push_back(std::move(copy));
}

// Something that scan must not call clean, at a place where it is easily overlooked.
void Mutator::hide() {
  const std::string file = kFiles[below(kFiles.size())];
  WireField bad = below(2) == 0
                      ? node(1, below(2) == 0 ? "EPContext" : "PythonOp", "com.microsoft")
                      : node(1, "Relu", "", {attribute("t", 4, external_tensor(5, "t", file))});
  if (below(4) == 0) bad = node(1, "Relu", "my.library");
  WireField* graph = find("Model", 7);
  if (graph == nullptr) return;
  switch (below(6)) {
    case 0:
      graph->fields.push_back(std::move(bad));
      return;
    case 1:
      bad.number = 7;
      file_.push_back(message(25, "Function", {text(1, "H"), std::move(bad), text(10, "mine")}));
      return;
    case 2:
      file_.push_back(message(20, "Training", {message(2, "Graph", {std::move(bad)})}));
      return;
    case 3:
      file_.push_back(message(7, "Graph", {std::move(bad)}));
      return;
    case 4:
      graph->fields.push_back(
          node(1, "Loop", "", {attribute("body", 5, message(6, "Graph", {std::move(bad)}))}));
      return;
    default:
      if (WireField* tensor = find("Graph", 5)) {
        tensor->fields.push_back(entry(13, "location", file));
        if (below(2) == 0) tensor->fields.push_back(number(14, 1));
      }
      return;
  }
}

}  // namespace aether2onnx::test
