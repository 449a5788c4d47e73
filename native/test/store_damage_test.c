/*
 * Damage to stored objects, in packs and in files of their own: every kind is noticed, named as narrowly as it can be,
 * never served, and healed by ingesting again; a damaged outboard of whole bytes is mended by verifying. What else can
 * happen to packs is in store_pack_test.
 * May include: store_fixture.h. Run by: CTest.
 */
#include "store_fixture.h"

static as_store *store;

static uint64_t group_of(uint64_t offset) { return offset / AS_GROUP_SIZE; }

/* Reads one byte's group through a reader of its own; any byte served must be right. */
static int read_at(const uint8_t *address, const uint8_t *bytes, uint64_t offset, as_range *bad) {
  static uint8_t buffer[AS_GROUP_SIZE];
  as_reader *reader;
  uint64_t size;
  size_t skip, count;
  int error = as_reader_open(store, address, &reader, &size);
  if (error) {
    return error;
  }
  error = as_reader_read(reader, offset, buffer, sizeof buffer, &skip, &count, bad);
  if (!error) {
    CHECK_BYTES(buffer + skip, bytes + offset, count, "at %llu", (unsigned long long)offset);
  }
  as_reader_close(reader);
  return error;
}

/* The object counts as absent, and comes back whole when it is ingested again. */
static void check_heals(const uint8_t *address, const uint8_t *bytes, size_t size) {
  as_range bad;
  uint64_t found;
  place before = place_of(store, address);
  int moves = !before.packed && size <= AS_PACK_OBJECT_MAX; /* one that format 1 kept as a file goes into a pack */
  CHECK(before.marked, "no mark");
  CHECK_INT(as_store_stat(store, address, &found), AS_E_CORRUPT);
  CHECK_INT(read_at(address, bytes, 0, &bad), AS_E_CORRUPT);
  as_ingested out = ingest(store, bytes, size);
  CHECK((out.healed || moves) && !out.existed, "healed %d existed %d", out.healed, out.existed);
  CHECK(!is_marked(store, address), "the mark stays");
  CHECK_INT(as_store_stat(store, address, &found), 0);
  check_read(store, address, bytes, size);
  check_intact(store, address);
  CHECK(ingest(store, bytes, size).existed, "healed object exists");
}

static void check_flipped_byte(const uint8_t *address, const uint8_t *bytes, size_t size, uint64_t offset) {
  as_range bad, ranges[3];
  uint64_t start = group_of(offset) * AS_GROUP_SIZE, end = start + AS_GROUP_SIZE < size ? start + AS_GROUP_SIZE : size;
  flip_object(store, address, offset, offset % 8);
  CHECK_INT(try_read(store, address, bytes, size, 64 * AS_GROUP_SIZE, &bad), AS_E_CORRUPT);
  CHECK(bad.start == start && bad.end == end, "flip at %llu of %zu: named %llu-%llu", (unsigned long long)offset, size,
        (unsigned long long)bad.start, (unsigned long long)bad.end);
  as_verified verified = verify(store, address, ranges, 3);
  CHECK(!verified.intact && verified.bad_count == 1, "verify found %zu ranges", verified.bad_count);
  CHECK(ranges[0].start == start && ranges[0].end == end, "flip at %llu of %zu: verify named %llu-%llu",
        (unsigned long long)offset, size, (unsigned long long)ranges[0].start, (unsigned long long)ranges[0].end);
  flip_object(store, address, offset, offset % 8);
  check_intact(store, address); /* whole again: the mark goes */
  check_read(store, address, bytes, size);
  flip_object(store, address, offset, offset % 8);
  verified = verify(store, address, ranges, 3); /* marks it too */
  CHECK(!verified.intact, "flip at %llu", (unsigned long long)offset);
  check_heals(address, bytes, size);
}

static void test_flipped_objects(void) {
  static const size_t sizes[] = {1, 5000, 16384, 16385, 70000, 16384 * 9 + 1, 262144, 262145, 16384 * 20 + 1};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t size = sizes[i];
    uint8_t *bytes = make_bytes(size, size);
    as_ingested out = ingest(store, bytes, size);
    uint64_t seed = i;
    check_flipped_byte(out.digests.blake3, bytes, size, 0);
    check_flipped_byte(out.digests.blake3, bytes, size, size - 1);
    check_flipped_byte(out.digests.blake3, bytes, size, next_random(&seed) % size);
    free(bytes);
  }
}

