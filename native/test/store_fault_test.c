/*
 * Faults and order at the I/O interface. Each call of a session fails once in turn, or all calls from one on fail, as
 * when a disk dies; whatever happens, an error reaches the caller, nothing half done is visible, and the store opens
 * and verifies afterwards. And a ledger of what has been synced proves that no bytes get a name, and no name is
 * acknowledged, before it is durable.
 * May include: store_fixture.h. Run by: CTest.
 */
#include "store_fixture.h"

typedef enum fault { FAULT_NONE, FAULT_ERROR, FAULT_DEAD, FAULT_ROUGH } fault;

static fault plan;
static int plan_error;  /* what the failing call gives */
static int plan_at;     /* the number of the call that fails */
static int plan_calls;  /* calls so far */
static int plan_struck; /* the fault has happened, */
static int plan_sync;   /* to a sync, */
static int plan_harmless; /* or to a call that may fail without anyone being told */

/* ---- the ledger: inodes with bytes, and directories with entries, that are not durable ---- */

enum { LEDGER_SIZE = 4096 };
static ino_t ledger[LEDGER_SIZE];
static size_t ledger_count;
static int ledger_links; /* links and renames judged */
static ino_t ledger_lock; /* LOCK, which is only a lock and words, and never durable */

static void ledger_add(ino_t inode) {
  if (inode == ledger_lock) {
    return;
  }
  for (size_t i = 0; i < ledger_count; i++) {
    if (ledger[i] == inode) {
      return;
    }
  }
  CHECK(ledger_count < LEDGER_SIZE, "ledger is full");
  ledger[ledger_count++] = inode;
}

static void ledger_remove(ino_t inode) {
  for (size_t i = 0; i < ledger_count; i++) {
    if (ledger[i] == inode) {
      ledger[i] = ledger[--ledger_count];
      return;
    }
  }
}

static int ledger_has(ino_t inode) {
  for (size_t i = 0; i < ledger_count; i++) {
    if (ledger[i] == inode) {
      return 1;
    }
  }
  return 0;
}

static ino_t inode_of(int fd) {
  struct stat status;
  CHECK(fstat(fd, &status) == 0, "fstat");
  return status.st_ino;
}

/* The directory that `path`, relative to `directory`, is in. */
static ino_t parent_inode(int directory, const char *path) {
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

/* Names in staging/ need not be durable: relative to it, or to the store's folder. */
static int is_staging_path(const char *path) { return !strchr(path, '/') || strncmp(path, "staging/", 8) == 0; }

/* A file has got a name: under objects/ its bytes must be durable before. */
static void ledger_named(int directory, const char *path, ino_t inode) {
  if (!is_staging_path(path)) {
    ledger_links++;
    CHECK(!ledger_has(inode), "%s is linked before its bytes are synced", path);
    ledger_add(parent_inode(directory, path));
  }
}

/* ---- the engine ---- */

typedef enum call_kind { CALL, CALL_RETRIED, CALL_SYNC, CALL_HARMLESS } call_kind;

static int strike(call_kind kind) {
  int now = plan_calls++;
  if (plan == FAULT_ROUGH && kind != CALL && now % 2 == 0) {
    plan_struck = 1;
    return -EINTR;
  }
  int hit = plan == FAULT_DEAD ? now >= plan_at : plan == FAULT_ERROR && now == plan_at;
  if (hit && !plan_struck) {
    plan_struck = 1;
    plan_sync = kind == CALL_SYNC;
    plan_harmless = kind == CALL_HARMLESS;
  }
  return hit ? plan_error : 0;
}

/* How much of a transfer is done at once. */
static size_t cut_short(size_t size) { return plan == FAULT_ROUGH && size > 1 ? size / 2 : size; }

#define REAL as_io_posix()

static int f_open(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  (void)io;
  int error = strike(CALL_RETRIED);
  int fd = error ? error : REAL->open(REAL, directory, path, flags, mode);
  if (fd >= 0 && strcmp(path, "LOCK") == 0) {
    ledger_lock = inode_of(fd);
  }
  return fd;
}

static int f_close(const as_io *io, int fd) {
  (void)io;
  struct stat status;
  if (fstat(fd, &status) == 0 && status.st_nlink == 0) {
    ledger_remove(status.st_ino); /* a file without a name is gone now */
  }
  return REAL->close(REAL, fd);
}

static ssize_t f_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  (void)io;
  size = cut_short(size);
  int error = strike(CALL_RETRIED);
  return error ? error : REAL->read(REAL, fd, bytes, size, offset);
}

