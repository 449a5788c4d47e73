/*
 * Upload sessions: whatever way bytes come, over however many calls, restarts, kills and failing I/O calls, the object is the one that a
 * plain ingest gives, nothing acknowledged is lost, nothing is hashed twice, and damage to a session's files never becomes an object.
 * May include: store_fixture.h, store/checkpoint.h, store/packs.h. Run by: CTest.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "store/checkpoint.h"
#include "store/packs.h"
#include "store_fixture.h"

static const char *const ID = "upload_1-A";

static const char *part_file(const char *id) {
  char relative[128];
  snprintf(relative, sizeof relative, "uploads/%s.part", id);
  return fixture_file(relative);
}

static const char *state_file(const char *id) {
  char relative[128];
  snprintf(relative, sizeof relative, "uploads/%s.state", id);
  return fixture_file(relative);
}

static as_digests digests_of(const uint8_t *bytes, size_t size) {
  as_digests out;
  as_span span = {bytes, size};
  as_dual_many(&span, 1, &out);
  return out;
}

static void check_digests(const as_digests *actual, const uint8_t *bytes, size_t size) {
  as_digests expected = digests_of(bytes, size);
  CHECK_BYTES(actual, &expected, sizeof expected, "digests of %zu bytes", size);
}

static void check_status(const as_session_status *status, const uint8_t *bytes, uint64_t offset) {
  CHECK_INT(status->offset, offset);
  check_digests(&status->digests, bytes, (size_t)offset);
}

static as_ingest *begin(as_store *store, const char *id, uint64_t offset) {
  as_ingest *session;
  uint64_t durable;
  int error = as_session_begin(store, id, offset, &session, &durable);
  CHECK(error == 0, "session at %llu: %s (%s), durable %llu", (unsigned long long)offset, as_error_name(error), as_error_detail(),
        (unsigned long long)durable);
  CHECK_INT(as_ingest_length(session), offset);
  return session;
}

/* One call of a session that is not the last. */
static void append_durably(as_store *store, const char *id, const uint8_t *bytes, uint64_t from, uint64_t to) {
  as_session_status status;
  as_ingest *session = begin(store, id, from);
  CHECK_INT(as_ingest_append(session, bytes + from, (size_t)(to - from)), 0);
  int error = as_session_checkpoint(session, &status);
  CHECK(error == 0, "checkpoint: %s (%s)", as_error_name(error), as_error_detail());
  check_status(&status, bytes, to);
  as_ingest_abort(session);
}

/* The last call of a session. Returns the commit's status. */
static int try_finish(as_store *store, const char *id, const uint8_t *bytes, uint64_t from, uint64_t size, const as_expect *expect,
                      as_ingested *out) {
  as_ingest *session;
  uint64_t durable;
  int status = as_session_begin(store, id, from, &session, &durable);
  if (!status) {
    status = as_ingest_append(session, bytes + from, (size_t)(size - from));
    if (status) {
      as_ingest_abort(session);
    } else {
      as_ingest_commit(store, &session, &expect, 1, out, &status);
    }
  }
  return status;
}

static as_ingested finish(as_store *store, const char *id, const uint8_t *bytes, uint64_t from, uint64_t size) {
  as_ingested out;
  int error = try_finish(store, id, bytes, from, size, NULL, &out);
  CHECK(error == 0, "end of a session of %llu: %s (%s)", (unsigned long long)size, as_error_name(error), as_error_detail());
  return out;
}

static void check_object(as_store *store, const as_ingested *out, const uint8_t *bytes, size_t size) {
  CHECK_INT(out->size, size);
  check_digests(&out->digests, bytes, size);
  check_read(store, out->digests.blake3, bytes, size);
  check_intact(store, out->digests.blake3);
  CHECK_INT(file_exists(object_file(out->digests.blake3, "")), size > AS_PACK_OBJECT_MAX);
}

static void check_gone(as_store *store, const char *id) {
  as_session_status status;
  CHECK_INT(as_session_look(store, id, &status), AS_E_MISSING);
  CHECK(!file_exists(part_file(id)) && !file_exists(state_file(id)), "files of %s are left", id);
}

/* ---- any splits ---- */

static const size_t SIZES[] = {0, 1, 16383, 16384, 16385, 32768, 100000, 262143, 262144, 262145, 1048576, 3000001};
enum { SIZE_COUNT = sizeof SIZES / sizeof *SIZES };

