/*
 * Writing commits: which records of those that wait are needed, their layout in one buffer, one write and sync, and then
 * their entries in the table; see packs.h and docs/format.md.
 * May include: packs.h, outboard.h, staging.h, core/error.h, io/io.h. Called by: pack_commit.c, pack_open.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/outboard.h"
#include "store/packs.h"
#include "store/staging.h"

enum {
  COMMIT_SIZE_MAX = 4 * 1024 * 1024 /* bytes of one commit: past it a larger write is no faster */
};

/* A commit being put together. */
typedef struct commit {
  as_pack_item *members[AS_PACK_RECORDS_MAX]; /* written by it */
  size_t count;
  as_pack_item *dependents[AS_PACK_RECORDS_MAX]; /* not written, because a member has the same object */
  size_t dependent_count;
  size_t size;     /* bytes it takes at most */
  as_table staged; /* what its members will make known */
  int deferred;    /* its sync may be put off */
} commit;

static uint64_t align_up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

static int is_object(const as_pack_item *item) { return item->record.kind == AS_RECORD_OBJECT; }

static uint64_t payload_size(const as_pack_item *item) { return is_object(item) ? as_payload_size(item->record.at.size) : 0; }

/* Those that are whole blocks get them to themselves too, for nothing. */
static int is_block_aligned(const as_pack_item *item) {
  uint64_t size = payload_size(item);
  return size >= AS_PACK_OWN_BLOCKS_FROM || (size > 0 && size % AS_PACK_BLOCK == 0);
}

static uint64_t alignment(const as_pack_item *item) { return is_block_aligned(item) ? AS_PACK_BLOCK : AS_PACK_ALIGN; }

/* Bytes that an item adds to a commit at most. */
static size_t size_at_most(const as_pack_item *item) {
  return AS_PACK_SLOT + (size_t)align_up(payload_size(item), alignment(item)) + (is_block_aligned(item) ? AS_PACK_BLOCK : 0);
}

/* ---- the file ---- */

/* Opens the segment for writing: direct I/O, synced by each write, where the file system can. */
static int open_files(as_store *store, const as_segment_id *id) {
  as_pack_writer *writer = &store->packs->writer;
  as_pack_name name = as_segment_name(id->number);
  writer->fd = as_io_open(store->io, store->packs_folder, name.text, O_RDWR | O_NOFOLLOW, 0);
  if (writer->fd < 0) {
    return as_store_fail(store, writer->fd, "open", "packs");
  }
  writer->direct = as_io_open(store->io, store->packs_folder, name.text, O_WRONLY | O_NOFOLLOW | O_DIRECT | O_DSYNC, 0);
  writer->direct = writer->direct < 0 ? -1 : writer->direct; /* not every file system has it */
  writer->id = *id;
  writer->full = 0;
  return 0;
}

static void close_files(as_store *store) {
  as_pack_writer *writer = &store->packs->writer;
  as_prewrite_turn(&writer->prewrite, -1, 0, 0);
  as_io_close(store->io, &writer->direct);
  as_io_close(store->io, &writer->fd);
  writer->id.number = 0;
}

/* Cuts off what stands behind the last commit. */
static int cut_tail(as_store *store) {
  as_pack_writer *writer = &store->packs->writer;
  as_prewrite_turn(&writer->prewrite, -1, 0, 0);
  int error = as_io_truncate(store->io, writer->fd, writer->end);
  return error ? as_store_fail(store, error, "truncate", "packs") : 0;
}

/* Cuts off what may be garbage, durably: it must not come back behind later commits. */
static int drop_tail(as_store *store) {
  int error = cut_tail(store);
  if (!error) {
    error = as_io_sync_all(store->io, store->packs->writer.fd);
    error = error ? as_store_fail(store, error, "fsync", "packs") : 0;
  }
  return error;
}

