// Digests for JavaScript: many inputs at once, or one stream.
#pragma once

#include <napi.h>

#include "artifactstore.h"

namespace artifactstore {

// Each writes 64 bytes an input into `out`, a Uint8Array of exactly that size: BLAKE3, then SHA-256. The caller brings the
// memory, because making an ArrayBuffer for one small input takes longer than hashing it.
void DigestOne(const Napi::CallbackInfo &info);    // digestOne(Uint8Array, out)
void DigestMany(const Napi::CallbackInfo &info);   // digestMany([Uint8Array, …], out)
void DigestParts(const Napi::CallbackInfo &info);  // digestParts(Uint8Array, Float64Array of ascending ends, out): part i ends at ends[i]

// The BLAKE3 tree over chunk groups of 16 KiB, for who checks parts of an object against its address.
void GroupValues(const Napi::CallbackInfo &info);  // groupValues(Uint8Array, first group, out): 32 bytes a group, the last of which may be shorter
void ParentValue(const Napi::CallbackInfo &info);  // parentValue(Uint8Array of two values, is root, out of 32 bytes)

// One stream: update(bytes), then finish(out), which writes 64 bytes. Spent after finish.
class Digester : public Napi::ObjectWrap<Digester> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Digester(const Napi::CallbackInfo &info);

 private:
  void Update(const Napi::CallbackInfo &info);
  void Finish(const Napi::CallbackInfo &info);

  as_dual dual_;
  bool finished_ = false;
};

}  // namespace artifactstore
