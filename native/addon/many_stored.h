// Many stored objects verified or removed as one operation: columns in, columns out, for the reason that many.h gives.
#pragma once

#include <napi.h>

#include "convert.h"

namespace artifactstore {

// [code, store, addresses, flags, whole, budget]: verifies objects of up to `whole` bytes, each whole, about `budget` bytes in all.
Napi::Value verify_many(Napi::Env env, const Arguments &in);

// [code, store, addresses]: deletes objects.
Napi::Value remove_many(Napi::Env env, const Arguments &in);

}  // namespace artifactstore
