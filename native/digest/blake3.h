/*
 * BLAKE3 trees over the kernels, for the parts of native/digest that need more than the public calls.
 * May include: the public header. Included by: native/digest.
 */
#ifndef AS_DIGEST_BLAKE3_H
#define AS_DIGEST_BLAKE3_H

#include "artifactstore.h"

/* The chaining value of `size` bytes as one subtree whose first chunk is number `first_chunk` of its stream; with
 * `root` non-zero, and then first_chunk 0, the digest. Only a root may have `size` 0. */
void as_blake3_tree(const uint8_t *bytes, size_t size, uint64_t first_chunk, int root, uint8_t out[AS_DIGEST_SIZE]);

#endif
