/*
 * Both digests of many small objects: one object in each of sixteen lanes, which gives every block to both hashes. A
 * lane whose object ends takes the next one.
 *
 * BLAKE3 and SHA-256 see the same blocks up to the last, where BLAKE3 has zeros after the end and SHA-256 its padding
 * (FIPS 180-4, section 5.1.1). The kernel is given that difference and xors it into SHA-256's words, so a lane needs no
 * step of its own for it; but where the padding takes one block more, BLAKE3's result of that step means nothing.
 * May include: native/digest headers, the C library. Called through the kernel tables.
 */
#if defined(__ELF__)
#include <string.h>

#include "digest/bytes.h"
#include "digest/kernels/x86_64/lanes.h"
#include "digest/kernels/x86_64/many_equal.h"
#include "digest/kernels/x86_64/sets.h"
#include "digest/kernels/x86_64/trees.h"
#include "digest/kernels/x86_64/wide.h"
#include "digest/turns.h"

enum {
  WINDOW = 64, /* objects at once: their chaining values take 32 KiB of stack */
  CHUNK_BLOCKS = AS_BLAKE3_CHUNK / AS_BLAKE3_BLOCK,
  LENGTH_SIZE = 8, /* of the length that ends a SHA-256 message */
  /* A step costs the same however many lanes are taken, so lanes pay from some share of taken ones on. On Zen 5 they
   * were ahead of two chains of SHA instructions from 7 objects of one length on, and half as fast again with 9; on
   * Zen 4 from 9 to 11 on. That rounds in general registers, without SHA instructions, are three times slower or more
   * is a guess. */
  TAKEN_MIN_SHANI = 7,
  TAKEN_MIN_ZEN4 = 10,
  TAKEN_MIN = 3
};

/* An object on its way through a lane. `block` is how far both hashes have come. */
typedef struct lane_job {
  const uint8_t *bytes;
  size_t size;
  size_t rank;        /* of the object in the batch's order; NONE: the lane is idle */
  size_t block;
  size_t whole;       /* blocks that are read where they lie */
  size_t blake3_end;  /* blocks that BLAKE3 takes: one more where the last is not whole */
  size_t sha256_end;  /* blocks with padding */
  uint8_t end[AS_BLAKE3_BLOCK];
} lane_job;

#define NONE SIZE_MAX

typedef struct batch {
  as_wide_lanes lanes;
  as_wide_row flags[CHUNK_BLOCKS];
  lane_job jobs[AS_WIDE_LANES];
  const as_wide_way *way;
  const as_span *inputs;
  as_digests *out;
  size_t order[WINDOW]; /* of the inputs; what follows is by rank in it */
  size_t count, next;
  size_t chunks[WINDOW];
  as_small_tree trees[WINDOW];
} batch;

/* What idle lanes read, and those of which only SHA-256's padding is left. */
static const uint8_t zeros[CHUNK_BLOCKS * AS_BLAKE3_BLOCK];

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

static size_t sha256_blocks_of(size_t size) {
  return (size + 1 + LENGTH_SIZE + AS_SHA256_BLOCK - 1) / AS_SHA256_BLOCK;
}

/* ---- lanes ---- */

/* SHA-256's padding in the lane's next block, or with `clear` its removal after the block: a single bit after the last
 * byte, and in the last block the length. */
static void set_endings(batch *b, size_t lane, int clear) {
  const lane_job *job = &b->jobs[lane];
  as_wide_row *endings = b->lanes.endings;
  size_t rest = job->size % AS_SHA256_BLOCK;
  if (job->block == job->whole) {
    endings[rest / 4][lane] = clear ? 0 : (uint32_t)0x80000000 >> (8 * (rest % 4));
  }
  if (job->block == job->sha256_end - 1) {
    endings[14][lane] = clear ? 0 : (uint32_t)((uint64_t)job->size >> 29);
    endings[15][lane] = clear ? 0 : (uint32_t)(job->size << 3);
  }
}

/* Points a lane at its next block. */
static void point(batch *b, size_t lane) {
  lane_job *job = &b->jobs[lane];
  b->lanes.block_size[lane] = AS_BLAKE3_BLOCK;
  if (job->rank == NONE || job->block >= job->blake3_end) {
    b->lanes.at[lane] = zeros;
  } else if (job->block < job->whole) {
    b->lanes.at[lane] = job->bytes + job->block * AS_BLAKE3_BLOCK;
  } else {
    b->lanes.at[lane] = job->end;
    b->lanes.block_size[lane] = (uint32_t)(job->size % AS_BLAKE3_BLOCK);
  }
  if (job->rank != NONE && job->block >= job->whole) {
    set_endings(b, lane, 0);
  }
}

static void begin_sha256(batch *b, size_t lane) {
  const as_wide_way *way = b->way;
  uint32_t *state = b->lanes.sha256 + lane * way->apart;
  for (int i = 0; i < 8; i++) {
    state[way->places[i]] = as_initial_value[i];
  }
}

