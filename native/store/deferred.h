/*
 * Large objects that need not be durable yet. They wait, complete and staged, without a name, until somebody syncs the
 * store: a name must never stand for bytes that a power cut may take. So until then they are not found; packed objects,
 * which are verified after a crash, are.
 * May include: publish.h, store.h. Called by: commit.c, remove.c, store.c; as_store_sync by users of the core.
 */
#ifndef AS_STORE_DEFERRED_H
#define AS_STORE_DEFERRED_H

#include "store/publish.h"
#include "store/store.h"

enum {
  AS_DEFERRED_FILES_MAX = 64,               /* objects that wait: each holds two descriptors, of the usual 1,024 */
  AS_DEFERRED_SIZE_MAX = 64 * 1024 * 1024   /* their bytes: beyond, syncing costs little beside writing */
};

/* Makes room for waiting objects. Returns 0 or -ENOMEM. */
int as_deferred_open(as_store *store);

/* Gives up what waits. Nothing may be under way. */
void as_deferred_close(as_store *store);

/* Takes over a staged object. Returns 1 when it waits, 0 when it is durable already, because as many wait as may, or an error:
 * then it is not stored. */
int as_deferred_add(as_store *store, const as_publication *object);

/* Makes all that wait durable and visible. Returns 0 or an error: then some of them are not stored, and this fails from then on, so that
 * nobody takes them for stored. In any case nothing waits afterwards. */
int as_deferred_settle(as_store *store);

#endif
