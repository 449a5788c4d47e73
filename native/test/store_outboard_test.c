/*
 * Outboards: position arithmetic, bytes against a plain recursive construction, lists of chaining values that outgrow
 * memory, and checking.
 * May include: store/outboard.h, check.h. Run by: CTest.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "store/outboard.h"

/* Groups made up by number, so that trees far larger than memory would like can be tested without their bytes. */
static void made_up_value(uint64_t group, uint8_t out[AS_DIGEST_SIZE]) {
  memset(out, 0, AS_DIGEST_SIZE);
  memcpy(out, &group, sizeof group);
  out[31] = 7;
}

/* The definition, in the plainest words: pre-order, children after their parent. Returns the end of what was
 * written. */
static uint8_t *plain(uint64_t first, uint64_t groups, int root, uint8_t *out, uint8_t value[AS_DIGEST_SIZE]) {
  if (groups == 1) {
    made_up_value(first, value);
    return out;
  }
  uint64_t left = 1;
  while (left * 2 < groups) {
    left *= 2;
  }
  uint8_t *end = plain(first, left, 0, out + 64, out);
  end = plain(first + left, groups - left, 0, end, out + 32);
  as_blake3_parent(out, out + 32, root, value);
  return end;
}

typedef struct collected {
  uint8_t *bytes;
  size_t size;
  uint64_t written;
  int fail_after;
} collected;

static int collect(void *context, uint64_t position, const uint8_t *bytes, size_t size) {
  collected *out = context;
  CHECK(position + size <= out->size, "%zu bytes at %llu", size, (unsigned long long)position);
  memcpy(out->bytes + position, bytes, size);
  out->written += size;
  return out->fail_after-- == 0 ? -ENOSPC : 0;
}

static int scratch_allowed = 1;

static int open_scratch(void *context) {
  ++*(int *)context;
  return scratch_allowed ? memfd_create("scratch", MFD_CLOEXEC) : -EMFILE;
}

static void fill(as_cv_list *list, uint64_t groups, int *scratches) {
  uint8_t values[7 * AS_DIGEST_SIZE];
  as_cv_list_init(list, as_io_posix(), open_scratch, scratches);
  for (uint64_t at = 0; at < groups;) {
    size_t count = 0;
    while (count < 7 && at < groups) {
      made_up_value(at++, values + count++ * AS_DIGEST_SIZE);
    }
    CHECK_INT(as_cv_list_add(list, values, count), 0);
  }
  CHECK_INT(as_cv_list_count(list), groups);
}

static void test_arithmetic(void) {
  CHECK_INT(as_outboard_groups(0), 1);
  CHECK_INT(as_outboard_groups(1), 1);
  CHECK_INT(as_outboard_groups(16384), 1);
  CHECK_INT(as_outboard_groups(16385), 2);
  CHECK_INT(as_outboard_size(16384), 0);
  CHECK_INT(as_outboard_size(16385), 8 + 64);
  CHECK_INT(as_outboard_size(UINT64_C(1) << 30), 8 + 64 * 65535);
  CHECK(as_outboard_groups(UINT64_MAX) == UINT64_C(1) << 50, "no overflow at the largest size");
  for (uint64_t groups = 2; groups < 5000; groups++) {
    uint64_t left = as_outboard_left(groups);
    CHECK((left & (left - 1)) == 0 && left < groups && left * 2 >= groups, "left of %llu is %llu",
          (unsigned long long)groups, (unsigned long long)left);
  }
}

/* Counts around every power of two and around the bound of memory, beyond which blocks and the scratch file take
 * part. */
static void test_layout(void) {
  static const uint64_t counts[] = {2,    3,    4,    5,    6,    7,    8,    9,    31,
                                    32,   33,   100,  1023, 1024, 1025, 2047, 2048, 2049,
                                    4095, 4096, 4097, 6143, 6145, 9999, 16384, 20001, 33000};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    uint64_t groups = counts[i], size = groups * AS_GROUP_SIZE - 5;
    size_t bytes = (size_t)as_outboard_size(size);
    uint8_t *expected = malloc(bytes), root[AS_DIGEST_SIZE], expected_root[AS_DIGEST_SIZE];
    collected out = {calloc(1, bytes), bytes, 0, -1};
    as_cv_list list;
    int scratches = 0;
    memcpy(expected, &size, 8); /* this test runs on little-endian machines */
    CHECK(plain(0, groups, 1, expected + 8, expected_root) == expected + bytes, "length of %llu groups",
          (unsigned long long)groups);
    fill(&list, groups, &scratches);
    CHECK_INT(scratches, groups > AS_CV_LIST_MEMORY);
    CHECK_INT(as_outboard_build(&list, size, collect, &out, root), 0);
    CHECK_INT(out.written, bytes);
    CHECK_BYTES(out.bytes, expected, bytes, "outboard of %llu groups", (unsigned long long)groups);
    CHECK_BYTES(root, expected_root, AS_DIGEST_SIZE, "root of %llu groups", (unsigned long long)groups);
    as_cv_list_free(&list);
    free(out.bytes);
    free(expected);
  }
}

