/*
 * Durability that is put off: what a sync costs and what it covers, that everything which relies on durable bytes syncs first,
 * that nobody is told of bytes which a failed sync has lost, and what is left of deferred commits after a crash.
 * store_torn_test.c tears them sector by sector. May include: store_faulty.h, store_model.h,
 * store/deferred.h. Run by: CTest.
 */
#include "store/deferred.h"
#include "store_faulty.h"
#include "store_model.h"

enum { LARGE = AS_PACK_OBJECT_MAX + 1 };

static as_store *open_faulty(unsigned flags) { return open_small(&faulty, flags, AS_SEGMENT_SIZE_MAX, AS_RUNS_MAX); }

/* A new store with one durable object in it, so that there is a segment. */
static as_store *begin(void) {
  plan_fault(FAULT_NONE, 0, 0);
  fixture_remove(fixture_store);
  as_store *store = open_faulty(AS_OPEN_CREATE);
  ingest(store, "first", 5);
  ledger_check();
  return store;
}

/* Calls of the I/O interface that a sync of the store makes; afterwards everything is durable. */
static int sync_calls(as_store *store) {
  int before = plan_calls;
  CHECK(as_store_sync(store) == 0, "%s", as_error_detail());
  ledger_check();
  return plan_calls - before;
}

static int status_of(as_store *store, const model_object *object) {
  uint64_t size;
  return as_store_stat(store, object->digests.blake3, &size);
}

/* ---- what a sync costs, and what it covers ---- */

static void test_packed(void) {
  enum { COUNT = 20 };
  model_object objects[COUNT];
  as_store *store = begin();
  for (size_t i = 0; i < COUNT; i++) {
    objects[i] = model_make(i * 1700, 10 + i);
    as_ingested out = ingest_deferred(store, objects[i].bytes, objects[i].size);
    CHECK(out.deferred && !out.existed, "deferred %d existed %d", out.deferred, out.existed);
    objects[i].state = MODEL_PRESENT;
  }
  model_check_all(store, objects, COUNT);
  CHECK(ledger.count == 1, "%zu things are not durable: the segment should be", ledger.count);
  as_ingested again = ingest_deferred(store, objects[3].bytes, objects[3].size);
  CHECK(again.existed && again.deferred, "existed %d deferred %d", again.existed, again.deferred);
  CHECK_INT(sync_calls(store), 1);
  CHECK_INT(sync_calls(store), 0);
  again = ingest_deferred(store, objects[3].bytes, objects[3].size);
  CHECK(again.existed && !again.deferred, "existed %d deferred %d", again.existed, again.deferred);
  as_store_close(store);
  store = open_faulty(AS_OPEN_READ_ONLY);
  model_check_all(store, objects, COUNT);
  as_store_close(store);
  model_free(objects, COUNT);
}

/* Whoever stores, deletes or marks something durably makes what was deferred durable too, also where it has nothing to write. */
static void test_durable_calls(void) {
  model_object one = model_make(5000, 40), other = model_make(6000, 41);
  as_store *store = begin();
  ingest_deferred(store, one.bytes, one.size);
  CHECK(ingest(store, one.bytes, one.size).existed, "it is there");
  ledger_check();
  ingest_deferred(store, other.bytes, other.size);
  remove_object(store, other.digests.blake3);
  ledger_check();
  CHECK_INT(status_of(store, &other), AS_E_MISSING);
  ingest_deferred(store, other.bytes, other.size);
  set_mark(store, one.digests.blake3, 1);
  ledger_check();
  CHECK(ingest_deferred(store, one.bytes, one.size).healed, "marked above");
  check_intact(store, one.digests.blake3);
  CHECK_INT(sync_calls(store), 1);
  as_store_close(store);
  model_free(&one, 1);
  model_free(&other, 1);
}

