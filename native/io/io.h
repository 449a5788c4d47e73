/*
 * The calls by which the core reaches the operating system's files, as a table, so that an io_uring engine can stand in
 * for the POSIX one, and a test can make any single call fail.
 * May include: the C library. Called by: native/store.
 *
 * Two levels:
 *   - `struct as_io`: one attempt of one system call each. A result is 0, a descriptor or a byte count; a failure is a
 *     negative errno. An attempt may be interrupted (-EINTR) or transfer fewer bytes than asked for.
 *   - the as_io_… functions: what the store calls. Interruptions are retried and short transfers continued here, and
 *     nowhere else.
 * Paths are relative to a directory descriptor wherever one exists, so a store keeps working when its folder is moved.
 */
#ifndef AS_IO_IO_H
#define AS_IO_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>

typedef struct as_io as_io;

/* Called with each name in a directory except "." and ".."; a result other than 0 ends the listing and becomes its
 * result. */
typedef int (*as_io_visit)(void *context, const char *name);

struct as_io {
  const char *name; /* "posix" */
  int (*open)(const as_io *io, int directory, const char *path, int flags, mode_t mode);
  int (*close)(const as_io *io, int fd);
  ssize_t (*read)(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset);
  ssize_t (*write)(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset);
  int (*truncate)(const as_io *io, int fd, uint64_t size);
  int (*sync_data)(const as_io *io, int fd);        /* fdatasync: bytes, and what is needed to find them */
  int (*sync_all)(const as_io *io, int fd);         /* fsync: for directories */
  int (*sync_file_system)(const as_io *io, int fd); /* syncfs, reporting write-back errors; -ENOSYS where it does not */
  int (*link)(const as_io *io, int from_directory, const char *from, int to_directory, const char *to);
  int (*link_open)(const as_io *io, int fd, int to_directory, const char *to); /* names a file opened with O_TMPFILE */
  int (*rename)(const as_io *io, int from_directory, const char *from, int to_directory, const char *to);
  int (*unlink)(const as_io *io, int directory, const char *path);
  int (*make_directory)(const as_io *io, int directory, const char *path, mode_t mode);
  int (*stat)(const as_io *io, int fd, struct stat *out);
  int (*stat_at)(const as_io *io, int directory, const char *path, struct stat *out); /* of a link itself */
  int (*stat_file_system)(const as_io *io, int fd, struct statfs *out);
  int (*lock)(const as_io *io, int fd, int exclusive); /* flock, never waiting: -EWOULDBLOCK when another holds it */
  int (*list)(const as_io *io, int directory, const char *path, as_io_visit visit, void *context);
  int (*will_read_in_order)(const as_io *io, int fd);                            /* a hint; failure means nothing */
  int (*start_read)(const as_io *io, int fd, uint64_t offset, uint64_t size);    /* into the page cache; also a hint */
  int (*start_write_back)(const as_io *io, int fd, uint64_t offset, uint64_t size); /* a hint; failure means nothing */
  int (*punch)(const as_io *io, int fd, uint64_t offset, uint64_t size); /* gives the blocks back; reads give zeros */
  int (*clone)(const as_io *io, int from, int to); /* `to` shares all blocks of `from` (FICLONE) */
  int (*map)(const as_io *io, int fd, size_t size, const void **out); /* read-only, the first `size` bytes */
  void (*unmap)(const as_io *io, const void *bytes, size_t size);
};

/* The engine on plain POSIX and Linux calls: needs nothing but the kernel. */
const as_io *as_io_posix(void);

/* As the members of the same name, interruptions retried. */
int as_io_open(const as_io *io, int directory, const char *path, int flags, mode_t mode);
int as_io_truncate(const as_io *io, int fd, uint64_t size);
int as_io_sync_data(const as_io *io, int fd);
int as_io_sync_all(const as_io *io, int fd);
int as_io_sync_file_system(const as_io *io, int fd);
int as_io_punch(const as_io *io, int fd, uint64_t offset, uint64_t size);
int as_io_lock(const as_io *io, int fd, int exclusive);

/* Closes `*fd` unless it is -1, and sets it to -1. Its result is not looked at: whatever must be durable was synced
 * before. */
void as_io_close(const as_io *io, int *fd);

/* Reads `size` bytes at `offset`, fewer only where the file ends. Returns the count or a negative errno. */
ssize_t as_io_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset);

/* Writes all `size` bytes at `offset`. Returns 0 or a negative errno. */
int as_io_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset);

#endif
