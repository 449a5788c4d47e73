/*
 * Staged files, with and without a name; see staging.h.
 * May include: staging.h, core/error.h, io/io.h. Called by: as declared there.
 */
#include "store/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/error.h"

enum { OBJECT_MODE = 0444 }; /* objects never change: no program should write to one by mistake */

/* A name in staging/ that no other file of this store has: the lock keeps other processes out. */
static void unique_name(as_store *store, as_staged *out) {
  uint64_t number = atomic_fetch_add(&store->staging_counter, 1);
  snprintf(out->name, sizeof out->name, "%ld-%" PRIu64, (long)getpid(), number);
}

static int create_named(as_store *store, as_staged *out) {
  out->kept = 0;
  unique_name(store, out);
  out->fd = as_io_open(store->io, store->staging, out->name, O_RDWR | O_CREAT | O_EXCL, OBJECT_MODE);
  return out->fd < 0 ? out->fd : 0;
}

static int create_nameless(as_store *store, as_staged *out) {
  out->kept = 0;
  out->name[0] = '\0';
  out->fd = as_io_open(store->io, store->staging, ".", O_RDWR | O_TMPFILE, OBJECT_MODE);
  return out->fd < 0 ? out->fd : 0;
}

void as_staging_probe(as_store *store) {
  as_staged probe, name = AS_STAGED_NONE;
  store->nameless_staging = 0;
  if (create_nameless(store, &probe) != 0) {
    return;
  }
  unique_name(store, &name);
  if (store->io->link_open(store->io, probe.fd, store->staging, name.name) == 0) {
    store->nameless_staging = store->io->unlink(store->io, store->staging, name.name) == 0;
  }
  as_io_close(store->io, &probe.fd);
}

static int visit_removing(void *context, const char *name) {
  as_store *store = context;
  int error = store->io->unlink(store->io, store->staging, name);
  return error && error != -ENOENT ? as_store_fail(store, error, "unlink", "staging") : 0;
}

int as_staging_empty(as_store *store) {
  return store->io->list(store->io, store->staging, ".", visit_removing, store);
}

int as_staging_create(as_store *store, as_staged *out) {
  int error = store->nameless_staging ? create_nameless(store, out) : create_named(store, out);
  if (error) {
    *out = AS_STAGED_NONE;
    return as_store_fail(store, error, "open", "staging");
  }
  return 0;
}

/* Gives a session's part its final name in place of its own, never both: what is a part may still change. Afterwards it is as
 * unwritable as other objects; if that fails it is stored all the same. */
static int move_kept(as_store *store, as_staged *staged, int directory, const char *path) {
  const as_io *io = store->io;
  struct stat status;
  int error = io->rename(io, store->root, staged->name, directory, path);
  if (!error) {
    staged->name[0] = '\0';
    if (io->stat(io, staged->fd, &status) == 0) {
      io->change_mode(io, staged->fd, status.st_mode & OBJECT_MODE);
    }
  }
  return error;
}

int as_staging_link(as_store *store, as_staged *staged, int directory, const char *path) {
  const as_io *io = store->io;
  if (staged->kept) {
    return move_kept(store, staged, directory, path);
  }
  if (staged->name[0] == '\0') {
    return io->link_open(io, staged->fd, directory, path);
  }
  int error = io->link(io, store->staging, staged->name, directory, path);
  if (!error && io->unlink(io, store->staging, staged->name) == 0) {
    staged->name[0] = '\0'; /* if the second name stays, discarding tries again, and so does opening the store */
  }
  return error;
}

int as_staging_replace(as_store *store, as_staged *staged, int directory, const char *path) {
  const as_io *io = store->io;
  if (staged->kept) {
    return move_kept(store, staged, directory, path);
  }
  if (staged->name[0] == '\0') { /* only a name can be renamed over another */
    as_staged named = AS_STAGED_NONE;
    unique_name(store, &named);
    int error = io->link_open(io, staged->fd, store->staging, named.name);
    if (error) {
      return error;
    }
    named.fd = staged->fd;
    *staged = named;
  }
  int error = io->rename(io, store->staging, staged->name, directory, path);
  if (!error) {
    staged->name[0] = '\0';
  }
  return error;
}

void as_staging_discard(as_store *store, as_staged *staged) {
  if (staged->fd >= 0) {
    if (staged->name[0] != '\0' && !staged->kept) {
      store->io->unlink(store->io, store->staging, staged->name);
    }
    as_io_close(store->io, &staged->fd);
  }
}

/* A nameless file among the temporary files of the system, for a store that must not be written to. */
static int open_scratch_elsewhere(const as_store *store) {
  const char *folder = getenv("TMPDIR");
  folder = folder && *folder ? folder : "/tmp";
  int fd = as_io_open(store->io, AT_FDCWD, folder, O_RDWR | O_TMPFILE | O_EXCL, 0600);
  return fd < 0 ? as_fail(fd, "open", folder) : fd;
}

int as_staging_open_scratch(void *context) {
  as_store *store = context;
  if (store->read_only) {
    return open_scratch_elsewhere(store);
  }
  as_staged scratch;
  int error = as_staging_create(store, &scratch);
  if (error) {
    return error;
  }
  if (scratch.name[0] != '\0') {
    store->io->unlink(store->io, store->staging, scratch.name); /* if it stays, opening the store removes it */
  }
  return scratch.fd;
}
