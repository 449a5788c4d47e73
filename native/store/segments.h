/*
 * The segment files of packs/: which there are, and descriptors for reading them, shared and limited in number.
 * May include: pack.h, store.h, io/io.h. Called by: packs.c, pack_open.c, pack_writer.c, objects.c, verify_many.c,
 * compact.c.
 */
#ifndef AS_STORE_SEGMENTS_H
#define AS_STORE_SEGMENTS_H

#include <pthread.h>

#include "io/io.h"
#include "store/pack.h"

enum { AS_SEGMENTS_OPEN_MAX = 128 }; /* descriptors kept open while nobody reads: far below the usual limit of 1,024 */

typedef struct as_segment {
  as_segment_id id;
  int fd;         /* for reading; -1 until somebody does */
  unsigned users; /* who have it pinned */
  int retired;    /* its file is deleted: closed by the last user, */
  int writable;   /* who then cuts it off by this; -1 before */
} as_segment;

typedef struct as_segments {
  pthread_mutex_t mutex;
  as_segment **list; /* ascending by number */
  size_t count;
  size_t capacity;
  size_t open;       /* of them, those with a descriptor */
} as_segments;

/* A name in packs/. */
typedef struct as_pack_name {
  char text[2 * 16 + 1 + 5];
} as_pack_name;

/* "<number>.pack", the number as 16 hex digits. */
as_pack_name as_segment_name(uint64_t number);

/* The number in such a name, or 0 when it is none. */
uint64_t as_segment_number(const char *name);

void as_segments_init(as_segments *segments);
void as_segments_free(const as_io *io, as_segments *segments);

/* Notes a segment file that is there. Returns 0 or -ENOMEM. */
int as_segments_add(as_segments *segments, const as_segment_id *id);

/* Whether the segment is there. */
int as_segments_has(as_segments *segments, uint64_t number);

/* The segment with the smallest number of at least `number`: 1 and *out, or 0. */
int as_segments_next(as_segments *segments, uint64_t number, as_segment_id *out);

/* How many there are. */
size_t as_segments_count(as_segments *segments);

/* Opens the segment for reading, or joins those who have; it stays open, and its bytes stay readable even when it is
 * retired, until as_segment_unpin. AS_E_MISSING or a negative errno. */
int as_segment_pin(as_store *store, uint64_t number, as_segment **out);
void as_segment_unpin(as_store *store, as_segment *segment);

/* Makes the file of a new segment, its head durable, and notes it. Returns 0 or a negative errno. */
int as_segment_create(as_store *store, uint64_t number, as_segment_id *out);

/* Deletes the file of a segment and forgets it. Returns 0 or a negative errno; then it is still there. */
int as_segment_retire(as_store *store, uint64_t number);

#endif
