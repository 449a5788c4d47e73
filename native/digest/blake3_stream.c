/*
 * BLAKE3 by itself, as a stream: hash, keyed and key derivation mode, output of any length from any place (BLAKE3
 * paper, sections 2.3 and 2.6). Large updates go down as the largest subtrees that fit, which fill every lane of a
 * kernel.
 * May include: native/digest headers, the C library. Called by: as_blake3_… by anyone.
 */
#include <string.h>

#include "digest/blake3.h"
#include "digest/bytes.h"

static void init(as_blake3 *hasher, const uint32_t key[8], uint32_t flags) {
  memcpy(hasher->key, key, sizeof hasher->key);
  hasher->flags = flags;
  hasher->cv_stack_len = 0;
  hasher->groups = 0;
  hasher->buffered = 0;
}

static void init_with_bytes(as_blake3 *hasher, const uint8_t key[AS_BLAKE3_KEY_SIZE], uint32_t flags) {
  uint32_t words[8];
  for (int i = 0; i < 8; i++) {
    words[i] = as_load32_little(key + 4 * i);
  }
  init(hasher, words, flags);
}

void as_blake3_init(as_blake3 *hasher) {
  init(hasher, as_initial_value, 0);
}

void as_blake3_init_keyed(as_blake3 *hasher, const uint8_t key[AS_BLAKE3_KEY_SIZE]) {
  init_with_bytes(hasher, key, AS_BLAKE3_KEYED);
}

void as_blake3_init_derive_key(as_blake3 *hasher, const void *context, size_t context_size) {
  as_blake3_mode mode = as_blake3_plain(as_kernels_in_use());
  uint8_t key[AS_BLAKE3_KEY_SIZE];
  mode.flags = AS_BLAKE3_DERIVE_CONTEXT;
  as_blake3_tree(&mode, context, context_size, 0, AS_BLAKE3_ROOT, key);
  init_with_bytes(hasher, key, AS_BLAKE3_DERIVE_MATERIAL);
}

static as_blake3_mode mode_of(const as_blake3 *hasher) {
  return (as_blake3_mode){.kernels = as_kernels_in_use(), .key = hasher->key, .flags = hasher->flags};
}

/* A subtree of `count` groups that is not the whole stream; `count` is a power of two that divides hasher->groups. */
static void absorb(as_blake3 *hasher, const uint8_t *bytes, uint64_t count) {
  as_blake3_mode mode = mode_of(hasher);
  uint8_t cv[AS_DIGEST_SIZE];
  as_blake3_tree(&mode, bytes, count * AS_GROUP_SIZE, hasher->groups * AS_GROUP_CHUNKS, 0, cv);
  as_blake3_push(&mode, hasher->cv_stack, &hasher->cv_stack_len, hasher->groups, cv);
  hasher->groups += count;
}

/* The groups in the next subtree: as many as `size` bytes hold and the place in the stream allows, but never the whole
 * stream, whose top must stay open for the root. 0: nothing can be hashed yet. */
static uint64_t next_subtree(const as_blake3 *hasher, size_t size) {
  uint64_t whole = (hasher->groups == 0 && size > 0 ? size - 1 : size) / AS_GROUP_SIZE;
  if (whole == 0) {
    return 0;
  }
  uint64_t fits = (uint64_t)1 << (63 - __builtin_clzll(whole));
  uint64_t aligned = hasher->groups & (0 - hasher->groups);
  return aligned == 0 || fits < aligned ? fits : aligned;
}

/* Copies up to a group's worth into the buffer; returns how much. */
static size_t fill(as_blake3 *hasher, const uint8_t *bytes, size_t size) {
  size_t room = AS_GROUP_SIZE - hasher->buffered;
  size_t taken = size < room ? size : room;
  if (taken > 0) {
    memcpy(hasher->buffer + hasher->buffered, bytes, taken);
    hasher->buffered += (uint32_t)taken;
  }
  return taken;
}

void as_blake3_update(as_blake3 *hasher, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  if (hasher->buffered > 0) {
    size_t taken = fill(hasher, at, size);
    at += taken;
    size -= taken;
    if (hasher->buffered < AS_GROUP_SIZE || (hasher->groups == 0 && size == 0)) {
      return;
    }
    absorb(hasher, hasher->buffer, 1);
    hasher->buffered = 0;
  }
  for (uint64_t count; (count = next_subtree(hasher, size)) > 0;) {
    absorb(hasher, at, count);
    at += count * AS_GROUP_SIZE;
    size -= count * AS_GROUP_SIZE;
  }
  fill(hasher, at, size);
}

/* Works on a copy of the stack, so that the stream can go on. */
static void find_root(const as_blake3 *hasher, const as_blake3_mode *mode, as_blake3_node *root) {
  if (hasher->groups == 0) {
    as_blake3_top(mode, hasher->buffer, hasher->buffered, 0, root);
    return;
  }
  uint8_t stack[AS_BLAKE3_MAX_DEPTH][AS_DIGEST_SIZE];
  uint32_t height = hasher->cv_stack_len;
  memcpy(stack, hasher->cv_stack, height * sizeof stack[0]);
  if (hasher->buffered > 0) {
    uint8_t cv[AS_DIGEST_SIZE];
    as_blake3_tree(mode, hasher->buffer, hasher->buffered, hasher->groups * AS_GROUP_CHUNKS, 0, cv);
    as_blake3_push(mode, stack, &height, hasher->groups, cv);
  }
  as_blake3_fold(mode, stack, height, root);
}

void as_blake3_finish(const as_blake3 *hasher, uint64_t seek, uint8_t *out, size_t size) {
  as_blake3_mode mode = mode_of(hasher);
  as_blake3_node root;
  find_root(hasher, &mode, &root);
  while (size > 0) {
    uint8_t block[AS_BLAKE3_BLOCK];
    size_t skip = seek % AS_BLAKE3_BLOCK, room = AS_BLAKE3_BLOCK - skip;
    size_t taken = size < room ? size : room;
    mode.kernels->blake3_compress_xof(root.cv, root.block, root.block_size, seek / AS_BLAKE3_BLOCK,
                                      root.flags | AS_BLAKE3_ROOT, block);
    memcpy(out, block + skip, taken);
    seek += taken;
    out += taken;
    size -= taken;
  }
}
