/*
 * Groups of one stream and of two through the stitched kernels.
 * May include: native/digest headers. Called through the kernel table.
 */
#if defined(__ELF__)
#include "digest/kernels/x86_64/lanes.h"
#include "digest/kernels/x86_64/sets.h"
#include "digest/turns.h"

/* Chunks of several groups wait here for their parents, which then fill the lanes on all levels but the last. */
enum { GROUPS_AT_ONCE = 8, HALF_CHUNKS = AS_LANES, HALF_SIZE = HALF_CHUNKS * AS_BLAKE3_CHUNK };

typedef struct group_cvs {
  uint8_t bytes[2 * GROUPS_AT_ONCE][HALF_CHUNKS * AS_DIGEST_SIZE];
} group_cvs;

static void join(group_cvs *chunks, size_t count, const uint32_t key[8], uint32_t flags, uint8_t *cvs) {
  as_join_groups(as_kernels_avx2_shani.blake3_parents, chunks->bytes[0], count, key, flags, cvs);
}

static size_t groups_at_once(size_t left) {
  return left < GROUPS_AT_ONCE ? left : GROUPS_AT_ONCE;
}

void as_dual_groups_avx2_shani(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                               uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  as_blake3_lanes lanes[2];
  as_chunk_flags chunk_flags[2];
  group_cvs chunks;
  as_chunk_flags_fill(&chunk_flags[0], flags);
  chunk_flags[1] = chunk_flags[0];
  for (size_t done = 0; done < count;) {
    size_t now = groups_at_once(count - done);
    for (size_t i = 0; i < now; i++) {
      const uint8_t *group = groups + (done + i) * AS_GROUP_SIZE;
      uint64_t counter = (first_group + done + i) * AS_GROUP_CHUNKS;
      for (size_t half = 0; half < 2; half++) {
        as_lanes_start_chunks(&lanes[half], group + half * HALF_SIZE, HALF_CHUNKS, key, counter + half * HALF_CHUNKS);
      }
      as_dual_steps_avx2_shani(lanes, AS_CHUNK_STEPS, chunk_flags, sha256_state, group);
      for (size_t half = 0; half < 2; half++) {
        as_lanes_values(&lanes[half], HALF_CHUNKS, chunks.bytes[2 * i + half]);
      }
    }
    join(&chunks, now, key, flags, cvs + done * AS_DIGEST_SIZE);
    done += now;
  }
}

void as_dual2_groups_avx2_shani(const as_dual_stream streams[2], size_t count, const uint32_t key[8],
                                uint32_t flags) {
  as_sha256_pair pair = {{streams[0].sha256_state, streams[1].sha256_state}, {streams[0].groups, streams[1].groups}};
  as_blake3_lanes lanes[2];
  as_chunk_flags chunk_flags[2];
  group_cvs chunks[2];
  as_chunk_flags_fill(&chunk_flags[0], flags);
  chunk_flags[1] = chunk_flags[0];
  for (size_t done = 0; done < count;) {
    size_t now = groups_at_once(count - done);
    for (size_t half = 0; half < 2 * now; half++) {
      for (int s = 0; s < 2; s++) {
        uint64_t counter = (streams[s].first_group + done) * AS_GROUP_CHUNKS + half * HALF_CHUNKS;
        as_lanes_start_chunks(&lanes[s], pair.at[s], HALF_CHUNKS, key, counter);
      }
      as_dual2_steps_avx2_shani(lanes, AS_CHUNK_STEPS, chunk_flags, &pair);
      for (int s = 0; s < 2; s++) {
        as_lanes_values(&lanes[s], HALF_CHUNKS, chunks[s].bytes[half]);
      }
    }
    for (int s = 0; s < 2; s++) {
      join(&chunks[s], now, key, flags, streams[s].cvs + done * AS_DIGEST_SIZE);
    }
    done += now;
  }
}

#endif
