/*
 * The store's verbs on whole, undamaged objects: what goes in comes out, once, under the right name, at any offset,
 * through either kind of staging; and every refusal that the ABI documents.
 * May include: store_fixture.h. Run by: CTest.
 */
#include <dirent.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "store_fixture.h"

/* Both sides of every border: chunks, blocks, groups, payloads with blocks of their own, objects with files of their
 * own. */
static const size_t SIZES[] = {0,       1,       2,       1023,    1024,    1025,    4095,        4096,
                               4097,    8192,    16383,   16384,   16385,   32639,   32640,       32641,
                               32767,   32768,   32769,   49152,   65536,   65537,   100001,      262143,
                               262144,  262145,  1048575, 1048576, 1048577, 3145728, 5 * 1048576 + 4321};
enum { SIZE_COUNT = sizeof SIZES / sizeof *SIZES };

static void check_ranges(as_store *store, const uint8_t *address, const uint8_t *bytes, size_t size) {
  static uint8_t buffer[8 * AS_GROUP_SIZE];
  as_reader *reader;
  uint64_t found, seed = size;
  CHECK_INT(as_reader_open(store, address, &reader, &found), 0);
  for (int round = 0; round < 60; round++) {
    uint64_t offset = next_random(&seed) % (size + 1);
    size_t capacity = (1 + next_random(&seed) % 8) * AS_GROUP_SIZE, skip, count;
    as_range bad;
    int error = as_reader_read(reader, offset, buffer, capacity, &skip, &count, &bad);
    CHECK(error == 0, "read at %llu of %zu: %s", (unsigned long long)offset, size, as_error_detail());
    CHECK(count > 0 || offset == size, "nothing at %llu of %zu", (unsigned long long)offset, size);
    CHECK(skip < AS_GROUP_SIZE && skip + count <= capacity, "skip %zu count %zu", skip, count);
    CHECK_BYTES(buffer + skip, bytes + offset, count, "at %llu of %zu", (unsigned long long)offset, size);
  }
  size_t skip, count;
  as_range bad;
  CHECK_INT(as_reader_read(reader, size + 1, buffer, sizeof buffer, &skip, &count, &bad), AS_E_RANGE);
  CHECK_INT(as_reader_read(reader, 0, buffer, 100, &skip, &count, &bad), AS_E_INVALID);
  as_reader_close(reader);
}

static void check_object(as_store *store, const as_ingested *out, const uint8_t *bytes, size_t size) {
  as_digests expected;
  as_span span = {bytes, size};
  uint64_t found = 0;
  as_range bad[2];
  as_dual_many(&span, 1, &expected);
  CHECK_BYTES(out->digests.blake3, expected.blake3, AS_DIGEST_SIZE, "blake3 of %zu bytes", size);
  CHECK_BYTES(out->digests.sha256, expected.sha256, AS_DIGEST_SIZE, "sha256 of %zu bytes", size);
  CHECK_INT(out->size, size);
  CHECK_INT(as_store_stat(store, out->digests.blake3, &found), 0);
  CHECK_INT(found, size);
  place at = place_of(store, out->digests.blake3);
  CHECK_INT(at.packed, size <= AS_PACK_OBJECT_MAX);
  CHECK(at.size == size && (at.outboard_size > 0) == (size > AS_GROUP_SIZE), "%zu bytes, outboard of %zu",
        (size_t)at.size, (size_t)at.outboard_size);
  CHECK_INT(out->stored_size, size + at.outboard_size);
  check_read(store, out->digests.blake3, bytes, size);
  check_ranges(store, out->digests.blake3, bytes, size);
  as_verified verified = verify(store, out->digests.blake3, bad, 2);
  CHECK(verified.intact && !verified.outboard_repaired && verified.bad_count == 0, "verify of %zu bytes", size);
  CHECK_BYTES(verified.digests.sha256, expected.sha256, AS_DIGEST_SIZE, "verified sha256");
}

