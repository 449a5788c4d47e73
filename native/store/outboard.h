/*
 * Outboards: the inner nodes of an object's BLAKE3 tree over 16 KiB chunk groups, in the layout of bao-tree: the
 * object's size as 8 bytes, little-endian, then for every parent the chaining values of its two children, 64 bytes, in
 * pre-order. With them any range of an object is checked against the object's address without reading the rest.
 * Source: BLAKE3 paper, section 2.1 (the tree); the Bao specification (pre-order outboard encoding).
 * May include: cv_list.h, io/io.h, artifactstore.h. Called by: commit.c, reader.c, verifier.c, verify_many.c.
 *
 * Where a node stands: the root's pair comes first; the left child of the pair at p stands at p + 64, the right one at
 * p + 64 * (groups in the left subtree). So the pair of the subtree that begins at group g, reached over k left turns,
 * stands at 8 + 64 * (g + k), and a subtree of n groups fills 64 * (n - 1) contiguous bytes.
 */
#ifndef AS_STORE_OUTBOARD_H
#define AS_STORE_OUTBOARD_H

#include <stddef.h>
#include <stdint.h>

#include "artifactstore.h"
#include "io/io.h"
#include "store/cv_list.h"

enum { AS_OUTBOARD_HEADER = 8, AS_OUTBOARD_PAIR = 2 * AS_DIGEST_SIZE };

/* How many chunk groups an object of `size` bytes has; an empty object has one, empty, group. */
uint64_t as_outboard_groups(uint64_t size);

/* Bytes in the outboard of an object of `size` bytes; 0 when it needs none, being at most one group. */
uint64_t as_outboard_size(uint64_t size);

/* Groups in the left child of a node over `groups` (at least 2): the largest power of two below it. */
uint64_t as_outboard_left(uint64_t groups);

/* Receives `size` bytes of an outboard that stand at `position` in it. Returns 0 or an error that ends the build. */
typedef int (*as_outboard_visit)(void *context, uint64_t position, const uint8_t *bytes, size_t size);

/* An as_outboard_visit that copies into memory, `context`, with room for the whole outboard. */
int as_outboard_copy(void *context, uint64_t position, const uint8_t *bytes, size_t size);

/* Lays out the outboard of an object of `size` bytes, at least two groups, whose chaining values are `values`, and
 * hands it to `visit` in parts of bounded size; gives the root, which is the object's address. Returns 0, visit's error
 * or an errno. */
int as_outboard_build(const as_cv_list *values, uint64_t size, as_outboard_visit visit, void *context,
                      uint8_t root[AS_DIGEST_SIZE]);

/* Whether the as_outboard_size(size) bytes at `outboard` are the outboard of the object with this size and address: every pair gives
 * the chaining value that the pair above it states. It needs none of the object's bytes. */
int as_outboard_is_whole(const uint8_t *outboard, uint64_t size, const uint8_t address[AS_DIGEST_SIZE]);

/* A stored outboard together with what it must prove. */
typedef struct as_outboard {
  const as_io *io;
  int fd;                        /* -1 when the object needs none, or has none */
  uint64_t base;                 /* where in the file it begins */
  uint64_t size;                 /* of the object: fixes the shape of the tree */
  uint8_t root[AS_DIGEST_SIZE];  /* the object's address */
} as_outboard;

/* Reads which object size an outboard states; 0, which no outboard states, when there is none or it is too short.
 * Returns 0 or a negative errno. */
int as_outboard_stated_size(const as_outboard *outboard, uint64_t *size);

/* Checks `size` bytes at `bytes`, which begin at group `first_group` and are whole groups or reach the end of the
 * object. Returns 0 when they belong to the address; AS_E_CORRUPT when not, and then *bad is the smallest range the
 * outboard allows to name; or an errno. */
int as_outboard_check(const as_outboard *outboard, uint64_t first_group, const uint8_t *bytes, size_t size,
                      as_range *bad);

/* A walk over the pairs that prove the groups from `first` up to, not including, `end`: where it goes on, and where it puts them. */
typedef struct as_outboard_walk {
  uint64_t first;
  uint64_t end;
  uint64_t next;   /* position in the outboard; what stands before it has been given. 0 once all has */
  uint8_t *buffer;
  size_t capacity; /* at least AS_OUTBOARD_PAIR */
  size_t size;     /* bytes put into the buffer */
  int full;        /* the buffer takes no further pair */
} as_outboard_walk;

/* Puts the next pairs of a walk, in pre-order, into its buffer, each proven by the address. Returns 0; AS_E_CORRUPT, and then *bad is what the
 * pair that does not hold covers; or an errno. */
int as_outboard_pairs(const as_outboard *outboard, as_outboard_walk *walk, as_range *bad);

/* Receives a damaged range. */
typedef void (*as_outboard_bad)(void *context, as_range range);

/* Compares an object re-read in full, `values` being its chaining values as they are, with what a stored outboard
 * proves, and names in ascending order each subtree that differs as far as the outboard can be trusted. Returns 0 or an
 * errno. */
int as_outboard_compare(const as_outboard *outboard, const as_cv_list *values, as_outboard_bad bad, void *context);

#endif