int as_pack_settle(as_store *store) {
  as_pack_writer *writer = &store->packs->writer;
  if (writer->lost) {
    return as_fail_because(writer->lost, "fdatasync", store->path,
                           "failed before, and only opening the store again tells what was lost");
  }
  if (writer->settled < writer->end) {
    writer->lost = as_io_sync_data(store->io, writer->fd);
    if (writer->lost) {
      return as_store_fail(store, writer->lost, "fdatasync", "packs");
    }
    writer->settled = writer->end;
  }
  return 0;
}

static void start_prewrite(as_pack_writer *writer, uint64_t segment_size_max) {
  as_prewrite_turn(&writer->prewrite, writer->direct, writer->end, segment_size_max);
}

int as_pack_writer_init(as_store *store) {
  as_pack_writer *writer = &store->packs->writer;
  writer->fd = writer->direct = -1;
  as_prewrite_init(&writer->prewrite, store->io);
  return 0;
}

void as_pack_writer_free(as_store *store) {
  as_pack_writer *writer = &store->packs->writer;
  /* What fails here the next opening does: reading the segment, cutting off what was written ahead. */
  if (writer->id.number && !as_pack_settle(store) && !writer->spoiled &&
      store->packs->table.count >= AS_SEAL_AT_CLOSE_FROM) {
    as_pack_seal_active(store);
  }
  if (writer->id.number) {
    writer->end = writer->settled; /* what a sync has lost may still be read from memory, but must not be believed again */
    cut_tail(store);
    close_files(store);
  }
  as_prewrite_free(&writer->prewrite);
  free(writer->buffer);
}

int as_pack_writer_resume(as_store *store, const as_segment_id *id, uint64_t end) {
  as_pack_writer *writer = &store->packs->writer;
  struct stat status;
  int error = writer->id.number == id->number ? 0 : open_files(store, id);
  if (error) {
    return error;
  }
  writer->end = end;
  error = store->io->stat(store->io, writer->fd, &status);
  if (!error && (uint64_t)status.st_size != end) {
    error = drop_tail(store);
  } else if (!error) { /* the last commit may be that of a process which was killed before it could sync it */
    error = as_io_sync_data(store->io, writer->fd);
    error = error ? as_store_fail(store, error, "fdatasync", "packs") : 0;
  }
  if (!error) {
    writer->settled = end;
    start_prewrite(writer, store->packs->segment_size_max);
  }
  return error;
}

/* ---- sealing ---- */

/* Ends the segment being written: its length becomes what it holds, and its index a file, or, of many records, a table that becomes one beside the commits
 * that follow. */
int as_pack_seal_active(as_store *store) {
  as_packs *packs = store->packs;
  int error = as_pack_settle(store); /* an index says what is there, crash or not */
  if (error) {
    return error;
  }
  packs->writer.full = 1; /* if this fails half-way, a later index must still cover every commit */
  error = cut_tail(store);
  error = error ? error : as_pack_seal_table(store);
  if (error) {
    return error;
  }
  close_files(store);
  as_packs_merge(store);
  return 0;
}

static int start_segment(as_store *store) {
  as_packs *packs = store->packs;
  as_pack_writer *writer = &packs->writer;
  as_segment_id id;
  writer->last_number++; /* whatever becomes of it: a file whose making failed may still have the name */
  int error = as_segment_create(store, writer->last_number, &id);
  if (error) {
    return error;
  }
  error = open_files(store, &id);
  if (error) {
    return error;
  }
  writer->end = writer->settled = AS_PACK_BLOCK;
  packs->table_first = packs->table_first ? packs->table_first : id.number;
  start_prewrite(writer, packs->segment_size_max);
  return 0;
}