/* Groups other than the damaged one still come back, until the damage is met. */
static void test_reads_beside_damage(uint64_t groups) {
  size_t size = (size_t)groups * AS_GROUP_SIZE;
  uint8_t *bytes = make_bytes(size, 41);
  as_ingested out = ingest(store, bytes, size);
  const uint8_t *address = out.digests.blake3;
  as_range bad;
  flip_object(store, address, 5 * AS_GROUP_SIZE + 9, 1);
  for (uint64_t group = 0; group < groups; group++) {
    if (group != 5) {
      CHECK_INT(read_at(address, bytes, group * AS_GROUP_SIZE + 77, &bad), 0);
    }
  }
  CHECK(!is_marked(store, address), "marked without being met");
  CHECK_INT(read_at(address, bytes, 5 * AS_GROUP_SIZE + 16383, &bad), AS_E_CORRUPT);
  CHECK(strstr(as_error_detail(), "objects/"), "detail is \"%s\"", as_error_detail());
  CHECK_INT(read_at(address, bytes, 0, &bad), AS_E_CORRUPT);
  check_heals(address, bytes, size);
  free(bytes);
}

static void check_mended(const uint8_t *address, const uint8_t *expected, size_t expected_size) {
  as_range ranges[2];
  as_verified verified = verify(store, address, ranges, 2);
  size_t now_size;
  CHECK(verified.intact && verified.outboard_repaired && verified.bad_count == 0, "intact %d repaired %d",
        verified.intact, verified.outboard_repaired);
  uint8_t *now = outboard_bytes(store, address, &now_size);
  CHECK_INT(now_size, expected_size);
  CHECK_BYTES(now, expected, expected_size, "mended outboard");
  CHECK(!is_marked(store, address), "mark after mending");
  verified = verify(store, address, ranges, 2);
  CHECK(verified.intact && !verified.outboard_repaired, "mended once");
  free(now);
}

/* Every part of an outboard damaged in turn. */
static void check_flipped_outboard(const uint8_t *address, const uint8_t *bytes, uint64_t groups) {
  size_t outboard_size;
  uint8_t *outboard = outboard_bytes(store, address, &outboard_size);
  as_range bad;
  uint64_t refused = 0, flips = 0;
  CHECK_INT(outboard_size, 8 + 64 * (groups - 1));
  for (uint64_t offset = 0; offset < outboard_size; offset += offset < 8 ? 1 : 11) {
    flip_outboard(store, address, offset, offset % 8);
    flips++;
    for (uint64_t group = 0; group < groups; group++) {
      int error = read_at(address, bytes, group * AS_GROUP_SIZE, &bad);
      CHECK(error == AS_E_CORRUPT || (error == 0 && offset >= 8), "flip at %llu, group %llu: %s",
            (unsigned long long)offset, (unsigned long long)group, as_error_name(error));
      refused += error != 0;
      CHECK_INT(is_marked(store, address), error != 0);
      if (error) {
        set_mark(store, address, 0); /* each group by itself */
      }
    }
    check_mended(address, outboard, outboard_size);
  }
  CHECK(refused > 2 * flips && refused < groups * flips * 3 / 4, "%llu of %llu reads were refused",
        (unsigned long long)refused, (unsigned long long)(groups * flips));
  free(outboard);
}

static void test_damaged_outboards(uint64_t groups) {
  size_t size = (size_t)(groups - 1) * AS_GROUP_SIZE + 100;
  uint8_t *bytes = make_bytes(size, 51);
  as_ingested out = ingest(store, bytes, size);
  const uint8_t *address = out.digests.blake3;
  as_range bad;
  check_flipped_outboard(address, bytes, groups);
  flip_outboard(store, address, 9, 0);
  CHECK_INT(read_at(address, bytes, 0, &bad), AS_E_CORRUPT);
  CHECK(ingest(store, bytes, size).healed, "outboard damaged");
  check_read(store, address, bytes, size);
  /* Both damaged: the outboard can no longer narrow the damage, and says so by naming all it cannot vouch for. */
  flip_outboard(store, address, 8, 0);
  flip_object(store, address, 3, 0);
  as_verified verified = verify(store, address, &bad, 1);
  CHECK(!verified.intact && bad.start == 0 && bad.end == size, "%llu-%llu", (unsigned long long)bad.start,
        (unsigned long long)bad.end);
  check_heals(address, bytes, size);
  free(bytes);
}

