/*
 * The I/O layer above engines that misbehave: retries and short transfers, of single calls and of requests; and a ring that ends
 * requests late, in the wrong order, cancelled, or refuses them.
 * May include: io/io.h, check.h. Run by: CTest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>

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

static int bad_stat(const as_io *io, int fd, struct stat *out) {
  *out = (struct stat){.st_size = 5};
  return bad_call(io, fd);
}

static int bad_hint(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  return (void)offset, (void)size, bad_call(io, fd);
}

static const as_io BAD = {.name = "bad", .open = bad_open, .close = bad_call, .read = bad_read, .write = bad_write,
                          .truncate = bad_truncate, .sync_data = bad_call, .sync_all = bad_call,
                          .sync_file_system = bad_call, .lock = bad_lock, .stat = bad_stat,
                          .start_read = bad_hint, .start_write_back = bad_hint};

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

/* ---- a ring that makes the attempts only when it is asked for one that has ended, the last first ---- */

struct as_io_ring {
  as_io_request *added[AS_IO_DEPTH];
  size_t count, room;
  int cancels; /* this many are given back unattempted */
  int lent;
};

static as_io_ring late_ring;
static int refused, most_in_flight;

static as_io_ring *late_take(const as_io *io) {
  (void)io;
  CHECK(!late_ring.lent, "one ring, one user");
  late_ring.lent = 1;
  return &late_ring;
}

static void late_give(const as_io *io, as_io_ring *ring) {
  (void)io;
  CHECK(ring->lent && ring->count == 0, "%zu requests in flight on a ring given back", ring->count);
  ring->lent = 0;
}

static int late_add(as_io_ring *ring, as_io_request *request) {
  if (ring->count == ring->room) {
    refused++;
    return -EBUSY;
  }
  CHECK(!request->alone, "a request that was cancelled comes back to the ring");
  ring->added[ring->count++] = request;
  most_in_flight = (int)ring->count > most_in_flight ? (int)ring->count : most_in_flight;
  return 0;
}

/* One attempt, as a kernel would make it. */
static ssize_t late_attempt(const as_io_request *of) {
  char *bytes = (char *)of->bytes + of->done;
  size_t left = of->size - of->done;
  switch (of->call) {
    case AS_IO_READ:
      return bad_read(&BAD, of->fd, bytes, left, of->offset + of->done);
    case AS_IO_WRITE:
      return bad_write(&BAD, of->fd, bytes, left, of->offset + of->done);
    case AS_IO_OPEN:
      return bad_open(&BAD, of->fd, of->path, of->flags, of->mode);
    default:
      return bad_call(&BAD, of->fd);
  }
}

static as_io_request *late_next(as_io_ring *ring, int wait) {
  if (!wait || ring->count == 0) {
    return NULL;
  }
  as_io_request *request = ring->added[--ring->count];
  request->alone = ring->cancels > 0;
  ring->cancels -= request->alone;
  request->result = request->alone ? -EINTR : late_attempt(request);
  return request;
}

static as_io late(void) {
  as_io engine = BAD;
  engine.ring_take = late_take;
  engine.ring_give = late_give;
  engine.ring_add = late_add;
  engine.ring_next = late_next;
  return engine;
}

/* ---- requests ---- */

enum { PIECES = 6, PIECE = 10 };

static void fill_pieces(as_io_request *requests, as_io_call call, char *bytes) {
  for (int i = 0; i < PIECES; i++) {
    requests[i] = (as_io_request){.call = call, .fd = 1, .bytes = bytes + i * PIECE, .size = PIECE, .offset = (uint64_t)i * PIECE};
  }
}

/* All transfers come out whole, whatever the engine does to the attempts. */
static void test_pieces(const as_io *io, int interrupt) {
  static const char text[] = "sixty bytes that are written and read in six pieces of ten.";
  char source[PIECES * PIECE], back[PIECES * PIECE + PIECE] = "";
  as_io_request requests[PIECES];
  memcpy(source, text, sizeof source);
  memset(memory, 0, sizeof memory);
  behave(interrupt, INT32_MAX, 0);
  fill_pieces(requests, AS_IO_WRITE, source);
  as_io_run(io, requests, PIECES);
  for (int i = 0; i < PIECES; i++) {
    CHECK_INT(requests[i].result, 0);
  }
  memory_size = sizeof source - 4;
  behave(interrupt, INT32_MAX, 0);
  fill_pieces(requests, AS_IO_READ, back);
  as_io_run(io, requests, PIECES);
  for (int i = 0; i < PIECES; i++) {
    CHECK_INT(requests[i].result, i == PIECES - 1 ? PIECE - 4 : PIECE);
  }
  CHECK_BYTES(back, text, sizeof source - 4, "read back");
}

