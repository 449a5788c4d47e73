/*
 * Recognising, making and locking a store folder; see layout.h.
 * May include: layout.h, core/error.h, io/io.h. Called by: store.c.
 */
#include "store/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"

#define FORMAT_LINE "artifactstore-data 2\n"
#define FORMAT_LINE_1 "artifactstore-data 1\n" /* as 2, but without packs: each object is a file */
#define FORMAT_STAGED "staging/FORMAT"
_Static_assert(AS_STORE_FORMAT_VERSION == 2, "FORMAT_LINE states the version");

/* Opens a file of the store; `mode` is for the case that `flags` make it. */
static int open_part(const as_store *store, const char *name, int flags, mode_t mode) {
  int fd = as_io_open(store->io, store->root, name, flags, mode);
  return fd < 0 ? as_store_fail(store, fd, "open", name) : fd;
}

/* Opens the folder itself; with `create` makes it, though not its parents. */
static int open_root(as_store *store, int create) {
  const as_io *io = store->io;
  int fd = as_io_open(io, AT_FDCWD, store->path, O_RDONLY | O_DIRECTORY, 0);
  if (fd == -ENOENT && create) {
    int error = io->make_directory(io, AT_FDCWD, store->path, 0777);
    if (error && error != -EEXIST) {
      return as_fail(error == -EROFS ? AS_E_READ_ONLY : error, "mkdir", store->path);
    }
    fd = as_io_open(io, AT_FDCWD, store->path, O_RDONLY | O_DIRECTORY, 0);
  }
  if (fd < 0) {
    return as_fail(fd == -ENOENT ? AS_E_MISSING : fd == -ENOTDIR ? AS_E_FORMAT : fd, "open", store->path);
  }
  store->root = fd;
  return 0;
}

/* Whether FORMAT is there and says a version this build knows, which is put in *version: 0, AS_E_MISSING, AS_E_FORMAT or
 * errno. */
static int check_format(const as_store *store, int *version) {
  int fd = as_io_open(store->io, store->root, "FORMAT", O_RDONLY, 0);
  if (fd < 0) {
    return as_store_fail(store, fd == -ENOENT ? AS_E_MISSING : fd, "open", "FORMAT");
  }
  char line[sizeof FORMAT_LINE];
  ssize_t size = as_io_read(store->io, fd, line, sizeof line, 0);
  as_io_close(store->io, &fd);
  if (size < 0) {
    return as_store_fail(store, (int)size, "read", "FORMAT");
  }
  int whole = size == sizeof FORMAT_LINE - 1;
  *version = whole && memcmp(line, FORMAT_LINE, (size_t)size) == 0     ? 2
             : whole && memcmp(line, FORMAT_LINE_1, (size_t)size) == 0 ? 1
                                                                       : 0;
  return *version ? 0 : as_store_fail(store, AS_E_FORMAT, "read", "FORMAT");
}

static int visit_refusing(void *context, const char *name) {
  (void)context;
  (void)name;
  return AS_E_FORMAT;
}

static int visit_root(void *context, const char *name) {
  (void)context;
  /* What a creation that was cut short leaves behind is not somebody else's. */
  int ours = strcmp(name, "LOCK") == 0 || strcmp(name, "objects") == 0 || strcmp(name, "packs") == 0 ||
             strcmp(name, "staging") == 0;
  return ours ? 0 : AS_E_FORMAT;
}

/* Whether the folder, which has no FORMAT, may become a store: only when it is empty or an unfinished creation. */
static int check_vacant(const as_store *store) {
  static const char *const folders[] = {"objects", "packs"};
  int error = store->io->list(store->io, store->root, ".", visit_root, NULL);
  for (int i = 0; !error && i < 2; i++) {
    error = store->io->list(store->io, store->root, folders[i], visit_refusing, NULL);
    error = error == -ENOENT ? 0 : error;
  }
  return error ? as_store_fail(store, error, "list", "") : 0;
}

/* Says who holds the lock, as far as LOCK tells. */
static int fail_locked(const as_store *store) {
  char text[24] = "";
  char path[64] = "LOCK";
  if (as_io_read(store->io, store->lock, text, sizeof text - 1, 0) > 0) {
    long pid = strtol(text, NULL, 10);
    if (pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM)) { /* a killed writer leaves its number behind */
      snprintf(path, sizeof path, "LOCK (held by process %ld)", pid);
    }
  }
  return as_store_fail(store, AS_E_LOCKED, "flock", path);
}

