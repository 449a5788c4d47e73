/*
 * What the tests of native/digest share: inputs, hexadecimal, official vector files, the round over all kernel sets.
 * May include: the public header, the C library. Included by: digest_*_test.c, kernels_test.c.
 */
#ifndef AS_TEST_DIGEST_SUPPORT_H
#define AS_TEST_DIGEST_SUPPORT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "artifactstore.h"
#include "check.h"

/* The input of the official BLAKE3 vectors: byte i is i mod 251. */
static inline uint8_t *counted_bytes(size_t size) {
  uint8_t *bytes = malloc(size + 1);
  CHECK(bytes != NULL, "no memory for %zu bytes", size);
  for (size_t i = 0; i < size; i++) {
    bytes[i] = (uint8_t)(i % 251);
  }
  return bytes;
}

/* xorshift64*: the same numbers on every run, so that a failure can be repeated. */
static uint64_t random_state = 0x9e3779b97f4a7c15;

static inline uint64_t random_below(uint64_t bound) {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return random_state * 0x2545f4914f6cdd1dULL % bound;
}

static inline uint8_t *random_bytes(size_t size) {
  uint8_t *bytes = malloc(size + 1);
  CHECK(bytes != NULL, "no memory for %zu bytes", size);
  for (size_t i = 0; i < size; i++) {
    bytes[i] = (uint8_t)random_below(256);
  }
  return bytes;
}

static inline int is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

/* Reads up to `size` bytes of hexadecimal, to the first character that is none; returns how many. */
static inline size_t from_hex(const char *hex, uint8_t *out, size_t size) {
  size_t count = 0;
  unsigned byte;
  char pair[3] = {0};
  while (count < size && is_hex(hex[0]) && is_hex(hex[1])) {
    memcpy(pair, hex, 2);
    sscanf(pair, "%2x", &byte);
    out[count++] = (uint8_t)byte;
    hex += 2;
  }
  return count;
}

static inline void digest_from_hex(const char *hex, uint8_t out[AS_DIGEST_SIZE]) {
  CHECK(from_hex(hex, out, AS_DIGEST_SIZE) == AS_DIGEST_SIZE, "not a digest: %.70s", hex);
}

/* A file of the official vectors, which lie beside the checkout, as text. NULL, and a line saying so, when absent. */
static inline char *read_vectors(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "../shared/vectors/%s", name);
  FILE *file = fopen(path, "rb");
  if (!file) {
    printf("skipped: %s is not beside the checkout; the built-in values still ran\n", path);
    return NULL;
  }
  fseek(file, 0, SEEK_END);
  size_t size = (size_t)ftell(file);
  rewind(file);
  char *text = malloc(size + 1);
  CHECK(text && fread(text, 1, size, file) == size, "cannot read %s", path);
  text[size] = 0;
  fclose(file);
  return text;
}

/* Whether `name` is in a list with commas between. */
static inline int is_listed(const char *name, const char *list) {
  size_t size = strlen(name);
  for (const char *at = list; (at = strstr(at, name)) != NULL; at += size) {
    if ((at == list || at[-1] == ',') && (at[size] == ',' || at[size] == 0)) {
      return 1;
    }
  }
  return 0;
}

/* The kernel sets under test, ending with NULL: all that this machine has, or of them those that
 * ARTIFACTSTORE_TEST_KERNELS lists, which is for machines that are slow because they are emulated. */
static inline const char *const *tested_kernels(void) {
  enum { SETS_MAX = 15 };
  static const char *tested[SETS_MAX + 1];
  const char *list = getenv("ARTIFACTSTORE_TEST_KERNELS");
  size_t count = 0;
  if (!list || !*list) {
    return as_kernel_names();
  }
  for (const char *const *name = as_kernel_names(); *name && count < SETS_MAX; name++) {
    if (is_listed(*name, list)) {
      tested[count++] = *name;
    }
  }
  CHECK(count > 0, "this machine has none of the kernel sets \"%s\"", list);
  tested[count] = NULL;
  return tested;
}

/* Runs a test once with each kernel set under test. */
static inline void with_every_kernel(void (*test)(void)) {
  for (const char *const *name = tested_kernels(); *name; name++) {
    CHECK_INT(as_kernel_select(*name), 0);
    test();
  }
}

/* One stream, given in one update, and the same bytes through as_dual_many: both must give the expected digests. */
static inline void check_digests(const uint8_t *bytes, size_t size, const as_digests *expected, const char *what) {
  as_dual *dual = malloc(sizeof *dual);
  as_span span = {bytes, size};
  as_digests streamed, batched;
  as_dual_init(dual, NULL, NULL);
  CHECK_INT(as_dual_update(dual, bytes, size), 0);
  CHECK_INT(as_dual_length(dual), size);
  CHECK_INT(as_dual_finish(dual, &streamed), 0);
  as_dual_many(&span, 1, &batched);
  CHECK_BYTES(streamed.blake3, expected->blake3, AS_DIGEST_SIZE, "%s, %s", what, as_kernel_name());
  CHECK_BYTES(streamed.sha256, expected->sha256, AS_DIGEST_SIZE, "%s, %s", what, as_kernel_name());
  CHECK_BYTES(&batched, &streamed, sizeof batched, "batched: %s, %s", what, as_kernel_name());
  free(dual);
}

#endif
