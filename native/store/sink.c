/*
 * An object's bytes into a local file, without passing through anybody's memory but a buffer's: read, verified, written.
 * May include: reader.h, objects.h, second.h, core/error.h, io/io.h. Called by: users of the core.
 *
 * A file that nobody else can change has no place here: between looking at bytes in the store's file and copying them from it, somebody
 * could change them. So each block is read into a buffer of our own, and what has been verified there is what is written. Blocks go to
 * whichever of two threads is free (second.h). Where the file system can share blocks, the target becomes a clone of the object's file, and
 * the clone is what is read and verified.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/reader.h"
#include "store/second.h"

enum { SECOND_FROM = 1024 * 1024 /* bytes of a call from which on a thread, some 30 us, is worth it */ };

struct as_sink {
  as_store *store;
  as_reader *reader;
  as_reader *clone; /* of what the target shares with the object's file; NULL where bytes are copied */
  char *path;       /* of the target */
  int fd;
  uint64_t size;    /* of the object */
  uint64_t start;   /* what is asked for, */
  uint64_t end;
  uint64_t next;    /* and up to where the target has it */
};

/* Records which call on the target failed and why; the caller learns that it was the target. */
static int sink_fail(const as_sink *sink, int error, const char *call) {
  as_fail(error, call, sink->path);
  return error == -ENOSPC || error == -EDQUOT ? AS_E_SINK_FULL : AS_E_SINK;
}

/* ---- opening ---- */

/* Whether bytes can be put at any offset: not so with a pipe, a socket or a terminal. A write of nothing finds out. */
static int takes_any_offset(const as_io *io, int fd, const struct stat *status) {
  return S_ISREG(status->st_mode) ? status->st_size == 0 : !S_ISDIR(status->st_mode) && io->write(io, fd, "", 0, 0) == 0;
}

static int open_target(as_sink *sink, struct stat *status) {
  const as_io *io = sink->store->io;
  int fd = as_io_open(io, AT_FDCWD, sink->path, O_RDWR | O_NONBLOCK | O_NOCTTY, 0); /* a pipe must not hold us up */
  if (fd < 0) {
    return sink_fail(sink, fd, "open");
  }
  sink->fd = fd;
  int error = io->stat(io, fd, status);
  if (error) {
    return sink_fail(sink, error, "fstat");
  }
  return takes_any_offset(io, fd, status) ? 0 : as_fail_because(AS_E_SINK, "open", sink->path, "not an empty file");
}

/* Has the target share the blocks of a whole object that is a file. Where anything is in the way the bytes will be copied. */
static int share_blocks(as_sink *sink, const struct stat *target) {
  const as_io *io = sink->store->io;
  const as_object_files *files = as_reader_files(sink->reader);
  if (files->segment || !S_ISREG(target->st_mode) || sink->start != 0 || sink->end != sink->size) {
    return 0;
  }
  if (io->clone(io, files->object, sink->fd) != 0) {
    int error = as_io_truncate(io, sink->fd, 0); /* part of the blocks may be there */
    return error ? sink_fail(sink, error, "truncate") : 0;
  }
  sink->clone = as_reader_over(sink->reader, sink->fd);
  return sink->clone ? 0 : as_fail(-ENOMEM, "open", sink->path);
}

static int open_parts(as_sink *sink, const uint8_t blake3[AS_DIGEST_SIZE], const char *path) {
  struct stat target;
  int error = as_reader_open(sink->store, blake3, &sink->reader, &sink->size);
  if (error) {
    return error;
  }
  sink->path = strdup(path);
  if (!sink->path) {
    return as_fail(-ENOMEM, "open", path);
  }
  sink->end = sink->end == AS_SIZE_UNKNOWN ? sink->size : sink->end;
  if (sink->start > sink->end || sink->end > sink->size) {
    return as_fail(AS_E_RANGE, "read", path);
  }
  error = open_target(sink, &target);
  return error ? error : share_blocks(sink, &target);
}

int as_sink_open(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], const char *path, uint64_t start, uint64_t end,
                 as_sink **out, uint64_t *size) {
  *out = NULL;
  as_sink *sink = calloc(1, sizeof *sink);
  if (!sink) {
    return as_fail(-ENOMEM, "open", path);
  }
  *sink = (as_sink){.store = store, .fd = -1, .start = start, .end = end, .next = start};
  int error = open_parts(sink, blake3, path);
  if (error) {
    as_sink_close(sink);
    return error;
  }
  *size = sink->end - sink->start;
  *out = sink;
  return 0;
}

void as_sink_close(as_sink *sink) {
  if (sink) {
    free(sink->clone);
    as_reader_close(sink->reader);
    as_io_close(sink->store->io, &sink->fd);
    free(sink->path);
    free(sink);
  }
}

/* ---- blocks ---- */

