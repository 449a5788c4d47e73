/*
 * The streaming state of both digests: updates split anywhere, unaligned inputs, inputs that end where memory ends, two
 * streams at once, a stream in two halves, the group sink and its errors, batches, and the counters of each path.
 * May include: the public header, the test headers. Run by: ctest.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "digest_reference.h"
#include "digest_support.h"

enum { GROUP = AS_GROUP_SIZE };

/* Lengths on both sides of every boundary that the core knows: block, padding, chunk, group, batch of groups. */
static const size_t edge_sizes[] = {0,         1,             55,        56,        63,           64,
                                    65,        119,           120,       128,       1023,         1024,
                                    1025,      2048,          2049,      3072,      GROUP - 1,    GROUP,
                                    GROUP + 1, GROUP + 1025,  2 * GROUP, 3 * GROUP, 4 * GROUP - 1, 4 * GROUP + 1,
                                    5 * GROUP, 31 * GROUP + 7, 64 * GROUP, 65 * GROUP, 65 * GROUP + 1};
enum { EDGE_SIZES = sizeof edge_sizes / sizeof edge_sizes[0] };

static void reference_digests(const uint8_t *bytes, size_t size, as_digests *out) {
  reference_blake3(bytes, size, out->blake3);
  reference_sha256(bytes, size, out->sha256);
}

/* Absorbs in pieces of 0 to `piece_max` bytes. */
static void check_split(const uint8_t *bytes, size_t size, size_t piece_max, const as_digests *expected) {
  as_dual *dual = malloc(sizeof *dual);
  as_digests digests;
  as_dual_init(dual, NULL, NULL);
  for (size_t at = 0; at < size;) {
    size_t piece = random_below(piece_max + 1);
    piece = piece < size - at ? piece : size - at;
    CHECK_INT(as_dual_update(dual, bytes + at, piece), 0);
    at += piece;
    CHECK_INT(as_dual_length(dual), at);
  }
  CHECK_INT(as_dual_finish(dual, &digests), 0);
  CHECK_BYTES(&digests, expected, sizeof digests, "%zu bytes in pieces of up to %zu, %s", size, piece_max,
              as_kernel_name());
  free(dual);
}

/* The input's last byte is the last before a page that may not be read, so reading beyond the end is a crash. */
static void test_edges_and_splits(void) {
  static const size_t piece_max[] = {5 * GROUP, GROUP + 1, 1000, 64, 63, 1};
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (66 * GROUP + page - 1) / page * page;
  uint8_t *memory = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED, "cannot map %zu bytes", room + page);
  CHECK_INT(mprotect(memory + room, page, PROT_NONE), 0);
  for (size_t i = 0; i < room; i++) {
    memory[i] = (uint8_t)random_below(256);
  }
  for (int i = 0; i < EDGE_SIZES; i++) {
    const uint8_t *bytes = memory + room - edge_sizes[i];
    size_t piece_sizes = edge_sizes[i] > 6 * GROUP ? 2 : sizeof piece_max / sizeof piece_max[0];
    as_digests expected;
    uint8_t hash[AS_DIGEST_SIZE];
    reference_digests(bytes, edge_sizes[i], &expected);
    check_digests(bytes, edge_sizes[i], &expected, "edge size");
    as_blake3_hash(bytes, edge_sizes[i], hash);
    CHECK_BYTES(hash, expected.blake3, AS_DIGEST_SIZE, "as_blake3_hash of %zu bytes", edge_sizes[i]);
    for (size_t p = 0; p < piece_sizes; p++) {
      check_split(bytes, edge_sizes[i], piece_max[p], &expected);
    }
  }
  munmap(memory, room + page);
}