/* Makes sure that there is a segment with room for `size` further bytes and `count` records. */
static int make_room(as_store *store, size_t size, size_t count) {
  as_packs *packs = store->packs;
  as_pack_writer *writer = &packs->writer;
  int error = writer->lost || writer->spoiled ? as_pack_settle(store) : 0;
  if (!error && writer->id.number && writer->spoiled) {
    error = drop_tail(store);
    if (!error) {
      writer->spoiled = 0;
      start_prewrite(writer, packs->segment_size_max);
    }
  }
  int full = writer->full || writer->end + size > packs->segment_size_max ||
             packs->table.count + count > packs->segment_records_max;
  if (!error && writer->id.number && full) {
    error = as_pack_seal_active(store);
  }
  return error || writer->id.number ? error : start_segment(store);
}

/* ---- one commit ---- */

/* Gives each payload its place, the small ones first, and returns the commit's length. */
static uint64_t lay_out(const commit *work, uint64_t start) {
  uint64_t at = start + (1 + work->count) * AS_PACK_SLOT;
  for (int aligned = 0; aligned < 2; aligned++) {
    for (size_t i = 0; i < work->count; i++) {
      as_pack_item *item = work->members[i];
      if (is_object(item) && is_block_aligned(item) == aligned) {
        at = align_up(at, alignment(item));
        item->record.at.offset = at;
        at += payload_size(item);
      }
    }
  }
  return align_up(at, AS_PACK_BLOCK) - start;
}

/* Writes a payload into the buffer, which stands for the segment from `start` on, and zeros up to it from *filled. */
static void put_payload(const as_pack_item *item, uint64_t start, uint8_t *buffer, size_t *filled) {
  size_t at = (size_t)(item->record.at.offset - start);
  memset(buffer + *filled, 0, at - *filled);
  if (item->record.at.size) { /* an empty object may have no bytes to point at */
    memcpy(buffer + at, item->bytes, item->record.at.size);
  }
  size_t outboard = (size_t)as_outboard_size(item->record.at.size);
  if (outboard) {
    memcpy(buffer + at + item->record.at.size, item->outboard, outboard);
  }
  *filled = at + item->record.at.size + outboard;
}

static void fill(const as_pack_writer *writer, const commit *work, uint64_t length) {
  as_commit_head head = {writer->sequence, (uint32_t)work->count, length};
  uint8_t *buffer = writer->buffer;
  as_commit_head_encode(&writer->id, writer->end, &head, buffer);
  for (size_t i = 0; i < work->count; i++) {
    uint64_t at = (1 + i) * AS_PACK_SLOT;
    as_record_encode(&writer->id, writer->end + at, head.sequence, &work->members[i]->record, buffer + at);
  }
  size_t filled = (1 + work->count) * AS_PACK_SLOT;
  for (int aligned = 0; aligned < 2; aligned++) {
    for (size_t i = 0; i < work->count; i++) {
      if (is_object(work->members[i]) && is_block_aligned(work->members[i]) == aligned) {
        put_payload(work->members[i], writer->end, buffer, &filled);
      }
    }
  }
  memset(buffer + filled, 0, (size_t)length - filled);
}

/* Writes the buffer at the end of the segment, durably with all before it unless `deferred`. */
static int write_commit(as_store *store, size_t length, int deferred) {
  as_pack_writer *writer = &store->packs->writer;
  int error = -EINVAL, waited_for = writer->settled < writer->end;
  if (writer->direct >= 0 && !waited_for && !deferred) { /* it syncs nothing but itself */
    error = as_io_write(store->io, writer->direct, writer->buffer, length, writer->end);
  }
  if (error == -EINVAL) { /* or no direct I/O here, or not at this alignment after a short write */
    error = as_io_write(store->io, writer->fd, writer->buffer, length, writer->end);
    if (!error && !deferred) {
      error = as_io_sync_data(store->io, writer->fd);
      writer->lost = waited_for ? error : writer->lost;
    }
  }
  return error ? as_store_fail(store, error, "write", "packs") : 0;
}

