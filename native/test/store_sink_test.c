/*
 * Objects put into files by the core: every byte, any range, files and devices; files that it leaves alone; damage, of which no byte is
 * written where bytes are copied; files that share blocks; and each call on the target failing once.
 * May include: store_fixture.h. Run by: CTest.
 */
#include "store_fixture.h"

static as_store *store;
static char target[400];

/* ---- an engine that clones by copying, and whose calls on files other than the store's fail on demand ---- */

static int clones;       /* clone works, */
static int cloned_wrong; /* and what it makes differs in one bit */
static int writes_left;  /* until a write fails; -1: none does */
static int write_error;

static int copy_as_clone(const as_io *io, int from, int to) {
  (void)io;
  struct stat status;
  if (!clones || fstat(from, &status) != 0) {
    return -EOPNOTSUPP;
  }
  uint8_t *bytes = malloc((size_t)status.st_size + 1);
  CHECK(bytes && pread(from, bytes, (size_t)status.st_size, 0) == status.st_size, "the clone's source");
  if (cloned_wrong) {
    bytes[status.st_size / 2] ^= 1;
  }
  CHECK(pwrite(to, bytes, (size_t)status.st_size, 0) == status.st_size, "the clone");
  free(bytes);
  return 0;
}

static ssize_t failing_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  (void)io;
  if (size > 0 && writes_left >= 0 && writes_left-- == 0) {
    return write_error;
  }
  return as_io_posix()->write(as_io_posix(), fd, bytes, size, offset);
}

static as_io engine(void) {
  as_io io = *as_io_posix();
  io.clone = copy_as_clone;
  io.write = failing_write;
  return io;
}

/* ---- putting ---- */

static void make_target(void) {
  unlink(target);
  write_file(target, "", 0);
}

/* Puts bytes [start, end) into the target, `most` at a time. */
static int put(const uint8_t *address, uint64_t start, uint64_t end, size_t most, as_range *bad) {
  as_sink *sink;
  uint64_t size, all = 0;
  size_t taken = 1;
  int error = as_sink_open(store, address, target, start, end, &sink, &size);
  if (error) {
    return error;
  }
  while (!error && taken > 0) {
    error = as_sink_pump(sink, most, &taken, bad);
    all += error ? 0 : taken;
    CHECK(error || taken <= most, "%zu bytes at once", taken);
  }
  CHECK(error || all == size, "%llu of %llu bytes", (unsigned long long)all, (unsigned long long)size);
  as_sink_close(sink);
  return error;
}

static void check_target(const uint8_t *bytes, size_t size) {
  size_t found;
  uint8_t *there = file_bytes(target, &found);
  CHECK(found == size, "%zu bytes in the file, not %zu", found, size);
  CHECK_BYTES(there, bytes, size, "of %zu", size);
  free(there);
}

static void check_put(const uint8_t *address, const uint8_t *bytes, uint64_t start, uint64_t end, size_t most) {
  as_range bad;
  make_target();
  CHECK_INT(put(address, start, end, most, &bad), 0);
  check_target(bytes + start, (size_t)(end - start));
}

static void test_sizes(void) {
  static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 262144, 262145, 1048576, 5 * 1048576 + 77};
  uint64_t seed = 5;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t size = sizes[i];
    uint8_t *bytes = make_bytes(size, 900 + i);
    as_ingested out = ingest(store, bytes, size);
    const uint8_t *address = out.digests.blake3;
    check_put(address, bytes, 0, size, 4 * 1048576);
    check_put(address, bytes, 0, size, 1000003);
    for (int n = 0; n < 8; n++) {
      uint64_t start = next_random(&seed) % (size + 1), end = start + next_random(&seed) % (size - start + 1);
      check_put(address, bytes, start, end, 1 + next_random(&seed) % 600000);
    }
    free(bytes);
  }
}

