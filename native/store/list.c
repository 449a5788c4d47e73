/*
 * Listing what is stored, a 256th of the addresses at a time: for who compares it with what is known of it.
 * May include: objects.h, core/error.h, io/io.h. Called by: users of the core.
 *
 * A part has the addresses with one first byte. What is committed, deleted or moved while it is read may be in it or not; everything else is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/objects.h"

/* An entry, and how new what it is from is: of two about one address the newer counts. */
typedef struct candidate {
  as_entry entry;
  size_t rank;
} candidate;

typedef struct listing {
  as_store *store;
  uint8_t part;
  candidate *candidates;
  size_t candidate_count;
  size_t candidate_capacity;
  as_listed *listed;
  size_t count;
  size_t capacity;
} listing;

/* Room for one more of `size` bytes at the end of a list. */
static int grow(void **list, size_t count, size_t *capacity, size_t size) {
  if (count < *capacity) {
    return 0;
  }
  size_t wanted = *capacity ? 2 * *capacity : 1024;
  void *larger = realloc(*list, wanted * size);
  if (!larger) {
    return -ENOMEM;
  }
  *list = larger;
  *capacity = wanted;
  return 0;
}

/* ---- packed objects ---- */

static int add_candidate(listing *work, const as_entry *entry, size_t rank) {
  void *list = work->candidates;
  int error = grow(&list, work->candidate_count, &work->candidate_capacity, sizeof *work->candidates);
  work->candidates = list;
  if (!error) {
    work->candidates[work->candidate_count++] = (candidate){*entry, rank};
  }
  return error;
}

static int add_table(listing *work, const as_table *table, size_t rank) {
  int error = 0;
  size_t position = 0;
  const as_entry *entry;
  while (!error && (entry = as_table_next(table, &position)) != NULL) {
    error = entry->blake3[0] == work->part ? add_candidate(work, entry, rank) : 0;
  }
  return error;
}

/* The place of the first entry of the part, or of one behind it. */
static int lower_bound(const as_index *index, uint8_t part, uint64_t *out) {
  uint64_t low = 0, high = as_index_head_of(index)->count;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2, position = middle;
    as_entry entry;
    int found = as_index_next(index, &position, &entry);
    if (found < 0) {
      return found;
    }
    if (entry.blake3[0] < part) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  *out = low;
  return 0;
}

static int add_index(listing *work, const as_index *index, size_t rank) {
  uint64_t position = 0;
  as_entry entry;
  int found, error = lower_bound(index, work->part, &position);
  while (!error && (found = as_index_next(index, &position, &entry)) != 0) {
    if (found < 0) {
      return found;
    }
    if (entry.blake3[0] != work->part) {
      break;
    }
    error = add_candidate(work, &entry, rank);
  }
  return error;
}

static int add_packed(listing *work) {
  as_packs *packs = work->store->packs;
  pthread_rwlock_rdlock(&packs->lock);
  int error = add_table(work, &packs->table, packs->run_count);
  for (size_t i = 0; !error && i < packs->run_count; i++) {
    const as_run *run = &packs->runs[i];
    error = run->index ? add_index(work, run->index, i) : add_table(work, &run->table, i);
  }
  pthread_rwlock_unlock(&packs->lock);
  return error;
}

/* By address, the newest of each first. */
static int compare_candidates(const void *a, const void *b) {
  const candidate *left = a, *right = b;
  int order = memcmp(left->entry.blake3, right->entry.blake3, AS_DIGEST_SIZE);
  return order ? order : left->rank < right->rank ? 1 : left->rank > right->rank ? -1 : 0;
}

/* ---- what is listed ---- */

