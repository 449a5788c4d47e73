// Bytes of objects from elsewhere into local files, as jobs: see jobs.h.
#include <string>
#include <utility>
#include <vector>

#include "codes.h"
#include "handles.h"
#include "jobs.h"

namespace artifactstore {

namespace {

std::vector<uint8_t> copy_of(as_span span) {
  const auto *bytes = static_cast<const uint8_t *>(span.bytes);
  return std::vector<uint8_t>(bytes, bytes + span.size);
}

class BeginJob : public Job {
 public:
  explicit BeginJob(const Arguments &in) : path_(in.path(1)), first_(in.integer(2)), size_(in.integer(3)) {}
  ~BeginJob() override { as_proven_file_abort(file_); }

  void work() override {
    error_ = as_proven_file_begin(path_.c_str(), first_, size_, &file_);
    if (error_) detail_ = as_error_detail();
  }

  Napi::Value outcome(Napi::Env env) override {
    if (error_) return failure(env, error_, detail_);
    return Napi::Number::New(env, handles().add(Kind::proven_file, std::exchange(file_, nullptr)));
  }

 private:
  std::string path_;
  uint64_t first_;
  uint64_t size_;
  as_proven_file *file_ = nullptr;
  int error_ = 0;
  std::string detail_;
};

// What is done to one that has begun. The outcome is where it stands then.
class StepJob : public Job {
 public:
  explicit StepJob(uint32_t handle) : handle_(handle) {}

  void work() override {
    Borrowed<as_proven_file> file(handle_, Kind::proven_file);
    if (!file) {
      error_ = AS_E_INVALID;
      detail_ = "unknown, closed or busy handle";
      return;
    }
    error_ = step(file);
    if (error_) detail_ = as_error_detail();
  }

  Napi::Value outcome(Napi::Env env) override {
    if (!error_) return Napi::Number::New(env, static_cast<double>(position_));
    Napi::Value refused = failure(env, error_, detail_);
    refused.As<Napi::Object>().Set("position", static_cast<double>(position_));
    return refused;
  }

 protected:
  // Carries it out, and notes where the file stands.
  virtual int step(Borrowed<as_proven_file> &file) = 0;
  uint64_t position_ = 0;

 private:
  uint32_t handle_;
  int error_ = 0;
  std::string detail_;
};

class ReceiveJob : public StepJob {
 public:
  explicit ReceiveJob(const Arguments &in)
      : StepJob(in.handle(1)),
        socket_(static_cast<int>(in.integer(2))),
        values_(copy_of(in.bytes(3))),
        wait_(static_cast<int>(in.integer(4))) {}

 protected:
  int step(Borrowed<as_proven_file> &file) override {
    int error = as_proven_file_receive(file.get(), socket_, values_.data(), values_.size() / AS_DIGEST_SIZE, wait_);
    position_ = as_proven_file_position(file.get());
    return error;
  }

 private:
  int socket_;
  std::vector<uint8_t> values_;
  int wait_;
};

class AppendJob : public StepJob {
 public:
  explicit AppendJob(const Arguments &in) : StepJob(in.handle(1)), bytes_(copy_of(in.bytes(2))), values_(copy_of(in.bytes(3))) {}

 protected:
  int step(Borrowed<as_proven_file> &file) override {
    int error = as_proven_file_append(file.get(), bytes_.data(), bytes_.size(), values_.data(), values_.size() / AS_DIGEST_SIZE);
    position_ = as_proven_file_position(file.get());
    return error;
  }

 private:
  std::vector<uint8_t> bytes_;
  std::vector<uint8_t> values_;
};

class EndJob : public StepJob {
 public:
  EndJob(const Arguments &in, bool keeps) : StepJob(in.handle(1)), keeps_(keeps) {}

 protected:
  int step(Borrowed<as_proven_file> &file) override {
    position_ = as_proven_file_position(file.get());
    if (keeps_) return as_proven_file_end(file.take());
    as_proven_file_abort(file.take());
    return 0;
  }

 private:
  bool keeps_;
};

}  // namespace

std::shared_ptr<Job> proven_file(uint32_t code, const Arguments &in) {
  switch (code) {
    case kProvenFileBegin: return std::make_shared<BeginJob>(in);
    case kProvenFileReceive: return std::make_shared<ReceiveJob>(in);
    case kProvenFileAppend: return std::make_shared<AppendJob>(in);
    default: return std::make_shared<EndJob>(in, code == kProvenFileEnd);
  }
}

}  // namespace artifactstore
