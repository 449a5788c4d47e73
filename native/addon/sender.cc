// Objects sent to sockets: see sender.h.
#include "sender.h"

#include "handles.h"

namespace artifactstore {

Napi::Value KeepSocket(const Napi::CallbackInfo &info) {
  int kept = as_socket_keep(info[0].ToNumber().Int32Value());
  return Napi::Number::New(info.Env(), kept < 0 ? -1 : kept);
}

Napi::Value DropSocket(const Napi::CallbackInfo &info) {
  as_socket_close(info[0].ToNumber().Int32Value());
  return info.Env().Undefined();
}

Napi::Value sender_begin(Napi::Env env, const Arguments &in) {
  int fd = static_cast<int>(in.integer(3));
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) {
    as_socket_close(fd);
    return stale(env);
  }
  as_sender *sender = nullptr;
  int error = as_sender_open(store.get(), in.digest(2), fd, in.integer(4), in.integer(5), static_cast<unsigned>(in.integer(6)), &sender);
  if (error) return failure(env, error);
  return Napi::Number::New(env, handles().add(Kind::sender, sender, in.handle(1)));
}

Napi::Value sender_pump(Napi::Env env, const Arguments &in) {
  Borrowed<as_sender> sender(in.handle(1), Kind::sender);
  if (!sender) return stale(env);
  as_span slab = in.bytes(4);
  as_sent sent;
  as_range bad;
  int error = as_sender_pump(sender.get(), in.integer(2), static_cast<int>(in.integer(3)),
                             static_cast<uint8_t *>(const_cast<void *>(slab.bytes)), slab.size, &sent, &bad);
  if (error == AS_E_CORRUPT) return failure(env, error, bad);
  if (error) return failure(env, error);
  Napi::Array result = Napi::Array::New(env, 3);
  result[0u] = static_cast<double>(sent.sent);
  result[1u] = static_cast<double>(sent.skip);
  result[2u] = static_cast<double>(sent.left);
  return result;
}

Napi::Value sender_close(Napi::Env env, const Arguments &in) {
  Borrowed<as_sender> sender(in.handle(1), Kind::sender);
  if (!sender) return stale(env);
  as_sender_close(sender.take());
  return env.Null();
}

}  // namespace artifactstore
