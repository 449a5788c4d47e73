/*
 * The trees of many small objects, whose parents share the lanes of a kernel.
 * May include: native/digest headers. Included by: native/digest/kernels/x86_64.
 */
#ifndef AS_DIGEST_KERNELS_X86_64_TREES_H
#define AS_DIGEST_KERNELS_X86_64_TREES_H

#include "digest/kernels.h"

enum { AS_SMALL_CHUNKS = AS_SMALL_MAX / AS_BLAKE3_CHUNK };

/* The chunks of one object in order, in 32 bytes each. */
typedef uint8_t as_small_tree[AS_SMALL_CHUNKS][AS_DIGEST_SIZE];

/* How many chunks an object of `size` bytes has. */
static inline size_t as_chunks_of(size_t size) {
  return size == 0 ? 1 : (size + AS_BLAKE3_CHUNK - 1) / AS_BLAKE3_CHUNK;
}

/* The digests of `count` objects into trees[i][0]. trees[i] holds the chaining values of chunks[i] chunks, or the digest
 * where that is 1; both are used up. */
void as_join_trees(as_blake3_parents_fn *run, as_small_tree *trees, size_t *chunks, size_t count);

#endif
