/// @file
/// A strict reader of JSON, which reports events and builds no tree in memory. Private to this
/// folder. Only json.cpp includes the JSON library, whose templates take long to compile.
#pragma once

#include <aether2onnx/io.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace aether2onnx::safetensors {

/// Receives the events of a JSON text. Each function returns whether to read on, or throws Error.
/// string() and number_unsigned() pass their event to other() if a derived class does not define
/// them.
class JsonEvents {
 public:
  JsonEvents() = default;
  JsonEvents(const JsonEvents&) = delete;
  JsonEvents& operator=(const JsonEvents&) = delete;
  virtual ~JsonEvents() = default;

  /// The name of a member of an object. To keep a name or a text, copy the string, do not move it:
  /// its capacity may be much larger than its length.
  virtual bool key(const std::string& name) = 0;
  virtual bool string(const std::string& /*text*/) { return other("a text"); }
  /// An integer of 0 or more.
  virtual bool number_unsigned(std::uint64_t /*value*/) { return other("a number"); }
  virtual bool start_object(std::size_t /*size*/) { return enter(); }
  virtual bool end_object() { return leave(); }
  virtual bool start_array(std::size_t /*size*/) { return enter(); }
  virtual bool end_array() { return leave(); }
  /// Any other value; `what` describes the value.
  virtual bool other(const char* what) = 0;

  /// The position, in the text, of the first byte that is no JSON.
  std::size_t error_at() const { return error_at_; }

 protected:
  /// The count of open objects and arrays.
  std::size_t depth() const { return depth_; }

 private:
  friend bool read_json(const Input& input, std::uint64_t offset, std::uint64_t size,
                        JsonEvents& events);
  bool enter();
  bool leave();

  std::size_t depth_ = 0;
  std::size_t error_at_ = 0;
};

/// Reads `size` bytes of the input from `offset` on, in chunks, as JSON in UTF-8. Calls `events`
/// for the content. Returns false if the bytes are no such JSON.
bool read_json(const Input& input, std::uint64_t offset, std::uint64_t size, JsonEvents& events);

}  // namespace aether2onnx::safetensors
