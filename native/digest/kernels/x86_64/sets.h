/*
 * The x86-64 kernel sets by name, for the choice among them.
 * May include: native/digest headers. Included by: native/digest/dispatch.c, native/digest/kernels/x86_64.
 */
#ifndef AS_DIGEST_KERNELS_X86_64_SETS_H
#define AS_DIGEST_KERNELS_X86_64_SETS_H

#include "digest/kernels.h"

extern const as_kernels as_kernels_zen5;
extern const as_kernels as_kernels_zen4;
extern const as_kernels as_kernels_avx512_shani; /* Ice Lake and later */
extern const as_kernels as_kernels_avx512;       /* Skylake-X to Cooper Lake */
extern const as_kernels as_kernels_avx2_shani; /* Zen, and Intel with SHA-NI but without AVX-512 */
extern const as_kernels as_kernels_avx2;       /* Haswell to Comet Lake */
extern const as_kernels as_kernels_sse41;

#endif
