/*
 * Taking in bytes, from the caller or from a file; see ingest.h. Nothing here makes anything visible.
 * May include: ingest.h, source.h, direct.h, lane.h, session.h, core/error.h, io/io.h. Called by: users of the core; as_ingest_… of ingest.h as declared there.
 */
#include "store/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/session.h"
#include "store/source.h"

enum {
  FIRST_PENDING = 4096,
  WRITE_BACK_STEP = 8 * 1024 * 1024, /* bytes after which the disk is set to work: the final sync finds little left */
  SYNC_STEP = 64 * 1024 * 1024       /* and after which it is synced, some hundredths of a second */
};

/* ---- bytes ---- */

/* What is on its way has ended, `request`. Only of a sync does it matter how: the kernel reports bytes that it has lost once. */
static void note_handed_over(as_stream *stream, const as_io_request *request) {
  int error = request->call == AS_IO_SYNC_DATA ? (int)request->result : 0;
  stream->handing_over = 0;
  stream->sync_error = stream->sync_error ? stream->sync_error : error;
}

/* Sets the disk to work on what has been written, and every so often has it empty its own cache, which at the end may take as long as all
 * the writing. Both take time, so where requests can be in flight a worker of the kernel does it, while this thread digests the next
 * bytes; one at a time, and where none can be in flight the sync is left for the end. The pages stay cached: whoever stores is often the
 * first to read. */
static void hand_over(as_store *store, as_stream *stream) {
  if (!stream->queue.io) {
    as_io_queue_begin(&stream->queue, store->io);
  }
  const as_io_request *ended = as_io_queue_poll(&stream->queue);
  if (ended) {
    note_handed_over(stream, ended);
  }
  if (stream->handing_over) {
    return;
  }
  int sync = as_io_queue_overlaps(&stream->queue) && stream->written - stream->synced >= SYNC_STEP;
  stream->write_back = (as_io_request){.call = sync ? AS_IO_SYNC_DATA : AS_IO_START_WRITE_BACK,
                                       .fd = stream->staged.fd,
                                       .offset = stream->write_back_started,
                                       .size = stream->written - stream->write_back_started};
  stream->write_back_started = stream->written;
  stream->synced = sync ? stream->written : stream->synced;
  stream->handing_over = 1;
  as_io_queue_add(&stream->queue, &stream->write_back);
  as_io_queue_send(&stream->queue);
}

/* Waits for what is on its way, before the descriptor is somebody else's. Returns 0 or the error of a sync. */
static int end_hand_over(as_stream *stream) {
  const as_io_request *ended = as_io_queue_wait(&stream->queue);
  if (ended) {
    note_handed_over(stream, ended);
  }
  as_io_queue_end(&stream->queue);
  stream->queue = (as_io_queue){0};
  return stream->sync_error;
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
    hand_over(store, stream);
  }
  return 0;
}

int as_ingest_is_packed(const as_ingest *ingest) { return ingest->length <= AS_PACK_OBJECT_MAX; }

/* Where the pending bytes begin. Call it before what comes is counted in `length`. */
static uint64_t pending_start(const as_ingest *ingest) { return ingest->length - ingest->pending_size; }

static int write_pending(as_ingest *ingest) {
  size_t written = (size_t)(ingest->stream->written - pending_start(ingest));
  size_t left = ingest->pending_size - written;
  return left ? write_out(ingest, ingest->pending + written, left) : 0;
}

/* A stream is no more of those that are written past the page cache. */
static void leave_direct(as_ingest *ingest) {
  if (ingest->stream->direct_counted) {
    ingest->stream->direct_counted = 0;
    atomic_fetch_sub(&ingest->store->direct_streams, 1);
  }
}

int as_ingest_settle(as_ingest *ingest) {
  as_stream *stream = ingest->stream;
  int error = write_pending(ingest);
  int failed = end_hand_over(stream);
  if (stream->direct) {
    int lost = as_direct_end(stream->direct);
    stream->direct = NULL;
    leave_direct(ingest);
    failed = failed ? failed : lost;
  }
  return error || !failed ? error : as_store_fail(ingest->store, failed, "write", "staging");
}