/* Every size, appended in pieces of odd sizes, then again as one, then removed. */
static void test_sizes(const as_io *io) {
  as_store *store;
  CHECK_INT(as_store_open_on(io, fixture_store, AS_OPEN_CREATE, &store), 0);
  for (int i = 0; i < SIZE_COUNT; i++) {
    size_t size = SIZES[i], at = 0;
    uint64_t seed = size, freed, found;
    uint8_t *bytes = make_bytes(size, size + 1);
    as_ingest *handle;
    as_ingested out;
    int status, removed;
    CHECK_INT(as_ingest_begin(store, &handle), 0);
    while (at < size) {
      size_t piece = next_random(&seed) % (i % 2 ? 300000 : 20000);
      piece = piece < size - at ? piece : size - at;
      CHECK_INT(as_ingest_append(handle, bytes + at, piece), 0);
      at += piece;
      CHECK_INT(as_ingest_length(handle), at);
    }
    as_digests expected;
    as_dual_many(&(as_span){bytes, size}, 1, &expected);
    CHECK_INT(as_store_stat(store, expected.blake3, &found), AS_E_MISSING); /* nothing shows before the commit */
    as_ingest_commit(store, &handle, NULL, 1, &out, &status);
    CHECK(status == 0, "commit of %zu bytes: %s", size, as_error_detail());
    CHECK(!out.existed && !out.healed, "first ingest of %zu bytes", size);
    check_object(store, &out, bytes, size);
    out = ingest(store, bytes, size);
    CHECK(out.existed && !out.healed, "second ingest of %zu bytes", size);
    check_object(store, &out, bytes, size);
    CHECK_INT(as_store_remove(store, out.digests.blake3, &removed, &freed), 0);
    /* Of a small one, no block may be its own: then compaction gives the space back. */
    CHECK(removed && (size < 2 * AS_PACK_BLOCK || freed > 0), "removing %zu bytes freed %llu", size,
          (unsigned long long)freed);
    CHECK_INT(as_store_stat(store, out.digests.blake3, &found), AS_E_MISSING);
    CHECK_INT(as_store_remove(store, out.digests.blake3, &removed, &freed), 0);
    CHECK(!removed && freed == 0, "removing twice");
    CHECK(!file_exists(object_file(out.digests.blake3, "")) && !file_exists(object_file(out.digests.blake3, ".obao4")),
          "files left of %zu bytes", size);
    free(bytes);
  }
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  as_store_close(store);
  fixture_remove(fixture_store);
}

/* A batch of small, large, equal and unwelcome objects: each gets its own answer. */
static void test_batch(void) {
  enum { COUNT = 300 };
  as_store *store = open_store(AS_OPEN_CREATE);
  as_ingest *handles[COUNT];
  as_ingested results[COUNT];
  const as_expect *expects[COUNT] = {0};
  int status[COUNT];
  uint8_t *bytes[COUNT];
  size_t sizes[COUNT];
  uint8_t wrong[AS_DIGEST_SIZE] = {1};
  as_expect wrong_blake3 = {wrong, NULL, AS_SIZE_UNKNOWN}, wrong_sha256 = {NULL, wrong, AS_SIZE_UNKNOWN};
  as_expect wrong_size = {NULL, NULL, 7}, no_expectation = {NULL, NULL, AS_SIZE_UNKNOWN};
  for (int i = 0; i < COUNT; i++) {
    int same = i % 10 == 9; /* the same bytes as the one before */
    sizes[i] = same ? sizes[i - 1] : (size_t)(i % 7 == 3 ? 40000 + i : 50 + i);
    bytes[i] = make_bytes(sizes[i], (uint64_t)(same ? i - 1 : i));
    CHECK_INT(as_ingest_begin(store, &handles[i]), 0);
    CHECK_INT(as_ingest_append(handles[i], bytes[i], sizes[i]), 0);
  }
  expects[20] = &wrong_blake3;
  expects[31] = &wrong_sha256; /* 31 is one of the large ones */
  expects[40] = &wrong_size;
  expects[50] = &no_expectation;
  as_ingest_commit(store, handles, expects, COUNT, results, status);
  for (int i = 0; i < COUNT; i++) {
    CHECK_INT(status[i], i == 20 || i == 31 ? AS_E_MISMATCH : i == 40 ? AS_E_SIZE : 0);
    CHECK_INT(results[i].size, sizes[i]);
    if (status[i]) {
      as_digests actual;
      as_span span = {bytes[i], sizes[i]};
      uint64_t found;
      as_dual_many(&span, 1, &actual);
      CHECK_BYTES(results[i].digests.sha256, actual.sha256, AS_DIGEST_SIZE, "digest of what came instead, %d", i);
      CHECK_INT(as_store_stat(store, actual.blake3, &found), AS_E_MISSING);
    } else {
      CHECK_INT(results[i].existed, i % 10 == 9);
      check_read(store, results[i].digests.blake3, bytes[i], sizes[i]);
      check_intact(store, results[i].digests.blake3);
    }
    free(bytes[i]);
  }
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  as_store_close(store);
  fixture_remove(fixture_store);
}

