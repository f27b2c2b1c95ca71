/// @file
/// JSON read strictly, event by event, without a tree in memory. Private to this folder. Only
/// json.cpp includes the JSON library, whose templates take long to compile.
#pragma once

#include <aether2onnx/io.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace aether2onnx::safetensors {

/// Receives the events of a JSON text. Each function throws Error, or returns whether to read on. A
/// function that a derived class doesn't define passes its event to other().
class JsonEvents {
 public:
  JsonEvents() = default;
  JsonEvents(const JsonEvents&) = delete;
  JsonEvents& operator=(const JsonEvents&) = delete;
  virtual ~JsonEvents() = default;

  /// A name in an object. A function that keeps the name or a text copies it: the string may have
  /// room for a much longer one.
  virtual bool key(const std::string& name) = 0;
  virtual bool string(const std::string& /*text*/) { return other("a text"); }
  /// An integer of 0 or more.
  virtual bool number_unsigned(std::uint64_t /*value*/) { return other("a number"); }
  virtual bool start_object(std::size_t /*size*/) { return enter(); }
  virtual bool end_object() { return leave(); }
  virtual bool start_array(std::size_t /*size*/) { return enter(); }
  virtual bool end_array() { return leave(); }
  /// A value that no other function takes; `what` describes it.
  virtual bool other(const char* what) = 0;

  /// The first byte that is no JSON.
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

/// Reads `size` bytes of the input from `offset` on, part by part. The text is UTF-8. Returns false
/// if the text is no JSON.
bool read_json(const Input& input, std::uint64_t offset, std::uint64_t size, JsonEvents& events);

}  // namespace aether2onnx::safetensors
