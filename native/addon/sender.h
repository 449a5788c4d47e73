// Objects sent to sockets: operations of a batch, and calls that are none.
#pragma once

#include <napi.h>

#include "convert.h"

namespace artifactstore {

// keepSocket(fd) -> a descriptor of its own for the socket, or -1. Called by whoever owns the socket, while it is open for certain.
Napi::Value KeepSocket(const Napi::CallbackInfo &info);

// dropSocket(fd): closes such a descriptor, where nobody has taken it over.
Napi::Value DropSocket(const Napi::CallbackInfo &info);

// sendAnswers(store, memory, columns, addresses, count): `count` answers that stand in `memory`, each described by a row of five in the Int32Array `columns`: socket, where the answer
// begins, bytes of its beginning, bytes of the object behind it, and, written here, what became of it: bytes that were sent, or -1. `addresses` has 32 bytes for each.
// Not for a worker.
Napi::Value SendAnswers(const Napi::CallbackInfo &info);

// [code, store, address, fd, start, end, flags]: a handle. The descriptor is the sender's from now on, whatever happens.
Napi::Value sender_begin(Napi::Env env, const Arguments &in);

// [code, sender, most, wait, slab]: [bytes sent, where in the slab those begin that the socket did not take, how many].
Napi::Value sender_pump(Napi::Env env, const Arguments &in);

// [code, sender]
Napi::Value sender_close(Napi::Env env, const Arguments &in);

}  // namespace artifactstore
