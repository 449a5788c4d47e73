/*
 * The portable kernels by name, for the table that lists them and for other sets that borrow one.
 * May include: native/digest headers. Included by: native/digest/kernels.
 */
#ifndef AS_DIGEST_KERNELS_PORTABLE_H
#define AS_DIGEST_KERNELS_PORTABLE_H

#include "digest/kernels.h"

as_sha256_blocks_fn as_sha256_blocks_portable;
as_blake3_compress_fn as_blake3_compress_portable;
as_blake3_chunks_fn as_blake3_chunks_portable;
as_blake3_parents_fn as_blake3_parents_portable;
as_dual_groups_fn as_dual_groups_portable;
as_dual2_groups_fn as_dual2_groups_portable;
as_dual_many_fn as_dual_many_portable;
as_blake3_compress_xof_fn as_blake3_compress_xof_portable;

#endif
