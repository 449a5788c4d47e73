// Files of others, opened beneath a folder and nowhere else: a job, see jobs.h. For the daemon, which reads files that its clients name. The kernel resolves the
// path (openat2(2), RESOLVE_BENEATH), so neither `..` nor a link, nor one that is put there meanwhile, leads out of the folder.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "jobs.h"

#if defined(__linux__)
#include <sys/syscall.h>
#ifndef SYS_openat2
#define SYS_openat2 437  // the same on every architecture
#endif
#endif

namespace artifactstore {

namespace {

// As <linux/openat2.h> has it, which older systems lack.
struct OpenHow {
  uint64_t flags, mode, resolve;
};
constexpr uint64_t kNoMagicLinks = 0x02, kBeneath = 0x08;

// A descriptor that stands for the regular file and reads nothing yet (O_PATH); negative errno.
int open_beneath(int folder, const char *path) {
#if defined(__linux__)
  OpenHow how = {O_PATH | O_CLOEXEC, 0, kBeneath | kNoMagicLinks};
  int fd = static_cast<int>(syscall(SYS_openat2, folder, path, &how, sizeof how));
  if (fd < 0) return -errno;
  struct stat found;
  if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) return fd;
  close(fd);
  return -EINVAL;
#else
  (void)folder, (void)path;
  return -ENOSYS;
#endif
}

class OpenBeneathJob : public Job {
 public:
  explicit OpenBeneathJob(const Arguments &in) : folder_(in.path(1)) {
    as_span paths = in.bytes(2);
    const char *bytes = static_cast<const char *>(paths.bytes);
    uint32_t start = 0;
    for (uint32_t end : in.ends(3, paths)) {
      paths_.emplace_back(bytes + start, end - start);
      start = end;
    }
  }
  ~OpenBeneathJob() override {
    for (int fd : found_)
      if (fd >= 0) close(fd);
  }

  void work() override {
    int folder = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = -errno;
    for (const std::string &path : paths_) {
      bool has_nul = path.find('\0') != std::string::npos;
      found_.push_back(folder < 0 ? error : has_nul ? -EINVAL : open_beneath(folder, path.c_str()));
    }
    if (folder >= 0) close(folder);
  }

  Napi::Value outcome(Napi::Env env) override {
    Napi::Array fds = Napi::Array::New(env, found_.size());
    for (uint32_t i = 0; i < found_.size(); i++) fds[i] = std::exchange(found_[i], -1);
    return fds;
  }

 private:
  std::string folder_;
  std::vector<std::string> paths_;
  std::vector<int> found_;
};

}  // namespace

std::shared_ptr<Job> open_beneath(const Arguments &in) { return std::make_shared<OpenBeneathJob>(in); }

}  // namespace artifactstore
