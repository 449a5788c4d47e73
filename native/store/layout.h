/*
 * What makes a folder a store: FORMAT, LOCK, objects/, packs/ and staging/; see docs/format.md.
 * May include: store.h. Called by: store.c.
 */
#ifndef AS_STORE_LAYOUT_H
#define AS_STORE_LAYOUT_H

#include "store/store.h"

/* Opens the parts of the store at store->path, making them first when `create` is non-zero and nothing is there; takes
 * the lock. On failure the descriptors opened so far stay in `store` for the caller to close. Errors: those of
 * as_store_open. */
int as_layout_open(as_store *store, int create);

/* Withdraws this process's claim from LOCK, so that the next message about a lock does not name it. */
void as_layout_release(as_store *store);

#endif
