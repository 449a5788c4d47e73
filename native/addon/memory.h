// Memory of JavaScript's that is given back before the collector finds it.
#pragma once

#include <napi.h>

namespace artifactstore {

// freeBytes(bytes): gives the memory of a Uint8Array back now and leaves it without bytes, where the memory is its alone; does nothing where others see it too.
Napi::Value FreeBytes(const Napi::CallbackInfo &info);

}  // namespace artifactstore
