// Many stored objects verified or removed as one operation: see many_stored.h. The columns are mirrored in lib/native/addon.ts
// (NativeVerifiedColumns, NativeRemovedColumns).
#include "many_stored.h"

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "handles.h"

namespace artifactstore {

namespace {

constexpr size_t kBadRangesMax = 256;  // VERIFY_RANGES_MAX in lib/limits.ts

enum VerifyFlag : uint8_t { kWhole = 0, kOther = 1, kLarge = 2, kLater = 4 };
enum RemoveFlag : uint8_t { kRemoved = 1, kFailed = 2 };

// The addresses of an operation, 32 bytes each; nothing when the bytes are not a number of those.
std::optional<size_t> count_of(const as_span &addresses) {
  if (addresses.size % AS_DIGEST_SIZE) return std::nullopt;
  return addresses.size / AS_DIGEST_SIZE;
}

// Carries a verifier to its end.
int conclude(as_verifier *verifier, as_verified *out, std::vector<as_range> *bad) {
  size_t taken = 0;
  int error = 0;
  do {
    error = as_verifier_pump(verifier, SIZE_MAX / 2, &taken);
  } while (!error && taken > 0);
  if (error) {
    as_verifier_abort(verifier);
    return error;
  }
  bad->resize(kBadRangesMax);
  return as_verifier_finish(verifier, out, bad->data(), bad->size());
}

}  // namespace

Napi::Value verify_many(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_span addresses = in.bytes(2);
  unsigned flags = static_cast<unsigned>(in.integer(3));
  uint64_t whole = in.integer(4), budget = in.integer(5);
  std::optional<size_t> count = count_of(addresses);
  if (!count) return failure(env, AS_E_INVALID, "addresses are not 32 bytes each");
  const uint8_t *address = static_cast<const uint8_t *>(addresses.bytes);
  std::vector<as_verified> results(*count);
  std::vector<as_verify_outcome> outcomes(*count);
  uint64_t done = as_verify_many(store.get(), address, *count, flags, budget, results.data(), outcomes.data());

  Napi::Uint8Array digests = Napi::Uint8Array::New(env, *count * sizeof(as_digests));
  Napi::Float64Array sizes = Napi::Float64Array::New(env, *count);
  Napi::Uint8Array told = Napi::Uint8Array::New(env, *count);
  Napi::Object others = Napi::Object::New(env);
  std::vector<as_range> bad;
  for (size_t i = 0; i < *count; i++, address += AS_DIGEST_SIZE) {
    uint32_t slot = static_cast<uint32_t>(i);
    told[i] = outcomes[i] == AS_VERIFY_LATER || (outcomes[i] == AS_VERIFY_ALONE && done > budget) ? kLater : kWhole;
    if (outcomes[i] == AS_VERIFY_ALONE && told[i] != kLater) {
      as_verifier *verifier = nullptr;
      uint64_t size = 0;
      int error = as_verifier_open(store.get(), address, flags, &verifier, &size);
      if (!error && size > whole) {
        as_verifier_abort(verifier);
        told[i] = kLarge;
        continue;
      }
      done += size + 1;
      error = error ? error : conclude(verifier, &results[i], &bad);
      told[i] = kOther;
      others.Set(slot, error ? failure(env, error) : verified(env, results[i], bad.data()));
    } else if (told[i] == kWhole) {
      memcpy(digests.Data() + i * sizeof(as_digests), &results[i].digests, sizeof(as_digests));
      sizes[i] = static_cast<double>(results[i].size);
    }
  }
  Napi::Object columns = Napi::Object::New(env);
  columns.Set("digests", digests);
  columns.Set("sizes", sizes);
  columns.Set("flags", told);
  columns.Set("others", others);
  return columns;
}

Napi::Value remove_many(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_span addresses = in.bytes(2);
  std::optional<size_t> count = count_of(addresses);
  if (!count) return failure(env, AS_E_INVALID, "addresses are not 32 bytes each");
  std::vector<int> removed(*count), status(*count);
  std::vector<uint64_t> freed(*count);
  as_store_remove_many(store.get(), static_cast<const uint8_t *>(addresses.bytes), *count, removed.data(), freed.data(), status.data());

  Napi::Float64Array sizes = Napi::Float64Array::New(env, *count);
  Napi::Uint8Array told = Napi::Uint8Array::New(env, *count);
  Napi::Object others = Napi::Object::New(env);
  for (size_t i = 0; i < *count; i++) {
    sizes[i] = static_cast<double>(freed[i]);
    told[i] = status[i] ? kFailed : removed[i] ? kRemoved : 0;
    if (status[i]) others.Set(static_cast<uint32_t>(i), failure(env, status[i]));
  }
  Napi::Object columns = Napi::Object::New(env);
  columns.Set("freedSizes", sizes);
  columns.Set("flags", told);
  columns.Set("others", others);
  return columns;
}

}  // namespace artifactstore
