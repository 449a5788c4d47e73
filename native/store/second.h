/*
 * A second thread for the length of one call on a large object, where a core would be idle otherwise.
 * May include: store.h. Called by: lane.c, sink.c, verifier.c.
 *
 * The threads of a store that work on large objects are counted, and a second one begins only while there are fewer than cores: one object
 * alone gets two cores, and as soon as there are as many objects as cores each gets one, which takes less time of the processor. Nor does one
 * begin while other programs keep the cores busy: two threads that wait for each other and for them are slower than one.
 */
#ifndef AS_STORE_SECOND_H
#define AS_STORE_SECOND_H

#include <pthread.h>

#include "store/store.h"

typedef struct as_second {
  as_store *store;
  pthread_t thread;
  int running;
  void (*work)(void *context);
  void *context;
} as_second;

/* The caller begins to work on a large object, on its own thread. */
void as_second_begin(as_second *second, as_store *store);

/* Runs `work` on a second thread. Returns 0 where there is none to be had: then nothing has happened, and the caller is on its own. The
 * work must not call as_fail: what it would say belongs to the caller's thread. */
int as_second_start(as_second *second, void (*work)(void *context), void *context);

/* Waits for the work, if any runs. */
void as_second_wait(as_second *second);

/* Waits, and the caller does not work on the object any more. */
void as_second_end(as_second *second);

#endif
