/*
 * Assertions for the C tests. A failed check says where and what and ends the program, so a test needs no framework:
 * main() runs its cases and returns 0.
 * May include: the C library. Included by: every program in native/test.
 */
#ifndef AS_TEST_CHECK_H
#define AS_TEST_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `condition` must hold; what follows is a printf format and its arguments that say with which values. */
#define CHECK(condition, ...)                                                       \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: check failed: %s: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                                                 \
      fputc('\n', stderr);                                                          \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

/* Two integers must be equal. */
#define CHECK_INT(actual, expected)                                                                       \
  do {                                                                                                    \
    long long check_actual = (long long)(actual), check_expected = (long long)(expected);                 \
    CHECK(check_actual == check_expected, "%s is %lld, not %lld", #actual, check_actual, check_expected); \
  } while (0)

/* Two strings must be equal. */
#define CHECK_STRING(actual, expected)                                                                  \
  do {                                                                                                  \
    const char *check_actual = (actual), *check_expected = (expected);                                  \
    CHECK(strcmp(check_actual, check_expected) == 0, "%s is \"%s\", not \"%s\"", #actual, check_actual, \
          check_expected);                                                                              \
  } while (0)

/* `size` bytes at two places must be equal; what follows is a printf format and its arguments. */
#define CHECK_BYTES(actual, expected, size, ...)                                                                 \
  do {                                                                                                           \
    const unsigned char *check_actual = (const unsigned char *)(actual);                                         \
    const unsigned char *check_expected = (const unsigned char *)(expected);                                     \
    size_t check_at = check_difference(check_actual, check_expected, (size));                                    \
    if (check_at < (size_t)(size)) {                                                                             \
      fprintf(stderr, "%s:%d: %s differs at byte %zu (%02x, not %02x): ", __FILE__, __LINE__, #actual, check_at, \
              check_actual[check_at], check_expected[check_at]);                                                 \
      fprintf(stderr, __VA_ARGS__);                                                                              \
      fputc('\n', stderr);                                                                                       \
      exit(1);                                                                                                   \
    }                                                                                                            \
  } while (0)

/* The index of the first differing byte; `size` when there is none. */
static inline size_t check_difference(const unsigned char *a, const unsigned char *b, size_t size) {
  size_t at = 0;
  while (at < size && a[at] == b[at]) {
    at++;
  }
  return at;
}

#endif
