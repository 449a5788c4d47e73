/*
 * The last commit, and those that wait for one sync together, as a power cut may leave them: any of their sectors written, not
 * written, or half written. All that was acknowledged before is whole, and stays so; what the torn commits would have added is
 * never served wrong, is not mistaken for whole by a later opening, and can be stored again.
 * May include: store_model.h. Run by: CTest.
 */
#include "store_model.h"

enum { SECTOR = 512, EARLIER = 12, LAST_MAX = 60, RANDOM_ROUNDS = 120 };

static model_object earlier[EARLIER], last[LAST_MAX];
static size_t last_count;
static uint64_t random_state = 3;

/* Nothing is written ahead, and what is deleted keeps its bytes, which only a durable deletion may take. */
static int open_buffered(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  (void)io;
  int direct = (flags & O_TMPFILE) != O_TMPFILE && (flags & O_DIRECT);
  return direct ? -EINVAL : as_io_posix()->open(as_io_posix(), directory, path, flags, mode);
}

static int keep_blocks(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  return (void)io, (void)fd, (void)offset, (void)size, -EOPNOTSUPP;
}

static as_io engine;

static as_store *open_engine(unsigned flags) { return open_small(&engine, flags, AS_SEGMENT_SIZE_MAX, AS_RUNS_MAX); }

/* ---- last commits ---- */

static void put_few(as_store *store) {
  last_count = 3;
  for (size_t i = 0; i < last_count; i++) {
    last[i] = model_make(700 * i + 1, 500 + i);
  }
  model_put_batch(store, last, last_count);
}

static void put_two_blocks_of_slots(as_store *store) {
  last_count = LAST_MAX;
  for (size_t i = 0; i < last_count; i++) {
    last[i] = model_make(50 + i, 600 + i);
  }
  model_put_batch(store, last, last_count);
}

static void put_with_outboards(as_store *store) {
  last_count = 6;
  for (size_t i = 0; i < last_count; i++) {
    last[i] = model_make(9000 * (i + 1), 700 + i); /* some share blocks, some have their own */
  }
  model_put_batch(store, last, last_count);
}

static void delete_one(as_store *store) {
  uint64_t freed;
  int removed;
  last_count = 1;
  last[0] = model_make(earlier[3].size, 3);
  CHECK_INT(as_store_remove(store, last[0].digests.blake3, &removed, &freed), 0);
}

static void heal_one(as_store *store) {
  last_count = 1;
  last[0] = model_make(earlier[4].size, 4);
  CHECK(ingest(store, last[0].bytes, last[0].size).healed, "marked by begin_store");
}

/* Commits that nobody waits for: of several slots, with outboards, one that heals. */
static void put_deferred(as_store *store) {
  last_count = 12;
  for (size_t i = 0; i < last_count; i++) {
    last[i] = i == 7 ? model_make(earlier[4].size, 4) : model_make(i % 5 == 3 ? 20000 : 400 * i + 1, 800 + i);
    CHECK(ingest_deferred(store, last[i].bytes, last[i].size).deferred, "synced already");
  }
}

/* And then one that somebody waits for, which is torn too. */
static void put_deferred_then_delete(as_store *store) {
  uint64_t freed;
  int removed;
  put_deferred(store);
  CHECK_INT(as_store_remove(store, last[2].digests.blake3, &removed, &freed), 0);
}

/* Whole bytes with a damaged outboard move to a new record. They were acknowledged: no tearing may lose them. */
static void repair_one(as_store *store) {
  as_range bad;
  last_count = 1;
  last[0] = model_make(earlier[5].size, 5);
  CHECK(verify(store, last[0].digests.blake3, &bad, 1).outboard_repaired, "its outboard was damaged by begin_store");
}

/* ---- what is common to all ---- */

static const char *segment_file(void) { return fixture_file("packs/0000000000000001.pack"); }

/* A store with acknowledged objects, one marked (4) and one with a damaged outboard (5). */
static as_store *begin_store(void) {
  as_store *store = open_engine(AS_OPEN_CREATE);
  for (size_t i = 0; i < EARLIER; i++) {
    earlier[i] = model_make(i % 3 == 2 ? 40000 + i : 1000 * i, i);
    model_put(store, &earlier[i]);
  }
  set_mark(store, earlier[4].digests.blake3, 1);
  flip_outboard(store, earlier[5].digests.blake3, 20, 1);
  as_store_close(store);
  return open_engine(0);
}

static int is_last(const model_object *object) {
  for (size_t i = 0; i < last_count; i++) {
    if (memcmp(&last[i].digests, &object->digests, sizeof object->digests) == 0) {
      return 1;
    }
  }
  return 0;
}

