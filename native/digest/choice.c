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

void as_choice_make(as_choice *choice) {
  uint32_t features = as_cpu_detect();
  for (size_t i = 0; i < choice->built_count; i++) {
    if ((choice->features_of(choice->built[i]) & ~features) == 0) {
      choice->runnable[choice->runnable_count] = choice->built[i];
      choice->names[choice->runnable_count++] = choice->name_of(choice->built[i]);
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
