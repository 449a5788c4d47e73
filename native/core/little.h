/*
 * What the store's files are made of: integers, little-endian on every machine and at any address, and reserved zeros.
 * May include: the C library. Used by: native/core, native/store.
 */
#ifndef AS_CORE_LITTLE_H
#define AS_CORE_LITTLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define AS_LITTLE32(word) (word)
#define AS_LITTLE64(word) (word)
#else
#define AS_LITTLE32(word) __builtin_bswap32(word)
#define AS_LITTLE64(word) __builtin_bswap64(word)
#endif

static inline uint32_t as_get32(const uint8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
  return AS_LITTLE32(word);
}

static inline uint64_t as_get64(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return AS_LITTLE64(word);
}

static inline void as_put32(uint8_t *bytes, uint32_t value) {
  uint32_t word = AS_LITTLE32(value);
  memcpy(bytes, &word, sizeof word);
}

static inline void as_put64(uint8_t *bytes, uint64_t value) {
  uint64_t word = AS_LITTLE64(value);
  memcpy(bytes, &word, sizeof word);
}

/* Whether `size` bytes are all zero. */
static inline int as_is_zero(const uint8_t *bytes, size_t size) {
  return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

#endif