static ssize_t f_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  (void)io;
  size = cut_short(size);
  int error = strike(CALL_RETRIED);
  ledger_add(inode_of(fd));
  return error ? error : REAL->write(REAL, fd, bytes, size, offset);
}

static int f_truncate(const as_io *io, int fd, uint64_t size) {
  (void)io;
  int error = strike(CALL_HARMLESS); /* only of the words in LOCK */
  return error ? error : REAL->truncate(REAL, fd, size);
}

/* Syncs are recorded and not done: the ledger is what is tested here, and it need not wait for a disk. */
static int f_sync(const as_io *io, int fd) {
  (void)io;
  int error = strike(CALL_SYNC);
  if (!error) {
    ledger_remove(inode_of(fd));
  }
  return error;
}

static int f_sync_file_system(const as_io *io, int fd) {
  (void)io, (void)fd;
  int error = strike(CALL_SYNC);
  if (!error) {
    ledger_count = 0;
  }
  return error;
}

static int f_link(const as_io *io, int from_directory, const char *from, int to_directory, const char *to) {
  (void)io;
  struct stat status;
  int error = strike(CALL);
  error = error ? error : REAL->link(REAL, from_directory, from, to_directory, to);
  if (!error && fstatat(to_directory, to, &status, 0) == 0) {
    ledger_named(to_directory, to, status.st_ino);
  }
  return error;
}

static int f_link_open(const as_io *io, int fd, int to_directory, const char *to) {
  (void)io;
  int error = strike(CALL);
  error = error ? error : REAL->link_open(REAL, fd, to_directory, to);
  if (!error) {
    ledger_named(to_directory, to, inode_of(fd));
  }
  return error;
}

static int f_rename(const as_io *io, int from_directory, const char *from, int to_directory, const char *to) {
  (void)io;
  struct stat status;
  int error = strike(CALL);
  error = error ? error : REAL->rename(REAL, from_directory, from, to_directory, to);
  if (!error && fstatat(to_directory, to, &status, 0) == 0) {
    if (strcmp(to, "FORMAT") == 0) {
      CHECK(ledger_count == 0, "%zu things are not durable when FORMAT says that the store is there", ledger_count);
      ledger_add(inode_of(to_directory));
    }
    ledger_named(to_directory, to, status.st_ino);
  }
  return error;
}

static int f_unlink(const as_io *io, int directory, const char *path) {
  (void)io;
  struct stat status;
  int last = fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_nlink == 1;
  /* Opening the store empties staging. */
  int error = strike(is_staging_path(path) && plan != FAULT_ROUGH ? CALL_HARMLESS : CALL);
  error = error ? error : REAL->unlink(REAL, directory, path);
  if (!error && last) {
    ledger_remove(status.st_ino);
  }
  if (!error && !is_staging_path(path)) {
    ledger_add(parent_inode(directory, path));
  }
  return error;
}

static int f_make_directory(const as_io *io, int directory, const char *path, mode_t mode) {
  (void)io;
  int error = strike(CALL);
  error = error ? error : REAL->make_directory(REAL, directory, path, mode);
  if (!error && directory != AT_FDCWD) {
    ledger_add(parent_inode(directory, path));
  }
  return error;
}

static int f_stat(const as_io *io, int fd, struct stat *out) {
  (void)io;
  int error = strike(CALL);
  return error ? error : REAL->stat(REAL, fd, out);
}

static int f_stat_at(const as_io *io, int directory, const char *path, struct stat *out) {
  (void)io;
  int error = strike(CALL);
  return error ? error : REAL->stat_at(REAL, directory, path, out);
}

static int f_stat_file_system(const as_io *io, int fd, struct statfs *out) {
  (void)io;
  int error = strike(CALL);
  return error ? error : REAL->stat_file_system(REAL, fd, out);
}

static int f_lock(const as_io *io, int fd, int exclusive) {
  (void)io;
  int error = strike(CALL_RETRIED);
  return error ? error : REAL->lock(REAL, fd, exclusive);
}

static int f_list(const as_io *io, int directory, const char *path, as_io_visit visit, void *context) {
  (void)io;
  int error = strike(CALL);
  return error ? error : REAL->list(REAL, directory, path, visit, context);
}

static int f_start_read(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  return (void)io, (void)fd, (void)offset, (void)size, -EIO;
}

