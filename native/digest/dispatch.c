/*
 * The kernel sets of this architecture, and the one in use (choice.h). as_kernel_name tells which runs.
 * May include: native/digest headers, the C library. Called by: native/digest; as_kernel_… by anyone.
 */
#include <pthread.h>

#include "digest/choice.h"
#include "digest/kernels.h"
#include "digest/kernels/aarch64/sets.h"
#include "digest/kernels/x86_64/sets.h"

const uint32_t as_initial_value[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Every set built for this architecture, best first. The last needs no feature, so there is always one to run. */
static const void *const built[] = {
#if defined(__AARCH64EL__) && defined(__ELF__)
    &as_kernels_neon_sha2, &as_kernels_neon,
#endif
#if defined(__x86_64__) && defined(__ELF__)
    &as_kernels_zen5, &as_kernels_zen4, &as_kernels_avx512_shani, &as_kernels_avx512, &as_kernels_avx2_shani,
    &as_kernels_avx2, &as_kernels_sse41,
#endif
    &as_kernels_portable};

enum { BUILT = sizeof built / sizeof built[0] };
_Static_assert((int)BUILT <= (int)AS_CHOICE_MAX, "choice.h");

static const char *name_of(const void *set) {
  return ((const as_kernels *)set)->name;
}

static uint32_t features_of(const void *set) {
  return ((const as_kernels *)set)->features;
}

static as_choice choice = {.built = built, .built_count = BUILT, .name_of = name_of, .features_of = features_of};

static void choose(void) {
  as_choice_make(&choice);
}

static as_choice *chosen(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose);
  return &choice;
}

const as_kernels *as_kernels_in_use(void) {
  return as_choice_in_use(chosen());
}

const char *as_kernel_name(void) {
  return as_kernels_in_use()->name;
}

const char *const *as_kernel_names(void) {
  return chosen()->names;
}

int as_kernel_select(const char *name) {
  return as_choice_select(chosen(), name);
}
