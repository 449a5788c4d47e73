// Checks and conversions: see convert.h.
#include "convert.h"

#include <cmath>
#include <cstring>

namespace artifactstore {

namespace {

constexpr double kMaxSafeInteger = 9007199254740991.0;

bool is_bytes(Napi::Value value) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
}

// Napi::Uint8Array::Data() refuses views over shared memory on some versions; the plain call gives the pointer for both kinds.
as_span span_of(Napi::Value value) {
  void *data = nullptr;
  size_t length = 0;
  napi_typedarray_type type;
  napi_status status = napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr);
  if (status != napi_ok) throw Napi::TypeError::New(value.Env(), "cannot read this Uint8Array");
  return as_span{data, length};
}

}  // namespace

void Arguments::refuse(uint32_t index, const char *expected) const {
  throw Napi::TypeError::New(operation_.Env(), std::string(name_) + ": argument " + std::to_string(index) + " must be " + expected);
}

uint64_t Arguments::integer(uint32_t index) const {
  Napi::Value value = at(index);
  if (!value.IsNumber()) refuse(index, "an integer");
  double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0) || number > kMaxSafeInteger || number != std::floor(number)) refuse(index, "an integer of 0 to 2^53-1");
  return static_cast<uint64_t>(number);
}

uint32_t Arguments::handle(uint32_t index) const {
  uint64_t number = integer(index);
  if (number == 0 || number > UINT32_MAX) refuse(index, "a handle");
  return static_cast<uint32_t>(number);
}

std::string Arguments::text(uint32_t index) const {
  Napi::Value value = at(index);
  if (!value.IsString()) refuse(index, "text");
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) refuse(index, "text without NUL");
  return text;
}

std::string Arguments::path(uint32_t index) const {
  Napi::Value value = at(index);
  if (!is_bytes(value)) return text(index);
  as_span raw = span_of(value);
  std::string path(static_cast<const char *>(raw.bytes), raw.size);
  if (path.find('\0') != std::string::npos) refuse(index, "a path without NUL");
  return path;
}

as_span Arguments::bytes(uint32_t index) const {
  Napi::Value value = at(index);
  if (!is_bytes(value)) refuse(index, "a Uint8Array");
  return span_of(value);
}

const uint8_t *Arguments::digest(uint32_t index) const {
  as_span span = bytes(index);
  if (span.size != AS_DIGEST_SIZE) refuse(index, "a Uint8Array of 32 bytes");
  return static_cast<const uint8_t *>(span.bytes);
}

const uint8_t *Arguments::optional_digest(uint32_t index) const {
  return at(index).IsNull() ? nullptr : digest(index);
}

uint64_t Arguments::optional_size(uint32_t index) const {
  return at(index).IsNull() ? AS_SIZE_UNKNOWN : integer(index);
}

std::vector<uint32_t> Arguments::numbers32(uint32_t index) const {
  Napi::Value value = at(index);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) refuse(index, "a Uint32Array");
  Napi::Uint32Array array = value.As<Napi::Uint32Array>();
  return std::vector<uint32_t>(array.Data(), array.Data() + array.ElementLength());
}

std::vector<uint32_t> Arguments::ends(uint32_t index, const as_span &bytes) const {
  Napi::Value value = at(index);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) refuse(index, "a Uint32Array");
  Napi::Uint32Array array = value.As<Napi::Uint32Array>();
  std::vector<uint32_t> ends(array.Data(), array.Data() + array.ElementLength());
  uint32_t start = 0;
  for (uint32_t end : ends) {
    if (end < start || end > bytes.size) refuse(index, "ascending ends within the bytes");
    start = end;
  }
  return ends;
}

// One call per value: of a small input, asking for the type first costs as much as hashing it.
void *elements_of(Napi::Value value, napi_typedarray_type type, size_t *count, const char *what) {
  void *data = nullptr;
  napi_typedarray_type found;
  napi_status status = napi_get_typedarray_info(value.Env(), value, &found, count, &data, nullptr, nullptr);
  if (status != napi_ok || found != type) throw Napi::TypeError::New(value.Env(), std::string(what) + ": an array of another type");
  return data;
}

void write_hex(uint8_t *to, const uint8_t *from, size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; i++) {
    to[2 * i] = static_cast<uint8_t>(kDigits[from[i] >> 4]);
    to[2 * i + 1] = static_cast<uint8_t>(kDigits[from[i] & 15]);
  }
}

