// The threads and their queue: see crew.h. Called by lib/native/scheduler.ts.
#include "crew.h"

#include <dlfcn.h>

#include <deque>
#include <memory>
#include <thread>

#include "convert.h"
#include "jobs.h"

namespace artifactstore {

namespace {

constexpr size_t kThreadsMax = 8 + 1 + 2;  // WORKERS_MAX in lib/limits.ts, one more, and one each that removes and compacts beside them

// A job on its way. Whoever is last lets go of it: the crew, or JavaScript, which may end while the work is being done.
struct Task {
  std::shared_ptr<Job> job;
  Napi::ThreadSafeFunction told;
};

// Never destroyed: its threads wait on it until the process has ended.
class Crew {
 public:
  void add(Task task) {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(task));
    if (idle_ >= waiting_.size() || threads_ == kThreadsMax) {
      changed_.notify_one();
    } else {
      if (threads_++ == 0) stay_loaded();
      std::thread([this] { serve(); }).detach();
    }
  }

 private:
  [[noreturn]] void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      idle_++;
      changed_.wait(lock, [this] { return !waiting_.empty(); });
      idle_--;
      Task task = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      // The function is gone as soon as its finalizer, which awaits the job, has run: so it is told before that. It refuses when JavaScript is
      // ending; then nobody waits to be told, and there is nothing to release.
      task.job->perform([&task] {
        napi_status status = task.told.BlockingCall([job = task.job](Napi::Env env, Napi::Function told) {
          if (env) told.Call({job->outcome(env)});
        });
        if (status == napi_ok) task.told.Release();
      });
      task = Task();
      lock.lock();
    }
  }

  // A library is unloaded when the last JavaScript thread that loaded it ends; these threads run its code for longer.
  static void stay_loaded() {
    static char here;
    Dl_info info;
    if (dladdr(&here, &info)) dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> waiting_;
  size_t idle_ = 0;
  size_t threads_ = 0;
};

Crew &crew() {
  static Crew *one = new Crew;
  return *one;
}

}  // namespace

void Start(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsArray() || !info[1].IsFunction()) {
    throw Napi::TypeError::New(env, "start takes an operation and a function");
  }
  Napi::Array operation = info[0].As<Napi::Array>();
  std::shared_ptr<Job> job = make_job(env, operation);
  // The operation is kept until the work is done: its bytes may be memory of JavaScript. Also where a thread of JavaScript ends before.
  auto *kept = new Napi::Reference<Napi::Array>(Napi::Persistent(operation));
  auto told = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "artifactstore", 0, 1, [job, kept](Napi::Env) {
    job->await();
    delete kept;
  });
  crew().add(Task{std::move(job), told});
}

}  // namespace artifactstore
