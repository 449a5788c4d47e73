/*
 * Verifying in both modes, one object at a time and many at once: every kind of damage to bytes, outboards and lengths, in packs and in
 * files, is found and named alike; and removing many objects at once, failures included.
 * May include: store_fixture.h, store/objects.h. Run by: CTest.
 */
#include "store/objects.h"
#include "store/outboard.h"
#include "store_fixture.h"

static as_store *store;
static const unsigned MODES[] = {0, AS_VERIFY_BLAKE3};
static const uint8_t ZEROS[AS_DIGEST_SIZE];

/* Verifies one object in steps of `step` bytes. */
static int run_verifier(const uint8_t *address, unsigned flags, size_t step, as_verified *out, as_range *bad, size_t capacity) {
  as_verifier *verifier;
  uint64_t size;
  size_t taken;
  int error = as_verifier_open(store, address, flags, &verifier, &size);
  if (error) {
    return error;
  }
  do {
    error = as_verifier_pump(verifier, step, &taken);
    CHECK(taken <= step + AS_GROUP_SIZE, "%zu bytes in a step of %zu", taken, step);
  } while (!error && taken > 0);
  if (error) {
    as_verifier_abort(verifier);
    return error;
  }
  return as_verifier_finish(verifier, out, bad, capacity);
}

static void check_sha256(const as_verified *out, unsigned flags, const as_digests *digests) {
  const uint8_t *expected = flags & AS_VERIFY_BLAKE3 ? ZEROS : digests->sha256;
  CHECK_BYTES(out->digests.sha256, expected, AS_DIGEST_SIZE, "SHA-256 in mode %u", flags);
}

static void check_whole(const as_digests *digests, size_t size) {
  static const size_t steps[] = {1, AS_GROUP_SIZE, 100001, 1 << 30};
  for (int m = 0; m < 2; m++) {
    for (size_t s = size > (1 << 20) ? 2 : 0; s < sizeof steps / sizeof *steps; s++) {
      as_verified out;
      as_range bad;
      CHECK_INT(run_verifier(digests->blake3, MODES[m], steps[s], &out, &bad, 1), 0);
      CHECK(out.intact && out.size == size && !out.outboard_repaired, "%zu bytes, mode %u", size, MODES[m]);
      CHECK_BYTES(out.digests.blake3, digests->blake3, AS_DIGEST_SIZE, "BLAKE3 of %zu bytes", size);
      check_sha256(&out, MODES[m], digests);
    }
  }
}

/* ---- damage ---- */

/* The file that holds an object's bytes and where, of its outboard too. */
typedef struct spot {
  char path[512];
  uint64_t at;
  char outboard_path[512];
  uint64_t outboard_at;
} spot;

static spot spot_of(const uint8_t *address) {
  as_object_files files;
  spot out = {.path = ""};
  CHECK_INT(as_object_open(store, address, &files), 0);
  if (files.segment) {
    char name[64];
    snprintf(name, sizeof name, "packs/%s", as_segment_name(files.at.segment).text);
    snprintf(out.path, sizeof out.path, "%s", fixture_file(name));
    memcpy(out.outboard_path, out.path, sizeof out.path);
  } else {
    snprintf(out.path, sizeof out.path, "%s", object_file(address, ""));
    snprintf(out.outboard_path, sizeof out.outboard_path, "%s", object_file(address, ".obao4"));
  }
  out.at = files.base;
  out.outboard_at = files.outboard_base;
  as_object_close(store, &files);
  return out;
}

/* Flips a bit in a file that may be read-only. */
static void flip_at(const char *path, uint64_t offset) {
  uint8_t byte;
  CHECK(chmod(path, 0644) == 0, "%s", path);
  int fd = open(path, O_RDWR);
  CHECK(fd >= 0 && pread(fd, &byte, 1, (off_t)offset) == 1, "%s", path);
  byte ^= 4;
  CHECK(pwrite(fd, &byte, 1, (off_t)offset) == 1, "%s", path);
  close(fd);
}

