/*
 * The engine on plain POSIX and Linux calls, one attempt each; see io.h for what is asked of them.
 * May include: io.h, the C library, Linux headers. Called through: as_io_posix.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "io/io.h"

/* The result of a call that answers -1 on failure. */
static int outcome(int result) { return result < 0 ? -errno : result; }

static int posix_open(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  (void)io;
  return outcome(openat(directory, path, flags | O_CLOEXEC, mode));
}

static int posix_close(const as_io *io, int fd) {
  (void)io;
  return outcome(close(fd));
}

static ssize_t posix_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  (void)io;
  ssize_t count = pread(fd, bytes, size, (off_t)offset);
  return count < 0 ? -errno : count;
}

static ssize_t posix_read_cached(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  (void)io;
  struct iovec part = {.iov_base = bytes, .iov_len = size};
  ssize_t count = preadv2(fd, &part, 1, (off_t)offset, RWF_NOWAIT); /* a file system without it says EOPNOTSUPP */
  return count < 0 ? -EAGAIN : count;
}

static ssize_t posix_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  (void)io;
  ssize_t count = pwrite(fd, bytes, size, (off_t)offset);
  return count < 0 ? -errno : count;
}

static int posix_truncate(const as_io *io, int fd, uint64_t size) {
  (void)io;
  return outcome(ftruncate(fd, (off_t)size));
}

static int posix_sync_data(const as_io *io, int fd) {
  (void)io;
  return outcome(fdatasync(fd));
}

static int posix_sync_all(const as_io *io, int fd) {
  (void)io;
  return outcome(fsync(fd));
}

/* Before Linux 5.8 syncfs waited for write-back but kept its errors to itself, so success there proves nothing. */
static int syncfs_reports_errors(void) {
  struct utsname system;
  unsigned major = 0, minor = 0;
  if (uname(&system) != 0 || sscanf(system.release, "%u.%u", &major, &minor) != 2) {
    return 0;
  }
  return major > 5 || (major == 5 && minor >= 8);
}

static int posix_sync_file_system(const as_io *io, int fd) {
  (void)io;
  return syncfs_reports_errors() ? outcome(syncfs(fd)) : -ENOSYS;
}

static int posix_link(const as_io *io, int from_directory, const char *from, int to_directory, const char *to) {
  (void)io;
  return outcome(linkat(from_directory, from, to_directory, to, 0));
}

static int posix_link_open(const as_io *io, int fd, int to_directory, const char *to) {
  (void)io;
  char from[32];
  snprintf(from, sizeof from, "/proc/self/fd/%d", fd); /* AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH */
  return outcome(linkat(AT_FDCWD, from, to_directory, to, AT_SYMLINK_FOLLOW));
}

static int posix_rename(const as_io *io, int from_directory, const char *from, int to_directory, const char *to) {
  (void)io;
  return outcome(renameat(from_directory, from, to_directory, to));
}

static int posix_unlink(const as_io *io, int directory, const char *path) {
  (void)io;
  return outcome(unlinkat(directory, path, 0));
}

static int posix_make_directory(const as_io *io, int directory, const char *path, mode_t mode) {
  (void)io;
  return outcome(mkdirat(directory, path, mode));
}

static int posix_change_mode(const as_io *io, int fd, mode_t mode) {
  (void)io;
  return outcome(fchmod(fd, mode));
}

static int posix_stat(const as_io *io, int fd, struct stat *out) {
  (void)io;
  return outcome(fstat(fd, out));
}

static int posix_stat_at(const as_io *io, int directory, const char *path, struct stat *out) {
  (void)io;
  return outcome(fstatat(directory, path, out, AT_SYMLINK_NOFOLLOW));
}

static int posix_stat_file_system(const as_io *io, int fd, struct statfs *out) {
  (void)io;
  return outcome(fstatfs(fd, out));
}

static int posix_lock(const as_io *io, int fd, int exclusive) {
  (void)io;
  return outcome(flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB));
}

static int posix_list(const as_io *io, int directory, const char *path, as_io_visit visit, void *context) {
  (void)io;
  int fd = openat(directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd < 0 ? NULL : fdopendir(fd);
  if (!stream) {
    int error = -errno;
    if (fd >= 0) {
      close(fd);
    }
    return error;
  }
  int result = 0;
  while (result == 0) {
    errno = 0;
    const struct dirent *entry = readdir(stream);
    if (!entry) {
      result = -errno;
      break;
    }
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      result = visit(context, entry->d_name);
    }
  }
  closedir(stream);
  return result;
}

static int posix_will_read_in_order(const as_io *io, int fd) {
  (void)io;
  return -posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

static int posix_start_read(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  (void)io;
  return -posix_fadvise(fd, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
}

static int posix_start_write_back(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  (void)io;
  return outcome(sync_file_range(fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE));
}

static int posix_punch(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  (void)io;
  return outcome(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size));
}

static int posix_clone(const as_io *io, int from, int to) {
  (void)io;
  return outcome(ioctl(to, FICLONE, from));
}

static int posix_map(const as_io *io, int fd, size_t size, const void **out) {
  (void)io;
  void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  *out = bytes == MAP_FAILED ? NULL : bytes;
  return bytes == MAP_FAILED ? -errno : 0;
}

static void posix_unmap(const as_io *io, const void *bytes, size_t size) {
  (void)io;
  munmap((void *)bytes, size);
}

const as_io *as_io_posix(void) {
  static const as_io engine = {
      .name = "posix",
      .open = posix_open,
      .close = posix_close,
      .read = posix_read,
      .read_cached = posix_read_cached,
      .write = posix_write,
      .truncate = posix_truncate,
      .sync_data = posix_sync_data,
      .sync_all = posix_sync_all,
      .sync_file_system = posix_sync_file_system,
      .link = posix_link,
      .link_open = posix_link_open,
      .rename = posix_rename,
      .unlink = posix_unlink,
      .make_directory = posix_make_directory,
      .change_mode = posix_change_mode,
      .stat = posix_stat,
      .stat_at = posix_stat_at,
      .stat_file_system = posix_stat_file_system,
      .lock = posix_lock,
      .list = posix_list,
      .will_read_in_order = posix_will_read_in_order,
      .start_read = posix_start_read,
      .start_write_back = posix_start_write_back,
      .punch = posix_punch,
      .clone = posix_clone,
      .map = posix_map,
      .unmap = posix_unmap,
  };
  return &engine;
}
