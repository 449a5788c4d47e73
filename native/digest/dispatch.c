/*
 * Chooses the kernel set, once per process: the best that the CPU can run, or the one that the environment variable
 * ARTIFACTSTORE_CPU names. A name that is unknown, or that this machine cannot run, is passed over for the automatic
 * choice: a setting made for another machine must not stop this one, and as_kernel_name tells what runs.
 * May include: native/digest headers, the C library. Called by: native/digest; as_kernel_… by anyone.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "digest/cpu.h"
#include "digest/kernels.h"
#include "digest/kernels/aarch64/sets.h"
#include "digest/kernels/x86_64/sets.h"

const uint32_t as_initial_value[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Every set built for this architecture, best first. The last needs no feature, so there is always one to run. */
static const as_kernels *const built[] = {
#if defined(__AARCH64EL__) && defined(__ELF__)
    &as_kernels_neon_sha2, &as_kernels_neon,
#endif
#if defined(__x86_64__) && defined(__ELF__)
    &as_kernels_avx512_shani, &as_kernels_avx512, &as_kernels_avx2_shani, &as_kernels_avx2, &as_kernels_sse41,
#endif
    &as_kernels_portable};

enum { BUILT = sizeof built / sizeof built[0] };

static const as_kernels *runnable[BUILT];
static const char *runnable_names[BUILT + 1]; /* ends with NULL */
static int runnable_count;
static _Atomic(const as_kernels *) in_use;

static const as_kernels *find(const char *name) {
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
  const as_kernels *chosen = forced ? find(forced) : NULL;
  atomic_store(&in_use, chosen ? chosen : runnable[0]);
}

static void choose_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose);
}

const as_kernels *as_kernels_in_use(void) {
  choose_once();
  return atomic_load_explicit(&in_use, memory_order_relaxed);
}

const char *as_kernel_name(void) {
  return as_kernels_in_use()->name;
}

const char *const *as_kernel_names(void) {
  choose_once();
  return runnable_names;
}

int as_kernel_select(const char *name) {
  choose_once();
  const as_kernels *chosen = name ? find(name) : NULL;
  if (!chosen) {
    return AS_E_INVALID;
  }
  atomic_store(&in_use, chosen);
  return 0;
}