/* Two streams of different lengths in steps of their own, small and empty steps among them, appended two at a time. */
static void test_pairs(void) {
  as_store *store = open_store(AS_OPEN_CREATE);
  const size_t sizes[2] = {3000001, 1700017};
  uint8_t *bytes[2] = {make_bytes(sizes[0], 91), make_bytes(sizes[1], 92)};
  as_ingest *ingests[2];
  size_t done[2] = {0, 0};
  uint64_t random = 93;
  CHECK(as_ingest_begin(store, &ingests[0]) == 0 && as_ingest_begin(store, &ingests[1]) == 0, "begin");
  while (done[0] < sizes[0] || done[1] < sizes[1]) {
    as_span inputs[2];
    int errors[2];
    for (int i = 0; i < 2; i++) {
      size_t step = next_random(&random) % (next_random(&random) % 4 ? 300000 : 50);
      size_t left = sizes[i] - done[i];
      inputs[i] = (as_span){bytes[i] + done[i], step < left ? step : left};
      done[i] += inputs[i].size;
    }
    as_ingest_append_pair(ingests, inputs, errors);
    CHECK(errors[0] == 0 && errors[1] == 0, "pair: %d %d", errors[0], errors[1]);
  }
  as_ingested results[2];
  int status[2];
  as_ingest_commit(store, ingests, NULL, 2, results, status);
  for (int i = 0; i < 2; i++) {
    CHECK(status[i] == 0, "commit %d: %d", i, status[i]);
    check_object(store, &results[i], bytes[i], sizes[i]);
    free(bytes[i]);
  }
  as_store_close(store);
  fixture_remove(fixture_store);
}

/* Large enough that the disk is set to work before the commit, twice. As a stream, given up on the way, and as a file. */
static void test_large(void) {
  enum { SIZE = 20 * 1024 * 1024 + 12345, STEP = 1000 * 1000 };
  as_store *store = open_store(AS_OPEN_CREATE);
  uint8_t *bytes = make_bytes(SIZE, 77);
  char source[320];
  for (int round = 0; round < 3; round++) {
    as_ingest *handle;
    as_ingested out;
    uint64_t freed;
    int status, removed;
    snprintf(source, sizeof source, "%s/large", fixture_path);
    if (round == 2) {
      write_file(source, bytes, SIZE);
      CHECK_INT(as_ingest_begin_file(store, source, &handle), 0);
    } else {
      CHECK_INT(as_ingest_begin(store, &handle), 0);
    }
    for (size_t at = 0; round < 2 && at < SIZE; at += STEP) {
      CHECK_INT(as_ingest_append(handle, bytes + at, SIZE - at < STEP ? SIZE - at : STEP), 0);
    }
    if (round == 0) {
      as_ingest_abort(handle);
      CHECK_INT(count_entries(fixture_file("staging")), 0);
    } else {
      as_ingest_commit(store, &handle, NULL, 1, &out, &status);
      CHECK(status == 0 && !out.existed, "%s", as_error_detail());
      check_object(store, &out, bytes, SIZE);
      CHECK_INT(as_store_remove(store, out.digests.blake3, &removed, &freed), 0);
    }
  }
  unlink(source);
  free(bytes);
  as_store_close(store);
  fixture_remove(fixture_store);
}

/* How often the bytes stand in the segments. */
static size_t in_segments(const uint8_t *bytes, size_t size) {
  char folder[PATH_MAX], path[2 * PATH_MAX];
  size_t found = 0;
  snprintf(folder, sizeof folder, "%s", fixture_file("packs"));
  DIR *packs = opendir(folder);
  CHECK(packs != NULL, "%s", folder);
  for (struct dirent *entry; (entry = readdir(packs));) {
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && fstat(fd, &status) == 0, "%s", path);
    if (S_ISREG(status.st_mode) && status.st_size > 0) {
      const uint8_t *all = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0), *at = all;
      CHECK(all != MAP_FAILED, "%s", path);
      while ((at = memmem(at, (size_t)(all + status.st_size - at), bytes, size))) {
        found++;
        at++;
      }
      munmap((void *)all, (size_t)status.st_size);
    }
    close(fd);
  }
  closedir(packs);
  return found;
}

