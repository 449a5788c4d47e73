/*
 * Compaction of deletions: more of them in one segment than one step copies. Every step must come closer to the end, and
 * what was deleted stays deleted, also for an index that is made again from the segments that are left. What a damaged slot may hide
 * stays. And a deleted segment gives its space back a piece after the other.
 * May include: store_model.h. Run by: CTest.
 */
#include "store_model.h"

enum { MANY = 6000, BULKY = 300, KEPT = 60, SMALL = 4 * 1024 * 1024, LARGE = 16 * SMALL, STEPS_MAX = 200 };

static as_store *store;
static model_object many[MANY], bulky[BULKY], kept[KEPT];

static void make(model_object *objects, size_t count, size_t size, uint64_t seed) {
  for (size_t i = 0; i < count; i++) {
    objects[i] = model_make(size + i % 7, seed + i);
  }
}

static void put_all(model_object *objects, size_t count) {
  for (size_t i = 0; i < count; i += 100) {
    model_put_batch(store, objects + i, count - i < 100 ? count - i : 100);
  }
}

static void remove_all(model_object *objects, size_t count) {
  for (size_t i = 0; i < count; i++) {
    model_remove(store, &objects[i]);
  }
}

static uint64_t packs_size(void) {
  uint64_t size = 0;
  as_segment_id id;
  for (uint64_t at = 1; as_segments_next(as_store_segments(store), at, &id); at = id.number + 1) {
    char name[64];
    struct stat status;
    snprintf(name, sizeof name, "packs/%016llx.pack", (unsigned long long)id.number);
    CHECK_INT(stat(fixture_file(name), &status), 0);
    size += (uint64_t)status.st_blocks * 512;
  }
  return size;
}

/* A pass over all segments; gives the number of its steps. */
static int compact_all(unsigned percent) {
  as_compacted out = {.next = 1};
  int steps = 0;
  while (out.next && steps < STEPS_MAX) {
    int error = as_store_compact(store, out.next, percent, &out);
    CHECK(error == 0, "compact: %s", as_error_detail());
    steps++;
  }
  return steps;
}

static int remove_index(void *context, const char *name) {
  uint64_t first, last;
  (void)context;
  if (as_index_name_parse(name, &first, &last)) {
    char path[64];
    snprintf(path, sizeof path, "packs/%.40s", name);
    CHECK_INT(unlink(fixture_file(path)), 0);
  }
  return 0;
}

static void check_all(void) {
  model_check_all(store, many, MANY);
  model_check_all(store, bulky, BULKY);
  model_check_all(store, kept, KEPT);
}

static void compact_within(unsigned percent, uint64_t size_max) {
  int steps = compact_all(percent);
  CHECK(steps < STEPS_MAX, "%d steps do not end", steps);
  CHECK(packs_size() <= size_max, "%llu bytes, at most %llu expected", (unsigned long long)packs_size(),
        (unsigned long long)size_max);
  check_all();
}

static void reopen_without_indexes(size_t runs) {
  as_store_close(store);
  CHECK_INT(as_io_posix()->list(as_io_posix(), AT_FDCWD, fixture_file("packs"), remove_index, NULL), 0);
  store = open_small(as_io_posix(), 0, LARGE, runs);
  check_all();
}

static int seal(as_store *of, void *context) { return (void)context, as_pack_seal_active(of); }

/* The first segment stays, being needed; deletions of what is in it fill a later one. With few runs all indexes are merged,
 * and the index that comes of it leaves deletions out; with many, each segment keeps its own. */
static void test_many_deletions(size_t runs) {
  store = open_small(as_io_posix(), AS_OPEN_CREATE, SMALL, runs);
  make(many, MANY, 50, 1);
  make(bulky, BULKY, 5000, 100000);
  make(kept, KEPT, 40000, 200000);
  put_all(many, MANY);
  put_all(kept, KEPT);
  put_all(bulky, BULKY);
  store->packs->segment_size_max = LARGE;
  remove_all(bulky, BULKY);
  remove_all(many, MANY);
  uint64_t before = packs_size();
  compact_within(50, before);
  reopen_without_indexes(runs);
  compact_within(50, before);
  compact_within(80, before);
  compact_within(80, before);
  reopen_without_indexes(runs);
  as_store_close(store);
  model_free(many, MANY);
  model_free(bulky, BULKY);
  model_free(kept, KEPT);
  fixture_remove(fixture_store);
}