static void test_large(void) {
  model_object one = model_make(LARGE, 50), other = model_make(LARGE + 5, 51);
  as_store *store = begin();
  as_ingested out = ingest_deferred(store, one.bytes, one.size);
  CHECK(out.deferred && !out.existed, "deferred %d existed %d", out.deferred, out.existed);
  CHECK_INT(status_of(store, &one), AS_E_MISSING);
  CHECK(ledger.count > 0, "its bytes are not synced");
  CHECK(sync_calls(store) > 0, "they are now");
  check_read(store, one.digests.blake3, one.bytes, one.size);
  out = ingest_deferred(store, one.bytes, one.size);
  CHECK(out.existed && !out.deferred, "existed %d deferred %d", out.existed, out.deferred);
  CHECK_INT(sync_calls(store), 0);

  ingest_deferred(store, other.bytes, other.size); /* what waits is deleted as what is there, and stored as what is not */
  remove_object(store, other.digests.blake3);
  CHECK_INT(sync_calls(store), 0);
  CHECK_INT(status_of(store, &other), AS_E_MISSING);
  ingest_deferred(store, other.bytes, other.size);
  CHECK(!ingest(store, other.bytes, other.size).existed, "it had no name");
  check_read(store, other.digests.blake3, other.bytes, other.size);
  sync_calls(store);
  check_read(store, other.digests.blake3, other.bytes, other.size);
  as_store_close(store);
  model_free(&one, 1);
  model_free(&other, 1);
}

static void test_closing_syncs(void) {
  model_object objects[2] = {model_make(900, 60), model_make(LARGE, 61)};
  as_store *store = begin();
  for (size_t i = 0; i < 2; i++) {
    CHECK(ingest_deferred(store, objects[i].bytes, objects[i].size).deferred, "synced already");
    objects[i].state = MODEL_PRESENT;
  }
  as_store_close(store);
  ledger_check();
  store = open_faulty(AS_OPEN_READ_ONLY);
  model_check_all(store, objects, 2);
  as_store_close(store);
  model_free(objects, 2);
}

/* ---- how much may wait ---- */

static void test_packed_limit(void) {
  enum { COUNT = 40, SIZE = 10000 };
  as_store *store = begin();
  store->packs->unsynced_max = 5 * 3 * AS_PACK_BLOCK; /* a commit of one of them takes three blocks */
  for (uint64_t i = 0; i < COUNT; i++) {
    model_object object = model_make(SIZE, 70 + i);
    int deferred = ingest_deferred(store, object.bytes, object.size).deferred;
    CHECK_INT(deferred, i % 5 != 4);
    CHECK_INT(ledger.count, deferred);
    model_free(&object, 1);
  }
  as_store_close(store);
}

static void test_large_limits(void) {
  model_object object;
  as_store *store = begin();
  for (uint64_t i = 1; i <= AS_DEFERRED_FILES_MAX; i++) {
    object = model_make(LARGE, 200 + i);
    CHECK_INT(ingest_deferred(store, object.bytes, object.size).deferred, i < AS_DEFERRED_FILES_MAX);
    model_free(&object, 1);
  }
  ledger_check();
  object = model_make(AS_DEFERRED_SIZE_MAX, 90);
  CHECK_INT(ingest_deferred(store, object.bytes, object.size).deferred, 0);
  ledger_check();
  check_read(store, object.digests.blake3, object.bytes, object.size);
  as_store_close(store);
  model_free(&object, 1);
}

/* An index is believed without reading what it is of, so a segment is durable before it gets one. */
static void test_sealing_syncs(void) {
  as_store *store = begin();
  store->packs->segment_size_max = 40 * 1024;
  for (uint64_t i = 0; i < 30; i++) {
    model_object object = model_make(9000, 300 + i);
    ingest_deferred(store, object.bytes, object.size);
    CHECK(ledger.count <= 1, "%zu segments are not durable", ledger.count);
    model_free(&object, 1);
  }
  CHECK(store->packs->run_count > 5, "only %zu segments were sealed", store->packs->run_count);
  as_store_close(store);
}

/* ---- syncs that fail ---- */

/* Bytes that a failed sync has lost can still be read from memory: nobody may be told that they are stored, now or by another sync, and
 * whoever opens the store next does not find them. */
