/*
 * Judging local files that are read; see source.h.
 * May include: source.h, artifactstore.h, core/error.h. Called by: as declared there.
 */
#include "store/source.h"

#include <errno.h>

#include "artifactstore.h"
#include "core/error.h"

int as_source_fail(const char *path, int error, const char *call) {
  as_fail(error, call, path);
  return AS_E_SOURCE;
}

int as_source_judge_opened(const char *path, int fd, int looked, const struct stat *before) {
  if (fd < 0) {
    /* A socket cannot be opened at all: ENXIO says so. */
    return fd == -ENXIO ? as_fail(AS_E_NOT_FILE, "open", path) : as_source_fail(path, fd, "open");
  }
  if (looked) {
    return as_source_fail(path, looked, "fstat");
  }
  return S_ISREG(before->st_mode) ? 0 : as_fail(AS_E_NOT_FILE, "open", path);
}

static int same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

int as_source_judge_read(const char *path, const struct stat *before, uint64_t length, int looked, const struct stat *now) {
  if (looked) {
    return as_source_fail(path, looked, "fstat");
  }
  int same = now->st_size == before->st_size && (uint64_t)now->st_size == length && same_time(now->st_mtim, before->st_mtim) &&
             same_time(now->st_ctim, before->st_ctim) && now->st_ino == before->st_ino;
  return same ? 0 : as_fail(AS_E_CHANGED, "read", path);
}