/* Makes the members known. There is room for them in the table. */
static void publish(as_packs *packs, const commit *work) {
  pthread_rwlock_wrlock(&packs->lock);
  for (size_t i = 0; i < work->count; i++) {
    const as_record *record = &work->members[i]->record;
    as_entry entry = {.kind = record->kind, .at = record->at};
    memcpy(entry.blake3, record->blake3, AS_DIGEST_SIZE);
    as_table_put(&packs->table, &entry);
    work->members[i]->written = 1;
  }
  pthread_rwlock_unlock(&packs->lock);
}

static int reserve(as_packs *packs, size_t count) {
  pthread_rwlock_wrlock(&packs->lock);
  int error = as_table_reserve(&packs->table, count);
  pthread_rwlock_unlock(&packs->lock);
  return error;
}

static int commit_members(as_store *store, const commit *work) {
  as_packs *packs = store->packs;
  as_pack_writer *writer = &packs->writer;
  int error = make_room(store, work->size, work->count);
  error = error ? error : reserve(packs, work->count);
  if (error) {
    return error;
  }
  for (size_t i = 0; i < work->count; i++) {
    if (is_object(work->members[i])) {
      work->members[i]->record.at.segment = writer->id.number;
    }
  }
  /* Commits that wait for the same sync share a number: after a crash they are judged as one. */
  writer->sequence += writer->settled == writer->end;
  uint64_t length = lay_out(work, writer->end);
  fill(writer, work, length);
  as_prewrite_claim(&writer->prewrite, writer->end + length);
  error = write_commit(store, (size_t)length, work->deferred);
  if (error) {
    writer->spoiled = 1;
    return error;
  }
  writer->end += length;
  if (!work->deferred) {
    writer->settled = writer->end;
    as_prewrite_committed(&writer->prewrite, length, writer->end);
  }
  publish(packs, work);
  return 0;
}

static void begin(commit *work, int deferred) {
  work->count = work->dependent_count = 0;
  work->size = AS_PACK_SLOT + AS_PACK_BLOCK;
  work->deferred = deferred;
  as_table_init(&work->staged);
}

/* Commits what has been put together and begins anew. */
static void flush(as_store *store, commit *work) {
  int error = work->count ? commit_members(store, work) : 0;
  for (size_t i = 0; error && i < work->count; i++) {
    work->members[i]->status = error;
  }
  for (size_t i = 0; error && i < work->dependent_count; i++) {
    work->dependents[i]->status = error;
  }
  as_table_free(&work->staged);
  begin(work, work->deferred);
}

/* ---- which records are needed ---- */

static int same_location(const as_location *a, const as_location *b) {
  return a->segment == b->segment && a->offset == b->offset && a->size == b->size;
}

/* Whether a record must be written, given what is there now. */
static int is_needed(const as_pack_item *item, int found, const as_entry *now) {
  if (item->always) {
    return 1;
  }
  if (item->only_at && !(found && same_location(&now->at, item->only_at))) {
    return 0;
  }
  switch (item->record.kind) {
    case AS_RECORD_OBJECT: return item->only_at || !found || now->kind == AS_RECORD_DAMAGED;
    case AS_RECORD_DELETED: return found;
    case AS_RECORD_DAMAGED: return found && now->kind != AS_RECORD_DAMAGED;
    case AS_RECORD_WHOLE: return found && now->kind == AS_RECORD_DAMAGED;
  }
  return 0;
}

/* Whether a deletion or mark still holds: nothing newer is known of the address. An index of all segments knows nothing of a
 * deletion; see as_packs_merge. */
static int still_holds(as_store *store, const as_pack_item *item) {
  as_entry newest;
  int found = as_packs_newest_in_turn(store, item->record.blake3, &newest);
  if (found == 0) {
    return item->record.kind == AS_RECORD_DELETED;
  }
  return found < 0 ? found : newest.kind == item->record.kind && same_location(&newest.at, &item->record.at);
}

