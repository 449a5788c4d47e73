/*
 * Collecting and merging ranges; see ranges.h.
 * May include: ranges.h. Called by: verifier.c.
 */
#include "store/ranges.h"

#include <stdlib.h>

enum {
  FIRST_CAPACITY = 16,
  MOST = 65536 /* 1 MiB: a caller is told of far fewer */
};

static void widen(as_range *range, as_range by) {
  range->start = by.start < range->start ? by.start : range->start;
  range->end = by.end > range->end ? by.end : range->end;
}

static int grow(as_ranges *ranges) {
  size_t capacity = ranges->capacity ? ranges->capacity * 2 : FIRST_CAPACITY;
  as_range *list = capacity > MOST ? NULL : realloc(ranges->list, capacity * sizeof *list);
  if (!list) {
    return 0;
  }
  ranges->list = list;
  ranges->capacity = capacity;
  return 1;
}

void as_ranges_add(as_ranges *ranges, as_range range) {
  as_range *last = ranges->count ? &ranges->list[ranges->count - 1] : NULL;
  if (last && last->start <= range.start && range.start <= last->end) {
    widen(last, range);
  } else if (ranges->count < ranges->capacity || grow(ranges)) {
    ranges->list[ranges->count++] = range;
  } else if (last) {
    widen(last, range);
  }
}

static int by_start(const void *a, const void *b) {
  const as_range *left = a, *right = b;
  return (left->start > right->start) - (left->start < right->start);
}

size_t as_ranges_merge(as_ranges *ranges, as_range *out, size_t capacity) {
  size_t count = 0;
  if (ranges->count > 1) {
    qsort(ranges->list, ranges->count, sizeof *ranges->list, by_start);
  }
  for (size_t i = 0; i < ranges->count; i++) {
    if (count > 0 && (count == capacity || ranges->list[i].start <= out[count - 1].end)) {
      widen(&out[count - 1], ranges->list[i]);
    } else {
      out[count++] = ranges->list[i];
    }
  }
  return count;
}

void as_ranges_free(as_ranges *ranges) {
  free(ranges->list);
  *ranges = (as_ranges){0};
}
