/*
 * CRC-32C in two ways: eight bytes a step from tables, and the CRC instruction of x86-64 (SSE4.2) or AArch64 with three
 * streams in flight, because the instruction takes one input a cycle but three cycles to give its result.
 * May include: crc32c.h, little.h, the C library. Called by: as declared there.
 */
#include "core/crc32c.h"

#include <pthread.h>

#include "core/little.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

enum {
  POLYNOMIAL = (int)0x82f63b78, /* Castagnoli's, bits reversed */
  STREAM = 1360                 /* bytes of each of three streams: together nearly all of an index page */
};

static uint32_t slices[8][256];   /* [k][b]: what byte b does when k further bytes follow it */
static uint32_t far_slices[4][256]; /* [k][b]: what byte k of a CRC becomes when STREAM zeros follow */
static int has_instruction;

/* ---- tables ---- */

static uint32_t step_portable(uint32_t crc, uint64_t word) {
  word ^= crc;
  crc = 0;
  for (int i = 0; i < 8; i++) {
    crc ^= slices[7 - i][word >> (8 * i) & 0xff];
  }
  return crc;
}

static void fill_slices(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) {
      crc = crc >> 1 ^ (crc & 1 ? (uint32_t)POLYNOMIAL : 0);
    }
    slices[0][byte] = crc;
  }
  for (int k = 1; k < 8; k++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t crc = slices[k - 1][byte];
      slices[k][byte] = crc >> 8 ^ slices[0][crc & 0xff];
    }
  }
}

/* Following zeros are linear over XOR, so what they do to 32 single bits tells what they do to all. */
static void fill_far_slices(void) {
  for (int bit = 0; bit < 32; bit++) {
    uint32_t crc = UINT32_C(1) << bit;
    for (int at = 0; at < STREAM; at += 8) {
      crc = step_portable(crc, 0);
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
      far_slices[bit / 8][byte] ^= byte >> bit % 8 & 1 ? crc : 0;
    }
  }
}

/* ---- the instruction ---- */

#if defined(__x86_64__)

static int detect_instruction(void) { return __builtin_cpu_supports("sse4.2") != 0; }

static inline uint32_t step(uint32_t crc, uint64_t word) {
  uint64_t wide = crc;
  __asm__("crc32q %1, %0" : "+r"(wide) : "rm"(word));
  return (uint32_t)wide;
}

#elif defined(__aarch64__) && defined(__linux__)

static int detect_instruction(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

static inline uint32_t step(uint32_t crc, uint64_t word) {
  __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
  return crc;
}

#else

static int detect_instruction(void) { return 0; }

static inline uint32_t step(uint32_t crc, uint64_t word) { return step_portable(crc, word); }

#endif

static inline uint32_t append_stream(uint32_t crc) {
  return far_slices[0][crc & 0xff] ^ far_slices[1][crc >> 8 & 0xff] ^ far_slices[2][crc >> 16 & 0xff] ^
         far_slices[3][crc >> 24];
}

static uint32_t three_streams(uint32_t crc, const uint8_t *bytes) {
  uint32_t second = 0, third = 0;
  for (int at = 0; at < STREAM; at += 8) {
    crc = step(crc, as_get64(bytes + at));
    second = step(second, as_get64(bytes + STREAM + at));
    third = step(third, as_get64(bytes + 2 * STREAM + at));
  }
  return append_stream(append_stream(crc) ^ second) ^ third;
}

static void prepare(void) {
  fill_slices();
  fill_far_slices();
  has_instruction = detect_instruction();
}

static void prepare_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare);
}

/* ---- both ---- */

static uint32_t last_bytes(uint32_t crc, const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    crc = crc >> 8 ^ slices[0][(crc ^ bytes[i]) & 0xff];
  }
  return crc;
}

uint32_t as_crc32c_portable(uint32_t seed, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  uint32_t crc = ~seed;
  prepare_once();
  for (; size >= 8; at += 8, size -= 8) {
    crc = step_portable(crc, as_get64(at));
  }
  return ~last_bytes(crc, at, size);
}

uint32_t as_crc32c(uint32_t seed, const void *bytes, size_t size) {
  prepare_once();
  if (!has_instruction) {
    return as_crc32c_portable(seed, bytes, size);
  }
  const uint8_t *at = bytes;
  uint32_t crc = ~seed;
  for (; size >= 3 * STREAM; at += 3 * STREAM, size -= 3 * STREAM) {
    crc = three_streams(crc, at);
  }
  for (; size >= 8; at += 8, size -= 8) {
    crc = step(crc, as_get64(at));
  }
  return ~last_bytes(crc, at, size);
}