static void check_flipped(const as_ingested *object, size_t size, uint64_t offset) {
  const uint8_t *address = object->digests.blake3;
  spot where = spot_of(address);
  uint64_t start = offset / AS_GROUP_SIZE * AS_GROUP_SIZE;
  uint64_t end = start + AS_GROUP_SIZE < size ? start + AS_GROUP_SIZE : size, found;
  for (int m = 0; m < 2; m++) {
    as_verified out;
    as_range bad[3];
    flip_at(where.path, where.at + offset);
    CHECK_INT(run_verifier(address, MODES[m], 70000, &out, bad, 3), 0);
    CHECK(!out.intact && out.bad_count == 1 && bad[0].start == start && bad[0].end == end,
          "flip at %llu of %zu, mode %u: %zu ranges from %llu", (unsigned long long)offset, size, MODES[m], out.bad_count,
          (unsigned long long)bad[0].start);
    CHECK_INT(as_store_stat(store, address, &found), AS_E_CORRUPT);
    flip_at(where.path, where.at + offset);
    CHECK_INT(run_verifier(address, MODES[m], 70000, &out, bad, 3), 0); /* whole again: the mark goes */
    CHECK(out.intact, "mode %u", MODES[m]);
    CHECK_INT(as_store_stat(store, address, &found), 0);
  }
}

/* A damaged outboard beside whole bytes is mended. */
static void check_outboards(const as_ingested *object, size_t size) {
  const uint8_t *address = object->digests.blake3;
  for (uint64_t offset = 0; offset < as_outboard_size(size); offset += offset < 8 ? 7 : 64 * 3 + 5) {
    for (int m = 0; m < 2; m++) {
      as_verified out;
      as_range bad;
      spot where = spot_of(address); /* a packed object that was mended has moved */
      flip_at(where.outboard_path, where.outboard_at + offset);
      CHECK_INT(run_verifier(address, MODES[m], 1 << 20, &out, &bad, 1), 0);
      CHECK(out.intact && out.outboard_repaired, "outboard of %zu flipped at %llu, mode %u", size,
            (unsigned long long)offset, MODES[m]);
      check_sha256(&out, MODES[m], &object->digests);
      check_whole(&object->digests, size);
    }
  }
}

static void test_damage(void) {
  static const size_t sizes[] = {1, 5000, AS_GROUP_SIZE, AS_GROUP_SIZE + 1, 9 * AS_GROUP_SIZE + 1, 256 * 1024, 256 * 1024 + 1,
                                 40 * AS_GROUP_SIZE, 3 * 1024 * 1024 + 777};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint8_t *bytes = make_bytes(sizes[i], i + 7);
    as_ingested object = ingest(store, bytes, sizes[i]);
    check_whole(&object.digests, sizes[i]);
    check_flipped(&object, sizes[i], 0);
    check_flipped(&object, sizes[i], sizes[i] - 1);
    check_flipped(&object, sizes[i], sizes[i] * 2 / 3);
    check_outboards(&object, sizes[i]);
    free(bytes);
  }
  as_ingested empty = ingest(store, "", 0);
  check_whole(&empty.digests, 0);
}

/* A file that is cut short or has grown: both modes name the same ranges, and the size as it is. */
static void test_lengths(void) {
  enum { SIZE = 20 * AS_GROUP_SIZE + 100 };
  static const size_t lengths[] = {0, 1, AS_GROUP_SIZE, AS_GROUP_SIZE + 1, 20 * AS_GROUP_SIZE, SIZE - 1, SIZE + 1, SIZE + 100000};
  uint8_t *bytes = make_bytes(SIZE, 3);
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    as_ingested object = ingest(store, bytes, SIZE);
    as_verified out[2];
    as_range bad[2][8];
    resize_file(object_file(object.digests.blake3, ""), lengths[i]);
    for (int m = 0; m < 2; m++) {
      CHECK_INT(run_verifier(object.digests.blake3, MODES[m], 50000, &out[m], bad[m], 8), 0);
      CHECK(!out[m].intact && out[m].bad_count > 0 && out[m].size == lengths[i], "made %zu, mode %u", lengths[i], MODES[m]);
    }
    CHECK_INT(out[1].bad_count, out[0].bad_count);
    CHECK_BYTES(bad[1], bad[0], out[0].bad_count * sizeof(as_range), "ranges of a file made %zu", lengths[i]);
    CHECK_BYTES(out[1].digests.blake3, out[0].digests.blake3, AS_DIGEST_SIZE, "digest of a file made %zu", lengths[i]);
    CHECK(ingest(store, bytes, SIZE).healed, "healed");
  }
  free(bytes);
}

