/*
 * BLAKE3 in portable C (BLAKE3 paper, sections 2.1 to 2.5): one compression by itself, and several chunks or parents
 * side by side in gcc's vector types, one in each lane, which compilers turn into the machine's baseline vectors.
 * May include: native/digest headers. Called through the kernel table.
 */
#include "digest/bytes.h"
#include "digest/kernels/portable/portable.h"

/* Four lanes of 32 bits are a vector on SSE2, NEON and VSX. Eight are slower on x86-64, where the state then
 * spills from its sixteen registers. */
enum { LANES = 4, ROUNDS = 7 };

typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

/* Which message word each of a round's sixteen places takes: the permutation of table 2, applied again every round. */
static const uint8_t schedule[ROUNDS][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1}, {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4}, {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13}};

/* These macros serve words and vectors of words alike: C's operators mean the same on both. */
#define ROTATE(x, right) ((x) >> (right) | (x) << (32 - (right)))

#define MIX(v, a, b, c, d, x, y)    \
  do {                              \
    v[a] += v[b] + (x);             \
    v[d] = ROTATE(v[d] ^ v[a], 16); \
    v[c] += v[d];                   \
    v[b] = ROTATE(v[b] ^ v[c], 12); \
    v[a] += v[b] + (y);             \
    v[d] = ROTATE(v[d] ^ v[a], 8);  \
    v[c] += v[d];                   \
    v[b] = ROTATE(v[b] ^ v[c], 7);  \
  } while (0)

#define ROUND(v, m, r)                        \
  do {                                        \
    const uint8_t *s = schedule[r];           \
    MIX(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);    \
    MIX(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);    \
    MIX(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);   \
    MIX(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);   \
    MIX(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);   \
    MIX(v, 1, 6, 11, 12, m[s[10]], m[s[11]]); \
    MIX(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);  \
    MIX(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);  \
  } while (0)

/* Written out, so that the schedule becomes constants and the state stays in registers. */
#define SEVEN_ROUNDS(v, m) \
  do {                     \
    ROUND(v, m, 0);        \
    ROUND(v, m, 1);        \
    ROUND(v, m, 2);        \
    ROUND(v, m, 3);        \
    ROUND(v, m, 4);        \
    ROUND(v, m, 5);        \
    ROUND(v, m, 6);        \
  } while (0)

/* The permutation of one compression; the two kinds of output are folded from `v`. */
static inline void permute(uint32_t v[16], const uint32_t cv[8], const uint8_t block[AS_BLAKE3_BLOCK],
                           uint32_t block_size, uint64_t counter, uint32_t flags) {
  uint32_t m[16];
  for (int i = 0; i < 16; i++) {
    m[i] = as_load32_little(block + 4 * i);
  }
  for (int i = 0; i < 8; i++) {
    v[i] = cv[i];
  }
  for (int i = 0; i < 4; i++) {
    v[8 + i] = as_initial_value[i];
  }
  v[12] = (uint32_t)counter;
  v[13] = (uint32_t)(counter >> 32);
  v[14] = block_size;
  v[15] = flags;
  SEVEN_ROUNDS(v, m);
}

void as_blake3_compress_portable(const uint32_t cv[8], const uint8_t block[AS_BLAKE3_BLOCK], uint32_t block_size,
                                 uint64_t counter, uint32_t flags, uint32_t out[8]) {
  uint32_t v[16];
  permute(v, cv, block, block_size, counter, flags);
  for (int i = 0; i < 8; i++) {
    out[i] = v[i] ^ v[8 + i];
  }
}

void as_blake3_compress_xof_portable(const uint32_t cv[8], const uint8_t block[AS_BLAKE3_BLOCK], uint32_t block_size,
                                     uint64_t counter, uint32_t flags, uint8_t out[AS_BLAKE3_BLOCK]) {
  uint32_t v[16];
  permute(v, cv, block, block_size, counter, flags);
  for (int i = 0; i < 8; i++) {
    as_store32_little(out + 4 * i, v[i] ^ v[8 + i]);
    as_store32_little(out + 32 + 4 * i, v[8 + i] ^ cv[i]);
  }
}

/* Chunks and parents are both messages of whole blocks; this is all they differ in. */
typedef struct message_kind {
  size_t blocks;              /* in each message */
  uint32_t first, last, all;  /* flags of its first, its last and every block */
  int counts;                 /* message i carries counter + i; otherwise the counter is 0 throughout */
} message_kind;

