/*
 * One object being taken in, as ingest.c fills it and commit.c finishes it.
 * May include: store.h, staging.h, cv_list.h, artifactstore.h. Called by: ingest.c, commit.c.
 *
 * An object of at most one chunk group stays in memory and is neither hashed nor staged before its commit, so that a
 * batch of small ones shares the multi-lane digest, and those that are there already cost no write. A larger one is
 * hashed as it comes and goes to a staged file.
 */
#ifndef AS_STORE_INGEST_H
#define AS_STORE_INGEST_H

#include "store/cv_list.h"
#include "store/staging.h"
#include "store/store.h"

enum {
  AS_SMALL_SIZE = AS_GROUP_SIZE,      /* the largest object without an outboard */
  AS_COALESCE_SIZE = 64 * 1024        /* small appends are gathered into writes of this size */
};

/* What only an object beyond AS_SMALL_SIZE needs. */
typedef struct as_stream {
  as_dual dual;
  as_cv_list values;
  as_staged staged;
  uint64_t written;            /* bytes in the staged file */
  uint64_t write_back_started; /* of those, handed to the disk already */
  as_io_queue queue;           /* zeros until then */
  as_io_request write_back;    /* the last hand-over */
} as_stream;

/* The file an ingest reads. */
typedef struct as_source {
  int fd;
  char *path;
  struct stat before;
  int ended; /* read to its end, and unchanged until then */
} as_source;

struct as_ingest {
  as_store *store;
  int error;         /* the first failure: from then on there is nothing to commit */
  uint64_t length;   /* bytes taken in */
  uint8_t *pending;  /* bytes not written yet; all bytes while `stream` is NULL */
  size_t pending_size;
  size_t pending_capacity;
  as_stream *stream; /* NULL while small */
  as_source *source; /* NULL unless a file is read */
};

/* Writes what is pending to the staged file, making one if there is none. Returns 0 or a negative errno. */
int as_ingest_flush(as_ingest *ingest, as_staged *staged);

#endif
