// Implements the section "threads" of port.h for WebAssembly without threads. Beside::finish() and
// run_on_threads() call the function that would run on other threads. Watch does not watch its
// flag, and so never calls its function.

#include <utility>

#include "base/error.h"
#include "port/port.h"

namespace aether2onnx::port {

struct Beside::State {
  std::function<void()> work;
};

Beside::Beside() = default;
Beside::~Beside() = default;

void Beside::start(std::function<void()> work, bool /*on_own_thread*/) {
  state_ = std::make_unique<State>();
  state_->work = std::move(work);
}

void Beside::finish() {
  if (state_ != nullptr && state_->work) std::exchange(state_->work, nullptr)();
}

struct Watch::State {};

Watch::Watch(const std::atomic<bool>* /*flag*/, std::function<void()> /*act*/) {}
Watch::~Watch() = default;

void run_on_threads(std::size_t /*threads*/, const std::function<void()>& work) { work(); }
std::size_t processors() { return 1; }

}  // namespace aether2onnx::port
