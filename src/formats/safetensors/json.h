/// @file
/// JSON read strictly, event by event, without a tree in memory. Private to this stage. The JSON
/// library is known to json.cpp alone: its templates take long to compile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace aether2onnx::state_dict {

/// What reads an event and expects another. Every handler throws Error, or gives whether to read
/// on; the functions that a derived class doesn't define refuse what they are told.
class JsonEvents {
 public:
  JsonEvents() = default;
  JsonEvents(const JsonEvents&) = delete;
  JsonEvents& operator=(const JsonEvents&) = delete;
  virtual ~JsonEvents() = default;

  /// Told of a name in an object; it may be moved from, as may a text.
  virtual bool key(std::string& name) = 0;
  virtual bool string(std::string& /*text*/) { return other("a text"); }
  /// Told of an integer of 0 or more.
  virtual bool number_unsigned(std::uint64_t /*value*/) { return other("a number"); }
  virtual bool start_object(std::size_t /*size*/) { return enter(); }
  virtual bool end_object() { return leave(); }
  virtual bool start_array(std::size_t /*size*/) { return enter(); }
  virtual bool end_array() { return leave(); }
  /// Told of a value that no other function takes; `what` describes it.
  virtual bool other(const char* what) = 0;

  /// The byte at which the text stops being JSON.
  std::size_t error_at() const { return error_at_; }

 protected:
  /// How many objects and arrays are open.
  std::size_t depth() const { return depth_; }

 private:
  friend bool read_json(std::span<const std::byte> text, JsonEvents& events);
  bool enter();
  bool leave();

  std::size_t depth_ = 0;
  std::size_t error_at_ = 0;
};

/// Reads `text`, UTF-8; gives false where it is no JSON.
bool read_json(std::span<const std::byte> text, JsonEvents& events);

}  // namespace aether2onnx::state_dict
