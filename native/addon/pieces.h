// Streams in pieces out of sockets: the calls that begin and end one. What receives is a job (jobs.h) or an operation (operations.cc).
#pragma once

#include <napi.h>

namespace artifactstore {

// keepPieces(fd) -> a handle, or 0. Called by whoever owns the socket, while it is open for certain; the handle has a descriptor of its own.
Napi::Value KeepPieces(const Napi::CallbackInfo &info);

// dropPieces(handle): ends it, while nobody receives.
Napi::Value DropPieces(const Napi::CallbackInfo &info);

// widenSocket(fd, size): has the kernel hold more of what is written to it.
Napi::Value WidenSocket(const Napi::CallbackInfo &info);

}  // namespace artifactstore
