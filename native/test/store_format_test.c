/*
 * Format versions. A store of format 1, built by hand as docs/format.md describes it, is read as it is, upgraded by the
 * first writer, and keeps what it has; a version nobody knows is refused and left alone.
 * May include: store_fixture.h. Run by: CTest.
 */
#include "store_fixture.h"

enum { SMALL = 100, LARGE = 300000 };

static uint8_t *small, *large;
static as_digests small_digests, large_digests;

static void make_folder(const char *relative) {
  CHECK(mkdir(*relative ? fixture_file(relative) : fixture_store, 0755) == 0, "mkdir %s: %s", relative, strerror(errno));
}

static void check_format(const char *line) {
  size_t size;
  uint8_t *bytes = file_bytes(fixture_file("FORMAT"), &size);
  CHECK(size == strlen(line) && memcmp(bytes, line, size) == 0, "FORMAT is not %s", line);
  free(bytes);
}

/* The outboard of an object comes from a store of today: its layout is the same in both formats. */
static void store_large_as_today(void) {
  as_store *store = open_store(AS_OPEN_CREATE);
  large_digests = ingest(store, large, LARGE).digests;
  as_store_close(store);
}

static void build_format_1(void) {
  char folder[16];
  store_large_as_today();
  as_span span = {small, SMALL};
  as_dual_many(&span, 1, &small_digests);
  snprintf(folder, sizeof folder, "objects/%02x", small_digests.blake3[0]);
  if (!file_exists(fixture_file(folder))) {
    make_folder(folder);
  }
  write_file(object_file(small_digests.blake3, ""), small, SMALL);
  write_file(fixture_file("FORMAT"), "artifactstore-data 1\n", 21);
  fixture_remove(fixture_file("packs"));
}

static void check_all(as_store *store) {
  check_read(store, small_digests.blake3, small, SMALL);
  check_read(store, large_digests.blake3, large, LARGE);
  check_intact(store, small_digests.blake3);
  check_intact(store, large_digests.blake3);
}

static void test_read_only(void) {
  as_store *store = open_store(AS_OPEN_READ_ONLY);
  check_all(store);
  as_store_close(store);
  check_format("artifactstore-data 1\n");
  CHECK(!file_exists(fixture_file("packs")), "a reader made packs/");
}

static void test_upgrade(void) {
  as_store *store = open_store(0);
  int removed;
  uint64_t freed, size;
  check_format("artifactstore-data 2\n");
  check_all(store);
  uint8_t *bytes = make_bytes(SMALL, 99);
  as_ingested added = ingest(store, bytes, SMALL);
  ingest(store, small, SMALL); /* in a pack now, and still a file */
  as_store_close(store);
  store = open_store(0);
  check_all(store);
  check_read(store, added.digests.blake3, bytes, SMALL);
  CHECK_INT(as_store_remove(store, small_digests.blake3, &removed, &freed), 0);
  CHECK(removed && freed > 0, "the file of format 1 goes");
  CHECK_INT(as_store_stat(store, small_digests.blake3, &size), AS_E_MISSING);
  CHECK(!file_exists(object_file(small_digests.blake3, "")), "its file is left");
  as_store_close(store);
  free(bytes);
}

static void test_unknown(void) {
  as_store *store;
  write_file(fixture_file("FORMAT"), "artifactstore-data 3\n", 21);
  CHECK_INT(as_store_open(fixture_store, 0, &store), AS_E_FORMAT);
  CHECK_INT(as_store_open(fixture_store, AS_OPEN_CREATE, &store), AS_E_FORMAT);
  CHECK_INT(as_store_open(fixture_store, AS_OPEN_READ_ONLY, &store), AS_E_FORMAT);
  check_format("artifactstore-data 3\n");
}

int main(void) {
  fixture_begin();
  small = make_bytes(SMALL, 1);
  large = make_bytes(LARGE, 2);
  build_format_1();
  test_read_only();
  test_upgrade();
  test_unknown();
  free(small);
  free(large);
  fixture_clean();
  return 0;
}