static void test_failures(const as_io *io) {
  char bytes[PIECES * PIECE] = "";
  as_io_request requests[PIECES];
  fill_pieces(requests, AS_IO_WRITE, bytes);
  behave(0, 8, -ENOSPC);
  as_io_run(io, requests, PIECES);
  int failed = 0;
  for (int i = 0; i < PIECES; i++) {
    CHECK(requests[i].result == 0 || requests[i].result == -ENOSPC, "%zd", requests[i].result);
    failed += requests[i].result != 0;
  }
  CHECK(failed > 0 && failed <= PIECES, "%d failed", failed);
  fill_pieces(requests, AS_IO_WRITE, bytes);
  behave(0, 0, -ENODATA); /* takes nothing and gives no reason: not for ever */
  as_io_run(io, requests, PIECES);
  CHECK_INT(requests[0].result, -EIO);
  fill_pieces(requests, AS_IO_WRITE, bytes);
  requests[0].size = requests[1].size = 0;
  behave(0, INT32_MAX, 0);
  requests[1].call = AS_IO_READ;
  as_io_run(io, requests, 2);
  CHECK(requests[0].result == 0 && requests[1].result == 0, "nothing to transfer: %zd", requests[0].result);
}

/* Calls without bytes: repeated while interrupted, except close, which must be called once whatever it gives. */
static void test_calls(const as_io *io) {
  struct stat status;
  as_io_request requests[] = {{.call = AS_IO_OPEN, .path = "x"}, {.call = AS_IO_SYNC_DATA, .fd = 1},
                              {.call = AS_IO_START_READ, .fd = 1}, {.call = AS_IO_START_WRITE_BACK, .fd = 1}};
  enum { COUNT = sizeof requests / sizeof *requests };
  behave(3, INT32_MAX, 0);
  as_io_run(io, requests, COUNT);
  CHECK_INT(requests[0].result, 77);
  for (int i = 1; i < COUNT; i++) {
    CHECK_INT(requests[i].result, 0);
  }
  behave(0, 0, -EIO);
  as_io_run(io, requests, COUNT);
  CHECK(requests[0].result == -EIO && requests[1].result == -EIO, "%zd", requests[1].result);
  as_io_request closes[2] = {{.call = AS_IO_CLOSE, .fd = 7}, {.call = AS_IO_CLOSE, .fd = 8}};
  behave(1, INT32_MAX, 0);
  as_io_run(io, closes, 2);
  CHECK_INT(calls, 2);
  CHECK(closes[0].result == 0 && closes[0].fd == -1 && closes[1].fd == -1, "closed");
  as_io_request stat = {.call = AS_IO_STAT, .fd = 1, .status = &status};
  behave(0, INT32_MAX, 0);
  as_io_run(io, &stat, 1);
  CHECK(stat.result == 0 && status.st_size == 5, "stat");
}

/* Every request comes back exactly once, and its user may begin another meanwhile. */
static void test_queue(const as_io *io) {
  char bytes[PIECES * PIECE];
  as_io_request requests[PIECES];
  int seen[PIECES] = {0};
  as_io_queue queue, untouched = {0};
  memory_size = sizeof bytes;
  behave(2, INT32_MAX, 0);
  fill_pieces(requests, AS_IO_READ, bytes);
  as_io_queue_begin(&queue, io);
  CHECK_INT(as_io_queue_overlaps(&queue), io->ring_take != NULL);
  CHECK(!as_io_queue_wait(&queue), "nothing was added");
  for (int i = 0; i < PIECES; i++) {
    as_io_queue_add(&queue, &requests[i]);
    as_io_queue_send(&queue);
  }
  for (int i = 0; i < 3 * PIECES; i++) {
    as_io_request *ended = as_io_queue_wait(&queue);
    CHECK(ended && ended->result == PIECE, "request %d", i);
    seen[ended - requests]++;
    if (i < 2 * PIECES) {
      as_io_queue_add(&queue, ended);
    }
  }
  CHECK(!as_io_queue_wait(&queue), "all have come back");
  for (int i = 0; i < PIECES; i++) {
    CHECK(seen[i] > 0, "request %d never came", i);
    as_io_queue_add(&queue, &requests[i]);
  }
  as_io_queue_end(&queue); /* with requests in flight: waits for them */
  as_io_queue_end(&queue);
  as_io_queue_end(&untouched);
  CHECK_INT(late_ring.lent, 0);
}

static void test_requests(const as_io *io) {
  test_pieces(io, 0);
  test_pieces(io, 5);
  test_failures(io);
  test_calls(io);
  test_queue(io);
}

int main(void) {
  test_transfers();
  test_retries();
  test_requests(&BAD);
  as_io engine = late();
  late_ring.room = AS_IO_DEPTH;
  test_requests(&engine);
  CHECK_INT(most_in_flight, PIECES);
  late_ring.room = 2; /* what it refuses is carried out at once */
  test_requests(&engine);
  CHECK(refused > PIECES, "only %d refused", refused);
  late_ring.room = AS_IO_DEPTH;
  for (int cancels = 1; cancels <= PIECES; cancels++) {
    late_ring.cancels = cancels;
    test_pieces(&engine, 0);
    CHECK_INT(late_ring.cancels, 0);
  }
  as_io_request closes[2] = {{.call = AS_IO_CLOSE, .fd = 7}, {.call = AS_IO_CLOSE, .fd = 8}};
  late_ring.cancels = 2; /* a cancelled close has not closed */
  behave(0, INT32_MAX, 0);
  as_io_run(&engine, closes, 2);
  CHECK_INT(calls, 2);
  return 0;
}
