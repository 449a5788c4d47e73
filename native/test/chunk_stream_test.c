/*
 * Chunking of streams: the sizes hold, the cuts are those of the definition however the stream is split, an edit
 * changes the chunks around it only, and the cuts of a fixed input are pinned: they are a stored format.
 * May include: the public header, the test headers. Run by: ctest.
 */
#include "chunk_reference.h"

#include <sys/mman.h>

static const as_chunk_sizes defaults = {16 * 1024, 64 * 1024, 256 * 1024};
static const as_chunk_sizes smallest = {256, 1024, 4096};

typedef struct cuts {
  size_t count;
  size_t at[20000];
} cuts;

/* One update, from a copy beside which nothing else lies: what a chunker needs of earlier bytes, it must have kept. */
static void take_in(as_chunker *chunker, const uint8_t *bytes, size_t size, size_t offset, cuts *out) {
  uint8_t *copy = malloc(size + 1);
  size_t at = 0, taken;
  memcpy(copy, bytes, size);
  do {
    int cut = as_chunker_next(chunker, copy + at, size - at, &taken);
    CHECK(taken <= size - at && (cut || taken == size - at), "took %zu of %zu bytes", taken, size - at);
    at += taken;
    if (cut) {
      out->at[out->count++] = offset + at;
    }
    CHECK_INT(as_chunker_pending(chunker), offset + at - (out->count ? out->at[out->count - 1] : 0));
  } while (at < size);
  free(copy);
}

/* `split` 0: one update; otherwise updates of random sizes below it. */
static void cut_stream(const uint8_t *bytes, size_t size, const as_chunk_sizes *sizes, size_t split, cuts *out) {
  as_chunker chunker;
  size_t at = 0;
  CHECK_INT(as_chunker_init(&chunker, sizes), 0);
  out->count = 0;
  while (at < size) {
    size_t piece = split ? random_below(split) : size, end = size - at < piece ? size : at + piece;
    take_in(&chunker, bytes + at, end - at, at, out);
    at = end;
  }
  if (as_chunker_pending(&chunker) > 0) {
    out->at[out->count++] = size;
  }
}

static void check_same(const cuts *a, const cuts *b, const char *what) {
  CHECK(a->count == b->count, "%s: %zu cuts, not %zu, %s", what, a->count, b->count, as_chunk_kernel_name());
  for (size_t i = 0; i < a->count; i++) {
    CHECK(a->at[i] == b->at[i], "%s: cut %zu at %zu, not %zu, %s", what, i, a->at[i], b->at[i], as_chunk_kernel_name());
  }
}

static void check_definition(const uint8_t *bytes, size_t size, const as_chunk_sizes *sizes, const char *what) {
  static cuts whole, expected;
  expected.count = 0;
  for (size_t at = 0; at < size;) {
    at += reference_chunk_size(bytes + at, size - at, sizes);
    expected.at[expected.count++] = at;
  }
  cut_stream(bytes, size, sizes, 0, &whole);
  check_same(&whole, &expected, what);
}

static void check_splits(const uint8_t *bytes, size_t size, const as_chunk_sizes *sizes, const char *what) {
  static const size_t splits[] = {2, 3, 17, 64, 65, 66, 130, 500, 5000, 70000};
  static cuts whole, split;
  cut_stream(bytes, size, sizes, 0, &whole);
  for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
    cut_stream(bytes, size, sizes, splits[i], &split);
    check_same(&split, &whole, what);
  }
}

static void check_sizes(const uint8_t *bytes, size_t size, const as_chunk_sizes *sizes) {
  static cuts whole;
  cut_stream(bytes, size, sizes, 0, &whole);
  for (size_t i = 0, from = 0; i < whole.count; from = whole.at[i++]) {
    size_t length = whole.at[i] - from;
    CHECK(length <= sizes->maximum && (length >= sizes->minimum || i == whole.count - 1),
          "chunk %zu of %zu has %zu bytes", i, whole.count, length);
  }
  CHECK_INT(whole.count ? whole.at[whole.count - 1] : 0, size);
}

