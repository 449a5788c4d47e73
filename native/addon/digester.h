// Digests for JavaScript: many inputs at once, or one stream.
#pragma once

#include <napi.h>

#include "artifactstore.h"

namespace artifactstore {

// digestMany([Uint8Array, …]) → Uint8Array of 64 bytes an input: BLAKE3, then SHA-256.
Napi::Value DigestMany(const Napi::CallbackInfo &info);

// One stream: update(bytes), then finish() → Uint8Array of 64 bytes. Spent after finish.
class Digester : public Napi::ObjectWrap<Digester> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Digester(const Napi::CallbackInfo &info);

 private:
  void Update(const Napi::CallbackInfo &info);
  Napi::Value Finish(const Napi::CallbackInfo &info);

  as_dual dual_;
  bool finished_ = false;
};

}  // namespace artifactstore
