/*
 * Chooses the scan, once per process: the best that the CPU can run, or the one that the environment variable
 * ARTIFACTSTORE_CPU names. A name that is no scan (the digests have more sets) is passed over for the automatic choice.
 * May include: native/chunk/scan.h, native/digest/cpu.h, the C library. Called by: native/chunk; as_chunk_kernel_… by
 * anyone.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "chunk/scan.h"
#include "digest/cpu.h"

/* Every path built for this architecture, best first. The last needs no feature, so there is always one to run. */
static const as_chunk_scanner *const built[] = {
#if defined(__x86_64__)
    &as_chunk_scanner_avx2,
#endif
    &as_chunk_scanner_portable};

enum { BUILT = sizeof built / sizeof built[0] };

static const as_chunk_scanner *runnable[BUILT];
static const char *runnable_names[BUILT + 1]; /* ends with NULL */
static int runnable_count;
static _Atomic(const as_chunk_scanner *) in_use;

static const as_chunk_scanner *find(const char *name) {
  for (int i = 0; i < runnable_count; i++) {
    if (strcmp(runnable[i]->name, name) == 0) {
      return runnable[i];
    }
  }
  return NULL;
}

static void choose(void) {
  uint32_t features = as_cpu_detect();
  for (int i = 0; i < BUILT; i++) {
    if ((built[i]->features & ~features) == 0) {
      runnable[runnable_count] = built[i];
      runnable_names[runnable_count++] = built[i]->name;
    }
  }
  const char *forced = getenv("ARTIFACTSTORE_CPU");
  const as_chunk_scanner *chosen = forced ? find(forced) : NULL;
  atomic_store(&in_use, chosen ? chosen : runnable[0]);
}

static void choose_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose);
}

const as_chunk_scanner *as_chunk_scanner_in_use(void) {
  choose_once();
  return atomic_load_explicit(&in_use, memory_order_relaxed);
}

const char *as_chunk_kernel_name(void) {
  return as_chunk_scanner_in_use()->name;
}

const char *const *as_chunk_kernel_names(void) {
  choose_once();
  return runnable_names;
}

int as_chunk_kernel_select(const char *name) {
  choose_once();
  const as_chunk_scanner *chosen = name ? find(name) : NULL;
  if (!chosen) {
    return AS_E_INVALID;
  }
  atomic_store(&in_use, chosen);
  return 0;
}
