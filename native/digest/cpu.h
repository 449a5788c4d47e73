/*
 * Which instruction sets the CPU has and the operating system lets programs use, and the makes of CPU that kernels
 * are chosen for.
 * May include: the C library. Included by: native/digest.
 */
#ifndef AS_DIGEST_CPU_H
#define AS_DIGEST_CPU_H

#include <stdint.h>

enum {
  AS_CPU_SSSE3 = 1 << 0,
  AS_CPU_SSE41 = 1 << 1,
  AS_CPU_AVX2 = 1 << 2,
  AS_CPU_BMI2 = 1 << 3,
  AS_CPU_SHA = 1 << 4, /* SHA-NI */
  AS_CPU_GFNI = 1 << 5,
  AS_CPU_AVX512F = 1 << 6,
  AS_CPU_AVX512DQ = 1 << 7,
  AS_CPU_AVX512BW = 1 << 8,
  AS_CPU_AVX512VL = 1 << 9,
  AS_CPU_NEON = 1 << 10,
  AS_CPU_SHA2 = 1 << 11, /* ARMv8 SHA-256 */
  AS_CPU_ZEN5 = 1 << 12, /* AMD family 1Ah, where an addition of vectors takes two cycles and one of words one */
  AS_CPU_ZEN4 = 1 << 13, /* AMD family 19h with AVX-512, whose vector units are 256 bits wide */

  AS_CPU_MAKES = AS_CPU_ZEN5 | AS_CPU_ZEN4 /* what code is quickest on, rather than what it needs */
};

/* The features of this machine, AS_CPU_… or-ed. Asks the CPU anew at every call. */
uint32_t as_cpu_detect(void);

#endif
