/*
 * Listing what is stored: exactly what the model has, in order and with its size, whatever it lies in: the table of the segment being written, sealed indexes, merged
 * ones, files, both at once; and not what was deleted. A damaged index is told, not skipped.
 * May include: store_model.h. Run by: CTest.
 */
#include <time.h>

#include "store_model.h"

enum { COUNT = 3000, LARGE_EACH = 50, LARGE = AS_PACK_OBJECT_MAX + 1, SEGMENT = 1024 * 1024 };

static as_store *store;
static model_object objects[COUNT];
static int64_t began; /* milliseconds since 1970; a file system's clock may be a tick of the kernel behind */

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int compare_objects(const void *a, const void *b) {
  return memcmp(((const model_object *)a)->digests.blake3, ((const model_object *)b)->digests.blake3, AS_DIGEST_SIZE);
}

/* Sorted as they are listed. Some are too large for packs. */
static void make_objects(void) {
  for (size_t i = 0; i < COUNT; i++) {
    objects[i] = model_make(i % LARGE_EACH ? 1 + i % 700 : LARGE + i, i);
  }
  qsort(objects, COUNT, sizeof *objects, compare_objects);
}

static void check_listed(const as_listed *listed, const model_object *object) {
  CHECK(memcmp(listed->blake3, object->digests.blake3, AS_DIGEST_SIZE) == 0, "%02x%02x… is listed, %02x%02x… expected", listed->blake3[0], listed->blake3[1],
        object->digests.blake3[0], object->digests.blake3[1]);
  CHECK_INT(listed->size, object->size);
  CHECK(listed->changed >= began - 1000 && listed->changed <= now(), "changed at %lld", (long long)listed->changed);
}

/* All parts together are what is there, each once. */
static void check_all_parts(void) {
  size_t next = 0;
  for (unsigned part = 0; part < 256; part++) {
    as_listed *listed;
    size_t count;
    CHECK_INT(as_store_list(store, part, &listed, &count), 0);
    for (size_t i = 0; i < count; i++) {
      while (next < COUNT && objects[next].state == MODEL_ABSENT) {
        next++;
      }
      CHECK(next < COUNT && listed[i].blake3[0] == part, "one too many in part %u", part);
      check_listed(&listed[i], &objects[next++]);
    }
    as_listed_free(listed);
  }
  for (; next < COUNT; next++) {
    CHECK(objects[next].state == MODEL_ABSENT, "object %zu is not listed", next);
  }
}

static void put_some(size_t from, size_t step) {
  for (size_t i = from; i < COUNT; i += step) {
    model_put(store, &objects[i]);
  }
}

static void remove_some(size_t from, size_t step) {
  for (size_t i = from; i < COUNT; i += step) {
    model_remove(store, &objects[i]);
  }
}

static int seal(as_store *of, void *context) { return (void)context, as_pack_seal_active(of); }

/* What is put, sealed, deleted, and put again in later segments: the newest record counts, wherever the older ones lie. */
static void test_life(size_t runs) {
  store = open_small(as_io_posix(), AS_OPEN_CREATE, SEGMENT, runs);
  check_all_parts();
  put_some(0, 2);
  check_all_parts();
  as_packs_exclusively(store, seal, NULL);
  check_all_parts();
  put_some(1, 2);
  remove_some(0, 3);
  check_all_parts();
  as_packs_exclusively(store, seal, NULL);
  put_some(0, 6);
  check_all_parts();
  as_compacted out = {.next = 1};
  while (out.next) {
    CHECK_INT(as_store_compact(store, out.next, 50, &out), 0);
  }
  check_all_parts();
  as_store_close(store);
  store = open_small(as_io_posix(), 0, SEGMENT, runs);
  check_all_parts();
}

/* Names in the objects folder that are none of objects are passed over. */
static void test_strange_names(void) {
  const uint8_t *address = objects[0].digests.blake3;
  char name[128];
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof name, "objects/%02x/%s", address[0], i == 0 ? "readme" : i == 1 ? ".obao4" : "0123456789abcdef");
    int fd = open(fixture_file(name), O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0 || errno == ENOENT, "%s: %s", name, strerror(errno));
    close(fd);
  }
  check_all_parts();
}

static int damage_index(void *context, const char *name) {
  uint64_t first, last;
  (void)context;
  if (as_index_name_parse(name, &first, &last)) {
    char path[64];
    snprintf(path, sizeof path, "packs/%.40s", name);
    int fd = open(fixture_file(path), O_RDWR);
    uint8_t page[4096];
    for (off_t at = 4096; pread(fd, page, sizeof page, at) == sizeof page; at += (off_t)sizeof page) {
      page[100] ^= 1;
      CHECK_INT(pwrite(fd, page, sizeof page, at), sizeof page);
    }
    close(fd);
  }
  return 0;
}

/* A part cannot be listed while an index that may have some of it is damaged; after a lookup has repaired it, all of it is there. */
static void test_damaged_index(void) {
  as_store_close(store);
  CHECK_INT(as_io_posix()->list(as_io_posix(), AT_FDCWD, fixture_file("packs"), damage_index, NULL), 0);
  store = open_small(as_io_posix(), 0, SEGMENT, 16);
  int corrupt = 0;
  for (unsigned part = 0; part < 256; part++) {
    as_listed *listed;
    size_t count;
    int error = as_store_list(store, part, &listed, &count);
    CHECK(error == 0 || error == AS_E_CORRUPT, "%s", as_error_detail());
    corrupt += error == AS_E_CORRUPT;
    CHECK(!error || (listed == NULL && count == 0), "something is given with an error");
    as_listed_free(listed);
  }
  CHECK(corrupt > 0, "no part had anything to do with a damaged index");
  for (size_t i = 0; i < COUNT; i++) {
    uint64_t size;
    CHECK_INT(as_store_stat(store, objects[i].digests.blake3, &size), objects[i].state == MODEL_PRESENT ? 0 : AS_E_MISSING);
  }
  check_all_parts();
}

static void test_no_such_part(void) {
  as_listed *listed;
  size_t count;
  CHECK_INT(as_store_list(store, 256, &listed, &count), AS_E_INVALID);
  CHECK(listed == NULL && count == 0, "something is given with an error");
}

int main(void) {
  fixture_begin_in_memory();
  began = now();
  make_objects();
  test_life(2);
  as_store_close(store);
  fixture_remove(fixture_store);
  for (size_t i = 0; i < COUNT; i++) {
    objects[i].state = MODEL_ABSENT;
  }
  test_life(16);
  test_strange_names();
  test_damaged_index();
  test_no_such_part();
  as_store_close(store);
  model_free(objects, COUNT);
  fixture_clean();
  return 0;
}
