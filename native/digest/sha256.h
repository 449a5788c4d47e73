/*
 * The end of a SHA-256 message over the kernels, which every stream of native/digest shares.
 * May include: native/digest headers. Included by: native/digest.
 */
#ifndef AS_DIGEST_SHA256_H
#define AS_DIGEST_SHA256_H

#include "digest/kernels.h"

/* Absorbs the last `size` bytes of a message of `length` bytes, of which all before are whole blocks in `state`
 * already, and the padding. `tail` may be NULL where `size` is 0. */
void as_sha256_conclude(const as_kernels *kernels, uint32_t state[8], const uint8_t *tail, size_t size,
                        uint64_t length, uint8_t out[AS_DIGEST_SIZE]);

#endif