static void test_many_ranges(void) {
  enum { GROUPS = 64 };
  size_t size = GROUPS * AS_GROUP_SIZE;
  uint8_t *bytes = make_bytes(size, 4);
  as_ingested object = ingest(store, bytes, size);
  for (uint64_t group = 1; group < GROUPS; group += 2) {
    flip_at(object_file(object.digests.blake3, ""), group * AS_GROUP_SIZE);
  }
  for (int m = 0; m < 2; m++) {
    as_verified out;
    as_range bad[GROUPS];
    CHECK_INT(run_verifier(object.digests.blake3, MODES[m], 1 << 20, &out, bad, GROUPS), 0);
    CHECK_INT(out.bad_count, GROUPS / 2);
    for (size_t i = 0; i < out.bad_count; i++) {
      CHECK_INT(bad[i].start, (2 * i + 1) * AS_GROUP_SIZE);
    }
  }
  free(bytes);
}

static uint64_t hole_start, hole_end; /* what the disk does not give, of any file */

static ssize_t holed_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  (void)io;
  return offset < hole_end && offset + size > hole_start ? -EIO : as_io_posix()->read(as_io_posix(), fd, bytes, size, offset);
}

static void test_unreadable(void) {
  size_t size = 30 * AS_GROUP_SIZE;
  uint8_t *bytes = make_bytes(size, 5);
  memset(bytes + 20 * AS_GROUP_SIZE, 0, AS_GROUP_SIZE); /* as what stands for unreadable bytes */
  as_ingested object = ingest(store, bytes, size);
  as_io holed = *as_io_posix();
  holed.read = holed_read;
  as_store_close(store);
  CHECK_INT(as_store_open_on(&holed, fixture_store, 0, &store), 0);
  for (int m = 0; m < 2; m++) {
    as_verified out;
    as_range bad[4];
    hole_start = 20 * AS_GROUP_SIZE + 4096;
    hole_end = hole_start + 4096;
    CHECK_INT(run_verifier(object.digests.blake3, MODES[m], 1 << 20, &out, bad, 4), 0);
    CHECK(!out.intact && out.bad_count == 1 && bad[0].start == 20 * AS_GROUP_SIZE, "mode %u", MODES[m]);
    hole_start = hole_end = 0;
    CHECK(ingest(store, bytes, size).healed, "healed");
  }
  as_store_close(store);
  store = open_store(0);
  free(bytes);
}

static void test_refusals(void) {
  as_verifier *verifier;
  uint64_t size;
  CHECK_INT(as_verifier_open(store, ZEROS, 2, &verifier, &size), AS_E_INVALID);
  CHECK_INT(as_verifier_open(store, ZEROS, AS_VERIFY_BLAKE3, &verifier, &size), AS_E_MISSING);
}

/* ---- many at once ---- */

enum { MANY = 300 };
static uint8_t addresses[MANY][AS_DIGEST_SIZE];
static as_digests many_digests[MANY];
static size_t many_sizes[MANY];
static uint8_t *many_bytes[MANY];

