/* Streams in pieces: see pieces.h. May include: core/error.h, io/socket.h. */
#include "io/pieces.h"

#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "io/socket.h"

struct as_pieces {
  int fd;
  uint32_t left;                /* bytes of the piece under way that are still to come */
  uint8_t head[AS_PIECE_HEAD];  /* of the next piece, as far as it is there */
  size_t known;                 /* bytes of it */
  int64_t mark;                 /* what ended the stream; AS_PIECES_GO_ON: nothing has */
};

int as_pieces_begin(int fd, as_pieces **out) {
  *out = NULL;
  int kept = as_socket_keep(fd);
  if (kept < 0) {
    return as_fail(kept, "receive", "the socket");
  }
  as_pieces *pieces = malloc(sizeof *pieces);
  if (!pieces) {
    as_socket_close(kept);
    return as_fail(-ENOMEM, "receive", "the socket");
  }
  *pieces = (as_pieces){.fd = kept, .mark = AS_PIECES_GO_ON};
  *out = pieces;
  return 0;
}

void as_pieces_end(as_pieces *pieces) {
  if (pieces) {
    as_socket_close(pieces->fd);
    free(pieces);
  }
}

int64_t as_pieces_mark(const as_pieces *pieces) { return pieces->mark; }

int as_pieces_over(const as_pieces *pieces) { return pieces->mark != AS_PIECES_GO_ON; }

void as_pieces_expect(const as_pieces *pieces, size_t size) {
  as_socket_expect(pieces->fd, pieces->left && pieces->left < size ? pieces->left : size);
}

void as_piece_head(uint8_t head[AS_PIECE_HEAD], size_t size) {
  for (int i = 0; i < AS_PIECE_HEAD; i++) {
    head[i] = (uint8_t)(size >> (8 * (AS_PIECE_HEAD - 1 - i)));
  }
}

/* A head has come whole: a piece begins, or the stream has ended. */
static void begin_piece(as_pieces *pieces) {
  uint32_t size = 0;
  for (int i = 0; i < AS_PIECE_HEAD; i++) {
    size = size << 8 | pieces->head[i];
  }
  pieces->known = 0;
  if (size == 0 || size > AS_PIECE_MAX) {
    pieces->mark = size;
  } else {
    pieces->left = size;
  }
}

int as_pieces_fill(as_pieces *pieces, uint8_t *bytes, size_t size, int *wait, size_t *filled) {
  *filled = 0;
  while (*filled < size && !as_pieces_over(pieces)) {
    size_t came, room = size - *filled < pieces->left ? size - *filled : pieces->left;
    int error;
    if (pieces->left == 0) {
      room = AS_PIECE_HEAD - pieces->known;
      error = as_socket_fill(pieces->fd, pieces->head + pieces->known, room, wait, &came);
      pieces->known += came;
      if (came == room) {
        begin_piece(pieces);
      }
    } else {
      error = as_socket_fill(pieces->fd, bytes + *filled, room, wait, &came);
      pieces->left -= (uint32_t)came;
      *filled += came;
    }
    if (error || came < room) {
      return error;
    }
  }
  return 0;
}

int as_pieces_receive(as_pieces *pieces, void *bytes, size_t size, int wait, size_t *filled) {
  int error = as_pieces_fill(pieces, bytes, size, &wait, filled);
  return error ? as_fail_because(AS_E_SOURCE, "receive", "the socket", "the other end has gone") : 0;
}
