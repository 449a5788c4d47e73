/*
 * An I/O engine that fails on demand and keeps a ledger: what has been written, linked, made or removed and is not
 * durable yet. What may not happen before something is durable is checked as it happens; what may not be acknowledged,
 * by ledger_check. Safe with threads.
 * May include: store_fixture.h. Included by: store_fault_test.c, store_pack_fault_test.c, store_deferred_test.c.
 */
#ifndef AS_TEST_STORE_FAULTY_H
#define AS_TEST_STORE_FAULTY_H

#include <pthread.h>

#include "store_fixture.h"

typedef enum fault { FAULT_NONE, FAULT_ERROR, FAULT_DEAD, FAULT_ROUGH } fault;

static pthread_mutex_t faulty_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static fault plan;
static int plan_error;    /* what the failing call gives */
static int plan_at;       /* the number of the call that fails */
static int plan_calls;    /* calls so far */
static int plan_struck;   /* the fault has happened, */
static int plan_sync;     /* to a sync, */
static const char *plan_call; /* the function here whose call was struck first */
static int plan_harmless; /* or to a call that may fail without anyone being told */
static int plan_half;     /* the failing call is a write, and does half of what it should first */
static pthread_t plan_thread; /* who runs the session: calls of others are those of the thread that writes ahead */

/* ---- the ledger: inodes with bytes, and directories with entries, that are not durable ---- */

enum { LEDGER_SIZE = 4096 };
typedef struct inode_set {
  ino_t inodes[LEDGER_SIZE];
  size_t count;
} inode_set;

static inode_set ledger;
static inode_set ledger_aside; /* the same by other threads than the session's: in order with what they do, and nobody acknowledges it */
static inode_set ledger_cut; /* segments cut to a length that is not durable: what was cut off might come back */
static int ledger_links;     /* links and renames judged */
static int ledger_packed;    /* writes to segments judged */
static ino_t ledger_lock;    /* LOCK, which is only a lock and words, and never durable */

static inline int set_has(const inode_set *set, ino_t inode) {
  for (size_t i = 0; i < set->count; i++) {
    if (set->inodes[i] == inode) {
      return 1;
    }
  }
  return 0;
}

static inline void set_add(inode_set *set, ino_t inode) {
  if (inode != ledger_lock && !set_has(set, inode)) {
    CHECK(set->count < LEDGER_SIZE, "ledger is full");
    set->inodes[set->count++] = inode;
  }
}

static inline void set_remove(inode_set *set, ino_t inode) {
  for (size_t i = 0; i < set->count; i++) {
    if (set->inodes[i] == inode) {
      set->inodes[i] = set->inodes[--set->count];
      return;
    }
  }
}

static inline ino_t inode_of(int fd) {
  struct stat status;
  CHECK(fstat(fd, &status) == 0, "fstat");
  return status.st_ino;
}

/* The directory that `path`, relative to `directory`, is in. */
static inline ino_t parent_inode(int directory, const char *path) {
  char parent[300];
  struct stat status;
  snprintf(parent, sizeof parent, "%s", path);
  char *slash = strrchr(parent, '/');
  if (!slash) {
    return inode_of(directory);
  }
  *slash = '\0';
  CHECK(fstatat(directory, parent, &status, 0) == 0, "%s", parent);
  return status.st_ino;
}

static inline int ends_with(const char *path, const char *end) {
  size_t size = strlen(path), least = strlen(end);
  return size >= least && strcmp(path + size - least, end) == 0;
}

/* Names in packs/ are relative to it. */
static inline int is_pack_name(const char *path) { return ends_with(path, ".pack") || ends_with(path, ".idx"); }

/* Names in staging/ need not be durable: relative to it, or to the store's folder. */
static inline int is_staging_path(const char *path) {
  return (!strchr(path, '/') && !is_pack_name(path)) || strncmp(path, "staging/", 8) == 0;
}

/* Where what the calling thread does belongs. */
static inline inode_set *ledger_here(void) { return pthread_equal(pthread_self(), plan_thread) ? &ledger : &ledger_aside; }

static inline void ledger_synced(ino_t inode) {
  set_remove(&ledger, inode);
  set_remove(&ledger_aside, inode);
}

