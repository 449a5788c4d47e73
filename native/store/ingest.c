/*
 * Taking in bytes, from the caller or from a file; see ingest.h. Nothing here makes anything visible.
 * May include: ingest.h, lane.h, session.h, core/error.h, io/io.h. Called by: users of the core; as_ingest_… of ingest.h as declared there.
 */
#include "store/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/session.h"

enum {
  FIRST_PENDING = 4096,
  WRITE_BACK_STEP = 8 * 1024 * 1024 /* bytes after which the disk is set to work: the final sync finds little left */
};

/* ---- bytes ---- */

/* Sets the disk to work on what has been written. Going through the pages takes time, so where requests can be in flight a worker
 * of the kernel does it, while this thread digests the next bytes. The pages stay cached: whoever stores is often the first to read. */
static void start_write_back(as_store *store, as_stream *stream) {
  if (!stream->queue.io) {
    as_io_queue_begin(&stream->queue, store->io);
  }
  as_io_queue_wait(&stream->queue); /* for the one before, which is long since over unless the disk cannot keep up */
  stream->write_back = (as_io_request){.call = AS_IO_START_WRITE_BACK,
                                       .fd = stream->staged.fd,
                                       .offset = stream->write_back_started,
                                       .size = stream->written - stream->write_back_started};
  as_io_queue_add(&stream->queue, &stream->write_back);
  as_io_queue_send(&stream->queue);
  stream->write_back_started = stream->written;
}

static int write_out(as_ingest *ingest, const void *bytes, size_t size) {
  as_stream *stream = ingest->stream;
  as_store *store = ingest->store;
  int error = as_io_write(store->io, stream->staged.fd, bytes, size, stream->written);
  if (error) {
    return as_store_fail(store, error, "write", "staging");
  }
  stream->written += size;
  if (stream->written - stream->write_back_started >= WRITE_BACK_STEP) {
    start_write_back(store, stream);
  }
  return 0;
}

int as_ingest_is_packed(const as_ingest *ingest) { return ingest->length <= AS_PACK_OBJECT_MAX; }

/* Where the pending bytes begin. Call it before what comes is counted in `length`. */
static uint64_t pending_start(const as_ingest *ingest) { return ingest->length - ingest->pending_size; }

int as_ingest_write_pending(as_ingest *ingest) {
  size_t written = (size_t)(ingest->stream->written - pending_start(ingest));
  size_t left = ingest->pending_size - written;
  return left ? write_out(ingest, ingest->pending + written, left) : 0;
}

int as_ingest_flush(as_ingest *ingest, as_staged *staged) {
  int error = as_ingest_write_pending(ingest);
  as_io_queue_end(&ingest->stream->queue); /* before the descriptor is somebody else's */
  *staged = ingest->stream->staged;
  ingest->stream->staged = AS_STAGED_NONE;
  return error;
}

/* Makes room for `size` pending bytes. */
static int reserve(as_ingest *ingest, size_t size) {
  if (size <= ingest->pending_capacity) {
    return 0;
  }
  size_t capacity = ingest->pending_capacity ? ingest->pending_capacity : FIRST_PENDING;
  while (capacity < size) {
    capacity *= 2;
  }
  uint8_t *pending = realloc(ingest->pending, capacity);
  if (!pending) {
    return as_fail(-ENOMEM, "append", NULL);
  }
  ingest->pending = pending;
  ingest->pending_capacity = capacity;
  return 0;
}

static int keep_pending(as_ingest *ingest, const void *bytes, size_t size) {
  int error = reserve(ingest, ingest->pending_size + size);
  if (!error && size) {
    memcpy(ingest->pending + ingest->pending_size, bytes, size);
    ingest->pending_size += size;
  }
  return error;
}

uint8_t *as_ingest_keep(as_ingest *ingest, size_t size) {
  if (reserve(ingest, size ? size : 1)) {
    return NULL;
  }
  ingest->pending_size = size;
  return ingest->pending;
}

