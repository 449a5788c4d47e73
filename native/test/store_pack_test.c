/*
 * Packs as a whole: group commit, duplicates, sealing and merging, opening at every stage, damage to indexes, heads and
 * slots, deletion beside reading, marks. What a power cut leaves of the last commit is in store_torn_test, failing calls
 * are in store_pack_fault_test, the formats by themselves in pack_*_test.
 * May include: store_model.h, store/pack_scan.h. Run by: CTest; under ThreadSanitizer in CI.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "store_model.h"

enum { THREADS = 8, EACH = 60, SHARED = 40, OBJECTS = 420, SEGMENT = 24 * 1024, RUNS = 6 };

/* ---- an engine without direct I/O whose syncs take as long as a disk's ---- */

static int open_buffered(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  (void)io;
  int direct = (flags & O_TMPFILE) != O_TMPFILE && (flags & O_DIRECT);
  return direct ? -EINVAL : as_io_posix()->open(as_io_posix(), directory, path, flags, mode);
}

static int slow_sync(const as_io *io, int fd) {
  (void)io, (void)fd;
  nanosleep(&(struct timespec){0, 300000}, NULL);
  return 0;
}

static int keep_blocks(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  return (void)io, (void)fd, (void)offset, (void)size, -EOPNOTSUPP;
}

static as_store *store;

/* ---- group commit ---- */

static model_object own[THREADS][EACH], shared[SHARED];
static atomic_int shared_new[SHARED];

static void *put_own(void *context) {
  size_t thread = (size_t)(uintptr_t)context;
  for (int i = 0; i < EACH; i++) {
    model_put(store, &own[thread][i]);
  }
  return NULL;
}

static void *put_shared(void *context) {
  uint64_t random = (uintptr_t)context;
  for (int i = 0; i < 3 * SHARED; i++) {
    size_t which = i < SHARED ? (size_t)i : next_random(&random) % SHARED;
    as_ingested out = ingest(store, shared[which].bytes, shared[which].size);
    shared_new[which] += !out.existed;
  }
  return NULL;
}

static void run_threads(void *(*body)(void *context)) {
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, body, (void *)i) == 0, "thread");
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
}

static void test_group_commit(const as_io *io) {
  store = open_small(io, AS_OPEN_CREATE, AS_SEGMENT_SIZE_MAX, AS_RUNS_MAX);
  for (size_t thread = 0; thread < THREADS; thread++) {
    for (size_t i = 0; i < EACH; i++) {
      own[thread][i] = model_make(i % 10 == 9 ? 100000 + i : 20 + i * 37, thread * 1000 + i);
    }
  }
  for (size_t i = 0; i < SHARED; i++) {
    shared[i] = model_make(100 + i * 701, 70000 + i);
    shared_new[i] = 0;
  }
  run_threads(put_own);
  uint64_t commits = store->packs->writer.sequence;
  CHECK(io == as_io_posix() || commits <= THREADS * EACH / 2, "%llu commits for %d objects of %d threads",
        (unsigned long long)commits, THREADS * EACH, THREADS);
  run_threads(put_shared);
  for (int reopened = 0; reopened < 2; reopened++) {
    for (int thread = 0; thread < THREADS; thread++) {
      model_check_all(store, own[thread], EACH);
    }
    for (int i = 0; i < SHARED; i++) {
      CHECK(shared_new[i] == 1, "%d threads were told that the object is new", shared_new[i]);
      check_read(store, shared[i].digests.blake3, shared[i].bytes, shared[i].size);
    }
    as_store_close(store);
    store = open_store(reopened ? AS_OPEN_READ_ONLY : 0);
  }
  as_store_close(store);
  for (int thread = 0; thread < THREADS; thread++) {
    model_free(own[thread], EACH);
  }
  model_free(shared, SHARED);
  fixture_remove(fixture_store);
}

static int count_record(void *context, uint64_t sequence, const as_record *record) {
  (void)sequence;
  *(int *)context += record->kind == AS_RECORD_OBJECT;
  return 0;
}

