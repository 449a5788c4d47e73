/*
 * Many threads on one store: the same objects and their own, ingested, read, verified and removed at the same time.
 * What a thread does with its own objects has exactly one right answer; of shared ones, each answer must be whole.
 * May include: store_fixture.h. Run by: CTest; under ThreadSanitizer in CI.
 */
#include <pthread.h>

#include "store_fixture.h"

enum { THREADS = 6, OBJECTS = 10, STEPS = 250, RACE_STEPS = 1500 };

static const size_t SIZES[OBJECTS] = {0, 10, 3000, 16384, 16385, 33000, 50000, 65536, 100000, 190000};

typedef struct object {
  uint8_t *bytes;
  size_t size;
  as_digests digests;
  int present; /* of a thread's own objects */
} object;

static as_store *store;
static object shared[OBJECTS];

static void make_objects(object *out, uint64_t seed) {
  for (int i = 0; i < OBJECTS; i++) {
    size_t size = SIZES[i] + (seed ? seed : 0); /* own objects differ in size too, so the empty one is shared only */
    out[i] = (object){.bytes = make_bytes(size, seed * 1000 + (uint64_t)i), .size = size};
    as_span span = {out[i].bytes, size};
    as_dual_many(&span, 1, &out[i].digests);
  }
}

static void free_objects(object *objects) {
  for (int i = 0; i < OBJECTS; i++) {
    free(objects[i].bytes);
  }
}

/* Commits an own object, twice in one batch, and a shared one. */
static void ingest_both(object *own, const object *other) {
  const object *batch[3] = {own, other, own};
  as_ingest *handles[3];
  as_ingested out[3];
  int status[3];
  for (int i = 0; i < 3; i++) {
    CHECK_INT(as_ingest_begin(store, &handles[i]), 0);
    CHECK_INT(as_ingest_append(handles[i], batch[i]->bytes, batch[i]->size), 0);
  }
  as_ingest_commit(store, handles, NULL, 3, out, status);
  for (int i = 0; i < 3; i++) {
    CHECK(status[i] == 0, "%s: %s", as_error_name(status[i]), as_error_detail());
    CHECK_BYTES(out[i].digests.blake3, batch[i]->digests.blake3, AS_DIGEST_SIZE, "digest");
    CHECK(!out[i].healed, "healed what was never damaged");
  }
  CHECK_INT(out[0].existed, own->present);
  CHECK_INT(out[2].existed, 1);
  own->present = 1;
}

static void remove_one(object *own, int is_own) {
  int removed;
  uint64_t freed;
  int error = as_store_remove(store, own->digests.blake3, &removed, &freed);
  CHECK(error == 0, "%s", as_error_detail());
  if (is_own) {
    CHECK_INT(removed, own->present);
    own->present = 0;
  }
}

/* Only what may have been removed by another thread, or has been by this one, may be missing. */
static void check_found(int error, const object *of, int is_own) {
  int may_be_missing = !is_own || !of->present;
  CHECK(error == 0 || (error == AS_E_MISSING && may_be_missing), "%s: %s", as_error_name(error), as_error_detail());
}

static void read_one(const object *of, int is_own) {
  as_range bad;
  int error = try_read(store, of->digests.blake3, of->bytes, of->size, 4 * AS_GROUP_SIZE, &bad);
  check_found(error, of, is_own);
  CHECK(error || !is_own || of->present, "read what was removed");
}

static void verify_one(const object *of, int is_own) {
  as_range bad;
  as_verified out;
  int error = try_verify(store, of->digests.blake3, &out, &bad, 1);
  check_found(error, of, is_own);
  CHECK(error || (out.intact && !out.outboard_repaired), "intact %d repaired %d", out.intact, out.outboard_repaired);
}

static void stat_one(const object *of, int is_own) {
  uint64_t size;
  int error = as_store_stat(store, of->digests.blake3, &size);
  check_found(error, of, is_own);
  CHECK(error || size == of->size, "size %llu", (unsigned long long)size);
}

static void *work(void *context) {
  uint64_t random = (uint64_t)(uintptr_t)context;
  object own[OBJECTS];
  make_objects(own, random);
  for (int step = 0; step < STEPS; step++) {
    object *mine = &own[next_random(&random) % OBJECTS], *other = &shared[next_random(&random) % OBJECTS];
    int is_own = next_random(&random) % 2;
    object *one = is_own ? mine : other;
    switch (next_random(&random) % 8) {
      case 0:
      case 1:
      case 2:
        ingest_both(mine, other);
        break;
      case 3:
        remove_one(one, is_own);
        break;
      case 4:
        verify_one(one, is_own);
        break;
      case 5:
        stat_one(one, is_own);
        break;
      default:
        read_one(one, is_own);
    }
  }
  for (int i = 0; i < OBJECTS; i++) {
    read_one(&own[i], 1);
    remove_one(&own[i], 1);
  }
  free_objects(own);
  return NULL;
}

/* One object, as fast as it goes: its files must never be seen, or left, half changed. */
static void *race(void *context) {
  uint64_t random = (uint64_t)(uintptr_t)context;
  object *one = &shared[5];
  as_ingested out;
  for (int step = 0; step < RACE_STEPS; step++) {
    switch (next_random(&random) % 4) {
      case 0:
        remove_one(one, 0);
        break;
      case 1:
        read_one(one, 0);
        break;
      case 2:
        stat_one(one, 0);
        break;
      default:
        CHECK_INT(try_ingest(store, one->bytes, one->size, NULL, &out), 0);
        CHECK(!out.healed, "step %d healed what was never damaged", step);
    }
  }
  return NULL;
}

static void run_threads(void *(*body)(void *context)) {
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, body, (void *)(i + 1)) == 0, "thread");
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
}

static int visit_folder(void *context, const char *folder) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", fixture_file("objects"), folder);
  *(int *)context += count_entries(path);
  return 0;
}

static void check_nothing_left(void) {
  int left = 0;
  for (int i = 0; i < OBJECTS; i++) {
    verify_one(&shared[i], 0);
    remove_one(&shared[i], 0);
  }
  CHECK_INT(as_io_posix()->list(as_io_posix(), AT_FDCWD, fixture_file("objects"), visit_folder, &left), 0);
  CHECK_INT(left, 0);
  CHECK_INT(count_entries(fixture_file("staging")), 0);
}

int main(void) {
  make_objects(shared, 0);
  fixture_begin();
  store = open_store(AS_OPEN_CREATE);
  run_threads(work);
  check_nothing_left();
  as_store_close(store);
  fixture_clean();
  fixture_begin_in_memory(); /* where syncs take no time, the races are closest */
  store = open_store(AS_OPEN_CREATE);
  run_threads(race);
  check_nothing_left();
  as_store_close(store);
  fixture_clean();
  free_objects(shared);
  return 0;
}