static void test_failed_sync(int by_storing) {
  model_object kept = model_make(7000, 100), lost = model_make(8000, 101), further = model_make(300, 102);
  as_ingested out;
  as_store *store = begin();
  model_put(store, &kept);
  ingest_deferred(store, lost.bytes, lost.size);
  plan_fault_only(FAULT_ERROR, -EIO, by_storing ? 1 : 0); /* the sync, behind the write of what is stored */
  CHECK_INT(by_storing ? try_ingest(store, further.bytes, further.size, NULL, &out) : as_store_sync(store), -EIO);
  CHECK(plan_sync, "another call failed");
  CHECK_INT(as_store_sync(store), -EIO);
  CHECK_INT(try_ingest(store, lost.bytes, lost.size, NULL, &out), -EIO);
  CHECK_INT(try_ingest_as(store, further.bytes, further.size, NULL, 1, &out), -EIO);
  model_check(store, &kept);
  as_store_close(store);
  plan_fault_only(FAULT_NONE, 0, 0);
  store = open_faulty(0);
  model_check(store, &kept);
  model_check(store, &lost);
  model_check(store, &further);
  model_put(store, &lost);
  model_put(store, &further);
  CHECK_INT(sync_calls(store), 0);
  as_store_close(store);
  model_free(&kept, 1);
  model_free(&lost, 1);
  model_free(&further, 1);
}

static void test_failed_sync_of_large(void) {
  model_object lost = model_make(LARGE, 110), further = model_make(LARGE, 111);
  as_ingested out;
  as_store *store = begin();
  ingest_deferred(store, lost.bytes, lost.size);
  plan_fault_only(FAULT_ERROR, -EIO, 0);
  CHECK_INT(as_store_sync(store), -EIO);
  CHECK(plan_sync, "another call failed");
  CHECK_INT(as_store_sync(store), -EIO);
  model_check(store, &lost);
  CHECK_INT(try_ingest(store, further.bytes, further.size, NULL, &out), 0); /* nothing before it can be in doubt */
  as_store_close(store);
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  plan_fault_only(FAULT_NONE, 0, 0);
  store = open_faulty(0);
  model_put(store, &lost);
  check_read(store, further.digests.blake3, further.bytes, further.size);
  as_store_close(store);
  model_free(&lost, 1);
  model_free(&further, 1);
}

/* ---- each call of a session fails ---- */

enum { SESSION = 14 };
static model_object session[SESSION];
static int taken[SESSION]; /* deferred without an error */

/* Each returns how many calls returned an error. */
static int defer_some(as_store *store, size_t from, size_t to) {
  as_ingested out;
  int errors = 0;
  for (size_t i = from; i < to; i++) {
    int error = try_ingest_as(store, session[i].bytes, session[i].size, NULL, 1, &out);
    CHECK(!error || plan_struck, "%s", as_error_detail());
    session[i].state = MODEL_UNKNOWN;
    taken[i] = !error;
    errors += error != 0;
  }
  return errors;
}

/* What was taken before a sync that succeeds is there, whatever has failed before. */
static int sync_some(as_store *store, size_t from, size_t to) {
  int error = as_store_sync(store);
  CHECK(!error || plan_struck, "%s", as_error_detail());
  for (size_t i = from; i < to && !error; i++) {
    session[i].state = taken[i] ? MODEL_PRESENT : MODEL_UNKNOWN;
  }
  if (!error) {
    ledger_check();
  }
  return error != 0;
}

static int run_session(void) {
  as_store *store;
  as_ingested out;
  uint64_t freed;
  int removed;
  if (as_store_open_on(&faulty, fixture_store, 0, &store)) {
    return 1;
  }
  store->packs->segment_size_max = 60 * 1024;
  int errors = defer_some(store, 0, 6);
  errors += sync_some(store, 0, 6);
  errors += defer_some(store, 6, 9);
  int error = try_ingest(store, session[9].bytes, session[9].size, NULL, &out);
  session[9].state = error ? MODEL_UNKNOWN : MODEL_PRESENT;
  errors += error != 0;
  errors += defer_some(store, 10, 12);
  error = as_store_remove(store, session[10].digests.blake3, &removed, &freed);
  session[10].state = error ? MODEL_UNKNOWN : MODEL_ABSENT;
  errors += error != 0;
  errors += defer_some(store, 12, SESSION);
  errors += sync_some(store, 11, SESSION);
  as_store_close(store);
  return errors;
}

