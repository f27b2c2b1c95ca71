// Implements the thread functions of port.h for every system that has threads.

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "port/port.h"

namespace aether2onnx::port {

struct Beside::State {
  std::function<void()> work;
  std::exception_ptr problem;
  std::thread thread;

  void run() {
    try {
      std::exchange(work, nullptr)();
    } catch (...) {
      problem = std::current_exception();
    }
  }
};

Beside::Beside() = default;

Beside::~Beside() {
  if (state_ != nullptr && state_->thread.joinable()) state_->thread.join();
}

void Beside::start(std::function<void()> work, bool on_own_thread) {
  state_ = std::make_unique<State>();
  state_->work = std::move(work);
  if (!on_own_thread) return;
  try {
    state_->thread = std::thread([state = state_.get()] { state->run(); });
  } catch (const std::system_error&) {  // can't create a thread: finish() runs `work`
  }
}

void Beside::finish() {
  if (state_ == nullptr) return;
  if (state_->thread.joinable()) {
    state_->thread.join();
  } else if (state_->work) {
    state_->run();
  }
  if (state_->problem) std::rethrow_exception(std::exchange(state_->problem, nullptr));
}

struct Watch::State {
  std::mutex mutex;
  std::condition_variable ended;
  bool end = false;
  std::thread thread;

  void watch(const std::atomic<bool>& flag, const std::function<void()>& act) {
    constexpr std::chrono::milliseconds step(20);
    std::unique_lock lock(mutex);
    while (!end && !flag) ended.wait_for(lock, step);
    if (!end) act();
  }
};

Watch::Watch(const std::atomic<bool>* flag, std::function<void()> act) {
  if (flag == nullptr) return;
  state_ = std::make_unique<State>();
  try {
    state_->thread = std::thread(
        [state = state_.get(), flag, act = std::move(act)] { state->watch(*flag, act); });
  } catch (const std::system_error&) {  // can't create a thread: `act` is never called
  }
}

Watch::~Watch() {
  if (state_ == nullptr || !state_->thread.joinable()) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->end = true;
  }
  state_->ended.notify_one();
  state_->thread.join();
}

void run_on_threads(std::size_t threads, const std::function<void()>& work) {
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < threads; ++i) {
    try {
      others.emplace_back(work);
    } catch (const std::system_error&) {
      break;  // can't create a thread: fewer threads do the same work
    }
  }
  work();
  for (std::thread& thread : others) thread.join();
}

std::size_t processors() { return std::max(1U, std::thread::hardware_concurrency()); }

}  // namespace aether2onnx::port