/* A file has got a name: under objects/ and packs/ its bytes must be durable before. */
static inline void ledger_named(int directory, const char *path, ino_t inode) {
  if (!is_staging_path(path)) {
    ledger_links++;
    CHECK(!set_has(&ledger, inode) && !set_has(&ledger_aside, inode), "%s is linked before its bytes are synced", path);
    set_add(ledger_here(), parent_inode(directory, path));
  }
}

/* Bytes up to `end` are written: they are durable when the call returns, or after a sync. */
static inline void ledger_written(int fd, uint64_t end) {
  struct stat status;
  CHECK(fstat(fd, &status) == 0, "fstat");
  ino_t inode = status.st_ino;
  int synced = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
  CHECK(end <= (uint64_t)status.st_size || !set_has(&ledger_cut, inode), "written to behind a cut that is not durable");
  ledger_packed += synced;
  if (!synced) {
    set_add(ledger_here(), inode);
  }
}

/* ---- the engine ---- */

typedef enum call_kind { CALL, CALL_RETRIED, CALL_SYNC, CALL_HARMLESS } call_kind;

/* Call it with the mutex held. */
static inline int strike_in(const char *call, call_kind kind) {
  int now = plan_calls++;
  kind = pthread_equal(pthread_self(), plan_thread) ? kind : CALL_HARMLESS;
  if (plan == FAULT_ROUGH && kind != CALL && now % 2 == 0) {
    plan_struck = 1;
    return -EINTR;
  }
  int hit = plan == FAULT_DEAD ? now >= plan_at : plan == FAULT_ERROR && now == plan_at;
  if (hit && !plan_struck) {
    plan_struck = 1;
    plan_call = call;
    plan_sync = kind == CALL_SYNC;
    plan_harmless = kind == CALL_HARMLESS;
  }
  return hit ? plan_error : 0;
}

static inline int locked_strike_in(const char *call, call_kind kind) {
  pthread_mutex_lock(&faulty_mutex);
  int error = strike_in(call, kind);
  pthread_mutex_unlock(&faulty_mutex);
  return error;
}

#define strike(kind) strike_in(__func__, kind)
#define locked_strike(kind) locked_strike_in(__func__, kind)

/* How much of a transfer is done at once: half, in whole blocks, as direct I/O needs them. */
static inline size_t half_of(size_t size) {
  size_t half = size / 2 / AS_PACK_BLOCK * AS_PACK_BLOCK;
  return half ? half : size > 1 && size % AS_PACK_BLOCK ? size / 2 : size;
}

static inline size_t cut_short(size_t size) { return plan == FAULT_ROUGH ? half_of(size) : size; }

#define REAL as_io_posix()

static int f_open(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  (void)io;
  pthread_mutex_lock(&faulty_mutex);
  /* That there is no direct I/O is nobody's business. */
  int error = strike(flags & O_DIRECT && (flags & O_TMPFILE) != O_TMPFILE ? CALL_HARMLESS : CALL_RETRIED);
  int fd = error ? error : REAL->open(REAL, directory, path, flags, mode);
  if (fd >= 0 && strcmp(path, "LOCK") == 0) {
    ledger_lock = inode_of(fd);
  }
  if (fd >= 0 && (flags & O_CREAT) && !is_staging_path(path)) {
    set_add(&ledger, parent_inode(directory, path));
  }
  pthread_mutex_unlock(&faulty_mutex);
  return fd;
}

static int f_close(const as_io *io, int fd) {
  (void)io;
  struct stat status;
  pthread_mutex_lock(&faulty_mutex);
  if (fstat(fd, &status) == 0 && status.st_nlink == 0) {
    ledger_synced(status.st_ino); /* a file without a name is gone now */
  }
  int error = REAL->close(REAL, fd);
  pthread_mutex_unlock(&faulty_mutex);
  return error;
}

static ssize_t f_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  (void)io;
  size = cut_short(size);
  int error = locked_strike(CALL_RETRIED);
  return error ? error : REAL->read(REAL, fd, bytes, size, offset);
}

static ssize_t f_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  (void)io;
  pthread_mutex_lock(&faulty_mutex);
  size = cut_short(size);
  int error = strike(CALL_RETRIED), half = plan_half;
  ledger_written(fd, offset + size);
  pthread_mutex_unlock(&faulty_mutex);
  if (error && error != -EINTR && half) {
    REAL->write(REAL, fd, bytes, half_of(size), offset);
  }
  return error ? error : REAL->write(REAL, fd, bytes, size, offset);
}

