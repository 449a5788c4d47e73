/*
 * Which names are known to survive a power cut: what has changed in a directory since its last successful sync. So an
 * object that was there before is acknowledged without a sync when, and only when, its name is known to be durable
 * already.
 * May include: store.h. Called by: objects.c, remove.c, publish.c, store.c.
 */
#ifndef AS_STORE_DURABLE_H
#define AS_STORE_DURABLE_H

#include "store/store.h"

/* Notes that an entry of the fan-out folder `folder` (0 to 255) has changed. Call it after the change and before the
 * address is unlocked: whoever sees the change must also see that it is not durable yet. */
void as_durable_changed(as_store *store, unsigned folder);

/* Notes that a fan-out folder has been made in objects/; the same holds. */
void as_durable_folder_made(as_store *store);

/* Makes all changes noted in the given folders durable. `wanted[f]` is non-zero for each folder that matters; on return
 * `status[f]` is 0 or a negative errno for each of those. */
void as_durable_sync(as_store *store, const uint8_t wanted[AS_FAN_OUT], int status[AS_FAN_OUT]);

/* as_durable_sync of one folder. Returns 0 or a negative errno. */
int as_durable_sync_one(as_store *store, unsigned folder);

#endif
