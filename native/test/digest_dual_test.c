/*
 * The streaming state of both digests: updates split anywhere, unaligned inputs, inputs that end where memory ends, the
 * group sink and its errors, batches.
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

/* The sink's error comes back from the call that met it: a direct update, one through the buffer, finish. */
static void test_sink_errors(void) {
  uint8_t *bytes = random_bytes(6 * GROUP);
  as_dual *dual = malloc(sizeof *dual);
  collected *got = calloc(1, sizeof *got);
  as_digests digests;
  as_dual_init(dual, collect, got);
  CHECK_INT(as_dual_update(dual, bytes, GROUP), 0);
  CHECK_INT(as_dual_update(dual, bytes, 1), AS_E_READ_ONLY);
  got->count = 0;
  as_dual_init(dual, collect, got);
  CHECK_INT(as_dual_update(dual, bytes, 6 * GROUP), AS_E_READ_ONLY);
  got->count = 0;
  got->fail_from = 2;
  as_dual_init(dual, collect, got);
  CHECK_INT(as_dual_update(dual, bytes, 3 * GROUP), 0);
  CHECK_INT(as_dual_finish(dual, &digests), AS_E_READ_ONLY);
  free(got);
  free(dual);
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

static void test_many(void) {
  enum { COUNT = 100 };
  uint8_t *bytes = random_bytes(4 * GROUP);
  as_span spans[COUNT];
  as_digests digests[COUNT], expected;
  for (int i = 0; i < COUNT; i++) {
    size_t size = i % 10 == 0 ? random_below(4 * GROUP) : random_below(3000);
    spans[i] = (as_span){bytes + random_below(4 * GROUP - size + 1), size};
  }
  spans[7] = (as_span){NULL, 0};
  as_dual_many(spans, COUNT, digests);
  for (int i = 0; i < COUNT; i++) {
    reference_digests(spans[i].bytes ? spans[i].bytes : bytes, spans[i].size, &expected);
    CHECK_BYTES(&digests[i], &expected, sizeof expected, "input %d, %zu bytes, %s", i, spans[i].size, as_kernel_name());
  }
  as_dual_many(NULL, 0, NULL);
  free(bytes);
}

static void all(void) {
  test_edges_and_splits();
  test_every_cut();
  test_random_lengths();
  test_sink();
  test_sink_errors();
  test_far_into_a_stream();
  test_many();
}

int main(void) {
  with_every_kernel(all);
  return 0;
}
