/*
 * Small answers into sockets, many at a time. What was verified is what is sent: it is copied to the socket from where it was hashed.
 * May include: the public header, io/socket.h. Called by: users of the core.
 *
 * They are sent one right behind the other because that costs less than the same with other work in between: the kernel's code stays in the processor's caches, and
 * who waits for the answers is not woken for each.
 */
#include "artifactstore.h"
#include "io/socket.h"

static ssize_t send_one(as_store *store, const as_answer *answer) {
  uint8_t *object = answer->bytes + answer->size;
  if (answer->fd < 0 || !as_read_now(store, answer->blake3, object, answer->object_size)) {
    return AS_ANSWER_UNREAD;
  }
  ssize_t sent = as_socket_send(answer->fd, answer->bytes, answer->size + answer->object_size);
  return sent < 0 ? 0 : sent;
}

void as_answers_send(as_store *store, as_answer *answers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    answers[i].sent = send_one(store, &answers[i]);
  }
}