/* Takes `size` bytes in over random calls, some of which are given up behind their last checkpoint, or the store is closed. */
static as_ingested take_in(as_store **store, const uint8_t *bytes, size_t size, uint64_t *random) {
  uint64_t at = 0;
  while (at < size && next_random(random) % 8) {
    as_session_status status;
    uint64_t to = at + next_random(random) % (size - at + 1), past = to + next_random(random) % (size - to + 1);
    as_ingest *session = begin(*store, ID, at);
    while (at < to) {
      uint64_t step = 1 + next_random(random) % (to - at);
      CHECK_INT(as_ingest_append(session, bytes + at, (size_t)step), 0);
      at += step;
      if (next_random(random) % 3 == 0) {
        CHECK_INT(as_session_checkpoint(session, &status), 0);
        check_status(&status, bytes, at);
      }
    }
    CHECK_INT(as_session_checkpoint(session, &status), 0);
    if (next_random(random) % 2) { /* what is not checkpointed does not count */
      CHECK_INT(as_ingest_append(session, bytes + at, (size_t)(past - at)), 0);
    }
    as_ingest_abort(session);
    if (next_random(random) % 3 == 0) {
      as_store_close(*store);
      *store = open_store(0);
    }
    CHECK_INT(as_session_look(*store, ID, &status), 0);
    check_status(&status, bytes, at);
  }
  return finish(*store, ID, bytes, at, size);
}

static void test_splits(void) {
  uint64_t random = 1;
  as_store *store = open_store(AS_OPEN_CREATE);
  for (uint64_t round = 0; round < 6; round++) {
    for (int i = 0; i < SIZE_COUNT; i++) {
      uint8_t *bytes = make_bytes(SIZES[i], round << 8 | (uint64_t)i);
      as_ingested out = take_in(&store, bytes, SIZES[i], &random);
      CHECK_INT(out.existed, SIZES[i] == 0 && round > 0);
      check_object(store, &out, bytes, SIZES[i]);
      check_gone(store, ID);
      CHECK_INT(ingest(store, bytes, SIZES[i]).existed, 1);
      free(bytes);
    }
  }
  as_store_close(store);
}

/* ---- what is said and refused ---- */

static int count_session(void *context, const as_session_entry *entry) {
  time_t now = time(NULL);
  CHECK(entry->changed_ms / 1000 + 60 > (uint64_t)now && entry->changed_ms / 1000 <= (uint64_t)now + 1, "changed at %llu",
        (unsigned long long)entry->changed_ms);
  CHECK(strlen(entry->id) > 0, "no id");
  ++*(int *)context;
  return 0;
}

static int count_sessions(as_store *store) {
  int count = 0;
  CHECK_INT(as_session_list(store, count_session, &count), 0);
  return count;
}

static void test_refusals(void) {
  static const char *const bad[] = {"", ".", "a/b", "a.b", "ä", "0123456789012345678901234567890123456789012345678901234567890123x"};
  as_store *store = open_store(0);
  as_ingest *session, *second;
  as_session_status status;
  uint64_t durable;
  int removed;
  uint8_t *bytes = make_bytes(400000, 7);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CHECK_INT(as_session_begin(store, bad[i], 0, &session, &durable), AS_E_INVALID);
    CHECK_INT(as_session_look(store, bad[i], &status), AS_E_INVALID);
    CHECK_INT(as_session_remove(store, bad[i], &removed), AS_E_INVALID);
  }
  CHECK_INT(as_session_begin(store, ID, 5, &session, &durable), AS_E_MISSING);
  session = begin(store, ID, 0);
  CHECK_INT(as_session_begin(store, ID, 0, &second, &durable), AS_E_BUSY);
  CHECK_INT(as_session_remove(store, ID, &removed), AS_E_BUSY);
  CHECK_INT(as_session_look(store, ID, &status), AS_E_MISSING); /* nothing of it is durable */
  CHECK_INT(as_ingest_append(session, bytes, 300000), 0);
  CHECK_INT(as_session_checkpoint(session, &status), 0);
  CHECK_INT(as_ingest_append(session, bytes + 300000, 5000), 0);
  CHECK_INT(as_session_look(store, ID, &status), 0);
  check_status(&status, bytes, 300000);
  as_ingest_abort(session);
  CHECK_INT(count_sessions(store), 1);
  for (int i = 0; i < 2; i++) { /* refusals change nothing */
    CHECK_INT(as_session_begin(store, ID, i ? 305000 : 0, &session, &durable), AS_E_OFFSET);
    CHECK_INT(durable, 300000);
    CHECK_INT(file_size(part_file(ID)) >= 300000, 1);
  }
  as_store_close(store);
  store = open_store(AS_OPEN_READ_ONLY);
  CHECK_INT(as_session_begin(store, ID, 300000, &session, &durable), AS_E_READ_ONLY);
  CHECK_INT(as_session_remove(store, ID, &removed), AS_E_READ_ONLY);
  CHECK_INT(as_session_look(store, ID, &status), 0);
  check_status(&status, bytes, 300000);
  CHECK_INT(count_sessions(store), 1);
  as_store_close(store);
  store = open_store(0);
  CHECK_INT(as_session_remove(store, ID, &removed), 0);
  CHECK_INT(removed, 1);
  check_gone(store, ID);
  CHECK_INT(as_session_remove(store, ID, &removed), 0);
  CHECK_INT(removed, 0);
  session = begin(store, ID, 0); /* never checkpointed: leaves nothing */
  CHECK_INT(as_ingest_append(session, bytes, 400000), 0);
  CHECK(file_exists(part_file(ID)), "a large session writes to its part");
  as_ingest_abort(session);
  check_gone(store, ID);
  CHECK_INT(count_sessions(store), 0);
  as_ingest *plain;
  CHECK_INT(as_ingest_begin(store, &plain), 0);
  CHECK_INT(as_session_checkpoint(plain, &status), AS_E_INVALID);
  as_ingest_abort(plain);
  as_store_close(store);
  free(bytes);
}

