// Every check of an argument and every conversion of an error between JavaScript and the C core stands here.
#pragma once

#include <napi.h>

#include <optional>
#include <string>
#include <vector>

#include "artifactstore.h"

namespace artifactstore {

// The arguments of one operation, or the elements of any list. Getters throw a TypeError that names operation and position.
class Arguments {
 public:
  Arguments(Napi::Array operation, const char *name) : operation_(operation), name_(name) {}
  uint32_t length() const { return operation_.Length(); }

  uint32_t handle(uint32_t index) const;
  uint64_t integer(uint32_t index) const;              // 0 … 2^53-1
  std::string text(uint32_t index) const;              // without NUL
  std::string path(uint32_t index) const;              // text, or the raw bytes of a name that is not UTF-8; without NUL
  as_span bytes(uint32_t index) const;                 // a Uint8Array; valid while the call runs
  const uint8_t *digest(uint32_t index) const;         // a Uint8Array of 32 bytes
  const uint8_t *optional_digest(uint32_t index) const;  // the same, or null
  uint64_t optional_size(uint32_t index) const;        // an integer, or null for AS_SIZE_UNKNOWN
  std::vector<uint32_t> numbers32(uint32_t index) const;  // a Uint32Array
  std::vector<uint32_t> ends(uint32_t index, const as_span &bytes) const;  // a Uint32Array of ascending offsets in `bytes`
  Napi::Value value(uint32_t index) const { return at(index); }
  [[noreturn]] void refuse(uint32_t index, const char *expected) const;

 private:
  Napi::Value at(uint32_t index) const { return operation_.Get(index); }

  Napi::Array operation_;
  const char *name_;
};

// A Uint8Array argument of a plain (not batched) call.
as_span bytes_of(Napi::Value value, const char *what);

// Elements of an array of one type, and how many. `what` names the function that was given another.
void *elements_of(Napi::Value value, napi_typedarray_type type, size_t *count, const char *what);

// Writes bytes as lower-case hex digits, two for each.
void write_hex(uint8_t *to, const uint8_t *from, size_t size);

// The error half of an outcome: { error, name, detail } and, for damage, { start, end }.
Napi::Value failure(Napi::Env env, int error, const std::string &detail);
Napi::Value failure(Napi::Env env, int error);  // detail from the calling thread's last failed call
Napi::Value failure(Napi::Env env, int error, const as_range &bad);

// The failure of an operation on a handle that is unknown, closed or in use by another thread.
Napi::Value stale(Napi::Env env);

// Why a commit refused an ingest; for bytes that are not the expected ones also what came instead: { …, digests, size }.
Napi::Value commit_failure(Napi::Env env, int error, const std::string &detail, const as_ingested &result);

// AS_E_OFFSET, with the offset at which the session stands: { …, durable }.
Napi::Value offset_failure(Napi::Env env, uint64_t durable);

Napi::Value session_status(Napi::Env env, const as_session_status &result);
Napi::Value sessions(Napi::Env env, const std::vector<as_session_entry> &entries);
Napi::Value ingested(Napi::Env env, const as_ingested &result);
Napi::Value verified(Napi::Env env, const as_verified &result, const as_range *bad);
Napi::Value health(Napi::Env env, const as_health &result);
Napi::Value numbers(Napi::Env env, std::initializer_list<double> values);
Napi::Value digests(Napi::Env env, const as_digests *digests, size_t count);

}  // namespace artifactstore
