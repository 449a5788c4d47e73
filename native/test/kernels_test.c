/*
 * Each kernel by itself against the reference, through the kernel interface, with counts, keys, flags and counters that
 * plain hashing never uses. kernels_choice_test.c has the choice among the sets.
 * May include: native/digest/kernels.h, the public header, the test headers. Run by: ctest.
 */
#include "digest/kernels.h"

#include <sys/mman.h>
#include <unistd.h>

#include "digest_reference.h"
#include "digest_support.h"

enum { COUNT_MAX = 70, KEYED = 16 };

/* Just below the carry into the counter's upper half, so that lanes of one call fall on both sides. */
static const uint64_t carry = ((uint64_t)1 << 32) - 3;

static void random_words(uint32_t words[8]) {
  for (int i = 0; i < 8; i++) {
    words[i] = (uint32_t)random_below((uint64_t)1 << 32);
  }
}

static void test_sha256_blocks(void) {
  uint8_t *bytes = random_bytes(COUNT_MAX * 64 + 1);
  for (size_t count = 0; count <= COUNT_MAX; count++) {
    uint32_t state[8], expected[8];
    random_words(state);
    memcpy(expected, state, sizeof state);
    as_kernels_in_use()->sha256_blocks(state, bytes + 1, count);
    for (size_t i = 0; i < count; i++) {
      reference_sha256_block(expected, bytes + 1 + 64 * i);
    }
    CHECK_BYTES(state, expected, sizeof state, "%zu blocks, %s", count, as_kernel_name());
  }
  free(bytes);
}

static void test_blake3_compress(void) {
  for (uint32_t size = 0; size <= 64; size++) {
    uint8_t block[64] = {0};
    uint32_t cv[8], out[8], expected[8];
    uint64_t counter = random_below(UINT64_MAX);
    uint32_t flags = (uint32_t)random_below(128);
    for (uint32_t i = 0; i < size; i++) {
      block[i] = (uint8_t)random_below(256);
    }
    random_words(cv);
    memcpy(expected, cv, sizeof cv);
    reference_compress(expected, block, size, counter, flags);
    as_kernels_in_use()->blake3_compress(cv, block, size, counter, flags, out);
    CHECK_BYTES(out, expected, sizeof out, "block of %u bytes, %s", size, as_kernel_name());
    as_kernels_in_use()->blake3_compress(cv, block, size, counter, flags, cv);
    CHECK_BYTES(cv, expected, sizeof cv, "in place, block of %u bytes, %s", size, as_kernel_name());
  }
}

static void test_blake3_compress_xof(void) {
  for (uint32_t size = 0; size <= 64; size++) {
    uint8_t block[64] = {0}, out[65] = {0}, expected_bytes[64];
    uint32_t cv[8], expected[16];
    uint64_t counter = size % 2 ? carry + size : random_below(UINT64_MAX);
    uint32_t flags = (uint32_t)random_below(128);
    for (uint32_t i = 0; i < size; i++) {
      block[i] = (uint8_t)random_below(256);
    }
    random_words(cv);
    out[64] = 0xee;
    reference_compress_wide(cv, block, size, counter, flags, expected);
    reference_words_out(expected, expected_bytes);
    reference_words_out(expected + 8, expected_bytes + 32);
    as_kernels_in_use()->blake3_compress_xof(cv, block, size, counter, flags, out);
    CHECK_BYTES(out, expected_bytes, 64, "block of %u bytes, %s", size, as_kernel_name());
    CHECK(out[64] == 0xee, "wrote beyond the output");
  }
}

static void test_blake3_chunks(void) {
  uint8_t *bytes = random_bytes(COUNT_MAX * 1024 + 1);
  uint8_t cvs[(COUNT_MAX + 1) * 32], expected[32];
  uint32_t key[8];
  for (size_t count = 0; count <= COUNT_MAX; count += count < 20 ? 1 : 7) {
    random_words(key);
    memset(cvs, 0xee, sizeof cvs);
    as_kernels_in_use()->blake3_chunks(bytes + 1, count, key, carry, KEYED, cvs);
    for (size_t i = 0; i < count; i++) {
      reference_chunk(bytes + 1 + 1024 * i, 1024, key, carry + i, KEYED, 0, expected);
      CHECK_BYTES(cvs + 32 * i, expected, 32, "chunk %zu of %zu, %s", i, count, as_kernel_name());
    }
    CHECK(cvs[32 * count] == 0xee, "wrote beyond the last of %zu", count);
  }
  free(bytes);
}

