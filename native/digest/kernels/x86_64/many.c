/*
 * Both digests of many small objects: BLAKE3 with a chunk in each of sixteen lanes, whatever object it is of, and
 * SHA-256 with two objects at a time. Lanes and chains take the next chunk or object as soon as one ends. While all of
 * them have whole blocks, the stitched kernel moves them on together; the odd ends run by themselves.
 * May include: native/digest headers, the C library. Called through the kernel table.
 */
#if defined(__ELF__)
#include <string.h>

#include "digest/bytes.h"
#include "digest/kernels/x86_64/lanes.h"
#include "digest/kernels/x86_64/sets.h"
#include "digest/kernels/x86_64/trees.h"

enum {
  WINDOW = 64,         /* objects at once: their chaining values take 32 KiB of stack */
  SETS = 2,            /* of eight lanes */
  SHA_BLOCKS = 8,      /* that each chain takes in one stitched step */
  LENGTH_SIZE = 8      /* of the length that ends a SHA-256 message */
};

/* One object's SHA-256 on its way: first the whole blocks where they lie, then the padded end. */
typedef struct sha_chain {
  uint32_t state[8];
  const uint8_t *at;
  size_t blocks;       /* left of the present part; 0: the chain is idle */
  int at_end;          /* the present part is the padded end */
  size_t object;
  uint8_t end[2 * AS_SHA256_BLOCK];
} sha_chain;

/* One chunk on its way through a lane. */
typedef struct lane_job {
  uint8_t *cv;         /* where its chaining value goes; NULL: the lane is idle */
  size_t whole;        /* whole blocks left that are read where they lie */
  int partial;         /* then one more block, padded in `end` */
  uint32_t first;      /* CHUNK_START until the first block is done */
  uint32_t last;       /* flags of the last block */
  uint32_t end_size;
  uint8_t end[AS_BLAKE3_BLOCK];
} lane_job;

typedef struct batch {
  as_blake3_lanes lanes[SETS];
  as_chunk_flags flags[SETS];
  lane_job jobs[SETS * AS_LANES];
  sha_chain chains[2];
  const as_span *inputs;
  as_digests *out;
  size_t count;
  size_t next_object, next_chunk; /* the chunk that the next free lane takes */
  size_t next_sha;                /* the object that the next free chain takes */
  size_t chunks[WINDOW];
  as_small_tree trees[WINDOW];
} batch;

/* What idle lanes read. */
static const uint8_t idle[AS_BLAKE3_CHUNK];

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

/* ---- SHA-256 ---- */

/* The end of the message with its padding (FIPS 180-4, section 5.1.1). Copying a short object whole, to have one part
 * instead of two, was no faster. */
static void begin_end(sha_chain *chain, const as_span *input) {
  size_t rest = input->size % AS_SHA256_BLOCK;
  size_t blocks = rest + 1 + LENGTH_SIZE <= AS_SHA256_BLOCK ? 1 : 2;
  memset(chain->end, 0, sizeof chain->end);
  if (rest > 0) {
    memcpy(chain->end, (const uint8_t *)input->bytes + input->size - rest, rest);
  }
  uint8_t *length = chain->end + blocks * AS_SHA256_BLOCK - LENGTH_SIZE;
  chain->end[rest] = 0x80;
  as_store32_big(length, (uint32_t)((uint64_t)input->size >> 29));
  as_store32_big(length + 4, (uint32_t)(input->size << 3));
  chain->at = chain->end;
  chain->blocks = blocks;
  chain->at_end = 1;
}

/* After the present part: the end of the object, or the next object, or idle. */
static void advance_chain(batch *b, sha_chain *chain, int started) {
  if (started && !chain->at_end) {
    begin_end(chain, &b->inputs[chain->object]);
    return;
  }
  if (started) {
    for (int i = 0; i < 8; i++) {
      as_store32_big(b->out[chain->object].sha256 + 4 * i, chain->state[i]);
    }
  }
  if (b->next_sha == b->count) {
    return;
  }
  const as_span *input = &b->inputs[b->next_sha];
  memcpy(chain->state, as_initial_value, sizeof chain->state);
  chain->object = b->next_sha++;
  chain->at = input->bytes;
  chain->blocks = input->size / AS_SHA256_BLOCK;
  chain->at_end = 0;
  if (chain->blocks == 0) {
    begin_end(chain, input);
  }
}

