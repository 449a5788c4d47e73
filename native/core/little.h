/*
 * Integers in the store's files, which are little-endian on every machine and stand at any address.
 * May include: the C library. Used by: native/core, native/store.
 */
#ifndef AS_CORE_LITTLE_H
#define AS_CORE_LITTLE_H

#include <stdint.h>

static inline uint32_t as_get32(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline uint64_t as_get64(const uint8_t *bytes) {
  return (uint64_t)as_get32(bytes) | (uint64_t)as_get32(bytes + 4) << 32;
}

static inline void as_put32(uint8_t *bytes, uint32_t value) {
  for (int i = 0; i < 4; i++) {
    bytes[i] = (uint8_t)(value >> (8 * i));
  }
}

static inline void as_put64(uint8_t *bytes, uint64_t value) {
  as_put32(bytes, (uint32_t)value);
  as_put32(bytes + 4, (uint32_t)(value >> 32));
}

#endif
