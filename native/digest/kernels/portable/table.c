/*
 * The portable kernel set: plain C with gcc's vector types, right on every machine, the reference for all other sets.
 * May include: native/digest headers. Used by: native/digest/dispatch.c.
 */
#include "digest/kernels/portable/portable.h"

/* Group by group, so that the second hash finds the bytes in the first-level cache. */
void as_dual_groups_portable(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                             uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  for (size_t i = 0; i < count; i++) {
    const uint8_t *group = groups + i * AS_GROUP_SIZE;
    uint8_t tree[AS_GROUP_CHUNKS * AS_DIGEST_SIZE];
    as_sha256_blocks_portable(sha256_state, group, AS_GROUP_SIZE / AS_SHA256_BLOCK);
    as_blake3_chunks_portable(group, AS_GROUP_CHUNKS, key, (first_group + i) * AS_GROUP_CHUNKS, flags, tree);
    as_blake3_parents_portable(tree, 8, key, flags, tree);
    as_blake3_parents_portable(tree, 4, key, flags, tree);
    as_blake3_parents_portable(tree, 2, key, flags, tree);
    as_blake3_parents_portable(tree, 1, key, flags, cvs + i * AS_DIGEST_SIZE);
  }
}

/* Plain C gains nothing from two streams at once; in turns, so that neither waits for all of the other. */
void as_dual2_groups_portable(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags) {
  for (size_t i = 0; i < count; i++) {
    for (int s = 0; s < 2; s++) {
      const as_dual_stream *stream = &streams[s];
      as_dual_groups_portable(stream->sha256_state, stream->groups + i * AS_GROUP_SIZE, 1, key,
                              stream->first_group + i, flags, stream->cvs + i * AS_DIGEST_SIZE);
    }
  }
}

void as_dual_many_portable(const as_span *inputs, size_t count, as_digests *out) {
  for (size_t i = 0; i < count; i++) {
    as_dual_whole(&as_kernels_portable, inputs[i].bytes, inputs[i].size, &out[i]);
  }
}

const as_kernels as_kernels_portable = {
    .name = "portable",
    .features = 0,
    .sha256_blocks = as_sha256_blocks_portable,
    .blake3_compress = as_blake3_compress_portable,
    .blake3_chunks = as_blake3_chunks_portable,
    .blake3_parents = as_blake3_parents_portable,
    .dual_groups = as_dual_groups_portable,
    .dual2_groups = as_dual2_groups_portable,
    .dual_many = as_dual_many_portable,
    .blake3_compress_xof = as_blake3_compress_xof_portable,
};
