// The batch door to the local store: one call takes a list of operations and returns a list of outcomes.
#pragma once

#include <napi.h>

namespace artifactstore {

// run(operations) → outcomes, in order. An operation is [code, …arguments]; an outcome is a value, or { error, … }.
// Blocks on disk and CPU: for worker threads.
Napi::Value Run(const Napi::CallbackInfo &info);

}  // namespace artifactstore