/* Of an object that is erased nothing is left in a segment; its neighbours in the same blocks are whole, also for who opens the store again. */
static void test_erase(void) {
  enum { COUNT = 9, MARK = 16 };
  static const size_t sizes[COUNT] = {16, 100, 4000, 17, 5000, 70000, 33, 20000, 64};
  as_store *store = open_store(AS_OPEN_CREATE);
  uint8_t *bytes[COUNT];
  as_ingested out[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    bytes[i] = make_bytes(sizes[i], 700 + i);
    out[i] = ingest(store, bytes[i], sizes[i]);
    CHECK(in_segments(bytes[i] + sizes[i] - MARK, MARK) == 1, "object %zu is packed", i);
  }
  for (size_t i = 1; i < COUNT; i += 2) {
    int removed, status;
    uint64_t freed;
    as_store_erase_many(store, out[i].digests.blake3, 1, &removed, &freed, &status);
    CHECK(status == 0 && removed, "%s", as_error_detail());
    CHECK_INT(in_segments(bytes[i], MARK), 0);
    CHECK_INT(in_segments(bytes[i] + sizes[i] - MARK, MARK), 0);
    as_store_erase_many(store, out[i].digests.blake3, 1, &removed, &freed, &status);
    CHECK(status == 0 && !removed, "erasing twice");
  }
  as_store_close(store);
  store = open_store(0);
  for (size_t i = 0; i < COUNT; i++) {
    uint64_t found;
    if (i % 2) {
      CHECK_INT(as_store_stat(store, out[i].digests.blake3, &found), AS_E_MISSING);
    } else {
      check_object(store, &out[i], bytes[i], sizes[i]);
    }
    free(bytes[i]);
  }
  as_store_close(store);
  fixture_remove(fixture_store);
}

static void test_abort(void) {
  as_store *store = open_store(AS_OPEN_CREATE);
  uint8_t *bytes = make_bytes(3000000, 5);
  as_ingest *handle;
  CHECK_INT(as_ingest_begin(store, &handle), 0);
  CHECK_INT(as_ingest_append(handle, bytes, 3000000), 0);
  as_ingest_abort(handle);
  CHECK_INT(count_entries(fixture_file("objects")), 0);
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  as_store_close(store);
  free(bytes);
  fixture_remove(fixture_store);
}

static int begin_file(as_store *store, const char *path) {
  as_ingest *handle;
  int error = as_ingest_begin_file(store, path, &handle);
  CHECK((handle == NULL) == (error != 0), "handle of %s", path);
  if (!error) {
    as_ingest_abort(handle);
  }
  return error;
}

static void test_unfit_sources(as_store *store, const char *path) {
  char other[512];
  CHECK_INT(begin_file(store, fixture_path), AS_E_NOT_FILE);
  CHECK_INT(begin_file(store, "/dev/null"), AS_E_NOT_FILE);
  snprintf(other, sizeof other, "%s/fifo", fixture_path);
  CHECK(mkfifo(other, 0600) == 0, "%s", other);
  CHECK_INT(begin_file(store, other), AS_E_NOT_FILE);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%.90s/socket", fixture_path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0, "%s", address.sun_path);
  CHECK_INT(begin_file(store, address.sun_path), AS_E_NOT_FILE);
  close(fd);
  snprintf(other, sizeof other, "%s/absent", fixture_path);
  CHECK_INT(begin_file(store, other), AS_E_SOURCE);
  CHECK(strstr(as_error_detail(), "absent"), "detail is \"%s\"", as_error_detail());
  CHECK_INT(begin_file(store, path), 0);
}

/* Reads a file while `change` does something to it. */
static int pump_while(as_store *store, const char *path, void (*change)(const char *path)) {
  as_ingest *handle;
  as_ingested out;
  size_t taken;
  int status;
  CHECK_INT(as_ingest_begin_file(store, path, &handle), 0);
  CHECK_INT(as_ingest_pump(handle, 100000, &taken), 0);
  change(path);
  do {
    status = as_ingest_pump(handle, 100000, &taken);
  } while (!status && taken > 0);
  int error;
  as_ingest_commit(store, &handle, NULL, 1, &out, &error);
  CHECK_INT(error, status);
  return status;
}

static void leave_alone(const char *path) { (void)path; }

static void grow(const char *path) {
  int fd = open(path, O_WRONLY | O_APPEND);
  CHECK(write(fd, "x", 1) == 1, "%s", path);
  close(fd);
}

static void cut(const char *path) { CHECK(truncate(path, 50000) == 0, "%s", path); }

