/*
 * What a disk does that says it has synced and has not: preloaded into a process, it makes every sync succeed at once. Shows
 * that power-cut.test.ts would notice a store that forgets to sync. Built by power-cut.ts; never part of the product.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/types.h>

int fsync(int fd) { return (void)fd, 0; }
int fdatasync(int fd) { return (void)fd, 0; }
int syncfs(int fd) { return (void)fd, 0; }
int sync_file_range(int fd, off_t offset, off_t size, unsigned flags) {
  return (void)fd, (void)offset, (void)size, (void)flags, 0;
}

typedef int (*open_call)(int directory, const char *path, int flags, ...);

/* Writes that are synced as they are made become plain ones. */
static int open_lying(const char *name, int directory, const char *path, int flags, mode_t mode) {
  open_call real = (open_call)dlsym(RTLD_NEXT, name);
  if ((flags & O_TMPFILE) != O_TMPFILE) {
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
