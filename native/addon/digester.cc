// Digests for JavaScript: see digester.h. Called by lib/digest.ts.
#include "digester.h"

#include <vector>

#include "convert.h"

namespace artifactstore {

Napi::Value DigestMany(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsArray()) throw Napi::TypeError::New(env, "digestMany takes an array of Uint8Array");
  Napi::Array list = info[0].As<Napi::Array>();
  std::vector<as_span> inputs(list.Length());
  for (uint32_t i = 0; i < inputs.size(); i++) {
    Napi::HandleScope scope(env);
    inputs[i] = bytes_of(list.Get(i), "every input of digestMany");
  }
  std::vector<as_digests> out(inputs.size());
  as_dual_many(inputs.data(), inputs.size(), out.data());
  return digests(env, out.data(), out.size());
}

Napi::Function Digester::Define(Napi::Env env) {
  return DefineClass(env, "Digester",
                     {InstanceMethod<&Digester::Update>("update"), InstanceMethod<&Digester::Finish>("finish")});
}

Digester::Digester(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Digester>(info) { as_dual_init(&dual_, nullptr, nullptr); }

void Digester::Update(const Napi::CallbackInfo &info) {
  if (finished_) throw Napi::Error::New(info.Env(), "this digester has finished; create another");
  as_span span = bytes_of(info[0], "the input of update");
  as_dual_update(&dual_, span.bytes, span.size);
}

Napi::Value Digester::Finish(const Napi::CallbackInfo &info) {
  if (finished_) throw Napi::Error::New(info.Env(), "this digester has finished; create another");
  finished_ = true;
  as_digests out;
  as_dual_finish(&dual_, &out);
  return digests(info.Env(), &out, 1);
}

}  // namespace artifactstore
