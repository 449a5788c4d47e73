/*
 * BLAKE3 trees over the kernels, for the parts of native/digest that need more than the public calls.
 * May include: native/digest headers, the public header. Included by: native/digest.
 */
#ifndef AS_DIGEST_BLAKE3_H
#define AS_DIGEST_BLAKE3_H

#include "digest/kernels.h"

/* What all compressions of one hash share: the kernels that do them, the key, the flags of the mode. */
typedef struct as_blake3_mode {
  const as_kernels *kernels;
  const uint32_t *key; /* eight words */
  uint32_t flags;
} as_blake3_mode;

/* Plain hashing with a set of kernels. */
static inline as_blake3_mode as_blake3_plain(const as_kernels *kernels) {
  return (as_blake3_mode){.kernels = kernels, .key = as_initial_value, .flags = 0};
}

/* The last compression of a subtree, not done yet: its chaining value, a digest or extended output comes of it. */
typedef struct as_blake3_node {
  uint32_t cv[8];
  uint8_t block[AS_BLAKE3_BLOCK];
  uint32_t block_size;
  uint32_t flags;
  uint64_t counter;
} as_blake3_node;

/* The top node of `size` bytes as one subtree whose first chunk is number `first_chunk` of its stream. Only a whole
 * stream may have `size` 0. */
void as_blake3_top(const as_blake3_mode *mode, const uint8_t *bytes, size_t size, uint64_t first_chunk,
                   as_blake3_node *node);

/* The node that is the parent of two children. */
void as_blake3_parent_node(const as_blake3_mode *mode, const uint8_t left[AS_DIGEST_SIZE],
                           const uint8_t right[AS_DIGEST_SIZE], as_blake3_node *node);

/* The chaining value of a node; with `root` AS_BLAKE3_ROOT instead of 0, the digest. */
void as_blake3_node_value(const as_blake3_mode *mode, const as_blake3_node *node, uint32_t root,
                          uint8_t out[AS_DIGEST_SIZE]);

/* The same for the subtree that as_blake3_top describes. */
void as_blake3_tree(const as_blake3_mode *mode, const uint8_t *bytes, size_t size, uint64_t first_chunk,
                    uint32_t root, uint8_t out[AS_DIGEST_SIZE]);

/* A growing stream keeps a stack of the chaining values of complete subtrees, largest first. A subtree may turn out to
 * be the last of its stream, and then its parent is the root, so equal subtrees merge only when the next one is pushed.
 * `before` is the length of the stream up to `cv`, in units of some size; `cv` is the next subtree, of a power of two
 * of units that divides `before`, or the last of the stream, of any size. */
void as_blake3_push(const as_blake3_mode *mode, uint8_t (*stack)[AS_DIGEST_SIZE], uint32_t *height, uint64_t before,
                    const uint8_t cv[AS_DIGEST_SIZE]);

/* The root of a stream whose last subtree has been pushed; `height` is at least 2. */
void as_blake3_fold(const as_blake3_mode *mode, uint8_t (*stack)[AS_DIGEST_SIZE], uint32_t height,
                    as_blake3_node *root);

#endif
