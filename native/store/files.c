/*
 * Many files taken in together; see artifactstore.h. Small ones are read with all requests in flight on the ring, which reads at once what is in the page
 * cache and puts together what lies side by side on the disk. Without a ring, the disk is told of all that are not in the page cache before the first is
 * waited for. Opening them on the ring was no faster, and cost more where a name was not in memory (docs/performance.md).
 * May include: ingest.h, source.h, core/error.h, io/io.h. Called by: users of the core.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/ingest.h"
#include "store/source.h"

/* How a folder is opened to be gone on from: no right to read it is needed. */
#ifdef O_PATH
enum { AS_FOLDER_FLAGS = O_PATH | O_DIRECTORY };
#else
enum { AS_FOLDER_FLAGS = O_RDONLY | O_DIRECTORY };
#endif

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

/* The folder that the file before was opened in, for those that follow it there: the kernel then need not go through the whole path for each. */
typedef struct folder {
  int fd;           /* negative: there is none */
  const char *path; /* of a file in it */
  size_t length;    /* of its own path, with the slash */
} folder;

/* Bytes of a path in front of the name; 0 where it has no folder, or no name. */
static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash && slash[1] ? (size_t)(slash - path) + 1 : 0;
}

static int is_in(const char *path, size_t length, const char *other) {
  return length > 0 && length == folder_length(other) && !memcmp(path, other, length);
}

/* Turns to the folder of a path. Where that cannot be opened, neither can the file, and its own opening says why. */
static void enter_folder(const as_io *io, folder *at, const char *path, size_t length) {
  char name[PATH_MAX];
  as_io_close(io, &at->fd);
  if (length >= sizeof name) {
    return;
  }
  memcpy(name, path, length);
  name[length] = 0;
  int fd = as_io_open(io, AT_FDCWD, name, AS_FOLDER_FLAGS, 0);
  *at = (folder){fd < 0 ? -1 : fd, path, length};
}

/* Opens a file, in the folder of the one before if that is its own. `next` is the path of the one that follows, or NULL. */
static int open_one(const as_io *io, folder *at, const char *path, const char *next) {
  size_t length = folder_length(path);
  if (at->fd < 0 || !is_in(path, length, at->path)) {
    if (!next || !is_in(path, length, next)) {
      return as_io_open(io, AT_FDCWD, path, AS_SOURCE_FLAGS, 0);
    }
    enter_folder(io, at, path, length);
  }
  return at->fd < 0 ? as_io_open(io, AT_FDCWD, path, AS_SOURCE_FLAGS, 0) : as_io_open(io, at->fd, path + length, AS_SOURCE_FLAGS, 0);
}

static void open_all(as_files *files, const char *const *paths) {
  const as_io *io = files->store->io;
  folder at = {-1, NULL, 0};
  for (size_t i = 0; i < files->count; i++) {
    file *one = &files->files[i];
    one->path = paths[i];
    one->fd = open_one(io, &at, paths[i], i + 1 < files->count ? paths[i + 1] : NULL);
    one->looked = one->fd < 0 ? 0 : io->stat(io, one->fd, &one->before);
  }
  as_io_close(io, &at.fd);
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