static int f_will_read_in_order(const as_io *io, int fd) { return (void)io, (void)fd, -EIO; }

static int f_start_write_back(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  return (void)io, (void)fd, (void)offset, (void)size, -EIO;
}

static int f_open_named(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  return (flags & O_TMPFILE) == O_TMPFILE ? -EOPNOTSUPP : f_open(io, directory, path, flags, mode);
}

static as_io faulty = {.name = "faulty", .open = f_open, .close = f_close, .read = f_read, .write = f_write,
                       .truncate = f_truncate, .sync_data = f_sync, .sync_all = f_sync,
                       .sync_file_system = f_sync_file_system, .link = f_link, .link_open = f_link_open,
                       .rename = f_rename, .unlink = f_unlink, .make_directory = f_make_directory, .stat = f_stat,
                       .stat_at = f_stat_at, .stat_file_system = f_stat_file_system, .lock = f_lock, .list = f_list,
                       .will_read_in_order = f_will_read_in_order,
                       .start_read = f_start_read, .start_write_back = f_start_write_back};

static void plan_fault(fault kind, int error, int at) {
  plan = kind;
  plan_error = error;
  plan_at = at;
  plan_calls = plan_struck = plan_sync = plan_harmless = 0;
  ledger_count = 0;
}

/* ---- a session: objects that are there, objects that come, one that goes ---- */

enum { HELD, HEALED, REMOVED, SMALL, LARGE, FROM_FILE, REPEATED, OBJECTS };

enum { CROWD = 16 };

static const size_t SIZES[OBJECTS] = {20000, 17000, 17000, 500, 70000, 18000, 20000};
static uint8_t *contents[OBJECTS]; /* REPEATED has the same bytes as HELD */
static as_digests digests[OBJECTS];
static uint8_t *crowd[CROWD]; /* small ones, enough for a shared sync */
static as_digests crowd_digests[CROWD];
static char source_path[300];

static void make_contents(void) {
  as_span span;
  for (int i = 0; i < OBJECTS; i++) {
    contents[i] = make_bytes(SIZES[i], i == REPEATED ? HELD : (uint64_t)i);
    span = (as_span){contents[i], SIZES[i]};
    as_dual_many(&span, 1, &digests[i]);
  }
  for (int i = 0; i < CROWD; i++) {
    crowd[i] = make_bytes(64, 1000u + (uint64_t)i);
    span = (as_span){crowd[i], 64};
    as_dual_many(&span, 1, &crowd_digests[i]);
  }
  snprintf(source_path, sizeof source_path, "%s/source", fixture_path);
  write_file(source_path, contents[FROM_FILE], SIZES[FROM_FILE]);
}

/* A new store with HELD, a damaged HEALED and REMOVED in it, made without faults. */
static void prepare(void) {
  as_store *store;
  plan_fault(FAULT_NONE, 0, 0);
  fixture_remove(fixture_store);
  CHECK_INT(as_store_open_on(&faulty, fixture_store, AS_OPEN_CREATE, &store), 0);
  ingest(store, contents[HELD], SIZES[HELD]);
  ingest(store, contents[HEALED], SIZES[HEALED]);
  ingest(store, contents[REMOVED], SIZES[REMOVED]);
  as_store_close(store);
  flip(object_file(digests[HEALED].blake3, ""), 1, 1);
  write_file(object_file(digests[HEALED].blake3, ".damaged"), "", 0);
}

typedef struct outcome {
  int open;
  int status[OBJECTS]; /* what became of each ingest; of the removal for REMOVED; of reading for HELD */
  int crowd[CROWD];
  int verified;        /* of HELD */
  int health;
} outcome;

static int ingest_file(as_store *store) {
  as_ingest *handle;
  as_ingested out;
  int status = as_ingest_begin_file(store, source_path, &handle);
  if (!status) {
    as_ingest_commit(store, &handle, NULL, 1, &out, &status);
  }
  return status;
}

/* Called when something has been acknowledged. */
static void check_ledger(void) {
  if (!plan_struck) {
    CHECK(ledger_count == 0, "%zu names acknowledged before they are durable", ledger_count);
  }
}

