/*
 * What only the lanes of the x86-64 kernels can get wrong: batches of small objects in every mix of lengths, each
 * ending where memory ends, against the portable kernels; streams at every alignment. It runs with the kernels of other
 * machines just as well.
 * May include: native/digest/kernels.h, the public header, the test headers. Run by: ctest.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "digest/kernels.h"
#include "digest_support.h"

enum { OBJECTS = 200, SMALL_MAX = AS_SMALL_MAX };

/* Memory whose last byte is the last before a page that may not be read. */
static uint8_t *guarded(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page;
  uint8_t *memory = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED, "cannot map %zu bytes", room + page);
  CHECK_INT(mprotect(memory + room, page, PROT_NONE), 0);
  for (size_t i = 0; i < room; i++) {
    memory[i] = (uint8_t)random_below(256);
  }
  return memory + room;
}

/* Object i ends `apart` * i bytes before the guard page: all at it, so that one that reads too far is a crash whichever
 * it is; or each with bytes of its own, so that it matters which digests are whose. */
static void check_batch_apart(const uint8_t *end, const size_t *sizes, size_t count, size_t apart, const char *what) {
  static as_digests out[OBJECTS], expected;
  as_span inputs[OBJECTS];
  for (size_t i = 0; i < count; i++) {
    inputs[i] = (as_span){sizes[i] ? end - apart * i - sizes[i] : NULL, sizes[i]};
  }
  as_kernels_in_use()->dual_many(inputs, count, out);
  for (size_t i = 0; i < count; i++) {
    as_dual_whole(&as_kernels_portable, inputs[i].bytes, inputs[i].size, &expected);
    CHECK_BYTES(&out[i], &expected, sizeof expected, "%s: object %zu of %zu, %zu bytes, %s", what, i, count, sizes[i],
                as_kernel_name());
  }
}

static void check_batch(const uint8_t *end, const size_t *sizes, size_t count, const char *what) {
  check_batch_apart(end, sizes, count, 0, what);
}

/* A length near a boundary of block, padding, chunk or group, or anywhere. */
static size_t random_size(void) {
  static const size_t units[] = {64, 64, 1024, 1024, 2048, SMALL_MAX};
  size_t unit = units[random_below(6)];
  if (random_below(3) == 0) {
    return random_below(unit + 1);
  }
  size_t near = unit * (1 + random_below(SMALL_MAX / unit)) + random_below(19) - 9;
  return near < SMALL_MAX ? near : SMALL_MAX;
}

static void test_mixes(const uint8_t *end) {
  size_t sizes[OBJECTS];
  for (int round = 0; round < 60; round++) {
    size_t count = 1 + random_below(round % 2 ? OBJECTS : 20);
    for (size_t i = 0; i < count; i++) {
      sizes[i] = random_size();
    }
    check_batch(end, sizes, count, "mixed");
  }
}

static void test_equal_sizes(const uint8_t *end) {
  static const size_t all[] = {0, 1, 55, 56, 63, 64, 65, 128, 1000, 1024, 1025, 4096, 5000, SMALL_MAX};
  size_t sizes[OBJECTS];
  for (size_t a = 0; a < sizeof all / sizeof all[0]; a++) {
    for (size_t count = 1; count <= 70; count += count < 18 ? 1 : 13) {
      for (size_t i = 0; i < count; i++) {
        sizes[i] = all[a];
      }
      check_batch(end, sizes, count, "equal");
      check_batch_apart(end, sizes, count, 3, "equal, apart");
    }
  }
}

/* Runs of one size among others, in any order. */
static void test_runs_of_equal_sizes(const uint8_t *end) {
  size_t sizes[OBJECTS];
  for (int round = 0; round < 40; round++) {
    size_t common[2] = {random_size(), random_size()};
    size_t count = 20 + random_below(OBJECTS - 19);
    for (size_t i = 0; i < count; i++) {
      size_t which = random_below(5);
      sizes[i] = which < 4 ? common[which / 2] : random_size();
    }
    check_batch_apart(end, sizes, count, 3, "runs of equal sizes");
  }
}

/* Larger than kernels are promised: still right. */
static void test_large_among_small(const uint8_t *end) {
  static const size_t sizes[] = {10, SMALL_MAX + 1, 2000, 3000, 3 * SMALL_MAX, 0, 5 * SMALL_MAX + 77};
  check_batch(end, sizes, sizeof sizes / sizeof sizes[0], "large among small");
}

/* Every alignment of a stream, ending at the guard page, through both the one-stream and the two-stream kernel. */
static void test_streams(const uint8_t *end) {
  enum { GROUPS = 3 };
  for (size_t off = 0; off < 64; off++) {
    const as_kernels *kernels = as_kernels_in_use();
    uint32_t states[3][8];
    uint8_t cvs[3][GROUPS * AS_DIGEST_SIZE], expected_cvs[2][GROUPS * AS_DIGEST_SIZE];
    uint32_t expected[2][8];
    const uint8_t *at[2] = {end - GROUPS * AS_GROUP_SIZE - off, end - GROUPS * AS_GROUP_SIZE};
    for (int s = 0; s < 3; s++) {
      memcpy(states[s], as_initial_value, sizeof states[s]);
    }
    for (int s = 0; s < 2; s++) {
      memcpy(expected[s], as_initial_value, sizeof expected[s]);
      as_kernels_portable.dual_groups(expected[s], at[s], GROUPS, as_initial_value, 7 * (uint64_t)s, 0,
                                      expected_cvs[s]);
    }
    as_dual_stream streams[2] = {{states[0], at[0], 0, cvs[0]}, {states[1], at[1], 7, cvs[1]}};
    kernels->dual2_groups(streams, GROUPS, as_initial_value, 0);
    kernels->dual_groups(states[2], at[0], GROUPS, as_initial_value, 0, 0, cvs[2]);
    for (int s = 0; s < 3; s++) {
      CHECK_BYTES(states[s], expected[s % 2], sizeof states[s], "stream %d, offset %zu, %s", s, off, as_kernel_name());
      CHECK_BYTES(cvs[s], expected_cvs[s % 2], sizeof cvs[s], "stream %d, offset %zu, %s", s, off, as_kernel_name());
    }
  }
}

static const uint8_t *guard;

static void all(void) {
  test_mixes(guard);
  test_equal_sizes(guard);
  test_runs_of_equal_sizes(guard);
  test_large_among_small(guard);
  test_streams(guard);
}

int main(void) {
  guard = guarded(6 * SMALL_MAX);
  with_every_kernel(all);
  return 0;
}
