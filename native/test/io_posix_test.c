/*
 * The I/O layer: retries and short transfers above an engine that misbehaves, and the POSIX engine against a real
 * folder.
 * May include: io/io.h, check.h. Run by: CTest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "artifactstore.h"
#include "check.h"
#include "io/io.h"

/* ---- an engine that is interrupted, transfers one to three bytes at a time, and can fail ---- */

static int interruptions; /* left before a call gets through */
static int calls;
static int failure;       /* what calls give once `calls` exceeds `fail_after` */
static int fail_after = INT32_MAX;
static uint8_t memory[64];
static size_t memory_size;

static int misbehave(void) {
  calls++;
  if (interruptions > 0) {
    interruptions--;
    return -EINTR;
  }
  return calls > fail_after ? failure : 0;
}

static ssize_t bad_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  (void)io, (void)fd;
  int error = misbehave();
  if (error || offset >= memory_size) {
    return error;
  }
  size_t count = 1 + (size_t)calls % 3;
  count = count < size ? count : size;
  count = count < memory_size - offset ? count : memory_size - offset;
  memcpy(bytes, memory + offset, count);
  return (ssize_t)count;
}

static ssize_t bad_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  (void)io, (void)fd;
  int error = misbehave();
  if (error) {
    return error == -ENODATA ? 0 : error; /* stands for a write that takes nothing */
  }
  size_t count = 1 + (size_t)calls % 3;
  count = count < size ? count : size;
  memcpy(memory + offset, bytes, count);
  return (ssize_t)count;
}

static int bad_call(const as_io *io, int fd) {
  (void)io, (void)fd;
  return misbehave();
}

static int bad_open(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  (void)io, (void)directory, (void)path, (void)flags, (void)mode;
  int error = misbehave();
  return error ? error : 77;
}

static int bad_lock(const as_io *io, int fd, int exclusive) { return (void)exclusive, bad_call(io, fd); }

static int bad_truncate(const as_io *io, int fd, uint64_t size) { return (void)size, bad_call(io, fd); }

static const as_io BAD = {.name = "bad", .open = bad_open, .close = bad_call, .read = bad_read, .write = bad_write,
                          .truncate = bad_truncate, .sync_data = bad_call, .sync_all = bad_call,
                          .sync_file_system = bad_call, .lock = bad_lock};

static void behave(int interrupt, int after, int error) {
  interruptions = interrupt;
  calls = 0;
  fail_after = after;
  failure = error;
}

static void test_transfers(void) {
  static const char text[] = "a transfer in many small steps";
  char back[64] = "";
  behave(3, INT32_MAX, 0);
  CHECK_INT(as_io_write(&BAD, 1, text, sizeof text, 0), 0);
  memory_size = sizeof text;
  behave(2, INT32_MAX, 0);
  CHECK_INT(as_io_read(&BAD, 1, back, sizeof text, 0), sizeof text);
  CHECK_STRING(back, text);
  CHECK_INT(as_io_read(&BAD, 1, back, sizeof back, 2), sizeof text - 2); /* beyond the end: what there is */
  CHECK_STRING(back, text + 2);
  CHECK_INT(as_io_read(&BAD, 1, back, sizeof back, 60), 0);
  behave(0, 4, -EIO);
  CHECK_INT(as_io_read(&BAD, 1, back, sizeof text, 0), -EIO);
  behave(1, 4, -ENOSPC);
  CHECK_INT(as_io_write(&BAD, 1, text, sizeof text, 0), -ENOSPC);
  behave(0, 2, -ENODATA);
  CHECK_INT(as_io_write(&BAD, 1, text, sizeof text, 0), -EIO); /* no progress and no reason: not for ever */
  behave(0, 0, -EIO);
  CHECK_INT(as_io_write(&BAD, 1, text, 0, 0), 0);
}

static void test_retries(void) {
  behave(2, INT32_MAX, 0);
  CHECK_INT(as_io_open(&BAD, AT_FDCWD, "x", O_RDONLY, 0), 77);
  CHECK_INT(calls, 3);
  int (*syncs[])(const as_io *, int) = {as_io_sync_data, as_io_sync_all, as_io_sync_file_system};
  for (int i = 0; i < 3; i++) {
    behave(2, INT32_MAX, 0);
    CHECK_INT(syncs[i](&BAD, 1), 0);
    CHECK_INT(calls, 3);
    behave(1, 0, -EIO);
    CHECK_INT(syncs[i](&BAD, 1), -EIO);
  }
  behave(1, INT32_MAX, 0);
  CHECK_INT(as_io_lock(&BAD, 1, 1), 0);
  behave(1, INT32_MAX, 0);
  CHECK_INT(as_io_truncate(&BAD, 1, 1), 0);
  int fd = 77;
  behave(1, INT32_MAX, 0);
  as_io_close(&BAD, &fd); /* an interrupted close has closed: a second one would close somebody else's */
  CHECK_INT(calls, 1);
  CHECK_INT(fd, -1);
  as_io_close(&BAD, &fd);
  CHECK_INT(calls, 1);
}

/* ---- the POSIX engine ---- */

static int visit_counting(void *context, const char *name) {
  CHECK(strcmp(name, ".") != 0 && strcmp(name, "..") != 0, "listed %s", name);
  ++*(int *)context;
  return 0;
}

static int visit_stopping(void *context, const char *name) {
  (void)name;
  ++*(int *)context;
  return -ECANCELED;
}

