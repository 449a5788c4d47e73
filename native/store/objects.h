/*
 * Objects wherever they are: a small one in a pack, a large one as a file objects/<first byte>/<address> with its outboard
 * and mark of damage beside it. The one place that knows these names, and that there are two kinds.
 * May include: store.h, staging.h, packs.h. Called by: ingest.c, commit.c, publish.c, reader.c, sink.c, verifier.c, remove.c, store.c.
 */
#ifndef AS_STORE_OBJECTS_H
#define AS_STORE_OBJECTS_H

#include "store/packs.h"
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

/* What is there, in a pack or as a file, judged without reading it: by a mark, by the outboard's size, and by the object's own when the right
 * one is known (`size`, else AS_SIZE_UNKNOWN). *found is the object's size unless it is absent. Call it with the
 * address locked. Returns 0 or a negative errno. */
int as_object_look_up(as_store *store, const uint8_t address[AS_DIGEST_SIZE], uint64_t size, as_presence *presence,
                      uint64_t *found);

/* Where to read an object and its outboard. */
typedef struct as_object_files {
  int object;
  uint64_t base;          /* where in the file the object begins */
  int outboard;           /* -1 when there is none */
  uint64_t outboard_base; /* where in its file it begins */
  int damaged;            /* marked */
  uint64_t size;
  as_segment *segment;    /* the pinned segment of a packed object; NULL for a file */
  as_location at;         /* of a packed object */
} as_object_files;

/* Opens an object for reading, marked or not. AS_E_MISSING or a negative errno. */
int as_object_open(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_object_files *out);

void as_object_close(as_store *store, as_object_files *files);

/* Links the synced staged files of an object into place, `outboard` having fd -1 when it needs none. A whole copy that
 * is there already stays (*existed); any other is replaced (*healed). Nothing is durable before as_durable_sync.
 * Returns 0 or a negative errno. */
int as_object_publish(as_store *store, const uint8_t address[AS_DIGEST_SIZE], uint64_t size, as_staged *object,
                      as_staged *outboard, int *existed, int *healed);

/* Whether what is stored under the address is still what is open: 1, 0 (deleted, moved or replaced since), or an error. */
int as_object_is_current(as_store *store, const uint8_t address[AS_DIGEST_SIZE], const as_object_files *files);

/* Marks the object damaged or takes the mark away, durably, provided that it is still the one open as `files`: a copy that
 * has replaced it is not touched. Returns 0 or a negative errno. */
int as_object_mark(as_store *store, const uint8_t address[AS_DIGEST_SIZE], const as_object_files *files, int damaged);

/* Puts a synced outboard in place of the stored one of an object that is a file, durably, on the same condition. */
int as_object_replace_outboard(as_store *store, const uint8_t address[AS_DIGEST_SIZE], const as_object_files *files,
                               as_staged *outboard);

/* Puts the bytes of a packed object, known to be whole, and its outboard into a new record, on the same condition;
 * *written says whether it held. */
int as_object_repack(as_store *store, const as_digests *digests, const as_object_files *files, const uint8_t *bytes,
                     const uint8_t *outboard, int *written);

#endif
