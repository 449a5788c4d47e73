// Who is at the other end of a Unix socket.
#pragma once

#include <napi.h>

namespace artifactstore {

// peerOf(fd) -> [pid, uid, gid] of the process that connected, as the kernel noted it then (SO_PEERCRED, unix(7)); null for anything but a Unix socket. Called by
// whoever owns the socket, while it is open for certain.
Napi::Value PeerOf(const Napi::CallbackInfo &info);

}  // namespace artifactstore
