// Digests for JavaScript: see digester.h. Called by lib/digest.ts.
#include "digester.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "convert.h"

namespace artifactstore {

namespace {

constexpr uint32_t kScopeInputs = 256;  // handles that live at once: a scope for each input costs as much as reading it

constexpr double kSafeIntegerMax = 9007199254740991;

as_digests *out_of(const Napi::CallbackInfo &info, size_t index, size_t count) {
  as_span out = bytes_of(info[index], "the place for the digests");
  if (out.size != count * sizeof(as_digests)) {
    throw Napi::RangeError::New(info.Env(), "the place for the digests must have 64 bytes an input");
  }
  return static_cast<as_digests *>(const_cast<void *>(out.bytes));
}

}  // namespace

void DigestOne(const Napi::CallbackInfo &info) {
  as_span input = bytes_of(info[0], "the input of digestOne");
  as_dual_many(&input, 1, out_of(info, 1, 1));
}

void DigestMany(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  if (!info[0].IsArray()) throw Napi::TypeError::New(env, "digestMany takes an array of Uint8Array");
  Napi::Array list = info[0].As<Napi::Array>();
  std::vector<as_span> inputs(list.Length());
  for (uint32_t from = 0; from < inputs.size(); from += kScopeInputs) {
    Napi::HandleScope scope(env);
    uint32_t end = std::min<uint32_t>(from + kScopeInputs, inputs.size());
    for (uint32_t i = from; i < end; i++) inputs[i] = bytes_of(list.Get(i), "every input of digestMany");
  }
  as_dual_many(inputs.data(), inputs.size(), out_of(info, 1, inputs.size()));
}

void DigestParts(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  as_span whole = bytes_of(info[0], "the input of digestParts");
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    throw Napi::TypeError::New(env, "the ends of digestParts must be a Float64Array");
  }
  Napi::Float64Array ends = info[1].As<Napi::Float64Array>();
  std::vector<as_span> parts(ends.ElementLength());
  size_t start = 0;
  for (size_t i = 0; i < parts.size(); i++) {
    double end = ends[i];
    if (!(end >= static_cast<double>(start) && end <= static_cast<double>(whole.size)) || end != std::floor(end)) {
      throw Napi::RangeError::New(env, "the ends of digestParts must ascend and stay within the input");
    }
    parts[i] = {static_cast<const uint8_t *>(whole.bytes) + start, static_cast<size_t>(end) - start};
    start = static_cast<size_t>(end);
  }
  as_dual_many(parts.data(), parts.size(), out_of(info, 2, parts.size()));
}

void GroupValues(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  as_span input = bytes_of(info[0], "the input of groupValues");
  double first = info[1].ToNumber().DoubleValue();
  as_span out = bytes_of(info[2], "the place for the values");
  size_t whole = input.size / AS_GROUP_SIZE;
  size_t rest = input.size % AS_GROUP_SIZE;
  if (!(first >= 0 && first <= kSafeIntegerMax) || first != std::floor(first)) {
    throw Napi::RangeError::New(env, "the first group of groupValues must be a whole number from 0 on");
  }
  if (out.size != (whole + (rest ? 1 : 0)) * AS_DIGEST_SIZE) {
    throw Napi::RangeError::New(env, "the place for the values must have 32 bytes a group");
  }
  const uint8_t *bytes = static_cast<const uint8_t *>(input.bytes);
  uint8_t *values = static_cast<uint8_t *>(const_cast<void *>(out.bytes));
  uint64_t group = static_cast<uint64_t>(first);
  if (whole) as_blake3_groups(bytes, whole, group, values);
  if (rest) as_blake3_subtree(bytes + whole * AS_GROUP_SIZE, rest, group + whole, values + whole * AS_DIGEST_SIZE);
}

void ParentValue(const Napi::CallbackInfo &info) {
  as_span pair = bytes_of(info[0], "the input of parentValue");
  as_span out = bytes_of(info[2], "the place for the value");
  if (pair.size != 2 * AS_DIGEST_SIZE || out.size != AS_DIGEST_SIZE) {
    throw Napi::RangeError::New(info.Env(), "parentValue takes 64 bytes and gives 32");
  }
  const uint8_t *values = static_cast<const uint8_t *>(pair.bytes);
  as_blake3_parent(values, values + AS_DIGEST_SIZE, info[1].ToBoolean(), static_cast<uint8_t *>(const_cast<void *>(out.bytes)));
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

void Digester::Finish(const Napi::CallbackInfo &info) {
  if (finished_) throw Napi::Error::New(info.Env(), "this digester has finished; create another");
  as_digests *out = out_of(info, 0, 1);
  finished_ = true;
  as_dual_finish(&dual_, out);
}

}  // namespace artifactstore
