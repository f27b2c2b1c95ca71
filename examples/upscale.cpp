// Upscales a picture with a converted model, in ONNX Runtime: what a host program does with it.

#include <chrono>
#include <cstdio>
#include <exception>

#include "onnxruntime.h"
#include "picture.h"

int main(int count, char** values) {
  using namespace aether2onnx::verify;
  if (count != 4) {
    std::fprintf(stderr, "Usage: upscale MODEL.onnx PICTURE RESULT.png\n");
    return 2;
  }
  try {
    const OnnxRuntime& runtime = OnnxRuntime::load({});
    const Session session = runtime.open(values[1]);
    FloatTensor picture = load_picture(values[2]);
    if (session.inputs().at(0).shape.at(1) == 1) picture = to_grey(picture);
    const auto started = std::chrono::steady_clock::now();
    const FloatTensor result = session.run(picture);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
    save_png(result, values[3]);
    std::printf("%s: %d x %d -> %d x %d in %.2f s (ONNX Runtime %s)\n", values[3],
                static_cast<int>(picture.shape[3]), static_cast<int>(picture.shape[2]),
                static_cast<int>(result.shape[3]), static_cast<int>(result.shape[2]),
                seconds.count(), runtime.version().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
