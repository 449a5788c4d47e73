// Work on threads of the addon's own. A worker thread of JavaScript costs some 40 ms of a core to start and a copy of all that goes to it and
// comes back; one of these costs a system call. So what most programs do to a store, open it, put objects into it and close it, runs here;
// everything else goes to workers (operations.h).
#pragma once

#include <napi.h>

#include <condition_variable>
#include <mutex>

namespace artifactstore {

// One piece of work. It is made, and tells its outcome, on a thread of JavaScript; in between it must touch nothing that belongs to that.
class Job {
 public:
  virtual ~Job() = default;
  // Done once, on a thread of the crew.
  virtual void work() = 0;
  // What came of it.
  virtual Napi::Value outcome(Napi::Env env) = 0;

  // For the crew: does the work, then, before `await` returns on another thread, `tell`.
  template <typename Tell>
  void perform(Tell tell) {
    work();
    std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
    tell();
    changed_.notify_all();
  }

  // Waits until the crew is done with it.
  void await() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
};

// start(operation, told): carries out an operation that jobs.h knows and calls `told` with the outcome. Throws a
// TypeError for arguments that are none. How many run at once is the caller's to bound: there is a thread for each, up to kThreadsMax.
void Start(const Napi::CallbackInfo &info);

}  // namespace artifactstore
