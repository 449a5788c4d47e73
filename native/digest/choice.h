/*
 * The choice of one implementation among several, once per process: the best that the CPU can run, or the one that the
 * environment variable ARTIFACTSTORE_CPU names. A name that is unknown, or that this machine cannot run, is passed over
 * for the automatic choice: a setting made for another machine must not stop this one. One that is made for a CPU which
 * this is not, and can run here all the same, is there to be forced and tested, and is not chosen.
 * May include: the C library. Included by: the dispatch.c of native/digest and of native/chunk.
 */
#ifndef AS_DIGEST_CHOICE_H
#define AS_DIGEST_CHOICE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* More implementations than any architecture has. */
enum { AS_CHOICE_MAX = 15 };

/* The first four members are given, the others as_choice_make finds. Implementations are of any one type. */
typedef struct as_choice {
  const void *const *built; /* for this architecture, best first; the last needs no feature, so one can always run */
  size_t built_count;       /* at most AS_CHOICE_MAX */
  const char *(*name_of)(const void *implementation);
  uint32_t (*features_of)(const void *implementation); /* what it needs of the CPU: AS_CPU_… of cpu.h */
  const void *runnable[AS_CHOICE_MAX]; /* best first */
  const char *names[AS_CHOICE_MAX + 1]; /* of those; ends with NULL */
  size_t runnable_count;
  _Atomic(const void *) in_use;
} as_choice;

/* Must be called once, before the others. */
void as_choice_make(as_choice *choice);

/* From now on uses the implementation of that name. Returns AS_E_INVALID, and changes nothing, where there is none that
 * this machine can run. */
int as_choice_select(as_choice *choice, const char *name);

/* Cheap, and safe from any thread. */
static inline const void *as_choice_in_use(as_choice *choice) {
  return atomic_load_explicit(&choice->in_use, memory_order_relaxed);
}

#endif
