/*
 * Chunks, parents and groups of streams in the sixteen lanes of AVX-512.
 * May include: native/digest headers, the C library. Called through the kernel tables.
 */
#if defined(__ELF__)
#include "digest/kernels/x86_64/wide.h"

#include <string.h>

#include "digest/kernels/x86_64/lanes.h"
#include "digest/turns.h"

_Static_assert(offsetof(as_wide_lanes, counter_low) == 512, "wide.inc");
_Static_assert(offsetof(as_wide_lanes, counter_high) == 576, "wide.inc");
_Static_assert(offsetof(as_wide_lanes, block_size) == 640, "wide.inc");
_Static_assert(offsetof(as_wide_lanes, at) == 704, "wide.inc");
_Static_assert(offsetof(as_wide_lanes, sha256) == 832, "wide.inc");
_Static_assert(offsetof(as_wide_lanes, endings) == 1344, "wide.inc");
_Static_assert(offsetof(as_wide_lanes, has_endings) == 2368, "wide.inc");
_Static_assert(sizeof(as_wide_lanes) == 2432, "wide.inc");
_Static_assert(offsetof(as_wide_stream, cv) == 8192, "wide.inc");
_Static_assert(offsetof(as_wide_stream, counter_low) == 8704, "wide.inc");
_Static_assert(offsetof(as_wide_stream, counter_high) == 8768, "wide.inc");
_Static_assert(offsetof(as_wide_stream, group) == 8832, "wide.inc");
_Static_assert(offsetof(as_wide_stream, next) == 8840, "wide.inc");
_Static_assert(offsetof(as_wide_stream, sha256_state) == 8848, "wide.inc");
_Static_assert(sizeof(as_wide_stream) == 8896, "wide.inc");

/* Groups whose parents are computed together: then only the last level leaves lanes empty. */
enum { GROUPS_AT_ONCE = 8 };

static void number_chunks(as_wide_row low, as_wide_row high, uint64_t first) {
  for (uint64_t lane = 0; lane < AS_WIDE_LANES; lane++) {
    low[lane] = (uint32_t)(first + lane);
    high[lane] = (uint32_t)((first + lane) >> 32);
  }
}

/* `count` messages of `size` bytes, one after the other; lanes without one repeat the last. */
static void start(as_wide_lanes *lanes, const uint8_t *messages, size_t size, size_t count, const uint32_t key[8]) {
  for (int i = 0; i < 8; i++) {
    as_wide_fill_row(lanes->cv[i], key[i]);
  }
  for (size_t lane = 0; lane < AS_WIDE_LANES; lane++) {
    lanes->at[lane] = messages + size * (lane < count ? lane : count - 1);
  }
}

static void take_values(const as_wide_lanes *lanes, size_t count, uint8_t *cvs) {
  uint8_t all[AS_WIDE_LANES * AS_DIGEST_SIZE];
  if (count == AS_WIDE_LANES) {
    as_wide_values_avx512(lanes->cv, cvs);
  } else {
    as_wide_values_avx512(lanes->cv, all);
    memcpy(cvs, all, count * AS_DIGEST_SIZE);
  }
}

/* Lanes that are taken of the sixteen; up to eight, AVX2's eight lanes do less work for nothing. */
static size_t lanes_for(size_t left) {
  return left < AS_WIDE_LANES ? left : AS_WIDE_LANES;
}

/* The sets of lanes that the next messages are given to: two while they can be filled. */
static size_t sets_for(size_t left) {
  return left >= 2 * AS_WIDE_LANES ? 2 : 1;
}

/* One set or two through `steps` blocks. */
static void take_steps(as_wide_lanes *lanes, size_t sets, size_t steps, const as_wide_row *flags) {
  if (sets == 2) {
    as_blake3_pair_avx512(lanes, steps, flags);
  } else {
    as_blake3_wide_avx512(lanes, steps, flags);
  }
}

void as_blake3_chunks_avx512(const uint8_t *chunks, size_t count, const uint32_t key[8], uint64_t counter,
                             uint32_t flags, uint8_t *cvs) {
  as_wide_lanes lanes[2];
  as_wide_row step_flags[AS_CHUNK_STEPS];
  if (count > AS_LANES) {
    for (int step = 0; step < AS_CHUNK_STEPS; step++) {
      as_wide_fill_row(step_flags[step], flags | (step == 0 ? AS_BLAKE3_CHUNK_START : 0) |
                                     (step == AS_CHUNK_STEPS - 1 ? AS_BLAKE3_CHUNK_END : 0));
    }
    as_wide_fill_row(lanes[0].block_size, AS_BLAKE3_BLOCK);
    as_wide_fill_row(lanes[1].block_size, AS_BLAKE3_BLOCK);
  }
  while (count > AS_LANES) {
    size_t sets = sets_for(count), used = lanes_for(count);
    for (size_t set = 0; set < sets; set++) {
      start(&lanes[set], chunks + set * AS_WIDE_LANES * AS_BLAKE3_CHUNK, AS_BLAKE3_CHUNK, used, key);
      number_chunks(lanes[set].counter_low, lanes[set].counter_high, counter + set * AS_WIDE_LANES);
    }
    take_steps(lanes, sets, AS_CHUNK_STEPS, (const as_wide_row *)step_flags);
    for (size_t set = 0; set < sets; set++) {
      take_values(&lanes[set], used, cvs + set * AS_WIDE_LANES * AS_DIGEST_SIZE);
    }
    chunks += sets * used * AS_BLAKE3_CHUNK;
    counter += sets * used;
    cvs += sets * used * AS_DIGEST_SIZE;
    count -= sets * used;
  }
  as_lanes_chunks(as_blake3_steps_avx2, chunks, count, key, counter, flags, cvs);
}