/* Two updates, cut at every place near a boundary. */
static void test_every_cut(void) {
  enum { SIZE = 2 * GROUP + 100 };
  uint8_t *bytes = random_bytes(SIZE);
  as_dual *dual = malloc(sizeof *dual);
  as_digests expected, digests;
  reference_digests(bytes, SIZE, &expected);
  for (size_t cut = 0; cut <= SIZE; cut++) {
    if (cut > 130 && cut % 1024 > 1 && cut % 1024 < 1023) {
      continue;
    }
    as_dual_init(dual, NULL, NULL);
    as_dual_update(dual, bytes, cut);
    as_dual_update(dual, bytes + cut, SIZE - cut);
    as_dual_finish(dual, &digests);
    CHECK_BYTES(&digests, &expected, sizeof digests, "cut at %zu, %s", cut, as_kernel_name());
  }
  free(dual);
  free(bytes);
}

static void test_random_lengths(void) {
  enum { SIZE_MAX_TESTED = 12 * GROUP, ROUNDS = 30 };
  uint8_t *bytes = random_bytes(SIZE_MAX_TESTED + 64);
  for (int i = 0; i < ROUNDS; i++) {
    size_t size = random_below(SIZE_MAX_TESTED), misaligned = random_below(64);
    as_digests expected;
    reference_digests(bytes + misaligned, size, &expected);
    check_digests(bytes + misaligned, size, &expected, "random length, unaligned");
    check_split(bytes + misaligned, size, size, &expected);
  }
  free(bytes);
}

/* A sink that keeps all it is given, and can be told to fail. */
typedef struct collected {
  uint8_t cvs[200][AS_DIGEST_SIZE];
  size_t count, fail_from;
} collected;

static int collect(void *context, const uint8_t *cvs, size_t count) {
  collected *into = context;
  CHECK(count > 0 && into->count + count <= 200, "sink called with %zu after %zu", count, into->count);
  memcpy(into->cvs[into->count], cvs, count * AS_DIGEST_SIZE);
  into->count += count;
  return into->count > into->fail_from ? AS_E_READ_ONLY : 0;
}

/* The root over groups [first, first + count), by the largest power of two on the left. */
static void fold(const collected *groups, size_t first, size_t count, int root, uint8_t out[AS_DIGEST_SIZE]) {
  uint8_t left[AS_DIGEST_SIZE], right[AS_DIGEST_SIZE];
  size_t half = 1;
  if (count == 1) {
    memcpy(out, groups->cvs[first], AS_DIGEST_SIZE);
    return;
  }
  while (half * 2 < count) {
    half *= 2;
  }
  fold(groups, first, half, 0, left);
  fold(groups, first + half, count - half, 0, right);
  as_blake3_parent(left, right, root, out);
}

static void check_sink(const uint8_t *bytes, size_t size, size_t piece) {
  size_t groups = (size + GROUP - 1) / GROUP;
  as_dual *dual = malloc(sizeof *dual);
  collected *got = calloc(1, sizeof *got);
  as_digests digests;
  uint8_t cv[AS_DIGEST_SIZE];
  got->fail_from = SIZE_MAX;
  as_dual_init(dual, collect, got);
  for (size_t at = 0; at < size; at += piece) {
    CHECK_INT(as_dual_update(dual, bytes + at, piece < size - at ? piece : size - at), 0);
  }
  CHECK_INT(as_dual_finish(dual, &digests), 0);
  CHECK_INT(got->count, groups > 1 ? groups : 0);
  for (size_t i = 0; i < got->count; i++) {
    size_t end = (i + 1) * GROUP < size ? (i + 1) * GROUP : size;
    reference_subtree(bytes + i * GROUP, end - i * GROUP, i * (GROUP / 1024), cv);
    CHECK_BYTES(got->cvs[i], cv, AS_DIGEST_SIZE, "group %zu of %zu bytes", i, size);
    as_blake3_subtree(bytes + i * GROUP, end - i * GROUP, i, cv);
    CHECK_BYTES(cv, got->cvs[i], AS_DIGEST_SIZE, "as_blake3_subtree, group %zu of %zu bytes", i, size);
  }
  if (groups > 1) {
    fold(got, 0, groups, 1, cv);
    CHECK_BYTES(cv, digests.blake3, AS_DIGEST_SIZE, "%zu groups folded, %s", groups, as_kernel_name());
  }
  free(got);
  free(dual);
}