/* Packed objects of all sizes, in one commit; and at the end one that is a file and one that is absent. */
static void ingest_many(void) {
  static as_ingest *ingests[MANY];
  static const as_expect *expects[MANY];
  static as_ingested results[MANY];
  static int status[MANY];
  uint64_t seed = 99;
  for (size_t i = 0; i < MANY - 1; i++) {
    many_sizes[i] = i == 0 ? 0 : i % 50 == 1 ? 100000 + next_random(&seed) % 156000 : next_random(&seed) % 20000 + 8;
    many_sizes[i] = i == MANY - 2 ? 300000 : many_sizes[i];
    many_bytes[i] = make_bytes(many_sizes[i], 1000 + i);
    CHECK_INT(as_ingest_begin_whole(store, many_bytes[i], many_sizes[i], &ingests[i]), 0);
  }
  as_ingest_commit(store, ingests, expects, MANY - 1, results, status);
  for (size_t i = 0; i < MANY - 1; i++) {
    CHECK_INT(status[i], 0);
    many_digests[i] = results[i].digests;
    memcpy(addresses[i], many_digests[i].blake3, AS_DIGEST_SIZE);
  }
  memset(addresses[MANY - 1], 7, AS_DIGEST_SIZE);
}

static void free_many(void) {
  for (size_t i = 0; i < MANY; i++) {
    free(many_bytes[i]);
  }
}

static void test_verify_many(void) {
  static as_verified results[MANY];
  static as_verify_outcome outcomes[MANY];
  uint64_t found;
  flip_at(spot_of(addresses[17]).path, spot_of(addresses[17]).at + 3);
  flip_at(spot_of(addresses[51]).outboard_path, spot_of(addresses[51]).outboard_at + 100);
  flip_at(spot_of(addresses[101]).outboard_path, spot_of(addresses[101]).outboard_at + 2); /* the size it states */
  for (int m = 0; m < 2; m++) {
    memset(results, 0xee, sizeof results);
    as_verify_many(store, addresses[0], MANY, MODES[m], UINT64_MAX / 2, results, outcomes);
    for (size_t i = 0; i < MANY; i++) {
      int alone = i == 17 || i == 51 || i == 101 || i >= MANY - 2;
      CHECK(outcomes[i] == (alone ? AS_VERIFY_ALONE : AS_VERIFY_WHOLE), "object %zu of %zu bytes: %d", i, many_sizes[i],
            (int)outcomes[i]);
      if (!alone) {
        CHECK(results[i].intact && results[i].size == many_sizes[i] && results[i].bad_count == 0, "object %zu", i);
        CHECK_BYTES(results[i].digests.blake3, addresses[i], AS_DIGEST_SIZE, "object %zu", i);
        check_sha256(&results[i], MODES[m], &many_digests[i]);
      }
    }
  }
  CHECK_INT(as_store_stat(store, addresses[17], &found), 0); /* it has marked nothing */
  check_intact(store, addresses[51]); /* mended */
  check_intact(store, addresses[101]);
  flip_at(spot_of(addresses[17]).path, spot_of(addresses[17]).at + 3);
  /* In portions: all are verified once, and each portion makes progress. */
  size_t rounds = 0, left = MANY - 2, pending[MANY];
  static uint8_t again[MANY][AS_DIGEST_SIZE];
  for (size_t i = 0; i < left; i++) {
    memcpy(again[i], addresses[i], AS_DIGEST_SIZE);
  }
  for (; left; rounds++) {
    size_t later = 0;
    as_verify_many(store, again[0], left, AS_VERIFY_BLAKE3, 100000, results, outcomes);
    for (size_t i = 0; i < left; i++) {
      CHECK(outcomes[i] != AS_VERIFY_ALONE, "round %zu", rounds);
      if (outcomes[i] == AS_VERIFY_LATER) {
        pending[later++] = i;
      }
    }
    CHECK(later < left, "no progress in round %zu", rounds);
    for (size_t i = 0; i < later; i++) {
      memmove(again[i], again[pending[i]], AS_DIGEST_SIZE);
    }
    left = later;
  }
  CHECK(rounds > 3, "%zu rounds", rounds);
  as_verify_many(store, addresses[0], 0, 0, 1, results, outcomes);
}