static void test_blake3_parents(void) {
  uint8_t *bytes = random_bytes(COUNT_MAX * 64);
  uint8_t cvs[(COUNT_MAX + 1) * 32], expected[32];
  uint32_t key[8];
  for (size_t count = 0; count <= COUNT_MAX; count++) {
    random_words(key);
    memset(cvs, 0xee, sizeof cvs);
    as_kernels_in_use()->blake3_parents(bytes, count, key, KEYED, cvs);
    for (size_t i = 0; i < count; i++) {
      reference_parent(bytes + 64 * i, key, KEYED, expected);
      CHECK_BYTES(cvs + 32 * i, expected, 32, "parent %zu of %zu, %s", i, count, as_kernel_name());
    }
    CHECK(cvs[32 * count] == 0xee, "wrote beyond the last of %zu", count);
    as_kernels_in_use()->blake3_parents(bytes, count, key, KEYED, bytes);
    CHECK_BYTES(bytes, cvs, 32 * count, "%zu parents in place, %s", count, as_kernel_name());
  }
  free(bytes);
}

static void test_dual_groups(void) {
  enum { GROUPS = 5 };
  uint8_t *bytes = random_bytes(GROUPS * AS_GROUP_SIZE + 3);
  uint64_t first_group = ((uint64_t)1 << 28) - 2; /* the chunk counter carries at the third group */
  for (size_t count = 0; count <= GROUPS; count++) {
    uint8_t cvs[(GROUPS + 1) * 32], expected_cv[32];
    uint32_t key[8], state[8], expected[8];
    random_words(key);
    random_words(state);
    memcpy(expected, state, sizeof state);
    memset(cvs, 0xee, sizeof cvs);
    as_kernels_in_use()->dual_groups(state, bytes + 3, count, key, first_group, KEYED, cvs);
    for (size_t i = 0; i < count * AS_GROUP_SIZE; i += 64) {
      reference_sha256_block(expected, bytes + 3 + i);
    }
    CHECK_BYTES(state, expected, sizeof state, "SHA-256 of %zu groups, %s", count, as_kernel_name());
    for (size_t i = 0; i < count; i++) {
      reference_tree(bytes + 3 + i * AS_GROUP_SIZE, AS_GROUP_SIZE, key, (first_group + i) * 16, KEYED, 0, expected_cv);
      CHECK_BYTES(cvs + 32 * i, expected_cv, 32, "group %zu of %zu, %s", i, count, as_kernel_name());
    }
    CHECK(cvs[32 * count] == 0xee, "wrote beyond the last of %zu", count);
  }
  free(bytes);
}

/* One stream of a pair: its input, what the kernel made of it and what it should be. */
typedef struct stream_case {
  uint8_t *bytes;
  uint32_t state[8], expected[8];
  uint64_t first_group;
  uint8_t cvs[4 * 32];
} stream_case;

static void begin_stream(stream_case *stream, uint64_t first_group, size_t groups) {
  stream->bytes = random_bytes(groups * AS_GROUP_SIZE);
  stream->first_group = first_group;
  random_words(stream->state);
  memcpy(stream->expected, stream->state, sizeof stream->state);
  memset(stream->cvs, 0xee, sizeof stream->cvs);
  for (size_t i = 0; i < groups * AS_GROUP_SIZE; i += 64) {
    reference_sha256_block(stream->expected, stream->bytes + i);
  }
}

static void end_stream(stream_case *stream, size_t groups, const uint32_t key[8]) {
  CHECK_BYTES(stream->state, stream->expected, 32, "SHA-256 of %zu groups, %s", groups, as_kernel_name());
  for (size_t i = 0; i < groups; i++) {
    uint8_t cv[32];
    const uint8_t *group = stream->bytes + i * AS_GROUP_SIZE;
    reference_tree(group, AS_GROUP_SIZE, key, (stream->first_group + i) * 16, KEYED, 0, cv);
    CHECK_BYTES(stream->cvs + 32 * i, cv, 32, "group %zu of %zu, %s", i, groups, as_kernel_name());
  }
  CHECK(stream->cvs[32 * groups] == 0xee, "wrote beyond the last of %zu", groups);
  free(stream->bytes);
}

