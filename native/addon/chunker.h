// Content-defined chunking for JavaScript: one stream being cut.
#pragma once

#include <napi.h>

#include "artifactstore.h"

namespace artifactstore {

// new Chunker(minimum, average, maximum); update(bytes) and finish() → Float64Array of the offsets, counted from the
// start of the stream, after which it is cut. finish gives the last chunk's end, if any. Spent after finish.
// Chunker.kernels() → names, best first; Chunker.kernel() → the one in use; Chunker.selectKernel(name): for tests and benchmarks.
class Chunker : public Napi::ObjectWrap<Chunker> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Chunker(const Napi::CallbackInfo &info);

 private:
  Napi::Value Update(const Napi::CallbackInfo &info);
  Napi::Value Finish(const Napi::CallbackInfo &info);
  static Napi::Value Kernels(const Napi::CallbackInfo &info);
  static Napi::Value Kernel(const Napi::CallbackInfo &info);
  static void SelectKernel(const Napi::CallbackInfo &info);

  as_chunker chunker_;
  double offset_ = 0;  // bytes taken in; exact to 2^53
  bool finished_ = false;
};

}  // namespace artifactstore
