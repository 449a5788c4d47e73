/*
 * The steps that streams, pairs of streams and batches of large inputs are made of.
 * May include: native/digest headers. Included by: native/digest.
 */
#ifndef AS_DIGEST_DUAL_H
#define AS_DIGEST_DUAL_H

#include "digest/kernels.h"

/* A stream and the input that it has yet to absorb. */
typedef struct as_dual_feed {
  as_dual *dual;
  const uint8_t *at;
  size_t size;
} as_dual_feed;

/* Whether a whole group lies ready that as_dual_advance would absorb. */
int as_dual_ready(as_dual_feed *feed);

/* `count` streams, one or two, absorb whole groups until one of them has none ready. */
void as_dual_advance(const as_kernels *kernels, as_dual_feed *feeds, size_t count);

/* How many groups a stream of `length` bytes has absorbed, and how many subtrees it then holds: what remains is
 * buffered. One rule for all streams, so that a state is a function of the bytes and not of how they came. */
uint64_t as_dual_groups_in(uint64_t length);
uint32_t as_dual_subtrees(uint64_t groups);

/* The digests of a stream whose last bytes, fewer than a group unless they are all there are, lie at `tail`. Returns
 * the sink's error, and then there are no digests. */
int as_dual_conclude(const as_kernels *kernels, as_dual *dual, const uint8_t *tail, size_t size, as_digests *out);

#endif
