/*
 * Committing a batch of ingests. All are digested; then the small ones go into a pack with one write and sync, and the
 * large ones are staged and published together. Nothing is acknowledged before it is durable, except what is deferred.
 * May include: ingest.h, session.h, objects.h, packs.h, publish.h, deferred.h, outboard.h, core/error.h, io/io.h. Called by: users of the core.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/deferred.h"
#include "store/ingest.h"
#include "store/objects.h"
#include "store/outboard.h"
#include "store/publish.h"
#include "store/session.h"

/* One ingest on its way through the stages. */
typedef struct entry {
  as_ingest *ingest;
  const as_expect *expect; /* may be NULL */
  as_ingested *result;
  int *status;
  uint8_t *outboard_bytes; /* of one that is packed; NULL when it needs none */
} entry;

typedef struct batch {
  as_store *store;
  entry *entries;
  size_t count;
} batch;

/* ---- digests ---- */

/* Reads what is left of a file, digests a stream; a small ingest is left to digest_small. */
static int finish_input(as_ingest *ingest, as_digests *digests) {
  size_t taken;
  if (ingest->error) {
    return ingest->error;
  }
  if (ingest->source && !ingest->source->ended) {
    int error = as_ingest_pump(ingest, SIZE_MAX, &taken);
    if (error) {
      return error;
    }
  }
  if (!ingest->stream) {
    return 0;
  }
  int error = as_dual_finish(&ingest->stream->dual, digests);
  return error ? as_store_fail(ingest->store, error, "write", "staging") : 0;
}

/* All small ingests of the batch in one call. */
static void digest_small(batch *work) {
  as_span inputs[AS_COMMIT_SLICE];
  as_digests digests[AS_COMMIT_SLICE];
  as_ingested *results[AS_COMMIT_SLICE];
  size_t count = 0;
  for (size_t i = 0; i < work->count; i++) {
    const entry *at = &work->entries[i];
    if (!*at->status && !at->ingest->stream) {
      inputs[count] = (as_span){at->ingest->pending, at->ingest->pending_size};
      results[count++] = at->result;
    }
  }
  as_dual_many(inputs, count, digests);
  for (size_t i = 0; i < count; i++) {
    results[i]->digests = digests[i];
  }
}

static int check_expected(const entry *at) {
  const as_expect *expect = at->expect;
  const as_digests *actual = &at->result->digests;
  if (at->ingest->announced && at->ingest->announced != at->ingest->length) {
    return as_fail(AS_E_SIZE, "commit", NULL);
  }
  if (!expect) {
    return 0;
  }
  if (expect->size != AS_SIZE_UNKNOWN && expect->size != at->ingest->length) {
    return as_fail(AS_E_SIZE, "commit", NULL);
  }
  int match = (!expect->blake3 || memcmp(expect->blake3, actual->blake3, AS_DIGEST_SIZE) == 0) &&
              (!expect->sha256 || memcmp(expect->sha256, actual->sha256, AS_DIGEST_SIZE) == 0);
  return match ? 0 : as_fail(AS_E_MISMATCH, "commit", NULL);
}

static void digest_all(batch *work) {
  for (size_t i = 0; i < work->count; i++) {
    entry *at = &work->entries[i];
    *at->status = finish_input(at->ingest, &at->result->digests);
    at->result->size = at->ingest->length;
    at->result->stored_size = at->ingest->length + as_outboard_size(at->ingest->length);
  }
  digest_small(work);
  for (size_t i = 0; i < work->count; i++) {
    if (!*work->entries[i].status) {
      *work->entries[i].status = check_expected(&work->entries[i]);
    }
  }
}

/* ---- packing ---- */

static int is_packed(const entry *at) { return as_ingest_is_packed(at->ingest); }

/* The two ways to the root share no code above the groups: a difference is a defect here, and must not become a name. */
static int check_root(const entry *at, const uint8_t root[AS_DIGEST_SIZE]) {
  return memcmp(root, at->result->digests.blake3, AS_DIGEST_SIZE) == 0 ? 0 : as_fail(AS_E_CORRUPT, "commit", NULL);
}

/* Lays the outboard of a packed object out in memory, if it needs one. */
static int lay_out_outboard(entry *at) {
  uint8_t root[AS_DIGEST_SIZE];
  size_t size = (size_t)as_outboard_size(at->ingest->length);
  if (!size) {
    return 0;
  }
  at->outboard_bytes = malloc(size);
  if (!at->outboard_bytes) {
    return as_fail(-ENOMEM, "commit", NULL);
  }
  int error = as_outboard_build(&at->ingest->stream->values, at->ingest->length, as_outboard_copy, at->outboard_bytes, root);
  return error ? error : check_root(at, root);
}

static as_pack_item item_of(const entry *at) {
  as_pack_item item = {.record = {.kind = AS_RECORD_OBJECT, .at = {.size = (uint32_t)at->ingest->length}},
                       .bytes = at->ingest->pending,
                       .outboard = at->outboard_bytes,
                       .deferred = at->ingest->deferred};
  memcpy(item.record.blake3, at->result->digests.blake3, AS_DIGEST_SIZE);
  memcpy(item.record.sha256, at->result->digests.sha256, AS_DIGEST_SIZE);
  return item;
}

