/*
 * Writing zeros ahead of where the next commits go, in the background: a sync of bytes that the file system has allocated
 * and written once already needs no change to its own records, and takes half as long. Where commits are large that is little of what they take, and
 * twice the bytes would be written: so a large one ends it, until several small ones have followed each other. What does not fit into a large one is a small one too.
 * May include: io/io.h. Called by: pack_writer.c.
 *
 * Only speed depends on it: when it fails or falls behind, commits go where nothing was written before.
 */
#ifndef AS_STORE_PACK_PREWRITE_H
#define AS_STORE_PACK_PREWRITE_H

#include <pthread.h>
#include <stdint.h>

#include "io/io.h"

enum {
  AS_PREWRITE_FROM = 3,                    /* small commits in a row after which it begins: a single put is over before it would help */
  AS_PREWRITE_COMMIT_MAX = 512 * 1024,     /* bytes of a commit beyond which zeros for the next cost the disk more than they save */
  AS_PREWRITE_STEP = 1024 * 1024,          /* bytes written at a time: what a commit may have to wait for */
  AS_PREWRITE_AHEAD_MIN = 1024 * 1024,     /* bytes ahead of the last commit: doubles with every commit … */
  AS_PREWRITE_AHEAD_MAX = 16 * 1024 * 1024 /* … up to here: a tenth of a second of the fastest ingest */
};

typedef struct as_prewrite {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t thread;
  const as_io *io;
  uint8_t *zeros;      /* AS_PREWRITE_STEP bytes, page-aligned */
  int running;         /* the thread has been started */
  int stopping;
  int busy;            /* a step is under way, from `next` on */
  int fd;              /* where to write, -1: nowhere */
  unsigned small_commits; /* one after the other */
  uint64_t next;       /* everything before is written, or belongs to a commit */
  uint64_t target;     /* how far to go */
  uint64_t limit;      /* never beyond: the end of the segment */
  uint64_t ahead;
} as_prewrite;

void as_prewrite_init(as_prewrite *prewrite, const as_io *io);

/* Turns to the file `fd`, in which commits stand up to `end` and no byte may be written from `limit` on. `fd` is -1
 * before the file is closed. Waits for a step under way. */
void as_prewrite_turn(as_prewrite *prewrite, int fd, uint64_t end, uint64_t limit);

/* Called before a commit is written up to `end`: from now on nothing is prewritten before it. Waits for a step under way
 * if that would write there. */
void as_prewrite_claim(as_prewrite *prewrite, uint64_t end);

/* Called when a commit of `size` bytes has been written, up to `end`. */
void as_prewrite_committed(as_prewrite *prewrite, uint64_t size, uint64_t end);

/* Ends the thread. */
void as_prewrite_free(as_prewrite *prewrite);

#endif