int as_ingest_start_stream(as_ingest *ingest) {
  as_stream *stream = calloc(1, sizeof *stream);
  if (!stream) {
    return as_fail(-ENOMEM, "append", NULL);
  }
  stream->staged = AS_STAGED_NONE;
  if (ingest->session) {
    as_cv_list_init(&stream->values, ingest->store->io, as_session_open_state, ingest->session);
    stream->values.base = AS_CHECKPOINT_VALUES;
  } else {
    as_cv_list_init(&stream->values, ingest->store->io, as_staging_open_scratch, ingest->store);
  }
  as_dual_init(&stream->dual, as_cv_list_add, &stream->values);
  ingest->stream = stream;
  ingest->error = as_dual_update(&stream->dual, ingest->pending, ingest->pending_size);
  return ingest->error;
}

/* Writes bytes that have been hashed, or keeps them until a write is worth while. `error` is what hashing them gave. */
static int write_hashed(as_ingest *ingest, const void *bytes, size_t size, int error) {
  if (error) {
    return as_store_fail(ingest->store, error, "write", "staging"); /* the list of chaining values could not grow */
  }
  if (ingest->source && ingest->source->cloned) { /* they are there already */
    ingest->stream->written += size;
    return 0;
  }
  int may_be_packed = pending_start(ingest) == 0;
  if (ingest->pending_size + size <= (may_be_packed ? AS_PACK_OBJECT_MAX : AS_COALESCE_SIZE)) {
    return keep_pending(ingest, bytes, size);
  }
  if (ingest->stream->staged.fd < 0) { /* too large for a pack */
    error = ingest->session ? as_session_open_part(ingest->session, &ingest->stream->staged)
                            : as_staging_create(ingest->store, &ingest->stream->staged);
    if (error) {
      return error;
    }
  }
  if (ingest->pending_size) {
    error = as_ingest_write_pending(ingest);
    ingest->pending_size = 0;
  }
  return error ? error : write_out(ingest, bytes, size);
}

static int stays_small(const as_ingest *ingest, size_t size) {
  return !ingest->stream && ingest->length + size <= AS_SMALL_SIZE;
}

static int note_appended(as_ingest *ingest, size_t size, int error) {
  ingest->length += error ? 0 : size;
  ingest->error = error;
  return error;
}

static int append(as_ingest *ingest, const void *bytes, size_t size) {
  if (stays_small(ingest, size)) {
    return note_appended(ingest, size, keep_pending(ingest, bytes, size));
  }
  int error = ingest->stream ? 0 : as_ingest_start_stream(ingest);
  if (!error) {
    int hashed = ingest->lane ? as_lane_update(ingest->lane, size) : as_dual_update(&ingest->stream->dual, bytes, size);
    error = write_hashed(ingest, bytes, size, hashed);
  }
  return note_appended(ingest, size, error);
}

/* ---- streams ---- */

int as_ingest_begin(as_store *store, as_ingest **out) {
  *out = NULL;
  if (store->read_only) {
    return as_store_fail(store, AS_E_READ_ONLY, "ingest", "");
  }
  as_ingest *ingest = calloc(1, sizeof *ingest);
  if (!ingest) {
    return as_fail(-ENOMEM, "ingest", store->path);
  }
  ingest->store = store;
  *out = ingest;
  return 0;
}

/* An object for a pack stays where it is until it is committed; a larger one is written to its staged file now. */
int as_ingest_begin_whole(as_store *store, const void *bytes, size_t size, as_ingest **out) {
  int error = as_ingest_begin(store, out);
  if (error) {
    return error;
  }
  as_ingest *ingest = *out;
  if (size > AS_PACK_OBJECT_MAX) {
    error = append(ingest, bytes, size);
  } else {
    ingest->borrowed = 1;
    ingest->pending = (uint8_t *)(uintptr_t)bytes; /* only read */
    ingest->pending_size = size;
    ingest->length = size;
    error = size > AS_SMALL_SIZE ? as_ingest_start_stream(ingest) : 0;
  }
  if (error) {
    as_ingest_abort(ingest);
    *out = NULL;
  }
  return error;
}

int as_ingest_append(as_ingest *ingest, const void *bytes, size_t size) {
  if (ingest->error || ingest->source || ingest->borrowed) {
    return as_store_fail(ingest->store, ingest->error ? ingest->error : AS_E_INVALID, "append", "");
  }
  return append(ingest, bytes, size);
}

