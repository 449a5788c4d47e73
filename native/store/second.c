/*
 * The second thread of a call; see second.h.
 * May include: second.h. Called by: as declared there.
 */
#include "store/second.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void count(as_store *store, int change) {
  pthread_mutex_lock(&store->mutex);
  store->busy += (unsigned)change;
  pthread_mutex_unlock(&store->mutex);
}

void as_second_begin(as_second *second, as_store *store) {
  *second = (as_second){.store = store};
  count(store, 1);
}

/* How many threads of the whole machine want to run right now, the caller's among them (proc(5), /proc/loadavg); 1 where nobody says. */
static unsigned count_running(void) {
  char text[64];
  unsigned running = 1;
  int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) {
    close(fd);
  }
  text[size > 0 ? size : 0] = '\0';
  sscanf(text, "%*f %*f %*f %u/", &running);
  return running;
}

static void *run(void *context) {
  as_second *second = context;
  second->work(second->context);
  return NULL;
}

/* The host's signals are for the host's threads. */
static int create(as_second *second) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&second->thread, NULL, run, second);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}

int as_second_start(as_second *second, void (*work)(void *context), void *context) {
  as_store *store = second->store;
  unsigned running = store->alone ? 1 : count_running();
  pthread_mutex_lock(&store->mutex);
  int free_core = store->busy < store->cores && running < store->cores;
  store->busy += (unsigned)free_core;
  pthread_mutex_unlock(&store->mutex);
  if (!free_core) {
    return 0;
  }
  second->work = work;
  second->context = context;
  second->running = create(second) == 0;
  if (!second->running) {
    count(store, -1);
  }
  return second->running;
}

void as_second_wait(as_second *second) {
  if (second->running) {
    pthread_join(second->thread, NULL);
    second->running = 0;
    count(second->store, -1);
  }
}

void as_second_end(as_second *second) {
  as_second_wait(second);
  count(second->store, -1);
}
