/*
 * Groups of streams: through the interleaved kernel, which hashes a quarter of a group at a time, and on CPUs without
 * SHA-256 instructions one hash after the other.
 * May include: native/digest headers, the C library. Called through the kernel tables.
 */
#include <string.h>

#include "digest/kernels/aarch64/lanes.h"
#include "digest/kernels/portable/portable.h"

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
    as_reduce_groups(trees, taken, key, flags);
    memcpy(cvs + i * AS_DIGEST_SIZE, trees, taken * AS_DIGEST_SIZE);
  }
}

/* Without SHA-256 instructions there is nothing to interleave: group by group, so that the second hash finds the bytes
 * in the first-level cache. */
void as_dual_groups_neon(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                         uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  uint8_t tree[AS_GROUP_CHUNKS * AS_DIGEST_SIZE];
  for (size_t i = 0; i < count; i++) {
    const uint8_t *group = groups + i * AS_GROUP_SIZE;
    as_sha256_blocks_portable(sha256_state, group, AS_GROUP_SIZE / AS_SHA256_BLOCK);
    as_blake3_chunks_neon(group, AS_GROUP_CHUNKS, key, (first_group + i) * AS_GROUP_CHUNKS, flags, tree);
    as_reduce_groups(tree, 1, key, flags);
    memcpy(cvs + i * AS_DIGEST_SIZE, tree, AS_DIGEST_SIZE);
  }
}

/* By turns, in batches, so that neither stream waits for all of the other. Side by side they would not be faster: one
 * SHA-256 chain beside BLAKE3 does not fill the time (see dual_neon_sha2.S). */
static void take_turns(as_dual_groups_fn *dual_groups, const as_dual_stream streams[2], size_t count,
                       const uint32_t key[8], uint32_t flags) {
  for (size_t i = 0; i < count; i += BATCH_GROUPS) {
    size_t taken = count - i < BATCH_GROUPS ? count - i : BATCH_GROUPS;
    for (int s = 0; s < 2; s++) {
      const as_dual_stream *stream = &streams[s];
      dual_groups(stream->sha256_state, stream->groups + i * AS_GROUP_SIZE, taken, key, stream->first_group + i, flags,
                  stream->cvs + i * AS_DIGEST_SIZE);
    }
  }
}

void as_dual2_groups_neon_sha2(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags) {
  take_turns(as_dual_groups_neon_sha2, streams, count, key, flags);
}

void as_dual2_groups_neon(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags) {
  take_turns(as_dual_groups_neon, streams, count, key, flags);
}
