/*
 * Objects as files: objects/<first byte>/<address>, beside it the outboard and the mark of damage. The one place that
 * knows these names; a pack engine will stand beside it, behind the same verbs.
 * May include: store.h, staging.h. Called by: ingest.c, commit.c, reader.c, verifier.c, store.c.
 */
#ifndef AS_STORE_OBJECTS_H
#define AS_STORE_OBJECTS_H

#include "store/staging.h"
#include "store/store.h"

/* A path relative to objects/, room for the longest suffix. */
typedef struct as_object_path {
  char text[3 + 2 * AS_DIGEST_SIZE + 16];
} as_object_path;

#define AS_SUFFIX_OUTBOARD ".obao4"
#define AS_SUFFIX_DAMAGED ".damaged"

/* The path of an object's file; `suffix` is "" or one of the above. */
as_object_path as_object_path_of(const uint8_t address[AS_DIGEST_SIZE], const char *suffix);

/* Holds off everyone else who looks at or changes the files of this address as a whole. */
void as_object_lock(as_store *store, const uint8_t address[AS_DIGEST_SIZE]);
void as_object_unlock(as_store *store, const uint8_t address[AS_DIGEST_SIZE]);

typedef enum as_presence {
  AS_OBJECT_ABSENT,
  AS_OBJECT_DAMAGED, /* marked, or its files cannot be those of the address */
  AS_OBJECT_PRESENT
} as_presence;

/* What is there, judged without reading it: by a mark, by the outboard's size, and by the object's own when the right
 * one is known (`size`, else AS_SIZE_UNKNOWN). *found is the object's size unless it is absent. Call it with the
 * address locked. Returns 0 or a negative errno. */
int as_object_look_up(as_store *store, const uint8_t address[AS_DIGEST_SIZE], uint64_t size, as_presence *presence,
                      uint64_t *found);

typedef struct as_object_files {
  int object;
  int outboard; /* -1 when there is none */
  int damaged;  /* marked */
  uint64_t size;
} as_object_files;

/* Opens an object's files for reading, marked or not. AS_E_MISSING or a negative errno. */
int as_object_open(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_object_files *out);

void as_object_close(as_store *store, as_object_files *files);

/* Links the synced staged files of an object into place, `outboard` having fd -1 when it needs none. A whole copy that
 * is there already stays (*existed); any other is replaced (*healed). Nothing is durable before as_durable_sync.
 * Returns 0 or a negative errno. */
int as_object_publish(as_store *store, const uint8_t address[AS_DIGEST_SIZE], uint64_t size, as_staged *object,
                      as_staged *outboard, int *existed, int *healed);

/* Marks the object damaged or takes the mark away, durably, provided that the file at its name is still the one open as
 * `fd`: a copy that has replaced it is not touched. Returns 0 or a negative errno. */
int as_object_mark(as_store *store, const uint8_t address[AS_DIGEST_SIZE], int fd, int damaged);

/* Puts a synced outboard in place of the stored one, durably, on the same condition. */
int as_object_replace_outboard(as_store *store, const uint8_t address[AS_DIGEST_SIZE], int fd, as_staged *outboard);

#endif
