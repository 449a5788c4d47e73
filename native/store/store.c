/*
 * Opening and closing a store, its health, and the buffers its rooms share.
 * May include: store.h, deferred.h, direct.h, layout.h, staging.h, packs.h, core/error.h, io/io.h. Called by: users of the core, native/store.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "store/deferred.h"
#include "store/direct.h"
#include "store/layout.h"
#include "store/packs.h"
#include "store/staging.h"

int as_store_fail(const as_store *store, int error, const char *call, const char *relative) {
  size_t size = strlen(store->path) + strlen(relative) + 2;
  char *path = malloc(size);
  if (!path) {
    return as_fail(error, call, relative);
  }
  snprintf(path, size, "%s%s%s", store->path, *relative ? "/" : "", relative);
  as_fail(error, call, path);
  free(path);
  return error;
}

/* ---- opening and closing ---- */

/* The cores that this process may run on, as far as the kernel says. */
static unsigned count_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static as_store *allocate(const as_io *io, const char *path, int read_only) {
  as_store *store = calloc(1, sizeof *store);
  char *copy = strdup(path);
  if (!store || !copy) {
    free(store);
    free(copy);
    return NULL;
  }
  store->io = io;
  store->path = copy;
  store->read_only = read_only;
  store->cores = count_cores();
  store->direct_from = AS_DIRECT_FROM;
  store->direct_stream_from = AS_DIRECT_STREAM_FROM;
  store->root = store->objects = store->staging = store->packs_folder = store->lock = store->uploads = -1;
  atomic_init(&store->staging_counter, 0);
  for (int i = 0; i < AS_NAME_LOCKS; i++) {
    pthread_mutex_init(&store->names[i], NULL);
  }
  pthread_mutex_init(&store->mutex, NULL);
  pthread_cond_init(&store->sessions_changed, NULL);
  for (int i = 0; i < AS_FAN_OUT; i++) {
    store->folders[i].changed = 1;
  }
  store->fan_out.changed = 1;
  return store;
}

static void dispose(as_store *store) {
  as_deferred_close(store);
  as_packs_close(store);
  as_io_close(store->io, &store->packs_folder);
  as_io_close(store->io, &store->uploads);
  as_io_close(store->io, &store->objects);
  as_io_close(store->io, &store->staging);
  as_io_close(store->io, &store->lock); /* gives the lock back */
  as_io_close(store->io, &store->root);
  for (unsigned i = 0; i < store->buffer_count; i++) {
    free(store->buffers[i]);
  }
  for (int i = 0; i < AS_NAME_LOCKS; i++) {
    pthread_mutex_destroy(&store->names[i]);
  }
  pthread_cond_destroy(&store->sessions_changed);
  pthread_mutex_destroy(&store->mutex);
  free(store->path);
  free(store);
}

int as_store_open_on(const as_io *io, const char *path, unsigned flags, as_store **out) {
  int read_only = (flags & AS_OPEN_READ_ONLY) != 0, create = (flags & AS_OPEN_CREATE) != 0;
  *out = NULL;
  if ((flags & ~(unsigned)(AS_OPEN_READ_ONLY | AS_OPEN_CREATE)) || (read_only && create)) {
    return as_fail(AS_E_INVALID, "open", path);
  }
  as_store *store = allocate(io, path, read_only);
  if (!store) {
    return as_fail(-ENOMEM, "open", path);
  }
  int error = as_layout_open(store, create);
  if (!error && !read_only) {
    error = as_staging_empty(store);
    if (!error) {
      as_staging_probe(store);
    }
  }
  error = error ? error : as_packs_open(store);
  error = error ? error : as_deferred_open(store);
  if (error) {
    dispose(store);
    return error;
  }
  *out = store;
  return 0;
}

int as_store_open(const char *path, unsigned flags, as_store **out) {
  const as_io *io = as_io_best();
  *out = NULL;
  return io ? as_store_open_on(io, path, flags, out) : as_fail_because(AS_E_INVALID, "open", path, as_io_reason());
}

void as_store_close(as_store *store) {
  if (store) {
    as_store_sync(store); /* whoever must know whether it succeeds has called it */
    as_packs_close(store);
    as_layout_release(store);
    dispose(store);
  }
}

/* ---- shared buffers ---- */

uint8_t *as_store_buffer(as_store *store) {
  uint8_t *buffer = NULL;
  pthread_mutex_lock(&store->mutex);
  if (store->buffer_count > 0) {
    buffer = store->buffers[--store->buffer_count];
  }
  pthread_mutex_unlock(&store->mutex);
  return buffer ? buffer : aligned_alloc(4096, AS_STEP_SIZE);
}

void as_store_buffer_release(as_store *store, uint8_t *buffer) {
  if (!buffer) {
    return;
  }
  pthread_mutex_lock(&store->mutex);
  if (store->buffer_count < AS_SPARE_BUFFERS) {
    store->buffers[store->buffer_count++] = buffer;
    buffer = NULL;
  }
  pthread_mutex_unlock(&store->mutex);
  free(buffer);
}

/* ---- health ---- */

/* Numbers as in statfs(2); those of file systems that a store is likely to stand on. */
static const char *file_system_name(unsigned long type) {
  static const struct {
    unsigned long type;
    const char *name;
  } known[] = {{0xef53, "ext4"},        {0x58465342, "xfs"},     {0x9123683e, "btrfs"},  {0x2fc12fc1, "zfs"},
               {0x01021994, "tmpfs"},   {0xf2f52010, "f2fs"},    {0xca451a4e, "bcachefs"}, {0x794c7630, "overlayfs"},
               {0x6969, "nfs"},         {0xff534d42, "cifs"},    {0xfe534d42, "smb"},    {0x65735546, "fuse"},
               {0x01021997, "9p"},      {0x4d44, "fat"},         {0x2011bab0, "exfat"},  {0x5346544e, "ntfs"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i].type == type) {
      return known[i].name;
    }
  }
  return "unknown";
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* One small write and sync in staging. */
static int probe_write(as_store *store, uint64_t *latency_ns) {
  static const uint8_t block[4096];
  as_staged staged;
  uint64_t start = now_ns();
  int error = as_staging_create(store, &staged);
  if (error) {
    return error;
  }
  error = as_io_write(store->io, staged.fd, block, sizeof block, 0);
  error = error ? error : as_io_sync_data(store->io, staged.fd);
  *latency_ns = now_ns() - start;
  as_staging_discard(store, &staged);
  return error ? as_store_fail(store, error, "write", "staging") : 0;
}

int as_store_health(as_store *store, as_health *out) {
  struct statfs status;
  memset(out, 0, sizeof *out);
  out->file_system = "unknown";
  int error = store->io->stat_file_system(store->io, store->root, &status);
  if (error) {
    return as_store_fail(store, error, "fstatfs", "");
  }
  uint64_t unit = (uint64_t)status.f_frsize ? (uint64_t)status.f_frsize : (uint64_t)status.f_bsize;
  out->free_bytes = (uint64_t)status.f_bavail * unit;
  out->total_bytes = (uint64_t)status.f_blocks * unit;
  out->file_system = file_system_name((unsigned long)(unsigned)status.f_type);
  if (store->read_only) {
    return 0;
  }
  error = probe_write(store, &out->sync_latency_ns);
  out->writable = error == 0;
  return error == -ENOSPC || error == -EROFS || error == -EDQUOT ? 0 : error; /* an answer, not a failure to answer */
}
