/*
 * Syncing directories, no more often than needed; see durable.h.
 * May include: durable.h, io/io.h. Called by: as declared there.
 */
#include "store/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Folders from which on one syncfs replaces a sync each; the reasons are those in publish.c. */
enum { SYNCFS_FROM = 8 };

void as_durable_changed(as_store *store, unsigned folder) {
  pthread_mutex_lock(&store->mutex);
  store->folders[folder].changed++;
  pthread_mutex_unlock(&store->mutex);
}

void as_durable_folder_made(as_store *store) {
  pthread_mutex_lock(&store->mutex);
  store->fan_out.changed++;
  pthread_mutex_unlock(&store->mutex);
}

/* Reads how far a directory has changed; 0 when all of it is durable. Taken before a sync, because the sync covers no
 * more. */
static uint64_t changes_pending(as_store *store, const as_durable *state) {
  pthread_mutex_lock(&store->mutex);
  uint64_t changed = state->changed > state->synced ? state->changed : 0;
  pthread_mutex_unlock(&store->mutex);
  return changed;
}

static void note_synced(as_store *store, as_durable *state, uint64_t changed) {
  pthread_mutex_lock(&store->mutex);
  if (state->synced < changed) {
    state->synced = changed;
  }
  pthread_mutex_unlock(&store->mutex);
}

static int sync_fan_out(as_store *store) {
  uint64_t changed = changes_pending(store, &store->fan_out);
  if (!changed) {
    return 0;
  }
  int error = as_io_sync_all(store->io, store->objects);
  if (error) {
    return as_store_fail(store, error, "fsync", "objects");
  }
  note_synced(store, &store->fan_out, changed);
  return 0;
}

static int sync_folder(as_store *store, unsigned folder) {
  uint64_t changed = changes_pending(store, &store->folders[folder]);
  if (!changed) {
    return 0;
  }
  char name[16];
  snprintf(name, sizeof name, "objects/%02x", folder);
  int fd = as_io_open(store->io, store->objects, name + sizeof "objects/" - 1, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) {
    return as_store_fail(store, fd, "open", name);
  }
  int error = as_io_sync_all(store->io, fd);
  as_io_close(store->io, &fd);
  if (error) {
    return as_store_fail(store, error, "fsync", name);
  }
  note_synced(store, &store->folders[folder], changed);
  return 0;
}

int as_durable_sync_one(as_store *store, unsigned folder) {
  int error = sync_folder(store, folder);
  return error ? error : sync_fan_out(store);
}

/* One syncfs for everything pending. */
static int sync_at_once(as_store *store, const uint64_t pending[AS_FAN_OUT]) {
  uint64_t fan_out = changes_pending(store, &store->fan_out);
  int error = as_io_sync_file_system(store->io, store->objects);
  if (error) {
    return as_store_fail(store, error, "syncfs", "objects");
  }
  for (unsigned folder = 0; folder < AS_FAN_OUT; folder++) {
    note_synced(store, &store->folders[folder], pending[folder]);
  }
  note_synced(store, &store->fan_out, fan_out);
  return 0;
}

void as_durable_sync(as_store *store, const uint8_t wanted[AS_FAN_OUT], int status[AS_FAN_OUT]) {
  uint64_t pending[AS_FAN_OUT] = {0};
  unsigned count = 0;
  memset(status, 0, AS_FAN_OUT * sizeof *status);
  for (unsigned folder = 0; folder < AS_FAN_OUT; folder++) {
    if (wanted[folder]) {
      pending[folder] = changes_pending(store, &store->folders[folder]);
      count += pending[folder] != 0;
    }
  }
  int error = count >= SYNCFS_FROM ? sync_at_once(store, pending) : -ENOSYS;
  if (!error) {
    return;
  }
  for (unsigned folder = 0; folder < AS_FAN_OUT; folder++) {
    if (wanted[folder]) {
      status[folder] = error == -ENOSYS ? as_durable_sync_one(store, folder) : error;
    }
  }
}
