/*
 * The x86-64 kernel sets, and the functions of theirs that only choose a width or a set.
 * May include: native/digest headers. Used by: native/digest/dispatch.c.
 */
#if defined(__ELF__)
#include "digest/cpu.h"
#include "digest/kernels/portable/portable.h"
#include "digest/kernels/x86_64/lanes.h"
#include "digest/kernels/x86_64/sets.h"
#include "digest/kernels/x86_64/wide.h"
#include "digest/turns.h"

static void blake3_chunks_avx2(const uint8_t *chunks, size_t count, const uint32_t key[8], uint64_t counter,
                               uint32_t flags, uint8_t *cvs) {
  as_lanes_chunks(as_blake3_steps_avx2, chunks, count, key, counter, flags, cvs);
}

static void blake3_parents_avx2(const uint8_t *blocks, size_t count, const uint32_t key[8], uint32_t flags,
                                uint8_t *cvs) {
  as_lanes_parents(as_blake3_steps_avx2, blocks, count, key, flags, cvs);
}

static void blake3_chunks_sse41(const uint8_t *chunks, size_t count, const uint32_t key[8], uint64_t counter,
                                uint32_t flags, uint8_t *cvs) {
  as_lanes_chunks(as_blake3_steps_sse41, chunks, count, key, counter, flags, cvs);
}

static void blake3_parents_sse41(const uint8_t *blocks, size_t count, const uint32_t key[8], uint32_t flags,
                                 uint8_t *cvs) {
  as_lanes_parents(as_blake3_steps_sse41, blocks, count, key, flags, cvs);
}

static void dual_groups_avx512(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                               uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  as_groups_in_turns(&as_kernels_avx512, sha256_state, groups, count, key, first_group, flags, cvs);
}

static void dual2_groups_avx512(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags) {
  as_two_in_turns(&as_kernels_avx512, streams, count, key, flags);
}

static void dual_groups_avx2(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                             uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  as_groups_in_turns(&as_kernels_avx2, sha256_state, groups, count, key, first_group, flags, cvs);
}

static void dual2_groups_avx2(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags) {
  as_two_in_turns(&as_kernels_avx2, streams, count, key, flags);
}

static void dual_many_avx2(const as_span *inputs, size_t count, as_digests *out) {
  as_many_in_turns(&as_kernels_avx2, inputs, count, out);
}

static void dual_groups_sse41(uint32_t sha256_state[8], const uint8_t *groups, size_t count, const uint32_t key[8],
                              uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  as_groups_in_turns(&as_kernels_sse41, sha256_state, groups, count, key, first_group, flags, cvs);
}

static void dual2_groups_sse41(const as_dual_stream streams[2], size_t count, const uint32_t key[8], uint32_t flags) {
  as_two_in_turns(&as_kernels_sse41, streams, count, key, flags);
}

static void dual_many_sse41(const as_span *inputs, size_t count, as_digests *out) {
  as_many_in_turns(&as_kernels_sse41, inputs, count, out);
}

enum {
  NEEDS_AVX2 = AS_CPU_SSSE3 | AS_CPU_SSE41 | AS_CPU_AVX2,
  NEEDS_AVX512 = NEEDS_AVX2 | AS_CPU_AVX512F | AS_CPU_AVX512BW | AS_CPU_AVX512VL
};

/* One compression by itself is a chain of additions, rotations and xors, which is shorter in general registers there. */
const as_kernels as_kernels_zen5 = {
    .name = "zen5",
    .features = NEEDS_AVX512 | AS_CPU_SHA | AS_CPU_ZEN5,
    .sha256_blocks = as_sha256_blocks_shani,
    .blake3_compress = as_blake3_compress_portable,
    .blake3_chunks = as_blake3_chunks_avx512,
    .blake3_parents = as_blake3_parents_avx512,
    .dual_groups = as_dual_groups_avx512_shani,
    .dual2_groups = as_dual2_groups_avx512_shani,
    .dual_many = as_dual_many_zen5,
    .blake3_compress_xof = as_blake3_compress_xof_portable,
};