as_span bytes_of(Napi::Value value, const char *what) {
  void *data = nullptr;
  size_t length = 0;
  napi_typedarray_type type;
  napi_status status = napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr);
  if (status != napi_ok || type != napi_uint8_array) {
    throw Napi::TypeError::New(value.Env(), std::string(what) + " must be a Uint8Array");
  }
  return as_span{data, length};
}

Napi::Value failure(Napi::Env env, int error, const std::string &detail) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("error", error);
  object.Set("name", as_error_name(error));
  object.Set("detail", detail);
  return object;
}

Napi::Value failure(Napi::Env env, int error) { return failure(env, error, as_error_detail()); }

Napi::Value failure(Napi::Env env, int error, const as_range &bad) {
  Napi::Object object = failure(env, error).As<Napi::Object>();
  object.Set("start", static_cast<double>(bad.start));
  object.Set("end", static_cast<double>(bad.end));
  return object;
}

Napi::Value digests(Napi::Env env, const as_digests *digests, size_t count) {
  size_t size = count * sizeof(as_digests);
  Napi::Uint8Array array = Napi::Uint8Array::New(env, size);
  if (size) memcpy(array.Data(), digests, size);
  return array;
}

Napi::Value numbers(Napi::Env env, std::initializer_list<double> values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  uint32_t index = 0;
  for (double value : values) array.Set(index++, value);
  return array;
}

Napi::Value stale(Napi::Env env) { return failure(env, AS_E_INVALID, "unknown, closed or busy handle"); }

Napi::Value commit_failure(Napi::Env env, int error, const std::string &detail, const as_ingested &result) {
  Napi::Object object = failure(env, error, detail).As<Napi::Object>();
  if (error == AS_E_MISMATCH || error == AS_E_SIZE) {
    object.Set("digests", digests(env, &result.digests, 1));
    object.Set("size", static_cast<double>(result.size));
  }
  return object;
}

Napi::Value offset_failure(Napi::Env env, uint64_t durable) {
  Napi::Object object = failure(env, AS_E_OFFSET).As<Napi::Object>();
  object.Set("durable", static_cast<double>(durable));
  return object;
}

Napi::Value session_status(Napi::Env env, const as_session_status &result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("offset", static_cast<double>(result.offset));
  object.Set("digests", digests(env, &result.digests, 1));
  return object;
}

Napi::Value sessions(Napi::Env env, const std::vector<as_session_entry> &entries) {
  Napi::Array array = Napi::Array::New(env, entries.size());
  for (uint32_t i = 0; i < entries.size(); i++) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("id", entries[i].id);
    object.Set("changed", static_cast<double>(entries[i].changed_ms));
    object.Set("storedSize", static_cast<double>(entries[i].stored_size));
    array.Set(i, object);
  }
  return array;
}

Napi::Value ingested(Napi::Env env, const as_ingested &result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("digests", digests(env, &result.digests, 1));
  object.Set("size", static_cast<double>(result.size));
  object.Set("storedSize", static_cast<double>(result.stored_size));
  object.Set("existed", result.existed != 0);
  object.Set("healed", result.healed != 0);
  object.Set("deferred", result.deferred != 0);
  return object;
}

Napi::Value verified(Napi::Env env, const as_verified &result, const as_range *bad) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("digests", digests(env, &result.digests, 1));
  object.Set("size", static_cast<double>(result.size));
  object.Set("intact", result.intact != 0);
  object.Set("repaired", result.outboard_repaired != 0);
  Napi::Array ranges = Napi::Array::New(env, result.bad_count);
  for (uint32_t i = 0; i < result.bad_count; i++) {
    ranges.Set(i, numbers(env, {static_cast<double>(bad[i].start), static_cast<double>(bad[i].end)}));
  }
  object.Set("damaged", ranges);
  return object;
}

Napi::Value health(Napi::Env env, const as_health &result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("freeSize", static_cast<double>(result.free_bytes));
  object.Set("totalSize", static_cast<double>(result.total_bytes));
  object.Set("syncLatencyNanos", static_cast<double>(result.sync_latency_ns));
  object.Set("writable", result.writable != 0);
  object.Set("fileSystem", result.file_system);
  return object;
}

}  // namespace artifactstore