static void test_sink(void) {
  uint8_t *bytes = random_bytes(130 * GROUP);
  for (int i = 0; i < EDGE_SIZES; i++) {
    check_sink(bytes, edge_sizes[i], GROUP + 333);
    check_sink(bytes, edge_sizes[i], SIZE_MAX / 2);
  }
  check_sink(bytes, 129 * GROUP + 1, SIZE_MAX / 2);
  check_sink(bytes, 130 * GROUP, 1 << 20);
  free(bytes);
}

/* The sink's error comes back from the call that met it: a direct update, one through the buffer, finish. It stays. */
static void test_sink_errors(void) {
  uint8_t *bytes = random_bytes(6 * GROUP);
  as_dual *dual = malloc(sizeof *dual);
  collected *got = calloc(1, sizeof *got);
  as_digests digests;
  uint8_t state[AS_DUAL_STATE_MAX];
  size_t size;
  as_dual_init(dual, collect, got);
  CHECK_INT(as_dual_update(dual, bytes, GROUP), 0);
  CHECK_INT(as_dual_update(dual, bytes, 1), AS_E_READ_ONLY);
  got->count = 0;
  as_dual_init(dual, collect, got);
  CHECK_INT(as_dual_update(dual, bytes, 6 * GROUP), AS_E_READ_ONLY);
  CHECK_INT(as_dual_update(dual, bytes, 1), AS_E_READ_ONLY);
  CHECK_INT(as_dual_export(dual, state, sizeof state, &size), AS_E_READ_ONLY);
  CHECK_INT(as_dual_finish(dual, &digests), AS_E_READ_ONLY);
  got->count = 0;
  got->fail_from = 2;
  as_dual_init(dual, collect, got);
  CHECK_INT(as_dual_update(dual, bytes, 3 * GROUP - 1), 0);
  CHECK_INT(as_dual_finish(dual, &digests), AS_E_READ_ONLY);
  free(got);
  free(dual);
  free(bytes);
}

/* Two streams of the given lengths, the first with `head` bytes absorbed before. Sinks see their own groups only. */
static void check_two(const uint8_t *bytes, size_t head, const size_t sizes[2]) {
  as_dual *duals[2];
  as_span inputs[2];
  collected *got[2];
  int errors[2] = {1, 1};
  for (int i = 0; i < 2; i++) {
    duals[i] = malloc(sizeof *duals[i]);
    got[i] = calloc(1, sizeof *got[i]);
    got[i]->fail_from = SIZE_MAX;
    as_dual_init(duals[i], collect, got[i]);
    inputs[i] = (as_span){bytes + i, sizes[i]};
  }
  CHECK_INT(as_dual_update(duals[0], bytes, head), 0);
  inputs[0] = (as_span){bytes + head, sizes[0] - head};
  as_dual2_update((as_dual *const *)duals, inputs, errors);
  for (int i = 0; i < 2; i++) {
    as_digests digests, expected;
    size_t groups = sizes[i] <= GROUP ? 0 : (sizes[i] + GROUP - 1) / GROUP;
    uint8_t cv[AS_DIGEST_SIZE];
    CHECK_INT(errors[i], 0);
    CHECK_INT(as_dual_length(duals[i]), sizes[i]);
    CHECK_INT(as_dual_finish(duals[i], &digests), 0);
    reference_digests(bytes + i, sizes[i], &expected);
    CHECK_BYTES(&digests, &expected, sizeof expected, "stream %d of %zu and %zu bytes after %zu, %s", i, sizes[0],
                sizes[1], head, as_kernel_name());
    CHECK_INT(got[i]->count, groups);
    if (groups > 1) {
      fold(got[i], 0, groups, 1, cv);
      CHECK_BYTES(cv, digests.blake3, sizeof cv, "%zu groups of stream %d folded", groups, i);
    }
    free(got[i]);
    free(duals[i]);
  }
}

