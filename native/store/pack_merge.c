/*
 * Merging runs of indexes into one, on a thread of its own while commits go on: of a store of ten million objects it takes seconds. The thread only
 * reads what never changes; the merged run takes the place of the others in a turn to commit; see packs.h.
 * May include: packs.h, io/io.h. Called by: pack_writer.c, pack_open.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "store/packs.h"

/* What a merge works on. */
typedef struct merge_job {
  as_store *store;
  const as_index *indexes[AS_INDEX_MERGE_MAX]; /* of the oldest runs, so a deletion has nothing left to hide */
  size_t count;
  uint64_t first;      /* the segments they cover, */
  uint64_t last;
  uint64_t *segments;  /* and all that there were when it began, ascending: both passes over the entries must keep the same */
  size_t segment_count;
  as_index_merge merge;
} merge_job;

static void free_job(merge_job *job) {
  free(job->segments);
  free(job);
}

/* ---- what is merged ---- */

static int compare_numbers(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

/* Whether an entry says anything still: what was deleted is gone from everywhere when the oldest runs are merged, and a location
 * without its segment names nothing. */
static int keep_entry(void *context, const as_entry *entry) {
  const merge_job *job = context;
  return entry->kind != AS_RECORD_DELETED &&
         bsearch(&entry->at.segment, job->segments, job->segment_count, sizeof *job->segments, compare_numbers) != NULL;
}

/* An as_index_source that ends early when the merge is not wanted any more. */
static int next_entry(void *context, as_entry *out) {
  merge_job *job = context;
  as_merging *merging = &job->store->packs->merging;
  return atomic_load_explicit(&merging->cancelled, memory_order_relaxed) ? -ECANCELED : as_index_merge_next(&job->merge, out);
}

static int count_entries(merge_job *job, uint64_t *count) {
  as_entry entry;
  int more;
  *count = 0;
  while ((more = next_entry(job, &entry)) > 0) {
    ++*count;
  }
  return more;
}

static void begin_pass(merge_job *job) {
  job->merge = (as_index_merge){.indexes = job->indexes, .count = job->count, .keep = keep_entry, .context = job};
}

static int merge_runs(merge_job *job, as_run *out) {
  as_index_head head = {.first_segment = job->first,
                        .last_segment = job->last,
                        .last_sequence = as_index_head_of(job->indexes[job->count - 1])->last_sequence};
  begin_pass(job);
  int error = count_entries(job, &head.count);
  begin_pass(job);
  return error ? error : as_pack_seal_from(job->store, &head, next_entry, job, out);
}

/* ---- the thread ---- */

typedef struct install_work {
  const merge_job *job;
  as_run *merged;
} install_work;

/* Puts the merged run in its place, in a turn to commit; runs change in no other, so whether they are still those it was made of is
 * what `cancelled` says. */
static int install(as_store *store, void *context) {
  const install_work *work = context;
  as_packs *packs = store->packs;
  if (atomic_load(&packs->merging.cancelled)) {
    as_run_free(work->merged);
    return as_index_unlink(store, work->job->first, work->job->last);
  }
  for (size_t i = 0; i < work->job->count; i++) { /* superseded from here on; one that stays is removed at the next opening */
    as_index_unlink(store, packs->runs[i].first, packs->runs[i].last);
  }
  int error = as_packs_put_runs(packs, work->job->first, work->job->last, work->merged, 1);
  if (error) {
    as_run_free(work->merged);
  }
  return error;
}

static void *run(void *context) {
  merge_job *job = context;
  as_store *store = job->store;
  as_merging *merging = &store->packs->merging;
  as_run merged;
  int error = merge_runs(job, &merged);
  pthread_mutex_lock(&merging->mutex);
  merging->reading = 0;
  pthread_cond_broadcast(&merging->changed);
  pthread_mutex_unlock(&merging->mutex);
  if (!error) {
    install_work work = {job, &merged};
    as_packs_exclusively(store, install, &work);
  }
  free_job(job);
  atomic_store(&merging->ended, 1);
  return NULL;
}

/* ---- whoever has the turn ---- */

void as_merging_init(as_merging *merging) {
  pthread_mutex_init(&merging->mutex, NULL);
  pthread_cond_init(&merging->changed, NULL);
}

static merge_job *make_job(as_store *store) {
  as_packs *packs = store->packs;
  as_segment_id id;
  merge_job *job = calloc(1, sizeof *job);
  size_t capacity = as_segments_count(&packs->segments) + 1;
  uint64_t *segments = calloc(capacity, sizeof *segments);
  if (!job || !segments) {
    free(job);
    free(segments);
    return NULL;
  }
  job->store = store;
  job->segments = segments;
  for (uint64_t at = 1; job->segment_count < capacity && as_segments_next(&packs->segments, at, &id); at = id.number + 1) {
    segments[job->segment_count++] = id.number;
  }
  while (job->count < packs->run_count && job->count < AS_INDEX_MERGE_MAX && packs->runs[job->count].index) {
    job->indexes[job->count] = packs->runs[job->count].index;
    job->last = packs->runs[job->count++].last;
  }
  job->first = packs->runs[0].first;
  return job;
}

void as_packs_merge(as_store *store) {
  as_packs *packs = store->packs;
  as_merging *merging = &packs->merging;
  if (packs->run_count < 2 || packs->run_count < packs->runs_max || (merging->running && !atomic_load(&merging->ended))) {
    return;
  }
  as_packs_end_merge(store);
  merge_job *job = make_job(store);
  if (job && job->count == packs->run_count) { /* none of them is a table, which says that its segment could not be read in full */
    merging->reading = 1;
    atomic_store(&merging->cancelled, 0);
    atomic_store(&merging->ended, 0);
    merging->running = pthread_create(&merging->thread, NULL, run, job) == 0;
    job = merging->running ? NULL : job;
  }
  if (job) {
    free_job(job);
  }
}

void as_packs_cancel_merge(as_packs *packs) {
  as_merging *merging = &packs->merging;
  pthread_mutex_lock(&merging->mutex);
  atomic_store(&merging->cancelled, 1);
  while (merging->running && merging->reading) {
    pthread_cond_wait(&merging->changed, &merging->mutex);
  }
  pthread_mutex_unlock(&merging->mutex);
}

void as_packs_end_merge(as_store *store) {
  as_merging *merging = &store->packs->merging;
  if (merging->running) {
    pthread_join(merging->thread, NULL);
    merging->running = 0;
  }
}

void as_merging_free(as_merging *merging) {
  pthread_cond_destroy(&merging->changed);
  pthread_mutex_destroy(&merging->mutex);
}