static void account_chains(batch *b, const as_sha256_pair *pair, size_t blocks) {
  for (int i = 0; i < 2; i++) {
    sha_chain *chain = &b->chains[i];
    chain->at = pair->at[i];
    chain->blocks -= blocks;
    if (chain->blocks == 0) {
      advance_chain(b, chain, 1);
    }
  }
}

static as_sha256_pair pair_of(batch *b) {
  sha_chain *chains = b->chains;
  return (as_sha256_pair){{chains[0].state, chains[1].state}, {chains[0].at, chains[1].at}};
}

/* Blocks that both chains can take. */
static size_t common_blocks(const batch *b) {
  return least(b->chains[0].blocks, b->chains[1].blocks);
}

static void run_pair(batch *b, size_t blocks) {
  as_sha256_pair pair = pair_of(b);
  as_sha256_pair_shani(&pair, blocks);
  account_chains(b, &pair, blocks);
}

/* The last object, when the other chain has nothing left to do. */
static void run_last_chain(batch *b) {
  for (int i = 0; i < 2; i++) {
    sha_chain *chain = &b->chains[i];
    while (chain->blocks > 0) {
      as_sha256_blocks_shani(chain->state, chain->at, chain->blocks);
      chain->blocks = 0;
      advance_chain(b, chain, 1);
    }
  }
}

/* ---- BLAKE3 ---- */

static void point_lane(batch *b, size_t place, const uint8_t *at, uint32_t block_size) {
  as_blake3_lanes *lanes = &b->lanes[place / AS_LANES];
  lanes->at[place % AS_LANES] = at;
  lanes->block_size[place % AS_LANES] = block_size;
}

/* The last block of a chunk, which is not whole (or, in an empty object, empty). */
static void begin_partial(batch *b, size_t place) {
  point_lane(b, place, b->jobs[place].end, b->jobs[place].end_size);
}

/* Gives a free lane the next chunk; returns 0 when there is none. */
static int fill_lane(batch *b, size_t place) {
  as_blake3_lanes *lanes = &b->lanes[place / AS_LANES];
  lane_job *job = &b->jobs[place];
  size_t lane = place % AS_LANES;
  if (b->next_object == b->count) {
    job->cv = NULL;
    point_lane(b, place, idle, 0);
    return 0;
  }
  const as_span *input = &b->inputs[b->next_object];
  size_t chunk = b->next_chunk, start = chunk * AS_BLAKE3_CHUNK;
  size_t size = least(input->size - start, AS_BLAKE3_CHUNK), rest = size % AS_BLAKE3_BLOCK;
  int only = b->chunks[b->next_object] == 1;
  job->cv = b->trees[b->next_object][chunk];
  job->whole = size / AS_BLAKE3_BLOCK;
  job->partial = rest > 0 || size == 0;
  job->first = AS_BLAKE3_CHUNK_START;
  job->last = AS_BLAKE3_CHUNK_END | (only ? AS_BLAKE3_ROOT : 0);
  job->end_size = (uint32_t)rest;
  if (job->partial) {
    memset(job->end, 0, sizeof job->end);
    if (rest > 0) {
      memcpy(job->end, (const uint8_t *)input->bytes + start + size - rest, rest);
    }
  }
  for (int i = 0; i < 8; i++) {
    lanes->state[i][lane] = as_initial_value[i];
  }
  lanes->counter_low[lane] = (uint32_t)chunk;
  lanes->counter_high[lane] = 0;
  if (job->whole > 0) {
    point_lane(b, place, (const uint8_t *)input->bytes + start, AS_BLAKE3_BLOCK);
  } else {
    begin_partial(b, place);
  }
  if (++b->next_chunk == b->chunks[b->next_object]) {
    b->next_object++;
    b->next_chunk = 0;
  }
  return 1;
}

/* Steps until the first lane has to be looked after; 0 when all are idle. */
static size_t common_steps(const batch *b) {
  size_t steps = SIZE_MAX;
  for (size_t place = 0; place < SETS * AS_LANES; place++) {
    const lane_job *job = &b->jobs[place];
    if (job->cv) {
      steps = least(steps, job->whole > 0 ? job->whole : 1);
    }
  }
  return steps == SIZE_MAX ? 0 : steps;
}