static void overwrite(const char *path) {
  struct timespec pause = {0, 20000000}; /* file times move with the kernel's tick */
  nanosleep(&pause, NULL);
  int fd = open(path, O_WRONLY);
  CHECK(pwrite(fd, "x", 1, 5) == 1, "%s", path);
  close(fd);
}

static void test_files(void) {
  as_store *store = open_store(AS_OPEN_CREATE);
  char path[400];
  snprintf(path, sizeof path, "%s/source", fixture_path);
  for (int i = 0; i < SIZE_COUNT; i++) {
    uint8_t *bytes = make_bytes(SIZES[i], SIZES[i] + 99);
    as_ingest *handle;
    as_ingested out;
    size_t taken = 1, total = 0;
    int status;
    write_file(path, bytes, SIZES[i]);
    CHECK_INT(as_ingest_begin_file(store, path, &handle), 0);
    CHECK_INT(as_ingest_append(handle, "x", 1), AS_E_INVALID);
    while (i % 2 && taken > 0) { /* every other file is left to the commit */
      CHECK_INT(as_ingest_pump(handle, 70001, &taken), 0);
      total += taken;
    }
    CHECK_INT(as_ingest_length(handle), total);
    as_ingest_commit(store, &handle, NULL, 1, &out, &status);
    CHECK(status == 0, "file of %zu bytes: %s", SIZES[i], as_error_detail());
    check_object(store, &out, bytes, SIZES[i]);
    free(bytes);
  }
  uint8_t *bytes = make_bytes(400000, 3);
  void (*changes[])(const char *) = {grow, cut, overwrite};
  for (int i = 0; i < 3; i++) {
    write_file(path, bytes, 400000);
    CHECK_INT(pump_while(store, path, changes[i]), AS_E_CHANGED);
  }
  write_file(path, bytes, 400000);
  CHECK_INT(pump_while(store, path, leave_alone), 0);
  test_unfit_sources(store, path);
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  free(bytes);
  as_store_close(store);
  fixture_remove(fixture_store);
}

/* ---- opening ---- */

static int try_open(unsigned flags) {
  as_store *store;
  int error = as_store_open(fixture_store, flags, &store);
  CHECK((store == NULL) == (error != 0), "store pointer after %s", as_error_name(error));
  if (!error) {
    as_store_close(store);
  }
  return error;
}

static void test_vacant_folders(void) {
  CHECK_INT(try_open(0), AS_E_MISSING);
  CHECK_INT(try_open(AS_OPEN_READ_ONLY), AS_E_MISSING);
  CHECK_INT(try_open(AS_OPEN_CREATE | AS_OPEN_READ_ONLY), AS_E_INVALID);
  CHECK_INT(try_open(64), AS_E_INVALID);
  CHECK(mkdir(fixture_store, 0755) == 0, "%s", fixture_store);
  CHECK_INT(try_open(0), AS_E_MISSING);
  CHECK_INT(count_entries(fixture_store), 0);
  CHECK_INT(try_open(AS_OPEN_CREATE), 0);
  CHECK_INT(try_open(0), 0);
  CHECK_INT(try_open(AS_OPEN_READ_ONLY), 0);
  CHECK_INT(try_open(AS_OPEN_CREATE), 0);
  fixture_remove(fixture_store);
}

static void test_foreign_folders(void) {
  CHECK(mkdir(fixture_store, 0755) == 0, "%s", fixture_store);
  write_file(fixture_file("letter.txt"), "dear", 4);
  CHECK_INT(try_open(AS_OPEN_CREATE), AS_E_FORMAT);
  CHECK_INT(count_entries(fixture_store), 1);
  CHECK(unlink(fixture_file("letter.txt")) == 0, "letter");
  CHECK(mkdir(fixture_file("objects"), 0755) == 0 && mkdir(fixture_file("objects/x"), 0755) == 0, "objects");
  CHECK_INT(try_open(AS_OPEN_CREATE), AS_E_FORMAT);
  CHECK(rmdir(fixture_file("objects/x")) == 0, "objects/x");
  CHECK_INT(try_open(0), AS_E_MISSING); /* now it is what a creation cut short leaves behind */
  CHECK_INT(try_open(AS_OPEN_CREATE), 0);
  fixture_remove(fixture_store);
  write_file(fixture_store, "a file", 6);
  CHECK_INT(try_open(AS_OPEN_CREATE), AS_E_FORMAT);
  fixture_remove(fixture_store);
}