/* What is expected is checked at the end; if it does not hold, the session stays. */
static void test_expectations(void) {
  as_store *store = open_store(0);
  for (int large = 0; large < 2; large++) {
    size_t size = large ? 700000 : 70000, half = size / 2;
    uint8_t *bytes = make_bytes(size, 90u + (uint64_t)large);
    uint8_t wrong[AS_DIGEST_SIZE] = {1};
    as_expect sha = {.sha256 = wrong, .size = AS_SIZE_UNKNOWN}, longer = {.size = size + 1};
    as_session_status status;
    as_ingested out;
    append_durably(store, ID, bytes, 0, half);
    CHECK_INT(try_finish(store, ID, bytes, half, size, &sha, &out), AS_E_MISMATCH);
    check_digests(&out.digests, bytes, size);
    CHECK_INT(try_finish(store, ID, bytes, half, size, &longer, &out), AS_E_SIZE);
    CHECK_INT(as_session_look(store, ID, &status), 0);
    check_status(&status, bytes, half);
    out = finish(store, ID, bytes, half, size);
    check_object(store, &out, bytes, size);
    CHECK_INT(try_finish(store, ID, bytes, half, size, NULL, &out), AS_E_MISSING); /* it has ended */
    free(bytes);
  }
  as_store_close(store);
}

/* The object may be there already, or be there damaged. A session's object is as unwritable as any. */
static void test_presence(void) {
  as_store *store = open_store(0);
  size_t size = 500000;
  struct stat status;
  uint8_t *bytes = make_bytes(size, 99);
  as_range bad;
  append_durably(store, ID, bytes, 0, 400000);
  as_ingested out = ingest(store, bytes, size);
  CHECK_INT(finish(store, ID, bytes, 400000, size).existed, 1);
  check_gone(store, ID);
  flip(object_file(out.digests.blake3, ""), 1234, 1);
  CHECK_INT(try_read(store, out.digests.blake3, bytes, size, 1024 * 1024, &bad), AS_E_CORRUPT);
  append_durably(store, ID, bytes, 0, 400000);
  CHECK_INT(finish(store, ID, bytes, 400000, size).healed, 1);
  check_gone(store, ID);
  check_read(store, out.digests.blake3, bytes, size);
  CHECK(stat(object_file(out.digests.blake3, ""), &status) == 0 && (status.st_mode & 0222) == 0, "mode %o", status.st_mode);
  as_store_close(store);
  free(bytes);
}

/* ---- nothing twice ---- */

static uint64_t bytes_read;

static ssize_t counting_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  (void)io;
  bytes_read += size;
  return as_io_posix()->read(as_io_posix(), fd, bytes, size, offset);
}

static void test_nothing_twice(void) {
  as_io counting = *as_io_posix();
  as_counters before, after;
  as_store *store;
  counting.read = counting_read;
  CHECK_INT(as_store_open_on(&counting, fixture_store, 0, &store), 0);
  size_t size = 40 * AS_GROUP_SIZE * 20, step = size / 20; /* 12.5 MiB, in steps of 40 groups */
  uint8_t *bytes = make_bytes(size, 5);
  append_durably(store, ID, bytes, 0, size - 2 * step);
  bytes_read = 0;
  as_kernel_counters(&before);
  append_durably(store, ID, bytes, size - 2 * step, size - step);
  as_ingested out = finish(store, ID, bytes, size - step, size);
  as_kernel_counters(&after);
  CHECK(bytes_read < 1024 * 1024, "%llu bytes read to go on", (unsigned long long)bytes_read);
  /* The check of the prefix in append_durably hashes all of it once more: that is this test's, not the session's. */
  uint64_t groups = after.one_stream.units - before.one_stream.units, of_test = (size - step) / AS_GROUP_SIZE;
  CHECK(groups <= of_test + 2 * 40, "%llu groups hashed, %llu of them by the test", (unsigned long long)groups,
        (unsigned long long)of_test);
  check_object(store, &out, bytes, size);
  as_store_close(store);
  free(bytes);
}

/* ---- damage ---- */

