/*
 * One object being taken in, as ingest.c fills it and commit.c finishes it.
 * May include: store.h, packs.h, staging.h, cv_list.h, direct.h, lane.h, artifactstore.h. Called by: ingest.c, files.c, commit.c, session.c.
 *
 * An object of at most one chunk group stays in memory and is not hashed before its commit, so that a batch of small ones
 * shares the multi-lane digest. A larger one is hashed as it comes; up to AS_PACK_OBJECT_MAX it stays in memory too, and
 * goes into a pack when it is committed; beyond, it goes to a staged file. That of an upload session is its part, which the
 * session's checkpoints write to even while the object may still be packed. That of a large local file shares the file's blocks where
 * the file system can (a clone): then nothing is written, and what is hashed is the clone, which nobody can change any more. Else most of
 * it is written past the page cache (direct.h).
 */
#ifndef AS_STORE_INGEST_H
#define AS_STORE_INGEST_H

#include "store/cv_list.h"
#include "store/direct.h"
#include "store/lane.h"
#include "store/packs.h"
#include "store/staging.h"
#include "store/store.h"

enum {
  AS_SMALL_SIZE = AS_GROUP_SIZE,      /* the largest object without an outboard */
  AS_COALESCE_SIZE = 4 * 1024         /* small appends are gathered into writes of this size; each of hundreds of slow uploads may hold it */
};

/* What only an object beyond AS_SMALL_SIZE needs. */
typedef struct as_stream {
  as_dual dual;
  as_cv_list values;
  as_staged staged;            /* none while the object may still be packed, unless a session's checkpoint needed it */
  uint64_t written;            /* bytes in the staged file */
  uint64_t write_back_started; /* of those, handed to the disk already, */
  uint64_t synced;             /* and, about, synced */
  as_io_queue queue;           /* zeros until then */
  as_io_request write_back;    /* the last hand-over or sync */
  int handing_over;            /* it is on its way */
  int sync_error;              /* of the first that failed; it stays */
  as_direct *direct;           /* what writes the rest of a large file; NULL: write_out does */
  int direct_tried;
  int direct_counted;          /* it is one of the store's `direct_streams` */
} as_stream;

/* The file an ingest reads. */
typedef struct as_source {
  int fd;
  char *path;
  struct stat before;
  int cloned; /* into the staged file, which is read in its place */
  int ended;  /* read to its end, and unchanged until then */
} as_source;

struct as_ingest {
  as_store *store;
  int error;         /* the first failure: from then on there is nothing to commit */
  uint64_t length;   /* bytes taken in */
  uint8_t *pending;  /* the last bytes: all while the object may be packed, those not written yet when it cannot be */
  size_t pending_size;
  int borrowed;      /* `pending` belongs to the caller */
  int deferred;      /* its commit need not be durable */
  uint64_t announced; /* bytes that are to come; 0: nobody has said */
  size_t pending_capacity;
  as_stream *stream; /* NULL while small */
  as_lane *lane;     /* NULL but while a step of a file is hashed through it */
  as_source *source; /* NULL unless a file is read */
  struct as_session *session; /* NULL unless it is one call of an upload session */
};

/* Whether the object, now that all of it has come, belongs in a pack. */
int as_ingest_is_packed(const as_ingest *ingest);

/* Begins to hash: what is pending is hashed, and stays pending. Returns 0 or a negative error. */
int as_ingest_start_stream(as_ingest *ingest);

/* Begins to take in a regular file that is open, whose descriptor it owns from here on, whatever comes of it. `before` is what fstat gave. */
int as_ingest_begin_opened(as_store *store, const char *path, int fd, const struct stat *before, as_ingest **out);

/* Keeps bytes that have been read from the staged file pending: `size` of them, into the buffer that is returned; NULL without
 * memory. */
uint8_t *as_ingest_keep(as_ingest *ingest, size_t size);

/* Writes to the staged file, which there must be, what of the pending bytes is not there yet, and waits for what is on its way. Returns 0, or a
 * negative errno, also of a write or sync that began earlier: a sync that follows would not report it again. */
int as_ingest_settle(as_ingest *ingest);

/* Does the same, and hands the file over. */
int as_ingest_flush(as_ingest *ingest, as_staged *staged);

#endif
