/*
 * The thread that writes zeros ahead; see pack_prewrite.h.
 * May include: pack_prewrite.h, io/io.h. Called by: as declared there.
 */
#include "store/pack_prewrite.h"

#include <stdlib.h>
#include <string.h>

void as_prewrite_init(as_prewrite *prewrite, const as_io *io) {
  *prewrite = (as_prewrite){.io = io, .fd = -1, .ahead = AS_PREWRITE_AHEAD_MIN};
  pthread_mutex_init(&prewrite->mutex, NULL);
  pthread_cond_init(&prewrite->changed, NULL);
}

static int has_work(const as_prewrite *prewrite) { return prewrite->fd >= 0 && prewrite->next < prewrite->target; }

/* One step, the mutex being held before and after. */
static void step(as_prewrite *prewrite) {
  int fd = prewrite->fd;
  uint64_t at = prewrite->next, left = prewrite->limit - at;
  size_t size = left < AS_PREWRITE_STEP ? (size_t)left : AS_PREWRITE_STEP;
  prewrite->busy = 1;
  pthread_mutex_unlock(&prewrite->mutex);
  int error = as_io_write(prewrite->io, fd, prewrite->zeros, size, at);
  pthread_mutex_lock(&prewrite->mutex);
  prewrite->busy = 0;
  prewrite->next = at + size;
  if (error) {
    prewrite->fd = -1; /* a full disk, say: who commits will find out for themselves */
  }
  pthread_cond_broadcast(&prewrite->changed);
}

static void *run(void *context) {
  as_prewrite *prewrite = context;
  pthread_mutex_lock(&prewrite->mutex);
  while (!prewrite->stopping) {
    if (has_work(prewrite)) {
      step(prewrite);
    } else {
      pthread_cond_wait(&prewrite->changed, &prewrite->mutex);
    }
  }
  pthread_mutex_unlock(&prewrite->mutex);
  return NULL;
}

/* Starts the thread if it can be; the mutex is held. */
static void start(as_prewrite *prewrite) {
  prewrite->zeros = prewrite->zeros ? prewrite->zeros : aligned_alloc(4096, AS_PREWRITE_STEP);
  if (prewrite->zeros) {
    memset(prewrite->zeros, 0, AS_PREWRITE_STEP);
    prewrite->running = pthread_create(&prewrite->thread, NULL, run, prewrite) == 0;
  }
}

void as_prewrite_turn(as_prewrite *prewrite, int fd, uint64_t end, uint64_t limit) {
  pthread_mutex_lock(&prewrite->mutex);
  prewrite->fd = -1;
  while (prewrite->busy) {
    pthread_cond_wait(&prewrite->changed, &prewrite->mutex);
  }
  prewrite->fd = fd;
  prewrite->next = prewrite->target = end;
  prewrite->limit = limit;
  pthread_mutex_unlock(&prewrite->mutex);
}

void as_prewrite_claim(as_prewrite *prewrite, uint64_t end) {
  pthread_mutex_lock(&prewrite->mutex);
  while (prewrite->busy && prewrite->next < end) {
    pthread_cond_wait(&prewrite->changed, &prewrite->mutex);
  }
  if (prewrite->next < end) {
    prewrite->next = end;
  }
  pthread_mutex_unlock(&prewrite->mutex);
}

void as_prewrite_committed(as_prewrite *prewrite, uint64_t size, uint64_t end) {
  pthread_mutex_lock(&prewrite->mutex);
  if (size > AS_PREWRITE_COMMIT_MAX) {
    prewrite->small_commits = 0;
    prewrite->target = prewrite->next;
    prewrite->ahead = AS_PREWRITE_AHEAD_MIN;
  } else if (++prewrite->small_commits >= AS_PREWRITE_FROM) {
    if (!prewrite->running && prewrite->fd >= 0) {
      start(prewrite);
    }
    prewrite->target = end + prewrite->ahead < prewrite->limit ? end + prewrite->ahead : prewrite->limit;
    prewrite->ahead = 2 * prewrite->ahead < AS_PREWRITE_AHEAD_MAX ? 2 * prewrite->ahead : AS_PREWRITE_AHEAD_MAX;
    pthread_cond_broadcast(&prewrite->changed);
  }
  pthread_mutex_unlock(&prewrite->mutex);
}

void as_prewrite_free(as_prewrite *prewrite) {
  pthread_mutex_lock(&prewrite->mutex);
  prewrite->stopping = 1;
  pthread_cond_broadcast(&prewrite->changed);
  pthread_mutex_unlock(&prewrite->mutex);
  if (prewrite->running) {
    pthread_join(prewrite->thread, NULL);
  }
  free(prewrite->zeros);
  pthread_cond_destroy(&prewrite->changed);
  pthread_mutex_destroy(&prewrite->mutex);
}