static int f_truncate(const as_io *io, int fd, uint64_t size) {
  (void)io;
  pthread_mutex_lock(&faulty_mutex);
  int error = strike(CALL_HARMLESS); /* of the words in LOCK, or of what was written ahead */
  if (!error && inode_of(fd) != ledger_lock) {
    set_add(&ledger_cut, inode_of(fd));
  }
  pthread_mutex_unlock(&faulty_mutex);
  return error ? error : REAL->truncate(REAL, fd, size);
}

/* Syncs are recorded and not done: the ledger is what is tested here, and it need not wait for a disk. */
static int f_sync(const as_io *io, int fd) {
  (void)io;
  pthread_mutex_lock(&faulty_mutex);
  int error = strike(CALL_SYNC);
  if (!error) {
    ledger_synced(inode_of(fd));
    set_remove(&ledger_cut, inode_of(fd));
  }
  pthread_mutex_unlock(&faulty_mutex);
  return error;
}

static int f_sync_file_system(const as_io *io, int fd) {
  (void)io, (void)fd;
  pthread_mutex_lock(&faulty_mutex);
  int error = strike(CALL_SYNC);
  if (!error) {
    ledger.count = ledger_aside.count = ledger_cut.count = 0;
  }
  pthread_mutex_unlock(&faulty_mutex);
  return error;
}

static int f_link(const as_io *io, int from_directory, const char *from, int to_directory, const char *to) {
  (void)io;
  struct stat status;
  pthread_mutex_lock(&faulty_mutex);
  int error = strike(CALL);
  error = error ? error : REAL->link(REAL, from_directory, from, to_directory, to);
  if (!error && fstatat(to_directory, to, &status, 0) == 0) {
    ledger_named(to_directory, to, status.st_ino);
  }
  pthread_mutex_unlock(&faulty_mutex);
  return error;
}

static int f_link_open(const as_io *io, int fd, int to_directory, const char *to) {
  (void)io;
  pthread_mutex_lock(&faulty_mutex);
  int error = strike(CALL);
  error = error ? error : REAL->link_open(REAL, fd, to_directory, to);
  if (!error) {
    ledger_named(to_directory, to, inode_of(fd));
  }
  pthread_mutex_unlock(&faulty_mutex);
  return error;
}

static int f_rename(const as_io *io, int from_directory, const char *from, int to_directory, const char *to) {
  (void)io;
  struct stat status;
  pthread_mutex_lock(&faulty_mutex);
  int error = strike(CALL);
  error = error ? error : REAL->rename(REAL, from_directory, from, to_directory, to);
  if (!error && fstatat(to_directory, to, &status, 0) == 0) {
    if (strcmp(to, "FORMAT") == 0) {
      CHECK(ledger.count == 0, "%zu things are not durable when FORMAT says that the store is there", ledger.count);
      set_add(&ledger, inode_of(to_directory));
    }
    ledger_named(to_directory, to, status.st_ino);
  }
  pthread_mutex_unlock(&faulty_mutex);
  return error;
}

/* A name in packs/ that comes back after its removal does no harm: an index is inside a wider one, or damaged. */
static int f_unlink(const as_io *io, int directory, const char *path) {
  (void)io;
  struct stat status;
  pthread_mutex_lock(&faulty_mutex);
  int last = fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_nlink == 1;
  /* Opening the store empties staging. */
  int error = strike(is_staging_path(path) && plan != FAULT_ROUGH ? CALL_HARMLESS : CALL);
  error = error ? error : REAL->unlink(REAL, directory, path);
  if (!error && last) {
    ledger_synced(status.st_ino);
  }
  if (!error && !is_staging_path(path) && !is_pack_name(path)) {
    set_add(&ledger, parent_inode(directory, path));
  }
  pthread_mutex_unlock(&faulty_mutex);
  return error;
}

static int f_make_directory(const as_io *io, int directory, const char *path, mode_t mode) {
  (void)io;
  pthread_mutex_lock(&faulty_mutex);
  int error = strike(CALL);
  error = error ? error : REAL->make_directory(REAL, directory, path, mode);
  if (!error && directory != AT_FDCWD) {
    set_add(&ledger, parent_inode(directory, path));
  }
  pthread_mutex_unlock(&faulty_mutex);
  return error;
}