/* The flags of the next `steps` steps. Only the first and the last block of a chunk have any. */
static void prepare_flags(batch *b, size_t steps) {
  for (int s = 0; s < SETS; s++) {
    memset(b->flags[s].step, 0, steps * sizeof b->flags[s].step[0]);
  }
  for (size_t place = 0; place < SETS * AS_LANES; place++) {
    lane_job *job = &b->jobs[place];
    uint32_t(*flags)[AS_LANES] = b->flags[place / AS_LANES].step;
    size_t lane = place % AS_LANES;
    if (job->cv) {
      flags[0][lane] = job->first;
      if (job->whole == (job->partial ? 0 : steps)) {
        flags[steps - 1][lane] |= job->last;
      }
      job->first = 0;
    }
  }
}

/* After `steps` steps: chunks that have ended make room. */
static void account_lanes(batch *b, size_t steps) {
  for (size_t place = 0; place < SETS * AS_LANES; place++) {
    const as_blake3_lanes *lanes = &b->lanes[place / AS_LANES];
    lane_job *job = &b->jobs[place];
    if (!job->cv) {
      point_lane(b, place, idle, 0);
      continue;
    }
    int ended = job->whole == 0;
    job->whole -= ended ? 0 : steps;
    if (!ended && job->whole == 0 && job->partial) {
      begin_partial(b, place);
    } else if (ended || job->whole == 0) {
      for (int i = 0; i < 8; i++) {
        as_store32_little(job->cv + 4 * i, lanes->state[i][place % AS_LANES]);
      }
      fill_lane(b, place);
    }
  }
}

static void run_lanes(batch *b, size_t steps) {
  prepare_flags(b, steps);
  for (size_t s = 0; s < SETS; s++) {
    int busy = 0;
    for (size_t lane = 0; lane < AS_LANES; lane++) {
      busy |= b->jobs[s * AS_LANES + lane].cv != NULL;
    }
    if (busy) {
      as_blake3_steps_avx2(&b->lanes[s], steps, b->flags[s].step);
    }
  }
  account_lanes(b, steps);
}

static void run_both(batch *b, size_t steps) {
  as_sha256_pair pair = pair_of(b);
  prepare_flags(b, steps);
  as_dual2_steps_avx2_shani(b->lanes, steps, b->flags, &pair);
  account_lanes(b, steps);
  account_chains(b, &pair, steps * SHA_BLOCKS);
}

/* ---- both ---- */

static void start(batch *b, const as_span *inputs, size_t count, as_digests *out) {
  b->inputs = inputs;
  b->out = out;
  b->count = count;
  b->next_object = b->next_chunk = b->next_sha = 0;
  for (size_t i = 0; i < count; i++) {
    b->chunks[i] = as_chunks_of(inputs[i].size);
  }
  for (int s = 0; s < SETS; s++) {
    b->lanes[s].used = AS_LANES;
  }
  for (size_t place = 0; place < SETS * AS_LANES; place++) {
    fill_lane(b, place);
  }
  for (int i = 0; i < 2; i++) {
    b->chains[i].blocks = 0;
    advance_chain(b, &b->chains[i], 0);
  }
}

/* Together while both can; whichever is short of whole steps catches up alone. */
static void run(batch *b) {
  size_t steps;
  while ((steps = common_steps(b)) > 0) {
    size_t blocks = common_blocks(b);
    if (blocks >= SHA_BLOCKS) {
      run_both(b, least(steps, blocks / SHA_BLOCKS));
    } else if (blocks > 0) {
      run_pair(b, blocks);
    } else {
      run_lanes(b, steps);
    }
  }
  for (size_t blocks; (blocks = common_blocks(b)) > 0;) {
    run_pair(b, blocks);
  }
  run_last_chain(b);
}

static void digest_window(batch *b, const as_span *inputs, size_t count, as_digests *out) {
  start(b, inputs, count, out);
  run(b);
  as_join_trees(as_kernels_avx2_shani.blake3_parents, b->trees, b->chunks, count);
  for (size_t i = 0; i < count; i++) {
    memcpy(out[i].blake3, b->trees[i][0], AS_DIGEST_SIZE);
  }
}

/* Objects beyond AS_SMALL_MAX, which only tests send here, and a single one by itself gain nothing from lanes. */
void as_dual_many_avx2_shani(const as_span *inputs, size_t count, as_digests *out) {
  batch b;
  for (size_t i = 0; i < count;) {
    size_t small = 0;
    while (small < least(count - i, WINDOW) && inputs[i + small].size <= AS_SMALL_MAX) {
      small++;
    }
    if (small > 1) {
      digest_window(&b, inputs + i, small, out + i);
      i += small;
    } else {
      as_dual_whole(&as_kernels_avx2_shani, inputs[i].bytes, inputs[i].size, &out[i]);
      i++;
    }
  }
}

#endif
