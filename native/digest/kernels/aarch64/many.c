/*
 * Many small objects, each in a lane of its own, of which both hashes take a block a step; a lane whose object ends
 * takes the next. Whole quads of chunks go first, through the kernel for streams, where a single object fills all
 * lanes.
 * May include: native/digest headers, the C library. Called through the kernel table.
 */
#include <string.h>

#include "digest/bytes.h"
#include "digest/kernels/aarch64/lanes.h"
#include "digest/turns.h"

enum { CHUNKS_MAX = AS_SMALL_MAX / AS_BLAKE3_CHUNK, SHA256_LENGTH_SIZE = 8 };

/* An object in a lane. Where it stands follows from `offset` alone: a multiple of 64, how far both hashes have come.
 * Beyond the object's end only SHA-256 goes on, in its padding, to `end`. */
typedef struct as_lane {
  const uint8_t *bytes;
  size_t size, offset, end;
  as_digests *out;                          /* NULL: no object, the lane idles */
  uint8_t blake3_tail[AS_BLAKE3_BLOCK];     /* the last block where it is not whole, zeros behind it */
  uint8_t sha256_tail[2 * AS_SHA256_BLOCK]; /* the rest of the object, and the padding */
  uint8_t cvs[CHUNKS_MAX * AS_DIGEST_SIZE]; /* of the chunks so far */
} as_lane;

static const uint8_t idle_block[AS_BLAKE3_BLOCK];

static size_t whole_blocks_size(const as_lane *lane) {
  return lane->size / AS_SHA256_BLOCK * AS_SHA256_BLOCK;
}

/* FIPS 180-4, section 5.1.1. */
static void prepare_tails(as_lane *lane) {
  size_t whole = whole_blocks_size(lane), rest = lane->size - whole;
  size_t padded = rest + 1 + SHA256_LENGTH_SIZE <= AS_SHA256_BLOCK ? AS_SHA256_BLOCK : 2 * AS_SHA256_BLOCK;
  memset(lane->blake3_tail, 0, sizeof lane->blake3_tail);
  memset(lane->sha256_tail, 0, sizeof lane->sha256_tail);
  if (rest > 0) {
    memcpy(lane->blake3_tail, lane->bytes + whole, rest);
    memcpy(lane->sha256_tail, lane->bytes + whole, rest);
  }
  lane->sha256_tail[rest] = 0x80;
  as_store32_big(lane->sha256_tail + padded - 4, (uint32_t)(lane->size << 3)); /* small: the upper half is zero */
  lane->end = whole + padded;
}

static void admit(as_lane *lane, const as_span *input, uint32_t sha256_state[8], as_digests *out) {
  lane->bytes = input->bytes;
  lane->size = input->size;
  lane->offset = 0;
  lane->out = out;
  memcpy(sha256_state, as_initial_value, AS_DIGEST_SIZE);
  for (; lane->size - lane->offset >= QUAD_SIZE; lane->offset += QUAD_SIZE) {
    size_t chunk = lane->offset / AS_BLAKE3_CHUNK;
    as_quad quad = as_quad_of_chunks(lane->bytes + lane->offset, LANES, chunk, 0);
    as_dual_quad_neon_sha2(sha256_state, &quad, as_initial_value, lane->cvs + chunk * AS_DIGEST_SIZE);
  }
  prepare_tails(lane);
}

/* Even an empty object has one block for BLAKE3. */
static int blake3_goes_on(const as_lane *lane) {
  return lane->offset < lane->size || lane->size == 0;
}

static int ends_chunk(const as_lane *lane) {
  return lane->offset + AS_BLAKE3_BLOCK >= lane->size || (lane->offset + AS_BLAKE3_BLOCK) % AS_BLAKE3_CHUNK == 0;
}

static void prepare_blake3(const as_lane *lane, as_lanes *lanes, int i) {
  int starts = lane->offset % AS_BLAKE3_CHUNK == 0, ends = ends_chunk(lane), root = lane->size <= AS_BLAKE3_CHUNK;
  size_t left = lane->size - lane->offset;
  lanes->blake3_blocks[i] = left < AS_BLAKE3_BLOCK ? lane->blake3_tail : lane->bytes + lane->offset;
  lanes->block_size[i] = left < AS_BLAKE3_BLOCK ? (uint32_t)left : AS_BLAKE3_BLOCK;
  lanes->counter_low[i] = (uint32_t)(lane->offset / AS_BLAKE3_CHUNK);
  lanes->flags[i] =
      (starts ? AS_BLAKE3_CHUNK_START : 0) | (ends ? AS_BLAKE3_CHUNK_END | (root ? AS_BLAKE3_ROOT : 0) : 0);
  for (int word = 0; starts && word < 8; word++) {
    lanes->cvs[word][i] = as_initial_value[word];
  }
}

