/*
 * Memory for what is large; see pages.h.
 * May include: pages.h, the C library. Called by: as declared there.
 */
#include "core/pages.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
  OWN_FROM = 256 * 1024,           /* bytes from which on a mapping of its own costs little beside touching it */
  TOUCHED_UP_TO = 4 * 1024 * 1024, /* bytes that are all touched at once: a millisecond */
};

/* Pages of the usual size: that they are touched one by one is what spreads the price of fresh memory. A huge page is paid for at once, and where a machine is virtual
 * and has given its free huge blocks back to its host, with milliseconds.
 *
 * What is small is touched here all the same. Whoever looks into a fresh page before writing to it, as tables do, has the page of zeros that all share; the write takes it
 * out again, and has all processors forget it that run another thread of the process: seven times the price of a page. */
void *as_pages_take(size_t size) {
  if (size < OWN_FROM) {
    return calloc(1, size);
  }
  int touched = size <= TOUCHED_UP_TO ? MAP_POPULATE : 0;
  void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | touched, -1, 0);
  return bytes == MAP_FAILED ? NULL : bytes;
}

void as_pages_give(void *bytes, size_t size) {
  if (size < OWN_FROM) {
    free(bytes);
  } else if (bytes) {
    munmap(bytes, size);
  }
}
