/*
 * Both digests of small objects that are all of one size, sixteen to a set of lanes. All lanes come to the ends of
 * blocks, chunks and objects together, so nothing is done lane by lane but pointing at the objects and giving out the
 * digests; and a block that is SHA-256's padding alone is the same for all.
 * May include: native/digest headers, the C library. Called by: many_avx512.c.
 */
#if defined(__ELF__)
#include "digest/kernels/x86_64/many_equal.h"

#include <string.h>

#include "digest/kernels/x86_64/trees.h"

enum {
  CHUNK_BLOCKS = AS_BLAKE3_CHUNK / AS_BLAKE3_BLOCK,
  SETS = AS_EQUAL_MAX / AS_WIDE_LANES,
  WAITING_MAX = 5 /* subtrees of one object without their parent: of 8, 4, 2 and 1 chunks, and the sixteenth chunk */
};
_Static_assert(AS_SMALL_CHUNKS == 16, "WAITING_MAX");

/* SHA-256's round constants (constants.S). */
extern const uint32_t as_x86_sha256_k[64] __attribute__((visibility("hidden")));

typedef struct equal_batch {
  as_wide_lanes lanes[SETS]; /* with an odd number of sets, the padding goes through the next one too */
  as_wide_row flags[CHUNK_BLOCKS];
  uint8_t ends[AS_EQUAL_MAX][AS_BLAKE3_BLOCK];
  as_wide_row waiting[SETS][WAITING_MAX][8]; /* chaining values of subtrees, from left to right */
  const as_wide_way *way;
  const as_span *inputs;
  const size_t *places;
  as_digests *out;
  size_t count, sets;
  size_t size, rest; /* of each object, and in its last block if that is not whole */
  size_t whole;      /* blocks that are read where they lie */
  size_t chunks, subtrees; /* of each: how many chunks it has, and subtrees that wait */
} equal_batch;

static size_t place(const equal_batch *b, size_t i) {
  return b->places ? b->places[i] : i;
}

static void begin_set(equal_batch *b, size_t set) {
  as_wide_lanes *lanes = &b->lanes[set];
  as_wide_begin_avx512(lanes);
  b->way->begin(lanes);
  for (size_t lane = 0; lane < AS_WIDE_LANES; lane++) {
    lanes->at[lane] = b->inputs[place(b, set * AS_WIDE_LANES + lane)].bytes;
  }
}

/* ---- BLAKE3's chunks and trees ---- */

static void begin_chunk(equal_batch *b, size_t chunk) {
  for (size_t set = 0; set < b->sets; set++) {
    as_wide_begin_chunk_avx512(&b->lanes[set], (uint32_t)chunk);
  }
}

/* A chunk by itself is the whole tree. */
static void give_blake3(const equal_batch *b) {
  uint8_t values[AS_WIDE_LANES * AS_DIGEST_SIZE];
  for (size_t set = 0, i = 0; set < b->sets; set++) {
    as_wide_values_avx512((const as_wide_row *)(b->chunks == 1 ? b->lanes[set].cv : b->waiting[set][0]), values);
    for (size_t lane = 0; lane < AS_WIDE_LANES; lane++, i++) {
      memcpy(b->out[place(b, i)].blake3, values + lane * AS_DIGEST_SIZE, AS_DIGEST_SIZE);
    }
  }
}

/* The last two subtrees of each object become one, in two sets at a time: where their number is odd, the last goes with
 * one that nobody looks at. */
static void join_two(equal_batch *b, uint32_t flags) {
  size_t left = --b->subtrees - 1;
  for (size_t set = 0; set < b->sets; set += 2) {
    as_blake3_pair_parents_avx512(b->waiting[set][left], b->waiting[set + 1][left], flags | AS_BLAKE3_PARENT);
  }
}

/* A chunk that has ended joins the tree (BLAKE3 paper, section 2.1). With more to come, subtrees of one size join as
 * soon as there are two; the last chunk joins everything. */
static void end_chunk(equal_batch *b, size_t chunk) {
  for (size_t set = 0; set < b->sets && b->chunks > 1; set++) {
    memcpy(b->waiting[set][b->subtrees], b->lanes[set].cv, sizeof b->lanes[set].cv);
  }
  b->subtrees++;
  if (chunk + 1 < b->chunks) {
    for (size_t ended = chunk + 1; ended % 2 == 0; ended /= 2) {
      join_two(b, 0);
    }
    return;
  }
  while (b->subtrees > 1) {
    join_two(b, b->subtrees == 2 ? AS_BLAKE3_ROOT : 0);
  }
  give_blake3(b);
}

/* ---- blocks ---- */