/* Whether the ingest takes these bytes as a stream, which it begins to be if need be. */
static int is_ready_stream(as_ingest *ingest, size_t size) {
  return !ingest->error && !ingest->source && !ingest->borrowed && !stays_small(ingest, size) && (ingest->stream || !as_ingest_start_stream(ingest));
}

void as_ingest_append_pair(as_ingest *const ingests[2], const as_span inputs[2], int errors[2]) {
  if (!is_ready_stream(ingests[0], inputs[0].size) || !is_ready_stream(ingests[1], inputs[1].size)) {
    for (int i = 0; i < 2; i++) {
      errors[i] = as_ingest_append(ingests[i], inputs[i].bytes, inputs[i].size);
    }
    return;
  }
  as_dual *duals[2] = {&ingests[0]->stream->dual, &ingests[1]->stream->dual};
  as_dual2_update(duals, inputs, errors);
  for (int i = 0; i < 2; i++) {
    int error = write_hashed(ingests[i], inputs[i].bytes, inputs[i].size, errors[i]);
    errors[i] = note_appended(ingests[i], inputs[i].size, error);
  }
}

void as_ingest_defer(as_ingest *ingest) { ingest->deferred = !ingest->session; }

uint64_t as_ingest_length(const as_ingest *ingest) { return ingest->length; }

void as_ingest_abort(as_ingest *ingest) {
  if (!ingest) {
    return;
  }
  if (ingest->stream) {
    as_io_queue_end(&ingest->stream->queue);
    as_staging_discard(ingest->store, &ingest->stream->staged);
    as_cv_list_free(&ingest->stream->values);
    free(ingest->stream);
  }
  if (ingest->source) {
    as_io_close(ingest->store->io, &ingest->source->fd);
    free(ingest->source->path);
    free(ingest->source);
  }
  if (!ingest->borrowed) {
    free(ingest->pending);
  }
  if (ingest->session) {
    as_session_leave(ingest->session);
  }
  free(ingest);
}

/* ---- files ---- */

/* Records which call on the source failed and why; the caller learns that it was the source. */
static int source_fail(const as_source *source, int error, const char *call) {
  as_fail(error, call, source->path);
  return AS_E_SOURCE;
}

static int open_source(as_ingest *ingest, const char *path) {
  const as_io *io = ingest->store->io;
  as_source *source = calloc(1, sizeof *source);
  if (!source) {
    return as_fail(-ENOMEM, "open", path);
  }
  ingest->source = source;
  source->fd = -1;
  source->path = strdup(path);
  if (!source->path) {
    return as_fail(-ENOMEM, "open", path);
  }
  int fd = as_io_open(io, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0); /* a pipe must not hold us up */
  if (fd < 0) {
    /* A socket cannot be opened at all: ENXIO says so. */
    return fd == -ENXIO ? as_fail(AS_E_NOT_FILE, "open", path) : source_fail(source, fd, "open");
  }
  source->fd = fd;
  int error = io->stat(io, fd, &source->before);
  if (error) {
    return source_fail(source, error, "fstat");
  }
  if (!S_ISREG(source->before.st_mode)) {
    return as_fail(AS_E_NOT_FILE, "open", path);
  }
  if (source->before.st_size > AS_STEP_SIZE) {
    io->will_read_in_order(io, fd);
  }
  return 0;
}

/* Has the staged file of a large source share its blocks, where the file system can. Where it cannot, or anything else is in the way,
 * the bytes will be copied, which says what is wrong if something is. */
static int clone_source(as_ingest *ingest) {
  as_source *source = ingest->source;
  as_store *store = ingest->store;
  if (source->before.st_size <= AS_PACK_OBJECT_MAX) {
    return 0;
  }
  as_staged staged;
  int error = as_staging_create(store, &staged);
  if (error) {
    return error;
  }
  if (store->io->clone(store->io, source->fd, staged.fd) != 0) {
    as_staging_discard(store, &staged); /* and not written to: part of the blocks may be there */
    return 0;
  }
  error = as_ingest_start_stream(ingest);
  if (error) {
    as_staging_discard(store, &staged);
    return error;
  }
  ingest->stream->staged = staged;
  source->cloned = 1;
  return 0;
}

