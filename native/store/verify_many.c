/*
 * Verifying many small objects at once: read in the order in which they lie, neighbours in one read, and hashed side by side. Only what turns out
 * to be packed and whole is concluded here; whatever else an object may be is for a verifier to find out.
 * May include: packs.h, outboard.h, store.h, io/io.h. Called by: users of the core.
 */
#include <stdlib.h>
#include <string.h>

#include "store/outboard.h"
#include "store/packs.h"
#include "store/store.h"

enum {
  RUN_SIZE = 1024 * 1024, /* bytes read at once: more than the largest packed object and its outboard take, and a disk's full speed */
  GAP_MAX = 32 * 1024     /* bytes read and not needed, rather than read anew behind them: some 10 us of a disk's time */
};

/* A packed object that is to be verified. */
typedef struct wanted {
  as_location at;
  size_t index; /* of its address */
} wanted;

typedef struct work {
  as_store *store;
  const uint8_t *addresses;
  unsigned flags;
  as_verified *results;
  as_verify_outcome *outcomes;
  wanted *list; /* in the order in which they lie */
  size_t count;
  as_span *spans; /* room for the bytes and digests of one run */
  as_digests *digests;
  uint8_t *buffer;
} work;

static int compare(const void *a, const void *b) {
  const as_location *left = &((const wanted *)a)->at, *right = &((const wanted *)b)->at;
  if (left->segment != right->segment) {
    return left->segment < right->segment ? -1 : 1;
  }
  return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static void find_packed(work *all, size_t count) {
  for (size_t i = 0; i < count; i++) {
    as_entry entry;
    all->outcomes[i] = AS_VERIFY_ALONE;
    int found = as_packs_find(all->store, all->addresses + i * AS_DIGEST_SIZE, &entry);
    if (found > 0 && entry.kind == AS_RECORD_OBJECT && as_payload_size(entry.at.size) <= RUN_SIZE) {
      all->list[all->count++] = (wanted){entry.at, i};
    }
  }
  qsort(all->list, all->count, sizeof *all->list, compare);
}

/* A stretch of a segment that is read at once. */
typedef struct run {
  size_t first; /* in the list, */
  size_t count; /* so many */
  uint64_t start;
  uint64_t end;
} run;

static run run_from(const work *all, size_t first) {
  const wanted *list = all->list;
  run found = {.first = first, .start = list[first].at.offset};
  for (size_t i = first; i < all->count && list[i].at.segment == list[first].at.segment; i++) {
    uint64_t end = list[i].at.offset + as_payload_size(list[i].at.size);
    if (end - found.start > RUN_SIZE || (i > first && list[i].at.offset > found.end + GAP_MAX)) {
      break;
    }
    found.end = end > found.end ? end : found.end;
    found.count++;
  }
  return found;
}

static void digest(const work *all, size_t count) {
  if (!(all->flags & AS_VERIFY_BLAKE3)) {
    as_dual_many(all->spans, count, all->digests);
    return;
  }
  memset(all->digests, 0, count * sizeof *all->digests);
  for (size_t i = 0; i < count; i++) {
    as_blake3_hash(all->spans[i].bytes, all->spans[i].size, all->digests[i].blake3);
  }
}

/* Says of each object of a run whose bytes have been read whether it is whole. */
static void judge(const work *all, const run *read) {
  for (size_t i = 0; i < read->count; i++) {
    const as_location *at = &all->list[read->first + i].at;
    all->spans[i] = (as_span){all->buffer + (at->offset - read->start), at->size};
  }
  digest(all, read->count);
  for (size_t i = 0; i < read->count; i++) {
    size_t index = all->list[read->first + i].index;
    const uint8_t *address = all->addresses + index * AS_DIGEST_SIZE;
    const as_span *span = &all->spans[i];
    if (memcmp(all->digests[i].blake3, address, AS_DIGEST_SIZE) == 0 &&
        as_outboard_is_whole((const uint8_t *)span->bytes + span->size, span->size, address)) {
      all->outcomes[index] = AS_VERIFY_WHOLE;
      all->results[index] = (as_verified){.digests = all->digests[i], .size = span->size, .intact = 1};
    }
  }
}

/* Reads and judges a run, while the disk is asked for the next. What cannot be read in full stays for a verifier. */
static void verify_run(const work *all, const run *now, const run *next) {
  const as_io *io = all->store->io;
  as_segment *segment;
  if (as_segment_pin(all->store, all->list[now->first].at.segment, &segment)) {
    return;
  }
  size_t size = (size_t)(now->end - now->start);
  int read = as_io_read(io, segment->fd, all->buffer, size, now->start) == (ssize_t)size;
  if (next->count && all->list[next->first].at.segment == all->list[now->first].at.segment) {
    io->start_read(io, segment->fd, next->start, next->end - next->start);
  }
  as_segment_unpin(all->store, segment);
  if (read) {
    judge(all, now);
  }
}

static uint64_t verify_all(work *all, uint64_t budget) {
  uint64_t done = 0;
  run now = all->count ? run_from(all, 0) : (run){0};
  while (now.count && (done == 0 || done + (now.end - now.start) <= budget)) {
    size_t behind = now.first + now.count;
    run next = behind < all->count ? run_from(all, behind) : (run){.first = behind};
    verify_run(all, &now, &next);
    done += now.end - now.start;
    done += done == 0; /* empty objects are progress too */
    now = next;
  }
  for (size_t i = now.first; i < all->count; i++) {
    all->outcomes[all->list[i].index] = AS_VERIFY_LATER;
  }
  return done;
}

uint64_t as_verify_many(as_store *store, const uint8_t *addresses, size_t count, unsigned flags, uint64_t budget,
                        as_verified *results, as_verify_outcome *outcomes) {
  work all = {.store = store, .addresses = addresses, .flags = flags, .results = results, .outcomes = outcomes};
  uint64_t done = 0;
  all.list = malloc(count * sizeof *all.list);
  all.spans = malloc(count * sizeof *all.spans);
  all.digests = malloc(count * sizeof *all.digests);
  all.buffer = malloc(RUN_SIZE);
  if (count && all.list && all.spans && all.digests && all.buffer) {
    find_packed(&all, count);
    done = verify_all(&all, budget);
  } else { /* a verifier will say that there is no memory, if there is none */
    for (size_t i = 0; i < count; i++) {
      outcomes[i] = AS_VERIFY_ALONE;
    }
  }
  free(all.buffer);
  free(all.digests);
  free(all.spans);
  free(all.list);
  return done;
}
