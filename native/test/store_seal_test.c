/*
 * Sealing by a thread: commits, deletions and lookups go on meanwhile, a store may be closed at any moment, and what the thread could not write is
 * written by the next seal.
 * May include: store_model.h. Run by: CTest; under ThreadSanitizer in CI.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "store_model.h"

enum { OBJECTS = 300, SEGMENT = 24 * 1024, RUNS = 4 };

static as_store *store;
static model_object objects[OBJECTS];

static void make_objects(void) {
  uint64_t random = 5;
  model_free(objects, OBJECTS); /* of the test before */
  for (size_t i = 0; i < OBJECTS; i++) {
    objects[i] = model_make((size_t)(next_random(&random) % 3000) + 4, i + 1);
  }
}

static void open_beside(const as_io *io, unsigned flags) {
  store = open_small(io, flags, SEGMENT, RUNS);
  store->packs->seal_beside_from = 1;
}

/* Runs that are no file yet. */
static size_t tables(void) {
  size_t count = 0;
  pthread_rwlock_rdlock(&store->packs->lock);
  for (size_t i = 0; i < store->packs->run_count; i++) {
    count += store->packs->runs[i].index == NULL;
  }
  pthread_rwlock_unlock(&store->packs->lock);
  return count;
}

/* How many runs there are; a thread may be putting one. */
static size_t runs(void) {
  pthread_rwlock_rdlock(&store->packs->lock);
  size_t count = store->packs->run_count;
  pthread_rwlock_unlock(&store->packs->lock);
  return count;
}

/* ---- an engine whose writes by other threads are held up, or fail ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_t session_thread;
static int held;     /* a write of another thread, until it is released */
static int released;
static atomic_int failure; /* of every write by another thread */

static int open_buffered(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  (void)io; /* with direct I/O zeros would be written ahead, by another thread too */
  int direct = (flags & O_TMPFILE) != O_TMPFILE && (flags & O_DIRECT);
  return direct ? -EINVAL : as_io_posix()->open(as_io_posix(), directory, path, flags, mode);
}

static ssize_t held_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  (void)io;
  if (!pthread_equal(pthread_self(), session_thread)) {
    if (failure) {
      return failure;
    }
    pthread_mutex_lock(&mutex);
    held = 1;
    pthread_cond_broadcast(&changed);
    while (!released) {
      pthread_cond_wait(&changed, &mutex);
    }
    pthread_mutex_unlock(&mutex);
  }
  return as_io_posix()->write(as_io_posix(), fd, bytes, size, offset);
}

static as_io other_writes;

static void begin_store(void) {
  session_thread = pthread_self();
  held = released = 0;
  failure = 0;
  other_writes = *as_io_posix();
  other_writes.write = held_write;
  other_writes.open = open_buffered;
  fixture_remove(fixture_store);
  make_objects();
  open_beside(&other_writes, AS_OPEN_CREATE);
}

static size_t fill_until_sealing(void) {
  size_t count = 0;
  while (!store->packs->sealing.running) {
    CHECK(count < OBJECTS, "nothing is sealed");
    model_put(store, &objects[count++]);
  }
  return count;
}

static void release(void) {
  pthread_mutex_lock(&mutex);
  released = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

/* ---- tests ---- */

/* What was sealed is found and can be deleted while its index is not written, and the next segment is sealed without waiting for it. */
static void test_beside_commits(void) {
  begin_store();
  size_t count = fill_until_sealing();
  pthread_mutex_lock(&mutex);
  while (!held) {
    pthread_cond_wait(&changed, &mutex);
  }
  pthread_mutex_unlock(&mutex);
  CHECK_INT(tables(), 1);
  model_check_all(store, objects, count);
  model_remove(store, &objects[0]);
  while (runs() < 3) { /* sealed by this thread, since the other is at work */
    model_put(store, &objects[count++]);
  }
  model_check_all(store, objects, count);
  CHECK_INT(tables(), 1);
  CHECK_INT(index_files(), 2);
  release();
  as_packs_end_sealing(store);
  CHECK_INT(tables(), 0);
  CHECK_INT(index_files(), 3);
  model_check_all(store, objects, count);
  as_store_close(store);
  store = open_small(as_io_posix(), AS_OPEN_READ_ONLY, SEGMENT, RUNS);
  model_check_all(store, objects, count);
  as_store_close(store);
}

/* What the thread could not write stays found, and the next seal writes it. */
static void test_failure(void) {
  begin_store();
  failure = -ENOSPC;
  size_t count = fill_until_sealing();
  as_packs_end_sealing(store);
  CHECK_INT(store->packs->sealing.error, -ENOSPC);
  CHECK_INT(tables(), 1);
  CHECK_INT(index_files(), 0);
  model_check_all(store, objects, count);
  failure = 0;
  release();
  while (runs() < 2) {
    model_put(store, &objects[count++]);
  }
  as_packs_end_sealing(store);
  CHECK_INT(tables(), 0);
  CHECK_INT(index_files(), 2);
  model_check_all(store, objects, count);
  as_store_close(store);
  store = open_small(as_io_posix(), AS_OPEN_READ_ONLY, SEGMENT, RUNS);
  model_check_all(store, objects, count);
  as_store_close(store);
}

/* Opened, filled and closed while threads seal and merge, with deletions in between. */
static void test_closing_meanwhile(void) {
  uint64_t random = 17;
  fixture_remove(fixture_store);
  make_objects();
  open_beside(as_io_posix(), AS_OPEN_CREATE);
  for (size_t i = 0; i < OBJECTS; i++) {
    model_put(store, &objects[i]);
    model_object *other = &objects[next_random(&random) % (i + 1)];
    if (i % 3 == 1 && other->state == MODEL_PRESENT) {
      model_remove(store, other);
    } else if (i % 3 == 2 && other->state == MODEL_ABSENT) {
      model_put(store, other);
    }
    if (next_random(&random) % 7 == 0) {
      as_store_close(store);
      open_beside(as_io_posix(), 0);
      model_check_all(store, objects, i + 1);
    }
  }
  model_check_all(store, objects, OBJECTS);
  as_store_close(store);
}

int main(void) {
  fixture_begin_in_memory();
  test_beside_commits();
  test_failure();
  test_closing_meanwhile();
  model_free(objects, OBJECTS);
  fixture_clean();
  return 0;
}
