/*
 * BLAKE3 and SHA-256 a second time, as slow and as close to their specifications as can be, to hold the core against on
 * inputs that no published vector reaches. Shares nothing with native/digest, not even a constant: the tables come from
 * their definitions.
 * May include: the C library. Included by: the tests of native/digest.
 */
#ifndef AS_TEST_DIGEST_REFERENCE_H
#define AS_TEST_DIGEST_REFERENCE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- constants: fractional parts of roots of the first primes (FIPS 180-4, sections 4.2.2 and 5.3.3) ---- */

static inline uint32_t reference_prime(int index) {
  uint32_t candidate = 2;
  for (int found = 0;; candidate++) {
    int prime = 1;
    for (uint32_t divisor = 2; divisor * divisor <= candidate; divisor++) {
      prime = prime && candidate % divisor != 0;
    }
    if (prime && found++ == index) {
      return candidate;
    }
  }
}

/* The first 32 bits behind the point of the square (2) or cube (3) root of `n`: the root of n * 2^(32 degree), rounded
 * down bit by bit. */
static inline uint32_t reference_root(uint32_t n, int degree) {
  unsigned __int128 x = 0;
  for (int bit = 36; bit >= 0; bit--) {
    unsigned __int128 trial = x | (unsigned __int128)1 << bit;
    unsigned __int128 power = degree == 2 ? trial * trial : trial * trial * trial;
    if (power <= (unsigned __int128)n << (32 * degree)) {
      x = trial;
    }
  }
  return (uint32_t)x;
}

static inline void reference_initial_value(uint32_t h[8]) {
  static uint32_t value[8];
  for (int i = 0; value[7] == 0 && i < 8; i++) {
    value[i] = reference_root(reference_prime(i), 2);
  }
  memcpy(h, value, sizeof value);
}

static inline uint32_t reference_rotate(uint32_t x, int right) {
  return x >> right | x << (32 - right);
}

/* ---- SHA-256 (FIPS 180-4, section 6.2) ---- */

static inline void reference_sha256_block(uint32_t h[8], const uint8_t *block) {
  static uint32_t k[64];
  for (int t = 0; k[63] == 0 && t < 64; t++) {
    k[t] = reference_root(reference_prime(t), 3);
  }
  uint32_t w[64], v[8];
  for (int t = 0; t < 64; t++) {
    if (t < 16) {
      w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 | (uint32_t)block[4 * t + 2] << 8 |
             block[4 * t + 3];
    } else {
      uint32_t x = w[t - 15], y = w[t - 2];
      w[t] = w[t - 16] + (reference_rotate(x, 7) ^ reference_rotate(x, 18) ^ x >> 3) + w[t - 7] +
             (reference_rotate(y, 17) ^ reference_rotate(y, 19) ^ y >> 10);
    }
  }
  memcpy(v, h, sizeof v);
  for (int t = 0; t < 64; t++) {
    uint32_t a = v[0], e = v[4];
    uint32_t t1 = v[7] + (reference_rotate(e, 6) ^ reference_rotate(e, 11) ^ reference_rotate(e, 25)) +
                  ((e & v[5]) ^ (~e & v[6])) + k[t] + w[t];
    uint32_t t2 = (reference_rotate(a, 2) ^ reference_rotate(a, 13) ^ reference_rotate(a, 22)) +
                  ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof v[0]);
    v[4] += t1;
    v[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) {
    h[i] += v[i];
  }
}

/* The rest of a message of which `before` bytes, whole blocks, are in the state already. */
static inline void reference_sha256_rest(uint32_t h[8], uint64_t before, const uint8_t *bytes, size_t size,
                                         uint8_t out[32]) {
  uint8_t tail[128] = {0};
  size_t whole = size / 64 * 64, rest = size - whole, padded = rest < 56 ? 64 : 128;
  for (size_t at = 0; at < whole; at += 64) {
    reference_sha256_block(h, bytes + at);
  }
  if (rest > 0) {
    memcpy(tail, bytes + whole, rest);
  }
  tail[rest] = 0x80;
  for (int i = 0; i < 8; i++) {
    tail[padded - 1 - (size_t)i] = (uint8_t)((before + size) * 8 >> (8 * i));
  }
  for (size_t at = 0; at < padded; at += 64) {
    reference_sha256_block(h, tail + at);
  }
  for (int i = 0; i < 32; i++) {
    out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
  }
}

static inline void reference_sha256(const uint8_t *bytes, size_t size, uint8_t out[32]) {
  uint32_t h[8];
  reference_initial_value(h);
  reference_sha256_rest(h, 0, bytes, size, out);
}

/* ---- BLAKE3 (BLAKE3 paper, section 2) ---- */

static inline void reference_mix(uint32_t v[16], int a, int b, int c, int d, uint32_t x, uint32_t y) {
  v[a] = v[a] + v[b] + x;
  v[d] = reference_rotate(v[d] ^ v[a], 16);
  v[c] = v[c] + v[d];
  v[b] = reference_rotate(v[b] ^ v[c], 12);
  v[a] = v[a] + v[b] + y;
  v[d] = reference_rotate(v[d] ^ v[a], 8);
  v[c] = v[c] + v[d];
  v[b] = reference_rotate(v[b] ^ v[c], 7);
}

