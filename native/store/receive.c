/*
 * Bytes of a socket into a stream ingest, without passing through anybody's memory but a buffer's: the mirror of sender.c.
 * May include: store.h, core/error.h, io/pieces.h, io/socket.h. Called by: users of the core.
 *
 * A socket from which nothing comes for a moment ends the call: whoever waits for it must not be one of few threads.
 */
#include <errno.h>

#include "core/error.h"
#include "io/pieces.h"
#include "io/socket.h"
#include "store/store.h"

/* Where bytes come from: pieces, or as they stand in a socket. */
typedef struct origin {
  as_pieces *pieces; /* NULL: the socket */
  int fd;
  int wait;
} origin;

static void expect(const origin *from, size_t size) {
  if (from->pieces) {
    as_pieces_expect(from->pieces, size);
  } else {
    as_socket_expect(from->fd, size);
  }
}

static int fill(origin *from, uint8_t *buffer, size_t size, size_t *filled) {
  return from->pieces ? as_pieces_fill(from->pieces, buffer, size, &from->wait, filled) : as_socket_fill(from->fd, buffer, size, &from->wait, filled);
}

static int receive(as_ingest *ingest, as_store *store, origin *from, size_t most, size_t *taken) {
  *taken = 0;
  uint8_t *buffer = as_store_buffer(store);
  int error = buffer ? 0 : as_fail(-ENOMEM, "receive", "the socket");
  for (size_t filled = 1, room; !error && filled && *taken < most; *taken += filled) {
    room = most - *taken < AS_STEP_SIZE ? most - *taken : AS_STEP_SIZE;
    if (from->wait > 0 && (*taken == 0 || room < AS_STEP_SIZE)) {
      expect(from, room);
    }
    error = fill(from, buffer, room, &filled);
    error = error ? as_fail_because(AS_E_SOURCE, "receive", "the socket", "the other end has gone") : 0;
    int kept = filled ? as_ingest_append(ingest, buffer, filled) : 0;
    error = kept ? kept : error;
  }
  as_store_buffer_release(store, buffer);
  return error;
}

int as_ingest_receive(as_ingest *ingest, as_store *store, int fd, size_t most, int wait, size_t *taken) {
  origin from = {.fd = fd, .wait = wait};
  return receive(ingest, store, &from, most, taken);
}

int as_ingest_receive_pieces(as_ingest *ingest, as_store *store, as_pieces *pieces, size_t most, int wait, size_t *taken) {
  origin from = {.pieces = pieces, .wait = wait};
  return receive(ingest, store, &from, most, taken);
}