static void add_member(commit *work, as_pack_item *item) {
  as_entry entry = {.kind = item->record.kind};
  memcpy(entry.blake3, item->record.blake3, AS_DIGEST_SIZE);
  item->status = as_table_reserve(&work->staged, 1);
  if (!item->status) {
    as_table_put(&work->staged, &entry);
    work->members[work->count++] = item;
    work->size += size_at_most(item);
  }
}

/* Adds an item to the commit, if its record is needed. */
static void consider(as_store *store, commit *work, as_pack_item *item) {
  as_entry now;
  const as_entry *staged = as_table_get(&work->staged, item->record.blake3);
  if (staged && staged->kind == AS_RECORD_OBJECT && is_object(item) && !item->only_at &&
      work->dependent_count < AS_PACK_RECORDS_MAX) {
    item->found = AS_RECORD_OBJECT;
    work->dependents[work->dependent_count++] = item;
    return;
  }
  if (staged || work->count == AS_PACK_RECORDS_MAX || work->size + size_at_most(item) > COMMIT_SIZE_MAX) {
    flush(store, work);
  }
  if (item->carry) {
    int holds = still_holds(store, item);
    item->status = holds < 0 ? holds : 0;
    if (holds > 0) {
      add_member(work, item);
    }
    return;
  }
  int found = as_packs_find_in_turn(store, item->record.blake3, &now);
  if (found < 0) {
    item->status = found;
    return;
  }
  if (found) {
    item->found = now.kind;
    item->previous = now.at;
  }
  if (is_needed(item, found, &now)) {
    add_member(work, item);
  }
}

/* ---- one turn ---- */

static int are_deferred(const as_pack_group *group) {
  for (size_t i = 0; i < group->count; i++) {
    if (!group->items[i].deferred) {
      return 0;
    }
  }
  return 1;
}

/* Whether the sync may be put off: nobody waits for it. */
static int is_deferred(const as_pack_group *groups) {
  for (; groups; groups = groups->next) {
    if (!are_deferred(groups)) {
      return 0;
    }
  }
  return 1;
}

/* Whether an item's record, or the one that made it unnecessary, waits for a sync. */
static int is_waiting(const as_pack_writer *writer, const as_pack_item *item) {
  const as_location *at = item->written ? &item->record.at : &item->previous;
  int unsynced = at->segment == writer->id.number && at->offset >= writer->settled;
  return writer->settled < writer->end && (unsynced || at->segment == 0); /* 0: that of another item in this turn */
}

/* Tells of each item what became of the turn. */
static void conclude(const as_pack_writer *writer, as_pack_group *groups, int error) {
  for (as_pack_group *group = groups; group; group = group->next) {
    for (size_t i = 0; i < group->count; i++) {
      as_pack_item *item = &group->items[i];
      item->status = item->status ? item->status : error;
      item->waiting = !item->status && is_waiting(writer, item);
    }
  }
}

void as_pack_write(as_store *store, as_pack_group *groups) {
  as_pack_writer *writer = &store->packs->writer;
  commit *work = malloc(sizeof *work); /* its lists are filled as they are needed: zeroing them each time would take longer than a small commit */
  writer->buffer = writer->buffer ? writer->buffer : aligned_alloc(AS_PACK_BLOCK, COMMIT_SIZE_MAX);
  int error = work && writer->buffer ? 0 : as_fail(-ENOMEM, "commit", store->path);
  if (!error) {
    begin(work, is_deferred(groups));
    for (as_pack_group *group = groups; group; group = group->next) {
      for (size_t i = 0; i < group->count; i++) {
        consider(store, work, &group->items[i]);
      }
    }
    flush(store, work);
    as_table_free(&work->staged);
    /* Also for those who found what they need there already: it may be waiting. */
    int settle = !work->deferred || writer->end - writer->settled >= store->packs->unsynced_max;
    error = settle ? as_pack_settle(store) : 0;
  }
  conclude(writer, groups, error);
  free(work);
}
