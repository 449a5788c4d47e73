/*
 * The AArch64 kernel sets.
 * May include: native/digest headers. Used by: native/digest/dispatch.c.
 */
#include "digest/kernels/aarch64/sets.h"

#include "digest/cpu.h"
#include "digest/kernels/aarch64/lanes.h"
#include "digest/kernels/portable/portable.h"

const as_kernels as_kernels_neon_sha2 = {
    .name = "neon_sha2",
    .features = AS_CPU_NEON | AS_CPU_SHA2,
    .sha256_blocks = as_sha256_blocks_neon_sha2,
    .blake3_compress = as_blake3_compress_neon,
    .blake3_chunks = as_blake3_chunks_neon,
    .blake3_parents = as_blake3_parents_neon,
    .dual_groups = as_dual_groups_neon_sha2,
    .dual2_groups = as_dual2_groups_neon_sha2,
    .dual_many = as_dual_many_neon_sha2,
    .blake3_compress_xof = as_blake3_compress_xof_neon,
};

const as_kernels as_kernels_neon = {
    .name = "neon",
    .features = AS_CPU_NEON,
    .sha256_blocks = as_sha256_blocks_portable,
    .blake3_compress = as_blake3_compress_neon,
    .blake3_chunks = as_blake3_chunks_neon,
    .blake3_parents = as_blake3_parents_neon,
    .dual_groups = as_dual_groups_neon,
    .dual2_groups = as_dual2_groups_neon,
    .dual_many = as_dual_many_neon,
    .blake3_compress_xof = as_blake3_compress_xof_neon,
};
