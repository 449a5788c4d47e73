/*
 * How large objects become durable and visible: their staged bytes are synced, then their names are published, then those
 * are synced; each stage for all of them, so that the syncs, which cost most, are shared.
 * May include: objects.h, staging.h, store.h. Called by: commit.c, deferred.c.
 */
#ifndef AS_STORE_PUBLISH_H
#define AS_STORE_PUBLISH_H

#include "store/objects.h"
#include "store/staging.h"
#include "store/store.h"

/* An object that is a file, on its way to its name. */
typedef struct as_publication {
  uint8_t address[AS_DIGEST_SIZE];
  uint64_t size;
  as_staged object;   /* none staged: it was there already, and only its name must become durable */
  as_staged outboard;
  int existed;        /* a whole copy was there */
  int healed;         /* a damaged one was */
  int status;         /* 0 or an error */
} as_publication;

/* Makes those without an error durable and visible. What is staged and has not got a name stays staged. */
void as_publish(as_store *store, as_publication *all, size_t count);

#endif
