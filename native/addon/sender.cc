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

namespace {

constexpr size_t kAnswersMax = 64;  // SEND_TOGETHER_MAX in lib/limits.ts

enum Column : uint8_t { kSocket, kStart, kSize, kObjectSize, kSent, kColumns };

// Whether what a row says lies within the memory.
bool fits(const int32_t *row, size_t room) {
  if (row[kStart] < 0 || row[kSize] < 0 || row[kObjectSize] < 0) return false;
  return static_cast<size_t>(row[kStart]) + static_cast<size_t>(row[kSize]) + static_cast<size_t>(row[kObjectSize]) <= room;
}

}  // namespace

Napi::Value SendAnswers(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  as_span memory = bytes_of(info[1], "memory"), addresses = bytes_of(info[3], "addresses");
  Napi::Int32Array columns = info[2].As<Napi::Int32Array>();
  size_t count = info[4].ToNumber().Uint32Value();
  if (count > kAnswersMax || count * kColumns > columns.ElementLength() || count * AS_DIGEST_SIZE > addresses.size) {
    throw Napi::RangeError::New(env, "sendAnswers: more answers than rows");
  }
  uint8_t *bytes = static_cast<uint8_t *>(const_cast<void *>(memory.bytes));
  const uint8_t *address = static_cast<const uint8_t *>(addresses.bytes);
  int32_t *row = columns.Data();
  as_answer answers[kAnswersMax];
  for (size_t i = 0; i < count; i++, row += kColumns, address += AS_DIGEST_SIZE) {
    if (!fits(row, memory.size)) throw Napi::RangeError::New(env, "sendAnswers: an answer beyond the memory");
    answers[i] = {row[kSocket], bytes + row[kStart], static_cast<size_t>(row[kSize]), address, static_cast<size_t>(row[kObjectSize]), AS_ANSWER_UNREAD};
  }
  Borrowed<as_store> store(info[0].ToNumber().Uint32Value(), Kind::store);
  if (store) as_answers_send(store.get(), answers, count);
  row = columns.Data();
  for (size_t i = 0; i < count; i++) row[i * kColumns + kSent] = static_cast<int32_t>(answers[i].sent);
  return env.Undefined();
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
