/*
 * BLAKE3 trees (BLAKE3 paper, section 2.1): chunks are leaves, and a left subtree holds the largest power of two of
 * chunks that leaves something for the right. Whole subtrees are hashed level by level, so that a kernel always gets as
 * many chunks or parents as there are.
 * May include: native/digest headers, the C library. Called by: native/digest; as_blake3_hash, as_blake3_subtree and
 * as_blake3_parent by anyone.
 */
#include "digest/blake3.h"

#include <string.h>

#include "digest/bytes.h"

/* Chaining values held at once: 8 KiB of stack, and only the upper four levels of eight leave 16 lanes partly empty. */
enum { BATCH_CHUNKS = 256 };

/* A chunk of 0 to 1,024 bytes up to its last block, the only place where a block may be short. */
static void chunk_node(const as_blake3_mode *mode, const uint8_t *bytes, size_t size, uint64_t counter,
                       as_blake3_node *node) {
  uint32_t start = AS_BLAKE3_CHUNK_START;
  memcpy(node->cv, mode->key, sizeof node->cv);
  for (; size > AS_BLAKE3_BLOCK; bytes += AS_BLAKE3_BLOCK, size -= AS_BLAKE3_BLOCK) {
    mode->kernels->blake3_compress(node->cv, bytes, AS_BLAKE3_BLOCK, counter, mode->flags | start, node->cv);
    start = 0;
  }
  memset(node->block, 0, sizeof node->block);
  if (size > 0) {
    memcpy(node->block, bytes, size);
  }
  node->block_size = (uint32_t)size;
  node->flags = mode->flags | start | AS_BLAKE3_CHUNK_END;
  node->counter = counter;
}

/* A parent node whose block of two children is already in place. */
static void become_parent(const as_blake3_mode *mode, as_blake3_node *node) {
  memcpy(node->cv, mode->key, sizeof node->cv);
  node->block_size = AS_BLAKE3_BLOCK;
  node->flags = mode->flags | AS_BLAKE3_PARENT;
  node->counter = 0;
}

void as_blake3_parent_node(const as_blake3_mode *mode, const uint8_t left[AS_DIGEST_SIZE],
                           const uint8_t right[AS_DIGEST_SIZE], as_blake3_node *node) {
  memcpy(node->block, left, AS_DIGEST_SIZE);
  memcpy(node->block + AS_DIGEST_SIZE, right, AS_DIGEST_SIZE);
  become_parent(mode, node);
}

void as_blake3_node_value(const as_blake3_mode *mode, const as_blake3_node *node, uint32_t root,
                          uint8_t out[AS_DIGEST_SIZE]) {
  uint32_t words[8];
  mode->kernels->blake3_compress(node->cv, node->block, node->block_size, node->counter, node->flags | root, words);
  for (int i = 0; i < 8; i++) {
    as_store32_little(out + 4 * i, words[i]);
  }
}

/* The two children of the top of 2 to BATCH_CHUNKS chunks, level by level. Pairing from the left and carrying an odd
 * one up gives the same tree as splitting at the largest power of two. */
static void batch_children(const as_blake3_mode *mode, const uint8_t *bytes, size_t size, uint64_t first_chunk,
                           uint8_t children[2 * AS_DIGEST_SIZE]) {
  uint8_t cvs[BATCH_CHUNKS * AS_DIGEST_SIZE];
  size_t count = size / AS_BLAKE3_CHUNK, rest = size % AS_BLAKE3_CHUNK;
  mode->kernels->blake3_chunks(bytes, count, mode->key, first_chunk, mode->flags, cvs);
  if (rest > 0) {
    as_blake3_tree(mode, bytes + size - rest, rest, first_chunk + count, 0, cvs + count * AS_DIGEST_SIZE);
    count++;
  }
  while (count > 2) {
    size_t pairs = count / 2;
    mode->kernels->blake3_parents(cvs, pairs, mode->key, mode->flags, cvs);
    if (count % 2 == 1) {
      memmove(cvs + pairs * AS_DIGEST_SIZE, cvs + (count - 1) * AS_DIGEST_SIZE, AS_DIGEST_SIZE);
    }
    count = pairs + count % 2;
  }
  memcpy(children, cvs, 2 * AS_DIGEST_SIZE);
}

/* The bytes under the left child of a tree of `size` bytes, more than one chunk. */
static size_t left_size(size_t size) {
  size_t last_chunk = (size - 1) / AS_BLAKE3_CHUNK;
  size_t left_chunks = (size_t)1 << (63 - __builtin_clzll(last_chunk));
  return left_chunks * AS_BLAKE3_CHUNK;
}