/* The compression function of section 2.2, over a block of `size` bytes, with all sixteen words of output. */
static inline void reference_compress_wide(const uint32_t cv[8], const uint8_t *block, size_t size, uint64_t counter,
                                           uint32_t flags, uint32_t out[16]) {
  static const int permutation[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};
  uint32_t m[16] = {0}, v[16];
  for (size_t i = 0; i < size; i++) {
    m[i / 4] |= (uint32_t)block[i] << (8 * (i % 4));
  }
  memcpy(v, cv, 32);
  reference_initial_value(v + 8); /* the last four words are then replaced */
  v[12] = (uint32_t)counter;
  v[13] = (uint32_t)(counter >> 32);
  v[14] = (uint32_t)size;
  v[15] = flags;
  for (int round = 0; round < 7; round++) {
    for (int i = 0; i < 4; i++) {
      reference_mix(v, i, 4 + i, 8 + i, 12 + i, m[2 * i], m[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
      reference_mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[8 + 2 * i], m[9 + 2 * i]);
    }
    uint32_t permuted[16];
    for (int i = 0; i < 16; i++) {
      permuted[i] = m[permutation[i]];
    }
    memcpy(m, permuted, sizeof m);
  }
  for (int i = 0; i < 8; i++) {
    out[i] = v[i] ^ v[i + 8];
    out[i + 8] = v[i + 8] ^ cv[i];
  }
}

static inline void reference_compress(uint32_t cv[8], const uint8_t *block, size_t size, uint64_t counter,
                                      uint32_t flags) {
  uint32_t out[16];
  reference_compress_wide(cv, block, size, counter, flags, out);
  memcpy(cv, out, 32);
}

enum {
  REFERENCE_START = 1,
  REFERENCE_END = 2,
  REFERENCE_PARENT = 4,
  REFERENCE_ROOT = 8,
  REFERENCE_KEYED = 16,
  REFERENCE_CONTEXT = 32,
  REFERENCE_MATERIAL = 64
};

static inline void reference_words_in(const uint8_t bytes[32], uint32_t words[8]) {
  for (int i = 0; i < 8; i++) {
    words[i] = bytes[4 * i] | (uint32_t)bytes[4 * i + 1] << 8 | (uint32_t)bytes[4 * i + 2] << 16 |
               (uint32_t)bytes[4 * i + 3] << 24;
  }
}

static inline void reference_words_out(const uint32_t words[8], uint8_t out[32]) {
  for (int i = 0; i < 32; i++) {
    out[i] = (uint8_t)(words[i / 4] >> (8 * (i % 4)));
  }
}

static inline void reference_chunk(const uint8_t *bytes, size_t size, const uint32_t key[8], uint64_t chunk,
                                   uint32_t flags, uint32_t root, uint8_t out[32]) {
  uint32_t cv[8];
  memcpy(cv, key, sizeof cv);
  size_t at = 0;
  do {
    size_t block = size - at < 64 ? size - at : 64;
    uint32_t start = at == 0 ? REFERENCE_START : 0;
    uint32_t end = at + block == size ? REFERENCE_END | root : 0;
    reference_compress(cv, bytes + at, block, chunk, flags | start | end);
    at += block;
  } while (at < size);
  reference_words_out(cv, out);
}

static inline void reference_parent(const uint8_t children[64], const uint32_t key[8], uint32_t flags,
                                    uint8_t out[32]) {
  uint32_t cv[8];
  memcpy(cv, key, sizeof cv);
  reference_compress(cv, children, 64, 0, flags | REFERENCE_PARENT);
  reference_words_out(cv, out);
}

/* The tree of section 2.1, top down: the left child takes the largest power of two of chunks that leaves some over. */
static inline void reference_tree(const uint8_t *bytes, size_t size, const uint32_t key[8], uint64_t chunk,
                                  uint32_t flags, uint32_t root, uint8_t out[32]) {
  if (size <= 1024) {
    reference_chunk(bytes, size, key, chunk, flags, root, out);
    return;
  }
  size_t left = 1024;
  while (left * 2 < size) {
    left *= 2;
  }
  uint8_t children[64];
  reference_tree(bytes, left, key, chunk, flags, 0, children);
  reference_tree(bytes + left, size - left, key, chunk + left / 1024, flags, 0, children + 32);
  reference_parent(children, key, flags | root, out);
}

/* Bytes [seek, seek + count) of the extended output of section 2.6: the root's last compression, done again for every
 * 64 bytes with their number as the counter. */
static inline void reference_extended(const uint8_t *bytes, size_t size, const uint32_t key[8], uint32_t flags,
                                      uint64_t seek, uint8_t *out, size_t count) {
  uint8_t children[64];
  const uint8_t *block = bytes;
  uint32_t cv[8], words[16], start = REFERENCE_START;
  memcpy(cv, key, sizeof cv);
  if (size <= 1024) {
    for (; size > 64; block += 64, size -= 64, start = 0) {
      reference_compress(cv, block, 64, 0, flags | start);
    }
    flags |= start | REFERENCE_END | REFERENCE_ROOT;
  } else {
    size_t left = 1024;
    while (left * 2 < size) {
      left *= 2;
    }
    reference_tree(bytes, left, key, 0, flags, 0, children);
    reference_tree(bytes + left, size - left, key, left / 1024, flags, 0, children + 32);
    block = children;
    size = 64;
    flags |= REFERENCE_PARENT | REFERENCE_ROOT;
  }
  for (size_t i = 0; i < count; i++) {
    uint64_t at = seek + i;
    if (i == 0 || at % 64 == 0) {
      reference_compress_wide(cv, block, size, at / 64, flags, words);
    }
    out[i] = (uint8_t)(words[at % 64 / 4] >> (8 * (at % 4)));
  }
}

static inline void reference_blake3(const uint8_t *bytes, size_t size, uint8_t out[32]) {
  uint32_t key[8];
  reference_initial_value(key);
  reference_tree(bytes, size, key, 0, 0, REFERENCE_ROOT, out);
}

static inline void reference_subtree(const uint8_t *bytes, size_t size, uint64_t chunk, uint8_t out[32]) {
  uint32_t key[8];
  reference_initial_value(key);
  reference_tree(bytes, size, key, chunk, 0, 0, out);
}

#endif