static void test_files_that_are_left_alone(void) {
  uint8_t *bytes = make_bytes(300000, 1);
  as_ingested out = ingest(store, bytes, 300000);
  const uint8_t *address = out.digests.blake3;
  as_range bad;
  write_file(target, "mine", 4);
  CHECK_INT(put(address, 0, AS_SIZE_UNKNOWN, 65536, &bad), AS_E_SINK);
  check_target((const uint8_t *)"mine", 4);
  unlink(target);
  CHECK_INT(put(address, 0, AS_SIZE_UNKNOWN, 65536, &bad), AS_E_SINK);
  CHECK(!file_exists(target), "a file that was not there has been made");
  CHECK(mkfifo(target, 0600) == 0, "mkfifo");
  CHECK_INT(put(address, 0, AS_SIZE_UNKNOWN, 65536, &bad), AS_E_SINK);
  unlink(target);
  CHECK(mkdir(target, 0700) == 0, "mkdir");
  CHECK_INT(put(address, 0, AS_SIZE_UNKNOWN, 65536, &bad), AS_E_SINK);
  rmdir(target);
  CHECK(symlink("/dev/null", target) == 0, "symlink");
  CHECK_INT(put(address, 0, AS_SIZE_UNKNOWN, 65536, &bad), 0);
  unlink(target);
  make_target();
  CHECK_INT(put(address, 5, 300001, 65536, &bad), AS_E_RANGE);
  static const uint8_t unknown[AS_DIGEST_SIZE] = {7};
  CHECK_INT(put(unknown, 0, AS_SIZE_UNKNOWN, 65536, &bad), AS_E_MISSING);
  check_target(NULL, 0);
  free(bytes);
}

/* Nothing of a damaged block reaches the file; the object is marked. */
static void test_damage(size_t size) {
  uint8_t *bytes = make_bytes(size, size);
  as_ingested out = ingest(store, bytes, size);
  const uint8_t *address = out.digests.blake3;
  uint64_t where = size / 3 * 2;
  as_range bad;
  flip_object(store, address, where, 3);
  make_target();
  CHECK_INT(put(address, 0, size, 4 * 1048576, &bad), AS_E_CORRUPT);
  CHECK(bad.start <= where && where < bad.end, "named %llu-%llu", (unsigned long long)bad.start,
        (unsigned long long)bad.end);
  CHECK(is_marked(store, address), "no mark");
  size_t found;
  uint8_t *there = file_bytes(target, &found);
  for (size_t i = 0; i < found; i++) { /* blocks of others may be there, holes before them; a wrong byte is not */
    CHECK(there[i] == bytes[i] || there[i] == 0, "a wrong byte at %zu", i);
  }
  CHECK(found <= where || there[where] != (bytes[where] ^ 8), "the damaged byte was written");
  free(there);
  ingest(store, bytes, size);
  check_put(address, bytes, 0, size, 4 * 1048576);
  free(bytes);
}

static void test_shared_blocks(void) {
  size_t size = 3 * 1048576 + 5;
  uint8_t *bytes = make_bytes(size, 77);
  as_ingested out = ingest(store, bytes, size);
  const uint8_t *address = out.digests.blake3;
  clones = 1;
  check_put(address, bytes, 0, size, 1048576);
  check_put(address, bytes, 10, size, 1048576); /* a range shares nothing */
  cloned_wrong = 1;
  check_put(address, bytes, 0, size, 1048576); /* what was shared does not verify: it gets bytes that do */
  cloned_wrong = 0;
  CHECK(!is_marked(store, address), "a bad clone was held against the object");
  as_range bad;
  flip_object(store, address, 2000000, 1);
  make_target();
  CHECK_INT(put(address, 0, size, 1048576, &bad), AS_E_CORRUPT);
  CHECK(is_marked(store, address), "no mark");
  clones = 0;
  free(bytes);
}

static void test_failing_writes(void) {
  static const int errors[] = {-EIO, -ENOSPC, -EDQUOT};
  size_t size = 2 * 1048576;
  uint8_t *bytes = make_bytes(size, 78);
  as_ingested out = ingest(store, bytes, size);
  as_range bad;
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
    for (int after = 0; after < 8; after++) {
      make_target();
      write_error = errors[i];
      writes_left = after;
      int error = put(out.digests.blake3, 0, size, 700000, &bad);
      writes_left = -1;
      /* A block that failed on the second thread is tried again on the first, where it can succeed: then all of it is there. */
      CHECK(error == 0 || error == (errors[i] == -EIO ? AS_E_SINK : AS_E_SINK_FULL), "%s", as_error_name(error));
      if (error == 0) {
        check_target(bytes, size);
      }
    }
  }
  CHECK(!is_marked(store, out.digests.blake3), "the target's fault was held against the object");
  check_put(out.digests.blake3, bytes, 0, size, 700000);
  free(bytes);
}

int main(void) {
  writes_left = -1;
  fixture_begin();
  snprintf(target, sizeof target, "%s/target", fixture_path);
  as_io io = engine();
  CHECK_INT(as_store_open_on(&io, fixture_store, AS_OPEN_CREATE, &store), 0);
  test_sizes();
  test_files_that_are_left_alone();
  test_damage(5000);
  test_damage(200000);
  test_damage(4 * 1048576);
  test_shared_blocks();
  test_failing_writes();
  as_store_close(store);
  fixture_clean();
  return 0;
}