static int object_records(void) {
  int count = 0;
  as_segment_id id;
  for (uint64_t at = 1; as_segments_next(as_store_segments(store), at, &id); at = id.number + 1) {
    as_segment *segment;
    as_scan seen;
    CHECK_INT(as_segment_pin(store, id.number, &segment), 0);
    CHECK_INT(as_segment_scan(as_io_posix(), segment->fd, &id, 1u << 30, &seen, count_record, &count), 0);
    as_segment_unpin(store, segment);
  }
  return count;
}

static void test_duplicates(void) {
  enum { COUNT = 200, DISTINCT = 7 };
  store = open_store(AS_OPEN_CREATE);
  model_object batch[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    batch[i] = model_make((i % DISTINCT) * 5000, i % DISTINCT);
  }
  model_put_batch(store, batch, COUNT);
  CHECK_INT(object_records(), DISTINCT);
  model_put_batch(store, batch, COUNT);
  CHECK_INT(object_records(), DISTINCT);
  remove_object(store, batch[3].digests.blake3);
  model_put_batch(store, batch, COUNT);
  CHECK_INT(object_records(), DISTINCT + 1);
  as_store_close(store);
  model_free(batch, COUNT);
  fixture_remove(fixture_store);
}

/* ---- sealing, merging, opening ---- */

static model_object objects[OBJECTS];

/* The same each time, none of them stored yet. */
static void make_objects(void) {
  model_free(objects, OBJECTS); /* of the test before */
  static const size_t most[] = {100, 3000, 3000, 9000, 40000};
  uint64_t random = 5;
  for (size_t i = 0; i < OBJECTS; i++) {
    objects[i] = model_make((size_t)(next_random(&random) % most[i % 5]) + 4, i + 1);
  }
}

/* Has runs merged until there are few; nobody else is committing. */
static void settle_runs(void) {
  as_packs_end_merge(store);
  as_packs_merge(store);
  as_packs_end_merge(store);
}

/* Fills a store of hundreds of segments, with deletions and marks, closing and opening it all the while. */
static void fill_small_segments(const as_io *io) {
  uint64_t random = 17;
  store = open_small(io, AS_OPEN_CREATE, SEGMENT, RUNS);
  make_objects();
  for (size_t i = 0; i < OBJECTS; i++) {
    model_put(store, &objects[i]);
    model_object *other = &objects[next_random(&random) % (i + 1)];
    if (i % 4 == 1 && other->state == MODEL_PRESENT) {
      model_remove(store, other);
    } else if (i % 4 == 2 && other->state == MODEL_PRESENT) { /* marked, and healed at once or found whole */
      set_mark(store, other->digests.blake3, 1);
      if (i % 8 == 2) {
        CHECK(ingest(store, other->bytes, other->size).healed, "healed");
      } else {
        check_intact(store, other->digests.blake3);
      }
    } else if (i % 4 == 3 && other->state == MODEL_ABSENT) {
      model_put(store, other);
    }
    if (i % 13 == 12) {
      as_store_close(store);
      store = open_small(io, i % 26 == 12 ? 0 : AS_OPEN_CREATE, SEGMENT, RUNS);
      model_check_all(store, objects, OBJECTS);
    }
    settle_runs();
    CHECK(store->packs->run_count <= RUNS, "%zu runs", store->packs->run_count);
  }
  model_check_all(store, objects, OBJECTS);
}

static void test_sealing(const as_io *io) {
  fill_small_segments(io);
  size_t segments = as_segments_count(as_store_segments(store));
  CHECK(segments > 80, "%zu segments", segments);
  as_store_close(store);
  CHECK(index_files() <= RUNS, "%d index files", index_files());
  store = open_store(AS_OPEN_READ_ONLY);
  model_check_all(store, objects, OBJECTS);
  as_store_close(store);
}

/* ---- merging beside commits ---- */

static pthread_mutex_t held_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t held_changed = PTHREAD_COND_INITIALIZER;
static pthread_t session_thread;
static int held;     /* a write of another thread, until it is released */
static int released;
static as_io holding;

