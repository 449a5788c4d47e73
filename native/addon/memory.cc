// Memory of JavaScript's: see memory.h.
#include "memory.h"

#include "convert.h"

namespace artifactstore {

Napi::Value FreeBytes(const Napi::CallbackInfo &info) {
  size_t size = bytes_of(info[0], "what is freed").size;
  Napi::Value memory = info[0].As<Napi::Object>().Get("buffer");
  bool is_its_alone = memory.IsArrayBuffer() && memory.As<Napi::ArrayBuffer>().ByteLength() == size;
  if (is_its_alone) napi_detach_arraybuffer(info.Env(), memory);  // what cannot be detached is collected some time
  return info.Env().Undefined();
}

}  // namespace artifactstore
