/*
 * Small objects of one size in the lanes of AVX-512.
 * May include: native/digest headers. Included by: the AVX-512 files of native/digest/kernels/x86_64.
 */
#ifndef AS_DIGEST_KERNELS_X86_64_MANY_EQUAL_H
#define AS_DIGEST_KERNELS_X86_64_MANY_EQUAL_H

#include "digest/kernels/x86_64/wide.h"

/* Objects at once: four sets of lanes. */
enum { AS_EQUAL_MAX = 64 };

/* Both digests of `count` objects, a multiple of AS_WIDE_LANES up to AS_EQUAL_MAX, all of one size from 1 to
 * AS_SMALL_MAX: out[places[i]] are those of inputs[places[i]]. Without places, NULL, they are in order. */
void as_many_equal_avx512(const as_wide_way *way, const as_span *inputs, const size_t *places, size_t count,
                          as_digests *out);

#endif