static void test_names(const as_io *io, int folder) {
  struct stat status;
  int count = 0;
  CHECK_INT(io->make_directory(io, folder, "sub", 0755), 0);
  CHECK_INT(io->make_directory(io, folder, "sub", 0755), -EEXIST);
  int fd = as_io_open(io, folder, "sub/a", O_RDWR | O_CREAT | O_EXCL, 0644);
  CHECK(fd >= 0, "open: %d", fd);
  CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "descriptors must not leak into programs that are started");
  CHECK_INT(as_io_write(io, fd, "hello", 5, 3), 0);
  CHECK_INT(io->stat(io, fd, &status), 0);
  CHECK_INT(status.st_size, 8);
  CHECK_INT(as_io_truncate(io, fd, 4), 0);
  CHECK_INT(as_io_sync_data(io, fd), 0);
  CHECK_INT(as_io_sync_all(io, folder), 0);
  int synced = as_io_sync_file_system(io, folder);
  CHECK(synced == 0 || synced == -ENOSYS, "syncfs: %d", synced);
  CHECK_INT(io->start_write_back(io, fd, 0, 4), 0);
  CHECK_INT(io->will_read_in_order(io, fd), 0);
  as_io_close(io, &fd);
  CHECK_INT(io->link(io, folder, "sub/a", folder, "b"), 0);
  CHECK_INT(io->link(io, folder, "sub/a", folder, "b"), -EEXIST);
  CHECK_INT(io->rename(io, folder, "b", folder, "c"), 0);
  CHECK_INT(io->stat_at(io, folder, "b", &status), -ENOENT);
  CHECK_INT(io->stat_at(io, folder, "c", &status), 0);
  CHECK_INT(status.st_nlink, 2);
  CHECK(symlinkat("c", folder, "d") == 0, "symlink");
  CHECK_INT(io->stat_at(io, folder, "d", &status), 0);
  CHECK(S_ISLNK(status.st_mode), "stat_at follows no link");
  CHECK_INT(io->list(io, folder, ".", visit_counting, &count), 0);
  CHECK_INT(count, 3);
  count = 0;
  CHECK_INT(io->list(io, folder, ".", visit_stopping, &count), -ECANCELED);
  CHECK_INT(count, 1);
  CHECK_INT(io->list(io, folder, "absent", visit_counting, &count), -ENOENT);
  CHECK_INT(io->list(io, folder, "c", visit_counting, &count), -ENOTDIR);
  CHECK_INT(io->unlink(io, folder, "c"), 0);
  CHECK_INT(io->unlink(io, folder, "c"), -ENOENT);
  CHECK_INT(io->unlink(io, folder, "d"), 0);
  CHECK_INT(io->unlink(io, folder, "sub/a"), 0);
}

static void test_nameless(const as_io *io, int folder) {
  struct stat status;
  int fd = as_io_open(io, folder, ".", O_RDWR | O_TMPFILE, 0444);
  if (fd == -EOPNOTSUPP || fd == -EISDIR) {
    puts("skipped: no O_TMPFILE on this file system");
    return;
  }
  CHECK(fd >= 0, "O_TMPFILE: %d", fd);
  CHECK_INT(as_io_write(io, fd, "x", 1, 0), 0);
  CHECK_INT(io->link_open(io, fd, folder, "named"), 0);
  CHECK_INT(io->link_open(io, fd, folder, "named"), -EEXIST);
  CHECK_INT(io->link_open(io, fd, folder, "absent/named"), -ENOENT);
  CHECK_INT(io->stat_at(io, folder, "named", &status), 0);
  CHECK_INT(status.st_size, 1);
  CHECK_INT(io->unlink(io, folder, "named"), 0);
  as_io_close(io, &fd);
}

static void test_locks(const as_io *io, int folder) {
  int first = as_io_open(io, folder, "lock", O_RDWR | O_CREAT, 0644);
  int second = as_io_open(io, folder, "lock", O_RDWR, 0);
  CHECK_INT(as_io_lock(io, first, 0), 0);
  CHECK_INT(as_io_lock(io, second, 0), 0);
  CHECK_INT(as_io_lock(io, second, 1), -EWOULDBLOCK);
  as_io_close(io, &first);
  CHECK_INT(as_io_lock(io, second, 1), 0);
  as_io_close(io, &second);
  CHECK_INT(io->unlink(io, folder, "lock"), 0);
}

int main(void) {
  char path[256];
  const char *base = getenv("TMPDIR");
  const as_io *io = as_io_posix();
  struct statfs status;
  CHECK_STRING(as_io_name(), "posix");
  test_transfers();
  test_retries();
  snprintf(path, sizeof path, "%s/as-test-XXXXXX", base && *base ? base : "/tmp");
  CHECK(mkdtemp(path), "%s", path);
  int folder = as_io_open(io, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
  CHECK(folder >= 0, "%s", path);
  test_names(io, folder);
  test_nameless(io, folder);
  test_locks(io, folder);
  CHECK_INT(io->stat_file_system(io, folder, &status), 0);
  CHECK(status.f_blocks > 0, "statfs");
  as_io_close(io, &folder);
  CHECK_INT(as_io_open(io, AT_FDCWD, "/nonexistent/x", O_RDONLY, 0), -ENOENT);
  char sub[300];
  snprintf(sub, sizeof sub, "%s/sub", path);
  CHECK(rmdir(sub) == 0 && rmdir(path) == 0, "%s is not empty", path);
  return 0;
}
