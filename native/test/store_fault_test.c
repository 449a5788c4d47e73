/*
 * Faults and order at the I/O interface. Each call of a session fails once in turn, or all calls from one on fail, as
 * when a disk dies; whatever happens, an error reaches the caller, nothing half done is visible, and the store opens
 * and verifies afterwards. And a ledger of what has been synced (store_faulty.h) proves that no bytes get a name, and no
 * name and no record is acknowledged, before it is durable.
 * May include: store_faulty.h. Run by: CTest.
 */
#include "store_faulty.h"

/* ---- a session: objects that are there, objects that come, one that goes ---- */

/* Each kind once in a pack and once, LARGE_…, in a file of its own. */
enum {
  HELD,
  HEALED,
  REMOVED,
  SMALL,
  FROM_FILE,
  REPEATED, /* has the same bytes as HELD */
  LARGE_HELD,
  LARGE_HEALED,
  LARGE_REMOVED,
  LARGE,
  LARGE_REPEATED,
  OBJECTS
};

enum { CROWD = 20, CROWD_LARGE = 9 /* the first of them: enough for a shared sync */, FILES = 3 /* small ones, read together */ };

static const size_t SIZES[OBJECTS] = {20000,  17000,  35000,  500,    18000, 20000,
                                      262145, 262146, 262147, 270000, 262145};
static uint8_t *contents[OBJECTS];
static as_digests digests[OBJECTS];
static uint8_t *crowd[CROWD];
static as_digests crowd_digests[CROWD];
static char source_path[300];
static uint8_t *files[FILES];
static as_digests file_digests[FILES];
static char file_paths[FILES][300];

static size_t file_size_of(int i) { return 900u + 5000u * (size_t)i; }

static size_t crowd_size(int i) { return i < CROWD_LARGE ? AS_PACK_OBJECT_MAX + 1 : 64; }

static void make_contents(void) {
  as_span span;
  for (int i = 0; i < OBJECTS; i++) {
    contents[i] = make_bytes(SIZES[i], i == REPEATED ? HELD : i == LARGE_REPEATED ? LARGE_HELD : (uint64_t)i);
    span = (as_span){contents[i], SIZES[i]};
    as_dual_many(&span, 1, &digests[i]);
  }
  for (int i = 0; i < CROWD; i++) {
    crowd[i] = make_bytes(crowd_size(i), 1000u + (uint64_t)i);
    span = (as_span){crowd[i], crowd_size(i)};
    as_dual_many(&span, 1, &crowd_digests[i]);
  }
  for (int i = 0; i < FILES; i++) {
    files[i] = make_bytes(file_size_of(i), 2000u + (uint64_t)i);
    span = (as_span){files[i], file_size_of(i)};
    as_dual_many(&span, 1, &file_digests[i]);
    snprintf(file_paths[i], sizeof file_paths[i], "%s/file-%d", fixture_path, i);
    write_file(file_paths[i], files[i], file_size_of(i));
  }
  snprintf(source_path, sizeof source_path, "%s/source", fixture_path);
  write_file(source_path, contents[FROM_FILE], SIZES[FROM_FILE]);
}

static int is_kind(int i, int kind) { return i == kind || i == kind + (LARGE_HELD - HELD); }

/* A new store with HELD, a damaged HEALED and REMOVED in it, large and small, made without faults. */
static void prepare(void) {
  as_store *store;
  plan_fault(FAULT_NONE, 0, 0);
  fixture_remove(fixture_store);
  CHECK_INT(as_store_open_on(&faulty, fixture_store, AS_OPEN_CREATE, &store), 0);
  for (int i = 0; i < OBJECTS; i++) {
    if (is_kind(i, HELD) || is_kind(i, HEALED) || is_kind(i, REMOVED)) {
      ingest(store, contents[i], SIZES[i]);
    }
    if (is_kind(i, HEALED)) {
      flip_object(store, digests[i].blake3, 1, 1);
      set_mark(store, digests[i].blake3, 1);
    }
  }
  as_store_close(store);
}