/* Bytes on their way, at least one, for as many threads as there are: each takes the next block until none is left or one has failed. */
typedef struct passage {
  as_sink *sink;
  as_reader *reader;        /* of the object, or of the target that shares its blocks */
  uint64_t first;           /* where the first block begins; all others at a multiple of their size */
  uint64_t end;
  uint64_t blocks;
  atomic_uint_least64_t next;   /* number of the block that nobody has taken yet */
  atomic_uint_least64_t failed; /* number of one that could not be passed; `blocks`: none */
} passage;

static uint64_t block_start(const passage *on, uint64_t number) {
  return number ? (on->first / AS_STEP_SIZE + number) * AS_STEP_SIZE : on->first;
}

/* Reads, verifies and writes what of one block is asked for. */
static int pass_block(const passage *on, uint64_t number, uint8_t *buffer, as_range *bad) {
  as_sink *sink = on->sink;
  uint64_t offset = block_start(on, number), next = block_start(on, number + 1);
  uint64_t wanted = (next < on->end ? next : on->end) - offset;
  uint64_t groups = (offset % AS_GROUP_SIZE + wanted - 1) / AS_GROUP_SIZE + 1;
  size_t skip, size;
  int error = as_reader_read(on->reader, offset, buffer, (size_t)groups * AS_GROUP_SIZE, &skip, &size, bad);
  if (error || on->reader == sink->clone) {
    return error;
  }
  error = as_io_write(sink->store->io, sink->fd, buffer + skip, (size_t)wanted, offset - sink->start);
  return error ? sink_fail(sink, error, "write") : 0;
}

/* The blocks that this thread gets. */
static int pass_blocks(passage *on, as_range *bad) {
  uint8_t *buffer = as_store_buffer(on->sink->store);
  int error = buffer ? 0 : as_fail(-ENOMEM, "read", on->sink->path);
  while (!error && atomic_load(&on->failed) == on->blocks) {
    uint64_t number = atomic_fetch_add(&on->next, 1);
    if (number >= on->blocks) {
      break;
    }
    error = pass_block(on, number, buffer, bad);
    if (error) {
      atomic_store(&on->failed, number);
    }
  }
  as_store_buffer_release(on->sink->store, buffer);
  return error;
}

static void pass_beside(void *context) {
  as_range bad;
  pass_blocks(context, &bad);
}

/* Passes bytes [sink->next, end), on two threads where there is enough and a core is free. What fails on the second is done again on the
 * caller's, to which the reason belongs; all blocks before that one have been passed. */
static int pass(as_sink *sink, as_reader *reader, uint64_t end, as_range *bad) {
  passage on = {.sink = sink, .reader = reader, .first = sink->next, .end = end};
  as_second second;
  on.blocks = (end - 1) / AS_STEP_SIZE - on.first / AS_STEP_SIZE + 1;
  atomic_init(&on.next, 0);
  atomic_init(&on.failed, on.blocks);
  as_second_begin(&second, sink->store);
  if (end - on.first >= SECOND_FROM) {
    as_second_start(&second, pass_beside, &on);
  }
  int error = pass_blocks(&on, bad);
  as_second_end(&second);
  if (!error && on.failed < on.blocks) {
    atomic_store(&on.next, on.failed);
    atomic_store(&on.failed, on.blocks);
    error = pass_blocks(&on, bad);
  }
  return error;
}

/* The target shares blocks that do not verify: it gets bytes that do, or the object's own file says what is wrong with it. */
static int copy_after_all(as_sink *sink, uint64_t end, as_range *bad) {
  free(sink->clone);
  sink->clone = NULL;
  sink->next = sink->start;
  int error = as_io_truncate(sink->store->io, sink->fd, 0);
  return error ? sink_fail(sink, error, "truncate") : pass(sink, sink->reader, end, bad);
}

/* Nothing more to come: the size of the object is proven too, which matters where no byte was asked for. */
static int conclude(as_sink *sink, as_range *bad) {
  size_t skip, size;
  uint8_t *buffer = as_store_buffer(sink->store);
  int error = buffer ? as_reader_read(sink->reader, sink->size, buffer, AS_STEP_SIZE, &skip, &size, bad)
                     : as_fail(-ENOMEM, "read", sink->path);
  as_store_buffer_release(sink->store, buffer);
  return error;
}

int as_sink_pump(as_sink *sink, size_t most, size_t *taken, as_range *bad) {
  uint64_t before = sink->next, left = sink->end - before;
  uint64_t end = left < most ? sink->end : before + most;
  *taken = 0;
  *bad = (as_range){0, 0};
  if (left == 0) {
    return conclude(sink, bad);
  }
  int error = pass(sink, sink->clone ? sink->clone : sink->reader, end, bad);
  if (error && sink->clone) {
    error = copy_after_all(sink, end, bad);
  }
  if (!error) {
    sink->next = end;
    *taken = (size_t)(end - before);
  }
  return error;
}
