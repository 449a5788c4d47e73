// The Node-API shell: registers the few calls. Nothing else in native/ knows that Node exists.
#include <napi.h>

#include "artifactstore.h"
#include "chunker.h"
#include "crew.h"
#include "digester.h"
#include "many_stored.h"
#include "operations.h"
#include "memory.h"
#include "peer.h"
#include "pieces.h"
#include "records.h"
#include "rows.h"
#include "sender.h"

namespace {

Napi::Object PathCounter(Napi::Env env, const as_path_counter &counter) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("calls", static_cast<double>(counter.calls));
  object.Set("units", static_cast<double>(counter.units));
  return object;
}

// How often each way through the kernels ran in this process.
Napi::Object Counters(Napi::Env env) {
  as_counters counters;
  as_kernel_counters(&counters);
  Napi::Object object = Napi::Object::New(env);
  object.Set("oneStream", PathCounter(env, counters.one_stream));
  object.Set("twoStream", PathCounter(env, counters.two_stream));
  object.Set("batch", PathCounter(env, counters.batch));
  return object;
}

// describe() → facts for `doctor`: which kernels, which I/O, which store format.
Napi::Value Describe(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Napi::Object facts = Napi::Object::New(env);
  Napi::Array kernels = Napi::Array::New(env);
  const char *const *names = as_kernel_names();
  for (uint32_t i = 0; names[i]; i++) kernels.Set(i, names[i]);
  facts.Set("kernel", as_kernel_name());
  facts.Set("kernels", kernels);
  facts.Set("cpuFeatures", as_cpu_features());
  facts.Set("io", as_io_name());
  facts.Set("ioReason", as_io_reason());
  facts.Set("counters", Counters(env));
  facts.Set("storeFormat", static_cast<double>(AS_STORE_FORMAT_VERSION));
  return facts;
}

// selectKernel(name): for tests and benchmarks.
void SelectKernel(const Napi::CallbackInfo &info) {
  std::string name = info[0].ToString().Utf8Value();
  if (as_kernel_select(name.c_str())) {
    throw Napi::RangeError::New(info.Env(), "this machine has no kernel set named '" + name + "'");
  }
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("describe", Napi::Function::New<Describe>(env, "describe"));
  exports.Set("selectKernel", Napi::Function::New<SelectKernel>(env, "selectKernel"));
  exports.Set("digestOne", Napi::Function::New<artifactstore::DigestOne>(env, "digestOne"));
  exports.Set("digestMany", Napi::Function::New<artifactstore::DigestMany>(env, "digestMany"));
  exports.Set("digestParts", Napi::Function::New<artifactstore::DigestParts>(env, "digestParts"));
  exports.Set("groupValues", Napi::Function::New<artifactstore::GroupValues>(env, "groupValues"));
  exports.Set("parentValue", Napi::Function::New<artifactstore::ParentValue>(env, "parentValue"));
  exports.Set("Digester", artifactstore::Digester::Define(env));
  exports.Set("Chunker", artifactstore::Chunker::Define(env));
  exports.Set("dropSocket", Napi::Function::New<artifactstore::DropSocket>(env, "dropSocket"));
  exports.Set("freeBytes", Napi::Function::New<artifactstore::FreeBytes>(env, "freeBytes"));
  exports.Set("keepPieces", Napi::Function::New<artifactstore::KeepPieces>(env, "keepPieces"));
  exports.Set("dropPieces", Napi::Function::New<artifactstore::DropPieces>(env, "dropPieces"));
  exports.Set("widenSocket", Napi::Function::New<artifactstore::WidenSocket>(env, "widenSocket"));
  exports.Set("packRows", Napi::Function::New<artifactstore::PackRows>(env, "packRows"));
  exports.Set("unpackRow", Napi::Function::New<artifactstore::UnpackRow>(env, "unpackRow"));
  exports.Set("fillRecords", Napi::Function::New<artifactstore::FillRecords>(env, "fillRecords"));
  exports.Set("keepSocket", Napi::Function::New<artifactstore::KeepSocket>(env, "keepSocket"));
  exports.Set("peerOf", Napi::Function::New<artifactstore::PeerOf>(env, "peerOf"));
  exports.Set("readNow", Napi::Function::New<artifactstore::ReadNow>(env, "readNow"));
  exports.Set("run", Napi::Function::New<artifactstore::Run>(env, "run"));
  exports.Set("sendAnswers", Napi::Function::New<artifactstore::SendAnswers>(env, "sendAnswers"));
  exports.Set("start", Napi::Function::New<artifactstore::Start>(env, "start"));
  return exports;
}

}  // namespace

NODE_API_MODULE(artifactstore, Init)