void as_blake3_parents_avx512(const uint8_t *blocks, size_t count, const uint32_t key[8], uint32_t flags,
                              uint8_t *cvs) {
  as_wide_lanes lanes[2];
  as_wide_row step_flags[1];
  if (count > AS_LANES) {
    as_wide_fill_row(step_flags[0], flags | AS_BLAKE3_PARENT);
  }
  for (size_t set = 0; set < 2 && count > AS_LANES; set++) {
    as_wide_fill_row(lanes[set].block_size, AS_BLAKE3_BLOCK);
    as_wide_fill_row(lanes[set].counter_low, 0);
    as_wide_fill_row(lanes[set].counter_high, 0);
  }
  while (count > AS_LANES) {
    size_t sets = sets_for(count), used = lanes_for(count);
    for (size_t set = 0; set < sets; set++) {
      start(&lanes[set], blocks + set * AS_WIDE_LANES * AS_BLAKE3_BLOCK, AS_BLAKE3_BLOCK, used, key);
    }
    take_steps(lanes, sets, 1, (const as_wide_row *)step_flags);
    for (size_t set = 0; set < sets; set++) {
      take_values(&lanes[set], used, cvs + set * AS_WIDE_LANES * AS_DIGEST_SIZE);
    }
    blocks += sets * used * AS_BLAKE3_BLOCK;
    cvs += sets * used * AS_DIGEST_SIZE;
    count -= sets * used;
  }
  as_lanes_parents(as_blake3_steps_avx2, blocks, count, key, flags, cvs);
}

static size_t groups_at_once(size_t left) {
  return left < GROUPS_AT_ONCE ? left : GROUPS_AT_ONCE;
}

/* Where group `i` of `count` lies; what is scheduled after the last is its own beginning, which is there to be read. */
static void aim(as_wide_stream *stream, const uint8_t *groups, size_t i, size_t count, uint64_t first_group) {
  stream->group = groups + i * AS_GROUP_SIZE;
  stream->next = i + 1 < count ? stream->group + AS_GROUP_SIZE : stream->group;
  number_chunks(stream->counter_low, stream->counter_high, (first_group + i) * AS_GROUP_CHUNKS);
}

static void begin_stream(as_wide_stream *stream, uint32_t sha256_state[8], const uint8_t *groups) {
  stream->sha256_state = sha256_state;
  stream->next = groups;
  as_sha256_schedule_avx512(stream);
}

typedef void group_fn(as_wide_stream *streams, const uint32_t key[8], uint32_t flags);

static void dual_groups(group_fn *group, uint32_t sha256_state[8], const uint8_t *groups, size_t count,
                        const uint32_t key[8], uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  enum { TREE_SIZE = AS_GROUP_CHUNKS * AS_DIGEST_SIZE };
  as_wide_stream stream;
  uint8_t trees[GROUPS_AT_ONCE * TREE_SIZE];
  if (count > 0) {
    begin_stream(&stream, sha256_state, groups);
  }
  for (size_t done = 0; done < count;) {
    size_t now = groups_at_once(count - done);
    for (size_t i = 0; i < now; i++) {
      aim(&stream, groups, done + i, count, first_group);
      group(&stream, key, flags);
      as_wide_values_avx512((const as_wide_row *)stream.cv, trees + i * TREE_SIZE);
    }
    as_join_groups(as_blake3_parents_avx512, trees, now, key, flags, cvs + done * AS_DIGEST_SIZE);
    done += now;
  }
}

static void dual2_groups(group_fn *group, const as_dual_stream streams[2], size_t count, const uint32_t key[8],
                         uint32_t flags) {
  enum { TREE_SIZE = AS_GROUP_CHUNKS * AS_DIGEST_SIZE };
  as_wide_stream wide[2];
  uint8_t trees[2][GROUPS_AT_ONCE * TREE_SIZE];
  for (int s = 0; s < 2 && count > 0; s++) {
    begin_stream(&wide[s], streams[s].sha256_state, streams[s].groups);
  }
  for (size_t done = 0; done < count;) {
    size_t now = groups_at_once(count - done);
    for (size_t i = 0; i < now; i++) {
      for (int s = 0; s < 2; s++) {
        aim(&wide[s], streams[s].groups, done + i, count, streams[s].first_group);
      }
      group(wide, key, flags);
      for (int s = 0; s < 2; s++) {
        as_wide_values_avx512((const as_wide_row *)wide[s].cv, trees[s] + i * TREE_SIZE);
      }
    }
    for (int s = 0; s < 2; s++) {
      as_join_groups(as_blake3_parents_avx512, trees[s], now, key, flags, streams[s].cvs + done * AS_DIGEST_SIZE);
    }
    done += now;
  }
}

void as_dual_groups_avx512_shani(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                                 uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  dual_groups(as_dual_group_avx512_shani, sha256_state, groups, count, key, first_group, flags, cvs);
}

void as_dual_groups_zen4(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                         uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  dual_groups(as_dual_group_avx512vl, sha256_state, groups, count, key, first_group, flags, cvs);
}

void as_dual2_groups_avx512_shani(const as_dual_stream streams[2], size_t count, const uint32_t key[8],
                                  uint32_t flags) {
  dual2_groups(as_dual2_group_avx512_shani, streams, count, key, flags);
}

void as_dual2_groups_zen4(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags) {
  dual2_groups(as_dual2_group_avx512vl, streams, count, key, flags);
}

#endif