/* Objects 3 to 5 are those that the last commits are about; where they are not, they are as begin_store left them. */
static void check_earlier(as_store *store) {
  for (size_t i = 0; i < EARLIER; i++) {
    if (i == 4 && !is_last(&earlier[i])) {
      CHECK_INT(as_store_stat(store, earlier[i].digests.blake3, &(uint64_t){0}), AS_E_CORRUPT);
    } else if (!is_last(&earlier[i]) && i != 5) {
      model_check(store, &earlier[i]);
    }
  }
}

static void check_last(as_store *store) {
  for (size_t i = 0; i < last_count; i++) {
    model_object any = last[i];
    any.state = MODEL_UNKNOWN;
    model_check(store, &any);
  }
}

static void check_moved(as_store *store) {
  as_range bad;
  as_verified verified;
  int error = try_verify(store, last[0].digests.blake3, &verified, &bad, 1);
  CHECK(error == 0 && verified.intact, "an acknowledged object was lost when it was to be moved: %s",
        as_error_name(error));
}

static void check_stored_again(as_store *store, int reopened) {
  for (size_t i = 0; i < last_count; i++) {
    if (!reopened) {
      ingest(store, last[i].bytes, last[i].size);
    }
    check_read(store, last[i].digests.blake3, last[i].bytes, last[i].size);
  }
}

/* Opens the store that the segment file now is: to read, to write, again behind further commits, and once more. */
static void check_torn(void (*make)(as_store *store)) {
  as_store *store = open_engine(AS_OPEN_READ_ONLY);
  check_earlier(store);
  check_last(store);
  as_store_close(store);
  store = open_engine(0);
  check_earlier(store);
  check_last(store);
  model_object further = model_make(3000, 900);
  model_put(store, &further);
  as_store_close(store);
  store = open_engine(0);
  check_earlier(store);
  if (make == repair_one) {
    check_moved(store);
  }
  check_stored_again(store, 0);
  model_check(store, &further);
  as_store_close(store);
  store = open_engine(AS_OPEN_READ_ONLY);
  check_earlier(store);
  check_stored_again(store, 1);
  model_check(store, &further);
  as_store_close(store);
  model_free(&further, 1);
}

/* What one sector holds after the power cut. */
static void tear(uint8_t *bytes, uint64_t at, int garble) {
  for (size_t i = 0; i < SECTOR; i++) {
    bytes[at + i] = garble ? (uint8_t)next_random(&random_state) : 0; /* zeros: as before it was written */
  }
}

static void test_torn(void (*make)(as_store *store)) {
  as_store *store = begin_store();
  uint64_t start = store->packs->writer.end;
  make(store);
  size_t size = (size_t)store->packs->writer.end;
  as_store_close(store);
  size_t whole;
  uint8_t *bytes = file_bytes(segment_file(), &whole), *torn = malloc(size);
  uint64_t sectors = (size - start) / SECTOR;
  CHECK(size == whole && sectors > 7, "a commit from %llu to %zu", (unsigned long long)start, size);
  check_torn(make);
  for (uint64_t i = 0; i <= sectors && i < 80; i += (uint64_t)fault_step()) { /* the slots and some payloads, one after the other */
    uint64_t at = start + i * SECTOR;
    write_file(segment_file(), bytes, (size_t)at);
    check_torn(make);
    for (int way = 0; way < 4 && i < sectors; way++) {
      memcpy(torn, bytes, size);
      if (way < 2) {
        tear(torn, at, way);
      } else if (way == 2) {
        memset(torn + at, 0, size - (size_t)at);
      } else {
        memset(torn + start, 0, (size_t)(at + SECTOR - start));
      }
      write_file(segment_file(), torn, size);
      check_torn(make);
    }
  }
  for (int round = 0; round < RANDOM_ROUNDS; round += fault_step()) { /* any of them, in any number */
    uint64_t chance = next_random(&random_state) % 100 + 1;
    memcpy(torn, bytes, size);
    for (uint64_t i = 0; i < sectors; i++) {
      if (next_random(&random_state) % 100 < chance) {
        tear(torn, start + i * SECTOR, next_random(&random_state) % 3 == 0);
      }
    }
    uint64_t shorter = round % 4 ? 0 : next_random(&random_state) % (sectors + 1) * SECTOR;
    write_file(segment_file(), torn, (size_t)(size - shorter));
    check_torn(make);
  }
  free(torn);
  free(bytes);
  model_free(earlier, EARLIER);
  model_free(last, last_count);
  fixture_remove(fixture_store);
}

int main(void) {
  engine = *as_io_posix();
  engine.open = open_buffered;
  engine.punch = keep_blocks;
  fixture_begin_in_memory();
  test_torn(put_few);
  test_torn(put_two_blocks_of_slots);
  test_torn(put_with_outboards);
  test_torn(delete_one);
  test_torn(heal_one);
  test_torn(repair_one);
  test_torn(put_deferred);
  test_torn(put_deferred_then_delete);
  fixture_clean();
  return 0;
}