static void test_failures(void) {
  as_cv_list list;
  int scratches = 0;
  uint8_t buffer[64], root[AS_DIGEST_SIZE], *values = calloc(AS_CV_LIST_MEMORY, AS_DIGEST_SIZE);
  collected out = {malloc(1 << 20), 1 << 20, 0, 0};
  fill(&list, 5000, &scratches);
  for (int after = 0; after < 4; after++) {
    out.fail_after = after;
    CHECK_INT(as_outboard_build(&list, 5000ull * AS_GROUP_SIZE, collect, &out, root), -ENOSPC);
  }
  CHECK(ftruncate(list.scratch, 100) == 0, "scratch");
  CHECK_INT(as_cv_list_get(&list, 100, 2, buffer), -EIO);
  out.fail_after = -1;
  CHECK_INT(as_outboard_build(&list, 5000ull * AS_GROUP_SIZE, collect, &out, root), -EIO);
  as_cv_list_free(&list);
  scratch_allowed = 0;
  as_cv_list_init(&list, as_io_posix(), open_scratch, &scratches);
  CHECK_INT(as_cv_list_add(&list, values, AS_CV_LIST_MEMORY), 0);
  CHECK_INT(as_cv_list_add(&list, values, 1), -EMFILE);
  as_cv_list_free(&list);
  free(out.bytes);
  free(values);
}

/* ---- checking real bytes ---- */

enum { GROUPS = 11, SIZE = (GROUPS - 1) * AS_GROUP_SIZE + 777 };

typedef struct sample {
  uint8_t bytes[SIZE];
  uint8_t stored[8 + 64 * (GROUPS - 1)];
  as_outboard outboard;
  as_cv_list list;
  int scratches;
} sample;

static void make_sample(sample *out) {
  uint8_t root[AS_DIGEST_SIZE];
  for (int i = 0; i < SIZE; i++) {
    out->bytes[i] = (uint8_t)(i * 31 + (i >> 8));
  }
  as_cv_list_init(&out->list, as_io_posix(), open_scratch, &out->scratches);
  for (int group = 0; group < GROUPS; group++) {
    uint8_t value[AS_DIGEST_SIZE];
    int last = group == GROUPS - 1;
    as_blake3_subtree(out->bytes + group * AS_GROUP_SIZE, last ? 777 : AS_GROUP_SIZE, (uint64_t)group, value);
    CHECK_INT(as_cv_list_add(&out->list, value, 1), 0);
  }
  collected stored = {out->stored, sizeof out->stored, 0, -1};
  CHECK_INT(as_outboard_build(&out->list, SIZE, collect, &stored, root), 0);
  out->outboard = (as_outboard){.io = as_io_posix(), .fd = memfd_create("outboard", MFD_CLOEXEC), .size = SIZE};
  as_blake3_hash(out->bytes, SIZE, out->outboard.root);
  CHECK_BYTES(root, out->outboard.root, AS_DIGEST_SIZE, "the tree's root is the digest");
  CHECK_INT(as_io_write(as_io_posix(), out->outboard.fd, out->stored, sizeof out->stored, 0), 0);
}

static size_t span_size(int first, int end) {
  return (size_t)(end == GROUPS ? SIZE : end * AS_GROUP_SIZE) - (size_t)first * AS_GROUP_SIZE;
}

/* Every span of groups, whole and with each of its groups damaged: exactly that group is named. */
static void test_check(sample *of) {
  as_range bad;
  for (int first = 0; first < GROUPS; first++) {
    for (int end = first + 1; end <= GROUPS; end++) {
      uint8_t *bytes = of->bytes + first * AS_GROUP_SIZE;
      CHECK_INT(as_outboard_check(&of->outboard, (uint64_t)first, bytes, span_size(first, end), &bad), 0);
      for (int group = first; group < end; group++) {
        of->bytes[group * AS_GROUP_SIZE + 700] ^= 16;
        CHECK_INT(as_outboard_check(&of->outboard, (uint64_t)first, bytes, span_size(first, end), &bad), AS_E_CORRUPT);
        CHECK_INT(bad.start, group * AS_GROUP_SIZE);
        CHECK_INT(bad.end, group == GROUPS - 1 ? SIZE : (group + 1) * AS_GROUP_SIZE);
        of->bytes[group * AS_GROUP_SIZE + 700] ^= 16;
      }
    }
  }
}

/* A damaged pair is never believed: either the bytes prove themselves without it, or the read fails naming a range
 * around them. */