static void test_two_streams(void) {
  static const size_t sizes[][2] = {
      {0, 0},          {1, GROUP},          {GROUP, GROUP},           {GROUP + 1, GROUP + 1}, {2 * GROUP, 2 * GROUP},
      {5 * GROUP, 1},  {0, 3 * GROUP + 1},  {9 * GROUP, 2 * GROUP},   {3 * GROUP + 5, 7 * GROUP - 5},
      {130 * GROUP, 66 * GROUP + 100}};
  uint8_t *bytes = random_bytes(130 * GROUP + 2);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    static const size_t heads[] = {0, 1, GROUP - 1, GROUP, GROUP + 7, 2 * GROUP};
    for (size_t h = 0; h < sizeof heads / sizeof heads[0] && heads[h] <= sizes[i][0]; h++) {
      check_two(bytes, heads[h], sizes[i]);
    }
  }
  free(bytes);
}

/* One stream's sink fails at its second group; the other stream does not notice. */
static void test_two_streams_errors(void) {
  enum { SIZE = 5 * GROUP };
  uint8_t *bytes = random_bytes(SIZE);
  as_dual *failing = malloc(sizeof *failing), *good = malloc(sizeof *good);
  collected *got = calloc(1, sizeof *got);
  as_span inputs[2] = {{bytes, SIZE}, {bytes, SIZE}};
  as_digests digests, expected;
  reference_digests(bytes, SIZE, &expected);
  for (int which = 0; which < 2; which++) {
    int errors[2] = {1, 1};
    as_dual *duals[2] = {which ? good : failing, which ? failing : good};
    memset(got, 0, sizeof *got);
    got->fail_from = 1;
    as_dual_init(failing, collect, got);
    as_dual_init(good, NULL, NULL);
    as_dual2_update(duals, inputs, errors);
    CHECK_INT(errors[which], AS_E_READ_ONLY);
    CHECK_INT(errors[!which], 0);
    CHECK_INT(as_dual_finish(failing, &digests), AS_E_READ_ONLY);
    CHECK_INT(as_dual_finish(good, &digests), 0);
    CHECK_BYTES(&digests, &expected, sizeof expected, "the stream beside a failing one, %s", as_kernel_name());
    as_dual2_update(duals, inputs, errors);
    CHECK_INT(errors[which], AS_E_READ_ONLY);
  }
  free(got);
  free(good);
  free(failing);
  free(bytes);
}

static as_counters counted_since(const as_counters *before) {
  as_counters now;
  as_kernel_counters(&now);
  as_path_counter *paths[] = {&now.one_stream, &now.two_stream, &now.batch};
  const as_path_counter *old[] = {&before->one_stream, &before->two_stream, &before->batch};
  for (int i = 0; i < 3; i++) {
    paths[i]->calls -= old[i]->calls;
    paths[i]->units -= old[i]->units;
  }
  return now;
}

