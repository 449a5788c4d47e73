/*
 * BLAKE3 trees (BLAKE3 paper, section 2.1): chunks are leaves, and a left subtree holds the largest power of two of
 * chunks that leaves something for the right.
 * May include: native/digest headers, the C library. Called by: native/digest/dual.c; as_blake3_… by anyone.
 */
#include "digest/blake3.h"

#include <string.h>

#include "digest/bytes.h"
#include "digest/kernels.h"

/* Chaining values held at once: 2 KiB of stack, and wide kernels stay full for two levels of parents. */
enum { BATCH_CHUNKS = 64 };

static void words_to_bytes(const uint32_t words[8], uint8_t out[AS_DIGEST_SIZE]) {
  for (int i = 0; i < 8; i++) {
    as_store32_little(out + 4 * i, words[i]);
  }
}

/* One chunk of 0 to 1,024 bytes, the only place where a block may be short. */
static void hash_chunk(const uint8_t *bytes, size_t size, uint64_t counter, int root, uint8_t out[AS_DIGEST_SIZE]) {
  const as_kernels *kernels = as_kernels_in_use();
  uint32_t cv[8], flags = AS_BLAKE3_CHUNK_START;
  memcpy(cv, as_initial_value, sizeof cv);
  for (; size > AS_BLAKE3_BLOCK; bytes += AS_BLAKE3_BLOCK, size -= AS_BLAKE3_BLOCK) {
    kernels->blake3_compress(cv, bytes, AS_BLAKE3_BLOCK, counter, flags, cv);
    flags = 0;
  }
  uint8_t last[AS_BLAKE3_BLOCK] = {0};
  if (size > 0) {
    memcpy(last, bytes, size);
  }
  flags |= AS_BLAKE3_CHUNK_END | (root ? AS_BLAKE3_ROOT : 0);
  kernels->blake3_compress(cv, last, (uint32_t)size, counter, flags, cv);
  words_to_bytes(cv, out);
}

static void hash_parent(const uint8_t children[2 * AS_DIGEST_SIZE], int root, uint8_t out[AS_DIGEST_SIZE]) {
  uint32_t cv[8];
  as_kernels_in_use()->blake3_compress(as_initial_value, children, AS_BLAKE3_BLOCK, 0,
                                       AS_BLAKE3_PARENT | (root ? AS_BLAKE3_ROOT : 0), cv);
  words_to_bytes(cv, out);
}

/* A tree of 2 to BATCH_CHUNKS chunks, level by level. Pairing from the left and carrying an odd one up gives the
 * same tree as splitting at the largest power of two. */
static void hash_batch(const uint8_t *bytes, size_t size, uint64_t first_chunk, int root, uint8_t out[AS_DIGEST_SIZE]) {
  const as_kernels *kernels = as_kernels_in_use();
  uint8_t cvs[BATCH_CHUNKS * AS_DIGEST_SIZE];
  size_t count = size / AS_BLAKE3_CHUNK, rest = size % AS_BLAKE3_CHUNK;
  kernels->blake3_chunks(bytes, count, as_initial_value, first_chunk, 0, cvs);
  if (rest > 0) {
    hash_chunk(bytes + size - rest, rest, first_chunk + count, 0, cvs + count * AS_DIGEST_SIZE);
    count++;
  }
  while (count > 2) {
    size_t pairs = count / 2;
    kernels->blake3_parents(cvs, pairs, as_initial_value, 0, cvs);
    if (count % 2 == 1) {
      memmove(cvs + pairs * AS_DIGEST_SIZE, cvs + (count - 1) * AS_DIGEST_SIZE, AS_DIGEST_SIZE);
    }
    count = pairs + count % 2;
  }
  hash_parent(cvs, root, out);
}

/* The bytes under the left child of a tree of `size` bytes, more than one chunk. */
static size_t left_size(size_t size) {
  size_t last_chunk = (size - 1) / AS_BLAKE3_CHUNK;
  size_t left_chunks = (size_t)1 << (63 - __builtin_clzll(last_chunk));
  return left_chunks * AS_BLAKE3_CHUNK;
}

/* Recursion ends at a batch, so it is never deeper than the tree: 48 calls for 2^64 bytes. */
void as_blake3_tree(const uint8_t *bytes, size_t size, uint64_t first_chunk, int root, uint8_t out[AS_DIGEST_SIZE]) {
  if (size <= AS_BLAKE3_CHUNK) {
    hash_chunk(bytes, size, first_chunk, root, out);
  } else if (size <= BATCH_CHUNKS * AS_BLAKE3_CHUNK) {
    hash_batch(bytes, size, first_chunk, root, out);
  } else {
    uint8_t children[2 * AS_DIGEST_SIZE];
    size_t left = left_size(size);
    as_blake3_tree(bytes, left, first_chunk, 0, children);
    as_blake3_tree(bytes + left, size - left, first_chunk + left / AS_BLAKE3_CHUNK, 0, children + AS_DIGEST_SIZE);
    hash_parent(children, root, out);
  }
}

void as_blake3_subtree(const void *bytes, size_t size, uint64_t first_group, uint8_t out[AS_DIGEST_SIZE]) {
  as_blake3_tree(bytes, size, first_group * AS_GROUP_CHUNKS, 0, out);
}

void as_blake3_hash(const void *bytes, size_t size, uint8_t out[AS_DIGEST_SIZE]) {
  as_blake3_tree(bytes, size, 0, 1, out);
}

void as_blake3_parent(const uint8_t left[AS_DIGEST_SIZE], const uint8_t right[AS_DIGEST_SIZE], int root,
                      uint8_t out[AS_DIGEST_SIZE]) {
  uint8_t children[2 * AS_DIGEST_SIZE];
  memcpy(children, left, AS_DIGEST_SIZE);
  memcpy(children + AS_DIGEST_SIZE, right, AS_DIGEST_SIZE);
  hash_parent(children, root, out);
}
