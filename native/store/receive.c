/*
 * Bytes of a socket into a stream ingest, without passing through anybody's memory but a buffer's: the mirror of sender.c.
 * May include: store.h, core/error.h, io/socket.h. Called by: users of the core.
 *
 * A socket from which nothing comes for a moment ends the call: whoever waits for it must not be one of few threads.
 */
#include <errno.h>

#include "core/error.h"
#include "io/socket.h"
#include "store/store.h"

int as_ingest_receive(as_ingest *ingest, as_store *store, int fd, size_t most, int wait, size_t *taken) {
  *taken = 0;
  uint8_t *buffer = as_store_buffer(store);
  int error = buffer ? 0 : as_fail(-ENOMEM, "receive", "the socket");
  for (size_t filled = 1, room; !error && filled && *taken < most; *taken += filled) {
    room = most - *taken < AS_STEP_SIZE ? most - *taken : AS_STEP_SIZE;
    if (*taken == 0 || room < AS_STEP_SIZE) {
      as_socket_expect(fd, room);
    }
    error = as_socket_fill(fd, buffer, room, &wait, &filled);
    error = error ? as_fail_because(AS_E_SOURCE, "receive", "the socket", "the other end has gone") : 0;
    int kept = filled ? as_ingest_append(ingest, buffer, filled) : 0;
    error = kept ? kept : error;
  }
  as_store_buffer_release(store, buffer);
  return error;
}
