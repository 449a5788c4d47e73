/*
 * Finding out what is in packs/: segments and their indexes, the tail that a crash may have left, and indexes made again
 * from segments where they are missing or damaged; see packs.h.
 * May include: packs.h, pack_scan.h, core/error.h, io/io.h. Called by: store.c, packs.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/little.h"
#include "store/pack_scan.h"
#include "store/packs.h"

enum {
  SALVAGE_WINDOW = 1024 * 1024, /* bytes read at a time, from a segment whose head block is damaged */
  FIRST_LATE = 1024             /* records for which there is room at first: a commit of many */
};

/* ---- reading a segment ---- */

/* A record with the latest number so far, and what it took the place of; of kind 0 if nothing was there. */
typedef struct late_record {
  as_entry entry;
  as_entry before;
} late_record;

/* Collects the records of a segment; those with the latest sequence number, the last commit and whatever waited for the same
 * sync, also by themselves, and what they took the place of. */
typedef struct collection {
  as_table *table;
  late_record *late; /* in the order in which they were found; each larger number begins anew */
  size_t late_count;
  size_t late_capacity;
  as_table latest;   /* made of them when all is read: the last of each address, */
  as_table replaced; /* and what the first of each took the place of */
  uint64_t latest_sequence;
  uint64_t file_size;
} collection;

static void forget_latest(collection *into) {
  free(into->late);
  into->late = NULL;
  into->late_count = into->late_capacity = 0;
  as_table_free(&into->latest);
  as_table_free(&into->replaced);
}

static as_entry entry_of(const as_record *record) {
  as_entry entry = {.kind = record->kind, .at = record->at};
  memcpy(entry.blake3, record->blake3, AS_DIGEST_SIZE);
  return entry;
}

static int note_late(collection *into, const as_entry *entry, const as_entry *before) {
  if (into->late_count == into->late_capacity) {
    size_t capacity = into->late_capacity ? 2 * into->late_capacity : FIRST_LATE;
    late_record *late = realloc(into->late, capacity * sizeof *late);
    if (!late) {
      return -ENOMEM;
    }
    into->late = late;
    into->late_capacity = capacity;
  }
  into->late[into->late_count++] = (late_record){*entry, *before};
  return 0;
}

static int collect(void *context, uint64_t sequence, const as_record *record) {
  collection *into = context;
  as_entry entry = entry_of(record), before;
  int error = as_table_reserve(into->table, 1);
  if (error) {
    return error;
  }
  as_table_exchange(into->table, &entry, &before);
  if (sequence > into->latest_sequence) {
    into->late_count = 0;
    into->latest_sequence = sequence;
  }
  return sequence < into->latest_sequence ? 0 : note_late(into, &entry, &before);
}

/* Makes the tables of what has the latest number. */
static int gather_latest(collection *into) {
  int error = as_table_reserve(&into->latest, into->late_count);
  error = error ? error : as_table_reserve(&into->replaced, into->late_count);
  for (size_t i = 0; !error && i < into->late_count; i++) {
    const late_record *late = &into->late[i];
    if (late->before.kind && !as_table_get(&into->latest, late->entry.blake3)) {
      as_table_put(&into->replaced, &late->before);
    }
    as_table_put(&into->latest, &late->entry);
  }
  return error;
}

/* The salt of a segment whose head block is damaged, from the first slot that is whole by its own. Ends with the file: a
 * disk that gives nothing any more would never say where that is. */
static int salvage_id(const as_io *io, int fd, uint64_t number, as_segment_id *out) {
  struct stat status;
  int error = io->stat(io, fd, &status);
  if (error) {
    return error;
  }
  uint64_t sequence, offset = AS_PACK_BLOCK, end = (uint64_t)status.st_size;
  as_commit_head head;
  as_record record;
  ssize_t size = 0;
  int found = 0;
  uint8_t *window = malloc(SALVAGE_WINDOW);
  if (!window) {
    return -ENOMEM;
  }
  while (!found && offset < end && (size = as_io_read(io, fd, window, SALVAGE_WINDOW, offset)) != 0) {
    if (size == -EIO) { /* block by block around what the disk does not give */
      size = as_io_read(io, fd, window, AS_PACK_BLOCK, offset);
      offset += size == -EIO ? AS_PACK_BLOCK : 0;
    }
    if (size == -EIO) {
      continue;
    }
    if (size < 0) {
      break;
    }
    for (ssize_t at = 0; !found && at + AS_PACK_SLOT <= size; at += AS_PACK_SLOT) {
      as_segment_id id = {.number = number, .salt = as_get64(window + at + 8)}; /* where every slot has it: pack.c */
      found = as_slot_decode(&id, offset + (uint64_t)at, window + at, &sequence, &head, &record) != AS_SLOT_NONE;
      *out = id;
    }
    offset += (uint64_t)size;
  }
  free(window);
  return found ? 0 : size < 0 ? (int)size : AS_E_CORRUPT;
}

