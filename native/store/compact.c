/*
 * Compaction: segments that are mostly deleted objects give their space back. What is still needed of one is copied to the
 * end of the packs, like any other commit, and then its file is deleted; see packs.h.
 * May include: packs.h, pack_scan.h, core/error.h, io/io.h. Called by: users of the core.
 *
 * Three kinds of records are still needed: an object that its address leads to; a mark that is the newest word on its
 * address; a deletion, unless a later segment has the newest word, because an older segment may hold what it denies. In the
 * oldest segment a deletion denies nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/pack_scan.h"
#include "store/packs.h"

enum {
  STEP_BYTES = 8 * 1024 * 1024, /* copied in one step: some hundredths of a second; COMPACT_STEP_SIZE in lib/limits.ts */
  STEP_RECORDS = 4096
};

/* One step's look at a segment. */
typedef struct step {
  as_store *store;
  as_segment *segment;
  int oldest;            /* no older segment is left */
  uint64_t needed;       /* bytes of objects that are still needed */
  int damaged;           /* some of them are known to be damaged, or slots are */
  as_record *records;    /* the first of those needed, as many as one step copies */
  size_t count;
  uint64_t bytes;
  int more;              /* others are needed too */
} step;

static int same_place(const as_location *a, const as_location *b) {
  return a->segment == b->segment && a->offset == b->offset;
}

/* Whether a deletion is still needed. One that has been copied is not, since its copy stands in a later segment: otherwise a
 * step would copy the same ones again and again. An index of all segments leaves deletions out, and the segments, from which
 * it may have to be made again, must not. */
static int is_deletion_needed(const step *work, int found, const as_found *newest) {
  return !work->oldest && (!found || (newest->entry.kind == AS_RECORD_DELETED && newest->first <= work->segment->id.number));
}

/* Whether another record is still needed, given the newest entry of its address. */
static int is_needed(step *work, const as_record *record, const as_found *found) {
  const as_entry *newest = &found->entry;
  if (record->kind == AS_RECORD_OBJECT) {
    int current = newest->kind != AS_RECORD_DELETED && same_place(&newest->at, &record->at);
    work->damaged |= current && newest->kind == AS_RECORD_DAMAGED;
    return current;
  }
  /* A mark on an object in this segment goes when the object does. */
  return newest->kind == record->kind && same_place(&newest->at, &record->at) &&
         found->first <= work->segment->id.number && record->at.segment != work->segment->id.number && as_segments_has(&work->store->packs->segments, record->at.segment);
}

static int visit(void *context, uint64_t sequence, const as_record *record) {
  step *work = context;
  as_found newest;
  (void)sequence;
  int found = as_packs_newest_since(work->store, record->blake3, &newest);
  if (found < 0) {
    return found;
  }
  if (record->kind == AS_RECORD_DELETED ? !is_deletion_needed(work, found, &newest)
                                        : !found || !is_needed(work, record, &newest)) {
    return 0;
  }
  uint64_t size = record->kind == AS_RECORD_OBJECT ? as_payload_size(record->at.size) : 0;
  work->needed += size + AS_PACK_SLOT;
  if (work->count == STEP_RECORDS || work->bytes + size > STEP_BYTES) {
    work->more = 1;
    return 0;
  }
  work->records[work->count++] = *record;
  work->bytes += size;
  return 0;
}

/* ---- copying ---- */

/* Reads a payload and checks that all of it, the outboard included, is whole. */
static int read_payload(const step *work, const as_record *record, uint8_t *bytes) {
  const as_io *io = work->store->io;
  size_t size = (size_t)as_payload_size(record->at.size);
  ssize_t count = as_io_read(io, work->segment->fd, bytes, size, record->at.offset);
  if (count < 0) {
    return (int)count;
  }
  return (size_t)count < size ? AS_E_CORRUPT
                              : as_payload_check(io, work->segment->fd, &record->at, record->blake3, bytes);
}

static as_pack_item item_of(const as_record *record, const uint8_t *bytes) {
  as_pack_item item = {.record = *record, .carry = record->kind != AS_RECORD_OBJECT};
  if (record->kind == AS_RECORD_OBJECT) {
    item.bytes = bytes;
    item.outboard = bytes + record->at.size;
    item.only_at = &record->at;
  }
  return item;
}

/* Whether a payload that cannot be believed is still the one that its address leads to. If so it is marked, and its
 * segment must stay; if not, it was deleted while we read it. */
static int settle_damage(const step *work, const as_record *record) {
  as_pack_item item = {.record = {.kind = AS_RECORD_DAMAGED, .at = record->at}, .only_at = &record->at};
  memcpy(item.record.blake3, record->blake3, AS_DIGEST_SIZE);
  as_packs_commit(work->store, &item, 1);
  return item.status ? item.status : item.found ? AS_E_CORRUPT : 0;
}