int as_ingest_begin_file(as_store *store, const char *path, as_ingest **out) {
  as_ingest *ingest;
  *out = NULL;
  int error = as_ingest_begin(store, &ingest);
  if (error) {
    return error;
  }
  error = open_source(ingest, path);
  error = error ? error : clone_source(ingest);
  if (error) {
    as_ingest_abort(ingest);
    return error;
  }
  *out = ingest;
  return 0;
}

static int same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

/* At the end of the file: whether it is still what it was when it was opened. */
static int end_source(as_ingest *ingest) {
  as_source *source = ingest->source;
  struct stat now;
  int error = ingest->store->io->stat(ingest->store->io, source->fd, &now);
  if (error) {
    return source_fail(source, error, "fstat");
  }
  const struct stat *before = &source->before;
  int same = now.st_size == before->st_size && (uint64_t)now.st_size == ingest->length &&
             same_time(now.st_mtim, before->st_mtim) && same_time(now.st_ctim, before->st_ctim) &&
             now.st_ino == before->st_ino;
  if (!same) {
    return as_fail(AS_E_CHANGED, "read", source->path);
  }
  source->ended = 1;
  return 0;
}

/* Reads one step of at most `most` bytes; *taken is 0 at the end. */
static int pump_step(as_ingest *ingest, uint8_t *buffer, size_t most, size_t *taken) {
  as_source *source = ingest->source;
  size_t size = most < AS_STEP_SIZE ? most : AS_STEP_SIZE;
  int fd = source->cloned ? ingest->stream->staged.fd : source->fd;
  ssize_t count = as_io_read(ingest->store->io, fd, buffer, size, ingest->length);
  if (count < 0) {
    return source_fail(source, (int)count, "read");
  }
  if (ingest->length + (uint64_t)count > (uint64_t)source->before.st_size) {
    return as_fail(AS_E_CHANGED, "read", source->path); /* a file that keeps growing has no end to wait for */
  }
  *taken = (size_t)count;
  return count == 0 ? end_source(ingest) : append(ingest, buffer, (size_t)count);
}

/* How many bytes a call that may take `most` will take, about. */
static uint64_t coming(const as_ingest *ingest, size_t most) {
  uint64_t size = (uint64_t)ingest->source->before.st_size;
  uint64_t left = ingest->length < size ? size - ingest->length : 0;
  return most < left ? most : left;
}

/* Steps of a stream that has begun, hashed on two threads where that can be. */
static int pump_stream(as_ingest *ingest, size_t most, size_t *taken) {
  as_lane lane;
  int error = 0;
  as_lane_begin(&lane, ingest->store, &ingest->stream->dual, coming(ingest, most));
  ingest->lane = &lane;
  while (!error && *taken < most && !ingest->source->ended) {
    size_t step = 0;
    uint8_t *buffer = as_lane_buffer(&lane);
    error = buffer ? pump_step(ingest, buffer, most - *taken, &step) : as_fail(-ENOMEM, "read", ingest->source->path);
    *taken += step;
  }
  ingest->lane = NULL;
  as_lane_end(&lane);
  return error;
}

/* Steps until the file has ended or is a stream. */
static int pump_beginning(as_ingest *ingest, size_t most, size_t *taken) {
  uint8_t *buffer = as_store_buffer(ingest->store);
  int error = buffer ? 0 : as_fail(-ENOMEM, "read", ingest->source->path);
  while (!error && *taken < most && !ingest->source->ended && !ingest->stream) {
    size_t step = 0;
    error = pump_step(ingest, buffer, most - *taken, &step);
    *taken += step;
  }
  as_store_buffer_release(ingest->store, buffer);
  return error;
}

int as_ingest_pump(as_ingest *ingest, size_t most, size_t *taken) {
  *taken = 0;
  if (ingest->error || !ingest->source) {
    return as_store_fail(ingest->store, ingest->error ? ingest->error : AS_E_INVALID, "read", "");
  }
  int error = pump_beginning(ingest, most, taken);
  if (!error && ingest->stream) {
    error = pump_stream(ingest, most, taken);
  }
  ingest->error = error;
  return error;
}
