/*
 * Writing past the page cache; see direct.h.
 * May include: direct.h, io/io.h. Called by: as declared there.
 */
#include "store/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
  ARENA_SIZE = AS_DIRECT_WRITES * AS_DIRECT_WRITE,
  HUGE_PAGE = 2 * 1024 * 1024, /* memory in one piece makes writes in one piece: a disk takes some hundred pieces at a time, of a page or of 2 MiB */
  BLOCK = AS_DIRECT_BLOCK
};

/* ---- beginning and ending ---- */

/* A second descriptor of an open file, by its first one. */
static int reopen(const as_io *io, int fd) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return as_io_open(io, AT_FDCWD, path, O_WRONLY | O_DIRECT, 0);
}

/* By its name in `folder`, or where it has none (NULL) by its descriptor. */
static int begin(const as_io *io, int folder, const char *name, int fd, uint64_t written, as_direct **out) {
  *out = NULL;
  if (written % BLOCK) {
    return 0;
  }
  as_direct *direct = calloc(1, sizeof *direct);
  if (!direct) {
    return -ENOMEM;
  }
  *direct = (as_direct){.io = io, .buffered = fd, .fd = -1, .base = written, .filled = written, .given = written, .synced = written};
  as_io_queue_begin(&direct->queue, io);
  if (as_io_queue_overlaps(&direct->queue)) {
    direct->fd = name ? as_io_open(io, folder, name, O_WRONLY | O_DIRECT, 0) : reopen(io, fd);
  }
  direct->arena = direct->fd < 0 ? NULL : aligned_alloc(HUGE_PAGE, ARENA_SIZE);
  if (direct->arena) {
    madvise(direct->arena, ARENA_SIZE, MADV_HUGEPAGE);
    *out = direct;
    return 0;
  }
  int error = direct->fd < 0 ? 0 : -ENOMEM;
  as_direct_abort(direct);
  return error;
}

int as_direct_begin(as_store *store, const as_staged *staged, uint64_t written, as_direct **out) {
  *out = NULL;
  const char *name = staged->name[0] ? staged->name : NULL;
  return staged->kept ? 0 : begin(store->io, store->staging, name, staged->fd, written, out);
}

int as_direct_over(const as_io *io, int fd, uint64_t written, as_direct **out) { return begin(io, AT_FDCWD, NULL, fd, written, out); }

void as_direct_abort(as_direct *direct) {
  if (direct) {
    as_io_queue_end(&direct->queue);
    as_io_close(direct->io, &direct->fd);
    free(direct->arena);
    free(direct);
  }
}

/* ---- writes and syncs in flight ---- */

/* A write that has ended. One that the file system does not take past the page cache goes through it. */
static int judge_write(as_direct *direct, as_io_request *write) {
  direct->writing[write - direct->writes] = 0;
  if (write->result != -EINVAL) {
    return (int)write->result;
  }
  return as_io_write(direct->io, direct->buffered, write->bytes, write->size, write->offset);
}

static void note_ended(as_direct *direct, as_io_request *request) {
  int error = request == &direct->sync ? (int)request->result : judge_write(direct, request);
  direct->syncing = direct->syncing && request != &direct->sync;
  direct->error = direct->error ? direct->error : error;
}

/* Notes what has ended; with `wait` at least one, if any is in flight. Returns 0 when nothing was. */
static int take_ended(as_direct *direct, int wait) {
  as_io_request *request = wait ? as_io_queue_wait(&direct->queue) : as_io_queue_poll(&direct->queue);
  int some = request != NULL;
  while (request) {
    note_ended(direct, request);
    request = as_io_queue_poll(&direct->queue);
  }
  return some;
}

/* The sync covers the writes that have ended; it is there to keep the disk's cache empty, not to make anything durable. Whether it fails matters all
 * the same: the kernel reports a lost write once. */
static void start_sync(as_direct *direct) {
  direct->sync = (as_io_request){.call = AS_IO_SYNC_DATA, .fd = direct->fd};
  direct->syncing = 1;
  direct->synced = direct->given;
  as_io_queue_add(&direct->queue, &direct->sync);
}

static unsigned part_of(const as_direct *direct, uint64_t offset) {
  return (unsigned)((offset - direct->base) / AS_DIRECT_WRITE % AS_DIRECT_WRITES);
}

/* Hands the next `size` bytes, whole blocks of one part of the arena, to the disk. */
static void give(as_direct *direct, size_t size) {
  unsigned part = part_of(direct, direct->given);
  direct->writes[part] = (as_io_request){.call = AS_IO_WRITE, .fd = direct->fd, .bytes = direct->arena + (size_t)part * AS_DIRECT_WRITE,
                                         .size = size, .offset = direct->given};
  direct->writing[part] = 1;
  direct->given += size;
  as_io_queue_add(&direct->queue, &direct->writes[part]);
  if (!direct->syncing && direct->given - direct->synced >= AS_DIRECT_SYNC) {
    start_sync(direct);
  }
  as_io_queue_send(&direct->queue);
}

/* ---- blocks ---- */

uint8_t *as_direct_block(as_direct *direct, size_t *room) {
  size_t at = (size_t)((direct->filled - direct->base) % ARENA_SIZE);
  while (direct->writing[at / AS_DIRECT_WRITE] && take_ended(direct, 1)) {
  }
  *room = AS_STEP_SIZE - at % AS_STEP_SIZE;
  return direct->error ? NULL : direct->arena + at;
}

void as_direct_filled(as_direct *direct, size_t size) {
  direct->filled += size;
  take_ended(direct, 0);
  if (!direct->error && direct->filled - direct->given >= AS_DIRECT_WRITE) {
    give(direct, AS_DIRECT_WRITE);
  }
}

/* The last bytes: whole blocks as all before, what is left of one by the other descriptor, when nothing is in flight any more. */
static void write_rest(as_direct *direct) {
  size_t rest = (size_t)(direct->filled - direct->given), whole = rest / BLOCK * BLOCK;
  const uint8_t *bytes = direct->arena + (size_t)part_of(direct, direct->given) * AS_DIRECT_WRITE;
  if (whole) {
    give(direct, whole);
  }
  while (take_ended(direct, 1)) {
  }
  if (!direct->error && rest > whole) {
    direct->error = as_io_write(direct->io, direct->buffered, bytes + whole, rest - whole, direct->given);
  }
}

int as_direct_end(as_direct *direct) {
  if (!direct->error) {
    write_rest(direct);
  }
  int error = direct->error;
  as_direct_abort(direct);
  return error;
}