/* Two passes of 256 bits for each operation of 512, and a sha256rnds2 that waits for one of them. */
const as_kernels as_kernels_zen4 = {
    .name = "zen4",
    .features = NEEDS_AVX512 | AS_CPU_SHA | AS_CPU_ZEN4,
    .sha256_blocks = as_sha256_blocks_shani,
    .blake3_compress = as_blake3_compress_sse41,
    .blake3_chunks = as_blake3_chunks_avx512,
    .blake3_parents = as_blake3_parents_avx512,
    .dual_groups = as_dual_groups_zen4,
    .dual2_groups = as_dual2_groups_zen4,
    .dual_many = as_dual_many_zen4,
    .blake3_compress_xof = as_blake3_compress_xof_sse41,
};

const as_kernels as_kernels_avx512_shani = {
    .name = "avx512_shani",
    .features = NEEDS_AVX512 | AS_CPU_SHA,
    .sha256_blocks = as_sha256_blocks_shani,
    .blake3_compress = as_blake3_compress_sse41,
    .blake3_chunks = as_blake3_chunks_avx512,
    .blake3_parents = as_blake3_parents_avx512,
    .dual_groups = as_dual_groups_avx512_shani,
    .dual2_groups = as_dual2_groups_avx512_shani,
    .dual_many = as_dual_many_avx512_shani,
    .blake3_compress_xof = as_blake3_compress_xof_sse41,
};

const as_kernels as_kernels_avx512 = {
    .name = "avx512",
    .features = NEEDS_AVX512 | AS_CPU_BMI2,
    .sha256_blocks = as_sha256_blocks_avx2,
    .blake3_compress = as_blake3_compress_sse41,
    .blake3_chunks = as_blake3_chunks_avx512,
    .blake3_parents = as_blake3_parents_avx512,
    .dual_groups = dual_groups_avx512,
    .dual2_groups = dual2_groups_avx512,
    .dual_many = as_dual_many_avx512,
    .blake3_compress_xof = as_blake3_compress_xof_sse41,
};

const as_kernels as_kernels_avx2_shani = {
    .name = "avx2_shani",
    .features = NEEDS_AVX2 | AS_CPU_SHA,
    .sha256_blocks = as_sha256_blocks_shani,
    .blake3_compress = as_blake3_compress_sse41,
    .blake3_chunks = blake3_chunks_avx2,
    .blake3_parents = blake3_parents_avx2,
    .dual_groups = as_dual_groups_avx2_shani,
    .dual2_groups = as_dual2_groups_avx2_shani,
    .dual_many = as_dual_many_avx2_shani,
    .blake3_compress_xof = as_blake3_compress_xof_sse41,
};

const as_kernels as_kernels_avx2 = {
    .name = "avx2",
    .features = NEEDS_AVX2 | AS_CPU_BMI2,
    .sha256_blocks = as_sha256_blocks_avx2,
    .blake3_compress = as_blake3_compress_sse41,
    .blake3_chunks = blake3_chunks_avx2,
    .blake3_parents = blake3_parents_avx2,
    .dual_groups = dual_groups_avx2,
    .dual2_groups = dual2_groups_avx2,
    .dual_many = dual_many_avx2,
    .blake3_compress_xof = as_blake3_compress_xof_sse41,
};

const as_kernels as_kernels_sse41 = {
    .name = "sse41",
    .features = AS_CPU_SSSE3 | AS_CPU_SSE41,
    .sha256_blocks = as_sha256_blocks_ssse3,
    .blake3_compress = as_blake3_compress_sse41,
    .blake3_chunks = blake3_chunks_sse41,
    .blake3_parents = blake3_parents_sse41,
    .dual_groups = dual_groups_sse41,
    .dual2_groups = dual2_groups_sse41,
    .dual_many = dual_many_sse41,
    .blake3_compress_xof = as_blake3_compress_xof_sse41,
};

#endif