/* What stands behind the checkpoint does not matter; what stands before it must be there. */
static void test_part_behind_checkpoint(void) {
  as_store *store = open_store(0);
  static const size_t sizes[] = {50000, 600000};
  for (int i = 0; i < 2; i++) {
    size_t size = sizes[i], half = size / 2;
    uint8_t *bytes = make_bytes(size, 40u + (uint64_t)i), *garbage = make_bytes(size, 1);
    uint64_t durable;
    as_ingest *session;
    append_durably(store, ID, bytes, 0, half);
    int fd = open(part_file(ID), O_WRONLY);
    CHECK(pwrite(fd, garbage, size, (off_t)half) == (ssize_t)size, "pwrite");
    close(fd);
    append_durably(store, ID, bytes, half, half + 1000);
    fd = open(part_file(ID), O_WRONLY);
    CHECK(pwrite(fd, garbage, size, (off_t)half + 1000) == (ssize_t)size, "pwrite"); /* ends behind the object */
    close(fd);
    as_ingested out = finish(store, ID, bytes, half + 1000, size);
    check_object(store, &out, bytes, size);
    CHECK(i == 0 || file_size(object_file(out.digests.blake3, "")) == size, "the object's file has garbage behind it");
    CHECK_INT(as_store_remove(store, out.digests.blake3, &(int){0}, &(uint64_t){0}), 0);
    append_durably(store, ID, bytes, 0, half);
    resize_file(part_file(ID), half - 1);
    as_session_status status;
    CHECK_INT(as_session_begin(store, ID, half, &session, &durable), AS_E_CORRUPT);
    CHECK_INT(as_session_look(store, ID, &status), AS_E_CORRUPT);
    CHECK_INT(as_session_remove(store, ID, &(int){0}), 0);
    check_gone(store, ID);
    free(bytes);
    free(garbage);
  }
  as_store_close(store);
}

/* With one bit of the state file flipped, a session is refused, or goes on from a checkpoint it has had; the object is right either way. */
static void test_flipped_bits(void) {
  as_store *store = open_store(0);
  size_t size = 400000, first = 150000, second = 290000;
  uint8_t *bytes = make_bytes(size, 12);
  size_t state_size;
  int refused = 0, earlier = 0, unnoticed = 0;
  append_durably(store, ID, bytes, 0, first);
  append_durably(store, ID, bytes, first, second);
  uint8_t *state = file_bytes(state_file(ID), &state_size), *part = file_bytes(part_file(ID), &(size_t){0});
  for (uint64_t bit = 0; bit < 8 * state_size; bit += bit % (8 * AS_CHECKPOINT_SLOT) < 8 * 80 ? 1 : 509) {
    as_session_status status;
    write_file(state_file(ID), state, state_size);
    write_file(part_file(ID), part, second);
    flip(state_file(ID), bit / 8, (unsigned)(bit % 8));
    int error = as_session_look(store, ID, &status);
    int of_first = bit / 8 / AS_CHECKPOINT_SLOT == 1; /* checkpoint 1 is in slot 1, and no longer needed */
    CHECK(error == 0 || (error == AS_E_CORRUPT && !of_first), "bit %llu: %s", (unsigned long long)bit, as_error_name(error));
    CHECK(!of_first || status.offset == second, "bit %llu of the checkpoint before", (unsigned long long)bit);
    refused += error != 0;
    if (!error) {
      CHECK(status.offset == first || status.offset == second, "bit %llu: offset %llu", (unsigned long long)bit,
            (unsigned long long)status.offset);
      check_status(&status, bytes, status.offset);
      earlier += status.offset == first;
      unnoticed += status.offset == second;
    }
    if (!error && (!of_first || bit % 16 == 0)) {
      as_ingested out = finish(store, ID, bytes, status.offset, size);
      check_object(store, &out, bytes, size);
      CHECK_INT(as_store_remove(store, out.digests.blake3, &(int){0}, &(uint64_t){0}), 0);
    }
  }
  printf("%d refused, %d from the checkpoint before, %d in bytes that nothing depends on\n", refused, earlier, unnoticed);
  CHECK(earlier > 100 && refused > 10, "%d refused, %d from the checkpoint before", refused, earlier);
  /* A slot in the other's place: the next checkpoint would be written over it. */
  as_session_status status;
  uint8_t *swapped = malloc(state_size);
  memcpy(swapped, state, state_size);
  memcpy(swapped + AS_CHECKPOINT_SLOT, state, AS_CHECKPOINT_SLOT);
  memset(swapped, 0, AS_CHECKPOINT_SLOT);
  write_file(state_file(ID), swapped, state_size);
  write_file(part_file(ID), part, second);
  CHECK_INT(as_session_look(store, ID, &status), AS_E_CORRUPT);
  free(swapped);
  /* Both slots damaged: refused, and only removing it is left. */
  as_ingest *session;
  uint64_t durable;
  write_file(state_file(ID), state, state_size);
  write_file(part_file(ID), part, second);
  flip(state_file(ID), 100, 1);
  flip(state_file(ID), AS_CHECKPOINT_SLOT + 100, 1);
  CHECK_INT(as_session_look(store, ID, &status), AS_E_CORRUPT);
  CHECK_INT(as_session_begin(store, ID, second, &session, &durable), AS_E_CORRUPT);
  CHECK_INT(as_session_begin(store, ID, 0, &session, &durable), AS_E_CORRUPT);
  CHECK_INT(as_session_remove(store, ID, &(int){0}), 0);
  as_store_close(store);
  free(state);
  free(part);
  free(bytes);
}

