/*
 * The portable kernel set: plain C with gcc's vector types, right on every machine, the reference for all other sets.
 * May include: native/digest headers. Used by: native/digest/dispatch.c.
 */
#include "digest/kernels/portable/portable.h"
#include "digest/turns.h"

void as_dual_groups_portable(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                             uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  as_groups_in_turns(&as_kernels_portable, sha256_state, groups, count, key, first_group, flags, cvs);
}

/* Plain C gains nothing from two streams at once. */
void as_dual2_groups_portable(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags) {
  as_two_in_turns(&as_kernels_portable, streams, count, key, flags);
}

void as_dual_many_portable(const as_span *inputs, size_t count, as_digests *out) {
  as_many_in_turns(&as_kernels_portable, inputs, count, out);
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
