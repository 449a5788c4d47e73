/*
 * The choice among implementations.
 * May include: native/digest headers, the C library. Called by: the dispatch.c of native/digest and of native/chunk.
 */
#include "digest/choice.h"

#include <stdlib.h>
#include <string.h>

#include "artifactstore.h"
#include "digest/cpu.h"

static const void *find(const as_choice *choice, const char *name) {
  for (size_t i = 0; i < choice->runnable_count; i++) {
    if (strcmp(choice->names[i], name) == 0) {
      return choice->runnable[i];
    }
  }
  return NULL;
}

/* Places in the order of preference. The last implementation is the last resort. */
enum { MEANT, MADE_FOR_ANOTHER, LAST_RESORT, PLACES, CANNOT_RUN };

static int place_of(const as_choice *choice, size_t i, uint32_t features) {
  uint32_t lacks = choice->features_of(choice->built[i]) & ~features;
  return lacks & ~(uint32_t)AS_CPU_MAKES ? CANNOT_RUN
         : i + 1 == choice->built_count  ? LAST_RESORT
         : lacks                         ? MADE_FOR_ANOTHER
                                         : MEANT;
}

void as_choice_make(as_choice *choice) {
  uint32_t features = as_cpu_detect();
  for (int place = 0; place < PLACES; place++) {
    for (size_t i = 0; i < choice->built_count; i++) {
      if (place_of(choice, i, features) == place) {
        choice->runnable[choice->runnable_count] = choice->built[i];
        choice->names[choice->runnable_count++] = choice->name_of(choice->built[i]);
      }
    }
  }
  const char *forced = getenv("ARTIFACTSTORE_CPU");
  const void *chosen = forced ? find(choice, forced) : NULL;
  atomic_store(&choice->in_use, chosen ? chosen : choice->runnable[0]);
}

int as_choice_select(as_choice *choice, const char *name) {
  const void *chosen = name ? find(choice, name) : NULL;
  if (!chosen) {
    return AS_E_INVALID;
  }
  atomic_store(&choice->in_use, chosen);
  return 0;
}