static inline uint32_t flags_of_block(message_kind kind, size_t block) {
  return kind.all | (block == 0 ? kind.first : 0) | (block + 1 == kind.blocks ? kind.last : 0);
}

static inline lanes in_every_lane(uint32_t word) {
  return word + (lanes){0};
}

/* The next block of LANES messages that lie `stride` bytes apart, word by word, each message in its lane. */
static inline void load_words(lanes m[16], const uint8_t *at, size_t stride) {
  for (int word = 0; word < 16; word++) {
    for (int lane = 0; lane < LANES; lane++) {
      m[word][lane] = as_load32_little(at + (size_t)lane * stride + 4 * (size_t)word);
    }
  }
}

/* The chaining values h absorb one block; v is the state of the paper's figure, sixteen words in every lane. */
static inline void compress_lanes(lanes h[8], const lanes m[16], lanes counter_low, lanes counter_high,
                                  uint32_t flags) {
  lanes v[16];
  for (int i = 0; i < 8; i++) {
    v[i] = h[i];
  }
  for (int i = 0; i < 4; i++) {
    v[8 + i] = in_every_lane(as_initial_value[i]);
  }
  v[12] = counter_low;
  v[13] = counter_high;
  v[14] = in_every_lane(AS_BLAKE3_BLOCK);
  v[15] = in_every_lane(flags);
  SEVEN_ROUNDS(v, m);
  for (int i = 0; i < 8; i++) {
    h[i] = v[i] ^ v[8 + i];
  }
}

static void hash_lanes(const uint8_t *messages, const uint32_t key[8], uint64_t counter, message_kind kind,
                       uint8_t *cvs) {
  lanes h[8], m[16], low, high;
  for (int i = 0; i < 8; i++) {
    h[i] = in_every_lane(key[i]);
  }
  for (int lane = 0; lane < LANES; lane++) {
    uint64_t own = kind.counts ? counter + (uint64_t)lane : 0;
    low[lane] = (uint32_t)own;
    high[lane] = (uint32_t)(own >> 32);
  }
  for (size_t block = 0; block < kind.blocks; block++) {
    load_words(m, messages + block * AS_BLAKE3_BLOCK, kind.blocks * AS_BLAKE3_BLOCK);
    compress_lanes(h, m, low, high, flags_of_block(kind, block));
  }
  for (int lane = 0; lane < LANES; lane++) {
    for (int i = 0; i < 8; i++) {
      as_store32_little(cvs + AS_DIGEST_SIZE * lane + 4 * i, h[i][lane]);
    }
  }
}

static void hash_one(const uint8_t *message, const uint32_t key[8], uint64_t counter, message_kind kind, uint8_t *cv) {
  uint32_t h[8];
  memcpy(h, key, sizeof h);
  for (size_t block = 0; block < kind.blocks; block++) {
    as_blake3_compress_portable(h, message + block * AS_BLAKE3_BLOCK, AS_BLAKE3_BLOCK, kind.counts ? counter : 0,
                                flags_of_block(kind, block), h);
  }
  for (int i = 0; i < 8; i++) {
    as_store32_little(cv + 4 * i, h[i]);
  }
}

static void hash_messages(const uint8_t *messages, size_t count, const uint32_t key[8], uint64_t counter,
                          message_kind kind, uint8_t *cvs) {
  size_t size = kind.blocks * AS_BLAKE3_BLOCK, i = 0;
  for (; i + LANES <= count; i += LANES) {
    hash_lanes(messages + i * size, key, counter + i, kind, cvs + i * AS_DIGEST_SIZE);
  }
  for (; i < count; i++) {
    hash_one(messages + i * size, key, counter + i, kind, cvs + i * AS_DIGEST_SIZE);
  }
}

void as_blake3_chunks_portable(const uint8_t *chunks, size_t count, const uint32_t key[8], uint64_t counter,
                               uint32_t flags, uint8_t *cvs) {
  message_kind chunk = {.blocks = AS_BLAKE3_CHUNK / AS_BLAKE3_BLOCK,
                        .first = AS_BLAKE3_CHUNK_START,
                        .last = AS_BLAKE3_CHUNK_END,
                        .all = flags,
                        .counts = 1};
  hash_messages(chunks, count, key, counter, chunk, cvs);
}

void as_blake3_parents_portable(const uint8_t *blocks, size_t count, const uint32_t key[8], uint32_t flags,
                                uint8_t *cvs) {
  message_kind parent = {.blocks = 1, .all = flags | AS_BLAKE3_PARENT};
  hash_messages(blocks, count, key, 0, parent, cvs);
}