/* Who a segment is, by its head block, or by its first commit when that is damaged. */
static int identify(const as_io *io, int fd, uint64_t number, as_segment_id *out) {
  uint8_t block[AS_PACK_BLOCK];
  ssize_t size = as_io_read(io, fd, block, sizeof block, 0);
  if (size < 0 && size != -EIO) {
    return (int)size;
  }
  int error = size == sizeof block ? as_segment_head_decode(block, out) : AS_E_CORRUPT;
  if (error == AS_E_CORRUPT || (!error && out->number != number)) {
    error = salvage_id(io, fd, number, out);
  }
  return error;
}

static int scan(as_store *store, const as_segment *segment, as_scan *out, collection *into) {
  struct stat status;
  int error = store->io->stat(store->io, segment->fd, &status);
  into->file_size = error ? 0 : (uint64_t)status.st_size;
  uint64_t records = into->file_size / (2 * AS_PACK_SLOT); /* about as many as there can be: growing later costs more than room */
  error = error ? error : as_table_reserve(into->table, records < AS_SEGMENT_RECORDS_MAX ? (size_t)records : AS_SEGMENT_RECORDS_MAX);
  error = error ? error : as_segment_scan(store->io, segment->fd, &segment->id, (uint64_t)status.st_size, out, collect, into);
  error = error ? error : gather_latest(into);
  if (error) {
    as_store_fail(store, error, "scan", "packs");
  }
  return error;
}

/* The records of the segment, the last of each address, into the empty table of `into`. */
static int read_records(as_store *store, uint64_t number, collection *into, as_scan *out) {
  as_segment *segment;
  int error = as_segment_pin(store, number, &segment);
  if (!error) {
    error = scan(store, segment, out, into);
    as_segment_unpin(store, segment);
  }
  return error;
}

/* ---- the commits that a crash may have torn ---- */

/* Whether the payload at a location is whole, its outboard included. */
static int payload_whole(as_store *store, const as_entry *entry, uint8_t *buffer, int *whole) {
  as_segment *segment;
  int error = as_segment_pin(store, entry->at.segment, &segment);
  if (error) {
    return error;
  }
  ssize_t size = as_io_read(store->io, segment->fd, buffer, entry->at.size, entry->at.offset);
  *whole = size == (ssize_t)entry->at.size;
  if (*whole) {
    error = as_payload_check(store->io, segment->fd, &entry->at, entry->blake3, buffer);
    *whole = !error;
  }
  as_segment_unpin(store, segment);
  error = size < 0 && size != -EIO ? (int)size : error;
  return error == AS_E_CORRUPT || error == -EIO ? 0 : error;
}

/* What is to be noted of a payload of the last commits that is not whole, as the record that notes it. */
static int judge_torn(as_store *store, const collection *found, const as_entry *torn, as_record *out) {
  as_entry before = {.kind = AS_RECORD_DELETED};
  const as_entry *replaced = as_table_get(&found->replaced, torn->blake3);
  int known = replaced ? replaced->kind != AS_RECORD_DELETED : as_packs_find(store, torn->blake3, &before);
  if (known < 0) {
    return known;
  }
  before = replaced ? *replaced : before;
  int back = known && before.kind != AS_RECORD_DAMAGED && as_segments_has(&store->packs->segments, before.at.segment);
  *out = (as_record){.kind = back ? AS_RECORD_WHOLE : AS_RECORD_DAMAGED, .at = back ? before.at : torn->at};
  memcpy(out->blake3, torn->blake3, AS_DIGEST_SIZE);
  return 0;
}

/* Checks the payloads of the last commits, while the packs know only of what is in other segments. If they were torn, nobody
 * was told that they are durable: an object that was to be moved is still where it was, and any other counts as damaged. If
 * they were whole once, that their bytes are damaged must not be forgotten. So there are marks to be made, *count of them in
 * memory that the caller frees; the table has them as if they were made. */
