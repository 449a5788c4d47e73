/*
 * What a store would do that forgets to sync: preloaded into a process, it makes every sync of files whose path contains
 * $LIE_ABOUT succeed at once. Shows that power-cut.test.ts notices. Built by power-cut.ts; never part of the product.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int lies_about(const char *path) {
  const char *about = getenv("LIE_ABOUT");
  return about && strstr(path, about) != NULL;
}

static int lies_about_file(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 2);
  if (size < 0) {
    return 0;
  }
  memcpy(path + size, "/", 2); /* so that a folder's path contains its own name between slashes */
  return lies_about(path);
}

int fsync(int fd) { return lies_about_file(fd) ? 0 : (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return lies_about_file(fd) ? 0 : (int)syscall(SYS_fdatasync, fd); }
int syncfs(int fd) { return lies_about_file(fd) ? 0 : (int)syscall(SYS_syncfs, fd); }
int sync_file_range(int fd, off_t offset, off_t size, unsigned flags) {
  return lies_about_file(fd) ? 0 : (int)syscall(SYS_sync_file_range, fd, offset, size, flags);
}

typedef int (*open_call)(int directory, const char *path, int flags, ...);

/* Writes that are synced as they are made become plain ones. */
static int open_lying(const char *name, int directory, const char *path, int flags, mode_t mode) {
  open_call real = (open_call)dlsym(RTLD_NEXT, name);
  if ((flags & O_TMPFILE) != O_TMPFILE && (lies_about(path) || (directory != AT_FDCWD && lies_about_file(directory)))) {
    flags &= ~(O_SYNC | O_DSYNC | O_DIRECT);
  }
  return real(directory, path, flags, mode);
}

#define OPEN(name)                                             \
  int name(int directory, const char *path, int flags, ...) { \
    va_list arguments;                                         \
    va_start(arguments, flags);                                \
    mode_t mode = va_arg(arguments, mode_t);                   \
    va_end(arguments);                                         \
    return open_lying(#name, directory, path, flags, mode);    \
  }

OPEN(openat)
OPEN(openat64)