/* Both streams' chunk counters carry, at different groups; each bit of a state is the work of one stream alone. */
static void test_dual2_groups(void) {
  for (size_t count = 0; count <= 3; count++) {
    stream_case a, b;
    uint32_t key[8];
    random_words(key);
    begin_stream(&a, ((uint64_t)1 << 28) - 1, count);
    begin_stream(&b, ((uint64_t)1 << 28) - 2, count);
    as_dual_stream streams[2] = {
        {.sha256_state = a.state, .groups = a.bytes, .first_group = a.first_group, .cvs = a.cvs},
        {.sha256_state = b.state, .groups = b.bytes, .first_group = b.first_group, .cvs = b.cvs}};
    as_kernels_in_use()->dual2_groups(streams, count, key, KEYED);
    end_stream(&a, count, key);
    end_stream(&b, count, key);
  }
}

/* Ends where memory ends, so that a kernel which reads beyond an input crashes. */
static uint8_t *guarded_bytes(size_t size, uint8_t **memory, size_t *mapped) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page;
  *mapped = room + page;
  *memory = mmap(NULL, *mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(*memory != MAP_FAILED, "cannot map %zu bytes", *mapped);
  CHECK_INT(mprotect(*memory + room, page, PROT_NONE), 0);
  for (size_t i = 0; i < room; i++) {
    (*memory)[i] = (uint8_t)random_below(256);
  }
  return *memory + room - size;
}

static void check_many(const as_span *inputs, size_t count, const char *what) {
  as_digests *out = calloc(count + 1, sizeof *out), expected;
  memset(&out[count], 0xee, sizeof out[count]);
  as_kernels_in_use()->dual_many(inputs, count, out);
  for (size_t i = 0; i < count; i++) {
    const uint8_t *bytes = inputs[i].bytes ? inputs[i].bytes : (const uint8_t *)"";
    reference_blake3(bytes, inputs[i].size, expected.blake3);
    reference_sha256(bytes, inputs[i].size, expected.sha256);
    CHECK_BYTES(&out[i], &expected, sizeof expected, "%s: object %zu of %zu, %zu bytes, %s", what, i, count,
                inputs[i].size, as_kernel_name());
  }
  CHECK(out[count].blake3[0] == 0xee, "wrote beyond the last of %zu", count);
  free(out);
}

/* Every object ends at the guard page, so each length and its lane's last read are checked together. */
static void test_dual_many(void) {
  enum { SIZE_MAX_TESTED = 3 * AS_GROUP_SIZE, COUNT = 48 };
  static const size_t edges[] = {0,    1,    3,    4,    55,   56,    63,    64,    65,    119,   120,   127,
                                 128,  129,  511,  1023, 1024, 1025,  2047,  2048,  2049,  3072,  3073,  4095,
                                 4096, 4097, 5120, 8191, 8192, 15360, 16383, 16384, 16385, 17408, 32769, 49152};
  enum { EDGES = sizeof edges / sizeof edges[0] };
  uint8_t *memory;
  size_t mapped;
  uint8_t *end = guarded_bytes(SIZE_MAX_TESTED, &memory, &mapped) + SIZE_MAX_TESTED;
  as_span inputs[COUNT];
  for (int i = 0; i < EDGES; i++) {
    inputs[i] = (as_span){end - edges[i], edges[i]};
  }
  check_many(inputs, EDGES, "all edges at once");
  for (int i = 0; i < EDGES; i++) {
    as_span same[18];
    for (int k = 0; k < 18; k++) {
      same[k] = (as_span){end - edges[i], edges[i]};
    }
    check_many(same, edges[i] > 4097 ? 3 : 18, "one length");
  }
  for (size_t count = 0; count <= COUNT; count++) {
    for (size_t i = 0; i < count; i++) {
      size_t size = random_below(i % 7 == 0 ? 5000 : 300);
      inputs[i] = (as_span){end - size - random_below(64), size};
    }
    check_many(inputs, count, "random lengths");
  }
  inputs[0] = (as_span){NULL, 0};
  check_many(inputs, 1, "no bytes at all");
  munmap(memory, mapped);
}

static void all_kernels(void) {
  test_sha256_blocks();
  test_blake3_compress();
  test_blake3_compress_xof();
  test_blake3_chunks();
  test_blake3_parents();
  test_dual_groups();
  test_dual2_groups();
  test_dual_many();
}

int main(void) {
  with_every_kernel(all_kernels);
  return 0;
}