/* A later checkpoint that a crash has torn must not come to life once other bytes have taken the place of its own. */
static void test_torn_checkpoint_stays_dead(void) {
  as_store *store = open_store(0);
  size_t size = 500000, first = 150000, second = 400000, state_size;
  uint8_t *bytes = make_bytes(size, 21);
  uint8_t values[AS_DIGEST_SIZE];
  append_durably(store, ID, bytes, 0, first);
  append_durably(store, ID, bytes, first, second);
  uint64_t last_value = AS_CHECKPOINT_VALUES + (as_checkpoint_groups(second) - 1) * AS_DIGEST_SIZE;
  uint8_t *state = file_bytes(state_file(ID), &state_size);
  memcpy(values, state + last_value, sizeof values);
  flip(state_file(ID), last_value, 3); /* its chaining values did not reach the disk */
  as_ingest *session = begin(store, ID, first);
  as_ingest_abort(session);
  int fd = open_to_damage(state_file(ID));
  CHECK(pwrite(fd, values, sizeof values, (off_t)last_value) == sizeof values, "pwrite"); /* the same bytes come again */
  close(fd);
  as_session_status status;
  CHECK_INT(as_session_look(store, ID, &status), 0);
  check_status(&status, bytes, first);
  as_ingested out = finish(store, ID, bytes, first, size);
  check_object(store, &out, bytes, size);
  as_store_close(store);
  free(state);
  free(bytes);
}

/* What a crash in the middle of an end leaves: a state file without its part is a session that has ended, a part without a state file one
 * that never began. */
static void test_leftovers(void) {
  as_store *store = open_store(0);
  size_t size = 300000;
  uint8_t *bytes = make_bytes(size, 31);
  as_session_status status;
  for (int which = 0; which < 2; which++) {
    append_durably(store, ID, bytes, 0, 280000);
    CHECK(unlink(which ? state_file(ID) : part_file(ID)) == 0, "unlink");
    CHECK_INT(as_session_look(store, ID, &status), AS_E_MISSING);
    CHECK_INT(count_sessions(store), 1);
    append_durably(store, ID, bytes, 0, 1000);
    as_ingested out = finish(store, ID, bytes, 1000, size);
    check_object(store, &out, bytes, size);
    CHECK_INT(count_sessions(store), 0);
  }
  as_store_close(store);
  free(bytes);
}

/* The example of docs/format.md, byte for byte. */
static void test_example(void) {
  static const uint8_t slot[] = {
      0x41, 0x53, 0x55, 0x50, 0x4c, 0x4f, 0x41, 0x44, 0x9d, 0x07, 0x93, 0x98, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x53, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x41, 0x53, 0x44, 0x55, 0x41, 0x4c, 0x01, 0x00, 0x03, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x6a, 0x09, 0xe6, 0x67, 0xbb, 0x67, 0xae, 0x85, 0x3c, 0x6e, 0xf3, 0x72, 0xa5, 0x4f, 0xf5,
      0x3a, 0x51, 0x0e, 0x52, 0x7f, 0x9b, 0x05, 0x68, 0x8c, 0x1f, 0x83, 0xd9, 0xab, 0x5b, 0xe0, 0xcd, 0x19, 0x61, 0x62,
      0x63, 0x05, 0xef, 0xce, 0x10, 0x09, 0x8a, 0x26, 0x87, 0xce, 0x93, 0xd7, 0xaf, 0x7d, 0x6d, 0x2c, 0x68, 0xfd, 0xcc,
      0xe5, 0xe6, 0x1f, 0xbe, 0x0d, 0xe3, 0x29, 0x5d, 0x7d, 0x63, 0xa7, 0x85, 0x0a, 0x65};
  static const uint8_t zeros[AS_CHECKPOINT_SLOT];
  size_t size;
  as_store *store = open_store(0);
  append_durably(store, "abc", (const uint8_t *)"abc", 0, 3);
  uint8_t *state = file_bytes(state_file("abc"), &size);
  CHECK_INT(size, AS_CHECKPOINT_SLOT + sizeof slot);
  CHECK_BYTES(state, zeros, sizeof zeros, "the slot of checkpoint 2");
  CHECK_BYTES(state + AS_CHECKPOINT_SLOT, slot, sizeof slot, "the slot of checkpoint 1");
  CHECK_INT(as_session_remove(store, "abc", &(int){0}), 0);
  as_store_close(store);
  free(state);
}

/* ---- kill -9 ---- */

enum { KILL_SIZE = 5 * 1024 * 1024 + 77 };