static int check_latest(as_store *store, collection *found, as_record **marks, size_t *count) {
  uint8_t *buffer = malloc(AS_PACK_OBJECT_MAX);
  *count = 0;
  *marks = malloc((found->latest.count + 1) * sizeof **marks);
  int error = buffer && *marks ? 0 : -ENOMEM;
  size_t position = 0;
  const as_entry *entry;
  while (!error && (entry = as_table_next(&found->latest, &position)) != NULL) {
    int whole = 1;
    if (entry->kind == AS_RECORD_OBJECT) {
      error = payload_whole(store, entry, buffer, &whole);
    }
    if (!error && !whole) {
      error = judge_torn(store, found, entry, &(*marks)[*count]);
      as_entry marked = entry_of(&(*marks)[*count]);
      if (!error) {
        as_table_put(found->table, &marked); /* in place of the one that is there */
        ++*count;
      }
    }
  }
  free(buffer);
  return error;
}

/* Makes the marks durable: behind later commits nobody would look at those payloads again. */
static int write_marks(as_store *store, const as_record *marks, size_t count) {
  as_pack_item *items = calloc(count ? count : 1, sizeof *items);
  int error = items ? 0 : -ENOMEM;
  for (size_t i = 0; !error && i < count; i++) {
    items[i] = (as_pack_item){.record = marks[i], .always = 1};
  }
  if (!error && count) {
    as_packs_commit(store, items, count);
  }
  for (size_t i = 0; !error && i < count; i++) {
    error = items[i].status;
  }
  free(items);
  return error;
}

/* ---- what there is ---- */

typedef struct listing {
  as_store *store;
  as_run *runs; /* first and last only */
  size_t count;
  size_t capacity;
} listing;

static int note_index(listing *found, uint64_t first, uint64_t last) {
  if (found->count == found->capacity) {
    size_t capacity = found->capacity ? 2 * found->capacity : 32;
    as_run *runs = realloc(found->runs, capacity * sizeof *runs);
    if (!runs) {
      return -ENOMEM;
    }
    found->runs = runs;
    found->capacity = capacity;
  }
  found->runs[found->count++] = (as_run){.first = first, .last = last};
  return 0;
}

static int note_segment(as_store *store, const char *name, uint64_t number) {
  as_segment_id id = {.number = number};
  int fd = as_io_open(store->io, store->packs_folder, name, O_RDONLY | O_NOFOLLOW, 0);
  int error = fd < 0 ? fd : identify(store->io, fd, number, &id);
  struct stat status = {.st_size = 0};
  error = error == AS_E_CORRUPT && !store->io->stat(store->io, fd, &status) ? AS_E_CORRUPT : error;
  as_io_close(store->io, &fd);
  if (error == AS_E_CORRUPT && status.st_size <= AS_PACK_BLOCK) { /* its making was cut short: nothing can be in it */
    return store->read_only ? 0 : store->io->unlink(store->io, store->packs_folder, name);
  }
  if (error == AS_E_CORRUPT) {
    error = 0; /* its index may still tell what is in it; each object is verified when it is read */
  }
  return error ? as_store_fail(store, error, "open", "packs") : as_segments_add(&store->packs->segments, &id);
}

static int visit_name(void *context, const char *name) {
  listing *found = context;
  uint64_t first, last, number = as_segment_number(name);
  if (number) {
    return note_segment(found->store, name, number);
  }
  return as_index_name_parse(name, &first, &last) ? note_index(found, first, last) : 0;
}

/* By their first segment, the widest first. */
static int compare_runs(const void *a, const void *b) {
  const as_run *x = a, *y = b;
  if (x->first != y->first) {
    return x->first < y->first ? -1 : 1;
  }
  return x->last > y->last ? -1 : x->last < y->last;
}

