/*
 * Groups of streams: through the interleaved kernel, which hashes a quarter of a group at a time, and on CPUs without
 * SHA-256 instructions one hash after the other.
 * May include: native/digest headers. Called through the kernel tables.
 */
#include "digest/kernels/aarch64/lanes.h"
#include "digest/turns.h"

/* Groups whose trees are reduced together: with four, no level of parents leaves a lane empty. */
enum { BATCH_GROUPS = 4 };

void as_dual_groups_neon_sha2(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                              uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  uint8_t trees[BATCH_GROUPS * AS_GROUP_CHUNKS * AS_DIGEST_SIZE];
  for (size_t i = 0; i < count; i += BATCH_GROUPS) {
    size_t taken = count - i < BATCH_GROUPS ? count - i : BATCH_GROUPS;
    for (size_t quads = 0; quads < taken * GROUP_QUADS; quads++) {
      uint64_t counter = (first_group + i) * AS_GROUP_CHUNKS + quads * LANES;
      as_quad quad = as_quad_of_chunks(groups + i * AS_GROUP_SIZE + quads * QUAD_SIZE, LANES, counter, flags);
      as_dual_quad_neon_sha2(sha256_state, &quad, key, trees + quads * LANES * AS_DIGEST_SIZE);
    }
    as_join_groups(as_blake3_parents_neon, trees, taken, key, flags, cvs + i * AS_DIGEST_SIZE);
  }
}

/* Two streams side by side would not be faster: one SHA-256 chain beside BLAKE3 does not fill the time (see
 * dual_neon_sha2.S). */
void as_dual2_groups_neon_sha2(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags) {
  as_two_in_turns(&as_kernels_neon_sha2, streams, count, key, flags);
}

/* Without SHA-256 instructions there is nothing to interleave. */
void as_dual_groups_neon(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                         uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  as_groups_in_turns(&as_kernels_neon, sha256_state, groups, count, key, first_group, flags, cvs);
}

void as_dual2_groups_neon(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags) {
  as_two_in_turns(&as_kernels_neon, streams, count, key, flags);
}