/* Which path took what: this is what says that two streams and batches do not fall back to one stream unnoticed. */
static void test_counters(void) {
  uint8_t *bytes = random_bytes(10 * GROUP);
  as_dual *a = malloc(sizeof *a), *b = malloc(sizeof *b);
  as_dual *duals[2] = {a, b};
  as_span pair[2] = {{bytes, 6 * GROUP}, {bytes, 4 * GROUP}};
  as_span mixed[] = {{bytes, 100}, {bytes, 8 * GROUP}, {bytes, 0}, {bytes, 3 * GROUP + 1}, {bytes, 1000}};
  as_digests digests[5];
  int errors[2];
  as_counters before, since;
  as_dual_init(a, NULL, NULL);
  as_dual_init(b, NULL, NULL);
  as_kernel_counters(&before);
  as_dual2_update(duals, pair, errors);
  since = counted_since(&before);
  CHECK_INT(since.two_stream.units, 8);
  CHECK_INT(since.two_stream.calls, 1);
  CHECK_INT(since.one_stream.units, 2);
  CHECK_INT(since.batch.calls, 0);
  as_kernel_counters(&before);
  as_dual_many(mixed, 5, digests);
  since = counted_since(&before);
  CHECK_INT(since.batch.units, 3);
  CHECK_INT(since.batch.calls, 1);
  CHECK_INT(since.two_stream.units, 6);
  CHECK_INT(since.one_stream.units, 5);
  as_kernel_counters(&before);
  as_dual_update(a, bytes, 3 * GROUP);
  since = counted_since(&before);
  CHECK_INT(since.one_stream.units, 3);
  CHECK_INT(since.one_stream.calls, 1);
  free(b);
  free(a);
  free(bytes);
}

/* As if 64 TiB had gone before: both hashes then use the upper half of their counters. Absorbing so much takes days, so
 * the state is set by hand: the made-up chaining value `first`, and a SHA-256 state that has not moved. */
static void test_far_into_a_stream(void) {
  enum { SIZE = 2 * GROUP + 77 };
  uint64_t groups = (uint64_t)1 << 32;
  uint8_t *bytes = random_bytes(SIZE);
  as_dual *dual = malloc(sizeof *dual);
  uint32_t state[8];
  uint8_t right[AS_DIGEST_SIZE], first[AS_DIGEST_SIZE] = {1, 2, 3};
  as_digests digests, expected;
  as_dual_init(dual, NULL, NULL);
  dual->groups = groups;
  dual->cv_stack_len = 1;
  memcpy(dual->cv_stack[0], first, sizeof first);
  CHECK_INT(as_dual_update(dual, bytes, SIZE), 0);
  CHECK(as_dual_length(dual) == groups * GROUP + SIZE, "length is %llu", (unsigned long long)as_dual_length(dual));
  CHECK_INT(as_dual_finish(dual, &digests), 0);
  reference_initial_value(state);
  reference_sha256_rest(state, groups * GROUP, bytes, SIZE, expected.sha256);
  reference_subtree(bytes, SIZE, groups * 16, right);
  as_blake3_parent(first, right, 1, expected.blake3);
  CHECK_BYTES(&digests, &expected, sizeof expected, "64 TiB into a stream, %s", as_kernel_name());
  free(dual);
  free(bytes);
}

/* A batch longer than what is gathered at once, with large inputs between small ones, alone, in pairs and in threes. */
static void test_many(void) {
  enum { COUNT = 300 };
  uint8_t *bytes = random_bytes(4 * GROUP);
  as_span *spans = malloc(COUNT * sizeof *spans);
  as_digests *digests = malloc(COUNT * sizeof *digests), expected;
  for (int i = 0; i < COUNT; i++) {
    size_t size = i % 23 < 3 ? random_below(4 * GROUP) : random_below(3000);
    spans[i] = (as_span){bytes + random_below(4 * GROUP - size + 1), size};
  }
  spans[7] = (as_span){NULL, 0};
  for (size_t count = 0; count <= COUNT; count += count < 4 ? 1 : 74) {
    memset(digests, 0, COUNT * sizeof *digests);
    as_dual_many(spans, count, digests);
    for (size_t i = 0; i < count; i++) {
      reference_digests(spans[i].bytes ? spans[i].bytes : bytes, spans[i].size, &expected);
      CHECK_BYTES(&digests[i], &expected, sizeof expected, "input %zu of %zu, %zu bytes, %s", i, count, spans[i].size,
                  as_kernel_name());
    }
  }
  as_dual_many(NULL, 0, NULL);
  free(digests);
  free(spans);
  free(bytes);
}