/* `count` blocks of one chunk through both hashes, from block `first` of each object on. */
static void absorb(equal_batch *b, size_t first, size_t count) {
  size_t chunk = first / CHUNK_BLOCKS, blocks = b->whole + (b->rest > 0);
  int starts = first % CHUNK_BLOCKS == 0, ends = (first + count) % CHUNK_BLOCKS == 0 || first + count == blocks;
  memset(b->flags, 0, count * sizeof b->flags[0]);
  if (starts) {
    begin_chunk(b, chunk);
    as_wide_fill_row(b->flags[0], AS_BLAKE3_CHUNK_START);
  }
  if (ends) {
    as_wide_fill_row(b->flags[count - 1],
             b->flags[count - 1][0] | AS_BLAKE3_CHUNK_END | (b->chunks == 1 ? AS_BLAKE3_ROOT : 0));
  }
  b->way->absorb(b->lanes, b->sets, count, (const as_wide_row *)b->flags);
  if (ends) {
    end_chunk(b, chunk);
  }
}

static void absorb_whole(equal_batch *b) {
  for (size_t at = 0; at < b->whole;) {
    size_t count = b->whole - at < CHUNK_BLOCKS ? b->whole - at : CHUNK_BLOCKS;
    absorb(b, at, count);
    at += count;
  }
}

/* The last block, which is not whole: zeros after its bytes for BLAKE3, padding for SHA-256. */
static void absorb_rest(equal_batch *b) {
  for (size_t i = 0; i < b->count; i++) {
    const uint8_t *bytes = b->inputs[place(b, i)].bytes;
    memset(b->ends[i], 0, AS_BLAKE3_BLOCK);
    memcpy(b->ends[i], bytes + b->size - b->rest, b->rest);
    b->lanes[i / AS_WIDE_LANES].at[i % AS_WIDE_LANES] = b->ends[i];
  }
  for (size_t set = 0; set < b->sets; set++) {
    as_wide_lanes *lanes = &b->lanes[set];
    lanes->has_endings = 1;
    as_wide_fill_row(lanes->block_size, (uint32_t)b->rest);
    as_wide_fill_row(lanes->endings[b->rest / 4], (uint32_t)0x80000000 >> (8 * (b->rest % 4)));
    if (b->rest < AS_SHA256_BLOCK - 8) {
      as_wide_fill_row(lanes->endings[14], (uint32_t)((uint64_t)b->size >> 29));
      as_wide_fill_row(lanes->endings[15], (uint32_t)(b->size << 3));
    }
  }
  absorb(b, b->whole, 1);
}

/* ---- SHA-256's padding ---- */

static uint32_t rotated(uint32_t word, int right) {
  return word >> right | word << (32 - right);
}

/* The rounds' words + constants of a block of padding alone (FIPS 180-4, sections 5.1.1 and 6.2.2). */
static void schedule_padding(size_t size, uint32_t words[64]) {
  memset(words, 0, 64 * sizeof words[0]);
  words[0] = size % AS_SHA256_BLOCK == 0 ? 0x80000000 : 0;
  words[14] = (uint32_t)((uint64_t)size >> 29);
  words[15] = (uint32_t)(size << 3);
  for (int k = 16; k < 64; k++) {
    uint32_t near = words[k - 2], far = words[k - 15];
    words[k] = (rotated(near, 17) ^ rotated(near, 19) ^ near >> 10) + words[k - 7] +
               (rotated(far, 7) ^ rotated(far, 18) ^ far >> 3) + words[k - 16];
  }
  for (int k = 0; k < 64; k++) {
    words[k] += as_x86_sha256_k[k];
  }
}

static void absorb_padding(equal_batch *b) {
  uint32_t words[64];
  schedule_padding(b->size, words);
  b->way->absorb_padding(b->lanes, b->sets, words);
}

static void give_sha256(const equal_batch *b) {
  uint8_t values[AS_WIDE_LANES * AS_DIGEST_SIZE];
  for (size_t set = 0, i = 0; set < b->sets; set++) {
    b->way->values(&b->lanes[set], values);
    for (size_t lane = 0; lane < AS_WIDE_LANES; lane++, i++) {
      memcpy(b->out[place(b, i)].sha256, values + lane * AS_DIGEST_SIZE, AS_DIGEST_SIZE);
    }
  }
}

void as_many_equal_avx512(const as_wide_way *way, const as_span *inputs, const size_t *places, size_t count,
                          as_digests *out) {
  equal_batch b;
  b.way = way;
  b.inputs = inputs;
  b.places = places;
  b.out = out;
  b.count = count;
  b.sets = count / AS_WIDE_LANES;
  b.size = inputs[place(&b, 0)].size;
  b.rest = b.size % AS_BLAKE3_BLOCK;
  b.whole = b.size / AS_BLAKE3_BLOCK;
  b.chunks = as_chunks_of(b.size);
  b.subtrees = 0;
  for (size_t set = 0; set < b.sets; set++) {
    begin_set(&b, set);
  }
  absorb_whole(&b);
  if (b.rest > 0) {
    absorb_rest(&b);
  }
  if (b.rest == 0 || b.rest >= AS_SHA256_BLOCK - 8) {
    absorb_padding(&b);
  }
  give_sha256(&b);
}

#endif
