/*
 * The trees of many small objects.
 * May include: native/digest headers, the C library. Called by: the dual_many of native/digest/kernels/x86_64.
 */
#if defined(__ELF__)
#include "digest/kernels/x86_64/trees.h"

#include <string.h>

/* As many as the widest kernel has lanes. */
enum { WAITING = 16 };

/* Parents of several trees wait here until they fill the lanes. The roots wait by themselves: their flag is another. */
typedef struct parents {
  as_blake3_parents_fn *run;
  uint32_t flags;
  size_t count;
  uint8_t blocks[WAITING][AS_BLAKE3_BLOCK];
  uint8_t *cvs[WAITING];
} parents;

static void run_parents(parents *p) {
  uint8_t cvs[WAITING][AS_DIGEST_SIZE];
  p->run(p->blocks[0], p->count, as_initial_value, p->flags, cvs[0]);
  for (size_t i = 0; i < p->count; i++) {
    memcpy(p->cvs[i], cvs[i], AS_DIGEST_SIZE);
  }
  p->count = 0;
}

/* The parents of one level of one tree, in place. */
static void join_level(parents *p, uint8_t (*cvs)[AS_DIGEST_SIZE], size_t pairs) {
  for (size_t i = 0; i < pairs; i++) {
    memcpy(p->blocks[p->count], cvs[2 * i], AS_BLAKE3_BLOCK);
    p->cvs[p->count] = cvs[i];
    if (++p->count == WAITING) {
      run_parents(p);
    }
  }
}

/* An odd one moves up. Its level must be complete: its old place may still be waited for. */
static size_t rise(uint8_t (*cvs)[AS_DIGEST_SIZE], size_t count) {
  size_t pairs = count / 2, odd = count % 2;
  if (pairs > 0 && odd) {
    memcpy(cvs[pairs], cvs[count - 1], AS_DIGEST_SIZE);
  }
  return pairs + odd;
}

/* All trees rise level by level together, so that the lanes are full. */
void as_join_trees(as_blake3_parents_fn *run, as_small_tree *trees, size_t *chunks, size_t count) {
  parents inner = {.run = run, .flags = 0}, roots = {.run = run, .flags = AS_BLAKE3_ROOT};
  size_t open;
  do {
    open = 0;
    for (size_t i = 0; i < count; i++) {
      join_level(chunks[i] == 2 ? &roots : &inner, trees[i], chunks[i] / 2);
    }
    run_parents(&inner);
    run_parents(&roots);
    for (size_t i = 0; i < count; i++) {
      chunks[i] = rise(trees[i], chunks[i]);
      open += chunks[i] > 1;
    }
  } while (open > 0);
}

#endif
