/*
 * An object's bytes into a socket, without passing through anybody's memory but a block's: read, verified, sent.
 * May include: objects.h, core/error.h, io/pieces.h, io/socket.h. Called by: users of the core.
 *
 * What has been verified in the block is what is sent, so blocks are copied to the socket and not handed over in the page cache, where somebody could
 * change them in between. A socket that takes nothing for a moment ends the call: whoever waits for it must not be one of few threads.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "io/pieces.h"
#include "io/socket.h"
#include "store/objects.h"

struct as_sender {
  as_store *store;
  as_reader *reader;
  int fd;
  uint64_t next; /* the first byte that has not been sent or handed out */
  uint64_t end;
  size_t head; /* bytes before each block: of its size, or none */
};

int as_sender_open(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], int fd, uint64_t start, uint64_t end, unsigned flags, as_sender **out) {
  *out = NULL;
  as_sender *sender = calloc(1, sizeof *sender);
  uint64_t size = 0;
  if (!sender) {
    as_socket_close(fd);
    return as_fail(-ENOMEM, "open", store->path);
  }
  *sender = (as_sender){.store = store, .fd = fd, .next = start, .end = end, .head = flags & AS_SEND_PIECES ? AS_PIECE_HEAD : 0};
  int error = as_reader_open(store, blake3, &sender->reader, &size);
  if (!error && (start > end || end > size)) {
    error = as_fail(AS_E_RANGE, "read", "the object");
  }
  if (error) {
    as_sender_close(sender);
    return error;
  }
  *out = sender;
  return 0;
}

void as_sender_close(as_sender *sender) {
  if (sender) {
    as_reader_close(sender->reader);
    as_socket_close(sender->fd);
    free(sender);
  }
}

/* Reads and verifies the next block into `buffer`: what of it is to be sent begins at *skip and has *size bytes. */
static int next_block(as_sender *sender, uint8_t *buffer, size_t capacity, size_t *skip, size_t *size, as_range *bad) {
  uint64_t block = capacity < AS_STEP_SIZE ? capacity : AS_STEP_SIZE;
  uint64_t until = (sender->next / block + 1) * block;
  uint64_t stop = until < sender->end ? until : sender->end;
  uint64_t first = sender->next / AS_GROUP_SIZE * AS_GROUP_SIZE;
  uint64_t groups = (stop - first - 1) / AS_GROUP_SIZE + 1;
  int error = as_reader_read(sender->reader, sender->next, buffer, (size_t)groups * AS_GROUP_SIZE, skip, size, bad);
  if (!error && *size > stop - sender->next) {
    *size = (size_t)(stop - sender->next);
  }
  return error;
}

/* Sends a block as far as the socket takes it, waiting now and then; 0 with what is left, or why it never will. */
static int send_block(const as_sender *sender, const uint8_t *bytes, size_t size, int wait, size_t *sent) {
  *sent = 0;
  while (*sent < size) {
    ssize_t count = as_socket_send(sender->fd, bytes + *sent, size - *sent);
    if (count == -EAGAIN) {
      if (as_socket_wait(sender->fd, wait)) {
        continue;
      }
      return 0;
    }
    if (count < 0) {
      return as_fail_because(AS_E_SINK, "send", "the socket", "the other end has gone");
    }
    *sent += (size_t)count;
  }
  return 0;
}

int as_sender_pump(as_sender *sender, size_t most, int wait, uint8_t *buffer, size_t capacity, as_sent *out, as_range *bad) {
  *out = (as_sent){0, 0, 0};
  *bad = (as_range){0, 0};
  size_t before = sender->head ? AS_GROUP_SIZE : 0; /* room for heads, in whole groups */
  while (sender->next < sender->end && out->sent < most) {
    size_t skip, size, sent;
    int error = next_block(sender, buffer + before, capacity - before, &skip, &size, bad);
    if (error) {
      return error;
    }
    uint8_t *block = buffer + before + skip - sender->head;
    if (sender->head) {
      as_piece_head(block, size);
    }
    error = send_block(sender, block, sender->head + size, wait, &sent);
    if (error) {
      return error;
    }
    sender->next += size;
    out->sent += sent > sender->head ? sent - sender->head : 0;
    if (sent < sender->head + size) {
      out->skip = (size_t)(block - buffer) + sent;
      out->left = sender->head + size - sent;
      return 0;
    }
  }
  return 0;
}
