/*
 * Words from bytes and back, in the byte order a hash function asks for, on machines of either byte order.
 * May include: the C library. Used by: native/digest.
 */
#ifndef AS_DIGEST_BYTES_H
#define AS_DIGEST_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define AS_LITTLE_ENDIAN 1
#else
#define AS_LITTLE_ENDIAN 0
#endif

static inline uint32_t as_load32(const uint8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

static inline void as_store32(uint8_t *bytes, uint32_t word) {
  memcpy(bytes, &word, sizeof word);
}

static inline uint32_t as_load32_little(const uint8_t *bytes) {
  return AS_LITTLE_ENDIAN ? as_load32(bytes) : __builtin_bswap32(as_load32(bytes));
}

static inline uint32_t as_load32_big(const uint8_t *bytes) {
  return AS_LITTLE_ENDIAN ? __builtin_bswap32(as_load32(bytes)) : as_load32(bytes);
}

static inline void as_store32_little(uint8_t *bytes, uint32_t word) {
  as_store32(bytes, AS_LITTLE_ENDIAN ? word : __builtin_bswap32(word));
}

static inline void as_store32_big(uint8_t *bytes, uint32_t word) {
  as_store32(bytes, AS_LITTLE_ENDIAN ? __builtin_bswap32(word) : word);
}

#endif
