// Opening and closing a store, and the table of jobs: see jobs.h.
#include "jobs.h"

#include <string>
#include <utility>

#include "codes.h"
#include "handles.h"

namespace artifactstore {

namespace {

class OpenJob : public Job {
 public:
  explicit OpenJob(const Arguments &in) : path_(in.path(1)), flags_(static_cast<unsigned>(in.integer(2))) {}
  ~OpenJob() override {
    if (store_) as_store_close(store_);
  }

  void work() override {
    error_ = as_store_open(path_.c_str(), flags_, &store_);
    if (error_) detail_ = as_error_detail();
  }

  Napi::Value outcome(Napi::Env env) override {
    if (error_) return failure(env, error_, detail_);
    return Napi::Number::New(env, handles().add(Kind::store, std::exchange(store_, nullptr)));
  }

 private:
  std::string path_;
  unsigned flags_;
  as_store *store_ = nullptr;
  int error_ = 0;
  std::string detail_;
};

class CloseJob : public Job {
 public:
  explicit CloseJob(const Arguments &in) : store_(in.handle(1)) {}

  void work() override {
    Borrowed<as_store> store(store_, Kind::store);
    if (!store) {
      refused_ = "unknown, closed or busy handle";
    } else if (handles().has_dependents(store_)) {
      refused_ = "the store is still in use";
    } else {
      as_store_close(store.take());
    }
  }

  Napi::Value outcome(Napi::Env env) override { return refused_ ? failure(env, AS_E_INVALID, refused_) : env.Null(); }

 private:
  uint32_t store_;
  const char *refused_ = nullptr;
};

}  // namespace

std::shared_ptr<Job> make_job(Napi::Env env, Napi::Array operation) {
  uint32_t code = operation.Get(0u).ToNumber().Uint32Value();
  switch (code) {
    case kOpen: return std::make_shared<OpenJob>(Arguments(operation, "open"));
    case kClose: return std::make_shared<CloseJob>(Arguments(operation, "close"));
    case kIngestMany: return ingest_many(Arguments(operation, "ingestMany"));
    case kFilesMany: return files_many(Arguments(operation, "filesMany"));
    case kOpenBeneath: return open_beneath(Arguments(operation, "openBeneath"));
    case kWalkBegin: return walk_begin(Arguments(operation, "walkBegin"));
    case kWalkNext: return walk_next(Arguments(operation, "walkNext"));
    case kWalkEnd: return walk_end(Arguments(operation, "walkEnd"));
    case kProvenFileBegin:
    case kProvenFileReceive:
    case kProvenFileAppend:
    case kProvenFileEnd:
    case kProvenFileAbort: return proven_file(code, Arguments(operation, "provenFile"));
    case kRemoveMany: return remove_many(Arguments(operation, "removeMany"));
    case kCompact: return compact(Arguments(operation, "compact"));
    case kPiecesReceive: return pieces_receive(Arguments(operation, "piecesReceive"));
    default: throw Napi::TypeError::New(env, "start: this operation is for a worker");
  }
}

}  // namespace artifactstore
