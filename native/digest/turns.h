/*
 * What kernel sets do where they have no kernel of both hashes: the two one after the other, on pieces small enough
 * that the second finds the bytes in the first-level cache. And the trees above chunks, which all sets build alike.
 * May include: native/digest headers. Included by: native/digest/kernels.
 */
#ifndef AS_DIGEST_TURNS_H
#define AS_DIGEST_TURNS_H

#include "digest/kernels.h"

/* The members dual_groups, dual2_groups and dual_many of a set, by way of its other members. */
void as_groups_in_turns(const as_kernels *kernels, uint32_t sha256_state[8], const uint8_t *groups, size_t count,
                        const uint32_t key[8], uint64_t first_group, uint32_t flags, uint8_t *cvs);
void as_two_in_turns(const as_kernels *kernels, const as_dual_stream streams[2], size_t count, const uint32_t key[8],
                     uint32_t flags);
void as_many_in_turns(const as_kernels *kernels, const as_span *inputs, size_t count, as_digests *out);

/* From the chaining values of sixteen chunks in each of `count` groups, at `tree`, to one of each group, at `cvs`. What
 * is at `tree` is lost. */
void as_join_groups(as_blake3_parents_fn *parents, uint8_t *tree, size_t count, const uint32_t key[8], uint32_t flags,
                    uint8_t *cvs);

#endif
