/*
 * What the store tests share: a folder that is removed at the end, made-up bytes, and the API's verbs as single calls.
 * May include: artifactstore.h, check.h, store/objects.h, store/outboard.h. Included by: native/test/store_*_test.c.
 */
#ifndef AS_TEST_STORE_FIXTURE_H
#define AS_TEST_STORE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifactstore.h"
#include "check.h"
#include "store/objects.h"
#include "store/outboard.h"
#include "store/pack_scan.h"
#include "store/packs.h"
#include "store/store.h"

static char fixture_path[256]; /* a new, empty folder; the store is put in "<folder>/store" */
static char fixture_store[300];

static inline int fixture_remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
  (void)status, (void)kind, (void)walk;
  return remove(path);
}

static inline void fixture_remove(const char *path) { nftw(path, fixture_remove_entry, 32, FTW_DEPTH | FTW_PHYS); }

static inline void fixture_clean(void) { fixture_remove(fixture_path); }

/*
 * How far a test goes from one fault to the next: to the next call, or further where the environment says so. Sanitizers make a run
 * ten to thirty times as long, and what they look for is on the path of many a call: their presets go through a part.
 */
static inline int fault_step(void) {
  const char *text = getenv("ARTIFACTSTORE_TEST_FAULT_STEP");
  int step = text ? atoi(text) : 1;
  return step > 0 ? step : 1;
}

enum { FIXTURE_SKIPPED = 77 }; /* what CTest takes for a test that could not run here (SKIP_RETURN_CODE) */

/* Makes the folder; a failed check leaves it for a look, a passed program removes it. */
static inline void fixture_begin_in(const char *base) {
  const char *engine = getenv("ARTIFACTSTORE_IO");
  if (engine && strcmp(engine, "uring") == 0 && !as_io_best()) {
    printf("skipped: %s\n", as_io_reason());
    exit(FIXTURE_SKIPPED);
  }
  snprintf(fixture_path, sizeof fixture_path, "%s/as-test-XXXXXX", base);
  CHECK(mkdtemp(fixture_path), "%s: %s", fixture_path, strerror(errno));
  snprintf(fixture_store, sizeof fixture_store, "%s/store", fixture_path);
}

static inline void fixture_begin(void) {
  const char *base = getenv("TMPDIR");
  fixture_begin_in(base && *base ? base : "/tmp");
}

/* For tests that make thousands of stores and do not look at the disk. */
static inline void fixture_begin_in_memory(void) {
  if (access("/dev/shm", W_OK) == 0) {
    fixture_begin_in("/dev/shm");
  } else {
    fixture_begin();
  }
}

/* A file in the fixture's store, in one of a few static buffers. */
static inline const char *fixture_file(const char *relative) {
  static char paths[4][512];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", fixture_store, relative);
  return path;
}

/* The file of an object, in the store's folder. */
static inline const char *object_file(const uint8_t address[AS_DIGEST_SIZE], const char *suffix) {
  char relative[128];
  int at = snprintf(relative, sizeof relative, "objects/%02x/", address[0]);
  for (int i = 0; i < AS_DIGEST_SIZE; i++) {
    at += snprintf(relative + at, sizeof relative - (size_t)at, "%02x", address[i]);
  }
  snprintf(relative + at, sizeof relative - (size_t)at, "%s", suffix);
  return fixture_file(relative);
}

static inline int file_exists(const char *path) { return access(path, F_OK) == 0; }

static inline uint64_t file_size(const char *path) {
  struct stat status;
  CHECK(stat(path, &status) == 0, "%s: %s", path, strerror(errno));
  return (uint64_t)status.st_size;
}

/* Reads a whole file; the caller frees it. */
static inline uint8_t *file_bytes(const char *path, size_t *size) {
  *size = (size_t)file_size(path);
  uint8_t *bytes = malloc(*size + 1);
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0 && pread(fd, bytes, *size, 0) == (ssize_t)*size, "%s", path);
  close(fd);
  return bytes;
}

static inline void write_file(const char *path, const void *bytes, size_t size) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, "%s: %s", path, strerror(errno));
  close(fd);
}

/* Opens a stored file for damaging it; stored files are read-only. */
static inline int open_to_damage(const char *path) {
  CHECK(chmod(path, 0644) == 0, "%s: %s", path, strerror(errno));
  int fd = open(path, O_RDWR);
  CHECK(fd >= 0, "%s: %s", path, strerror(errno));
  return fd;
}

