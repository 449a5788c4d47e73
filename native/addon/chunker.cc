// Chunking for JavaScript: see chunker.h. Called by lib/chunk.ts.
#include "chunker.h"

#include <cstring>
#include <vector>

#include "convert.h"

namespace artifactstore {

namespace {

Napi::Value offsets(Napi::Env env, const std::vector<double> &cuts) {
  Napi::Float64Array array = Napi::Float64Array::New(env, cuts.size());
  if (!cuts.empty()) memcpy(array.Data(), cuts.data(), cuts.size() * sizeof(double));
  return array;
}

uint32_t size_of(const Napi::CallbackInfo &info, size_t index) {
  double size = info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : -1;
  if (!(size >= 0 && size <= AS_CHUNK_SIZE_MAX)) throw Napi::RangeError::New(info.Env(), "a chunk size is out of range");
  return static_cast<uint32_t>(size);
}

}  // namespace

Napi::Function Chunker::Define(Napi::Env env) {
  return DefineClass(env, "Chunker",
                     {InstanceMethod<&Chunker::Update>("update"), InstanceMethod<&Chunker::Finish>("finish"),
                      StaticMethod<&Chunker::Kernels>("kernels"), StaticMethod<&Chunker::Kernel>("kernel"),
                      StaticMethod<&Chunker::SelectKernel>("selectKernel")});
}

Chunker::Chunker(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Chunker>(info) {
  as_chunk_sizes sizes = {size_of(info, 0), size_of(info, 1), size_of(info, 2)};
  if (as_chunker_init(&chunker_, &sizes)) throw Napi::RangeError::New(info.Env(), "the chunk sizes are out of range");
}

Napi::Value Chunker::Update(const Napi::CallbackInfo &info) {
  if (finished_) throw Napi::Error::New(info.Env(), "this chunker has finished; create another");
  as_span span = bytes_of(info[0], "the input of update");
  const uint8_t *bytes = static_cast<const uint8_t *>(span.bytes);
  std::vector<double> cuts;
  for (size_t at = 0, taken; at < span.size; at += taken) {
    if (as_chunker_next(&chunker_, bytes + at, span.size - at, &taken)) cuts.push_back(offset_ + static_cast<double>(at + taken));
  }
  offset_ += static_cast<double>(span.size);
  return offsets(info.Env(), cuts);
}

Napi::Value Chunker::Finish(const Napi::CallbackInfo &info) {
  if (finished_) throw Napi::Error::New(info.Env(), "this chunker has finished; create another");
  finished_ = true;
  std::vector<double> cuts;
  if (as_chunker_pending(&chunker_) > 0) cuts.push_back(offset_);
  return offsets(info.Env(), cuts);
}

Napi::Value Chunker::Kernels(const Napi::CallbackInfo &info) {
  Napi::Array list = Napi::Array::New(info.Env());
  const char *const *names = as_chunk_kernel_names();
  for (uint32_t i = 0; names[i]; i++) list.Set(i, names[i]);
  return list;
}

Napi::Value Chunker::Kernel(const Napi::CallbackInfo &info) { return Napi::String::New(info.Env(), as_chunk_kernel_name()); }

void Chunker::SelectKernel(const Napi::CallbackInfo &info) {
  std::string name = info[0].ToString().Utf8Value();
  if (as_chunk_kernel_select(name.c_str())) {
    throw Napi::RangeError::New(info.Env(), "this machine has no chunk kernel named '" + name + "'");
  }
}

}  // namespace artifactstore