static ssize_t held_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  if (!pthread_equal(pthread_self(), session_thread)) {
    pthread_mutex_lock(&held_mutex);
    held = 1;
    pthread_cond_broadcast(&held_changed);
    while (!released) {
      pthread_cond_wait(&held_changed, &held_mutex);
    }
    pthread_mutex_unlock(&held_mutex);
  }
  return (void)io, as_io_posix()->write(as_io_posix(), fd, bytes, size, offset);
}

/* Fills segments until a merge has begun, which is held at its first write. Returns how many objects are stored. */
static size_t fill_until_merging(void) {
  session_thread = pthread_self();
  held = released = 0;
  holding = *as_io_posix();
  holding.write = held_write;
  holding.open = open_buffered; /* or zeros would be written ahead, by another thread too */
  fixture_remove(fixture_store);
  store = open_small(&holding, AS_OPEN_CREATE, SEGMENT, RUNS);
  make_objects();
  size_t count = 0;
  while (!store->packs->merging.running) {
    CHECK(count < OBJECTS, "nothing is merged");
    model_put(store, &objects[count++]);
  }
  pthread_mutex_lock(&held_mutex);
  while (!held) {
    pthread_cond_wait(&held_changed, &held_mutex);
  }
  pthread_mutex_unlock(&held_mutex);
  return count;
}

static void release(void) {
  pthread_mutex_lock(&held_mutex);
  released = 1;
  pthread_cond_broadcast(&held_changed);
  pthread_mutex_unlock(&held_mutex);
}

static int release_and_cancel(as_store *of, void *context) {
  (void)context;
  release();
  as_packs_cancel_merge(of->packs);
  return 0;
}

/* Commits, seals and deletions go on while a merge is held up, which would never end if they waited for it. */
static void test_merge_beside_commits(void) {
  size_t count = fill_until_merging();
  model_remove(store, &objects[0]);
  size_t more = count + 40 < OBJECTS ? count + 40 : OBJECTS;
  for (; count < more; count++) {
    model_put(store, &objects[count]);
  }
  size_t before = store->packs->run_count;
  CHECK(before > RUNS, "%zu runs", before);
  release();
  as_packs_end_merge(store);
  CHECK(store->packs->run_count == before - RUNS + 1, "%zu of %zu runs", store->packs->run_count, before);
  model_check_all(store, objects, count);
  as_store_close(store);
  store = open_store(AS_OPEN_READ_ONLY);
  model_check_all(store, objects, count);
  as_store_close(store);
}

/* One that is not wanted any more changes nothing, and leaves no file. */
static void test_cancelled_merge(void) {
  size_t count = fill_until_merging();
  size_t runs = store->packs->run_count;
  int files = index_files();
  CHECK_INT(as_packs_exclusively(store, release_and_cancel, NULL), 0);
  as_packs_end_merge(store);
  CHECK_INT(store->packs->run_count, runs);
  CHECK_INT(index_files(), files);
  model_check_all(store, objects, count);
  as_store_close(store);
}

/* ---- damage, by which no answer may become wrong ---- */

typedef struct name_choice {
  uint64_t left;
  const char *ending;
  char name[64];
} name_choice;

static int choose_name(void *context, const char *name) {
  name_choice *choice = context;
  size_t size = strlen(name), least = strlen(choice->ending);
  if (size > least && strcmp(name + size - least, choice->ending) == 0 && choice->left-- == 0) {
    snprintf(choice->name, sizeof choice->name, "packs/%s", name);
    return 1;
  }
  return 0;
}

/* One of the files in packs/ that end so, or NULL when there are fewer. */
static const char *pack_file(uint64_t which, const char *ending) {
  name_choice choice = {.left = which, .ending = ending};
  int found = as_io_posix()->list(as_io_posix(), AT_FDCWD, fixture_file("packs"), choose_name, &choice);
  return found ? fixture_file(choice.name) : NULL;
}

static const char *random_pack_file(uint64_t *random, const char *ending) {
  uint64_t count = 0;
  while (pack_file(count, ending)) {
    count++;
  }
  CHECK(count > 0, "no file ends in %s", ending);
  return pack_file(next_random(random) % count, ending);
}