int as_ingest_flush(as_ingest *ingest, as_staged *staged) {
  int error = as_ingest_settle(ingest);
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

/* The pending bytes have been written. What held an object that might have been packed is more than it needs from now on. */
static void forget_pending(as_ingest *ingest) {
  ingest->pending_size = 0;
  if (ingest->pending_capacity > AS_COALESCE_SIZE) {
    free(ingest->pending);
    ingest->pending = NULL;
    ingest->pending_capacity = 0;
  }
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

/* Begins to write a stream past the page cache once it is long and all that came is in the staged file, as long as few others are. Bytes before the first
 * whole block go the usual way: *bytes and *size are what is left. */
static int begin_direct_stream(as_ingest *ingest, const uint8_t **bytes, size_t *size) {
  as_stream *stream = ingest->stream;
  size_t before = (size_t)(-stream->written % AS_DIRECT_BLOCK);
  int is_time = !ingest->source && stream->staged.fd >= 0 && !ingest->pending_size && stream->written >= ingest->store->direct_stream_from;
  if (!is_time || stream->direct_tried || *size <= before) {
    return 0;
  }
  if (atomic_fetch_add(&ingest->store->direct_streams, 1) >= AS_DIRECT_STREAMS_MAX) {
    atomic_fetch_sub(&ingest->store->direct_streams, 1);
    return 0; /* the next bytes ask again */
  }
  stream->direct_counted = 1;
  stream->direct_tried = 1;
  int error = before ? write_out(ingest, *bytes, before) : 0;
  if (error) {
    return error;
  }
  *bytes += before;
  *size -= before;
  error = as_direct_begin(ingest->store, &stream->staged, stream->written, &stream->direct);
  if (!stream->direct) {
    leave_direct(ingest);
  }
  return error ? as_store_fail(ingest->store, error, "write", "staging") : 0;
}

/* Copies bytes that have been hashed to where they are written from: what the caller has is another's once it is answered. */
static int write_direct(as_ingest *ingest, const uint8_t *bytes, size_t size) {
  as_direct *direct = ingest->stream->direct;
  while (size) {
    size_t room;
    uint8_t *block = as_direct_block(direct, &room);
    if (!block) {
      return as_store_fail(ingest->store, direct->error, "write", "staging");
    }
    size_t part = size < room ? size : room;
    memcpy(block, bytes, part);
    as_direct_filled(direct, part);
    ingest->stream->written += part;
    bytes += part;
    size -= part;
  }
  return 0;
}

/* Writes bytes that have been hashed, or keeps them until a write is worth while. `error` is what hashing them gave. */
static int write_hashed(as_ingest *ingest, const uint8_t *bytes, size_t size, int error) {
  if (error) {
    return as_store_fail(ingest->store, error, "write", "staging"); /* the list of chaining values could not grow */
  }
  if (ingest->source && ingest->source->cloned) { /* they are there already */
    ingest->stream->written += size;
    return 0;
  }
  error = begin_direct_stream(ingest, &bytes, &size);
  if (error) {
    return error;
  }
  if (ingest->stream->direct && !ingest->source) {
    return write_direct(ingest, bytes, size);
  }
  if (ingest->stream->direct) { /* they were read to where it writes from */
    as_direct_filled(ingest->stream->direct, size);
    ingest->stream->written += size;
    return 0;
  }
  int may_be_packed = pending_start(ingest) == 0 && ingest->announced <= AS_PACK_OBJECT_MAX;
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
    error = write_pending(ingest);
    forget_pending(ingest);
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
    int hashed = ingest->lane ? as_lane_update(ingest->lane, bytes, size) : as_dual_update(&ingest->stream->dual, bytes, size);
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

void as_ingest_announce(as_ingest *ingest, uint64_t size) { ingest->announced = size; }

void as_ingest_defer(as_ingest *ingest) { ingest->deferred = !ingest->session; }

uint64_t as_ingest_length(const as_ingest *ingest) { return ingest->length; }

static void close_source(as_ingest *ingest) {
  if (ingest->source) {
    as_io_close(ingest->store->io, &ingest->source->fd);
    free(ingest->source->path);
    free(ingest->source);
    ingest->source = NULL;
  }
}

void as_ingest_abort(as_ingest *ingest) {
  if (!ingest) {
    return;
  }
  if (ingest->stream) {
    as_direct_abort(ingest->stream->direct);
    leave_direct(ingest);
    as_io_queue_end(&ingest->stream->queue);
    as_staging_discard(ingest->store, &ingest->stream->staged);
    as_cv_list_free(&ingest->stream->values);
    free(ingest->stream);
  }
  close_source(ingest);
  if (!ingest->borrowed) {
    free(ingest->pending);
  }
  if (ingest->session) {
    as_session_leave(ingest->session);
  }
  free(ingest);
}

/* ---- files ---- */

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

/* The ingest of an open file, which is its own from here on. */
static int begin_source(as_store *store, const char *path, int fd, const struct stat *before, as_ingest **out) {
  int error = as_ingest_begin(store, out);
  as_source *source = error ? NULL : calloc(1, sizeof *source);
  if (!source) {
    as_io_close(store->io, &fd);
    return error ? error : as_fail(-ENOMEM, "open", path);
  }
  (*out)->source = source;
  source->fd = fd;
  source->before = *before;
  source->path = strdup(path);
  if (!source->path) {
    return as_fail(-ENOMEM, "open", path);
  }
  if (before->st_size > AS_STEP_SIZE) {
    store->io->will_read_in_order(store->io, fd);
  }
  return clone_source(*out);
}

int as_ingest_begin_opened(as_store *store, const char *path, int fd, const struct stat *before, as_ingest **out) {
  *out = NULL;
  int error = begin_source(store, path, fd, before, out);
  if (error) {
    as_ingest_abort(*out);
    *out = NULL;
  }
  return error;
}

int as_ingest_begin_file(as_store *store, const char *path, as_ingest **out) {
  *out = NULL;
  if (store->read_only) {
    return as_store_fail(store, AS_E_READ_ONLY, "ingest", "");
  }
  struct stat before;
  int fd = as_io_open(store->io, AT_FDCWD, path, AS_SOURCE_FLAGS, 0);
  int looked = fd < 0 ? 0 : store->io->stat(store->io, fd, &before);
  int error = as_source_judge_opened(path, fd, looked, &before);
  if (error) {
    as_io_close(store->io, &fd);
    return error;
  }
  return as_ingest_begin_opened(store, path, fd, &before, out);
}

/* At the end of the file. */
static int end_source(as_ingest *ingest) {
  as_source *source = ingest->source;
  struct stat now;
  int looked = ingest->store->io->stat(ingest->store->io, source->fd, &now);
  int error = as_source_judge_read(source->path, &source->before, ingest->length, looked, &now);
  source->ended = !error;
  return error;
}

/* Reads one step of at most `most` bytes; *taken is 0 at the end. */
static int pump_step(as_ingest *ingest, uint8_t *buffer, size_t most, size_t *taken) {
  as_source *source = ingest->source;
  size_t size = most < AS_STEP_SIZE ? most : AS_STEP_SIZE;
  int fd = source->cloned ? ingest->stream->staged.fd : source->fd;
  ssize_t count = as_io_read(ingest->store->io, fd, buffer, size, ingest->length);
  if (count < 0) {
    return as_source_fail(source->path, (int)count, "read");
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

/* Whether it is time to go on past the page cache: what has been read is in the staged file, and much is to come. */
static int should_write_direct(const as_ingest *ingest) {
  const as_stream *stream = ingest->stream;
  uint64_t size = (uint64_t)ingest->source->before.st_size;
  int all_written = stream->staged.fd >= 0 && !ingest->pending_size;
  return !ingest->source->cloned && !stream->direct_tried && all_written && size > stream->written &&
         size - stream->written >= ingest->store->direct_from;
}

/* Where the next step is read to, and how many bytes it may have. NULL when there is no memory, or a write has failed: *error. */
static uint8_t *step_buffer(as_ingest *ingest, as_lane *lane, size_t *room, int *error) {
  as_stream *stream = ingest->stream;
  if (should_write_direct(ingest)) {
    stream->direct_tried = 1;
    *error = as_direct_begin(ingest->store, &stream->staged, stream->written, &stream->direct);
  }
  uint8_t *buffer = NULL;
  *room = AS_STEP_SIZE;
  if (!*error) {
    buffer = stream->direct ? as_direct_block(stream->direct, room) : as_lane_buffer(lane);
  }
  if (!buffer) {
    *error = *error || !stream->direct ? -ENOMEM : stream->direct->error;
    as_store_fail(ingest->store, *error, "write", "staging");
  }
  return buffer;
}

/* Steps of a stream that has begun, hashed on two threads where that can be. */
static int pump_stream(as_ingest *ingest, size_t most, size_t *taken) {
  as_lane lane;
  int error = 0;
  as_lane_begin(&lane, ingest->store, &ingest->stream->dual, coming(ingest, most));
  ingest->lane = &lane;
  while (!error && *taken < most && !ingest->source->ended) {
    size_t step = 0, room, left = most - *taken;
    uint8_t *buffer = step_buffer(ingest, &lane, &room, &error);
    error = buffer ? pump_step(ingest, buffer, left < room ? left : room, &step) : error;
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