static void give_sha256(const batch *b, size_t lane, uint8_t digest[AS_DIGEST_SIZE]) {
  const as_wide_way *way = b->way;
  const uint32_t *state = b->lanes.sha256 + lane * way->apart;
  for (int i = 0; i < 8; i++) {
    as_store32_big(digest + 4 * i, state[way->places[i]]);
  }
}

static void begin_chunk(batch *b, size_t lane) {
  for (int i = 0; i < 8; i++) {
    b->lanes.cv[i][lane] = as_initial_value[i];
  }
  b->lanes.counter_low[lane] = (uint32_t)(b->jobs[lane].block / CHUNK_BLOCKS);
}

/* Gives a free lane the next object, or leaves it idle. */
static void fill_lane(batch *b, size_t lane) {
  lane_job *job = &b->jobs[lane];
  job->rank = NONE;
  if (b->next < b->count) {
    job->rank = b->next++;
    job->bytes = b->inputs[b->order[job->rank]].bytes;
    job->size = b->inputs[b->order[job->rank]].size;
    job->block = 0;
    size_t rest = job->size % AS_BLAKE3_BLOCK;
    job->whole = job->size / AS_BLAKE3_BLOCK;
    job->blake3_end = job->whole + (rest > 0 || job->size == 0);
    job->sha256_end = sha256_blocks_of(job->size);
    memset(job->end, 0, sizeof job->end);
    if (rest > 0) {
      memcpy(job->end, job->bytes + job->size - rest, rest);
    }
    begin_sha256(b, lane);
    begin_chunk(b, lane);
  }
  point(b, lane);
}

/* Steps until the first lane has to be looked after; 0 when all are idle. `blake3` is whether any of them is for it. */
static size_t common_steps(batch *b, int *blake3) {
  size_t steps = SIZE_MAX;
  int some_end = 0;
  *blake3 = 0;
  for (size_t lane = 0; lane < AS_WIDE_LANES; lane++) {
    const lane_job *job = &b->jobs[lane];
    if (job->rank != NONE) {
      size_t in_chunk = CHUNK_BLOCKS - job->block % CHUNK_BLOCKS;
      steps = least(steps, job->block < job->whole ? least(job->whole - job->block, in_chunk) : 1);
      *blake3 |= job->block < job->blake3_end;
      some_end |= job->block >= job->whole;
    }
  }
  b->lanes.has_endings = (uint64_t)some_end;
  return steps == SIZE_MAX ? 0 : steps;
}

/* Whether BLAKE3's chunk ends with the block before `block`. */
static int ends_chunk(const lane_job *job, size_t block) {
  return block % CHUNK_BLOCKS == 0 || block == job->blake3_end;
}

static void prepare_flags(batch *b, size_t steps) {
  memset(b->flags, 0, steps * sizeof b->flags[0]);
  for (size_t lane = 0; lane < AS_WIDE_LANES; lane++) {
    const lane_job *job = &b->jobs[lane];
    if (job->rank != NONE && job->block < job->blake3_end) {
      b->flags[0][lane] = job->block % CHUNK_BLOCKS == 0 ? AS_BLAKE3_CHUNK_START : 0;
      if (ends_chunk(job, job->block + steps)) {
        b->flags[steps - 1][lane] |= AS_BLAKE3_CHUNK_END | (b->chunks[job->rank] == 1 ? AS_BLAKE3_ROOT : 0);
      }
    }
  }
}

/* Takes a lane past `steps` blocks: the results of a chunk and of an object that have ended, and what comes next. */
static void advance(batch *b, size_t lane, size_t steps) {
  lane_job *job = &b->jobs[lane];
  if (job->block >= job->whole) {
    set_endings(b, lane, 1);
  }
  size_t before = job->block;
  job->block += steps;
  if (before < job->blake3_end && ends_chunk(job, job->block)) {
    uint8_t *cv = b->trees[job->rank][before / CHUNK_BLOCKS];
    for (int i = 0; i < 8; i++) {
      as_store32_little(cv + 4 * i, b->lanes.cv[i][lane]);
    }
    begin_chunk(b, lane);
  }
  if (job->block == job->sha256_end) {
    give_sha256(b, lane, b->out[b->order[job->rank]].sha256);
    fill_lane(b, lane);
  } else if (job->block >= job->whole) {
    point(b, lane);
  }
}

static void run(batch *b) {
  int blake3;
  memset(&b->lanes, 0, sizeof b->lanes);
  b->next = 0;
  for (size_t lane = 0; lane < AS_WIDE_LANES; lane++) {
    fill_lane(b, lane);
  }
  for (size_t steps; (steps = common_steps(b, &blake3)) > 0;) {
    if (blake3) {
      prepare_flags(b, steps);
      b->way->absorb(&b->lanes, 1, steps, (const as_wide_row *)b->flags);
    } else {
      b->way->absorb_endings(&b->lanes);
    }
    for (size_t lane = 0; lane < AS_WIDE_LANES; lane++) {
      if (b->jobs[lane].rank != NONE) {
        advance(b, lane, steps);
      } else {
        b->lanes.at[lane] = zeros;
      }
    }
  }
}

/* ---- batches ---- */

