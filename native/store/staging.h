/*
 * Files that nobody can see yet: written in staging/, then linked under their final name, whole or not at all.
 * May include: store.h. Called by: store.c, objects.c, ingest.c, commit.c, deferred.c, verifier.c,
 * pack_writer.c.
 *
 * Where the file system can, a staged file has no name (O_TMPFILE), so that even kill -9 leaves nothing; elsewhere it
 * has a name unique to this process, and opening the store removes what was left.
 */
#ifndef AS_STORE_STAGING_H
#define AS_STORE_STAGING_H

#include "store/store.h"

typedef struct as_staged {
  int fd;        /* -1: nothing staged */
  int kept;      /* an upload session's part: its name is relative to the store's folder, and it moves from there or stays */
  char name[96]; /* in staging/; "" when the file has none */
} as_staged;

#define AS_STAGED_NONE ((as_staged){.fd = -1})

/* Finds out whether nameless files can be made and linked here, into store->nameless_staging. */
void as_staging_probe(as_store *store);

/* Removes everything in staging/. Returns 0 or a negative errno. */
int as_staging_empty(as_store *store);

/* Makes a staged file, open for reading and writing. Returns 0 or a negative errno. */
int as_staging_create(as_store *store, as_staged *out);

/* Gives the file the name `path`, relative to `directory`. -EEXIST when the name is taken; -ENOENT when its folder is not
 * there. */
int as_staging_link(as_store *store, as_staged *staged, int directory, const char *path);

/* As as_staging_link, in place of whatever has the name. */
int as_staging_replace(as_store *store, as_staged *staged, int directory, const char *path);

/* Closes the file, and removes it unless it has been linked or is kept. Does nothing when nothing is staged. */
void as_staging_discard(as_store *store, as_staged *staged);

/* Opens a nameless file for passing data, also where the store is read-only; `store` is an as_store. Returns a
 * descriptor or a negative errno. */
int as_staging_open_scratch(void *store);

#endif