static void prepare(const as_lane *lane, as_lanes *lanes, int i) {
  size_t whole = whole_blocks_size(lane);
  lanes->blake3_blocks[i] = idle_block;
  lanes->sha256_blocks[i] = idle_block;
  if (lane->out) {
    lanes->sha256_blocks[i] =
        lane->offset < whole ? lane->bytes + lane->offset : lane->sha256_tail + (lane->offset - whole);
    if (blake3_goes_on(lane)) {
      prepare_blake3(lane, lanes, i);
    }
  }
}

/* The tree over the chunks, level by level, an odd one carried up; the last parent is the root. */
static void conclude_blake3(as_lane *lane) {
  size_t count = lane->size <= AS_BLAKE3_CHUNK ? 1 : (lane->size + AS_BLAKE3_CHUNK - 1) / AS_BLAKE3_CHUNK;
  if (count == 1) {
    memcpy(lane->out->blake3, lane->cvs, AS_DIGEST_SIZE);
    return;
  }
  while (count > 2) {
    size_t pairs = count / 2;
    as_blake3_parents_neon(lane->cvs, pairs, as_initial_value, 0, lane->cvs);
    if (count % 2 == 1) {
      memmove(lane->cvs + pairs * AS_DIGEST_SIZE, lane->cvs + (count - 1) * AS_DIGEST_SIZE, AS_DIGEST_SIZE);
    }
    count = pairs + count % 2;
  }
  as_blake3_parents_neon(lane->cvs, 1, as_initial_value, AS_BLAKE3_ROOT, lane->out->blake3);
}

/* Takes a lane past the step that has just been done. Returns whether its object has ended. */
static int advance(as_lane *lane, const as_lanes *lanes, int i) {
  if (blake3_goes_on(lane) && ends_chunk(lane)) {
    for (int word = 0; word < 8; word++) {
      as_store32(lane->cvs + lane->offset / AS_BLAKE3_CHUNK * AS_DIGEST_SIZE + 4 * word, lanes->cvs[word][i]);
    }
  }
  lane->offset += AS_BLAKE3_BLOCK;
  if (lane->offset < lane->end) {
    return 0;
  }
  for (int word = 0; word < 8; word++) {
    as_store32_big(lane->out->sha256 + 4 * word, lanes->sha256_states[i][word]);
  }
  conclude_blake3(lane);
  lane->out = NULL;
  return 1;
}

/* The index of the next input that suits a lane; the others are hashed by themselves on the way. A single object is one
 * of these: it would leave three lanes empty. */
static size_t next_for_lane(const as_span *inputs, size_t count, size_t next, as_digests *out) {
  for (; next < count; next++) {
    if (inputs[next].size <= AS_SMALL_MAX && count > 1) {
      return next;
    }
    as_dual_whole(&as_kernels_neon_sha2, inputs[next].bytes, inputs[next].size, &out[next]);
  }
  return count;
}

void as_dual_many_neon_sha2(const as_span *inputs, size_t count, as_digests *out) {
  as_lane lane[LANES] = {0};
  as_lanes lanes = {0};
  size_t next = 0;
  int busy = 0;
  do {
    for (int i = 0; i < LANES; i++) {
      if (!lane[i].out && (next = next_for_lane(inputs, count, next, out)) < count) {
        admit(&lane[i], &inputs[next], lanes.sha256_states[i], &out[next]);
        next++;
        busy++;
      }
      prepare(&lane[i], &lanes, i);
    }
    if (busy > 0) {
      as_dual_lanes_neon_sha2(&lanes);
    }
    for (int i = 0; i < LANES; i++) {
      busy -= lane[i].out && advance(&lane[i], &lanes, i);
    }
  } while (busy > 0 || next < count);
}

/* Without lanes for SHA-256 nothing is gained by hashing several at once. */
void as_dual_many_neon(const as_span *inputs, size_t count, as_digests *out) {
  as_many_in_turns(&as_kernels_neon, inputs, count, out);
}