/* Turns a bit of the slot that says where an object is, in the segment `file`. */
static void damage_slot(const char *file, const uint8_t *address) {
  uint8_t slot[AS_PACK_SLOT];
  int damaged = 0, fd = open(file, O_RDWR);
  CHECK(fd >= 0, "%s", file);
  for (off_t at = AS_PACK_BLOCK; pread(fd, slot, sizeof slot, at) == sizeof slot; at += AS_PACK_SLOT) {
    if (memcmp(slot, "ASR1", 4) == 0 && memcmp(slot + 64, address, AS_DIGEST_SIZE) == 0) {
      slot[20] ^= 1;
      CHECK_INT(pwrite(fd, slot, sizeof slot, at), sizeof slot);
      damaged++;
    }
  }
  close(fd);
  CHECK_INT(damaged, 1);
}

/* A slot is damaged of an object that an index leads to still: nothing else in its segment is needed, and it must stay. */
static void test_damaged_slot(void) {
  store = open_small(as_io_posix(), AS_OPEN_CREATE, SMALL, 16);
  make(kept, KEPT, 40000, 1);
  put_all(kept, KEPT);
  as_packs_exclusively(store, seal, NULL);
  as_store_close(store);
  damage_slot(fixture_file("packs/0000000000000001.pack"), kept[0].digests.blake3);
  store = open_small(as_io_posix(), 0, SMALL, 16);
  remove_all(kept + 1, KEPT - 1);
  model_check_all(store, kept, KEPT);
  compact_all(100);
  model_check_all(store, kept, KEPT);
  as_store_close(store);
  model_free(kept, KEPT);
  fixture_remove(fixture_store);
}

enum { WIDE = 600, PIECE = 8 * 1024 * 1024 /* what a file system lets others wait for is never more than this */ };

static uint64_t gone_size;   /* of the deleted file that is being cut off, when it was last looked at */
static int gone_pieces;      /* cut off it */
static int gone_refused;     /* the call, from 1, that fails; 0 for none */

static int watch_truncate(const as_io *io, int fd, uint64_t size) {
  struct stat status;
  CHECK_INT(fstat(fd, &status), 0);
  if (status.st_nlink == 0) {
    CHECK((uint64_t)status.st_size - size <= PIECE, "%llu bytes at once", (unsigned long long)(status.st_size - (off_t)size));
    CHECK(gone_pieces == 0 || (uint64_t)status.st_size == gone_size, "a piece was left out");
    gone_size = size;
    if (++gone_pieces == gone_refused) {
      return -EIO;
    }
  }
  return as_io_posix()->truncate(io, fd, size);
}

/* A segment of some 24 MB that nothing needs any more: it is deleted first, and then cut off from its end. Where that fails, closing it does the rest. */
static void test_pieces(int refused) {
  static model_object wide[WIDE];
  as_io watching = *as_io_posix();
  watching.truncate = watch_truncate;
  gone_pieces = 0, gone_refused = refused;
  store = open_small(&watching, AS_OPEN_CREATE, LARGE, 16);
  make(wide, WIDE, 40000, 1);
  put_all(wide, WIDE);
  as_packs_exclusively(store, seal, NULL);
  remove_all(wide, WIDE);
  compact_all(100);
  CHECK_INT(gone_pieces, refused ? refused : (int)((WIDE * 40000ull) / PIECE));
  CHECK(packs_size() < PIECE, "%llu bytes are left", (unsigned long long)packs_size());
  model_check_all(store, wide, WIDE);
  as_store_close(store);
  model_free(wide, WIDE);
  fixture_remove(fixture_store);
}

int main(void) {
  fixture_begin_in_memory();
  test_many_deletions(2);
  test_many_deletions(16);
  test_damaged_slot();
  test_pieces(0);
  test_pieces(2);
  fixture_clean();
  return 0;
}
