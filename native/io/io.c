/*
 * What every engine shares: retrying interrupted calls and continuing short transfers. Kept out of the engines so that
 * it exists once and a test that injects EINTR or a short write below it exercises the code every engine runs.
 * May include: io.h. Called by: native/store.
 */
#include "io/io.h"

#include <errno.h>

/* Repeats an attempt while it is interrupted; `result` receives what the last one gave. */
#define RETRY(result, attempt) \
  do {                         \
    (result) = (attempt);      \
  } while ((result) == -EINTR)

int as_io_open(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  int result;
  RETRY(result, io->open(io, directory, path, flags, mode));
  return result;
}

int as_io_truncate(const as_io *io, int fd, uint64_t size) {
  int result;
  RETRY(result, io->truncate(io, fd, size));
  return result;
}

int as_io_sync_data(const as_io *io, int fd) {
  int result;
  RETRY(result, io->sync_data(io, fd));
  return result;
}

int as_io_sync_all(const as_io *io, int fd) {
  int result;
  RETRY(result, io->sync_all(io, fd));
  return result;
}

int as_io_sync_file_system(const as_io *io, int fd) {
  int result;
  RETRY(result, io->sync_file_system(io, fd));
  return result;
}

int as_io_punch(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  int result;
  RETRY(result, io->punch(io, fd, offset, size));
  return result;
}

int as_io_lock(const as_io *io, int fd, int exclusive) {
  int result;
  RETRY(result, io->lock(io, fd, exclusive));
  return result;
}

void as_io_close(const as_io *io, int *fd) {
  if (*fd >= 0) {
    io->close(io, *fd); /* never repeated: Linux has released the descriptor even when close is interrupted */
    *fd = -1;
  }
}

ssize_t as_io_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  size_t done = 0;
  while (done < size) {
    ssize_t count;
    RETRY(count, io->read(io, fd, (char *)bytes + done, size - done, offset + done));
    if (count < 0) {
      return count;
    }
    if (count == 0) {
      break;
    }
    done += (size_t)count;
  }
  return (ssize_t)done;
}

int as_io_read_cached(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  return io->read_cached && io->read_cached(io, fd, bytes, size, offset) == (ssize_t)size;
}

int as_io_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  size_t done = 0;
  while (done < size) {
    ssize_t count;
    RETRY(count, io->write(io, fd, (const char *)bytes + done, size - done, offset + done));
    if (count < 0) {
      return (int)count;
    }
    if (count == 0) {
      return -EIO; /* a file that takes no bytes and gives no reason would loop here for ever */
    }
    done += (size_t)count;
  }
  return 0;
}