static void test_random(void) {
  enum { SIZE = 2 * 1024 * 1024 };
  static const as_chunk_sizes others[] = {
      {1024, 1024, 1024}, {256, 4096, 4096}, {4096, 4096, 65536}, {300, 2048, 5001}, {2048, 8192, 32768}};
  uint8_t *bytes = random_bytes(SIZE);
  check_definition(bytes, SIZE, &defaults, "defaults");
  check_splits(bytes, SIZE / 4, &defaults, "defaults");
  check_sizes(bytes, SIZE, &defaults);
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    check_definition(bytes, SIZE / 12, &others[i], "other sizes");
    check_splits(bytes, SIZE / 24, &others[i], "other sizes");
    check_sizes(bytes, SIZE / 6, &others[i]);
  }
  free(bytes);
}

static void test_patterns(void) {
  enum { SIZE = 60000 };
  uint8_t *bytes = malloc(SIZE);
  for (int pattern = 0; pattern < PATTERNS; pattern++) {
    fill_pattern(bytes, SIZE, pattern);
    check_definition(bytes, SIZE, &smallest, "pattern");
    check_splits(bytes, SIZE, &smallest, "pattern");
    check_sizes(bytes, SIZE, &smallest);
  }
  free(bytes);
}

/* Streams that end near a size at which something changes; the last byte lies before a page that may not be read. */
static void test_lengths(void) {
  enum { SIZE = 65536 };
  static const size_t around[] = {256, 1024, 4096, 4096 + 256, 4096 + 1024, 2 * 4096};
  uint8_t *map = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(map != MAP_FAILED && mprotect(map + SIZE, SIZE, PROT_NONE) == 0, "no guard page");
  for (int filled = 0; filled < 2; filled++) {
    for (size_t i = 0; i < SIZE; i++) {
      map[i] = filled ? (uint8_t)random_below(256) : 0; /* zeros run to the maximum */
    }
    for (size_t size = 0; size <= 700; size += size < 300 ? 1 : 7) {
      check_definition(map + SIZE - size, size, &smallest, "length");
    }
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
      for (size_t size = around[i] - 70; size <= around[i] + 70; size++) {
        check_definition(map + SIZE - size, size, &smallest, "length");
      }
      check_splits(map + SIZE - around[i], around[i], &smallest, "length");
    }
  }
  munmap(map, 2 * SIZE);
}

/* Every split of a stream into two: windows across the border of two updates. */
static void check_two_pieces(const uint8_t *bytes, size_t size, const char *what) {
  static cuts whole, split;
  cut_stream(bytes, size, &smallest, 0, &whole);
  for (size_t border = 0; border <= size; border++) {
    as_chunker chunker;
    CHECK_INT(as_chunker_init(&chunker, &smallest), 0);
    split.count = 0;
    take_in(&chunker, bytes, border, 0, &split);
    take_in(&chunker, bytes + border, size - border, border, &split);
    if (as_chunker_pending(&chunker) > 0) {
      split.at[split.count++] = size;
    }
    check_same(&split, &whole, what);
  }
}

static void test_two_pieces(void) {
  enum { SIZE = 3000 };
  uint8_t *bytes = random_bytes(SIZE);
  check_two_pieces(bytes, SIZE, "two pieces");
  free(bytes);
}

/* A window that passes the rule beyond the average; when `strict`, also the one before it, else not that one. */
static void find_window(uint8_t window[REFERENCE_WINDOW], int strict) {
  do {
    for (int i = 0; i < REFERENCE_WINDOW; i++) {
      window[i] = (uint8_t)random_below(256);
    }
  } while (!reference_cuts(window + 63, 8) || reference_cuts(window + 63, 12) != strict);
}

/* Zeros, where nothing is cut, but for one window that ends near a size at which the rules change. */
static void test_borders(void) {
  enum { SIZE = 4096 + 300 };
  static const size_t around[] = {256, 1024, 4096};
  uint8_t *bytes = calloc(1, SIZE), window[REFERENCE_WINDOW];
  for (int i = 0; i < 6; i++) {
    find_window(window, i % 2);
    for (size_t end = around[i / 2] - 3; end <= around[i / 2] + 3; end++) {
      memcpy(bytes + end - REFERENCE_WINDOW, window, REFERENCE_WINDOW);
      check_definition(bytes, SIZE, &smallest, "border");
      if (end == 256) {
        check_two_pieces(bytes, 700, "border in two pieces");
      }
      memset(bytes, 0, SIZE);
    }
  }
  free(bytes);
}