/* An outboard that is a file may also be cut short, extended or not there. */
static void test_wrong_outboard_files(void) {
  size_t size = 19 * AS_GROUP_SIZE + 100, outboard_size;
  uint8_t *bytes = make_bytes(size, 52);
  as_ingested out = ingest(store, bytes, size);
  const uint8_t *address = out.digests.blake3;
  uint8_t *outboard = outboard_bytes(store, address, &outboard_size);
  as_range bad;
  const uint64_t lengths[] = {0, 7, 8, 71, 100, outboard_size - 1};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    resize_file(object_file(address, ".obao4"), lengths[i]);
    CHECK_INT(as_store_stat(store, address, &(uint64_t){0}), AS_E_CORRUPT);
    check_mended(address, outboard, outboard_size);
    resize_file(object_file(address, ".obao4"), lengths[i]);
    CHECK(ingest(store, bytes, size).healed, "outboard of %llu bytes", (unsigned long long)lengths[i]);
    check_read(store, address, bytes, size);
  }
  resize_file(object_file(address, ".obao4"), outboard_size + 1);
  check_mended(address, outboard, outboard_size);
  CHECK(unlink(object_file(address, ".obao4")) == 0, "unlink");
  CHECK_INT(read_at(address, bytes, 0, &bad), AS_E_CORRUPT);
  check_mended(address, outboard, outboard_size);
  CHECK(unlink(object_file(address, ".obao4")) == 0, "unlink");
  CHECK(ingest(store, bytes, size).healed, "outboard missing");
  check_read(store, address, bytes, size);
  free(outboard);
  free(bytes);
}

/* A file cut short or extended, with the outboard as it was: nothing is served from any offset, not even right bytes
 * under a wrong size. The small ones are as format 1 kept them. */
static void test_wrong_lengths(void) {
  static const size_t sizes[] = {100, 16384, 16385, 40000, 5 * AS_GROUP_SIZE, 300000, 20 * AS_GROUP_SIZE};
  static const int64_t changes[] = {-100, -99, -1, 1, 16384, -16384, -16385, 20000, -40000, 100000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t size = sizes[i];
    uint8_t *bytes = make_bytes(size, size + 60);
    uint8_t *longer = realloc(bytes, size + 200000);
    bytes = longer;
    memset(bytes + size, 0, 200000); /* what a longer file would be read as */
    for (size_t j = 0; j < sizeof changes / sizeof *changes; j++) {
      int64_t now = (int64_t)size + changes[j];
      as_range bad, ranges[8];
      if (now < 0) {
        continue;
      }
      uint64_t seed = j, offset = next_random(&seed) % ((uint64_t)now + 1);
      as_digests digests = put_as_files(bytes, size);
      const uint8_t *address = digests.blake3;
      resize_file(object_file(address, ""), (uint64_t)now);
      CHECK_INT(read_at(address, bytes, offset, &bad), AS_E_CORRUPT);
      as_verified verified = verify(store, address, ranges, 8);
      CHECK(!verified.intact && verified.bad_count > 0, "%zu bytes made %lld", size, (long long)now);
      CHECK_INT(verified.size, now);
      uint64_t end = ranges[verified.bad_count - 1].end, least = size < (size_t)now ? (uint64_t)now : size;
      CHECK(size <= AS_GROUP_SIZE || end == least, "%zu bytes made %lld: damage ends at %llu", size, (long long)now,
            (unsigned long long)end);
      CHECK(changes[j] != -16384 || size != 5 * AS_GROUP_SIZE || ranges[0].start == 4 * AS_GROUP_SIZE,
            "four of five groups are whole, damage begins at %llu", (unsigned long long)ranges[0].start);
      check_heals(address, bytes, size);
      remove_object(store, address);
    }
    free(bytes);
  }
}

/* Writes a forged outboard. */
static void forge(const uint8_t *address, uint64_t size, const uint8_t *pairs, size_t count) {
  uint8_t file[8 + 64 * 4];
  memcpy(file, &size, 8);
  memcpy(file + 8, pairs, 64 * count);
  write_file(object_file(address, ".obao4"), file, 8 + 64 * count);
}

/* Sizes that lie, with outboards made to fit the lie as far as anyone can make them. The bytes of the first groups are
 * right, and their pairs authenticate; only the last group gives the lie away. Only of a file can the size lie: that of a
 * packed object has a checksum. */