/* Commits all small objects of the batch. */
static void pack_all(batch *work) {
  as_pack_item items[AS_COMMIT_SLICE];
  entry *owners[AS_COMMIT_SLICE];
  size_t count = 0;
  for (size_t i = 0; i < work->count; i++) {
    entry *at = &work->entries[i];
    if (!*at->status && is_packed(at)) {
      *at->status = lay_out_outboard(at);
      if (!*at->status) {
        owners[count] = at;
        items[count++] = item_of(at);
      }
    }
  }
  if (count) {
    as_packs_commit(work->store, items, count);
  }
  for (size_t i = 0; i < count; i++) {
    *owners[i]->status = items[i].status;
    owners[i]->result->existed = !items[i].status && !items[i].written;
    owners[i]->result->healed = !items[i].status && items[i].written && items[i].found == AS_RECORD_DAMAGED;
    owners[i]->result->deferred = items[i].waiting;
  }
}

/* ---- files ---- */

typedef struct file_part {
  const as_io *io;
  int fd;
} file_part;

static int write_part(void *context, uint64_t position, const uint8_t *bytes, size_t size) {
  const file_part *file = context;
  return as_io_write(file->io, file->fd, bytes, size, position);
}

static int stage_outboard(as_store *store, const entry *at, as_staged *outboard) {
  uint8_t root[AS_DIGEST_SIZE];
  int error = as_staging_create(store, outboard);
  if (error) {
    return error;
  }
  file_part file = {store->io, outboard->fd};
  error = as_outboard_build(&at->ingest->stream->values, at->ingest->length, write_part, &file, root);
  if (error) {
    return as_store_fail(store, error, "write", "staging");
  }
  return check_root(at, root);
}

/* Stages an object unless it is there already. */
static int stage(as_store *store, const entry *at, as_publication *out) {
  as_presence presence;
  uint64_t found;
  as_object_lock(store, out->address);
  int error = as_object_look_up(store, out->address, out->size, &presence, &found);
  as_object_unlock(store, out->address);
  if (error || presence == AS_OBJECT_PRESENT) {
    out->existed = !error;
    return error;
  }
  error = as_ingest_flush(at->ingest, &out->object);
  return error ? error : stage_outboard(store, at, &out->outboard);
}

static void discard(as_store *store, as_publication *file) {
  as_staging_discard(store, &file->object);
  as_staging_discard(store, &file->outboard);
}

/* Hands a staged object over to whoever syncs the store. */
static void defer(as_store *store, const entry *at, const as_publication *file) {
  int waiting = as_deferred_add(store, file);
  *at->status = waiting < 0 ? waiting : 0;
  at->result->deferred = waiting > 0;
}

/* Stages what is not packed, and publishes all that is not deferred. */
static void publish_all(batch *work) {
  as_store *store = work->store;
  as_publication files[AS_COMMIT_SLICE];
  entry *owners[AS_COMMIT_SLICE];
  size_t count = 0;
  for (size_t i = 0; i < work->count; i++) {
    entry *at = &work->entries[i];
    if (*at->status || is_packed(at)) {
      continue;
    }
    as_publication *file = &files[count];
    *file = (as_publication){.size = at->ingest->length, .object = AS_STAGED_NONE, .outboard = AS_STAGED_NONE};
    memcpy(file->address, at->result->digests.blake3, AS_DIGEST_SIZE);
    *at->status = stage(store, at, file);
    if (*at->status) {
      discard(store, file);
    } else if (at->ingest->deferred && !file->existed) {
      defer(store, at, file);
    } else {
      owners[count++] = at;
    }
  }
  as_publish(store, files, count);
  for (size_t i = 0; i < count; i++) {
    *owners[i]->status = files[i].status;
    owners[i]->result->existed = files[i].existed;
    owners[i]->result->healed = files[i].healed;
    discard(store, &files[i]);
  }
}

static void end_all(batch *work) {
  for (size_t i = 0; i < work->count; i++) {
    entry *at = &work->entries[i];
    free(at->outboard_bytes);
    if (at->ingest->session && !*at->status) {
      as_session_end(at->ingest->session);
    }
    as_ingest_abort(at->ingest);
  }
}

static void commit_slice(batch *work) {
  digest_all(work);
  pack_all(work);
  publish_all(work);
  end_all(work);
}

void as_ingest_commit(as_store *store, as_ingest *const *ingests, const as_expect *const *expects, size_t count,
                      as_ingested *results, int *status) {
  for (size_t start = 0; start < count; start += AS_COMMIT_SLICE) {
    entry entries[AS_COMMIT_SLICE];
    batch work = {store, entries, count - start < AS_COMMIT_SLICE ? count - start : AS_COMMIT_SLICE};
    for (size_t i = 0; i < work.count; i++) {
      memset(&results[start + i], 0, sizeof *results);
      entries[i] = (entry){.ingest = ingests[start + i],
                           .expect = expects ? expects[start + i] : NULL,
                           .result = &results[start + i],
                           .status = &status[start + i]};
    }
    commit_slice(&work);
  }
}
