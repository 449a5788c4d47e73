// Walking a directory tree in steps, as jobs: see jobs.h. The columns are mirrored in lib/native/addon.ts (NativeFound).
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "handles.h"
#include "jobs.h"

namespace artifactstore {

namespace {

// One step of a walk; the first begins it.
class WalkJob : public Job {
 public:
  WalkJob(std::string root, std::string avoid, uint64_t most) : root_(std::move(root)), avoid_(std::move(avoid)), most_(most) {}
  WalkJob(uint32_t handle, uint64_t most) : handle_(handle), most_(most) {}
  ~WalkJob() override { as_walk_end(begun_); }

  void work() override {
    if (handle_) {
      Borrowed<as_walk> walk(handle_, Kind::walk);
      if (!walk) {
        error_ = AS_E_INVALID;
        detail_ = "unknown, closed or busy handle";
        return;
      }
      take(walk.get());
      if (error_ || ended_) as_walk_end(walk.take());
    } else {
      note(as_walk_begin(root_.c_str(), avoid_.empty() ? nullptr : avoid_.c_str(), &begun_));
      if (!error_) take(begun_);
      if (error_ || ended_) as_walk_end(std::exchange(begun_, nullptr));
    }
  }

  Napi::Value outcome(Napi::Env env) override {
    if (error_) return failure(env, error_, detail_);
    if (begun_) handle_ = handles().add(Kind::walk, std::exchange(begun_, nullptr));
    size_t count = kinds_.size();
    Napi::Uint8Array paths = Napi::Uint8Array::New(env, paths_.size()), kinds = Napi::Uint8Array::New(env, count);
    Napi::Uint32Array ends = Napi::Uint32Array::New(env, count);
    if (!paths_.empty()) memcpy(paths.Data(), paths_.data(), paths_.size());
    if (count) memcpy(kinds.Data(), kinds_.data(), count);
    if (count) memcpy(ends.Data(), ends_.data(), count * sizeof(uint32_t));
    Napi::Object reasons = Napi::Object::New(env);
    for (const auto &[index, reason] : reasons_) reasons.Set(index, reason);
    Napi::Object columns = Napi::Object::New(env);
    columns.Set("paths", paths);
    columns.Set("ends", ends);
    columns.Set("kinds", kinds);
    columns.Set("reasons", reasons);
    columns.Set("walk", ended_ ? 0 : handle_);
    return columns;
  }

 private:
  void note(int error) {
    error_ = error < 0 ? error : 0;
    if (error_) detail_ = as_error_detail();
  }

  void take(as_walk *walk) {
    as_walked found;
    int more = 0;
    while (kinds_.size() < most_ && (more = as_walk_next(walk, &found)) > 0) {
      if (found.kind == AS_WALKED_UNREADABLE) reasons_[static_cast<uint32_t>(kinds_.size())] = as_error_reason(found.error);
      paths_.append(found.path, found.length);
      ends_.push_back(static_cast<uint32_t>(paths_.size()));
      kinds_.push_back(static_cast<uint8_t>(found.kind));
    }
    note(more);
    ended_ = kinds_.size() < most_;
  }

  std::string root_, avoid_;
  uint32_t handle_ = 0;
  uint64_t most_;
  as_walk *begun_ = nullptr;
  bool ended_ = false;
  int error_ = 0;
  std::string detail_, paths_;
  std::vector<uint32_t> ends_;
  std::vector<uint8_t> kinds_;
  std::map<uint32_t, std::string> reasons_;
};

// A walk that is given up.
class EndJob : public Job {
 public:
  explicit EndJob(uint32_t handle) : handle_(handle) {}

  void work() override {
    Borrowed<as_walk> walk(handle_, Kind::walk);
    if (walk) as_walk_end(walk.take());
  }

  Napi::Value outcome(Napi::Env env) override { return env.Null(); }

 private:
  uint32_t handle_;
};

}  // namespace

std::shared_ptr<Job> walk_begin(const Arguments &in) {
  return std::make_shared<WalkJob>(in.path(1), in.value(2).IsNull() ? std::string() : in.path(2), in.integer(3));
}

std::shared_ptr<Job> walk_next(const Arguments &in) { return std::make_shared<WalkJob>(in.handle(1), in.integer(2)); }

std::shared_ptr<Job> walk_end(const Arguments &in) { return std::make_shared<EndJob>(in.handle(1)); }

}  // namespace artifactstore