/* Opens an index file; one that is damaged is removed, and its segments count as having none. */
static int open_run(as_store *store, const as_run *run) {
  as_run opened = *run;
  int error = as_index_open(store->io, store->packs_folder, as_index_name(run->first, run->last).text, &opened.index);
  const as_index_head *head = error ? NULL : as_index_head_of(opened.index);
  if (head && (head->first_segment != run->first || head->last_segment != run->last)) { /* of another name */
    as_index_close(opened.index);
    error = AS_E_CORRUPT;
  }
  if (error == AS_E_CORRUPT) {
    return store->read_only ? 0 : as_index_unlink(store, run->first, run->last);
  }
  if (error) {
    return as_store_fail(store, error, "open", "packs");
  }
  uint64_t sequence = as_index_head_of(opened.index)->last_sequence;
  as_pack_writer *writer = &store->packs->writer;
  writer->sequence = sequence > writer->sequence ? sequence : writer->sequence;
  error = as_packs_put_runs(store->packs, run->first, run->last, &opened, 1);
  if (error) {
    as_run_free(&opened);
  }
  return error;
}

static int open_indexes(as_store *store, listing *found) {
  uint64_t covered = 0;
  int error = 0;
  if (found->count) {
    qsort(found->runs, found->count, sizeof *found->runs, compare_runs);
  }
  for (size_t i = 0; !error && i < found->count; i++) {
    const as_run *run = &found->runs[i];
    if (run->last <= covered) { /* inside a wider one */
      error = store->read_only ? 0 : as_index_unlink(store, run->first, run->last);
      continue;
    }
    size_t before = store->packs->run_count;
    error = open_run(store, run);
    covered = store->packs->run_count > before ? run->last : covered;
  }
  return error;
}

static int is_covered(const as_packs *packs, uint64_t number) {
  for (size_t i = 0; i < packs->run_count; i++) {
    if (packs->runs[i].first <= number && number <= packs->runs[i].last) {
      return 1;
    }
  }
  return 0;
}

/* ---- segments without an index ---- */

/* Commits go on behind all that the segment has. What of it the disk does not give may have numbers too, one for each block at most. */
static void note_sequence(as_packs *packs, const as_scan *seen) {
  uint64_t last = seen->last_sequence + seen->unreadable / AS_PACK_BLOCK;
  packs->writer.sequence = last > packs->writer.sequence ? last : packs->writer.sequence;
}

/* The index of one segment, made from the segment; in memory alone where the disk did not give all of it, which it may the next time. */
static int index_segment(as_store *store, uint64_t number, as_run *out) {
  as_table table;
  as_scan seen;
  as_table_init(&table);
  collection found = {.table = &table};
  int error = read_records(store, number, &found, &seen);
  forget_latest(&found);
  *out = (as_run){.first = number, .last = number};
  if (!error) {
    note_sequence(store->packs, &seen);
    error = seen.unreadable ? 0 : as_pack_seal(store, number, number, &table, out);
  }
  if (error || out->index) {
    as_table_free(&table);
  } else {
    out->table = table;
  }
  return error;
}

/* Reads the segment in which commits go on, and makes it ready for them. When its last commit is cut off by the end of the
 * file, it gets its length first: later commits go behind it, and what of it is not there must be found missing now. */
static int read_active(as_store *store, const as_segment_id *id, collection *found, as_scan *seen) {
  int error = read_records(store, id->number, found, seen);
  if (error || store->read_only || seen->unreadable) {
    return error;
  }
  error = as_pack_writer_resume(store, id, seen->end);
  while (!error && seen->end > found->file_size) { /* a longer file may show more of it */
    forget_latest(found);
    as_table_free(found->table);
    *found = (collection){.table = found->table};
    error = read_records(store, id->number, found, seen);
    error = error ? error : as_pack_writer_resume(store, id, seen->end);
  }
  return error;
}

/* The table of the last segment: of that in which commits go on, or a run by itself where they cannot, the disk not giving all of it. */
static int keep_table(as_packs *packs, uint64_t number, const as_table *table, int whole) {
  if (whole) {
    packs->table = *table;
    packs->table_first = number;
    return 0;
  }
  as_run run = {.first = number, .last = number, .table = *table};
  int error = as_packs_put_runs(packs, number, number, &run, 1);
  if (error) {
    as_run_free(&run);
  }
  return error;
}

/* The last segment, when it has no index: commits go on there. */
static int resume(as_store *store, const as_segment_id *id) {
  as_packs *packs = store->packs;
  as_table table;
  as_scan seen = {.unreadable = 0};
  as_record *marks = NULL;
  size_t count = 0;
  as_table_init(&table);
  collection found = {.table = &table};
  int error = read_active(store, id, &found, &seen);
  error = error ? error : check_latest(store, &found, &marks, &count);
  forget_latest(&found);
  int kept = keep_table(packs, id->number, &table, error || !seen.unreadable);
  error = error ? error : kept;
  if (!error) {
    note_sequence(packs, &seen);
    error = store->read_only ? 0 : write_marks(store, marks, count);
  }
  free(marks);
  return error;
}