static int64_t milliseconds(const struct timespec *time) { return (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000; }

/* When a file, or what leads to it, last changed. */
static int64_t changed_of(const struct stat *status) {
  int64_t written = milliseconds(&status->st_mtim), linked = milliseconds(&status->st_ctim);
  return written > linked ? written : linked;
}

static int add_listed(listing *work, const uint8_t *address, uint64_t size, int64_t changed) {
  void *list = work->listed;
  int error = grow(&list, work->count, &work->capacity, sizeof *work->listed);
  work->listed = list;
  if (!error) {
    as_listed *listed = &work->listed[work->count++];
    memcpy(listed->blake3, address, AS_DIGEST_SIZE);
    listed->size = size;
    listed->changed = changed;
  }
  return error;
}

/* When a segment last changed: no record in it is newer. *there is 0 for one that is gone. */
static int segment_changed(const as_store *store, uint64_t number, int64_t *changed, int *there) {
  struct stat status;
  int error = store->io->stat_at(store->io, store->packs_folder, as_segment_name(number).text, &status);
  *there = error == 0;
  if (error) {
    return error == -ENOENT ? 0 : error;
  }
  *changed = changed_of(&status);
  return 0;
}

/* Entries of one address lie side by side, those of one segment nearly always too: the last look is remembered. */
static int list_packed(listing *work) {
  uint64_t segment = 0;
  int64_t changed = 0;
  int error = 0, there = 0;
  for (size_t i = 0; !error && i < work->candidate_count; i++) {
    const as_entry *entry = &work->candidates[i].entry;
    if (i && memcmp(entry->blake3, work->candidates[i - 1].entry.blake3, AS_DIGEST_SIZE) == 0) {
      continue;
    }
    if (entry->kind == AS_RECORD_DELETED) {
      continue;
    }
    if (entry->at.segment != segment) {
      segment = entry->at.segment;
      error = segment_changed(work->store, segment, &changed, &there);
    }
    if (!error && there) {
      error = add_listed(work, entry->blake3, entry->at.size, changed);
    }
  }
  return error;
}

/* ---- objects that are files ---- */

static int nibble(char digit) {
  return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Whether a name is an address in hex and nothing else. */
static int parse_address(const char *name, uint8_t out[AS_DIGEST_SIZE]) {
  for (size_t i = 0; i < AS_DIGEST_SIZE; i++) {
    int high = nibble(name[2 * i]), low = high < 0 ? -1 : nibble(name[2 * i + 1]);
    if (low < 0) {
      return 0;
    }
    out[i] = (uint8_t)(high << 4 | low);
  }
  return name[2 * AS_DIGEST_SIZE] == 0;
}

static int visit_file(void *context, const char *name) {
  listing *work = context;
  const as_store *store = work->store;
  uint8_t address[AS_DIGEST_SIZE];
  struct stat status;
  if (!parse_address(name, address) || address[0] != work->part) {
    return 0;
  }
  int error = store->io->stat_at(store->io, store->objects, as_object_path_of(address, "").text, &status);
  if (error) {
    return error == -ENOENT ? 0 : error;
  }
  return add_listed(work, address, (uint64_t)status.st_size, changed_of(&status));
}

static int list_files(listing *work) {
  const as_store *store = work->store;
  const uint8_t address[AS_DIGEST_SIZE] = {work->part};
  as_object_path path = as_object_path_of(address, "");
  path.text[2] = 0; /* the folder */
  int error = store->io->list(store->io, store->objects, path.text, visit_file, work);
  return error == -ENOENT ? 0 : error;
}

static int compare_listed(const void *a, const void *b) {
  return memcmp(((const as_listed *)a)->blake3, ((const as_listed *)b)->blake3, AS_DIGEST_SIZE);
}

/* ---- for users of the core ---- */

int as_store_list(as_store *store, unsigned part, as_listed **out, size_t *count) {
  listing work = {.store = store, .part = (uint8_t)part};
  *out = NULL;
  *count = 0;
  if (part >= AS_FAN_OUT) {
    return as_store_fail(store, AS_E_INVALID, "list", "objects");
  }
  int error = add_packed(&work);
  if (!error && work.candidate_count) {
    qsort(work.candidates, work.candidate_count, sizeof *work.candidates, compare_candidates);
    error = list_packed(&work);
  }
  free(work.candidates);
  error = error ? error : list_files(&work);
  if (error) {
    free(work.listed);
    return as_store_fail(store, error, "list", "objects");
  }
  if (work.count) {
    qsort(work.listed, work.count, sizeof *work.listed, compare_listed);
  }
  *out = work.listed;
  *count = work.count;
  return 0;
}

void as_listed_free(as_listed *listed) { free(listed); }