/* Goes on from where the session stands, telling each durable offset, until it is killed or done. */
static void child(int pipe_end, const uint8_t *bytes, uint64_t seed) {
  as_store *store = open_store(0);
  as_session_status status;
  as_ingested out;
  int error = as_session_look(store, ID, &status);
  uint64_t at = error ? 0 : status.offset;
  CHECK(error == 0 || error == AS_E_MISSING, "%s", as_error_name(error));
  as_ingest *session = begin(store, ID, at);
  while (at < KILL_SIZE) {
    uint64_t step = 1 + next_random(&seed) % 60000;
    step = step < KILL_SIZE - at ? step : KILL_SIZE - at;
    CHECK_INT(as_ingest_append(session, bytes + at, (size_t)step), 0);
    at += step;
    if (next_random(&seed) % 2) {
      CHECK_INT(as_session_checkpoint(session, &status), 0);
      CHECK(write(pipe_end, &status, sizeof status) == sizeof status, "pipe");
    }
  }
  as_ingest_commit(store, &session, NULL, 1, &out, &error);
  CHECK_INT(error, 0);
  status.offset = UINT64_MAX;
  CHECK(write(pipe_end, &status, sizeof status) == sizeof status, "pipe");
  pause();
}

/* One child's life, up to `most` ns long. Returns the last offset it told, UINT64_MAX when it stored the object. */
static uint64_t live_and_die(const uint8_t *bytes, uint64_t *random, uint64_t most) {
  int ends[2], how;
  uint64_t told = 0, seed = next_random(random);
  as_session_status status;
  CHECK(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  pid_t pid = fork();
  CHECK(pid >= 0, "fork");
  if (pid == 0) {
    close(ends[0]);
    child(ends[1], bytes, seed);
  }
  close(ends[1]);
  struct timespec pause = {0, (long)(next_random(random) % most)};
  nanosleep(&pause, NULL);
  CHECK(kill(pid, SIGKILL) == 0, "kill");
  while (read(ends[0], &status, sizeof status) == sizeof status) {
    told = status.offset;
    if (told != UINT64_MAX) {
      check_status(&status, bytes, told);
    }
  }
  close(ends[0]);
  CHECK(waitpid(pid, &how, 0) == pid && WIFSIGNALED(how), "the child ended by itself: %d", how);
  return told;
}

static void test_kills(void) {
  uint64_t random = (uint64_t)time(NULL);
  int kills = 0, resumed = 0;
  printf("seed %llu\n", (unsigned long long)random);
  for (int round = 0; round < 4; round++) {
    uint64_t most = 15000000; /* longer each time: a slow machine or a sanitizer gets there too */
    uint8_t *bytes = make_bytes(KILL_SIZE, random + (uint64_t)round);
    as_digests digests = digests_of(bytes, KILL_SIZE);
    for (;; kills++, most += most < 500000000 ? most / 8 : 0) {
      as_session_status status;
      uint64_t told = live_and_die(bytes, &random, most), size;
      as_store *store = open_store(0);
      int stored = as_store_stat(store, digests.blake3, &size) == 0;
      int error = as_session_look(store, ID, &status);
      CHECK(stored || told != UINT64_MAX, "an acknowledged object is lost");
      if (stored) { /* if the kill came before the session was gone, it can go on, or be removed */
        check_read(store, digests.blake3, bytes, KILL_SIZE);
        check_intact(store, digests.blake3);
        CHECK_INT(as_session_remove(store, ID, &(int){0}), 0);
        as_store_close(store);
        break;
      }
      CHECK(error == 0 || (error == AS_E_MISSING && told == 0), "told %llu, then %s", (unsigned long long)told, as_error_name(error));
      if (!error) {
        CHECK(status.offset >= told, "told %llu, now %llu", (unsigned long long)told, (unsigned long long)status.offset);
        check_status(&status, bytes, status.offset);
        resumed++;
      }
      as_store_close(store);
    }
    free(bytes);
  }
  printf("%d kills, %d sessions went on\n", kills, resumed);
  CHECK(resumed > 0, "no session was ever killed half-way");
}

/* ---- threads ---- */

enum { THREADS = 4 };

typedef struct worker {
  as_store *store;
  int number;
  int own;      /* a session of its own; else all have the same */
  int refused;
} worker;

static void *work(void *context) {
  worker *at = context;
  char id[16];
  size_t size = 400000;
  snprintf(id, sizeof id, "t%d", at->own ? at->number : -1);
  uint8_t *bytes = make_bytes(size, 70u + (uint64_t)(at->own ? at->number : 0));
  for (int round = 0; round < 60; round++) {
    as_session_status status = {0};
    as_ingest *session;
    uint64_t durable;
    int error = as_session_look(at->store, id, &status);
    CHECK(error == 0 || (error == AS_E_MISSING && at->own && round == 0), "%s", as_error_name(error));
    error = as_session_begin(at->store, id, status.offset, &session, &durable);
    if (error) {
      CHECK(!at->own && (error == AS_E_BUSY || error == AS_E_OFFSET), "%s", as_error_name(error));
      at->refused++;
      continue;
    }
    uint64_t to = status.offset + 20000 < size ? status.offset + 20000 : size;
    CHECK_INT(as_ingest_append(session, bytes + status.offset, (size_t)(to - status.offset)), 0);
    CHECK_INT(as_session_checkpoint(session, &status), 0);
    check_status(&status, bytes, to);
    as_ingest_abort(session);
  }
  free(bytes);
  return NULL;
}

static void test_threads(void) {
  as_store *store = open_store(0);
  append_durably(store, "t-1", (const uint8_t *)"", 0, 0);
  for (int own = 0; own < 2; own++) {
    pthread_t threads[THREADS];
    worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
      workers[i] = (worker){.store = store, .number = i, .own = own};
      CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0, "pthread_create");
    }
    for (int i = 0; i < THREADS; i++) {
      pthread_join(threads[i], NULL);
    }
    CHECK_INT(count_sessions(store), own ? THREADS + 1 : 1);
  }
  as_store_close(store);
}

