/*
 * Keeping large objects until somebody syncs, and syncing; see deferred.h.
 * May include: deferred.h, packs.h, core/error.h. Called by: as declared there.
 */
#include "store/deferred.h"

#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "store/packs.h"

struct as_deferred {
  pthread_mutex_t mutex; /* held while they are made durable too: who adds one meanwhile waits */
  as_publication waiting[AS_DEFERRED_FILES_MAX];
  size_t count;
  uint64_t bytes;
  int lost; /* the first error that an object which waited has met */
};

int as_deferred_open(as_store *store) {
  store->deferred = calloc(1, sizeof *store->deferred);
  if (!store->deferred) {
    return as_fail(-ENOMEM, "open", store->path);
  }
  pthread_mutex_init(&store->deferred->mutex, NULL);
  return 0;
}

static void discard_all(as_store *store) {
  struct as_deferred *deferred = store->deferred;
  for (size_t i = 0; i < deferred->count; i++) {
    as_staging_discard(store, &deferred->waiting[i].object);
    as_staging_discard(store, &deferred->waiting[i].outboard);
  }
  deferred->count = 0;
  deferred->bytes = 0;
}

void as_deferred_close(as_store *store) {
  if (store->deferred) {
    discard_all(store);
    pthread_mutex_destroy(&store->deferred->mutex);
    free(store->deferred);
    store->deferred = NULL;
  }
}

/* As as_deferred_settle, the mutex being held. */
static int settle(as_store *store) {
  struct as_deferred *deferred = store->deferred;
  int before = deferred->lost;
  if (deferred->count) {
    as_publish(store, deferred->waiting, deferred->count);
  }
  for (size_t i = 0; i < deferred->count; i++) {
    deferred->lost = deferred->lost ? deferred->lost : deferred->waiting[i].status;
  }
  discard_all(store);
  return before ? as_fail_because(before, "sync", store->path, "failed before: what waited for it is not stored") : deferred->lost;
}

int as_deferred_add(as_store *store, const as_publication *object) {
  struct as_deferred *deferred = store->deferred;
  pthread_mutex_lock(&deferred->mutex);
  deferred->waiting[deferred->count++] = *object;
  deferred->bytes += object->size;
  int full = deferred->count == AS_DEFERRED_FILES_MAX || deferred->bytes >= AS_DEFERRED_SIZE_MAX;
  int result = full ? settle(store) : 1;
  pthread_mutex_unlock(&deferred->mutex);
  return result;
}

int as_deferred_settle(as_store *store) {
  pthread_mutex_lock(&store->deferred->mutex);
  int error = settle(store);
  pthread_mutex_unlock(&store->deferred->mutex);
  return error;
}

int as_store_sync(as_store *store) {
  int files = as_deferred_settle(store);
  int packed = as_packs_sync(store);
  return files ? files : packed;
}
