/*
 * A large staged file written past the page cache: blocks are filled and hashed here while those before them are on their way to the disk,
 * several at a time, and while what the disk has taken leaves its own cache.
 * May include: store.h, staging.h, io/io.h. Called by: ingest.c, proven_file.c.
 *
 * Measured where a sync of a GiB at the end takes as long as writing it: a disk that is told to empty its cache every so often has next to
 * nothing left to do at the end. And pages that need not be made, filled and found again spare a third of the processor.
 */
#ifndef AS_STORE_DIRECT_H
#define AS_STORE_DIRECT_H

#include "store/staging.h"

enum {
  AS_DIRECT_BLOCK = 4096,            /* bytes to a multiple of which disks and file systems take writes past the page cache */
  AS_DIRECT_FROM = 64 * 1024 * 1024, /* bytes to come from which on it is done: smaller files may as well stay cached for the next reader */
  AS_DIRECT_STREAM_FROM = 16 * 1024 * 1024, /* bytes of a stream, whose end nobody knows, behind which it is done */
  AS_DIRECT_STREAMS_MAX = 2,         /* streams at once: each has an arena, and there may be hundreds of slow ones; all others go through the page cache */
  AS_DIRECT_WRITE = 4 * 1024 * 1024, /* bytes of one write: what the kernel gives a disk at once, at most */
  AS_DIRECT_WRITES = 8,              /* of the arena: 32 MiB, what is hashed while a disk is busy emptying its cache */
  AS_DIRECT_SYNC = 32 * 1024 * 1024  /* bytes between syncs: some hundredths of a second each */
};

/* The members are private. */
typedef struct as_direct {
  const as_io *io;
  int buffered;       /* the file's descriptor: what direct I/O does not take, the end above all, is written to it */
  int fd;             /* the same file, past the page cache */
  uint8_t *arena;     /* AS_DIRECT_WRITES times AS_DIRECT_WRITE bytes */
  as_io_queue queue;
  as_io_request writes[AS_DIRECT_WRITES];
  int writing[AS_DIRECT_WRITES];
  as_io_request sync;
  int syncing;
  uint64_t base;      /* the arena's first byte in the file, */
  uint64_t filled;    /* how far it has been filled, */
  uint64_t given;     /* how far it has been given to the disk, */
  uint64_t synced;    /* and how far when the last sync began */
  int error;          /* the first of any call */
} as_direct;

/* Begins to write behind the first `written` bytes of a staged file; *out is NULL where that cannot be done, or cannot overlap with anything: the
 * file is then written as any other. Returns 0 or -ENOMEM. */
int as_direct_begin(as_store *store, const as_staged *staged, uint64_t written, as_direct **out);

/* The same for any file that is open for writing and has a length of `written`, a multiple of AS_DIRECT_BLOCK. */
int as_direct_over(const as_io *io, int fd, uint64_t written, as_direct **out);

/* Where the next bytes go, page-aligned if they always were whole pages, and how many may (*room, at most AS_STEP_SIZE). What was given out before
 * stays as it is until AS_DIRECT_WRITES - 1 further writes have been filled. NULL when a write has failed; as_direct_end says why. */
uint8_t *as_direct_block(as_direct *direct, size_t *room);

/* The first `size` bytes of that block have been filled. */
void as_direct_filled(as_direct *direct, size_t size);

/* Writes what is left, waits for all, and frees it. Returns 0 or the first negative errno of any write or sync. */
int as_direct_end(as_direct *direct);

/* Waits and frees it; what has been written means nothing. NULL is harmless. */
void as_direct_abort(as_direct *direct);

#endif