typedef struct outcome {
  int open;
  int status[OBJECTS]; /* what became of each ingest; of the removal for REMOVED; of reading for HELD */
  int crowd[CROWD];
  int files[FILES];
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

static void ingest_crowd(as_store *store, outcome *result) {
  as_ingest *handles[CROWD];
  as_ingested out[CROWD];
  size_t count = 0;
  int status[CROWD], which[CROWD];
  for (int i = 0; i < CROWD; i++) {
    result->crowd[i] = as_ingest_begin(store, &handles[count]);
    if (!result->crowd[i]) {
      result->crowd[i] = as_ingest_append(handles[count], crowd[i], crowd_size(i));
      which[count++] = i; /* a failed one too: its commit says so again */
    }
  }
  as_ingest_commit(store, handles, NULL, count, out, status);
  for (size_t i = 0; i < count; i++) {
    CHECK(status[i] || !result->crowd[which[i]], "a failed append was committed");
    result->crowd[which[i]] = status[i];
  }
}

static void ingest_files(as_store *store, outcome *result) {
  static uint8_t room[FILES * AS_GROUP_SIZE];
  const char *paths[FILES];
  as_files *together;
  size_t used, count = 0;
  as_ingest *handles[FILES];
  as_ingested out[FILES];
  int status[FILES], which[FILES], whole;
  for (int i = 0; i < FILES; i++) {
    paths[i] = file_paths[i];
  }
  CHECK_INT(as_files_open(store, paths, FILES, room, sizeof room, &used, &together), 0);
  for (int i = 0; i < FILES; i++) {
    result->files[i] = as_files_take(together, &handles[count], &whole);
    if (!result->files[i]) {
      which[count++] = i;
    }
  }
  as_files_close(together);
  as_ingest_commit(store, handles, NULL, count, out, status);
  for (size_t i = 0; i < count; i++) {
    result->files[which[i]] = status[i];
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
    result.status[i] = is_kind(i, HELD) ? try_read(store, address, contents[i], SIZES[i], 2 * AS_GROUP_SIZE, &bad)
                       : is_kind(i, REMOVED) ? as_store_remove(store, address, &removed, &freed)
                       : i == FROM_FILE ? ingest_file(store)
                                        : try_ingest(store, contents[i], SIZES[i], NULL, &out);
    ledger_check();
  }
  ingest_crowd(store, &result);
  ledger_check();
  ingest_files(store, &result);
  ledger_check();
  result.verified = try_verify(store, digests[HELD].blake3, &verified, &bad, 1);
  result.verified = result.verified ? result.verified
                                    : try_verify(store, digests[LARGE_HELD].blake3, &verified, &bad, 1);
  result.health = as_store_health(store, &health);
  result.health = result.health ? result.health : !health.writable; /* a full disk is an answer */
  ledger_check();
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
  for (int i = 0; i < FILES; i++) {
    count += result->files[i] != 0;
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
  for (int i = 0; i < OBJECTS; i++) {
    int acknowledged = !result->open && !result->status[i];
    if (!is_kind(i, REMOVED)) {
      check_object(store, &digests[i], contents[i], SIZES[i], acknowledged || is_kind(i, HELD));
    } else if (acknowledged) {
      CHECK_INT(as_store_stat(store, digests[i].blake3, &found), AS_E_MISSING);
    }
  }
  for (int i = 0; i < CROWD; i++) {
    check_object(store, &crowd_digests[i], crowd[i], crowd_size(i), !result->open && !result->crowd[i]);
  }
  for (int i = 0; i < FILES; i++) {
    check_object(store, &file_digests[i], files[i], file_size_of(i), !result->open && !result->files[i]);
  }
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  as_store_close(store);
}

/* Calls whose failure may be got over, and is nobody's business then: a file that is opened another way, the two that
 * look for O_TMPFILE, and reads that opening the store and verifying take for damage, which they mend. */
static int may_be_got_over(const char *call) {
  return strcmp(call, "f_read") == 0 || strcmp(call, "f_open") == 0 || strcmp(call, "f_link_open") == 0;
}

/* No other failure goes unreported, above all no write's and no sync's. */
static void check_reported(const outcome *result) {
  int count = failures(result);
  CHECK(count > 0 || !plan_sync, "call %d: a failed sync was not reported", plan_at);
  CHECK(count > 0 || plan_harmless || may_be_got_over(plan_call), "call %d: a failed %s was not reported", plan_at, plan_call);
  CHECK(count > 0 || plan != FAULT_DEAD || plan_calls - plan_at < 6, "call %d: a dead disk was not noticed", plan_at);
}

/* Runs the session with the fault at call 0, 1, 2, … until one ends before it strikes. Returns how many failures went
 * unreported. */
static int every_call(fault kind, int error) {
  int silent = 0;
  for (int at = 0;; at += fault_step()) {
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

/* Those that are got over are counted too, so that a read whose result nobody looks at is noticed. There are about 20; a
 * thread that writes ahead moves the calls between one session and the next, so that one may be counted twice. */
static void test_every_call(fault kind, int error) {
  int silent = every_call(kind, error);
  CHECK(silent <= 48, "%d failures went unreported", silent);
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
    for (int at = 0;; at += fault_step()) {
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
    CHECK_INT(as_store_remove(store, digests[LARGE].blake3, &removed, &freed), 0);
    plan_fault(FAULT_ERROR, -EIO, at);
    int error = try_ingest(store, contents[LARGE], SIZES[LARGE], NULL, &out);
    failed = error && plan_sync && file_exists(object_file(digests[LARGE].blake3, ""));
  }
  plan_fault(FAULT_ERROR, -EIO, 1000000);
  int calls = plan_calls;
  CHECK_INT(try_ingest(store, contents[LARGE], SIZES[LARGE], NULL, &out), 0);
  CHECK(out.existed, "the object stays when its name could not be synced");
  int first = plan_calls - calls;
  calls = plan_calls;
  CHECK_INT(try_ingest(store, contents[LARGE], SIZES[LARGE], NULL, &out), 0);
  CHECK(out.existed && plan_calls - calls < first, "%d calls, then %d: a durable name needs no sync", first,
        plan_calls - calls);
  plan_fault(FAULT_NONE, 0, 0);
  as_store_close(store);
}

/* The same of a record: written by a process that was killed before it could sync it, and found by the next. */
static void test_existing_record_is_synced(void) {
  as_store *store;
  as_ingested out;
  int struck = 0;
  for (int at = 0; !struck; at++) { /* find the call that syncs the record */
    fixture_remove(fixture_store);
    plan_fault(FAULT_NONE, 0, 0);
    CHECK_INT(as_store_open_on(&faulty, fixture_store, AS_OPEN_CREATE, &store), 0);
    ingest(store, contents[FROM_FILE], SIZES[FROM_FILE]); /* so that the segment is there */
    plan_fault(FAULT_DEAD, -EIO, at);
    int error = try_ingest(store, contents[SMALL], SIZES[SMALL], NULL, &out);
    struck = error && plan_sync;
    as_store_close(store); /* which changes nothing any more */
  }
  plan_fault_only(FAULT_NONE, 0, 0);
  CHECK(ledger.count > 0, "the record was written");
  CHECK_INT(as_store_open_on(&faulty, fixture_store, 0, &store), 0);
  out = ingest(store, contents[SMALL], SIZES[SMALL]);
  CHECK(out.existed, "the record that nobody synced was found");
  ledger_check();
  as_store_close(store);
}

int main(void) {
  fixture_begin_in_memory();
  make_contents();
  test_creation();
  test_existing_name_is_synced();
  test_existing_record_is_synced();
  test_every_call(FAULT_ERROR, -EIO);
  test_every_call(FAULT_DEAD, -EIO);
  test_rough_calls();
  plan_half = 1;
  test_every_call(FAULT_ERROR, -ENOSPC);
  faulty.open = f_open; /* direct writes, and a thread that writes ahead */
  test_rough_calls();
  test_every_call(FAULT_ERROR, -EIO);
  faulty.open = f_open_named;
  test_rough_calls();
  test_every_call(FAULT_ERROR, -ENOSPC);
  CHECK(ledger_links > 1000, "only %d links judged", ledger_links);
  printf("%d links and %d synced writes judged\n", ledger_links, ledger_packed);
  fixture_clean();
  return 0;
}