static void check_forged_shape(const uint8_t *bytes, uint64_t lie, const uint8_t *pairs, size_t count) {
  enum { SIZE = 3 * AS_GROUP_SIZE };
  as_digests digests = put_as_files(bytes, SIZE);
  as_range bad;
  resize_file(object_file(digests.blake3, ""), lie);
  forge(digests.blake3, lie, pairs, count);
  CHECK_INT(read_at(digests.blake3, bytes, 0, &bad), AS_E_CORRUPT);
  check_heals(digests.blake3, bytes, SIZE);
  remove_object(store, digests.blake3);
}

static void test_forged_shapes(void) {
  uint8_t *bytes = make_bytes(5 * AS_GROUP_SIZE, 71), cv[3][AS_DIGEST_SIZE], pairs[4 * 64] = {0};
  for (uint64_t group = 0; group < 3; group++) {
    as_blake3_subtree(bytes + group * AS_GROUP_SIZE, AS_GROUP_SIZE, group, cv[group]);
  }
  /* Four groups: root over ((g0, g1), x), where x claims to be a node of two groups and is g2. */
  as_blake3_parent(cv[0], cv[1], 0, pairs);
  memcpy(pairs + 32, cv[2], 32);
  memcpy(pairs + 64, cv[0], 32);
  memcpy(pairs + 96, cv[1], 32);
  memcpy(pairs + 128, cv[2], 32);
  check_forged_shape(bytes, 4 * AS_GROUP_SIZE, pairs, 3);
  /* Two groups: the root's children taken for the groups themselves. */
  check_forged_shape(bytes, 2 * AS_GROUP_SIZE, pairs, 1);
  /* The same number of groups, the last one shorter. */
  check_forged_shape(bytes, 3 * AS_GROUP_SIZE - 5, pairs, 2);
  free(bytes);
}

static void test_many_ranges(uint64_t groups) {
  enum { MOST = 40 };
  size_t size = (size_t)groups * AS_GROUP_SIZE;
  uint8_t *bytes = make_bytes(size, 81);
  as_ingested out = ingest(store, bytes, size);
  const uint8_t *address = out.digests.blake3;
  as_range ranges[MOST];
  uint64_t pairs = groups / 3; /* groups is a multiple of 3, and 1 more */
  for (uint64_t group = 1; group < groups; group += 3) { /* 1, 2, 4, 5, 7, 8, … */
    flip_object(store, address, group * AS_GROUP_SIZE, 0);
    flip_object(store, address, (group + 1) * AS_GROUP_SIZE, 0);
  }
  as_verified verified = verify(store, address, ranges, MOST);
  CHECK_INT(verified.bad_count, pairs);
  for (size_t i = 0; i < verified.bad_count; i++) {
    CHECK_INT(ranges[i].start, (3 * i + 1) * AS_GROUP_SIZE);
    CHECK_INT(ranges[i].end, (3 * i + 3) * AS_GROUP_SIZE);
  }
  verified = verify(store, address, ranges, 4);
  CHECK_INT(verified.bad_count, 4);
  CHECK_INT(ranges[3].start, 10 * AS_GROUP_SIZE);
  CHECK_INT(ranges[3].end, (groups - 1) * AS_GROUP_SIZE);
  check_heals(address, bytes, size);
  free(bytes);
}

/* A reader that still has the damaged copy open must not mark the copy that has replaced it. A copy in a pack may also
 * have been deleted meanwhile, for all its reader can tell. */
static void test_damage_in_replaced_copy(uint64_t groups) {
  size_t size = (size_t)groups * AS_GROUP_SIZE, skip, count;
  uint8_t *bytes = make_bytes(size, 91), *buffer = malloc(size);
  as_ingested out = ingest(store, bytes, size);
  const uint8_t *address = out.digests.blake3;
  as_reader *reader;
  as_verifier *verifier;
  as_verified verified;
  as_range bad;
  uint64_t found;
  int packed = place_of(store, address).packed;
  flip_object(store, address, 100, 3);
  CHECK_INT(as_reader_open(store, address, &reader, &found), 0);
  CHECK_INT(as_verifier_open(store, address, 0, &verifier, &found), 0);
  CHECK_INT(read_at(address, bytes, 0, &bad), AS_E_CORRUPT);
  check_heals(address, bytes, size);
  CHECK_INT(as_reader_read(reader, 0, buffer, size, &skip, &count, &bad), packed ? AS_E_MISSING : AS_E_CORRUPT);
  as_reader_close(reader);
  while (as_verifier_pump(verifier, 20000, &count) == 0 && count > 0) {
  }
  CHECK_INT(as_verifier_finish(verifier, &verified, &bad, 1), packed ? AS_E_MISSING : 0);
  CHECK(!verified.intact, "the old copy is damaged");
  CHECK(!is_marked(store, address), "the new copy is marked for the old one's damage");
  check_read(store, address, bytes, size);
  free(buffer);
  free(bytes);
}