/* Recursion ends at a batch, so it is never deeper than the tree: 46 calls for 2^64 bytes. */
void as_blake3_top(const as_blake3_mode *mode, const uint8_t *bytes, size_t size, uint64_t first_chunk,
                   as_blake3_node *node) {
  if (size <= AS_BLAKE3_CHUNK) {
    chunk_node(mode, bytes, size, first_chunk, node);
    return;
  }
  if (size <= BATCH_CHUNKS * AS_BLAKE3_CHUNK) {
    batch_children(mode, bytes, size, first_chunk, node->block);
  } else {
    size_t left = left_size(size);
    uint64_t right_chunk = first_chunk + left / AS_BLAKE3_CHUNK;
    as_blake3_tree(mode, bytes, left, first_chunk, 0, node->block);
    as_blake3_tree(mode, bytes + left, size - left, right_chunk, 0, node->block + AS_DIGEST_SIZE);
  }
  become_parent(mode, node);
}

void as_blake3_tree(const as_blake3_mode *mode, const uint8_t *bytes, size_t size, uint64_t first_chunk,
                    uint32_t root, uint8_t out[AS_DIGEST_SIZE]) {
  as_blake3_node node;
  as_blake3_top(mode, bytes, size, first_chunk, &node);
  as_blake3_node_value(mode, &node, root, out);
}

static void parent_value(const as_blake3_mode *mode, const uint8_t left[AS_DIGEST_SIZE],
                         const uint8_t right[AS_DIGEST_SIZE], uint32_t root, uint8_t out[AS_DIGEST_SIZE]) {
  as_blake3_node node;
  as_blake3_parent_node(mode, left, right, &node);
  as_blake3_node_value(mode, &node, root, out);
}

/* Merged, the stack holds one subtree for each set bit of the length. */
void as_blake3_push(const as_blake3_mode *mode, uint8_t (*stack)[AS_DIGEST_SIZE], uint32_t *height, uint64_t before,
                    const uint8_t cv[AS_DIGEST_SIZE]) {
  while (*height > (uint32_t)__builtin_popcountll(before)) {
    --*height;
    parent_value(mode, stack[*height - 1], stack[*height], 0, stack[*height - 1]);
  }
  memcpy(stack[(*height)++], cv, AS_DIGEST_SIZE);
}

void as_blake3_fold(const as_blake3_mode *mode, uint8_t (*stack)[AS_DIGEST_SIZE], uint32_t height,
                    as_blake3_node *root) {
  uint8_t right[AS_DIGEST_SIZE];
  memcpy(right, stack[--height], sizeof right);
  while (height > 1) {
    parent_value(mode, stack[--height], right, 0, right);
  }
  as_blake3_parent_node(mode, stack[0], right, root);
}

void as_blake3_subtree(const void *bytes, size_t size, uint64_t first_group, uint8_t out[AS_DIGEST_SIZE]) {
  as_blake3_mode plain = as_blake3_plain(as_kernels_in_use());
  as_blake3_tree(&plain, bytes, size, first_group * AS_GROUP_CHUNKS, 0, out);
}

void as_blake3_groups(const void *bytes, size_t count, uint64_t first_group, uint8_t *out) {
  as_blake3_mode plain = as_blake3_plain(as_kernels_in_use());
  uint8_t cvs[BATCH_CHUNKS * AS_DIGEST_SIZE];
  const uint8_t *at = bytes;
  while (count > 0) {
    size_t groups = count < BATCH_CHUNKS / AS_GROUP_CHUNKS ? count : BATCH_CHUNKS / AS_GROUP_CHUNKS;
    size_t left = groups * AS_GROUP_CHUNKS;
    plain.kernels->blake3_chunks(at, left, plain.key, first_group * AS_GROUP_CHUNKS, plain.flags, cvs);
    for (; left > groups; left /= 2) {
      plain.kernels->blake3_parents(cvs, left / 2, plain.key, plain.flags, cvs);
    }
    memcpy(out, cvs, groups * AS_DIGEST_SIZE);
    out += groups * AS_DIGEST_SIZE;
    at += groups * AS_GROUP_SIZE;
    first_group += groups;
    count -= groups;
  }
}

void as_blake3_hash(const void *bytes, size_t size, uint8_t out[AS_DIGEST_SIZE]) {
  as_blake3_mode plain = as_blake3_plain(as_kernels_in_use());
  as_blake3_tree(&plain, bytes, size, 0, AS_BLAKE3_ROOT, out);
}

void as_blake3_parent(const uint8_t left[AS_DIGEST_SIZE], const uint8_t right[AS_DIGEST_SIZE], int root,
                      uint8_t out[AS_DIGEST_SIZE]) {
  as_blake3_mode plain = as_blake3_plain(as_kernels_in_use());
  parent_value(&plain, left, right, root ? AS_BLAKE3_ROOT : 0, out);
}