static void test_formats(void) {
  static const char *unknown[] = {"artifactstore-data 3\n",   "artifactstore-data 2",     "artifactstore-data 1",
                                  "artifactstore-data 2\n\n", "artifactstore-data 1\n\n", "artifactstore-data 10\n",
                                  "",                         "hello\n"};
  as_store_close(open_store(AS_OPEN_CREATE));
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    write_file(fixture_file("FORMAT"), unknown[i], strlen(unknown[i]));
    CHECK_INT(try_open(AS_OPEN_CREATE), AS_E_FORMAT);
    CHECK(strstr(as_error_detail(), "FORMAT"), "detail is \"%s\"", as_error_detail());
    CHECK_INT(try_open(AS_OPEN_READ_ONLY), AS_E_FORMAT);
  }
  write_file(fixture_file("FORMAT"), "artifactstore-data 2\n", 21);
  CHECK_INT(try_open(AS_OPEN_READ_ONLY), 0);
  CHECK_INT(try_open(0), 0);
  fixture_remove(fixture_store);
}

static void test_locks(void) {
  as_store *first = open_store(AS_OPEN_CREATE), *second;
  char pid[32];
  CHECK_INT(try_open(0), AS_E_LOCKED);
  snprintf(pid, sizeof pid, "process %ld", (long)getpid());
  CHECK(strstr(as_error_detail(), pid), "detail is \"%s\"", as_error_detail());
  CHECK_INT(try_open(AS_OPEN_READ_ONLY), AS_E_LOCKED);
  as_store_close(first);
  first = open_store(AS_OPEN_READ_ONLY);
  second = open_store(AS_OPEN_READ_ONLY);
  CHECK_INT(try_open(0), AS_E_LOCKED);
  CHECK(!strstr(as_error_detail(), "held by"), "a reader is no writer: \"%s\"", as_error_detail());
  as_store_close(first);
  as_store_close(second);
  first = open_store(0);
  pid_t child = fork(); /* another process */
  if (child == 0) {
    as_store *store;
    _exit(as_store_open(fixture_store, 0, &store) == AS_E_LOCKED && strstr(as_error_detail(), pid) ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  CHECK_INT(status, 0);
  as_store_close(first);
  fixture_remove(fixture_store);
}

static void test_staging_is_emptied(void) {
  as_store_close(open_store(AS_OPEN_CREATE));
  write_file(fixture_file("staging/123-4"), "left", 4);
  as_store_close(open_store(AS_OPEN_READ_ONLY));
  CHECK_INT(count_entries(fixture_file("staging")), 1);
  as_store_close(open_store(0));
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  fixture_remove(fixture_store);
}

static void test_read_only(void) {
  as_store *store = open_store(AS_OPEN_CREATE);
  uint8_t *bytes = make_bytes(200000, 8);
  as_ingested out = ingest(store, bytes, 200000);
  as_health health;
  CHECK_INT(as_store_health(store, &health), 0);
  CHECK(health.writable && health.sync_latency_ns > 0, "a writer can write");
  CHECK(health.free_bytes > 0 && health.total_bytes >= health.free_bytes, "room");
  as_store_close(store);
  store = open_store(AS_OPEN_READ_ONLY);
  as_ingest *handle;
  uint64_t freed;
  int removed;
  CHECK_INT(as_ingest_begin(store, &handle), AS_E_READ_ONLY);
  CHECK_INT(as_ingest_begin_file(store, "/etc/hostname", &handle), AS_E_READ_ONLY);
  CHECK_INT(as_store_remove(store, out.digests.blake3, &removed, &freed), AS_E_READ_ONLY);
  CHECK_INT(as_store_health(store, &health), 0);
  CHECK(!health.writable && health.free_bytes > 0 && health.sync_latency_ns == 0, "health of a reader");
  CHECK(health.file_system && *health.file_system, "file system");
  check_object(store, &out, bytes, 200000);
  as_store_close(store);
  free(bytes);
  fixture_remove(fixture_store);
}

int main(void) {
  fixture_begin();
  test_sizes(as_io_best());
  as_io named = io_without_nameless();
  test_sizes(&named);
  test_batch();
  test_pairs();
  test_large();
  test_erase();
  test_abort();
  test_files();
  test_vacant_folders();
  test_foreign_folders();
  test_formats();
  test_locks();
  test_staging_is_emptied();
  test_read_only();
  fixture_clean();
  return 0;
}
