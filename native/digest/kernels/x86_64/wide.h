/*
 * Sixteen lanes in AVX-512: what its assembly and its C share.
 * May include: native/digest headers. Included by: the AVX-512 files of native/digest/kernels/x86_64.
 */
#ifndef AS_DIGEST_KERNELS_X86_64_WIDE_H
#define AS_DIGEST_KERNELS_X86_64_WIDE_H

#include "digest/kernels.h"

enum { AS_WIDE_LANES = 16, AS_SHA256_WORDS = 16 };

/* A word of every lane: one register. */
typedef uint32_t as_wide_row[AS_WIDE_LANES];

/* The same word in every lane. */
static inline void as_wide_fill_row(as_wide_row row, uint32_t word) {
  for (int lane = 0; lane < AS_WIDE_LANES; lane++) {
    row[lane] = word;
  }
}

/* Sixteen messages, each in a lane of its own, which BLAKE3 takes alone or together with SHA-256. The assembly knows
 * this layout: wide.inc. */
typedef struct as_wide_lanes {
  as_wide_row cv[8]; /* BLAKE3's chaining values, in and out */
  as_wide_row counter_low, counter_high, block_size;
  const uint8_t *at[AS_WIDE_LANES]; /* the next block of each lane; moves on with every step. Idle lanes read too. */
  uint32_t sha256[8 * AS_WIDE_LANES]; /* SHA-256's states, in and out; where a word stands, the way to it knows */
  as_wide_row endings[AS_SHA256_WORDS]; /* the bits of SHA-256's padding in the words of a block */
  uint64_t has_endings;                 /* 0: all of them are zero */
} __attribute__((aligned(64))) as_wide_lanes;

/* Every lane absorbs `steps` blocks, at least one; flags[step][lane] are BLAKE3's. `sha256` and `endings` are left
 * alone. */
void as_blake3_wide_avx512(as_wide_lanes *lanes, size_t steps, const as_wide_row *flags);

/* The same of two sets of lanes, with the same flags. */
void as_blake3_pair_avx512(as_wide_lanes lanes[2], size_t steps, const as_wide_row *flags);

/* The same of `sets` sets of lanes, at least one, with the same flags, each block given to both hashes: to SHA-256 with
 * the endings added. */
void as_dual_wide_avx512(as_wide_lanes *lanes, size_t sets, size_t steps, const as_wide_row *flags);

void as_dual_wide_avx512_shani(as_wide_lanes *lanes, size_t sets, size_t steps, const as_wide_row *flags);

/* SHA-256 absorbs one block that consists of its ending alone. */
void as_sha256_endings_avx512(as_wide_lanes *lanes);

/* SHA-256 of two sets of lanes, and of `sets`, absorbs a block that is the same in all of them, given as the words of
 * its 64 rounds with the constants added. */
void as_sha256_padding_avx512(as_wide_lanes lanes[2], const uint32_t words[64]);
void as_sha256_padding_shani(as_wide_lanes *lanes, size_t sets, const uint32_t words[64]);

/* SHA-256's initial states, and the digests of states, 32 bytes each, lane by lane. */
void as_sha256_begin_avx512(as_wide_lanes *lanes);
void as_sha256_begin_shani(as_wide_lanes *lanes);
void as_sha256_values_avx512(const as_wide_lanes *lanes, uint8_t values[AS_WIDE_LANES * AS_DIGEST_SIZE]);
void as_sha256_values_shani(const as_wide_lanes *lanes, uint8_t values[AS_WIDE_LANES * AS_DIGEST_SIZE]);

/* How SHA-256 is computed beside BLAKE3 in sixteen lanes: in lanes of vectors like it, or as sixteen chains of SHA
 * instructions. The functions are those above of each; word i of a lane's state is sha256[places[i] + lane * apart]. */
typedef struct as_wide_way {
  void (*begin)(as_wide_lanes *lanes);
  void (*absorb)(as_wide_lanes *lanes, size_t sets, size_t steps, const as_wide_row *flags);
  void (*absorb_padding)(as_wide_lanes *lanes, size_t sets, const uint32_t words[64]);
  void (*absorb_endings)(as_wide_lanes *lanes);
  void (*values)(const as_wide_lanes *lanes, uint8_t values[AS_WIDE_LANES * AS_DIGEST_SIZE]);
  size_t places[8], apart;
} as_wide_way;

extern const as_wide_way as_wide_in_lanes, as_wide_in_chains;

/* Before the first block of every lane: no endings, whole blocks, no high counter. */
void as_wide_begin_avx512(as_wide_lanes *lanes);

/* Before the first block of chunk number `counter` of plain hashing in every lane. */
void as_wide_begin_chunk_avx512(as_wide_lanes *lanes, uint32_t counter);

/* A parent of plain hashing in every lane of two sets: the chaining values of its two children are the first eight
 * words and the last, and its own replaces the first. `flags` are all it has. */
void as_blake3_pair_parents_avx512(as_wide_row first[16], as_wide_row second[16], uint32_t flags);

/* BLAKE3's eight words of all lanes as 32 bytes each, lane by lane. */
void as_wide_values_avx512(const as_wide_row rows[8], uint8_t values[AS_WIDE_LANES * AS_DIGEST_SIZE]);

/* One stream on its way through the stitched kernels. The assembly knows this layout: wide.inc. */
typedef struct as_wide_stream {
  uint64_t schedule[2][32][16]; /* SHA-256's words + constants: this KiB's and the next one's in turns, for each two
                                   rounds those of 16 blocks */
  as_wide_row cv[8];            /* the chaining values of the group's chunks, out */
  as_wide_row counter_low, counter_high;
  const uint8_t *group;         /* 16 KiB: sixteen chunks for BLAKE3, and as many bytes for SHA-256 */
  const uint8_t *next;          /* the KiB after the group, or any that can be read when there is none: it is scheduled
                                   in the shadow of the group's last KiB */
  uint32_t *sha256_state;
} __attribute__((aligned(64))) as_wide_stream;

/* Schedules the first KiB of a stream, at stream->next. Must come before its first group. */
void as_sha256_schedule_avx512(as_wide_stream *stream);

/* Both hashes over one group of one stream, and of two. */
void as_dual_group_avx512_shani(as_wide_stream *stream, const uint32_t key[8], uint32_t flags);
void as_dual2_group_avx512_shani(as_wide_stream streams[2], const uint32_t key[8], uint32_t flags);

/* The same in registers of 256 bits. */
void as_dual_group_avx512vl(as_wide_stream *stream, const uint32_t key[8], uint32_t flags);
void as_dual2_group_avx512vl(as_wide_stream streams[2], const uint32_t key[8], uint32_t flags);

as_blake3_chunks_fn as_blake3_chunks_avx512;
as_blake3_parents_fn as_blake3_parents_avx512;
as_dual_groups_fn as_dual_groups_avx512_shani, as_dual_groups_zen4;
as_dual2_groups_fn as_dual2_groups_avx512_shani, as_dual2_groups_zen4;
as_dual_many_fn as_dual_many_zen5, as_dual_many_zen4, as_dual_many_avx512_shani, as_dual_many_avx512;

#endif