/* ---- faults ---- */

static int fault_at, fault_dead, fault_calls, fault_struck, fault_error;
static ino_t unsynced[64];
static int unsynced_count;

static ino_t inode_of(int fd) {
  struct stat status;
  CHECK(fstat(fd, &status) == 0, "fstat");
  return status.st_ino;
}

static void set_unsynced(ino_t inode, int is) {
  for (int i = 0; i < unsynced_count; i++) {
    if (unsynced[i] == inode) {
      unsynced[i] = unsynced[--unsynced_count];
      break;
    }
  }
  if (is) {
    CHECK(unsynced_count < 64, "too many");
    unsynced[unsynced_count++] = inode;
  }
}

static int is_unsynced(const char *path) {
  struct stat status;
  for (int i = 0; stat(path, &status) == 0 && i < unsynced_count; i++) {
    if (unsynced[i] == status.st_ino) {
      return 1;
    }
  }
  return 0;
}

static int strike(void) {
  int now = fault_calls++;
  int hit = fault_dead ? now >= fault_at : now == fault_at;
  fault_struck |= hit;
  return hit ? fault_error : 0;
}

#define REAL as_io_posix()
#define ELSE_REAL(call)    \
  do {                     \
    (void)io;              \
    int error = strike();  \
    return error ? error : (call); \
  } while (0)

static void uploads_changed(const char *path) {
  struct stat status;
  if (strstr(path, "uploads/") && stat(fixture_file("uploads"), &status) == 0) {
    set_unsynced(status.st_ino, 1);
  }
}

static int f_open(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  if ((flags & O_CREAT) && strstr(path, ".part")) {
    CHECK(!is_unsynced(fixture_file("uploads")), "call %d: an id is used again before its old files are durably gone", fault_calls);
  }
  ELSE_REAL(REAL->open(REAL, directory, path, flags, mode));
}
static ssize_t f_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  ELSE_REAL(REAL->read(REAL, fd, bytes, size, offset));
}
static ssize_t f_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  struct stat part, written;
  int is_state = fstat(fd, &written) == 0 && size > 8 && memcmp(bytes, "ASUPLOAD", 8) == 0;
  if (is_state && stat(part_file(ID), &part) == 0) {
    CHECK(!is_unsynced(part_file(ID)), "call %d: a checkpoint is written before the bytes it counts are synced", fault_calls);
  }
  set_unsynced(inode_of(fd), 1);
  ELSE_REAL(REAL->write(REAL, fd, bytes, size, offset));
}
static int f_truncate(const as_io *io, int fd, uint64_t size) { ELSE_REAL(REAL->truncate(REAL, fd, size)); }
static int f_sync(const as_io *io, int fd) {
  (void)io;
  int error = strike();
  if (!error) {
    set_unsynced(inode_of(fd), 0);
  }
  return error;
}
static int f_sync_file_system(const as_io *io, int fd) {
  (void)io, (void)fd;
  return -ENOSYS;
}
static int f_link_open(const as_io *io, int fd, int directory, const char *to) { ELSE_REAL(REAL->link_open(REAL, fd, directory, to)); }
static int f_rename(const as_io *io, int from_directory, const char *from, int to_directory, const char *to) {
  if (strstr(from, "uploads/")) {
    CHECK(!is_unsynced(part_file(ID)), "call %d: the part becomes an object before its bytes are synced", fault_calls);
  }
  uploads_changed(from);
  uploads_changed(to);
  ELSE_REAL(REAL->rename(REAL, from_directory, from, to_directory, to));
}
static int f_unlink(const as_io *io, int directory, const char *path) {
  (void)io;
  int error = strike();
  error = error ? error : REAL->unlink(REAL, directory, path);
  if (!error) {
    uploads_changed(path);
  }
  return error;
}
static int f_make_directory(const as_io *io, int directory, const char *path, mode_t mode) {
  ELSE_REAL(REAL->make_directory(REAL, directory, path, mode));
}
static int f_change_mode(const as_io *io, int fd, mode_t mode) { ELSE_REAL(REAL->change_mode(REAL, fd, mode)); }
static int f_stat(const as_io *io, int fd, struct stat *out) { ELSE_REAL(REAL->stat(REAL, fd, out)); }

