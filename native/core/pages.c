/*
 * Memory for what is large; see pages.h.
 * May include: pages.h, the C library. Called by: as declared there.
 */
#include "core/pages.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { OWN_FROM = 1024 * 1024 /* bytes from which on a mapping of its own costs little beside touching it */ };

/* Pages of the usual size: that they are touched one by one is what spreads the price of fresh memory. A huge page is paid for at once, and where a machine is virtual
 * and has given its free huge blocks back to its host, with milliseconds. */
void *as_pages_take(size_t size) {
  if (size < OWN_FROM) {
    return calloc(1, size);
  }
  void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return bytes == MAP_FAILED ? NULL : bytes;
}

void as_pages_give(void *bytes, size_t size) {
  if (size < OWN_FROM) {
    free(bytes);
  } else if (bytes) {
    munmap(bytes, size);
  }
}
