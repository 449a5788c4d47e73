/*
 * Many files taken in together; see artifactstore.h. Small ones are read with all requests in flight on the ring, which reads at once what is in the page
 * cache and puts together what lies side by side on the disk. Without a ring, the disk is told of all that are not in the page cache before the first is
 * waited for. Opening them on the ring was no faster, and cost more where a name was not in memory (docs/performance.md).
 * May include: ingest.h, source.h, core/error.h, io/io.h. Called by: users of the core.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "store/ingest.h"
#include "store/source.h"

/* What calls on one file gave: judged when it is taken, since the detail of an error is that of the last. */
typedef struct file {
  const char *path;
  int fd;        /* or a negative errno */
  int looked;    /* what fstat gave */
  struct stat before;
  uint8_t *bytes;     /* where it is read to; NULL: it is not read here */
  ssize_t count;      /* bytes that were read, or a negative errno */
  int looked_again;   /* fstat behind that */
  struct stat after;
} file;

struct as_files {
  as_store *store;
  size_t count;
  size_t next; /* to be taken */
  file files[AS_FILES_MAX];
  as_io_request requests[AS_FILES_MAX];
};

static void open_all(as_files *files, const char *const *paths) {
  const as_io *io = files->store->io;
  for (size_t i = 0; i < files->count; i++) {
    file *one = &files->files[i];
    one->path = paths[i];
    one->fd = as_io_open(io, AT_FDCWD, paths[i], AS_SOURCE_FLAGS, 0);
    one->looked = one->fd < 0 ? 0 : io->stat(io, one->fd, &one->before);
  }
}

/* Whether the file is small, fits, and has a size to go by: some files that are not on a disk say that they are empty, and are not. */
static int fits(const file *one, size_t room) {
  off_t size = one->before.st_size;
  int is_file = one->fd >= 0 && !one->looked && S_ISREG(one->before.st_mode);
  return is_file && size > 0 && size <= AS_SMALL_SIZE && (size_t)size <= room;
}

/* Whether a file is left to be read: without a ring it has been, if that takes no disk. */
static int is_left(const as_io *io, const file *one, size_t size) {
  return io->ring_take || !as_io_read_cached(io, one->fd, one->bytes, size, 0);
}

static void read_together(as_files *files, file *const *wanted, size_t count) {
  const as_io *io = files->store->io;
  for (size_t i = 0; !io->ring_take && count > 1 && i < count; i++) {
    io->start_read(io, wanted[i]->fd, 0, files->requests[i].size);
  }
  as_io_run(io, files->requests, count);
  for (size_t i = 0; i < count; i++) {
    wanted[i]->count = files->requests[i].result;
  }
}

/* Reads those that are small and fit. Returns how much of the room they use. */
static size_t read_all(as_files *files, uint8_t *room, size_t size) {
  const as_io *io = files->store->io;
  file *wanted[AS_FILES_MAX];
  size_t used = 0, count = 0;
  for (size_t i = 0; i < files->count; i++) {
    file *one = &files->files[i];
    if (fits(one, size - used)) {
      size_t length = (size_t)one->before.st_size;
      one->bytes = room + used;
      one->count = (ssize_t)length;
      used += length;
      if (is_left(io, one, length)) {
        wanted[count] = one;
        files->requests[count++] = (as_io_request){.call = AS_IO_READ, .fd = one->fd, .bytes = one->bytes, .size = length};
      }
    }
  }
  read_together(files, wanted, count);
  return used;
}

/* A file that has been read is looked at once more, and closed. */
static void close_read(as_files *files) {
  const as_io *io = files->store->io;
  for (size_t i = 0; i < files->count; i++) {
    file *one = &files->files[i];
    if (one->bytes) {
      one->looked_again = io->stat(io, one->fd, &one->after);
      as_io_close(io, &one->fd);
    }
  }
}

int as_files_open(as_store *store, const char *const *paths, size_t count, void *room, size_t size, size_t *used, as_files **out) {
  *out = NULL;
  *used = 0;
  if (store->read_only) {
    return as_store_fail(store, AS_E_READ_ONLY, "ingest", "");
  }
  if (count > AS_FILES_MAX) {
    return as_fail(AS_E_INVALID, "open files", NULL);
  }
  as_files *files = calloc(1, sizeof *files);
  if (!files) {
    return as_fail(-ENOMEM, "open files", NULL);
  }
  files->store = store;
  files->count = count;
  open_all(files, paths);
  *used = read_all(files, room, size);
  close_read(files);
  *out = files;
  return 0;
}

/* The ingest of a file that has been read. */
static int take_read(const file *one, as_store *store, as_ingest **out) {
  if (one->count < 0) {
    return as_source_fail(one->path, (int)one->count, "read");
  }
  /* A file that became longer or shorter has another size now. */
  int error = as_source_judge_read(one->path, &one->before, (uint64_t)one->count, one->looked_again, &one->after);
  return error ? error : as_ingest_begin_whole(store, one->bytes, (size_t)one->count, out);
}

int as_files_take(as_files *files, as_ingest **out, int *whole) {
  *out = NULL;
  *whole = 0;
  if (files->next == files->count) {
    return as_fail(AS_E_INVALID, "take a file", NULL);
  }
  file *one = &files->files[files->next++];
  if (one->bytes) {
    *whole = 1;
    return take_read(one, files->store, out);
  }
  if (one->fd == -EMFILE || one->fd == -ENFILE) { /* so many at once were too many: most are closed by now */
    return as_ingest_begin_file(files->store, one->path, out);
  }
  int error = as_source_judge_opened(one->path, one->fd, one->looked, &one->before);
  if (error) {
    as_io_close(files->store->io, &one->fd);
    return error;
  }
  int fd = one->fd;
  one->fd = -1;
  return as_ingest_begin_opened(files->store, one->path, fd, &one->before, out);
}

void as_files_close(as_files *files) {
  if (!files) {
    return;
  }
  for (; files->next < files->count; files->next++) {
    as_io_close(files->store->io, &files->files[files->next].fd);
  }
  free(files);
}