/* Unreadable bytes of a pack cost those objects the short way, and no others. */
static void test_verify_many_unreadable(void) {
  static as_verified results[MANY];
  static as_verify_outcome outcomes[MANY];
  spot where = spot_of(addresses[40]);
  size_t whole = 0;
  as_io holed = *as_io_posix();
  holed.read = holed_read;
  as_store_close(store);
  CHECK_INT(as_store_open_on(&holed, fixture_store, 0, &store), 0);
  hole_start = where.at;
  hole_end = where.at + 1;
  as_verify_many(store, addresses[0], MANY, 0, UINT64_MAX / 2, results, outcomes);
  for (size_t i = 0; i < MANY; i++) {
    whole += outcomes[i] == AS_VERIFY_WHOLE;
  }
  CHECK(outcomes[40] == AS_VERIFY_ALONE && whole > 0 && whole < MANY - 2, "%zu whole", whole);
  hole_start = hole_end = 0;
  as_store_close(store);
  store = open_store(0);
}

static int punches, fail_sync, fail_punch;
static uint64_t punched_bytes;

static int counting_punch(const as_io *io, int fd, uint64_t offset, uint64_t size) {
  (void)io;
  punches++;
  punched_bytes += size;
  return fail_punch ? -EOPNOTSUPP : as_io_posix()->punch(as_io_posix(), fd, offset, size);
}

static int failing_sync(const as_io *io, int fd) {
  (void)io;
  return fail_sync ? -EIO : as_io_posix()->sync_all(as_io_posix(), fd);
}

static size_t asked_for;

static int counting_stat(const as_io *io, int directory, const char *path, struct stat *out) {
  (void)io;
  asked_for++;
  return as_io_posix()->stat_at(as_io_posix(), directory, path, out);
}

static int fail_list;

static int failing_list(const as_io *io, int directory, const char *path, as_io_visit visit, void *context) {
  (void)io;
  return fail_list ? -EIO : as_io_posix()->list(as_io_posix(), directory, path, visit, context);
}

static int failing_write_now;

static ssize_t failing_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  (void)io;
  return failing_write_now ? -ENOSPC : as_io_posix()->write(as_io_posix(), fd, bytes, size, offset);
}

