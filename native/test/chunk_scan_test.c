/*
 * Each scan by itself against the definition: every rule, every length around the sizes of vectors and pieces, every
 * alignment, inputs of no content, and guard pages on both sides. And the choice among the scans.
 * May include: native/chunk/scan.h, the public header, the test headers. Run by: ctest.
 */
#include "chunk/scan.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chunk_reference.h"

enum { BITS_MAX = 36, PAGE = 65536 };

static size_t reference_scan(const uint8_t *bytes, size_t count, unsigned bits) {
  size_t i = 0;
  while (i < count && !reference_cuts(bytes + i, bits)) {
    i++;
  }
  return i;
}

/* Returns where the cut is. */
static size_t check_scan(const uint8_t *bytes, size_t count, unsigned bits, const char *what) {
  size_t cut = as_chunk_scanner_in_use()->scan(bytes, count, bits), expected = reference_scan(bytes, count, bits);
  CHECK(cut == expected, "%s: %zu candidates, %u bits, %s: cut at %zu, not %zu", what, count, bits,
        as_chunk_kernel_name(), cut, expected);
  return cut;
}

/* Each cut in turn, so that cuts are looked for in every lane, not only in those that come first. */
static void check_all_cuts(const uint8_t *bytes, size_t count, unsigned bits, const char *what) {
  size_t done = 0;
  while (done < count) {
    done += check_scan(bytes + done, count - done, bits, what) + 1;
  }
}

static void test_rules(void) {
  enum { SIZE = 6000 };
  uint8_t *bytes = random_bytes(AS_CHUNK_HISTORY + SIZE);
  for (unsigned bits = 1; bits <= BITS_MAX; bits++) {
    check_scan(bytes + AS_CHUNK_HISTORY, SIZE, bits, "random");
  }
  check_all_cuts(bytes + AS_CHUNK_HISTORY, SIZE, 5, "every cut");
  check_all_cuts(bytes + AS_CHUNK_HISTORY, SIZE, 8, "every cut");
  free(bytes);
}

/* Rules beyond the filter's twelve bits need inputs long enough that the judge passes some and refuses others. */
static void test_judged_rules(void) {
  enum { SIZE = 200000 };
  uint8_t *bytes = random_bytes(AS_CHUNK_HISTORY + SIZE);
  for (unsigned bits = 12; bits <= 16; bits += 2) {
    check_all_cuts(bytes + AS_CHUNK_HISTORY, SIZE, bits, "judged");
  }
  free(bytes);
}

static void test_lengths(void) {
  enum { SIZE = 17000 };
  static const size_t around[] = {64, 128, 192, 1024, 2048, 4096, 8192, 8192 + 64, 16384};
  uint8_t *bytes = random_bytes(AS_CHUNK_HISTORY + SIZE);
  for (size_t count = 0; count <= 260; count++) {
    check_scan(bytes + AS_CHUNK_HISTORY, count, 7, "length");
    check_scan(bytes + AS_CHUNK_HISTORY, count, 20, "length");
  }
  for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
    for (size_t count = around[i] - 3; count <= around[i] + 3; count++) {
      check_scan(bytes + AS_CHUNK_HISTORY, count, 13, "length");
      check_scan(bytes + AS_CHUNK_HISTORY, count, BITS_MAX, "length");
    }
  }
  free(bytes);
}

static void test_alignments(void) {
  enum { SIZE = 9000 };
  uint8_t *bytes = random_bytes(AS_CHUNK_HISTORY + SIZE + 64);
  for (size_t offset = 0; offset < 64; offset += 3) {
    check_scan(bytes + AS_CHUNK_HISTORY + offset, SIZE, 12, "alignment");
  }
  free(bytes);
}

/* The only candidate that passes, at each place of a piece in turn. */
static void test_places(void) {
  enum { SIZE = 8192 + 100, BITS = 14 };
  uint8_t *bytes = calloc(1, AS_CHUNK_HISTORY + SIZE), *found = NULL;
  uint8_t *random = random_bytes(200000);
  for (size_t i = AS_CHUNK_WINDOW; !found; i++) {
    found = reference_cuts(random + i, BITS) ? random + i - (AS_CHUNK_WINDOW - 1) : NULL;
  }
  for (size_t place = 0; place < SIZE; place += place < 300 || place > SIZE - 300 ? 1 : 13) {
    uint8_t *window = bytes + AS_CHUNK_HISTORY + place - (AS_CHUNK_WINDOW - 1);
    memcpy(window, found, AS_CHUNK_WINDOW);
    check_scan(bytes + AS_CHUNK_HISTORY, SIZE, BITS, "place");
    memset(window, 0, AS_CHUNK_WINDOW);
  }
  free(bytes);
  free(random);
}

static void test_patterns(void) {
  enum { SIZE = 20000 };
  uint8_t *bytes = malloc(AS_CHUNK_HISTORY + SIZE);
  for (int pattern = 0; pattern < PATTERNS; pattern++) {
    fill_pattern(bytes, AS_CHUNK_HISTORY + SIZE, pattern);
    for (unsigned bits = 1; bits <= 16; bits++) {
      check_scan(bytes + AS_CHUNK_HISTORY, SIZE, bits, "pattern");
    }
  }
  free(bytes);
}

/* A page that may not be read, on either side: a scan that read one byte too many would end the program. */
static void test_guard_pages(void) {
  uint8_t *map = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(map != MAP_FAILED, "no memory");
  uint8_t *open = map + PAGE;
  CHECK_INT(mprotect(open, PAGE, PROT_READ | PROT_WRITE), 0);
  for (size_t i = 0; i < PAGE; i++) {
    open[i] = (uint8_t)random_below(256);
  }
  for (size_t count = 1; count <= 300; count++) {
    check_scan(open + PAGE - count, count, 18, "before a guard page");
    check_scan(open + AS_CHUNK_HISTORY, count, 18, "after a guard page");
  }
  for (size_t count = 8192 - 70; count < 8192 + 70; count += 9) {
    check_scan(open + PAGE - count, count, BITS_MAX, "before a guard page");
  }
  munmap(map, 3 * PAGE);
}

static void all_scans(void) {
  test_rules();
  test_judged_rules();
  test_lengths();
  test_alignments();
  test_places();
  test_patterns();
  test_guard_pages();
}

/* The choice is made once per process, so each setting needs a process of its own. */
static void check_environment(const char *setting, const char *expected) {
  pid_t child = fork();
  CHECK(child >= 0, "cannot fork");
  if (child == 0) {
    setenv("ARTIFACTSTORE_CPU", setting, 1);
    _exit(strcmp(as_chunk_kernel_name(), expected ? expected : as_chunk_kernel_names()[0]) == 0 ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
        "ARTIFACTSTORE_CPU=%s did not choose %s", setting, expected ? expected : "the best");
}

static void test_choice(void) {
  check_environment("portable", "portable");
  check_environment("no-such-scan", NULL);
  CHECK_INT(as_chunk_kernel_select("no-such-scan"), AS_E_INVALID);
  CHECK_INT(as_chunk_kernel_select(NULL), AS_E_INVALID);
  size_t count = 0;
  while (as_chunk_kernel_names()[count]) {
    count++;
  }
  CHECK(count > 0, "no scan at all");
  CHECK_STRING(as_chunk_kernel_names()[count - 1], "portable");
#if defined(__x86_64__)
  CHECK_INT(count == 2, strstr(as_cpu_features(), "avx2") != NULL);
#endif
}

int main(void) {
  test_choice();
  with_every_scan(all_scans);
  return 0;
}
