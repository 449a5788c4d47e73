// Removing many objects, and compacting what they leave, as jobs: both take long and may wait, and no reader or writer is to wait behind them for a worker.
// See jobs.h. The columns are mirrored in lib/native/addon.ts (NativeRemovedColumns, NativeCompacted).
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "handles.h"
#include "jobs.h"

namespace artifactstore {

namespace {

enum Flag : uint8_t { kRemoved = 1, kFailed = 2 };

class RemoveMany : public Job {
 public:
  explicit RemoveMany(const Arguments &in) : store_(in.handle(1)), addresses_(in.bytes(2)), erase_(in.integer(3) != 0) {
    if (addresses_.size % AS_DIGEST_SIZE) in.refuse(2, "addresses of 32 bytes each");
  }

  void work() override {
    Borrowed<as_store> store(store_, Kind::store);
    refused_ = !store;
    if (refused_) return;
    size_t count = addresses_.size / AS_DIGEST_SIZE;
    removed_.resize(count);
    status_.resize(count);
    freed_.resize(count);
    auto remove = erase_ ? as_store_erase_many : as_store_remove_many;
    remove(store.get(), static_cast<const uint8_t *>(addresses_.bytes), count, removed_.data(), freed_.data(), status_.data());
    detail_ = as_error_detail();
  }

  Napi::Value outcome(Napi::Env env) override {
    if (refused_) return stale(env);
    size_t count = status_.size();
    Napi::Float64Array sizes = Napi::Float64Array::New(env, count);
    Napi::Uint8Array flags = Napi::Uint8Array::New(env, count);
    Napi::Object others = Napi::Object::New(env);
    for (size_t i = 0; i < count; i++) {
      sizes[i] = static_cast<double>(freed_[i]);
      flags[i] = static_cast<uint8_t>(status_[i] ? kFailed : removed_[i] ? kRemoved : 0);
      if (status_[i]) others.Set(static_cast<uint32_t>(i), failure(env, status_[i], detail_));
    }
    Napi::Object columns = Napi::Object::New(env);
    columns.Set("freedSizes", sizes);
    columns.Set("flags", flags);
    columns.Set("others", others);
    return columns;
  }

 private:
  uint32_t store_;
  as_span addresses_;
  bool erase_;
  bool refused_ = false;
  std::vector<int> removed_, status_;
  std::vector<uint64_t> freed_;
  std::string detail_;  // of the last error of the thread, as before: one speaks for all
};

class Compact : public Job {
 public:
  explicit Compact(const Arguments &in) : store_(in.handle(1)), from_(in.integer(2)), percent_(static_cast<unsigned>(in.integer(3))) {}

  void work() override {
    Borrowed<as_store> store(store_, Kind::store);
    refused_ = !store;
    if (refused_) return;
    error_ = as_store_compact(store.get(), from_, percent_, &result_);
    if (error_) detail_ = as_error_detail();
  }

  // [where to go on or 0, bytes copied, bytes freed, segments deleted].
  Napi::Value outcome(Napi::Env env) override {
    if (refused_) return stale(env);
    if (error_) return failure(env, error_, detail_);
    return numbers(env, {static_cast<double>(result_.next), static_cast<double>(result_.moved_bytes),
                         static_cast<double>(result_.freed_bytes), static_cast<double>(result_.removed)});
  }

 private:
  uint32_t store_;
  uint64_t from_;
  unsigned percent_;
  bool refused_ = false;
  int error_ = 0;
  std::string detail_;
  as_compacted result_{};
};

}  // namespace

std::shared_ptr<Job> remove_many(const Arguments &in) { return std::make_shared<RemoveMany>(in); }

std::shared_ptr<Job> compact(const Arguments &in) { return std::make_shared<Compact>(in); }

}  // namespace artifactstore
