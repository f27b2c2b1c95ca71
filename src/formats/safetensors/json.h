/// @file
/// A strict reader of JSON, which calls a function for each value and builds no tree in memory.
/// Private to this folder. Only json.cpp includes the JSON library, which takes long to compile.
#pragma once

#include <aether2onnx/io.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace aether2onnx::safetensors {

/// Receives the values of a JSON text, one call for each value. Each function returns whether to
/// read on, or throws Error. string() and number_unsigned() call other() if a derived class does
/// not define them.
class JsonEvents {
 public:
  JsonEvents() = default;
  JsonEvents(const JsonEvents&) = delete;
  JsonEvents& operator=(const JsonEvents&) = delete;
  virtual ~JsonEvents() = default;

  /// Called for the name of an object's member. A derived class that keeps a name or a text must
  /// copy the string: the memory (capacity) of the original string may be much larger than the
  /// text, so keeping the original would waste memory.
  virtual bool key(const std::string& name) = 0;
  virtual bool string(const std::string& /*text*/) { return other("a text"); }
  /// Called for an integer of 0 or more.
  virtual bool number_unsigned(std::uint64_t /*value*/) { return other("a number"); }
  virtual bool start_object(std::size_t /*size*/) { return enter(); }
  virtual bool end_object() { return leave(); }
  virtual bool start_array(std::size_t /*size*/) { return enter(); }
  virtual bool end_array() { return leave(); }
  /// Called for null, true, false, a negative integer, and a number that is no 64-bit integer.
  /// `what` describes the value, for example "a negative number".
  virtual bool other(const char* what) = 0;

  /// The position of the first byte that is no JSON, counted from the start of the text.
  std::size_t error_at() const { return error_at_; }

 protected:
  /// The number of objects and arrays that are open at the current value.
  std::size_t depth() const { return depth_; }

 private:
  friend bool read_json(const Input& input, std::uint64_t offset, std::uint64_t size,
                        JsonEvents& events);
  bool enter();
  bool leave();

  std::size_t depth_ = 0;
  std::size_t error_at_ = 0;
};

/// Reads `size` bytes of `input` from `offset` on as JSON in UTF-8, in chunks. Calls `events` for
/// each value. Returns false if the bytes are no JSON, or no UTF-8.
bool read_json(const Input& input, std::uint64_t offset, std::uint64_t size, JsonEvents& events);

}  // namespace aether2onnx::safetensors