/* Opening a store with failing calls is store_fault_test's: here they fail from the first call of a session on. */
static as_io faulty_io(void) {
  as_io io = *REAL;
  io.open = f_open;
  io.read = f_read;
  io.write = f_write;
  io.truncate = f_truncate;
  io.sync_data = io.sync_all = f_sync;
  io.sync_file_system = f_sync_file_system;
  io.link_open = f_link_open;
  io.rename = f_rename;
  io.unlink = f_unlink;
  io.make_directory = f_make_directory;
  io.change_mode = f_change_mode;
  io.stat = f_stat;
  return io;
}

/* Two calls of a session that begins at its first byte or goes on. Returns the last offset acknowledged. */
static uint64_t run_calls(as_store *store, const uint8_t *bytes, uint64_t size) {
  uint64_t told = 0, durable;
  for (int call = 0; call < 2; call++) {
    as_session_status status;
    as_ingest *session;
    if (as_session_begin(store, ID, told, &session, &durable)) {
      return told;
    }
    int error = as_ingest_append(session, bytes + told, (size_t)(size / 3));
    error = error ? error : as_session_checkpoint(session, &status);
    as_ingest_abort(session);
    if (error) {
      return told;
    }
    told = status.offset;
    CHECK(!is_unsynced(part_file(ID)) && !is_unsynced(state_file(ID)) && !is_unsynced(fixture_file("uploads")),
          "call %d: acknowledged before it is synced", fault_calls);
  }
  return told;
}

/* A whole session, and the beginning of another with its id. Returns what was acknowledged of the first, UINT64_MAX for the object. */
static uint64_t run_session(as_store *store, const uint8_t *bytes, uint64_t size) {
  as_ingested out;
  uint64_t told = run_calls(store, bytes, size);
  as_session_status status;
  if (as_session_look(store, ID, &status) == 0) { /* a checkpoint whose sync has failed may be found: not before it is synced */
    CHECK(!is_unsynced(part_file(ID)) && !is_unsynced(state_file(ID)), "call %d: said to be durable before it is synced", fault_calls);
  }
  if (try_finish(store, ID, bytes, told, size, NULL, &out)) {
    return told;
  }
  run_calls(store, bytes, size);
  return UINT64_MAX;
}

/* After the fault: what was acknowledged holds, and the session can be brought to its end. */
static void check_afterwards(const uint8_t *bytes, uint64_t size, uint64_t told) {
  as_store *store = open_store(0);
  as_digests digests = digests_of(bytes, (size_t)size);
  as_session_status status = {0};
  uint64_t found;
  int error = as_session_look(store, ID, &status);
  int stored = as_store_stat(store, digests.blake3, &found) == 0;
  CHECK(told != UINT64_MAX || stored, "call %d: an acknowledged object is lost", fault_at);
  if (told != UINT64_MAX && !stored) {
    CHECK(error == 0 || (error == AS_E_MISSING && told == 0), "call %d: told %llu, then %s", fault_at, (unsigned long long)told,
          as_error_name(error));
    CHECK(status.offset >= told, "call %d: told %llu, now %llu", fault_at, (unsigned long long)told,
          (unsigned long long)status.offset);
  }
  if (!error) {
    check_status(&status, bytes, status.offset);
  }
  as_ingested out = finish(store, ID, bytes, error ? 0 : status.offset, size);
  check_object(store, &out, bytes, (size_t)size);
  check_gone(store, ID);
  as_store_close(store);
}

static void test_faults(uint64_t size, int error, int dead) {
  as_io io = faulty_io();
  uint8_t *bytes = make_bytes((size_t)size, 3);
  fault_dead = dead;
  fault_error = error;
  for (fault_at = 0;; fault_at += fault_step()) {
    as_store *store;
    fixture_remove(fixture_store);
    fault_calls = -1000000; /* not while the store is opened */
    CHECK_INT(as_store_open_on(&io, fixture_store, AS_OPEN_CREATE, &store), 0);
    unsynced_count = fault_calls = fault_struck = 0;
    uint64_t told = run_session(store, bytes, size);
    int struck = fault_struck;
    CHECK(struck || told == UINT64_MAX, "no fault, and yet only %llu", (unsigned long long)told);
    fault_calls = -1000000;
    as_store_close(store);
    check_afterwards(bytes, size, told);
    if (!struck) {
      CHECK(fault_at > 30, "only %d calls", fault_at);
      break;
    }
  }
  free(bytes);
}

int main(void) {
  fixture_begin_in_memory();
  test_splits();
  test_refusals();
  test_expectations();
  test_presence();
  test_nothing_twice();
  test_part_behind_checkpoint();
  test_flipped_bits();
  test_torn_checkpoint_stays_dead();
  test_leftovers();
  test_example();
  test_kills();
  test_threads();
  for (int dead = 0; dead < 2; dead++) {
    test_faults(120000, -EIO, dead);
    test_faults(600000, -EIO, dead);
    test_faults(600000, -ENOSPC, dead);
  }
  fixture_clean();
  return 0;
}
