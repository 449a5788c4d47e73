/*
 * The kernel interface: the few operations that do all the hashing, with the same signatures for every instruction set,
 * so that each kernel can be forced, tested and measured by itself. A kernel knows blocks, chunks and groups; lengths,
 * tails and trees are the business of its callers, but for dual_many, whose lanes hold objects of any length.
 * May include: the public header. Included by: native/digest and native/test, nobody else.
 *
 * A kernel is named as_<hash>_<operation>_<set> and stands in native/digest/kernels/<architecture>/. It never
 * allocates, never fails, reads nothing beyond the bytes it is given and asks for no alignment. Outputs overlap no
 * input, but for the two exceptions named below.
 *
 * BLAKE3 takes its key and the flags of its mode as parameters. Plain hashing passes as_initial_value and 0; the keyed
 * and the key derivation modes differ in nothing else.
 */
#ifndef AS_DIGEST_KERNELS_H
#define AS_DIGEST_KERNELS_H

#include "artifactstore.h"

enum {
  AS_SHA256_BLOCK = 64,
  AS_BLAKE3_BLOCK = 64,
  AS_GROUP_CHUNKS = AS_GROUP_SIZE / AS_BLAKE3_CHUNK
};

/* Domain separation flags of a BLAKE3 compression (BLAKE3 paper, table 3). */
enum {
  AS_BLAKE3_CHUNK_START = 1,
  AS_BLAKE3_CHUNK_END = 2,
  AS_BLAKE3_PARENT = 4,
  AS_BLAKE3_ROOT = 8,
  AS_BLAKE3_KEYED = 16,
  AS_BLAKE3_DERIVE_CONTEXT = 32,
  AS_BLAKE3_DERIVE_MATERIAL = 64
};

/* Where both hashes begin: BLAKE3 took its initial value from SHA-256. */
extern const uint32_t as_initial_value[8];

/* SHA-256 (FIPS 180-4): `state` absorbs `count` blocks of 64 bytes. */
typedef void as_sha256_blocks_fn(uint32_t state[8], const uint8_t *blocks, size_t count);

/* One BLAKE3 compression. `block` is 64 bytes, the first `block_size` of them input and the others zero. `out` receives
 * the first eight words: the chaining value, or with AS_BLAKE3_ROOT the digest. It may be `cv`. */
typedef void as_blake3_compress_fn(const uint32_t cv[8], const uint8_t block[AS_BLAKE3_BLOCK], uint32_t block_size,
                                   uint64_t counter, uint32_t flags, uint32_t out[8]);

/* The same compression with all sixteen words of output, as 64 little-endian bytes: one block of extended output
 * (BLAKE3 paper, section 2.6), when `flags` has AS_BLAKE3_ROOT and `counter` is the number of the output block. */
typedef void as_blake3_compress_xof_fn(const uint32_t cv[8], const uint8_t block[AS_BLAKE3_BLOCK], uint32_t block_size,
                                       uint64_t counter, uint32_t flags, uint8_t out[AS_BLAKE3_BLOCK]);

/* The chaining values, 32 bytes each, of `count` whole chunks that lie one after the other. `counter` is the number of
 * the first in its stream. The kernel itself adds CHUNK_START and CHUNK_END to `flags`. */
typedef void as_blake3_chunks_fn(const uint8_t *chunks, size_t count, const uint32_t key[8], uint64_t counter,
                                 uint32_t flags, uint8_t *cvs);

/* The chaining values, 32 bytes each, of `count` parents, from blocks of two 32-byte children that lie one after the
 * other. `cvs` may be `blocks`: the results then replace its first half. The kernel itself adds PARENT to `flags`. */
typedef void as_blake3_parents_fn(const uint8_t *blocks, size_t count, const uint32_t key[8], uint32_t flags,
                                  uint8_t *cvs);

/* Both hashes over `count` whole groups of 16 KiB in one pass. `sha256_state` absorbs them; `cvs` receives for each
 * group the 32-byte chaining value of its 16 chunks as a subtree. `first_group` is the number of the first in its
 * stream. */
typedef void as_dual_groups_fn(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                               uint64_t first_group, uint32_t flags, uint8_t *cvs);

/* Two independent streams at once, each as dual_groups takes one: `count` groups of each, with the same key and
 * flags. */
typedef struct as_dual_stream {
  uint32_t *sha256_state;
  const uint8_t *groups;
  uint64_t first_group;
  uint8_t *cvs;
} as_dual_stream;

typedef void as_dual2_groups_fn(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags);

/* Both digests of `count` whole objects, several side by side where that pays; out[i] belongs to inputs[i]. Right for
 * objects of any length and any mix of lengths, and meant for small ones: the callers give at most AS_SMALL_MAX bytes.
 * inputs[i].bytes may be NULL where its size is 0. */
typedef void as_dual_many_fn(const as_span *inputs, size_t count, as_digests *out);

/* The largest object that as_dual_many hands to dual_many; larger ones are streams of groups. */
enum { AS_SMALL_MAX = AS_GROUP_SIZE };

/* One set of kernels. Where a set has nothing better to offer it borrows the next set's function; no member is NULL. */
typedef struct as_kernels {
  const char *name;
  uint32_t features; /* what it needs of the CPU: AS_CPU_… of cpu.h */
  as_sha256_blocks_fn *sha256_blocks;
  as_blake3_compress_fn *blake3_compress;
  as_blake3_chunks_fn *blake3_chunks;
  as_blake3_parents_fn *blake3_parents;
  as_dual_groups_fn *dual_groups;
  as_dual2_groups_fn *dual2_groups;
  as_dual_many_fn *dual_many;
  as_blake3_compress_xof_fn *blake3_compress_xof;
} as_kernels;

extern const as_kernels as_kernels_portable;

/* One whole object of any length by the one-stream kernels of a set: what dual_many of a set without lanes does with
 * each object, and what one with lanes may do with an object that would leave most lanes empty. */
void as_dual_whole(const as_kernels *kernels, const uint8_t *bytes, size_t size, as_digests *out);

/* The set in use, chosen on first use. Cheap, and safe from any thread. */
const as_kernels *as_kernels_in_use(void);

#endif
