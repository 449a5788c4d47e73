/*
 * Requests, several in flight where the engine has a ring and one after the other where it has none, with the same results: what
 * is interrupted is repeated and what is short continued here, for both.
 * May include: io.h. Called by: native/store.
 */
#include <errno.h>

#include "io/io.h"

/* ---- one request ---- */

/* One try at what is left of a request. */
static ssize_t try_rest(const as_io *io, as_io_request *request) {
  char *bytes = (char *)request->bytes + request->done;
  size_t left = request->size - request->done;
  uint64_t offset = request->offset + request->done;
  ssize_t result = -EINVAL;
  switch (request->call) {
    case AS_IO_OPEN:
      result = as_io_open(io, request->fd, request->path, request->flags, request->mode);
      break;
    case AS_IO_CLOSE:
      as_io_close(io, &request->fd);
      result = 0;
      break;
    case AS_IO_READ:
      result = as_io_read(io, request->fd, bytes, left, offset);
      result = result < 0 ? result : result + (ssize_t)request->done;
      break;
    case AS_IO_WRITE:
      result = as_io_write(io, request->fd, bytes, left, offset);
      break;
    case AS_IO_SYNC_DATA:
      result = as_io_sync_data(io, request->fd);
      break;
    case AS_IO_STAT:
      result = io->stat(io, request->fd, request->status);
      break;
    case AS_IO_START_READ:
      result = io->start_read(io, request->fd, request->offset, request->size);
      break;
    case AS_IO_START_WRITE_BACK:
      result = io->start_write_back(io, request->fd, request->offset, request->size);
      break;
  }
  return result;
}

/* Carries out what is left of a request, here and now. */
static void carry_out(const as_io *io, as_io_request *request) {
  do {
    request->result = try_rest(io, request);
  } while (request->result == -EINTR);
}

/* Judges a transfer of `count` bytes, as as_io_read and as_io_write do. */
static int has_transferred_all(as_io_request *request, ssize_t count) {
  int writes = request->call == AS_IO_WRITE;
  if (count == 0) {
    request->result = writes && request->size ? -EIO : (ssize_t)request->done;
    return 1;
  }
  request->done += (size_t)count;
  request->result = writes ? 0 : (ssize_t)request->done;
  return request->done == request->size;
}

/* Whether a request has ended with the attempt that gave `result`, or is to be attempted again. */
static int has_ended(as_io_request *request) {
  ssize_t result = request->result;
  switch (request->call) {
    case AS_IO_CLOSE:
      if (!request->alone) {
        request->fd = -1;
        request->result = 0; /* as as_io_close: not repeated even if interrupted, its result not looked at */
      }
      return !request->alone;
    case AS_IO_READ:
    case AS_IO_WRITE:
      return result == -EINTR ? 0 : result < 0 ? 1 : has_transferred_all(request, result);
    default:
      return result != -EINTR;
  }
}

/* ---- queues ---- */

void as_io_queue_begin(as_io_queue *queue, const as_io *io) {
  *queue = (as_io_queue){.io = io, .ring = io->ring_take ? io->ring_take(io) : NULL};
}

int as_io_queue_overlaps(const as_io_queue *queue) { return queue->ring != NULL; }

static void note_ended(as_io_queue *queue, as_io_request *request) {
  request->next = NULL;
  *(queue->first ? &queue->last->next : &queue->first) = request;
  queue->last = request;
}

/* Puts a request on the ring, or carries it out at once. */
static void attempt(as_io_queue *queue, as_io_request *request) {
  if (queue->ring && !request->alone && queue->io->ring_add(queue->ring, request) == 0) {
    queue->in_flight++;
    return;
  }
  carry_out(queue->io, request);
  note_ended(queue, request);
}

void as_io_queue_add(as_io_queue *queue, as_io_request *request) {
  request->done = 0;
  request->alone = 0;
  attempt(queue, request);
}

/* Takes one attempt that has ended off the ring; returns 0 when there is none. */
static int take_one(as_io_queue *queue, int wait) {
  as_io_request *request = queue->io->ring_next(queue->ring, wait);
  if (!request) {
    return 0;
  }
  queue->in_flight--;
  if (has_ended(request)) {
    note_ended(queue, request);
  } else {
    attempt(queue, request);
  }
  return 1;
}

void as_io_queue_send(as_io_queue *queue) {
  if (queue->in_flight) {
    take_one(queue, 0);
  }
}

static as_io_request *take_first(as_io_queue *queue) {
  as_io_request *request = queue->first;
  if (request) {
    queue->first = request->next;
  }
  return request;
}

as_io_request *as_io_queue_wait(as_io_queue *queue) {
  while (!queue->first && queue->in_flight) {
    take_one(queue, 1);
  }
  return take_first(queue);
}

as_io_request *as_io_queue_poll(as_io_queue *queue) {
  while (!queue->first && queue->in_flight && take_one(queue, 0)) {
  }
  return take_first(queue);
}

void as_io_queue_end(as_io_queue *queue) {
  while (as_io_queue_wait(queue)) {
  }
  if (queue->ring) {
    queue->io->ring_give(queue->io, queue->ring);
    queue->ring = NULL;
  }
}

void as_io_run(const as_io *io, as_io_request *requests, size_t count) {
  as_io_queue queue = {.io = io};
  if (count > 1) { /* a single request has nothing to be in flight with */
    as_io_queue_begin(&queue, io);
  }
  for (size_t next = 0; next < count || queue.in_flight;) {
    while (next < count && queue.in_flight < AS_IO_DEPTH) {
      as_io_queue_add(&queue, &requests[next++]);
    }
    if (queue.in_flight) {
      take_one(&queue, 1);
    }
  }
  as_io_queue_end(&queue);
}