/* What follows a cut depends on nothing before it; so after an edit the cuts are soon the old ones, moved. */
static void test_resynchronisation(void) {
  enum { SIZE = 4 * 1024 * 1024, GROWTH = 37 };
  static cuts before, after, rest;
  uint8_t *bytes = random_bytes(SIZE), *edited = malloc(SIZE + GROWTH);
  size_t edit = SIZE / 2 + 12345;
  memcpy(edited, bytes, edit);
  memset(edited + edit, 'x', GROWTH);
  memcpy(edited + edit + GROWTH, bytes + edit, SIZE - edit);
  cut_stream(bytes, SIZE, &defaults, 0, &before);
  cut_stream(edited, SIZE + GROWTH, &defaults, 0, &after);
  size_t first = 0, last = 0;
  while (before.at[first] <= edit) {
    CHECK(before.at[first] == after.at[first], "cut %zu before the edit moved", first);
    first++;
  }
  while (before.at[before.count - 1 - last] + GROWTH == after.at[after.count - 1 - last]) {
    last++;
  }
  CHECK(first > 10 && last > 10, "the input is too short to tell: %zu cuts before the edit, %zu after", first, last);
  CHECK(before.count - first - last <= 4, "an edit moved %zu of %zu cuts", before.count - first - last, before.count);
  cut_stream(bytes + before.at[3], SIZE - before.at[3], &defaults, 0, &rest);
  CHECK_INT(rest.count, before.count - 4);
  for (size_t i = 0; i < rest.count; i++) {
    CHECK_INT(rest.at[i], before.at[i + 4] - before.at[3]);
  }
  free(bytes);
  free(edited);
}

/* The worked example of docs/formats/chunking.md. When this fails the format has changed: stored chunks are lost. */
static void test_golden(void) {
  static const size_t golden_defaults[] = {149252, 239001, 314314, 388905, 412944, 436279,  494217,
                                          583538, 694815, 765011, 858449, 960270, 1035892, 1048576};
  static const size_t golden_smallest[] = {1026, 2210,  2659,  3371,  4643,  5786,  6887, 8188,
                                          9703, 10838, 11926, 13531, 14616, 15891, 16384};
  enum { SIZE = 1024 * 1024, SMALL = 16 * 1024 };
  static cuts found;
  uint8_t *bytes = generated_bytes(SIZE);
  cut_stream(bytes, SIZE, NULL, 0, &found);
  CHECK_INT(found.count, sizeof golden_defaults / sizeof golden_defaults[0]);
  for (size_t i = 0; i < found.count; i++) {
    CHECK_INT(found.at[i], golden_defaults[i]);
  }
  cut_stream(bytes, SMALL, &smallest, 0, &found);
  CHECK_INT(found.count, sizeof golden_smallest / sizeof golden_smallest[0]);
  for (size_t i = 0; i < found.count; i++) {
    CHECK_INT(found.at[i], golden_smallest[i]);
  }
  free(bytes);
}

static void test_size_limits(void) {
  static const as_chunk_sizes invalid[] = {
      {255, 1024, 4096},          {256, 512, 4096},                {256, 1000, 4096},
      {2048, 1024, 4096},         {256, 1024, 1023},               {256, 1024, 64 * 1024 * 1024 + 1},
      {256, 0, 4096},             {0, 1024, 4096},                 {256, 8 * 1024 * 1024, 16 * 1024 * 1024}};
  static const as_chunk_sizes valid[] = {
      {256, 1024, 1024}, {1024, 1024, 1024}, {256, 4 * 1024 * 1024, 64 * 1024 * 1024}};
  as_chunker chunker;
  for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
    CHECK(as_chunker_init(&chunker, &invalid[i]) == AS_E_INVALID, "invalid sizes %zu were accepted", i);
  }
  for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
    CHECK(as_chunker_init(&chunker, &valid[i]) == 0, "valid sizes %zu were refused", i);
  }
}

static void all(void) {
  test_golden();
  test_random();
  test_patterns();
  test_lengths();
  test_two_pieces();
  test_borders();
  test_resynchronisation();
}

int main(void) {
  test_size_limits();
  with_every_scan(all);
  return 0;
}
