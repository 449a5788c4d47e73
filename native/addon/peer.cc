// Who is at the other end of a Unix socket: see peer.h.
#include "peer.h"

#include <sys/socket.h>
#include <unistd.h>

namespace artifactstore {

Napi::Value PeerOf(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].ToNumber().Int32Value();
  double pid = 0, uid, gid;
#if defined(SO_PEERCRED)
  sockaddr address;
  socklen_t length = sizeof address;
  if (getsockname(fd, &address, &length) || address.sa_family != AF_UNIX) return env.Null(); // others answer too, with nobody
  struct ucred peer;
  length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length)) return env.Null();
  pid = peer.pid, uid = peer.uid, gid = peer.gid;
#else
  uid_t user;
  gid_t group;
  if (getpeereid(fd, &user, &group)) return env.Null();
  uid = user, gid = group;
#endif
  Napi::Array found = Napi::Array::New(env, 3);
  found[0u] = pid;
  found[1u] = uid;
  found[2u] = gid;
  return found;
}

}  // namespace artifactstore
