/*
 * Chooses the I/O engine, once per process. Unlike ARTIFACTSTORE_CPU, a choice that cannot be met is an error: whoever forces an engine
 * wants to know what it does, and would be told about the other.
 * May include: io.h, the public header, the C library. Called by: native/store; as_io_name and as_io_reason by anyone.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "artifactstore.h"
#include "io/io.h"

static const as_io *chosen;
static char reason[512];

static void choose(void) {
  const char *forced = getenv("ARTIFACTSTORE_IO");
  forced = forced && *forced ? forced : NULL;
  int wants_posix = forced && strcmp(forced, "posix") == 0, wants_uring = forced && strcmp(forced, "uring") == 0;
  if (forced && !wants_posix && !wants_uring) {
    snprintf(reason, sizeof reason, "ARTIFACTSTORE_IO is \"%.64s\"; set it to posix or uring, or leave it out", forced);
    return;
  }
  if (wants_posix) {
    chosen = as_io_posix();
    snprintf(reason, sizeof reason, "ARTIFACTSTORE_IO=posix");
    return;
  }
  chosen = as_io_uring();
  if (wants_uring && !chosen) {
    snprintf(reason, sizeof reason, "ARTIFACTSTORE_IO=uring cannot be met: %s; leave it out or set it to posix",
             as_io_uring_reason());
    return;
  }
  snprintf(reason, sizeof reason, "%s%s", wants_uring ? "ARTIFACTSTORE_IO=uring; " : "", as_io_uring_reason());
  chosen = chosen ? chosen : as_io_posix();
}

static void choose_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose);
}

const as_io *as_io_best(void) {
  choose_once();
  return chosen;
}

const char *as_io_name(void) {
  choose_once();
  return chosen ? chosen->name : "none";
}

const char *as_io_reason(void) {
  choose_once();
  return reason;
}