/* ---- a disk that does not give some bytes ---- */

static uint64_t unreadable_start, unreadable_end; /* in any file that has so many bytes */

static ssize_t read_with_hole(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  (void)io;
  if (offset < unreadable_end && offset + size > unreadable_start) {
    return -EIO;
  }
  return as_io_posix()->read(as_io_posix(), fd, bytes, size, offset);
}

static void test_unreadable_bytes(uint64_t groups) {
  size_t size = (size_t)groups * AS_GROUP_SIZE;
  uint8_t *bytes = make_bytes(size, 101);
  memset(bytes + 8 * AS_GROUP_SIZE, 0, AS_GROUP_SIZE); /* as what stands for unreadable bytes */
  as_ingested out = ingest(store, bytes, size);
  const uint8_t *address = out.digests.blake3;
  as_range bad, ranges[4];
  as_io holed = *as_io_posix();
  holed.read = read_with_hole;
  as_store_close(store);
  CHECK_INT(as_store_open_on(&holed, fixture_store, 0, &store), 0);
  for (uint64_t group = 4; group <= 8; group += 4) {
    unreadable_start = place_of(store, address).at + group * AS_GROUP_SIZE + 4096;
    unreadable_end = unreadable_start + 4096;
    CHECK_INT(read_at(address, bytes, group * AS_GROUP_SIZE, &bad), -EIO);
    CHECK(!is_marked(store, address), "an unreadable disk is not a damaged object to a reader");
    CHECK_INT(read_at(address, bytes, 2 * AS_GROUP_SIZE, &bad), 0);
    as_verified verified = verify(store, address, ranges, 4);
    CHECK(!verified.intact && verified.bad_count == 1, "%zu ranges", verified.bad_count);
    CHECK(ranges[0].start == group * AS_GROUP_SIZE && ranges[0].end == ranges[0].start + AS_GROUP_SIZE, "%llu-%llu",
          (unsigned long long)ranges[0].start, (unsigned long long)ranges[0].end);
    unreadable_start = unreadable_end = 0;
    check_heals(address, bytes, size);
  }
  as_store_close(store);
  store = open_store(0);
  free(bytes);
}

enum { SLOTS = 24 };

static ino_t holed_file; /* the only one with a hole */

static ssize_t read_with_hole_in(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  struct stat status;
  int other = fstat(fd, &status) != 0 || status.st_ino != holed_file;
  return other ? as_io_posix()->read(as_io_posix(), fd, bytes, size, offset) : read_with_hole(io, fd, bytes, size, offset);
}

/* Opens the store and counts the objects that are not there; any that is there is right. */
static int open_and_count_lost(const as_io *io, unsigned flags, uint8_t *const contents[SLOTS], const as_digests digests[SLOTS]) {
  int lost = 0;
  CHECK(as_store_open_on(io, fixture_store, flags, &store) == 0, "%s", as_error_detail());
  for (int i = 0; i < SLOTS; i++) {
    as_range bad;
    int error = try_read(store, digests[i].blake3, contents[i], 2000 + (size_t)i, AS_GROUP_SIZE, &bad);
    CHECK(error == 0 || error == AS_E_MISSING || error == AS_E_CORRUPT || error == -EIO, "%s", as_error_detail());
    lost += error != 0;
  }
  return lost;
}

/* A block of a segment that has no index yet cannot be read: what it says is lost, and nothing else; the store opens and takes objects; and
 * when the block can be read again it is as if it always could. */
