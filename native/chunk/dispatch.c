/*
 * The scans of this architecture, and the one in use (choice.h): the digests have more sets than there are scans, so a
 * name in ARTIFACTSTORE_CPU may be no scan and is then passed over.
 * May include: native/chunk/scan.h, native/digest/choice.h, the C library. Called by: native/chunk; as_chunk_kernel_…
 * by anyone.
 */
#include <pthread.h>

#include "chunk/scan.h"
#include "digest/choice.h"

/* Every path built for this architecture, best first. The last needs no feature, so there is always one to run. */
static const void *const built[] = {
#if defined(__x86_64__)
    &as_chunk_scanner_avx2,
#endif
    &as_chunk_scanner_portable};

enum { BUILT = sizeof built / sizeof built[0] };
_Static_assert((int)BUILT <= (int)AS_CHOICE_MAX, "choice.h");

static const char *name_of(const void *scanner) {
  return ((const as_chunk_scanner *)scanner)->name;
}

static uint32_t features_of(const void *scanner) {
  return ((const as_chunk_scanner *)scanner)->features;
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

const as_chunk_scanner *as_chunk_scanner_in_use(void) {
  return as_choice_in_use(chosen());
}

const char *as_chunk_kernel_name(void) {
  return as_chunk_scanner_in_use()->name;
}

const char *const *as_chunk_kernel_names(void) {
  return chosen()->names;
}

int as_chunk_kernel_select(const char *name) {
  return as_choice_select(chosen(), name);
}
