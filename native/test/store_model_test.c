/*
 * Many threads do at random what a store can do, each answer compared with a model that knows the one right answer:
 * an object is changed by one thread at a time, and the store is opened again now and then while nobody uses it. Runs for
 * AS_MODEL_SECONDS seconds, 8 unless the environment says otherwise.
 * May include: store_model.h. Run by: CTest; under ThreadSanitizer in CI.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "store_model.h"

enum { THREADS = 6, OBJECTS = 160, SEGMENT = 1024 * 1024, RUNS = 5 };

static const size_t MOST[] = {100, 4096, 16384, 16385, 40000, 256 * 1024, 256 * 1024 + 1, 400000};
enum { CLASSES = sizeof MOST / sizeof *MOST };

static as_store *store;
static pthread_rwlock_t opened = PTHREAD_RWLOCK_INITIALIZER; /* held to read while the store is used */
static model_object objects[OBJECTS];
static pthread_mutex_t locks[OBJECTS];
static time_t deadline;
static atomic_ulong steps, compacted;

static void make_objects(void) {
  uint64_t random = 7;
  for (size_t i = 0; i < OBJECTS; i++) {
    size_t most = MOST[i % CLASSES];
    size_t size = i < 2 * CLASSES ? most - (i >= CLASSES) : (size_t)(next_random(&random) % most) + 9;
    objects[i] = model_make(size, i + 1);
    pthread_mutex_init(&locks[i], NULL);
  }
}

/* A large object that is deferred is there when the store has been synced, a small one before. */
static void put(model_object *one, int deferred) {
  as_ingested out = ingest_as(store, one->bytes, one->size, deferred);
  if (out.deferred && one->size > AS_PACK_OBJECT_MAX) {
    CHECK_INT(as_store_sync(store), 0);
  }
  CHECK(out.existed == (one->state == MODEL_PRESENT) && !out.healed, "existed %d healed %d", out.existed, out.healed);
  one->state = MODEL_PRESENT;
}

static void take_away(model_object *one) {
  uint64_t freed;
  int removed, error = as_store_remove(store, one->digests.blake3, &removed, &freed);
  CHECK(error == 0 && removed == (one->state == MODEL_PRESENT), "removed %d: %s", removed, as_error_detail());
  one->state = MODEL_ABSENT;
}

static void verify_one(const model_object *one) {
  as_range bad;
  as_verified out = {.intact = 0};
  int error = try_verify(store, one->digests.blake3, &out, &bad, 1);
  CHECK_INT(error, one->state == MODEL_PRESENT ? 0 : AS_E_MISSING);
  CHECK(error || (out.intact && !out.outboard_repaired), "intact %d repaired %d", out.intact, out.outboard_repaired);
}

/* Marked as damaged it counts as absent; the same bytes heal it, or a verification that finds them whole; so does
 * compaction, which may have moved it before it was marked, or may do so now. */
static void mark_and_heal(model_object *one, int by_verifying) {
  as_range bad;
  if (one->state != MODEL_PRESENT) {
    return;
  }
  set_mark(store, one->digests.blake3, 1);
  int error = try_read(store, one->digests.blake3, one->bytes, one->size, AS_GROUP_SIZE, &bad);
  CHECK(error == AS_E_CORRUPT || (error == 0 && one->size <= AS_PACK_OBJECT_MAX), "%s", as_error_name(error));
  if (by_verifying) {
    check_intact(store, one->digests.blake3);
  } else {
    as_ingested out = ingest(store, one->bytes, one->size);
    CHECK(out.healed || (out.existed && one->size <= AS_PACK_OBJECT_MAX), "healed %d", out.healed);
  }
}

/* A range from anywhere. */
static void read_range(const model_object *one, uint64_t *random) {
  static __thread uint8_t buffer[4 * AS_GROUP_SIZE];
  as_reader *reader;
  as_range bad;
  uint64_t size, offset = next_random(random) % (one->size + 1);
  size_t skip, count;
  int error = as_reader_open(store, one->digests.blake3, &reader, &size);
  CHECK_INT(error, one->state == MODEL_PRESENT ? 0 : AS_E_MISSING);
  if (!error) {
    error = as_reader_read(reader, offset, buffer, sizeof buffer, &skip, &count, &bad);
    CHECK(error == 0 && (count > 0 || offset == size), "%s", as_error_detail());
    CHECK_BYTES(buffer + skip, one->bytes + offset, count, "at %llu", (unsigned long long)offset);
    as_reader_close(reader);
  }
}

static uint64_t last_segment(void) {
  as_segment_id id = {.number = 0};
  while (as_segments_next(as_store_segments(store), id.number + 1, &id)) {
  }
  return id.number;
}

/* One step, at any segment, beside everything else and beside other steps. */
static void compact(uint64_t *random) {
  as_compacted out;
  if (next_random(random) % 4 == 0) {
    int error = as_store_compact(store, next_random(random) % (last_segment() + 2), 90, &out);
    CHECK(error == 0, "compact: %s", as_error_detail());
    compacted += out.removed;
  }
}

static void do_something(model_object *one, uint64_t *random) {
  unsigned verb = (unsigned)(next_random(random) % 16);
  steps++;
  switch (verb) {
    case 0: case 1: case 2: case 3: case 4: case 5: put(one, verb < 3); break;
    case 6: case 7: case 8: take_away(one); break;
    case 9: mark_and_heal(one, (int)(next_random(random) % 2)); break;
    case 10: verify_one(one); break;
    case 11: compact(random); break;
    case 12: read_range(one, random); break;
    default: model_check(store, one);
  }
}

/* Everybody else waits. */
static void reopen(void) {
  pthread_rwlock_wrlock(&opened);
  as_store_close(store);
  store = open_small(as_io_posix(), 0, SEGMENT, RUNS);
  pthread_rwlock_unlock(&opened);
}

static void *work(void *context) {
  uint64_t random = (uint64_t)(uintptr_t)context * 1000003;
  for (unsigned long step = 0; time(NULL) < deadline; step++) {
    size_t which = next_random(&random) % OBJECTS;
    if (next_random(&random) % 3000 == 0) {
      reopen();
    }
    pthread_rwlock_rdlock(&opened);
    pthread_mutex_lock(&locks[which]);
    do_something(&objects[which], &random);
    pthread_mutex_unlock(&locks[which]);
    pthread_rwlock_unlock(&opened);
  }
  return NULL;
}

int main(void) {
  const char *seconds = getenv("AS_MODEL_SECONDS");
  pthread_t threads[THREADS];
  deadline = time(NULL) + (seconds ? atol(seconds) : 8);
  fixture_begin();
  make_objects();
  store = open_small(as_io_posix(), AS_OPEN_CREATE, SEGMENT, RUNS);
  for (uintptr_t i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0, "thread");
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  printf("%lu steps, %lu segments compacted away, %zu left\n", (unsigned long)steps, (unsigned long)compacted, as_segments_count(as_store_segments(store)));
  for (int reopened = 0; reopened < 2; reopened++) {
    model_check_all(store, objects, OBJECTS);
    as_store_close(store);
    store = open_store(reopened ? 0 : AS_OPEN_READ_ONLY);
  }
  as_store_close(store);
  CHECK(compacted > 0, "no segment was compacted away");
  CHECK(steps > 100, "only %lu steps", (unsigned long)steps);
  model_free(objects, OBJECTS);
  fixture_clean();
  return 0;
}
