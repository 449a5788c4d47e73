/*
 * Faults while segments fill, are sealed and merged: each call of a session fails once in turn, then the session goes on
 * with further commits. Whatever was acknowledged, before the fault and after, is there when the store is opened again.
 * May include: store_faulty.h, store_model.h. Run by: CTest.
 */
#include "store_faulty.h"
#include "store_model.h"

enum { OBJECTS = 40, SEGMENT = 20 * 1024, RUNS = 3 };

static model_object objects[OBJECTS];

/* Every fourth is too large for the rest of most segments, and those behind it are not: were a segment whose sealing
 * failed to go on, they would go there. */
static void make_objects(void) {
  for (size_t i = 0; i < OBJECTS; i++) {
    objects[i] = model_make(i % 4 == 3 ? 9000 + i : 100 + i, 300 + i);
  }
}

static void put_one(as_store *store, model_object *object) {
  as_ingested out;
  int error = try_ingest(store, object->bytes, object->size, NULL, &out);
  CHECK(!error || plan_struck, "%s", as_error_detail());
  object->state = error ? MODEL_UNKNOWN : MODEL_PRESENT;
  ledger_check();
}

static void remove_one(as_store *store, model_object *object) {
  uint64_t freed;
  int removed, error;
  if (object->size % 2) {
    as_store_erase_many(store, object->digests.blake3, 1, &removed, &freed, &error);
  } else {
    error = as_store_remove(store, object->digests.blake3, &removed, &freed);
  }
  CHECK(!error || plan_struck, "%s", as_error_detail());
  object->state = error ? MODEL_UNKNOWN : MODEL_ABSENT;
}

/* Returns whether the store could be opened at all. */
static int run_session(void) {
  as_store *store;
  if (as_store_open_on(&faulty, fixture_store, 0, &store) != 0) {
    return 0;
  }
  store->packs->segment_size_max = SEGMENT;
  store->packs->runs_max = RUNS;
  for (size_t i = 0; i < OBJECTS; i++) {
    put_one(store, &objects[i]);
    if (i % 5 == 4) {
      remove_one(store, &objects[i - 2]);
    }
  }
  as_store_close(store);
  return 1;
}

static void check_afterwards(int at) {
  for (unsigned flags = AS_OPEN_READ_ONLY;; flags = 0) {
    as_store *store;
    int error = as_store_open_on(&faulty, fixture_store, flags, &store);
    CHECK(error == 0, "call %d: %s", at, as_error_detail());
    model_check_all(store, objects, OBJECTS);
    for (size_t i = 0; !flags && i < OBJECTS; i++) {
      ingest(store, objects[i].bytes, objects[i].size);
      check_read(store, objects[i].digests.blake3, objects[i].bytes, objects[i].size);
    }
    as_store_close(store);
    if (!flags) {
      return;
    }
  }
}

static void test_every_call(fault kind, int error) {
  int struck = 1, sealed = 0;
  for (int at = 0; struck; at += fault_step()) {
    as_store *store;
    fixture_remove(fixture_store);
    plan_fault(FAULT_NONE, 0, 0);
    CHECK_INT(as_store_open_on(&faulty, fixture_store, AS_OPEN_CREATE, &store), 0);
    as_store_close(store);
    for (size_t i = 0; i < OBJECTS; i++) {
      objects[i].state = MODEL_ABSENT;
    }
    plan_fault(kind, error, at);
    run_session();
    struck = plan_struck;
    plan_fault_only(FAULT_NONE, 0, 0);
    check_afterwards(at);
    sealed = at;
  }
  CHECK(sealed > 200, "only %d calls", sealed);
}

int main(void) {
  fixture_begin_in_memory();
  make_objects();
  test_every_call(FAULT_ERROR, -EIO);
  test_every_call(FAULT_DEAD, -EIO);
  plan_half = 1;
  test_every_call(FAULT_ERROR, -ENOSPC);
  faulty.open = f_open; /* direct writes, and a thread that writes ahead */
  test_every_call(FAULT_ERROR, -ENOSPC);
  model_free(objects, OBJECTS);
  fixture_clean();
  return 0;
}