static void overwrite(const char *path, uint64_t offset, int byte, size_t size) {
  uint8_t *bytes = malloc(size);
  memset(bytes, byte, size);
  int fd = open_to_damage(path);
  CHECK(pwrite(fd, bytes, size, (off_t)offset) == (ssize_t)size, "%s", path);
  close(fd);
  free(bytes);
}

static void damage_index(uint64_t *random) {
  const char *path = random_pack_file(random, ".idx");
  uint64_t size = file_size(path), at = next_random(random) % size;
  switch (next_random(random) % 5) {
    case 0: resize_file(path, at); break;
    case 1: overwrite(path, at / 4096 * 4096, 0, 4096); break;
    case 2: CHECK(unlink(path) == 0, "%s", path); break;
    default: flip(path, at, at % 8);
  }
}

static void test_damaged_indexes(void) {
  uint64_t random = 23;
  for (int round = 0; round < 120; round++) {
    for (uint64_t i = next_random(&random) % 3 + 1; i > 0 && index_files() > 0; i--) {
      damage_index(&random);
    }
    store = open_small(as_io_posix(), round % 2 ? AS_OPEN_READ_ONLY : 0, SEGMENT, RUNS);
    model_check_all(store, objects, OBJECTS);
    as_store_close(store);
  }
  while (pack_file(0, ".idx")) {
    CHECK(unlink(pack_file(0, ".idx")) == 0, "unlink");
  }
  for (int writes = 0; writes < 2; writes++) {
    store = open_small(as_io_posix(), writes ? 0 : AS_OPEN_READ_ONLY, SEGMENT, RUNS);
    model_check_all(store, objects, OBJECTS);
    as_store_close(store);
  }
  CHECK(index_files() > 0, "indexes are made again");
}

/* An index under the name of another one. */
static void test_misnamed_index(void) {
  char from[512];
  snprintf(from, sizeof from, "%s", pack_file(0, ".idx"));
  CHECK(rename(from, fixture_file("packs/0000000000000001-0000000000000fff.idx")) == 0, "rename");
  for (int writes = 0; writes < 2; writes++) {
    store = open_small(as_io_posix(), writes ? 0 : AS_OPEN_READ_ONLY, SEGMENT, RUNS);
    model_check_all(store, objects, OBJECTS);
    as_store_close(store);
  }
}

/* A segment is known by its own slots when its head block is damaged, also when the first of them is. */
static void test_damaged_heads(void) {
  uint64_t random = 29;
  for (int round = 0; round < 60; round++) {
    const char *path = random_pack_file(&random, ".pack");
    if (file_size(path) <= AS_PACK_BLOCK) {
      continue;
    }
    overwrite(path, 0, (int)next_random(&random) % 256, round % 3 ? AS_PACK_BLOCK : AS_PACK_BLOCK + AS_PACK_SLOT);
    if (round % 2) {
      CHECK(unlink(random_pack_file(&random, ".idx")) == 0, "unlink");
    }
    store = open_small(as_io_posix(), round % 4 == 3 ? AS_OPEN_READ_ONLY : 0, SEGMENT, RUNS);
    model_check_all(store, objects, OBJECTS);
    as_store_close(store);
  }
  for (uint64_t i = 0; pack_file(i, ".pack"); i++) {
    overwrite(pack_file(i, ".pack"), 0, 0, AS_PACK_BLOCK);
  }
  store = open_small(as_io_posix(), 0, SEGMENT, RUNS);
  model_check_all(store, objects, OBJECTS);
  as_store_close(store);
  model_free(objects, OBJECTS);
  fixture_remove(fixture_store);
}

/* One bit of a segment without an index, anywhere: at most one object is lost or damaged, and what is served is right;
 * or one that was deleted is back, and is right or known not to be. */