/* Flips one bit. */
static inline void flip(const char *path, uint64_t offset, unsigned bit) {
  uint8_t byte;
  int fd = open_to_damage(path);
  CHECK(pread(fd, &byte, 1, (off_t)offset) == 1, "%s has no byte %llu", path, (unsigned long long)offset);
  byte ^= (uint8_t)(1u << bit);
  CHECK(pwrite(fd, &byte, 1, (off_t)offset) == 1, "%s", path);
  close(fd);
}

static inline void resize_file(const char *path, uint64_t size) {
  int fd = open_to_damage(path);
  CHECK(ftruncate(fd, (off_t)size) == 0, "%s", path);
  close(fd);
}

/* A small generator: the same seed gives the same bytes. */
static inline uint64_t next_random(uint64_t *state) {
  uint64_t x = (*state += UINT64_C(0x9e3779b97f4a7c15));
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/* `size` bytes that belong to `seed`; the caller frees them. */
static inline uint8_t *make_bytes(size_t size, uint64_t seed) {
  uint8_t *bytes = malloc(size + 8);
  for (size_t at = 0; at < size; at += 8) {
    uint64_t word = next_random(&seed);
    memcpy(bytes + at, &word, 8);
  }
  return bytes;
}

/* ---- where an object is, in a pack or in files of its own ---- */

typedef struct place {
  int packed;
  int marked;
  char file[512];          /* the file that has its bytes, */
  uint64_t at;             /* from here on, */
  uint64_t size;           /* so many */
  char outboard_file[512]; /* the same of its outboard; its size 0 when there is none */
  uint64_t outboard_at;
  uint64_t outboard_size;
} place;

static inline place place_in_pack(const as_entry *entry) {
  place out = {.packed = 1, .marked = entry->kind == AS_RECORD_DAMAGED, .at = entry->at.offset, .size = entry->at.size};
  snprintf(out.file, sizeof out.file, "%s/packs/%s", fixture_store, as_segment_name(entry->at.segment).text);
  memcpy(out.outboard_file, out.file, sizeof out.file);
  out.outboard_at = out.at + out.size;
  out.outboard_size = as_outboard_size(out.size);
  return out;
}

static inline place place_of(as_store *store, const uint8_t address[AS_DIGEST_SIZE]) {
  as_entry entry;
  int found = as_packs_find(store, address, &entry);
  CHECK(found >= 0, "find: %s", as_error_name(found));
  if (found) {
    return place_in_pack(&entry);
  }
  place out = {.marked = file_exists(object_file(address, ".damaged"))};
  snprintf(out.file, sizeof out.file, "%s", object_file(address, ""));
  snprintf(out.outboard_file, sizeof out.outboard_file, "%s", object_file(address, ".obao4"));
  out.size = file_size(out.file);
  out.outboard_size = file_exists(out.outboard_file) ? file_size(out.outboard_file) : 0;
  return out;
}

static inline int is_marked(as_store *store, const uint8_t address[AS_DIGEST_SIZE]) {
  return place_of(store, address).marked;
}

/* Flips one bit of an object's bytes, or of its outboard. */
static inline void flip_object(as_store *store, const uint8_t address[AS_DIGEST_SIZE], uint64_t offset, unsigned bit) {
  place at = place_of(store, address);
  CHECK(offset < at.size, "the object has no byte %llu", (unsigned long long)offset);
  flip(at.file, at.at + offset, bit);
}

static inline void flip_outboard(as_store *store, const uint8_t address[AS_DIGEST_SIZE], uint64_t offset,
                                 unsigned bit) {
  place at = place_of(store, address);
  CHECK(offset < at.outboard_size, "the outboard has no byte %llu", (unsigned long long)offset);
  flip(at.outboard_file, at.outboard_at + offset, bit);
}

/* The bytes of an object's outboard; the caller frees them. */
static inline uint8_t *outboard_bytes(as_store *store, const uint8_t address[AS_DIGEST_SIZE], size_t *size) {
  place at = place_of(store, address);
  uint8_t *bytes = malloc((size_t)at.outboard_size + 1);
  int fd = open(at.outboard_file, O_RDONLY);
  *size = (size_t)at.outboard_size;
  CHECK(fd >= 0 && pread(fd, bytes, *size, (off_t)at.outboard_at) == (ssize_t)*size, "%s", at.outboard_file);
  close(fd);
  return bytes;
}

typedef struct fixture_walk {
  as_store *store;
  void (*visit)(void *context, const as_entry *entry);
  void *context;
} fixture_walk;

static inline int fixture_walk_record(void *context, uint64_t sequence, const as_record *record) {
  const fixture_walk *walk = context;
  as_entry entry;
  (void)sequence;
  if (as_packs_find(walk->store, record->blake3, &entry) == 1 && entry.at.segment == record->at.segment &&
      entry.at.offset == record->at.offset) {
    walk->visit(walk->context, &entry);
  }
  return 0;
}

/* Calls `visit` for each object that is in the packs, by what the segments say; marks may make it come twice. */
static inline void each_packed(as_store *store, void (*visit)(void *context, const as_entry *entry), void *context) {
  fixture_walk walk = {store, visit, context};
  as_segment_id id;
  for (uint64_t at = 1; as_segments_next(as_store_segments(store), at, &id); at = id.number + 1) {
    as_segment *segment;
    struct stat status;
    as_scan seen;
    CHECK_INT(as_segment_pin(store, id.number, &segment), 0);
    CHECK(fstat(segment->fd, &status) == 0, "fstat");
    CHECK_INT(as_segment_scan(as_io_posix(), segment->fd, &segment->id, (uint64_t)status.st_size, &seen,
                              fixture_walk_record, &walk),
              0);
    as_segment_unpin(store, segment);
  }
}

/* Marks an object damaged, or takes the mark away, whatever its bytes are. */
static inline void set_mark(as_store *store, const uint8_t address[AS_DIGEST_SIZE], int damaged) {
  as_object_files files;
  CHECK_INT(as_object_open(store, address, &files), 0);
  CHECK_INT(as_object_mark(store, address, &files, damaged), 0);
  as_object_close(store, &files);
}

static inline int fixture_copy_part(void *context, uint64_t position, const uint8_t *bytes, size_t size) {
  memcpy((uint8_t *)context + position, bytes, size);
  return 0;
}

/* Puts an object into the store's folder as format 1 kept every one: in files of its own. */
static inline as_digests put_as_files(const uint8_t *bytes, size_t size) {
  as_digests digests;
  as_span span = {bytes, size};
  uint8_t root[AS_DIGEST_SIZE];
  as_dual_many(&span, 1, &digests);
  char folder[16];
  snprintf(folder, sizeof folder, "objects/%02x", digests.blake3[0]);
  CHECK(mkdir(fixture_file(folder), 0755) == 0 || errno == EEXIST, "%s", folder);
  if (size > AS_GROUP_SIZE) {
    as_cv_list values;
    as_dual dual;
    size_t outboard_size = (size_t)as_outboard_size(size);
    uint8_t *outboard = malloc(outboard_size);
    as_cv_list_init(&values, as_io_posix(), NULL, NULL);
    as_dual_init(&dual, as_cv_list_add, &values);
    CHECK_INT(as_dual_update(&dual, bytes, size), 0);
    CHECK_INT(as_dual_finish(&dual, &digests), 0);
    CHECK_INT(as_outboard_build(&values, size, fixture_copy_part, outboard, root), 0);
    write_file(object_file(digests.blake3, ".obao4"), outboard, outboard_size);
    as_cv_list_free(&values);
    free(outboard);
  }
  write_file(object_file(digests.blake3, ""), bytes, size);
  return digests;
}

/* ---- the API's verbs ---- */

static inline as_store *open_store(unsigned flags) {
  as_store *store;
  int error = as_store_open(fixture_store, flags, &store);
  CHECK(error == 0, "open: %s (%s)", as_error_name(error), as_error_detail());
  return store;
}

/* Takes in bytes as one append. Returns the commit's status. */
static inline int try_ingest_as(as_store *store, const void *bytes, size_t size, const as_expect *expect, int deferred,
                                as_ingested *out) {
  as_ingest *ingest;
  int status = as_ingest_begin(store, &ingest);
  if (status) {
    return status;
  }
  if (deferred) {
    as_ingest_defer(ingest);
  }
  status = as_ingest_append(ingest, bytes, size);
  if (status) {
    as_ingest_abort(ingest);
    return status;
  }
  as_ingest_commit(store, &ingest, &expect, 1, out, &status);
  return status;
}

static inline int try_ingest(as_store *store, const void *bytes, size_t size, const as_expect *expect,
                             as_ingested *out) {
  return try_ingest_as(store, bytes, size, expect, 0, out);
}

static inline as_ingested ingest_as(as_store *store, const void *bytes, size_t size, int deferred) {
  as_ingested out;
  int error = try_ingest_as(store, bytes, size, NULL, deferred, &out);
  CHECK(error == 0, "ingest of %zu bytes: %s (%s)", size, as_error_name(error), as_error_detail());
  return out;
}

static inline as_ingested ingest(as_store *store, const void *bytes, size_t size) {
  as_ingested out = ingest_as(store, bytes, size, 0);
  CHECK(!out.deferred, "nobody asked for it");
  return out;
}

static inline as_ingested ingest_deferred(as_store *store, const void *bytes, size_t size) {
  return ingest_as(store, bytes, size, 1);
}

/* Reads a whole object in steps of `capacity` and compares it with what it should be. Returns 0 or the first error. */
static inline int try_read(as_store *store, const uint8_t *address, const uint8_t *expected, size_t size,
                           size_t capacity, as_range *bad) {
  as_reader *reader;
  uint64_t found;
  int error = as_reader_open(store, address, &reader, &found);
  if (error) {
    return error;
  }
  /* No more than the object can fill: a tighter bound for AddressSanitizer, and a megabyte a read would cost it milliseconds. */
  size_t enough = (size / AS_GROUP_SIZE + 2) * AS_GROUP_SIZE;
  capacity = capacity < enough ? capacity : enough;
  uint8_t *buffer = malloc(capacity);
  uint64_t at = 0;
  do {
    size_t skip, count;
    error = as_reader_read(reader, at, buffer, capacity, &skip, &count, bad);
    if (!error) {
      CHECK(found == size, "size is %llu, not %zu", (unsigned long long)found, size);
      CHECK(count > 0 || at == size, "nothing read at %llu of %zu", (unsigned long long)at, size);
      CHECK_BYTES(buffer + skip, expected + at, count, "object of %zu bytes at %llu", size, (unsigned long long)at);
      at += count;
    }
  } while (!error && at < size);
  free(buffer);
  as_reader_close(reader);
  return error;
}

static inline void check_read(as_store *store, const uint8_t *address, const uint8_t *expected, size_t size) {
  as_range bad;
  int error = try_read(store, address, expected, size, 1024 * 1024, &bad);
  CHECK(error == 0, "read of %zu bytes: %s (%s)", size, as_error_name(error), as_error_detail());
}

/* Verifies an object in odd steps. Returns the verifier's error. */
static inline int try_verify(as_store *store, const uint8_t *address, as_verified *out, as_range *bad,
                             size_t capacity) {
  as_verifier *verifier;
  uint64_t size;
  size_t taken;
  int error = as_verifier_open(store, address, 0, &verifier, &size);
  if (error) {
    return error;
  }
  do {
    error = as_verifier_pump(verifier, 1000003, &taken);
  } while (!error && taken > 0);
  if (error) {
    as_verifier_abort(verifier);
    return error;
  }
  return as_verifier_finish(verifier, out, bad, capacity);
}

static inline as_verified verify(as_store *store, const uint8_t *address, as_range *bad, size_t capacity) {
  as_verified out;
  int error = try_verify(store, address, &out, bad, capacity);
  CHECK(error == 0, "verify: %s (%s)", as_error_name(error), as_error_detail());
  return out;
}

static inline void check_intact(as_store *store, const uint8_t *address) {
  as_range bad[4];
  as_verified out = verify(store, address, bad, 4);
  CHECK(out.intact, "object %02x%02x… of %llu bytes is damaged at %llu", address[0], address[1],
        (unsigned long long)out.size, (unsigned long long)bad[0].start);
}

static inline void remove_object(as_store *store, const uint8_t *address) {
  uint64_t freed;
  int removed, error = as_store_remove(store, address, &removed, &freed);
  CHECK(error == 0 && removed, "remove: %s (%s)", as_error_name(error), as_error_detail());
}

/* How many entries a folder of the store has. */
static inline int count_entry(void *context, const char *name) {
  (void)name;
  ++*(int *)context;
  return 0;
}

static inline int count_entries(const char *path) {
  int count = 0;
  int error = as_io_posix()->list(as_io_posix(), AT_FDCWD, path, count_entry, &count);
  CHECK(error == 0 || error == -ENOENT, "%s: %s", path, as_error_name(error));
  return count;
}

/* An I/O engine that cannot make nameless files, as on file systems without O_TMPFILE. */
static inline int open_without_nameless(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  (void)io;
  if ((flags & O_TMPFILE) == O_TMPFILE) {
    return -EOPNOTSUPP;
  }
  return as_io_posix()->open(as_io_posix(), directory, path, flags, mode);
}

static inline as_io io_without_nameless(void) {
  as_io io = *as_io_posix();
  io.open = open_without_nameless;
  return io;
}

#endif
