/// @file
/// Changes ONNX files field by field: in ways that honest writers use, and in ways that only a
/// forger uses. Deterministic: the same seed gives the same file on every system.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace aether2onnx::test {

/// A field of a protobuf message, with the forms that it may take in the file.
struct WireField {
  std::uint64_t number = 0;
  unsigned wire = 0;         ///< 0 varint, 1 eight bytes, 2 bytes, 5 four bytes.
  std::uint64_t value = 0;   ///< If `wire` is 0.
  std::string bytes = {};    ///< If `wire` is 1, 2 or 5 and the field is no message.
  std::string message = {};  ///< The message's kind, "Node"; "" if the field is none.
  std::vector<WireField> fields = {};
  int long_tag = 0;  ///< Bytes that the number takes beyond those it needs.
  int long_length = 0;
  int long_value = 0;
  bool is_group = false;
};

class Mutator {
 public:
  /// `bytes` is an honest file.
  Mutator(const std::string& bytes, std::uint64_t seed);

  /// Changes as exporters differ: order, names, packed numbers, inner graphs, functions.
  void change_honestly();
  /// One change that no exporter makes.
  void forge();
  std::string bytes() const;

 private:
  using List = std::vector<WireField>;
  struct Spot {
    List* list;
    std::string message;
  };

  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  std::vector<Spot> spots();
  Spot any_spot();
  // A field of the file; null if the chosen message has none.
  WireField* any_field(Spot& spot);
  WireField* find(const std::string& message, std::uint64_t number, Spot* where = nullptr);
  std::string any_name();

  void reorder();
  void rename();
  void repack();
  void replace_operator();
  void add_honest_part();
  void wrap_in_if();

  void lengthen();
  void raise_number();
  void repeat();
  void split();
  void change_wire();
  void insert_unknown();
  void change_value();
  void move();
  void hide();

  std::mt19937_64 random_;
  List file_;
};

}  // namespace aether2onnx::test
