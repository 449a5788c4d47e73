/*
 * Damaged ranges as they are found, from more than one source.
 * May include: artifactstore.h. Called by: verifier.c.
 */
#ifndef AS_STORE_RANGES_H
#define AS_STORE_RANGES_H

#include "artifactstore.h"

typedef struct as_ranges {
  as_range *list;
  size_t count;
  size_t capacity;
} as_ranges;

/* Adds a range. When there are too many to keep, or no memory, it is folded into the last one: what is named is never
 * less than what is damaged. */
void as_ranges_add(as_ranges *ranges, as_range range);

/* Sorts and merges the ranges into `out`, which has room for `capacity` of them, at least 1; what exceeds it is folded
 * into the last. Returns how many were filled. */
size_t as_ranges_merge(as_ranges *ranges, as_range *out, size_t capacity);

void as_ranges_free(as_ranges *ranges);

#endif
