/*
 * A local file that an object is read from: what it must be, and that it stays what it was.
 * May include: artifactstore.h, the C library. Called by: ingest.c, files.c.
 */
#ifndef AS_STORE_SOURCE_H
#define AS_STORE_SOURCE_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

enum { AS_SOURCE_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY }; /* how it is opened: a pipe must not hold us up */

/* Records which call on the source failed and why; the caller learns that it was the source. Returns AS_E_SOURCE. */
int as_source_fail(const char *path, int error, const char *call);

/* Judges what opening gave, a descriptor or a negative errno, and what fstat did, 0 or a negative errno, and `before` with 0. Returns 0, AS_E_SOURCE or
 * AS_E_NOT_FILE. */
int as_source_judge_opened(const char *path, int fd, int looked, const struct stat *before);

/* Judges, once `length` bytes have been read to the end, whether the file is still what it was: `now` is what fstat gives then. Returns 0,
 * AS_E_SOURCE or AS_E_CHANGED. */
int as_source_judge_read(const char *path, const struct stat *before, uint64_t length, int looked, const struct stat *now);

#endif