static void test_unreadable_slots(void) {
  uint8_t *contents[SLOTS];
  as_digests digests[SLOTS];
  as_io holed = *as_io_posix();
  struct stat status = {.st_size = 1};
  int lost_most = 0;
  holed.read = read_with_hole_in;
  for (int i = 0; i < SLOTS; i++) {
    contents[i] = make_bytes(2000 + (size_t)i, 300 + (uint64_t)i);
  }
  for (unreadable_start = 0; unreadable_start < (uint64_t)status.st_size;) {
    fixture_remove(fixture_store);
    store = open_store(AS_OPEN_CREATE);
    for (int i = 0; i < SLOTS; i++) {
      digests[i] = ingest(store, contents[i], 2000 + (size_t)i).digests;
    }
    as_store_close(store);
    CHECK_INT(stat(fixture_file("packs/0000000000000001.pack"), &status), 0);
    holed_file = status.st_ino;
    unreadable_end = unreadable_start + AS_PACK_BLOCK;
    int lost = open_and_count_lost(&holed, AS_OPEN_READ_ONLY, contents, digests);
    CHECK(lost <= 1, "%d of %d objects are lost with the block at %llu", lost, SLOTS, (unsigned long long)unreadable_start);
    lost_most = lost > lost_most ? lost : lost_most;
    as_store_close(store);
    CHECK_INT(open_and_count_lost(&holed, 0, contents, digests), lost);
    for (int i = 0; i < SLOTS; i++) {
      check_read(store, ingest(store, contents[i], 2000 + (size_t)i).digests.blake3, contents[i], 2000 + (size_t)i);
    }
    as_store_close(store);
    CHECK_INT(open_and_count_lost(&holed, 0, contents, digests), 0);
    as_store_close(store);
    CHECK_INT(open_and_count_lost(as_io_posix(), 0, contents, digests), 0);
    as_store_close(store);
    unreadable_start = unreadable_end;
  }
  CHECK_INT(lost_most, 1);
  unreadable_start = unreadable_end = 0;
  for (int i = 0; i < SLOTS; i++) {
    free(contents[i]);
  }
  store = open_store(0);
}

/* Read-only: damage is found and refused, and nothing in the folder changes. */
static void test_read_only(size_t size) {
  uint8_t *bytes = make_bytes(size, 111);
  as_ingested out = ingest(store, bytes, size);
  const uint8_t *address = out.digests.blake3;
  as_range bad, ranges[2];
  flip_outboard(store, address, as_outboard_size(size) / 2, 1);
  ingest(store, "later", 5); /* opening looks at the last commit of the packs, and would find it there */
  as_store_close(store);
  store = open_store(AS_OPEN_READ_ONLY);
  as_verified verified = verify(store, address, ranges, 2);
  CHECK(verified.intact && !verified.outboard_repaired, "read-only repairs nothing");
  as_store_close(store);
  store = open_store(0);
  verified = verify(store, address, ranges, 2);
  CHECK(verified.intact && verified.outboard_repaired, "a writer repairs");
  flip_object(store, address, size / 2, 1);
  ingest(store, "later still", 11);
  as_store_close(store);
  store = open_store(AS_OPEN_READ_ONLY);
  CHECK_INT(try_read(store, address, bytes, size, 1 << 20, &bad), AS_E_CORRUPT);
  CHECK_INT(bad.start, size / 2 / AS_GROUP_SIZE * AS_GROUP_SIZE);
  verified = verify(store, address, ranges, 2);
  CHECK(!verified.intact && verified.bad_count == 1 && ranges[0].start == bad.start, "range");
  CHECK(!is_marked(store, address), "read-only marks nothing");
  as_store_close(store);
  store = open_store(0);
  free(bytes);
}

int main(void) {
  fixture_begin();
  store = open_store(AS_OPEN_CREATE);
  test_flipped_objects();
  test_reads_beside_damage(12); /* in a pack, */
  test_reads_beside_damage(21); /* and in a file */
  test_damaged_outboards(8);
  test_damaged_outboards(20);
  test_wrong_outboard_files();
  test_wrong_lengths();
  test_forged_shapes();
  test_many_ranges(16);
  test_many_ranges(40);
  test_damage_in_replaced_copy(3);
  test_damage_in_replaced_copy(18);
  test_unreadable_bytes(10);
  test_unreadable_bytes(22);
  as_store_close(store);
  test_unreadable_slots();
  test_read_only(200000);
  test_read_only((AS_CV_LIST_MEMORY + 100) * (size_t)AS_GROUP_SIZE); /* large enough for a scratch file */
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  as_store_close(store);
  fixture_clean();
  return 0;
}