static void test_bit_flips(void) {
  enum { COUNT = 40 };
  model_object few[COUNT];
  size_t size;
  uint64_t random = 31;
  int noticed = 0, rounds = 1500 / fault_step();
  as_io io = *as_io_posix();
  io.open = open_buffered;
  io.punch = keep_blocks;
  store = open_small(&io, AS_OPEN_CREATE, AS_SEGMENT_SIZE_MAX, AS_RUNS_MAX);
  for (size_t i = 0; i < COUNT; i++) {
    few[i] = model_make(i % 8 == 7 ? 33000 : i * 20, 900 + i);
  }
  model_put_batch(store, few, COUNT / 2);
  for (size_t i = COUNT / 2; i < COUNT; i++) {
    model_put(store, &few[i]);
  }
  model_remove(store, &few[5]);
  model_remove(store, &few[31]);
  as_store_close(store);
  uint8_t *bytes = file_bytes(pack_file(0, ".pack"), &size);
  for (int round = 0; round < rounds; round++) {
    uint64_t at = next_random(&random) % size;
    if (round % 3 == 0) { /* slots are few: aim at them */
      at = AS_PACK_BLOCK + next_random(&random) % ((1 + COUNT / 2) * AS_PACK_SLOT);
    }
    int hit = 0;
    flip(pack_file(0, ".pack"), at, round % 8);
    store = open_small(&io, round % 2 ? AS_OPEN_READ_ONLY : 0, AS_SEGMENT_SIZE_MAX, AS_RUNS_MAX);
    for (size_t i = 0; i < COUNT; i++) {
      model_object any = few[i];
      any.state = MODEL_UNKNOWN;
      hit += (model_check(store, &any) == 0) != (few[i].state == MODEL_PRESENT);
    }
    CHECK(hit <= 1, "one bit at %llu, %d objects", (unsigned long long)at, hit);
    noticed += hit;
    as_store_close(store);
    write_file(pack_file(0, ".pack"), bytes, size);
  }
  CHECK(noticed > rounds / 5, "only %d flips hit an object", noticed);
  free(bytes);
  model_free(few, COUNT);
  fixture_remove(fixture_store);
}

/* ---- deletion beside reading ---- */

static atomic_int deleting;
static model_object moving[4];

static void *read_moving(void *context) {
  uint64_t random = (uintptr_t)context + 1;
  int errors[2] = {0, 0};
  while (deleting) {
    const model_object *one = &moving[next_random(&random) % 4];
    as_range bad;
    as_verified verified;
    int verifies = next_random(&random) % 2;
    int error = verifies ? try_verify(store, one->digests.blake3, &verified, &bad, 1)
                         : try_read(store, one->digests.blake3, one->bytes, one->size, AS_GROUP_SIZE, &bad);
    CHECK(error == 0 || error == AS_E_MISSING, "%s", as_error_detail());
    CHECK(!verifies || error || (verified.intact && !verified.outboard_repaired), "what is deleted is not damaged");
    errors[error != 0]++;
  }
  CHECK(errors[0] > 0 && errors[1] > 0, "%d found, %d missing", errors[0], errors[1]);
  return NULL;
}

static void *delete_moving(void *context) {
  (void)context;
  for (int round = 0; round < 400; round++) {
    model_object *one = &moving[round % 4];
    (one->state == MODEL_PRESENT ? model_remove : model_put)(store, one);
    nanosleep(&(struct timespec){0, 100000}, NULL);
  }
  deleting = 0;
  return NULL;
}

static void test_deletion_beside_reading(void) {
  static const size_t sizes[] = {3000, 20000, 100000, 250000};
  pthread_t threads[4];
  store = open_small(as_io_posix(), AS_OPEN_CREATE, 4 * 1024 * 1024, RUNS);
  for (int i = 0; i < 4; i++) {
    moving[i] = model_make(sizes[i], 40u + (uint64_t)i);
    model_put(store, &moving[i]);
  }
  deleting = 1;
  for (uintptr_t i = 0; i < 4; i++) {
    CHECK(pthread_create(&threads[i], NULL, i ? read_moving : delete_moving, (void *)i) == 0, "thread");
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
  }
  model_check_all(store, moving, 4);
  as_store_close(store);
  model_free(moving, 4);
  fixture_remove(fixture_store);
}

/* The object is deleted by another thread at each read of a verification in turn. */
static int strike_at, strike_calls;
static const model_object *struck;

