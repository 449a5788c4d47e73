/*
 * What the core itself asks of readers beyond artifactstore.h.
 * May include: objects.h. Called by: sink.c.
 */
#ifndef AS_STORE_READER_H
#define AS_STORE_READER_H

#include "store/objects.h"

/* A reader of the same object that takes its bytes from `fd`, a file that should hold them and nothing else. What does not verify is an
 * error as ever, but is not held against the object. It uses what `reader` has open: end it first, with free. NULL without memory. */
as_reader *as_reader_over(const as_reader *reader, int fd);

/* The files that a reader has open. */
const as_object_files *as_reader_files(const as_reader *reader);

#endif