/* Takes `groups` groups by halves, SHA-256 in pieces of its own and behind BLAKE3, between two updates; the sink sees no difference. */
static void check_halves(const uint8_t *bytes, size_t head, size_t groups, size_t tail) {
  size_t size = head + groups * GROUP + tail, sha256_piece = 1 + random_below(groups);
  as_dual *dual = malloc(sizeof *dual), *whole = malloc(sizeof *whole);
  collected *got = calloc(1, sizeof *got), *expected = calloc(1, sizeof *expected);
  as_digests digests, expected_digests;
  got->fail_from = expected->fail_from = SIZE_MAX;
  as_dual_init(whole, collect, expected);
  CHECK_INT(as_dual_update(whole, bytes, size), 0);
  CHECK_INT(as_dual_finish(whole, &expected_digests), 0);
  as_dual_init(dual, collect, got);
  CHECK_INT(as_dual_update(dual, bytes, head), 0);
  CHECK_INT(as_dual_splits(dual), head > GROUP && head % GROUP == 0);
  if (as_dual_splits(dual)) {
    CHECK_INT(as_dual_blake3_groups(dual, bytes + head, groups), 0);
    for (size_t at = 0; at < groups; at += sha256_piece) {
      size_t now = sha256_piece < groups - at ? sha256_piece : groups - at;
      as_dual_sha256_groups(dual, bytes + head + at * GROUP, now);
    }
    CHECK_INT(as_dual_length(dual), head + groups * GROUP);
    CHECK_INT(as_dual_update(dual, bytes + head + groups * GROUP, tail), 0);
    CHECK_INT(as_dual_finish(dual, &digests), 0);
    CHECK_BYTES(&digests, &expected_digests, sizeof digests, "%zu, %zu groups, %zu, %s", head, groups, tail, as_kernel_name());
    CHECK(got->count == expected->count, "%zu values, not %zu", got->count, expected->count);
    CHECK_BYTES(got->cvs, expected->cvs, got->count * AS_DIGEST_SIZE, "values of %zu groups", groups);
  }
  free(expected);
  free(got);
  free(whole);
  free(dual);
}

static void test_halves(void) {
  static const size_t heads[] = {0, 1, GROUP, GROUP + 1, 2 * GROUP, 3 * GROUP - 1, 3 * GROUP, 16 * GROUP};
  static const size_t counts[] = {1, 2, 15, 16, 63, 64, 65, 130};
  uint8_t *bytes = random_bytes(150 * GROUP);
  for (size_t h = 0; h < sizeof heads / sizeof heads[0]; h++) {
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
      check_halves(bytes, heads[h], counts[c], c % 2 ? 0 : 1 + random_below(2 * GROUP));
    }
  }
  as_dual *dual = malloc(sizeof *dual);
  collected *got = calloc(1, sizeof *got);
  got->fail_from = 70; /* the sink's error comes back, stays, and there are no halves any more */
  as_dual_init(dual, collect, got);
  CHECK_INT(as_dual_update(dual, bytes, 2 * GROUP), 0);
  CHECK_INT(as_dual_blake3_groups(dual, bytes, 130), AS_E_READ_ONLY);
  CHECK_INT(got->count, 2 + 128); /* no more batches than that which failed */
  CHECK_INT(as_dual_splits(dual), 0);
  CHECK_INT(as_dual_update(dual, bytes, 1), AS_E_READ_ONLY);
  free(got);
  free(dual);
  free(bytes);
}

static void all(void) {
  test_edges_and_splits();
  test_every_cut();
  test_random_lengths();
  test_sink();
  test_sink_errors();
  test_halves();
  test_two_streams();
  test_two_streams_errors();
  test_counters();
  test_far_into_a_stream();
  test_many();
}

int main(void) {
  with_every_kernel(all);
  return 0;
}
