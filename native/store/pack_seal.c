/*
 * Sealing: the index of a segment that gets no more commits becomes a file. To sort and write many records takes a tenth of a second, in which nobody
 * could commit; so a thread does it, and until then they are found in the table, which changes no more; see packs.h. A crash meanwhile costs nothing: opening makes
 * the index of a segment that has none.
 * May include: packs.h, staging.h, core/error.h, io/io.h. Called by: pack_writer.c, pack_merge.c, pack_open.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/packs.h"
#include "store/staging.h"

/* ---- the file ---- */

typedef struct index_file {
  as_store *store;
  as_staged staged;
  uint8_t *buffer; /* AS_STEP_SIZE */
  size_t held;
  uint64_t written;
} index_file;

static int flush_index(index_file *file) {
  int error = as_io_write(file->store->io, file->staged.fd, file->buffer, file->held, file->written);
  file->written += file->held;
  file->held = 0;
  return error;
}

static int write_index(void *context, const uint8_t *bytes, size_t size) {
  index_file *file = context;
  int error = 0;
  while (!error && size) {
    size_t piece = AS_STEP_SIZE - file->held < size ? AS_STEP_SIZE - file->held : size;
    memcpy(file->buffer + file->held, bytes, piece);
    file->held += piece;
    bytes += piece;
    size -= piece;
    error = file->held == AS_STEP_SIZE ? flush_index(file) : 0;
  }
  return error;
}

/* Gives the written index its name, durably. */
static int publish_index(index_file *file, const char *name) {
  as_store *store = file->store;
  int error = as_io_sync_data(store->io, file->staged.fd);
  error = error ? error : as_staging_replace(store, &file->staged, store->packs_folder, name);
  return error ? error : as_io_sync_all(store->io, store->packs_folder);
}

int as_pack_seal_from(as_store *store, const as_index_head *head, as_index_source source, void *context, as_run *out) {
  as_pack_name name = as_index_name(head->first_segment, head->last_segment);
  index_file file = {.store = store, .buffer = as_store_buffer(store)};
  *out = (as_run){.first = head->first_segment, .last = head->last_segment};
  int error = file.buffer ? as_staging_create(store, &file.staged) : -ENOMEM;
  if (!error) {
    error = as_index_write(head, source, context, write_index, &file);
    error = error ? error : flush_index(&file);
    error = error ? error : publish_index(&file, name.text);
    as_staging_discard(store, &file.staged);
  }
  as_store_buffer_release(store, file.buffer);
  error = error ? error : as_index_open(store->io, store->packs_folder, name.text, &out->index);
  return error ? as_store_fail(store, error, "write", "packs index") : 0;
}

typedef struct sorted_entries {
  const as_entry *entries;
  size_t count;
  size_t next;
} sorted_entries;

static int next_sorted(void *context, as_entry *out) {
  sorted_entries *sorted = context;
  if (sorted->next == sorted->count) {
    return 0;
  }
  *out = sorted->entries[sorted->next++];
  return 1;
}

/* The index of a table, whose entries it leaves as they are. */
static int seal(as_store *store, const as_index_head *head, const as_table *table, as_run *out) {
  as_entry *entries = as_table_sorted(table);
  if (!entries) {
    return as_store_fail(store, -ENOMEM, "write", "packs index");
  }
  sorted_entries sorted = {entries, table->count, 0};
  int error = as_pack_seal_from(store, head, next_sorted, &sorted, out);
  as_table_sorted_free(table, entries);
  return error;
}

int as_pack_seal(as_store *store, uint64_t first, uint64_t last, const as_table *table, as_run *out) {
  *out = (as_run){.first = first, .last = last};
  as_index_head head = {first, last, store->packs->writer.sequence, table->count};
  return store->read_only ? 0 : seal(store, &head, table, out);
}

/* ---- a run in place of the table ---- */

/* Puts a run where it belongs, or lets go of it. */
static int put_run(as_store *store, as_run *run) {
  int error = as_packs_put_runs(store->packs, run->first, run->last, run, 1);
  if (error) {
    as_run_free(run);
  }
  return error ? as_store_fail(store, error, "write", "packs index") : 0;
}

/* From here on the commits that follow fill another table; who has taken this one as that of a run does not `keep` it. */
static void begin_table(as_packs *packs, int keep) {
  pthread_rwlock_wrlock(&packs->lock);
  if (!keep) {
    as_table_free(&packs->table);
  }
  as_table_init(&packs->table);
  packs->table_first = 0;
  pthread_rwlock_unlock(&packs->lock);
}

static int seal_now(as_store *store, const as_index_head *head) {
  as_run run;
  int error = seal(store, head, &store->packs->table, &run);
  error = error ? error : put_run(store, &run);
  if (!error) {
    begin_table(store->packs, 0);
  }
  return error;
}

/* ---- beside commits ---- */

static int install(as_store *store, void *context) {
  as_sealing *sealing = &store->packs->sealing;
  sealing->error = sealing->error ? sealing->error : put_run(store, context);
  if (!sealing->error) {
    as_packs_merge(store);
  }
  return 0;
}

static void *run(void *context) {
  as_store *store = context;
  as_sealing *sealing = &store->packs->sealing;
  as_run indexed;
  sealing->error = seal(store, &sealing->head, &sealing->table, &indexed);
  as_packs_exclusively(store, install, &indexed);
  atomic_store(&sealing->ended, 1);
  return NULL;
}

void as_packs_end_sealing(as_store *store) {
  as_sealing *sealing = &store->packs->sealing;
  if (sealing->running) {
    pthread_join(sealing->thread, NULL);
    sealing->running = 0;
  }
}

/* Whether a thread may begin: none is at work, and what the last one could not write is written now, or fails whoever needs it. */
static int be_ready(as_store *store) {
  as_sealing *sealing = &store->packs->sealing;
  if (sealing->running && !atomic_load(&sealing->ended)) {
    return 0;
  }
  as_packs_end_sealing(store);
  as_run indexed;
  if (sealing->error) {
    sealing->error = seal(store, &sealing->head, &sealing->table, &indexed);
    sealing->error = sealing->error ? sealing->error : put_run(store, &indexed);
  }
  return sealing->error ? sealing->error : 1;
}

/* Makes the table one of a run, which is found as before, and has a thread make a file of it. */
static int seal_beside(as_store *store, const as_index_head *head) {
  as_packs *packs = store->packs;
  as_sealing *sealing = &packs->sealing;
  as_run run_of_table = {.first = head->first_segment, .last = head->last_segment, .table = packs->table};
  int error = as_packs_put_runs(packs, run_of_table.first, run_of_table.last, &run_of_table, 1);
  if (error) {
    return as_store_fail(store, error, "write", "packs index");
  }
  sealing->head = *head;
  sealing->table = packs->table;
  begin_table(packs, 1);
  atomic_store(&sealing->ended, 0);
  sealing->error = 0;
  sealing->running = pthread_create(&sealing->thread, NULL, run, store) == 0;
  if (!sealing->running) { /* no thread to be had: the next seal writes it */
    sealing->error = -EAGAIN;
  }
  return 0;
}

int as_pack_seal_table(as_store *store) {
  as_packs *packs = store->packs;
  as_index_head head = {packs->table_first, packs->writer.id.number, packs->writer.sequence, packs->table.count};
  int ready = packs->table.count < packs->seal_beside_from ? 0 : be_ready(store);
  if (ready < 0) {
    return ready;
  }
  return ready ? seal_beside(store, &head) : seal_now(store, &head);
}
