/*
 * Finding packed objects, and the runs of indexes they are found in; see packs.h.
 * May include: packs.h, outboard.h, core/error.h. Called by: as declared there.
 */
#include "store/packs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/outboard.h"

as_segments *as_store_segments(as_store *store) { return &store->packs->segments; }

/* ---- names of indexes ---- */

as_pack_name as_index_name(uint64_t first, uint64_t last) {
  as_pack_name name;
  snprintf(name.text, sizeof name.text, "%016" PRIx64 "-%016" PRIx64 ".idx", first, last);
  return name;
}

int as_index_name_parse(const char *name, uint64_t *first, uint64_t *last) {
  if (strlen(name) != 16 + 1 + 16 + 4) {
    return 0;
  }
  *first = strtoull(name, NULL, 16);
  *last = strtoull(name + 17, NULL, 16);
  return *first > 0 && *first <= *last && strcmp(as_index_name(*first, *last).text, name) == 0;
}

int as_index_unlink(as_store *store, uint64_t first, uint64_t last) {
  int error = store->io->unlink(store->io, store->packs_folder, as_index_name(first, last).text);
  return error && error != -ENOENT ? as_store_fail(store, error, "unlink", "packs") : 0;
}

/* ---- runs ---- */

void as_run_free(as_run *run) {
  if (run->index) {
    as_index_close(run->index);
  } else {
    as_table_free(&run->table);
  }
}

int as_packs_put_runs(as_packs *packs, uint64_t first, uint64_t last, const as_run *runs, size_t count) {
  as_run *all = malloc((packs->run_count + count) * sizeof *all);
  if (!all) {
    return -ENOMEM;
  }
  pthread_rwlock_wrlock(&packs->lock);
  size_t before = 0, kept = 0;
  while (before < packs->run_count && packs->runs[before].last < first) {
    before++;
  }
  for (size_t i = 0; i < before; i++) {
    all[i] = packs->runs[i];
  }
  for (size_t i = 0; i < count; i++) {
    all[before + i] = runs[i];
  }
  kept = before + count;
  for (size_t i = before; i < packs->run_count; i++) {
    if (packs->runs[i].last <= last) {
      as_run_free(&packs->runs[i]);
    } else {
      all[kept++] = packs->runs[i];
    }
  }
  free(packs->runs);
  packs->runs = all;
  packs->run_count = kept;
  pthread_rwlock_unlock(&packs->lock);
  return 0;
}

/* ---- finding ---- */

static int find_in_run(const as_run *run, const uint8_t *address, as_entry *out) {
  if (run->index) {
    return as_index_find(run->index, address, out);
  }
  const as_entry *entry = as_table_get(&run->table, address);
  if (entry) {
    *out = *entry;
  }
  return entry != NULL;
}

/* The newest entry of the address: 1, 0, or an error and *damaged, the run whose index cannot be believed. */
static int find_newest(as_packs *packs, const uint8_t *address, as_found *out, as_run *damaged) {
  pthread_rwlock_rdlock(&packs->lock);
  const as_entry *entry = as_table_get(&packs->table, address);
  int found = entry != NULL;
  out->first = packs->run_count ? packs->runs[packs->run_count - 1].last + 1 : 0;
  if (entry) {
    out->entry = *entry;
  }
  for (size_t i = packs->run_count; !found && i > 0; i--) {
    found = find_in_run(&packs->runs[i - 1], address, &out->entry);
    out->first = packs->runs[i - 1].first;
    if (found < 0) {
      *damaged = packs->runs[i - 1];
    }
  }
  pthread_rwlock_unlock(&packs->lock);
  return found;
}

static int find_newest_in_turn(as_store *store, const uint8_t *address, as_found *out) {
  as_run damaged;
  int found = find_newest(store->packs, address, out, &damaged);
  while (found == AS_E_CORRUPT) { /* only who has the turn may make an index again */
    int error = as_packs_rebuild(store, damaged.first, damaged.last);
    found = error ? error : find_newest(store->packs, address, out, &damaged);
  }
  return found;
}

typedef struct search {
  const uint8_t *address;
  as_found *out;
} search;

static int find_repairing(as_store *store, void *context) {
  const search *wanted = context;
  return find_newest_in_turn(store, wanted->address, wanted->out);
}

int as_packs_newest_since(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_found *out) {
  as_run damaged;
  int found = find_newest(store->packs, address, out, &damaged);
  search wanted = {address, out};
  return found == AS_E_CORRUPT ? as_packs_exclusively(store, find_repairing, &wanted) : found;
}

int as_packs_newest(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_entry *out) {
  as_found newest;
  int found = as_packs_newest_since(store, address, &newest);
  if (found > 0) {
    *out = newest.entry;
  }
  return found;
}

int as_packs_newest_in_turn(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_entry *out) {
  as_found newest;
  int found = find_newest_in_turn(store, address, &newest);
  if (found > 0) {
    *out = newest.entry;
  }
  return found;
}

/* Whether a newest entry names something. */
static int judge(as_packs *packs, int found, const as_entry *entry) {
  if (found <= 0) {
    return found;
  }
  return entry->kind != AS_RECORD_DELETED && as_segments_has(&packs->segments, entry->at.segment);
}

int as_packs_find_in_turn(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_entry *out) {
  return judge(store->packs, as_packs_newest_in_turn(store, address, out), out);
}

/* Compaction moves an object before it deletes the segment: where the segment of an entry is gone, the entry may have been
 * read before the move, so it is looked up again until it stays the same. */
int as_packs_find(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_entry *out) {
  as_location last = {0, 0, 0};
  for (;;) {
    int found = as_packs_newest(store, address, out);
    int there = judge(store->packs, found, out);
    if (there || found <= 0 || out->kind == AS_RECORD_DELETED ||
        (out->at.segment == last.segment && out->at.offset == last.offset)) {
      return there;
    }
    last = out->at;
  }
}

/* ---- payloads ---- */

int as_payload_check(const as_io *io, int fd, const as_location *at, const uint8_t address[AS_DIGEST_SIZE],
                     const uint8_t *bytes) {
  as_outboard outboard = {.io = io, .fd = fd, .base = at->offset + at->size, .size = at->size};
  as_range bad;
  int error = 0;
  memcpy(outboard.root, address, AS_DIGEST_SIZE);
  uint64_t groups = as_outboard_groups(at->size);
  for (uint64_t group = 0; !error && group < groups; group++) {
    size_t start = (size_t)(group * AS_GROUP_SIZE), left = at->size - start;
    error = as_outboard_check(&outboard, group, bytes + start, left < AS_GROUP_SIZE ? left : AS_GROUP_SIZE, &bad);
  }
  return error;
}