static int open_segments(as_store *store) {
  as_packs *packs = store->packs;
  as_segment_id id, last = {.number = 0};
  for (uint64_t at = 1; as_segments_next(&packs->segments, at, &id); at = id.number + 1) {
    last = id;
  }
  packs->writer.last_number = last.number;
  int error = 0;
  for (uint64_t at = 1; !error && as_segments_next(&packs->segments, at, &id); at = id.number + 1) {
    as_run run;
    if (is_covered(packs, id.number)) {
      continue;
    }
    if (id.number == last.number && id.salt) { /* one that cannot say who it is takes no more commits */
      return resume(store, &id);
    }
    error = index_segment(store, id.number, &run);
    error = error ? error : as_packs_put_runs(packs, id.number, id.number, &run, 1);
  }
  return error;
}

static int open_listed(as_store *store) {
  listing found = {.store = store};
  int error = store->io->list(store->io, store->packs_folder, ".", visit_name, &found);
  if (error == AS_E_FORMAT) {
    as_store_fail(store, error, "open", "packs");
  }
  error = error ? error : open_indexes(store, &found);
  free(found.runs);
  return error ? error : open_segments(store);
}

int as_packs_open(as_store *store) {
  as_packs *packs = calloc(1, sizeof *packs);
  if (!packs) {
    return as_store_fail(store, -ENOMEM, "open", "packs");
  }
  store->packs = packs;
  as_segments_init(&packs->segments);
  packs->segment_size_max = AS_SEGMENT_SIZE_MAX;
  packs->segment_records_max = AS_SEGMENT_RECORDS_MAX;
  packs->unsynced_max = AS_UNSYNCED_MAX;
  packs->runs_max = AS_RUNS_MAX;
  packs->seal_beside_from = AS_SEAL_BESIDE_FROM;
  as_table_init(&packs->table);
  as_merging_init(&packs->merging);
  pthread_rwlock_init(&packs->lock, NULL);
  pthread_mutex_init(&packs->queue_mutex, NULL);
  pthread_cond_init(&packs->queue_changed, NULL);
  packs->last = &packs->first;
  int error = as_pack_writer_init(store);
  return error || store->packs_folder < 0 ? error : open_listed(store);
}

void as_packs_close(as_store *store) {
  as_packs *packs = store->packs;
  if (!packs) {
    return;
  }
  as_packs_end_sealing(store); /* it may begin a merge */
  as_pack_writer_free(store);
  as_packs_end_sealing(store);
  as_packs_end_merge(store);
  as_merging_free(&packs->merging);
  for (size_t i = 0; i < packs->run_count; i++) {
    as_run_free(&packs->runs[i]);
  }
  free(packs->runs);
  as_table_free(&packs->table);
  as_segments_free(store->io, &packs->segments);
  pthread_cond_destroy(&packs->queue_changed);
  pthread_mutex_destroy(&packs->queue_mutex);
  pthread_rwlock_destroy(&packs->lock);
  free(packs);
  store->packs = NULL;
}

/* ---- a damaged index ---- */

int as_packs_rebuild(as_store *store, uint64_t first, uint64_t last) {
  as_packs *packs = store->packs;
  as_segment_id id;
  as_run *runs = calloc(as_segments_count(&packs->segments) + 1, sizeof *runs);
  size_t count = 0;
  int error = runs ? 0 : -ENOMEM;
  as_packs_cancel_merge(packs);
  for (uint64_t at = first; !error && as_segments_next(&packs->segments, at, &id) && id.number <= last; at = id.number + 1) {
    error = index_segment(store, id.number, &runs[count]);
    count += !error;
  }
  if (!error && !store->read_only && first != last) { /* else the new file has taken its name already */
    error = as_index_unlink(store, first, last);
  }
  error = error ? error : as_packs_put_runs(packs, first, last, runs, count);
  if (error) {
    for (size_t i = 0; i < count; i++) {
      as_run_free(&runs[i]);
    }
  }
  free(runs);
  return error;
}
