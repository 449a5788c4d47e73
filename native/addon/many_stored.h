// Many stored objects read, verified or listed as one operation: columns in, columns out, for the reason that many.h gives.
#pragma once

#include <napi.h>

#include "convert.h"

namespace artifactstore {

// [code, store, addresses, sizes, slab]: the first bytes of objects, as many as `sizes` says, verified, each in a slot of the slab that has
// whole groups for them, at least one. Null, or the failures by index.
Napi::Value read_many(Napi::Env env, const Arguments &in);

// readNow(store, address, bytes): whether `bytes`, as long as the object, has all of it, verified; false also where that would take waiting. Not
// for a worker: it is called where the bytes are wanted.
Napi::Value ReadNow(const Napi::CallbackInfo &info);

// [code, store, addresses, flags, whole, budget]: verifies objects of up to `whole` bytes, each whole, about `budget` bytes in all.
Napi::Value verify_many(Napi::Env env, const Arguments &in);

// [code, store, part]: what is stored under the addresses with one first byte.
Napi::Value list_part(Napi::Env env, const Arguments &in);

}  // namespace artifactstore
