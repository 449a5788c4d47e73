/*
 * Bytes of an object that come from elsewhere into a local file: received, compared with what the tree over the object says of them, written.
 * May include: direct.h, core/error.h, io/io.h, io/socket.h. Called by: users of the core.
 *
 * Nothing reaches the file before it is proven, and what was proven in a block is what is written from it. The store has no part in this but its way past the
 * page cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/socket.h"
#include "store/direct.h"

enum { WRITE_BACK = 8 * 1024 * 1024 /* bytes after which the disk may begin to write, where the page cache is not passed by */ };

struct as_proven_file {
  const as_io *io;
  char *path;
  int fd;
  uint64_t first;    /* number in the object of the group that the file begins with */
  uint64_t size;     /* of the file, in the end */
  uint64_t written;  /* bytes of the file that are there, or on their way */
  uint64_t begun;    /* up to where the disk has been asked to write */
  as_direct *direct; /* NULL: through the page cache */
  uint8_t *memory;   /* for one block, where there is no direct */
  uint8_t *block;    /* under way; NULL: none is */
  size_t filled;
};

static int fail(const as_proven_file *file, int error, const char *call) {
  as_fail(error, call, file->path);
  return error == -ENOSPC || error == -EDQUOT ? AS_E_SINK_FULL : AS_E_SINK;
}

/* ---- beginning and ending ---- */

static int open_parts(as_proven_file *file, const char *path) {
  struct stat status;
  file->path = strdup(path);
  if (!file->path) {
    return as_fail(-ENOMEM, "open", path);
  }
  file->fd = as_io_open(file->io, AT_FDCWD, path, O_WRONLY | O_NONBLOCK | O_NOCTTY, 0); /* a pipe must not hold us up */
  if (file->fd < 0) {
    return fail(file, file->fd, "open");
  }
  int error = file->io->stat(file->io, file->fd, &status);
  if (error) {
    return fail(file, error, "fstat");
  }
  if (!S_ISREG(status.st_mode) || status.st_size > 0) {
    return as_fail_because(AS_E_SINK, "open", path, "not an empty file");
  }
  error = file->size >= AS_DIRECT_FROM ? as_direct_over(file->io, file->fd, 0, &file->direct) : 0;
  file->memory = error || file->direct ? NULL : aligned_alloc(AS_DIRECT_BLOCK, AS_PROVEN_BLOCK);
  return error || file->direct || file->memory ? error : as_fail(-ENOMEM, "open", path);
}

int as_proven_file_begin(const char *path, uint64_t first_group, uint64_t size, as_proven_file **out) {
  *out = NULL;
  as_proven_file *file = calloc(1, sizeof *file);
  if (!file) {
    return as_fail(-ENOMEM, "open", path);
  }
  *file = (as_proven_file){.io = as_io_best(), .fd = -1, .first = first_group, .size = size};
  int error = file->io ? open_parts(file, path) : as_fail_because(AS_E_SINK, "open", path, as_io_reason());
  if (error) {
    as_proven_file_abort(file);
    return error;
  }
  *out = file;
  return 0;
}

void as_proven_file_abort(as_proven_file *file) {
  if (file) {
    as_direct_abort(file->direct);
    as_io_close(file->io, &file->fd);
    free(file->memory);
    free(file->path);
    free(file);
  }
}

int as_proven_file_end(as_proven_file *file) {
  int error = file->direct ? as_direct_end(file->direct) : 0;
  file->direct = NULL;
  error = error ? fail(file, error, "write") : 0;
  as_proven_file_abort(file);
  return error;
}

/* ---- blocks ---- */

/* Bytes of the block that begins where all before have been written; 0 behind the last. */
static size_t block_size(const as_proven_file *file) {
  uint64_t left = file->size - file->written;
  return left < AS_PROVEN_BLOCK ? (size_t)left : AS_PROVEN_BLOCK;
}

/* Has memory for the block under way. */
static int begin_block(as_proven_file *file) {
  size_t room;
  if (!file->block) {
    file->block = file->direct ? as_direct_block(file->direct, &room) : file->memory;
    file->filled = 0;
  }
  return file->block ? 0 : fail(file, file->direct->error, "write");
}

static int write_block(as_proven_file *file, const uint8_t *block, size_t size) {
  if (file->direct) {
    as_direct_filled(file->direct, size);
    return 0;
  }
  int error = as_io_write(file->io, file->fd, block, size, file->written);
  if (!error && file->written + size - file->begun >= WRITE_BACK) {
    file->io->start_write_back(file->io, file->fd, file->begun, file->written + size - file->begun);
    file->begun = file->written + size;
  }
  return error ? fail(file, error, "write") : 0;
}

/* All of the block under way has come: it is written if it is the right one. */
static int end_block(as_proven_file *file, const uint8_t expected[AS_DIGEST_SIZE]) {
  uint8_t value[AS_DIGEST_SIZE];
  const uint8_t *block = file->block;
  size_t size = file->filled;
  file->block = NULL;
  file->filled = 0;
  as_blake3_subtree(block, size, file->first + file->written / AS_GROUP_SIZE, value);
  if (memcmp(value, expected, sizeof value) != 0) {
    return as_fail_because(AS_E_CORRUPT, "receive", file->path, "not the bytes of this object");
  }
  int error = write_block(file, block, size);
  file->written += error ? 0 : size;
  return error;
}

/* ---- taking ---- */

/* Where bytes come from: a socket, or memory. */
typedef struct origin {
  int socket;
  int wait;
  const uint8_t *bytes; /* NULL: the socket */
} origin;

static int fetch(origin *from, uint8_t *into, size_t size, size_t *filled) {
  if (!from->bytes) {
    as_socket_expect(from->socket, size);
    int error = as_socket_fill(from->socket, into, size, &from->wait, filled);
    return error ? as_fail_because(AS_E_SOURCE, "receive", "the socket", "the other end has gone") : 0;
  }
  memcpy(into, from->bytes, size);
  from->bytes += size;
  *filled = size;
  return 0;
}

/* Takes up to `most` bytes, no more than complete the `count` blocks that `values` are of. */
static int take(as_proven_file *file, origin *from, size_t most, const uint8_t *values, size_t count) {
  int error = 0;
  for (size_t came = 1; !error && came && most && count && block_size(file); most -= came) {
    came = 0;
    error = begin_block(file);
    size_t left = error ? 0 : block_size(file) - file->filled;
    size_t room = most < left ? most : left;
    error = error ? error : fetch(from, file->block + file->filled, room, &came);
    file->filled += came;
    if (!error && came == left) {
      error = end_block(file, values);
      values += AS_DIGEST_SIZE;
      count--;
    }
  }
  return error;
}

int as_proven_file_receive(as_proven_file *file, int socket, const uint8_t *values, size_t count, int wait) {
  origin from = {.socket = socket, .wait = wait};
  return take(file, &from, SIZE_MAX, values, count);
}

int as_proven_file_append(as_proven_file *file, const void *bytes, size_t size, const uint8_t *values, size_t count) {
  origin from = {.bytes = bytes};
  return take(file, &from, size, values, count);
}

uint64_t as_proven_file_position(const as_proven_file *file) { return file->written + file->filled; }