static int take_lock(as_store *store) {
  const as_io *io = store->io;
  int flags = store->read_only ? O_RDONLY : O_RDWR | O_CREAT;
  int fd = as_io_open(io, store->root, "LOCK", flags, 0666);
  if (fd < 0) {
    int error = fd == -EROFS ? AS_E_READ_ONLY : fd == -ENOENT ? AS_E_FORMAT : fd;
    return as_store_fail(store, error, "open", "LOCK");
  }
  store->lock = fd;
  int error = as_io_lock(io, fd, !store->read_only);
  if (error) {
    return error == -EWOULDBLOCK ? fail_locked(store) : as_store_fail(store, error, "flock", "LOCK");
  }
  if (store->read_only) {
    return 0;
  }
  char text[24];
  int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
  error = as_io_truncate(io, fd, 0);
  if (!error) {
    error = as_io_write(io, fd, text, (size_t)size, 0);
  }
  return error == -EROFS ? as_store_fail(store, AS_E_READ_ONLY, "write", "LOCK")
         : error         ? as_store_fail(store, error, "write", "LOCK")
                         : 0;
}

static int make_folder(const as_store *store, const char *name) {
  int error = store->io->make_directory(store->io, store->root, name, 0777);
  return error && error != -EEXIST ? as_store_fail(store, error, "mkdir", name) : 0;
}

static int sync_path(const as_store *store, int directory, const char *path) {
  int fd = as_io_open(store->io, directory, path, O_RDONLY | O_DIRECTORY, 0);
  int error = fd < 0 ? fd : as_io_sync_all(store->io, fd);
  as_io_close(store->io, &fd);
  return error;
}

/* Writes FORMAT last and by rename: a folder has it, whole, only when all the rest is durable. */
static int write_format(const as_store *store) {
  const as_io *io = store->io;
  int fd = open_part(store, FORMAT_STAGED, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0) {
    return fd;
  }
  int error = as_io_write(io, fd, FORMAT_LINE, sizeof FORMAT_LINE - 1, 0);
  error = error ? error : as_io_sync_data(io, fd);
  as_io_close(io, &fd);
  error = error ? error : as_io_sync_all(io, store->root);
  error = error ? error : io->rename(io, store->root, FORMAT_STAGED, store->root, "FORMAT");
  error = error ? error : as_io_sync_all(io, store->root);
  error = error ? error : sync_path(store, store->root, "..");
  if (error) {
    io->unlink(io, store->root, FORMAT_STAGED);
    return as_store_fail(store, error, "create", "FORMAT");
  }
  return 0;
}

/* Makes the store, under the lock, unless another process did so while this one waited to look. */
static int create_parts(as_store *store) {
  int version;
  int error = check_format(store, &version);
  if (error != AS_E_MISSING) {
    return error;
  }
  error = make_folder(store, "objects");
  error = error ? error : make_folder(store, "packs");
  error = error ? error : make_folder(store, "staging");
  return error ? error : write_format(store);
}

/* Brings a store of format 1 to this one: its objects may stay the files they are. */
static int upgrade(const as_store *store) {
  int error = make_folder(store, "packs");
  return error ? error : write_format(store);
}

/* A reader finds no packs in a store of format 1. */
static int open_packs(as_store *store, int version) {
  int fd = as_io_open(store->io, store->root, "packs", O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0 && !(fd == -ENOENT && store->read_only && version == 1)) {
    return as_store_fail(store, fd, "open", "packs");
  }
  store->packs_folder = fd < 0 ? -1 : fd;
  return 0;
}

static int open_parts(as_store *store, int version) {
  store->objects = open_part(store, "objects", O_RDONLY | O_DIRECTORY, 0);
  if (store->objects < 0) {
    return store->objects;
  }
  if (!store->read_only) {
    store->staging = open_part(store, "staging", O_RDONLY | O_DIRECTORY, 0);
  }
  return store->staging < 0 && !store->read_only ? store->staging : open_packs(store, version);
}

int as_layout_open(as_store *store, int create) {
  int error = open_root(store, create);
  if (error) {
    return error;
  }
  int version = 0;
  error = check_format(store, &version);
  int vacant = error == AS_E_MISSING;
  if (vacant) {
    error = check_vacant(store);
    if (!error && !create) {
      error = as_store_fail(store, AS_E_MISSING, "open", "FORMAT");
    }
  }
  error = error ? error : take_lock(store);
  if (!error && vacant) {
    error = create_parts(store);
  }
  if (!error && version == 1 && !store->read_only) {
    error = upgrade(store);
  }
  return error ? error : open_parts(store, version);
}

void as_layout_release(as_store *store) {
  if (store->lock >= 0 && !store->read_only) {
    as_io_truncate(store->io, store->lock, 0); /* only words for people: a failure costs nothing */
  }
}
