/*
 * BLAKE3 and SHA-256 of a stream in one pass: whole chunk groups go to the dual kernel straight from the caller's
 * bytes, and the last group, which only as_dual_finish can tell from the others, is held back.
 * May include: native/digest headers, the C library. Called by: native/store, native/addon and any user of the core.
 */
#include <string.h>

#include "digest/blake3.h"
#include "digest/bytes.h"
#include "digest/kernels.h"

/* Groups handed to a kernel at once: enough to make the call and the sink's free, small enough for the stack. */
enum { BATCH_GROUPS = 64, SHA256_LENGTH_SIZE = 8 };

void as_dual_init(as_dual *dual, as_group_sink sink, void *sink_context) {
  memcpy(dual->sha256_state, as_initial_value, sizeof dual->sha256_state);
  dual->cv_stack_len = 0;
  dual->buffered = 0;
  dual->groups = 0;
  dual->sink = sink;
  dual->sink_context = sink_context;
}

uint64_t as_dual_length(const as_dual *dual) {
  return dual->groups * AS_GROUP_SIZE + dual->buffered;
}

/* Adds the next group's chaining value and merges every pair of equal subtrees at once. That is right because more
 * input follows: none of these parents is the root. The stack then holds one subtree for each set bit of `groups`. */
static void push(as_dual *dual, const uint8_t cv[AS_DIGEST_SIZE]) {
  uint8_t merged[AS_DIGEST_SIZE];
  memcpy(merged, cv, sizeof merged);
  dual->groups++;
  for (uint64_t left = dual->groups; left % 2 == 0; left /= 2) {
    as_blake3_parent(dual->cv_stack[--dual->cv_stack_len], merged, 0, merged);
  }
  memcpy(dual->cv_stack[dual->cv_stack_len++], merged, sizeof merged);
}

static int send(const as_dual *dual, const uint8_t *cvs, size_t count) {
  return dual->sink ? dual->sink(dual->sink_context, cvs, count) : 0;
}

/* Both hashes take `count` groups that are not the last. */
static int absorb(as_dual *dual, const uint8_t *groups, size_t count) {
  const as_kernels *kernels = as_kernels_in_use();
  uint8_t cvs[BATCH_GROUPS * AS_DIGEST_SIZE];
  while (count > 0) {
    size_t batch = count < BATCH_GROUPS ? count : BATCH_GROUPS;
    kernels->dual_groups(dual->sha256_state, groups, batch, as_initial_value, dual->groups, 0, cvs);
    for (size_t i = 0; i < batch; i++) {
      push(dual, cvs + i * AS_DIGEST_SIZE);
    }
    int error = send(dual, cvs, batch);
    if (error) {
      return error;
    }
    groups += batch * AS_GROUP_SIZE;
    count -= batch;
  }
  return 0;
}

/* Copies up to a group's worth into the buffer; returns how much. */
static size_t fill(as_dual *dual, const uint8_t *bytes, size_t size) {
  size_t room = AS_GROUP_SIZE - dual->buffered;
  size_t taken = size < room ? size : room;
  memcpy(dual->buffer + dual->buffered, bytes, taken);
  dual->buffered += (uint32_t)taken;
  return taken;
}

int as_dual_update(as_dual *dual, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  if (size == 0) {
    return 0;
  }
  if (dual->buffered > 0) {
    size_t taken = fill(dual, at, size);
    at += taken;
    size -= taken;
    if (size == 0) {
      return 0;
    }
    dual->buffered = 0;
    int error = absorb(dual, dual->buffer, 1);
    if (error) {
      return error;
    }
  }
  size_t whole = (size - 1) / AS_GROUP_SIZE;
  int error = absorb(dual, at, whole);
  if (!error) {
    fill(dual, at + whole * AS_GROUP_SIZE, size - whole * AS_GROUP_SIZE);
  }
  return error;
}

/* The rest of a SHA-256 message of `length` bytes, padded (FIPS 180-4, section 5.1.1). */
static void finish_sha256(uint32_t state[8], const uint8_t *tail, size_t size, uint64_t length,
                          uint8_t out[AS_DIGEST_SIZE]) {
  const as_kernels *kernels = as_kernels_in_use();
  size_t whole = size / AS_SHA256_BLOCK, rest = size % AS_SHA256_BLOCK;
  uint8_t padded[2 * AS_SHA256_BLOCK] = {0};
  size_t blocks = rest + 1 + SHA256_LENGTH_SIZE <= AS_SHA256_BLOCK ? 1 : 2;
  kernels->sha256_blocks(state, tail, whole);
  if (rest > 0) {
    memcpy(padded, tail + size - rest, rest);
  }
  padded[rest] = 0x80;
  uint8_t *bits = padded + blocks * AS_SHA256_BLOCK - SHA256_LENGTH_SIZE;
  as_store32_big(bits, (uint32_t)(length >> 29));
  as_store32_big(bits + 4, (uint32_t)(length << 3));
  kernels->sha256_blocks(state, padded, blocks);
  for (int i = 0; i < 8; i++) {
    as_store32_big(out + 4 * i, state[i]);
  }
}

/* Joins the last group, never empty here, to the subtrees on the stack, smallest first. The last parent is the root. */
static int finish_tree(as_dual *dual, const uint8_t *tail, size_t size, uint8_t out[AS_DIGEST_SIZE]) {
  as_blake3_tree(tail, size, dual->groups * AS_GROUP_CHUNKS, 0, out);
  int error = send(dual, out, 1);
  for (uint32_t i = dual->cv_stack_len; i-- > 0;) {
    as_blake3_parent(dual->cv_stack[i], out, i == 0, out);
  }
  return error;
}

static int finish(as_dual *dual, const uint8_t *tail, size_t size, as_digests *out) {
  finish_sha256(dual->sha256_state, tail, size, dual->groups * AS_GROUP_SIZE + size, out->sha256);
  if (dual->groups == 0) {
    as_blake3_tree(tail, size, 0, 1, out->blake3);
    return 0;
  }
  return finish_tree(dual, tail, size, out->blake3);
}

int as_dual_finish(as_dual *dual, as_digests *out) {
  return finish(dual, dual->buffer, dual->buffered, out);
}

/* One whole input, whose last group is hashed where it lies instead of being copied. */
static void digest_one(const uint8_t *bytes, size_t size, as_digests *out) {
  as_dual dual;
  as_dual_init(&dual, NULL, NULL);
  if (size > AS_GROUP_SIZE) {
    size_t whole = (size - 1) / AS_GROUP_SIZE;
    absorb(&dual, bytes, whole);
    bytes += whole * AS_GROUP_SIZE;
    size -= whole * AS_GROUP_SIZE;
  }
  finish(&dual, bytes, size, out);
}

void as_dual_many(const as_span *inputs, size_t count, as_digests *out) {
  for (size_t i = 0; i < count; i++) {
    digest_one(inputs[i].bytes, inputs[i].size, &out[i]);
  }
}
