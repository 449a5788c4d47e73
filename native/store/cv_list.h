/*
 * The chaining values of an object's chunk groups, in order, while its outboard cannot be laid out yet because the size
 * is unknown. Held in memory up to a bound and in a scratch file beyond it, so that memory stays flat for any size.
 * May include: io/io.h. Called by: outboard.c, ingest.c, commit.c, session.c, verifier.c.
 */
#ifndef AS_STORE_CV_LIST_H
#define AS_STORE_CV_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "artifactstore.h"
#include "io/io.h"

/* Chaining values held in memory: 64 KiB, which covers objects up to 32 MiB without a scratch file. */
enum { AS_CV_LIST_MEMORY = 2048 };

typedef struct as_cv_list {
  const as_io *io;
  int (*open_scratch)(void *context); /* opens a nameless file, read and write: a descriptor or a negative error */
  void *context;
  uint8_t *memory;  /* the last `held` values */
  size_t held;
  size_t capacity;  /* of `memory`, in values */
  uint64_t spooled; /* values before those, in the scratch file */
  int scratch;      /* its descriptor, or -1 */
  uint64_t base;    /* where in it the values begin: 0 unless the file has other contents too */
  uint32_t crc;     /* CRC-32C of the spooled values */
} as_cv_list;

void as_cv_list_init(as_cv_list *list, const as_io *io, int (*open_scratch)(void *context), void *context);

/* Appends `count` values; an as_group_sink whose context is the list. Returns 0 or a negative errno. */
int as_cv_list_add(void *list, const uint8_t *values, size_t count);

/* Moves all values held in memory to the scratch file, which is opened if need be. Returns 0 or a negative error. */
int as_cv_list_spool(as_cv_list *list);

/* Makes a new list go on after `spooled` values that stand in the file `scratch`, which the list then owns, and have that CRC. */
void as_cv_list_resume(as_cv_list *list, int scratch, uint64_t spooled, uint32_t crc);

/* Copies `count` values from value `first` on. They must have been added. Returns 0 or a negative errno. */
int as_cv_list_get(const as_cv_list *list, uint64_t first, size_t count, uint8_t *out);

/* How many values have been added. */
uint64_t as_cv_list_count(const as_cv_list *list);

void as_cv_list_free(as_cv_list *list);

#endif