static void test_remove_many(void) {
  static int removed[MANY], status[MANY];
  static uint64_t freed[MANY];
  uint64_t found, total = 0;
  as_io io = *as_io_posix();
  io.punch = counting_punch;
  io.sync_all = failing_sync;
  io.write = failing_write;
  io.stat_at = counting_stat;
  io.list = failing_list;
  as_store_close(store);
  CHECK_INT(as_store_open_on(&io, fixture_store, 0, &store), 0);

  failing_write_now = 1; /* the deletions cannot be written: nothing that is packed is gone */
  as_store_remove_many(store, addresses[2], 20, removed, freed, status);
  failing_write_now = 0;
  for (size_t i = 0; i < 20; i++) {
    CHECK(status[i] == -ENOSPC && !removed[i] && freed[i] == 0, "object %zu: %s", i + 2, as_error_name(status[i]));
    check_read(store, addresses[i + 2], many_bytes[i + 2], many_sizes[i + 2]);
  }
  CHECK_INT(punches, 0);

  fail_punch = 1; /* space that cannot be given back is not claimed to be */
  as_store_remove_many(store, addresses[1], 1, removed, freed, status);
  fail_punch = 0;
  CHECK(status[0] == 0 && removed[0] && freed[0] == 0 && punches > 0, "removed %d, freed %llu", removed[0],
        (unsigned long long)freed[0]);

  /* All but two, one of them twice: neighbours are punched as one, what is kept stays whole. */
  static uint8_t gone[MANY][AS_DIGEST_SIZE];
  memcpy(gone, addresses, sizeof gone);
  memcpy(gone[60], addresses[61], AS_DIGEST_SIZE);
  memcpy(gone[200], addresses[61], AS_DIGEST_SIZE);
  punches = 0;
  punched_bytes = 0;
  asked_for = 0;
  as_store_remove_many(store, gone[0], MANY, removed, freed, status);
  CHECK(asked_for > 0 && asked_for < MANY / 4, "%zu files asked for: few folders of files have been made", asked_for);
  for (size_t i = 0; i < MANY; i++) {
    int was_there = i != 1 && i < MANY - 1 && memcmp(gone[i], addresses[61], AS_DIGEST_SIZE) != 0;
    CHECK_INT(status[i], 0);
    CHECK(removed[i] == was_there || i == 60 || i == 61 || i == 200, "object %zu removed %d", i, removed[i]);
    total += i == MANY - 2 ? 0 : freed[i];
  }
  CHECK_INT(removed[60] + removed[61] + removed[200], 1);
  CHECK(freed[MANY - 2] >= 300000, "the file freed %llu", (unsigned long long)freed[MANY - 2]);
  CHECK(punches > 0 && punches < 40, "%d punches", punches);
  CHECK_INT(total, punched_bytes);
  for (size_t i = 0; i < MANY; i++) {
    int kept = i == 60 || i == 200;
    CHECK_INT(as_store_stat(store, addresses[i], &found), kept ? 0 : AS_E_MISSING);
    if (kept) {
      check_read(store, addresses[i], many_bytes[i], many_sizes[i]);
    }
  }

  /* Folders that cannot be listed: every file is asked for. */
  memcpy(addresses[0], ingest(store, many_bytes[MANY - 2], many_sizes[MANY - 2]).digests.blake3, AS_DIGEST_SIZE);
  fail_list = 1;
  as_store_remove_many(store, addresses[0], 20, removed, freed, status);
  fail_list = 0;
  CHECK(status[0] == 0 && removed[0] && freed[0] >= 300000, "%s", as_error_name(status[0]));

  /* A directory that cannot be synced: the file's removal is not acknowledged. */
  memcpy(addresses[0], ingest(store, many_bytes[MANY - 2], many_sizes[MANY - 2]).digests.blake3, AS_DIGEST_SIZE);
  memcpy(addresses[1], addresses[60], AS_DIGEST_SIZE);
  fail_sync = 1;
  as_store_remove_many(store, addresses[0], 2, removed, freed, status);
  fail_sync = 0;
  CHECK(status[0] == -EIO && status[1] == 0 && removed[1], "%s, %s", as_error_name(status[0]), as_error_name(status[1]));
  as_store_remove_many(store, addresses[0], 0, removed, freed, status);

  as_store_close(store);
  store = open_store(AS_OPEN_READ_ONLY);
  as_store_remove_many(store, addresses[0], 2, removed, freed, status);
  CHECK(status[0] == AS_E_READ_ONLY && status[1] == AS_E_READ_ONLY, "read-only");
  as_store_close(store);
  store = open_store(0);
  check_read(store, addresses[200], many_bytes[200], many_sizes[200]);
}

static void test_groups(void) {
  uint8_t *bytes = make_bytes(40 * AS_GROUP_SIZE, 8), values[40 * AS_DIGEST_SIZE], value[AS_DIGEST_SIZE];
  for (size_t count = 0; count <= 40; count++) {
    as_blake3_groups(bytes, count, 5 + count, values);
    for (size_t i = 0; i < count; i++) {
      as_blake3_subtree(bytes + i * AS_GROUP_SIZE, AS_GROUP_SIZE, 5 + count + i, value);
      CHECK_BYTES(values + i * AS_DIGEST_SIZE, value, AS_DIGEST_SIZE, "group %zu of %zu", i, count);
    }
  }
  free(bytes);
}

int main(void) {
  fixture_begin();
  store = open_store(AS_OPEN_CREATE);
  test_groups();
  test_damage();
  test_lengths();
  test_many_ranges();
  test_unreadable();
  test_refusals();
  ingest_many();
  test_verify_many();
  test_verify_many_unreadable();
  test_remove_many();
  free_many();
  as_store_close(store);
  fixture_clean();
  return 0;
}
