/*
 * When zeros are written ahead: behind small commits that follow each other, and not where large ones are among them.
 * May include: store/pack_prewrite.h, io/io.h, the test headers. Run by: CTest.
 */
#include "store/pack_prewrite.h"

#include <string.h>
#include <time.h>

#include "check.h"

enum { SMALL = 128 * 1024, LARGE = 1024 * 1024, FD = 7 };
static const uint64_t LIMIT = (uint64_t)1 << 30;

/* Takes zeros, and nothing else, and writes nowhere. */
static ssize_t take_zeros(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  static const uint8_t zeros[AS_PREWRITE_STEP];
  (void)io;
  CHECK_INT(fd, FD);
  CHECK(size <= sizeof zeros && !memcmp(bytes, zeros, size), "%zu bytes at %llu", size, (unsigned long long)offset);
  return (ssize_t)size;
}

/* Where zeros have been written to, once all that are wanted have been. */
static uint64_t written_to(as_prewrite *prewrite) {
  for (;;) {
    pthread_mutex_lock(&prewrite->mutex);
    uint64_t next = prewrite->next;
    int is_done = !prewrite->busy && next >= prewrite->target;
    pthread_mutex_unlock(&prewrite->mutex);
    if (is_done) {
      return next;
    }
    nanosleep(&(struct timespec){0, 1000000}, NULL);
  }
}

static uint64_t commit(as_prewrite *prewrite, uint64_t end, uint64_t size) {
  as_prewrite_claim(prewrite, end + size);
  as_prewrite_committed(prewrite, size, end + size);
  return end + size;
}

static void test_small(as_prewrite *prewrite) {
  uint64_t end = 0;
  for (int i = 1; i < AS_PREWRITE_FROM; i++) {
    end = commit(prewrite, end, SMALL);
    CHECK_INT(written_to(prewrite), end);
  }
  for (uint64_t ahead = AS_PREWRITE_AHEAD_MIN; ahead <= 2 * AS_PREWRITE_AHEAD_MIN; ahead *= 2) {
    end = commit(prewrite, end, SMALL);
    uint64_t reached = written_to(prewrite);
    CHECK(reached >= end + ahead && reached < end + ahead + AS_PREWRITE_STEP, "%llu bytes ahead", (unsigned long long)(reached - end));
  }
  end = commit(prewrite, written_to(prewrite), LARGE);
  CHECK_INT(written_to(prewrite), end); /* behind a large one nothing is left to be written */
  end = commit(prewrite, end, SMALL);
  CHECK_INT(written_to(prewrite), end); /* and it takes several small ones to begin again */
}

/* As many files come: a large commit, and one of what did not fit into it. */
static void test_rests(as_prewrite *prewrite) {
  uint64_t end = 0;
  for (int i = 0; i < 20; i++) {
    end = commit(prewrite, end, i & 1 ? SMALL : LARGE);
    CHECK_INT(written_to(prewrite), end);
  }
  CHECK(!prewrite->running, "a thread has been started");
}

int main(void) {
  static void (*const tests[])(as_prewrite *) = {test_small, test_rests};
  as_io io = *as_io_posix();
  io.write = take_zeros;
  for (int i = 0; i < 2; i++) {
    as_prewrite prewrite;
    as_prewrite_init(&prewrite, &io);
    as_prewrite_turn(&prewrite, FD, 0, LIMIT);
    tests[i](&prewrite);
    as_prewrite_free(&prewrite);
  }
  return 0;
}
