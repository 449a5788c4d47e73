// Many stored objects read, verified or listed as one operation: see many_stored.h. The columns are mirrored in lib/native/addon.ts
// (NativeReadFailures, NativeVerifiedColumns, NativeListedColumns).
#include "many_stored.h"

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "handles.h"

namespace artifactstore {

namespace {

constexpr size_t kBadRangesMax = 256;  // VERIFY_RANGES_MAX in lib/limits.ts

enum VerifyFlag : uint8_t { kWhole = 0, kOther = 1, kLarge = 2, kLater = 4 };

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

// Reads the first `wanted` bytes of an object into a slot of whole groups. 0, an error of the core, or AS_E_SIZE: it has not so many.
int read_beginning(as_store *store, const uint8_t *address, uint64_t wanted, uint8_t *slot, size_t room, as_range *bad) {
  as_reader *reader = nullptr;
  uint64_t size = 0;
  size_t skip = 0, length = 0;
  *bad = {0, 0};
  int error = as_reader_open(store, address, &reader, &size);
  if (error) return error;
  error = as_reader_read(reader, 0, slot, room, &skip, &length, bad);
  as_reader_close(reader);
  return error ? error : length < wanted ? AS_E_SIZE : 0;
}

size_t slot_of(uint64_t wanted) {
  uint64_t groups = wanted ? (wanted - 1) / AS_GROUP_SIZE + 1 : 1;
  return static_cast<size_t>(groups * AS_GROUP_SIZE);
}

}  // namespace

Napi::Value read_many(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_span addresses = in.bytes(2), slab = in.bytes(4);
  std::vector<uint32_t> wanted = in.numbers32(3);
  size_t total = 0;
  for (uint32_t size : wanted) total += slot_of(size);
  if (addresses.size != wanted.size() * AS_DIGEST_SIZE) return failure(env, AS_E_INVALID, "addresses are not 32 bytes for each size");
  if (total > slab.size) return failure(env, AS_E_INVALID, "the objects do not fit the slab");
  const uint8_t *address = static_cast<const uint8_t *>(addresses.bytes);
  uint8_t *slot = static_cast<uint8_t *>(const_cast<void *>(slab.bytes));
  Napi::Object failures;
  for (size_t i = 0; i < wanted.size(); i++, address += AS_DIGEST_SIZE) {
    size_t room = slot_of(wanted[i]);
    as_range bad;
    int error = read_beginning(store.get(), address, wanted[i], slot, room, &bad);
    slot += room;
    if (!error) continue;
    if (failures.IsEmpty()) failures = Napi::Object::New(env);
    failures.Set(static_cast<uint32_t>(i), error == AS_E_CORRUPT ? failure(env, error, bad)
                                           : error == AS_E_SIZE  ? failure(env, AS_E_RANGE, "it is shorter")
                                                                 : failure(env, error));
  }
  return failures.IsEmpty() ? env.Null() : failures;
}

Napi::Value ReadNow(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  as_span address = bytes_of(info[1], "address"), bytes = bytes_of(info[2], "bytes");
  if (address.size != AS_DIGEST_SIZE) throw Napi::TypeError::New(env, "readNow: an address has 32 bytes");
  Borrowed<as_store> store(info[0].ToNumber().Uint32Value(), Kind::store);
  if (!store) return Napi::Boolean::New(env, false);
  int done = as_read_now(store.get(), static_cast<const uint8_t *>(address.bytes), const_cast<void *>(bytes.bytes), bytes.size);
  return Napi::Boolean::New(env, done != 0);
}

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

Napi::Value list_part(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_listed *listed = nullptr;
  size_t count = 0;
  int error = as_store_list(store.get(), static_cast<unsigned>(in.integer(2)), &listed, &count);
  if (error) return failure(env, error);
  std::unique_ptr<as_listed, decltype(&as_listed_free)> owner(listed, as_listed_free);
  Napi::Uint8Array addresses = Napi::Uint8Array::New(env, count * AS_DIGEST_SIZE);
  Napi::Float64Array sizes = Napi::Float64Array::New(env, count), changed = Napi::Float64Array::New(env, count);
  for (size_t i = 0; i < count; i++) {
    std::memcpy(addresses.Data() + i * AS_DIGEST_SIZE, listed[i].blake3, AS_DIGEST_SIZE);
    sizes[i] = static_cast<double>(listed[i].size);
    changed[i] = static_cast<double>(listed[i].changed);
  }
  Napi::Object columns = Napi::Object::New(env);
  columns.Set("addresses", addresses);
  columns.Set("sizes", sizes);
  columns.Set("changed", changed);
  return columns;
}

}  // namespace artifactstore