static ssize_t read_deleting(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  (void)io;
  if (strike_calls++ == strike_at) {
    remove_object(store, struck->digests.blake3);
  }
  return as_io_posix()->read(as_io_posix(), fd, bytes, size, offset);
}

static void test_deletion_at_each_read(void) {
  model_object one = model_make(200000, 50);
  as_io io = *as_io_posix();
  io.read = read_deleting;
  struck = &one;
  for (int verifies = 0; verifies < 2; verifies++) {
    strike_at = -1;
    store = open_small(&io, AS_OPEN_CREATE, AS_SEGMENT_SIZE_MAX, RUNS);
    for (int at = 0, last = 0; !last; at++) {
      as_range bad;
      as_verified verified = {.intact = 1};
      model_put(store, &one);
      strike_at = at;
      strike_calls = 0;
      int error = verifies ? try_verify(store, one.digests.blake3, &verified, &bad, 1)
                           : try_read(store, one.digests.blake3, one.bytes, one.size, AS_GROUP_SIZE, &bad);
      last = strike_calls <= at; /* it was over before */
      strike_at = -1;
      CHECK(error == 0 || error == AS_E_MISSING, "read %d: %s (%s)", at, as_error_name(error), as_error_detail());
      CHECK(error || verified.intact, "read %d", at);
      CHECK(!verified.outboard_repaired, "read %d: what was deleted was not repaired", at);
      one.state = last ? MODEL_PRESENT : MODEL_ABSENT;
      model_check(store, &one);
      CHECK(!last || at > 2, "only %d reads", at);
      if (last) {
        model_remove(store, &one);
      }
    }
    as_store_close(store);
    fixture_remove(fixture_store);
  }
  model_free(&one, 1);
}

/* ---- marks ---- */

/* Every change of what is known of an object, each followed by opening the store again, and by a new segment or not. */
static void test_marks(uint64_t segment) {
  model_object one = model_make(5000, 60), other = model_make(3000, 61);
  uint64_t random = 61;
  int marked = 0;
  store = open_small(as_io_posix(), AS_OPEN_CREATE, segment, 3);
  for (int round = 0; round < 200; round++) {
    uint64_t what = next_random(&random) % 4;
    if (one.state == MODEL_ABSENT || what == 0) {
      as_ingested out = ingest(store, one.bytes, one.size);
      CHECK_INT(out.healed, marked);
      CHECK_INT(out.existed, one.state == MODEL_PRESENT && !marked);
      one.state = MODEL_PRESENT;
      marked = 0;
    } else if (what == 1) {
      model_remove(store, &one);
      marked = 0;
    } else {
      set_mark(store, one.digests.blake3, what == 2);
      marked = what == 2;
    }
    if (round % 3 == 0) {
      ingest(store, other.bytes, other.size - (size_t)round);
    }
    if (round % 2) {
      as_store_close(store);
      store = open_small(as_io_posix(), 0, segment, 3);
    }
    if (marked) {
      CHECK(is_marked(store, one.digests.blake3), "round %d: the mark is lost", round);
      CHECK_INT(as_store_stat(store, one.digests.blake3, &(uint64_t){0}), AS_E_CORRUPT);
    } else {
      model_check(store, &one);
    }
  }
  as_store_close(store);
  model_free(&one, 1);
  model_free(&other, 1);
  fixture_remove(fixture_store);
}

int main(void) {
  as_io slow = *as_io_posix();
  slow.open = open_buffered;
  slow.sync_data = slow_sync;
  fixture_begin_in_memory();
  test_group_commit(&slow);
  test_group_commit(as_io_posix());
  test_duplicates();
  test_merge_beside_commits();
  test_cancelled_merge();
  fixture_remove(fixture_store);
  test_sealing(&slow);
  test_damaged_indexes();
  test_misnamed_index();
  test_damaged_heads();
  test_bit_flips();
  test_deletion_beside_reading();
  test_deletion_at_each_read();
  test_marks(AS_SEGMENT_SIZE_MAX);
  test_marks(SEGMENT);
  fixture_clean();
  return 0;
}