static int copy_records(step *work, uint64_t *moved) {
  uint8_t *bytes = malloc((size_t)work->bytes + 1);
  as_pack_item *items = calloc(work->count + 1, sizeof *items);
  int error = bytes && items ? 0 : -ENOMEM;
  size_t at = 0, count = 0;
  for (size_t i = 0; !error && i < work->count; i++) {
    const as_record *record = &work->records[i];
    if (record->kind == AS_RECORD_OBJECT) {
      error = read_payload(work, record, bytes + at);
      if (error == AS_E_CORRUPT) {
        error = settle_damage(work, record);
        continue;
      }
    }
    if (!error) {
      items[count++] = item_of(record, bytes + at);
      at += record->kind == AS_RECORD_OBJECT ? (size_t)as_payload_size(record->at.size) : 0;
    }
  }
  if (!error && count) {
    as_packs_commit(work->store, items, count);
  }
  for (size_t i = 0; i < count; i++) {
    error = error ? error : items[i].status;
  }
  *moved += error ? 0 : at;
  free(items);
  free(bytes);
  return error;
}

/* ---- one segment ---- */

static int retire(as_store *store, void *context) {
  const uint64_t *number = context;
  return as_segment_retire(store, *number);
}

/* *taken is the space the segment takes, not counting what has been written ahead of the next commits. */
static int scan(step *work, uint64_t *taken) {
  as_store *store = work->store;
  int fd = work->segment->fd;
  struct stat status;
  as_scan seen;
  int error = store->io->stat(store->io, fd, &status);
  if (error) {
    return error;
  }
  error = as_segment_scan(store->io, fd, &work->segment->id, (uint64_t)status.st_size, &seen, visit, work);
  work->damaged |= seen.damaged || seen.unreadable; /* slots that say nothing here may be in an index still, and what they are about needed */
  uint64_t blocks = (uint64_t)status.st_blocks * 512;
  *taken = blocks < seen.end ? blocks : seen.end;
  return error;
}

static int is_active(as_store *store, void *context) {
  const uint64_t *number = context;
  return store->packs->writer.id.number == *number;
}

/* It may have been sealed meanwhile, being full. */
static int seal_if_active(as_store *store, void *context) {
  return is_active(store, context) ? as_pack_seal_active(store) : 0;
}

/* Looks at the segment again, which got further commits while it was looked at before. */
static int scan_again(step *work, uint64_t *taken) {
  work->needed = work->bytes = 0;
  work->count = 0;
  work->damaged = work->more = 0;
  return scan(work, taken);
}

/* Copies what one step may of a segment that is worth it, and deletes it when nothing is left. */
static int compact_segment(step *work, unsigned percent, as_compacted *out) {
  uint64_t number = work->segment->id.number, taken;
  int active = as_packs_exclusively(work->store, is_active, &number);
  int error = scan(work, &taken);
  /* Whole blocks are what is gained: the space of what is needed, and the head. */
  if (error || work->damaged || work->needed + AS_PACK_BLOCK >= taken * percent / 100) {
    return error;
  }
  if (active) {
    error = as_packs_exclusively(work->store, seal_if_active, &number);
    error = error ? error : scan_again(work, &taken);
  }
  if (error || work->damaged) {
    return error;
  }
  error = copy_records(work, &out->moved_bytes);
  if (error) {
    return error == AS_E_CORRUPT ? 0 : error; /* marked now: the segment stays */
  }
  if (work->more) {
    out->next = number;
    return 0;
  }
  error = as_packs_exclusively(work->store, retire, &number);
  if (!error) {
    out->removed = 1;
    out->freed_bytes = taken;
  }
  return error;
}

int as_store_compact(as_store *store, uint64_t from, unsigned percent, as_compacted *out) {
  as_segments *segments = &store->packs->segments;
  as_segment_id id, oldest;
  *out = (as_compacted){.next = 0};
  if (store->read_only) {
    return as_store_fail(store, AS_E_READ_ONLY, "compact", "packs");
  }
  if (percent < 1 || percent > 100) {
    return as_store_fail(store, AS_E_INVALID, "compact", "packs");
  }
  if (!as_segments_next(segments, from ? from : 1, &id)) {
    return 0;
  }
  as_segments_next(segments, 1, &oldest);
  step work = {.store = store, .oldest = oldest.number == id.number};
  out->next = id.number + 1;
  int error = as_segment_pin(store, id.number, &work.segment);
  if (error == AS_E_MISSING) { /* another step has just deleted it */
    return 0;
  }
  work.records = error ? NULL : malloc(STEP_RECORDS * sizeof *work.records);
  error = error ? error : work.records ? compact_segment(&work, percent, out) : -ENOMEM;
  if (work.segment) {
    as_segment_unpin(store, work.segment);
  }
  free(work.records);
  return error ? as_store_fail(store, error, "compact", "packs") : 0;
}