static void check_session(void) {
  for (unsigned flags = AS_OPEN_READ_ONLY;; flags = 0) {
    as_store *store = open_faulty(flags);
    model_check_all(store, session, SESSION);
    for (size_t i = 0; !flags && i < SESSION; i++) {
      ingest(store, session[i].bytes, session[i].size);
      check_read(store, session[i].digests.blake3, session[i].bytes, session[i].size);
    }
    as_store_close(store);
    if (!flags) {
      return;
    }
  }
}

static void test_every_call(fault kind, int error) {
  int struck = 1, calls = 0;
  for (; struck; calls += fault_step()) {
    as_store_close(begin());
    for (size_t i = 0; i < SESSION; i++) {
      session[i].state = MODEL_ABSENT;
    }
    plan_fault(kind, error, calls);
    int errors = run_session();
    struck = plan_struck;
    CHECK(errors || !plan_sync, "call %d: a failed sync was not reported", calls);
    plan_fault_only(FAULT_NONE, 0, 0);
    check_session();
  }
  CHECK(calls > 100, "only %d calls", calls);
}

/* ---- after a crash ---- */

/* Of commits that waited for the same sync, one that is damaged costs what it says and nothing else, whichever it is. */
static void test_damaged_after_a_crash(void) {
  enum { COUNT = 6 };
  for (size_t which = 0; which < COUNT; which++) {
    model_object objects[COUNT];
    as_store *store = begin();
    for (size_t i = 0; i < COUNT; i++) {
      objects[i] = model_make(2000 + 9000 * (i % 3), 400 + i);
      ingest_deferred(store, objects[i].bytes, objects[i].size);
      objects[i].state = MODEL_PRESENT;
    }
    place at = place_of(store, objects[which].digests.blake3);
    as_store_close(store);
    flip(at.file, at.at + at.size / 2, 3);
    for (int opened = 0; opened < 3; opened++) {
      store = open_faulty(opened ? 0 : AS_OPEN_READ_ONLY);
      for (size_t i = 0; i < COUNT; i++) {
        if (i == which) {
          CHECK_INT(status_of(store, &objects[i]), AS_E_CORRUPT);
        } else {
          model_check(store, &objects[i]);
        }
      }
      as_store_close(store);
    }
    store = open_faulty(0);
    CHECK(ingest_deferred(store, objects[which].bytes, objects[which].size).healed, "the same bytes heal it");
    as_store_close(store);
    store = open_faulty(0);
    model_check_all(store, objects, COUNT);
    as_store_close(store);
    model_free(objects, COUNT);
  }
}

static void test_all(void) {
  test_packed();
  test_durable_calls();
  test_large();
  test_closing_syncs();
  test_packed_limit();
  test_large_limits();
  test_sealing_syncs();
  test_failed_sync(0);
  test_failed_sync_of_large();
  test_damaged_after_a_crash();
}

int main(void) {
  fixture_begin_in_memory();
  for (size_t i = 0; i < SESSION; i++) {
    session[i] = model_make(i % 5 == 1 ? LARGE + i : i % 5 == 2 ? 20000 + i : 70 * i, 500 + i);
  }
  test_all();
  test_failed_sync(1);
  test_every_call(FAULT_ERROR, -EIO);
  test_every_call(FAULT_DEAD, -EIO);
  plan_half = 1;
  test_every_call(FAULT_ERROR, -ENOSPC);
  plan_half = 0;
  faulty.open = f_open; /* direct writes, and a thread that writes ahead */
  test_all();
  test_every_call(FAULT_ERROR, -EIO);
  faulty.open = f_open_named;
  test_large();
  test_failed_sync_of_large();
  model_free(session, SESSION);
  fixture_clean();
  return 0;
}