static int f_stat(const as_io *io, int fd, struct stat *out) {
  (void)io;
  int error = locked_strike(CALL);
  return error ? error : REAL->stat(REAL, fd, out);
}

static int f_stat_at(const as_io *io, int directory, const char *path, struct stat *out) {
  (void)io;
  int error = locked_strike(CALL);
  return error ? error : REAL->stat_at(REAL, directory, path, out);
}

static int f_stat_file_system(const as_io *io, int fd, struct statfs *out) {
  (void)io;
  int error = locked_strike(CALL);
  return error ? error : REAL->stat_file_system(REAL, fd, out);
}

static int f_lock(const as_io *io, int fd, int exclusive) {
  (void)io;
  int error = locked_strike(CALL_RETRIED);
  return error ? error : REAL->lock(REAL, fd, exclusive);
}

static int f_list(const as_io *io, int directory, const char *path, as_io_visit visit, void *context) {
  (void)io;
  int error = locked_strike(CALL);
  return error ? error : REAL->list(REAL, directory, path, visit, context);
}

static int f_will_read_in_order(const as_io *io, int fd) { return (void)io, (void)fd, -EIO; }

static int f_start_read(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  return (void)io, (void)fd, (void)offset, (void)size, -EIO;
}

static int f_start_write_back(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  return (void)io, (void)fd, (void)offset, (void)size, -EIO;
}

static int f_punch(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  (void)io;
  int error = locked_strike(CALL_HARMLESS); /* the space is given back later */
  return error ? error : REAL->punch(REAL, fd, offset, size);
}

static int f_clone(const as_io *io, int from, int to) { return (void)io, (void)from, (void)to, -EOPNOTSUPP; }

static int f_map(const as_io *io, int fd, size_t size, const void **out) {
  (void)io;
  int error = locked_strike(CALL);
  return error ? error : REAL->map(REAL, fd, size, out);
}

static void f_unmap(const as_io *io, const void *bytes, size_t size) {
  (void)io;
  REAL->unmap(REAL, bytes, size);
}

/* Without direct I/O nothing is written ahead, and no other thread calls: every run of a session is the same. */
static int f_open_buffered(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  return (flags & O_TMPFILE) != O_TMPFILE && (flags & O_DIRECT) ? -EINVAL : f_open(io, directory, path, flags, mode);
}

static inline int f_open_named(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  return (flags & O_TMPFILE) == O_TMPFILE ? -EOPNOTSUPP : f_open_buffered(io, directory, path, flags, mode);
}

static as_io faulty = {.name = "faulty", .open = f_open_buffered, .close = f_close, .read = f_read, .write = f_write,
                       .truncate = f_truncate, .sync_data = f_sync, .sync_all = f_sync,
                       .sync_file_system = f_sync_file_system, .link = f_link, .link_open = f_link_open,
                       .rename = f_rename, .unlink = f_unlink, .make_directory = f_make_directory, .stat = f_stat,
                       .stat_at = f_stat_at, .stat_file_system = f_stat_file_system, .lock = f_lock, .list = f_list,
                       .will_read_in_order = f_will_read_in_order, .start_read = f_start_read,
                       .start_write_back = f_start_write_back,
                       .punch = f_punch, .clone = f_clone, .map = f_map, .unmap = f_unmap};

/* Begins a session; nothing may be under way. What is not durable stays in the ledger. */
static inline void plan_fault_only(fault kind, int error, int at) {
  pthread_mutex_lock(&faulty_mutex);
  plan = kind;
  plan_error = error;
  plan_at = at;
  plan_calls = plan_struck = plan_sync = plan_harmless = 0;
  plan_thread = pthread_self();
  pthread_mutex_unlock(&faulty_mutex);
}

/* The same with an empty ledger. */
static inline void plan_fault(fault kind, int error, int at) {
  plan_fault_only(kind, error, at);
  ledger.count = ledger_aside.count = ledger_cut.count = 0;
}

/* Called when something has been acknowledged: unless a call has failed, all of it must be durable. */
static inline void ledger_check(void) {
  pthread_mutex_lock(&faulty_mutex);
  if (!plan_struck || plan == FAULT_ROUGH) {
    CHECK(ledger.count == 0, "%zu things acknowledged before they are durable", ledger.count);
  }
  pthread_mutex_unlock(&faulty_mutex);
}

#endif