static void test_damaged_pairs(sample *of) {
  as_range bad;
  int refused = 0;
  for (size_t at = 8; at < sizeof of->stored; at += 13) {
    uint8_t byte = of->stored[at] ^ 1;
    CHECK_INT(as_io_write(as_io_posix(), of->outboard.fd, &byte, 1, at), 0);
    for (int group = 0; group < GROUPS; group++) {
      uint8_t *bytes = of->bytes + group * AS_GROUP_SIZE;
      int error = as_outboard_check(&of->outboard, (uint64_t)group, bytes, span_size(group, group + 1), &bad);
      CHECK(error == 0 || error == AS_E_CORRUPT, "%d", error);
      if (error) {
        refused++;
        CHECK(bad.start <= (uint64_t)group * AS_GROUP_SIZE && bad.end >= (uint64_t)group * AS_GROUP_SIZE + 777,
              "range %llu-%llu", (unsigned long long)bad.start, (unsigned long long)bad.end);
      }
    }
    CHECK_INT(as_outboard_check(&of->outboard, 0, of->bytes, SIZE, &bad), 0); /* the whole needs no pair */
    CHECK_INT(as_io_write(as_io_posix(), of->outboard.fd, of->stored + at, 1, at), 0);
  }
  CHECK(refused > 50, "only %d reads refused", refused);
  CHECK(ftruncate(of->outboard.fd, 100) == 0, "outboard");
  CHECK_INT(as_outboard_check(&of->outboard, 1, of->bytes + AS_GROUP_SIZE, AS_GROUP_SIZE, &bad), AS_E_CORRUPT);
  CHECK_INT(as_io_write(as_io_posix(), of->outboard.fd, of->stored, sizeof of->stored, 0), 0);
}

/* The pairs of a stored outboard that cover some of the groups from `first` to `end`, by the definition. Returns the end of what was written. */
static uint8_t *wanted(const uint8_t *stored, uint64_t at, uint64_t position, uint64_t groups, uint64_t first, uint64_t end,
                       uint8_t *out) {
  if (groups == 1 || at >= end || at + groups <= first) {
    return out;
  }
  uint64_t left = as_outboard_left(groups);
  memcpy(out, stored + position, 64);
  out = wanted(stored, at, position + 64, left, first, end, out + 64);
  return wanted(stored, at + left, position + 64 * left, groups - left, first, end, out);
}

/* All pairs of a walk, in steps of a buffer of `capacity`. */
static int walk_all(const as_outboard *outboard, uint64_t first, uint64_t end, size_t capacity, uint8_t *out, size_t *size) {
  as_range bad;
  as_outboard_walk walk = {.first = first, .end = end, .capacity = capacity};
  *size = 0;
  do {
    walk.buffer = out + *size;
    int error = as_outboard_pairs(outboard, &walk, &bad);
    if (error) {
      return error;
    }
    CHECK(walk.size <= capacity && walk.size % 64 == 0, "%zu bytes", walk.size);
    *size += walk.size;
  } while (walk.next);
  return 0;
}

/* Every span of groups, with room for one pair, for some and for all; and no pair that does not hold. */
static void test_pairs(sample *of) {
  static uint8_t expected[sizeof of->stored], actual[sizeof of->stored];
  size_t size;
  for (uint64_t first = 0; first < GROUPS; first++) {
    for (uint64_t end = first; end <= GROUPS; end++) {
      size_t length = (size_t)(wanted(of->stored, 0, 8, GROUPS, first, end, expected) - expected);
      for (size_t capacity = 64; capacity <= 64 * GROUPS; capacity += 96) {
        CHECK_INT(walk_all(&of->outboard, first, end, capacity, actual, &size), 0);
        CHECK_INT(size, end > first ? length : 0);
        CHECK_BYTES(actual, expected, size, "pairs of %llu to %llu", (unsigned long long)first, (unsigned long long)end);
      }
    }
  }
  for (size_t at = 8; at < sizeof of->stored; at += 7) {
    uint8_t byte = of->stored[at] ^ 1;
    CHECK_INT(as_io_write(as_io_posix(), of->outboard.fd, &byte, 1, at), 0);
    CHECK_INT(walk_all(&of->outboard, 0, GROUPS, 128, actual, &size), AS_E_CORRUPT);
    CHECK_INT(walk_all(&of->outboard, 0, GROUPS, sizeof actual, actual, &size), AS_E_CORRUPT);
    CHECK_INT(as_io_write(as_io_posix(), of->outboard.fd, of->stored + at, 1, at), 0);
  }
}

static int bad_count;
static as_range bad_last;

static void note_bad(void *context, as_range range) {
  (void)context;
  bad_last = range;
  bad_count++;
}

static void test_compare(sample *of) {
  bad_count = 0;
  CHECK_INT(as_outboard_compare(&of->outboard, &of->list, note_bad, NULL), 0);
  CHECK_INT(bad_count, 0);
  for (int group = 0; group < GROUPS; group++) {
    of->list.memory[group * AS_DIGEST_SIZE] ^= 1;
    bad_count = 0;
    CHECK_INT(as_outboard_compare(&of->outboard, &of->list, note_bad, NULL), 0);
    CHECK_INT(bad_count, 1);
    CHECK_INT(bad_last.start, group * AS_GROUP_SIZE);
    of->list.memory[group * AS_DIGEST_SIZE] ^= 1;
  }
}

int main(void) {
  static sample of;
  test_arithmetic();
  test_layout();
  test_failures();
  make_sample(&of);
  test_check(&of);
  test_pairs(&of);
  test_damaged_pairs(&of);
  test_compare(&of);
  as_cv_list_free(&of.list);
  close(of.outboard.fd);
  return 0;
}
