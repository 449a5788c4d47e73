// Streams in pieces out of sockets: see pieces.h and jobs.h.
#include "pieces.h"

#include <string>

#include "codes.h"
#include "handles.h"
#include "jobs.h"

namespace artifactstore {

namespace {

class ReceiveJob : public Job {
 public:
  explicit ReceiveJob(const Arguments &in) : pieces_(in.handle(1)), into_(in.bytes(2)), wait_(static_cast<int>(in.integer(3))) {}

  void work() override {
    Borrowed<as_pieces> pieces(pieces_, Kind::pieces);
    if (!pieces) {
      error_ = AS_E_INVALID;
      detail_ = "unknown, closed or busy handle";
      return;
    }
    error_ = as_pieces_receive(pieces.get(), const_cast<void *>(into_.bytes), into_.size, wait_, &filled_);
    if (error_) detail_ = as_error_detail();
    mark_ = as_pieces_mark(pieces.get());
  }

  // What came before the other end had gone is given first; the next call gives the error.
  Napi::Value outcome(Napi::Env env) override {
    if (error_ && !filled_) return failure(env, error_, detail_);
    return numbers(env, {static_cast<double>(filled_), static_cast<double>(mark_)});
  }

 private:
  uint32_t pieces_;
  as_span into_;
  int wait_;
  size_t filled_ = 0;
  int64_t mark_ = AS_PIECES_GO_ON;
  int error_ = 0;
  std::string detail_;
};

}  // namespace

std::shared_ptr<Job> pieces_receive(const Arguments &in) { return std::make_shared<ReceiveJob>(in); }

Napi::Value KeepPieces(const Napi::CallbackInfo &info) {
  as_pieces *pieces = nullptr;
  int error = as_pieces_begin(info[0].ToNumber().Int32Value(), &pieces);
  return Napi::Number::New(info.Env(), error ? 0 : handles().add(Kind::pieces, pieces));
}

Napi::Value WidenSocket(const Napi::CallbackInfo &info) {
  as_socket_widen(info[0].ToNumber().Int32Value(), info[1].ToNumber().Uint32Value());
  return info.Env().Undefined();
}

Napi::Value DropPieces(const Napi::CallbackInfo &info) {
  Borrowed<as_pieces> pieces(info[0].ToNumber().Uint32Value(), Kind::pieces);
  if (pieces) as_pieces_end(pieces.take());
  return info.Env().Undefined();
}

}  // namespace artifactstore
