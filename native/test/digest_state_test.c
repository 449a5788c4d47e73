/*
 * The exported state of a dual stream: the bytes that docs/formats/digest-state.md promises, written a second time here
 * from that page alone; going on from them; refusing all others.
 * May include: the public header, the test headers. Run by: ctest.
 */
#include "digest_reference.h"
#include "digest_support.h"

enum { GROUP = AS_GROUP_SIZE, HEADER = 48, CHECKSUM = 32 };

static const size_t lengths[] = {0,         1,         63,        64,         1025,          GROUP - 1,     GROUP,
                                 GROUP + 1, 2 * GROUP, 3 * GROUP, 4 * GROUP,  4 * GROUP + 1, 5 * GROUP - 1, 7 * GROUP,
                                 8 * GROUP, 9 * GROUP, 15 * GROUP + 999, 65 * GROUP};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

static void seal(uint8_t *state, size_t size) {
  reference_blake3(state, size - CHECKSUM, state + size - CHECKSUM);
}

/* The page's words as code; returns the size. */
static size_t write_state(const uint8_t *bytes, size_t length, uint8_t *out) {
  size_t groups = length <= GROUP ? 0 : length / GROUP, first = 0;
  uint8_t *at = out + HEADER;
  uint32_t h[8];
  memcpy(out, "ASDUAL\1\0", 8);
  for (int i = 0; i < 8; i++) {
    out[8 + i] = (uint8_t)((uint64_t)length >> (8 * i));
  }
  reference_initial_value(h);
  for (size_t i = 0; i < groups * GROUP; i += 64) {
    reference_sha256_block(h, bytes + i);
  }
  for (int i = 0; i < 32; i++) {
    out[16 + i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
  }
  for (size_t size = (size_t)1 << 40; groups > 0 && size > 0; size /= 2) {
    if ((groups - 1) & size) {
      reference_subtree(bytes + first * GROUP, size * GROUP, first * 16, at);
      first += size;
      at += 32;
    }
  }
  if (groups > 0) {
    reference_subtree(bytes + first * GROUP, GROUP, first * 16, at);
    at += 32;
  }
  memcpy(at, bytes + groups * GROUP, length - groups * GROUP);
  at += length - groups * GROUP + CHECKSUM;
  seal(out, (size_t)(at - out));
  return (size_t)(at - out);
}

static void start(as_dual *dual, const uint8_t *bytes, size_t length) {
  as_dual_init(dual, NULL, NULL);
  CHECK_INT(as_dual_update(dual, bytes, length / 2), 0);
  CHECK_INT(as_dual_update(dual, bytes + length / 2, length - length / 2), 0);
}

static void check_digests_of(as_dual *dual, const uint8_t *bytes, size_t length) {
  as_digests digests, expected;
  CHECK_INT(as_dual_finish(dual, &digests), 0);
  reference_blake3(bytes, length, expected.blake3);
  reference_sha256(bytes, length, expected.sha256);
  CHECK_BYTES(&digests, &expected, sizeof expected, "%zu bytes, %s", length, as_kernel_name());
}

/* The format, at each length; and a stream that goes on from it, while the exported one goes on as well. */
static void test_format(void) {
  enum { MORE = 3 * GROUP + 77 };
  uint8_t *bytes = random_bytes(65 * GROUP + MORE);
  as_dual *dual = malloc(sizeof *dual), *other = malloc(sizeof *other);
  uint8_t state[AS_DUAL_STATE_MAX], expected[AS_DUAL_STATE_MAX];
  for (int i = 0; i < LENGTHS; i++) {
    size_t length = lengths[i], size = 0, expected_size = write_state(bytes, length, expected);
    start(dual, bytes, length);
    memset(state, 0xee, sizeof state);
    CHECK_INT(as_dual_export(dual, state, expected_size, &size), 0);
    CHECK_INT(size, expected_size);
    CHECK_BYTES(state, expected, size, "state of %zu bytes, %s", length, as_kernel_name());
    CHECK(state[size] == 0xee, "wrote beyond the state");
    CHECK_INT(as_dual_import(other, state, size, NULL, NULL), 0);
    CHECK_INT(as_dual_update(other, bytes + length, MORE), 0);
    check_digests_of(other, bytes, length + MORE);
    CHECK_INT(as_dual_import(other, state, size, NULL, NULL), 0);
    check_digests_of(other, bytes, length);
    CHECK_INT(as_dual_update(dual, bytes + length, 1), 0);
    check_digests_of(dual, bytes, length + 1);
  }
  free(other);
  free(dual);
  free(bytes);
}

static void test_capacity(void) {
  uint8_t bytes[100] = {0}, state[AS_DUAL_STATE_MAX];
  as_dual *dual = malloc(sizeof *dual);
  size_t size = 0;
  start(dual, bytes, sizeof bytes);
  memset(state, 0xee, sizeof state);
  CHECK_INT(as_dual_export(dual, NULL, 0, &size), AS_E_SIZE);
  CHECK_INT(size, HEADER + sizeof bytes + CHECKSUM);
  CHECK_INT(as_dual_export(dual, state, size - 1, &size), AS_E_SIZE);
  CHECK(state[0] == 0xee, "wrote into too small a place");
  CHECK_INT(as_dual_export(dual, state, size, &size), 0);
  free(dual);
}

/* Collects which groups a sink was told of. */
static int count_groups(void *context, const uint8_t *cvs, size_t count) {
  (void)cvs;
  *(size_t *)context += count;
  return 0;
}

/* The two sinks together receive each group once, cut where the page says. */
static void test_sinks(void) {
  enum { TOTAL = 70 * GROUP + 5 };
  uint8_t *bytes = random_bytes(TOTAL);
  as_dual *dual = malloc(sizeof *dual);
  uint8_t state[AS_DUAL_STATE_MAX];
  as_digests digests;
  for (int i = 0; i < LENGTHS; i++) {
    size_t before = 0, after = 0, size;
    as_dual_init(dual, count_groups, &before);
    CHECK_INT(as_dual_update(dual, bytes, lengths[i]), 0);
    CHECK_INT(as_dual_export(dual, state, sizeof state, &size), 0);
    CHECK_INT(before, lengths[i] <= GROUP ? 0 : lengths[i] / GROUP);
    CHECK_INT(as_dual_import(dual, state, size, count_groups, &after), 0);
    CHECK_INT(as_dual_update(dual, bytes + lengths[i], TOTAL - lengths[i]), 0);
    CHECK_INT(as_dual_finish(dual, &digests), 0);
    CHECK_INT(before + after, 71);
  }
  free(dual);
  free(bytes);
}

static void check_refused(const uint8_t *state, size_t size, const char *what) {
  static as_dual dual, untouched;
  memset(&dual, 0x5a, sizeof dual);
  untouched = dual;
  uint8_t *exact = malloc(size + 1); /* so that a read beyond `size` is one beyond the allocation's last byte but one */
  CHECK(exact != NULL, "no memory");
  memcpy(exact, state, size);
  int error = as_dual_import(&dual, exact, size, NULL, NULL);
  CHECK(error == AS_E_FORMAT, "%s: %d", what, error);
  CHECK_BYTES(&dual, &untouched, sizeof dual, "%s: the refused state changed the stream", what);
  free(exact);
}

/* Cut short or long anywhere, any single bit turned, and headers that lie although their checksum is right. */
static void test_refusals(void) {
  enum { LENGTH = 3 * GROUP + 40 };
  static const uint64_t lies[] = {0, LENGTH - 1, LENGTH + 1, LENGTH + GROUP, (uint64_t)1 << 61, UINT64_MAX};
  uint8_t *bytes = random_bytes(LENGTH), state[AS_DUAL_STATE_MAX] = {0};
  size_t size = write_state(bytes, LENGTH, state);
  for (size_t cut = 0; cut < size + 100; cut += cut == size - 1 ? 2 : 1) {
    check_refused(state, cut, "cut");
  }
  for (size_t bit = 0; bit < 8 * size; bit++) {
    state[bit / 8] ^= (uint8_t)(1 << bit % 8);
    check_refused(state, size, "one bit");
    state[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  for (int at = 0; at < 8; at++) {
    state[at] ^= 2;
    seal(state, size);
    check_refused(state, size, "magic or version");
    state[at] ^= 2;
  }
  for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
    for (int b = 0; b < 8; b++) {
      state[8 + b] = (uint8_t)(lies[i] >> (8 * b));
    }
    seal(state, size);
    check_refused(state, size, "length");
  }
  free(bytes);
}

/* One byte more than SHA-256 can count, and all else as it would have to be: 48 subtrees and no tail. */
static void test_too_long(void) {
  uint8_t state[HEADER + 48 * 32 + CHECKSUM] = {'A', 'S', 'D', 'U', 'A', 'L', 1, 0};
  state[15] = 0x20; /* 2^61 */
  seal(state, sizeof state);
  check_refused(state, sizeof state, "2^61 bytes");
}

/* The longest stream there is, and one byte more than that. No one absorbs so much, so the state is set by hand. */
static void test_longest(void) {
  as_dual *dual = calloc(1, sizeof *dual), *other = malloc(sizeof *other);
  uint8_t state[AS_DUAL_STATE_MAX], again[AS_DUAL_STATE_MAX];
  size_t size, size_again;
  dual->groups = ((uint64_t)1 << 47) - 1;
  dual->buffered = GROUP - 1;
  dual->cv_stack_len = 47;
  CHECK_INT(as_dual_export(dual, state, sizeof state, &size), 0);
  CHECK_INT(size, HEADER + 47 * 32 + GROUP - 1 + CHECKSUM);
  CHECK_INT(as_dual_import(other, state, size, NULL, NULL), 0);
  CHECK(as_dual_length(other) == ((uint64_t)1 << 61) - 1, "length is %llu", (unsigned long long)as_dual_length(other));
  CHECK_INT(as_dual_export(other, again, sizeof again, &size_again), 0);
  CHECK(size == size_again && memcmp(state, again, size) == 0, "the longest state changed on its way");
  dual->groups++;
  dual->buffered = 0;
  CHECK_INT(as_dual_export(dual, state, sizeof state, &size), AS_E_INVALID);
  free(other);
  free(dual);
}

static void all(void) {
  test_format();
  test_sinks();
}

int main(void) {
  with_every_kernel(all);
  test_capacity();
  test_refusals();
  test_too_long();
  test_longest();
  return 0;
}