/* Longest first, so that the lanes end together. Equal lengths, the usual case, cost one comparison each. */
static void put_in_order(batch *b) {
  for (size_t i = 0; i < b->count; i++) {
    size_t k = i;
    for (; k > 0 && b->inputs[b->order[k - 1]].size < b->inputs[i].size; k--) {
      b->order[k] = b->order[k - 1];
    }
    b->order[k] = i;
  }
}

/* How many objects from rank `from` on are of one size, in whole sets of lanes. Empty ones do not count. */
static size_t equal_run(const batch *b, size_t from) {
  size_t size = b->inputs[b->order[from]].size, end = from;
  while (end < b->count && b->inputs[b->order[end]].size == size) {
    end++;
  }
  return size > 0 ? (end - from) / AS_WIDE_LANES * AS_WIDE_LANES : 0;
}

/* Digests what comes in whole sets of one size, and takes it out of the order. */
static void take_equal(batch *b) {
  size_t left = 0;
  for (size_t from = 0; from < b->count;) {
    size_t run = equal_run(b, from);
    if (run > 0) {
      as_many_equal_avx512(b->way, b->inputs, b->order + from, run, b->out);
      from += run;
    } else {
      b->order[left++] = b->order[from++];
    }
  }
  b->count = left;
}

static void digest_window(batch *b, const as_span *inputs, size_t count, as_digests *out) {
  b->inputs = inputs;
  b->out = out;
  b->count = count;
  put_in_order(b);
  take_equal(b);
  for (size_t rank = 0; rank < b->count; rank++) {
    b->chunks[rank] = as_chunks_of(inputs[b->order[rank]].size);
  }
  run(b);
  as_join_trees(as_blake3_parents_avx512, b->trees, b->chunks, b->count);
  for (size_t rank = 0; rank < b->count; rank++) {
    memcpy(out[b->order[rank]].blake3, b->trees[rank][0], AS_DIGEST_SIZE);
  }
}

/* Whether lanes would on average be as full as `taken_min` says. The steps are those of the longest object, or of all
 * shared evenly. */
static int lanes_pay(const as_span *inputs, size_t count, size_t taken_min) {
  size_t total = 0, longest = 0;
  for (size_t i = 0; i < count; i++) {
    size_t blocks = sha256_blocks_of(inputs[i].size);
    total += blocks;
    longest = blocks > longest ? blocks : longest;
  }
  return total >= taken_min * longest;
}

/* The small objects at the beginning of `inputs`, at most a window of them. Objects beyond AS_SMALL_MAX, which only
 * tests send here, are not for lanes. */
static size_t small_ones(const as_span *inputs, size_t count) {
  size_t small = 0;
  while (small < least(count, WINDOW) && inputs[small].size <= AS_SMALL_MAX) {
    small++;
  }
  return small;
}

/* Whether they are whole sets of one size, as equal chunks of something are: then there is nothing to put in order. */
static int all_equal(const as_span *inputs, size_t count) {
  size_t same = 1;
  while (same < count && inputs[same].size == inputs[0].size) {
    same++;
  }
  return same == count && count % AS_WIDE_LANES == 0 && inputs[0].size > 0;
}

/* Objects in lanes where these pay, the others by `few`. */
static void digest_many(const as_wide_way *way, const as_span *inputs, size_t count, as_digests *out, size_t taken_min,
                        as_dual_many_fn *few) {
  batch b;
  b.way = way;
  while (count > 0) {
    size_t taken = small_ones(inputs, count);
    if (taken > 0 && all_equal(inputs, taken)) {
      as_many_equal_avx512(way, inputs, NULL, taken, out);
    } else if (taken > 0 && lanes_pay(inputs, taken, taken_min)) {
      digest_window(&b, inputs, taken, out);
    } else {
      taken += taken == 0;
      few(inputs, taken, out);
    }
    inputs += taken;
    out += taken;
    count -= taken;
  }
}

void as_dual_many_avx512_shani(const as_span *inputs, size_t count, as_digests *out) {
  digest_many(&as_wide_in_lanes, inputs, count, out, TAKEN_MIN_SHANI, as_dual_many_avx2_shani);
}

void as_dual_many_zen4(const as_span *inputs, size_t count, as_digests *out) {
  digest_many(&as_wide_in_chains, inputs, count, out, TAKEN_MIN_ZEN4, as_dual_many_avx2_shani);
}

static void few_zen5(const as_span *inputs, size_t count, as_digests *out) {
  if (count == 1) {
    as_dual_whole(&as_kernels_zen5, inputs[0].bytes, inputs[0].size, &out[0]);
  } else {
    as_dual_many_avx2_shani(inputs, count, out);
  }
}

void as_dual_many_zen5(const as_span *inputs, size_t count, as_digests *out) {
  digest_many(&as_wide_in_lanes, inputs, count, out, TAKEN_MIN_SHANI, few_zen5);
}

static void few_avx512(const as_span *inputs, size_t count, as_digests *out) {
  as_many_in_turns(&as_kernels_avx512, inputs, count, out);
}

void as_dual_many_avx512(const as_span *inputs, size_t count, as_digests *out) {
  digest_many(&as_wide_in_lanes, inputs, count, out, TAKEN_MIN, few_avx512);
}

#endif
