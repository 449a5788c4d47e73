/*
 * SHA-256 by itself (FIPS 180-4): padding, and a stream of blocks for those who need no BLAKE3.
 * May include: native/digest headers, the C library. Called by: native/digest; as_sha256_… by anyone.
 */
#include "digest/sha256.h"

#include <string.h>

#include "digest/bytes.h"

enum { LENGTH_SIZE = 8 };

/* Section 5.1.1: a one bit, zeros, and the length in bits at the end of a block. */
void as_sha256_conclude(const as_kernels *kernels, uint32_t state[8], const uint8_t *tail, size_t size,
                        uint64_t length, uint8_t out[AS_DIGEST_SIZE]) {
  size_t whole = size / AS_SHA256_BLOCK, rest = size % AS_SHA256_BLOCK;
  uint8_t padded[2 * AS_SHA256_BLOCK] = {0};
  size_t blocks = rest + 1 + LENGTH_SIZE <= AS_SHA256_BLOCK ? 1 : 2;
  if (whole > 0) {
    kernels->sha256_blocks(state, tail, whole);
  }
  if (rest > 0) {
    memcpy(padded, tail + size - rest, rest);
  }
  padded[rest] = 0x80;
  uint8_t *bits = padded + blocks * AS_SHA256_BLOCK - LENGTH_SIZE;
  as_store32_big(bits, (uint32_t)(length >> 29));
  as_store32_big(bits + 4, (uint32_t)(length << 3));
  kernels->sha256_blocks(state, padded, blocks);
  for (int i = 0; i < 8; i++) {
    as_store32_big(out + 4 * i, state[i]);
  }
}

void as_sha256_init(as_sha256 *hasher) {
  memcpy(hasher->state, as_initial_value, sizeof hasher->state);
  hasher->length = 0;
}

void as_sha256_update(as_sha256 *hasher, const void *bytes, size_t size) {
  const as_kernels *kernels = as_kernels_in_use();
  const uint8_t *at = bytes;
  size_t buffered = hasher->length % AS_SHA256_BLOCK;
  if (size == 0) {
    return;
  }
  hasher->length += size;
  if (buffered > 0) {
    size_t room = AS_SHA256_BLOCK - buffered, taken = size < room ? size : room;
    memcpy(hasher->buffer + buffered, at, taken);
    if (taken < room) {
      return;
    }
    kernels->sha256_blocks(hasher->state, hasher->buffer, 1);
    at += taken;
    size -= taken;
  }
  size_t whole = size / AS_SHA256_BLOCK, rest = size % AS_SHA256_BLOCK;
  if (whole > 0) {
    kernels->sha256_blocks(hasher->state, at, whole);
  }
  if (rest > 0) {
    memcpy(hasher->buffer, at + size - rest, rest);
  }
}

void as_sha256_finish(const as_sha256 *hasher, uint8_t out[AS_DIGEST_SIZE]) {
  uint32_t state[8];
  memcpy(state, hasher->state, sizeof state);
  as_sha256_conclude(as_kernels_in_use(), state, hasher->buffer, hasher->length % AS_SHA256_BLOCK, hasher->length, out);
}
