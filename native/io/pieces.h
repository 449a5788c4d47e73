/*
 * Streams that come over a socket in pieces, each behind its size: what docs/dataplane-protocol.md says of streams, and how far one has come.
 * May include: artifactstore.h. Called by: native/store/receive.c; as_pieces_begin and what follows it as declared in artifactstore.h, by users of the core.
 */
#ifndef AS_IO_PIECES_H
#define AS_IO_PIECES_H

#include "artifactstore.h"

/* Fills `bytes` as as_socket_fill does, with what the pieces hold; less too when the stream has ended. Returns 0, or a negative errno when no more ever will come. */
int as_pieces_fill(as_pieces *pieces, uint8_t *bytes, size_t size, int *wait, size_t *filled);

/* Whether the stream has ended. */
int as_pieces_over(const as_pieces *pieces);

/* Has waiting end when up to `size` bytes have come. */
void as_pieces_expect(const as_pieces *pieces, size_t size);

/* Writes the size of a piece as it stands before one. */
void as_piece_head(uint8_t head[AS_PIECE_HEAD], size_t size);

#endif