static void ingest_crowd(as_store *store, outcome *result) {
  as_ingest *handles[CROWD];
  as_ingested out[CROWD];
  size_t count = 0;
  int status[CROWD], which[CROWD];
  for (int i = 0; i < CROWD; i++) {
    result->crowd[i] = as_ingest_begin(store, &handles[count]);
    if (!result->crowd[i]) {
      CHECK_INT(as_ingest_append(handles[count], crowd[i], 64), 0);
      which[count++] = i;
    }
  }
  as_ingest_commit(store, handles, NULL, count, out, status);
  for (size_t i = 0; i < count; i++) {
    result->crowd[which[i]] = status[i];
  }
}

static outcome run_session(void) {
  outcome result = {0};
  as_store *store;
  as_ingested out;
  as_verified verified;
  as_health health;
  as_range bad;
  uint64_t freed;
  int removed;
  result.open = as_store_open_on(&faulty, fixture_store, 0, &store);
  if (result.open) {
    return result;
  }
  for (int i = 0; i < OBJECTS; i++) {
    const uint8_t *address = digests[i].blake3;
    result.status[i] = i == HELD        ? try_read(store, address, contents[i], SIZES[i], 2 * AS_GROUP_SIZE, &bad)
                       : i == REMOVED   ? as_store_remove(store, address, &removed, &freed)
                       : i == FROM_FILE ? ingest_file(store)
                                        : try_ingest(store, contents[i], SIZES[i], NULL, &out);
    check_ledger();
  }
  ingest_crowd(store, &result);
  check_ledger();
  result.verified = try_verify(store, digests[HELD].blake3, &verified, &bad, 1);
  result.health = as_store_health(store, &health);
  result.health = result.health ? result.health : !health.writable; /* a full disk is an answer */
  check_ledger();
  as_store_close(store);
  return result;
}

static int failures(const outcome *result) {
  int count = (result->open != 0) + (result->verified != 0) + (result->health != 0);
  for (int i = 0; i < OBJECTS; i++) {
    count += result->status[i] != 0;
  }
  for (int i = 0; i < CROWD; i++) {
    count += result->crowd[i] != 0;
  }
  return count;
}

/* What was acknowledged is there and whole; what was not is whole or absent, or is marked. */
static void check_object(as_store *store, const as_digests *of, const uint8_t *bytes, size_t size, int acknowledged) {
  uint64_t found;
  int error = as_store_stat(store, of->blake3, &found);
  CHECK(!acknowledged || error == 0, "call %d: acknowledged object of %zu bytes: %s", plan_at, size,
        as_error_name(error));
  CHECK(error == 0 || error == AS_E_MISSING || error == AS_E_CORRUPT, "%s", as_error_name(error));
  if (error == 0) {
    check_read(store, of->blake3, bytes, size);
    check_intact(store, of->blake3);
  } else {
    CHECK_INT(ingest(store, bytes, size).existed, 0);
    check_read(store, of->blake3, bytes, size);
  }
}

static void check_afterwards(const outcome *result) {
  as_store *store;
  uint64_t found;
  fault kind = plan;
  plan = FAULT_NONE;
  CHECK(as_store_open_on(&faulty, fixture_store, 0, &store) == 0, "fault %d at call %d: %s", kind, plan_at,
        as_error_detail());
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  if (!result->open && !result->status[REMOVED]) {
    CHECK_INT(as_store_stat(store, digests[REMOVED].blake3, &found), AS_E_MISSING);
  }
  for (int i = 0; i < OBJECTS; i++) {
    int acknowledged = !result->open && !result->status[i];
    if (i != REMOVED) {
      check_object(store, &digests[i], contents[i], SIZES[i], acknowledged || i == HELD);
    }
  }
  for (int i = 0; i < CROWD; i++) {
    check_object(store, &crowd_digests[i], crowd[i], 64, !result->open && !result->crowd[i]);
  }
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  as_store_close(store);
}

/* Some failures are got over and may go unreported. Syncs never. */
static void check_reported(const outcome *result) {
  int count = failures(result);
  CHECK(count > 0 || !plan_sync, "call %d: a failed sync was not reported", plan_at);
  CHECK(count > 0 || plan != FAULT_DEAD || plan_calls - plan_at < 6, "call %d: a dead disk was not noticed", plan_at);
}

/* Runs the session with the fault at call 0, 1, 2, … until one ends before it strikes. Returns how many failures went
 * unreported. */
static int every_call(fault kind, int error) {
  int silent = 0;
  for (int at = 0;; at++) {
    prepare();
    plan_fault(kind, error, at);
    outcome result = run_session();
    int struck = plan_struck;
    int calls = plan_calls;
    if (struck) {
      check_reported(&result);
      silent += failures(&result) == 0 && !plan_harmless;
    }
    check_afterwards(&result);
    if (at >= calls) {
      CHECK_INT(failures(&result), 0);
      CHECK(at > 100, "only %d calls", at);
      return silent;
    }
  }
}

