// Many small ingests as one operation: see many.h. The columns are mirrored in lib/native/addon.ts (NativeColumns).
#include "many.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "handles.h"

namespace artifactstore {

namespace {

enum Flag : uint8_t { kExisted = 1, kHealed = 2, kOther = 4, kDeferred = 8 };

// The outcomes of all objects, by column. What is not a plain success stands in `others` by its index. Valid in the handle scope it was
// made in.
class Columns {
 public:
  Columns(Napi::Env env, size_t count)
      : env_(env),
        digests_(Napi::Uint8Array::New(env, count * sizeof(as_digests))),
        sizes_(Napi::Float64Array::New(env, count)),
        stored_(Napi::Float64Array::New(env, count)),
        flags_(Napi::Uint8Array::New(env, count)),
        others_(Napi::Object::New(env)) {}

  void told(size_t index, int status, const as_ingested &result) {
    if (status) {
      other(index, commit_failure(env_, status, result));
      return;
    }
    memcpy(digests_.Data() + index * sizeof(as_digests), &result.digests, sizeof(as_digests));
    sizes_[index] = static_cast<double>(result.size);
    stored_[index] = static_cast<double>(result.stored_size);
    flags_[index] = static_cast<uint8_t>((result.existed ? kExisted : 0) | (result.healed ? kHealed : 0) |
                                         (result.deferred ? kDeferred : 0));
  }

  void other(size_t index, Napi::Value value) {
    others_.Set(static_cast<uint32_t>(index), value);
    flags_[index] = kOther;
  }

  Napi::Value object() const {
    Napi::Object object = Napi::Object::New(env_);
    object.Set("digests", digests_);
    object.Set("sizes", sizes_);
    object.Set("storedSizes", stored_);
    object.Set("flags", flags_);
    object.Set("others", others_);
    return object;
  }

 private:
  Napi::Env env_;
  Napi::Uint8Array digests_;
  Napi::Float64Array sizes_, stored_;
  Napi::Uint8Array flags_;
  Napi::Object others_;
};

// What is expected of object `index`: `column` is null, or an array with null or [BLAKE3, SHA-256, size] for each.
as_expect expectation(Napi::Value column, size_t index) {
  if (column.IsArray()) {
    Napi::Value row = column.As<Napi::Array>().Get(static_cast<uint32_t>(index));
    if (row.IsArray()) {
      Arguments in(row.As<Napi::Array>(), "expectation");
      return as_expect{in.optional_digest(0), in.optional_digest(1), in.optional_size(2)};
    }
  }
  return as_expect{nullptr, nullptr, AS_SIZE_UNKNOWN};
}

// An ingest of a file, read from its beginning: 0 when all of it has been read, 1 when more than `most` bytes remain.
int begin_file(as_store *store, const char *path, size_t most, as_ingest **out) {
  size_t taken = 0;
  int error = as_ingest_begin_file(store, path, out);
  if (!error) error = as_ingest_pump(*out, most, &taken);
  if (!error && taken && taken < most) error = as_ingest_pump(*out, most - taken, &taken);  // the step that sees the end
  return error ? error : taken != 0;
}

}  // namespace

Napi::Value ingest_many(Napi::Env env, const Arguments &in, Commits &commits) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_span bytes = in.bytes(2);
  std::vector<uint32_t> ends = in.numbers32(3);
  Napi::Value expectations = in.value(4);
  bool deferred = in.integer(5) != 0;
  uint32_t start = 0;
  for (uint32_t end : ends) {
    if (end < start || end > bytes.size) return failure(env, AS_E_INVALID, "ends are not ascending within the bytes");
    start = end;
  }
  auto columns = std::make_shared<Columns>(env, ends.size());
  start = 0;
  for (size_t i = 0; i < ends.size(); start = ends[i++]) {
    as_expect expect = expectation(expectations, i);
    as_ingest *ingest = nullptr;
    int error = as_ingest_begin_whole(store.get(), static_cast<const uint8_t *>(bytes.bytes) + start, ends[i] - start, &ingest);
    if (error) {
      columns->other(i, failure(env, error));
    } else {
      if (deferred) as_ingest_defer(ingest);
      commits.add(in.handle(1), ingest, expect,
                  [columns, i](int status, const as_ingested &result) { columns->told(i, status, result); });
    }
  }
  return columns->object();
}

Napi::Value files_many(Napi::Env env, const Arguments &in, Commits &commits) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  Arguments paths = in.list(2);
  size_t most = in.integer(3);
  Napi::Value expectations = in.value(4);
  bool deferred = in.integer(5) != 0;
  auto columns = std::make_shared<Columns>(env, paths.length());
  for (uint32_t i = 0; i < paths.length(); i++) {
    std::string path = paths.path(i);
    as_expect expect = expectation(expectations, i);
    as_ingest *ingest = nullptr;
    int outcome = begin_file(store.get(), path.c_str(), most, &ingest);
    if (outcome < 0) {
      columns->other(i, failure(env, outcome));
      as_ingest_abort(ingest);
    } else if (outcome > 0) {
      columns->other(i, Napi::Number::New(env, handles().add(Kind::ingest, ingest, in.handle(1))));
    } else {
      if (deferred) as_ingest_defer(ingest);
      commits.add(in.handle(1), ingest, expect,
                  [columns, i](int status, const as_ingested &result) { columns->told(i, status, result); });
    }
  }
  return columns->object();
}

}  // namespace artifactstore
