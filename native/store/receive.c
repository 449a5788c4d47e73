/*
 * Bytes of a socket into a stream ingest, without passing through anybody's memory but a buffer's: the mirror of sender.c.
 * May include: store.h, core/error.h, io/socket.h. Called by: users of the core.
 *
 * A socket from which nothing comes for a moment ends the call: whoever waits for it must not be one of few threads.
 */
#include <errno.h>
#include <time.h>

#include "core/error.h"
#include "io/socket.h"
#include "store/store.h"

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for bytes, no longer than what is left of *wait, and takes off that what it took: a socket that drips does not hold the call up for longer than one
 * that is silent. */
static int await_bytes(int fd, int *wait) {
  int64_t begun = now_ms();
  int have = as_socket_wait_for_bytes(fd, *wait);
  *wait -= (int)(now_ms() - begun) + 1;
  return have;
}

/* Fills the buffer with up to `most` bytes, as far as they come; 0 with *filled of them, or why no more ever will. */
static int fill(int fd, uint8_t *buffer, size_t most, int *wait, size_t *filled) {
  *filled = 0;
  while (*filled < most) {
    ssize_t count = as_socket_receive(fd, buffer + *filled, most - *filled);
    if (count == -EAGAIN) {
      if (await_bytes(fd, wait)) {
        continue;
      }
      return 0;
    }
    if (count <= 0) {
      return as_fail_because(AS_E_SOURCE, "receive", "the socket", "the other end has gone");
    }
    *filled += (size_t)count;
  }
  return 0;
}

int as_ingest_receive(as_ingest *ingest, as_store *store, int fd, size_t most, int wait, size_t *taken) {
  *taken = 0;
  uint8_t *buffer = as_store_buffer(store);
  int error = buffer ? 0 : as_fail(-ENOMEM, "receive", "the socket");
  for (size_t filled = 1, room; !error && filled && *taken < most; *taken += filled) {
    room = most - *taken < AS_STEP_SIZE ? most - *taken : AS_STEP_SIZE;
    if (*taken == 0 || room < AS_STEP_SIZE) {
      as_socket_expect(fd, room);
    }
    error = fill(fd, buffer, room, &wait, &filled);
    int kept = filled ? as_ingest_append(ingest, buffer, filled) : 0;
    error = kept ? kept : error;
  }
  as_store_buffer_release(store, buffer);
  return error;
}
