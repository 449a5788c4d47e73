/*
 * CRC-32C against the vectors of RFC 3720, appendix B.4, against the definition taken bit by bit, and its two ways of
 * computing against each other, at every length around the steps and cut anywhere.
 * May include: check.h, core/crc32c.h. Run by: CTest.
 */
#include "core/crc32c.h"

#include "check.h"

enum { ROOM = 20000 };
static uint8_t bytes[ROOM];

/* The definition: the remainder of a division over GF(2), lowest bit first. */
static uint32_t by_definition(uint32_t seed, const uint8_t *input, size_t size) {
  uint32_t crc = ~seed;
  for (size_t i = 0; i < size; i++) {
    crc ^= input[i];
    for (int bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
  }
  return ~crc;
}

static void check_vector(const char *what, const uint8_t *input, size_t size, uint32_t expected) {
  CHECK(as_crc32c(0, input, size) == expected, "%s: %08x, not %08x", what, as_crc32c(0, input, size), expected);
  CHECK(as_crc32c_portable(0, input, size) == expected, "%s, portable", what);
}

static void test_vectors(void) {
  uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
  static const uint8_t command[48] = {0x01, 0xc0, 0, 0, 0,    0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0,
                                      0x14, 0,    0, 0, 0,    0, 4, 0,    0, 0, 0, 0x14, 0,    0, 0, 0x18,
                                      0x28, 0,    0, 0, 0,    0, 0, 0,    2, 0, 0, 0,    0,    0, 0, 0};
  for (int i = 0; i < 32; i++) {
    ones[i] = 0xff;
    up[i] = (uint8_t)i;
    down[i] = (uint8_t)(31 - i);
  }
  check_vector("32 zeros", zeros, 32, 0x8a9136aa);
  check_vector("32 bytes 0xff", ones, 32, 0x62a8ab43);
  check_vector("0 to 31", up, 32, 0x46dd794e);
  check_vector("31 to 0", down, 32, 0x113fdb5c);
  check_vector("an iSCSI read command", command, 48, 0xd9963a56);
  check_vector("nothing", zeros, 0, 0);
}

static void test_lengths(void) {
  static const size_t around[] = {0, 1360, 2720, 4080, 8160, ROOM - 50};
  uint32_t state = 1;
  for (size_t i = 0; i < ROOM; i++) {
    state = state * 1664525 + 1013904223;
    bytes[i] = (uint8_t)(state >> 24);
  }
  for (size_t k = 0; k < sizeof around / sizeof around[0]; k++) {
    for (size_t more = 0; more < 42; more++) {
      size_t size = around[k] + more, start = more % 9;
      size = size + start > ROOM ? ROOM - start : size;
      uint32_t expected = by_definition(state, bytes + start, size);
      CHECK(as_crc32c(state, bytes + start, size) == expected, "%zu bytes from %zu", size, start);
      CHECK(as_crc32c_portable(state, bytes + start, size) == expected, "%zu bytes from %zu, portable", size, start);
    }
  }
}

static void test_parts(void) {
  uint32_t whole = by_definition(0, bytes, ROOM);
  for (size_t cut = 0; cut <= ROOM; cut += 1 + cut / 50) {
    CHECK(as_crc32c(as_crc32c(0, bytes, cut), bytes + cut, ROOM - cut) == whole, "cut at %zu", cut);
    CHECK(as_crc32c_portable(as_crc32c_portable(0, bytes, cut), bytes + cut, ROOM - cut) == whole, "cut at %zu", cut);
  }
}

int main(void) {
  test_vectors();
  test_lengths();
  test_parts();
  return 0;
}
