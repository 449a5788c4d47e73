/*
 * The AArch64 kernel sets by name. Little-endian ELF systems only: what the assembly of this folder is written for.
 * May include: native/digest headers. Included by: native/digest/dispatch.c, this folder.
 */
#ifndef AS_DIGEST_KERNELS_AARCH64_SETS_H
#define AS_DIGEST_KERNELS_AARCH64_SETS_H

#include "digest/kernels.h"

extern const as_kernels as_kernels_neon_sha2;

/* For CPUs without SHA-256 instructions, as the Cortex-A72 of a Raspberry Pi 4. */
extern const as_kernels as_kernels_neon;

#endif
