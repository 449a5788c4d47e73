/*
 * Both digests of one large stream on two cores: SHA-256, a chain that no kernel can cut, runs on a second thread beside BLAKE3 and all else
 * that its bytes need. Without a core to spare both are computed here, in one pass.
 * May include: second.h, artifactstore.h. Called by: ingest.c, verifier.c.
 *
 * A lane lives for one call. Its caller asks for a buffer, or has blocks of its own, fills it, has it hashed, and may read from it until it asks for
 * the next.
 */
#ifndef AS_STORE_LANE_H
#define AS_STORE_LANE_H

#include "store/second.h"

enum {
  AS_LANE_BLOCKS = 16,          /* buffers, 4 MiB: some milliseconds in which one thread need not wait for the other, and still in the cache */
  AS_LANE_FROM = 1024 * 1024,   /* bytes to come from which on a thread, some 30 us, is worth it */
  AS_LANE_ASK = 64              /* blocks, 16 MiB, after which a thread is asked for again where no core was free: what kept it busy may have
                                   been the start of this very process */
};

/* The members are private. */
typedef struct as_lane {
  as_store *store;
  as_dual *dual;
  as_second second;
  uint8_t *buffers[AS_LANE_BLOCKS];
  const uint8_t *blocks[AS_LANE_BLOCKS]; /* for the second thread, */
  size_t groups[AS_LANE_BLOCKS];         /* and how many groups are in each */
  int wanted;                    /* a second thread, which has not begun yet */
  size_t asked;                  /* blocks that have come meanwhile */
  pthread_mutex_t mutex;         /* guards what follows */
  pthread_cond_t filled;
  pthread_cond_t emptied;
  size_t given;                  /* blocks for the second thread, */
  size_t taken;                  /* and those it has hashed */
  int ended;
} as_lane;

/* `dual`: the stream; `coming`: how many bytes of it this call will hash, about. */
void as_lane_begin(as_lane *lane, as_store *store, as_dual *dual, uint64_t coming);

/* The next buffer, of AS_STEP_SIZE bytes, page-aligned; NULL without memory. */
uint8_t *as_lane_buffer(as_lane *lane);

/* The stream absorbs `size` bytes: of the last buffer, or any that stay as they are until AS_LANE_BLOCKS further calls have returned, or
 * as_lane_end has. Returns what as_dual_update returns; SHA-256 may still be under way, so the stream must not be touched otherwise before
 * as_lane_end. */
int as_lane_update(as_lane *lane, const uint8_t *bytes, size_t size);

/* Waits until all is hashed, and releases everything. */
void as_lane_end(as_lane *lane);

#endif
