/*
 * Counts how often each path through the dual kernels ran, for the whole process.
 * May include: the public header, the C library. Included by: native/digest.
 */
#ifndef AS_DIGEST_COUNTERS_H
#define AS_DIGEST_COUNTERS_H

#include <stdint.h>

typedef enum as_path { AS_PATH_ONE_STREAM, AS_PATH_TWO_STREAM, AS_PATH_BATCH, AS_PATHS } as_path;

/* One kernel call on a path, over `units` groups or objects. */
void as_count(as_path path, uint64_t units);

#endif