/* What else is got over: the two calls that look for O_TMPFILE, and reads that a verification repeats or counts as
 * damage of an outboard, which it mends. Counted, so that a call whose result nobody looks at is noticed. */
static void test_every_call(fault kind, int error) {
  int silent = every_call(kind, error);
  CHECK(silent <= 5, "%d failures went unreported", silent);
}

/* Every transfer cut in half, every other call that can be interrupted interrupted: nobody's business but the I/O
 * layer's. */
static void test_rough_calls(void) {
  prepare();
  plan_fault(FAULT_ROUGH, 0, 0);
  outcome result = run_session();
  CHECK(failures(&result) == 0 && plan_struck, "%d failures: %s", failures(&result), as_error_detail());
  check_afterwards(&result);
}

/* Creating a store: cut off anywhere, it is created by the next attempt, and never half a store. */
static void test_creation(void) {
  for (int kind = FAULT_ERROR; kind <= FAULT_DEAD; kind++) {
    for (int at = 0;; at++) {
      as_store *store;
      fixture_remove(fixture_store);
      plan_fault((fault)kind, -EIO, at);
      int error = as_store_open_on(&faulty, fixture_store, AS_OPEN_CREATE, &store);
      int struck = plan_struck;
      CHECK(!error || struck, "%s", as_error_detail());
      if (!error) {
        as_store_close(store);
      }
      plan = FAULT_NONE;
      int missing = as_store_open_on(&faulty, fixture_store, 0, &store);
      CHECK(missing == 0 || (error && missing == AS_E_MISSING), "call %d: %s", at, as_error_name(missing));
      if (!missing) {
        as_store_close(store);
      }
      CHECK(as_store_open_on(&faulty, fixture_store, AS_OPEN_CREATE, &store) == 0, "call %d: %s", at,
            as_error_detail());
      check_read(store, ingest(store, contents[LARGE], SIZES[LARGE]).digests.blake3, contents[LARGE], SIZES[LARGE]);
      as_store_close(store);
      if (!struck) {
        CHECK(at > 15, "only %d calls", at);
        break;
      }
    }
  }
}

/* The name of an object that was there before is acknowledged only when it is durable: here its first sync has
 * failed. */
static void test_existing_name_is_synced(void) {
  as_store *store;
  as_ingested out;
  fixture_remove(fixture_store);
  plan_fault(FAULT_NONE, 0, 0);
  CHECK_INT(as_store_open_on(&faulty, fixture_store, AS_OPEN_CREATE, &store), 0);
  int failed = 0, at = 0;
  for (; !failed; at++) { /* find the call that syncs the folder: the last of the commit */
    int removed;
    uint64_t freed;
    CHECK_INT(as_store_remove(store, digests[SMALL].blake3, &removed, &freed), 0);
    plan_fault(FAULT_ERROR, -EIO, at);
    int error = try_ingest(store, contents[SMALL], SIZES[SMALL], NULL, &out);
    failed = error && plan_sync && file_exists(object_file(digests[SMALL].blake3, ""));
  }
  plan_fault(FAULT_ERROR, -EIO, 1000000);
  int calls = plan_calls;
  CHECK_INT(try_ingest(store, contents[SMALL], SIZES[SMALL], NULL, &out), 0);
  CHECK(out.existed, "the object stays when its name could not be synced");
  int first = plan_calls - calls;
  calls = plan_calls;
  CHECK_INT(try_ingest(store, contents[SMALL], SIZES[SMALL], NULL, &out), 0);
  CHECK(out.existed && plan_calls - calls < first, "%d calls, then %d: a durable name needs no sync", first,
        plan_calls - calls);
  plan_fault(FAULT_NONE, 0, 0);
  as_store_close(store);
}

int main(void) {
  fixture_begin_in_memory();
  make_contents();
  test_creation();
  test_existing_name_is_synced();
  test_every_call(FAULT_ERROR, -EIO);
  test_every_call(FAULT_DEAD, -EIO);
  test_rough_calls();
  faulty.open = f_open_named;
  test_rough_calls();
  test_every_call(FAULT_ERROR, -ENOSPC);
  CHECK(ledger_links > 1000, "only %d links judged", ledger_links);
  fixture_clean();
  return 0;
}
