/*
 * A stream hashed on one thread or two; see lane.h.
 * May include: lane.h, second.h, artifactstore.h. Called by: as declared there.
 */
#include "store/lane.h"

#include <string.h>

/* ---- the second thread ---- */

/* Waits for a block to hash; returns 0 when none will come. */
static int wait_for_block(as_lane *lane) {
  pthread_mutex_lock(&lane->mutex);
  while (lane->taken == lane->given && !lane->ended) {
    pthread_cond_wait(&lane->filled, &lane->mutex);
  }
  int some = lane->taken < lane->given;
  pthread_mutex_unlock(&lane->mutex);
  return some;
}

/* Whoever waits for room is woken when half of it is empty: waking for every block would cost as much as it gains. */
static void note_taken(as_lane *lane) {
  pthread_mutex_lock(&lane->mutex);
  lane->taken++;
  if (lane->given - lane->taken <= AS_LANE_BLOCKS / 2) {
    pthread_cond_signal(&lane->emptied);
  }
  pthread_mutex_unlock(&lane->mutex);
}

static void hash_blocks(void *context) {
  as_lane *lane = context;
  for (size_t next = 0; wait_for_block(lane); next++) {
    as_dual_sha256_groups(lane->dual, lane->blocks[next % AS_LANE_BLOCKS], lane->groups[next % AS_LANE_BLOCKS]);
    note_taken(lane);
  }
}

/* ---- the caller's ---- */

void as_lane_begin(as_lane *lane, as_store *store, as_dual *dual, uint64_t coming) {
  memset(lane, 0, sizeof *lane);
  lane->store = store;
  lane->dual = dual;
  lane->wanted = coming >= AS_LANE_FROM;
  pthread_mutex_init(&lane->mutex, NULL);
  pthread_cond_init(&lane->filled, NULL);
  pthread_cond_init(&lane->emptied, NULL);
  as_second_begin(&lane->second, store);
}

/* Waits until at most `most` blocks wait to be hashed. */
static void wait_for_room(as_lane *lane, size_t most) {
  pthread_mutex_lock(&lane->mutex);
  while (lane->given - lane->taken > most) {
    pthread_cond_wait(&lane->emptied, &lane->mutex);
  }
  pthread_mutex_unlock(&lane->mutex);
}

uint8_t *as_lane_buffer(as_lane *lane) {
  size_t slot = lane->given % AS_LANE_BLOCKS; /* only this thread changes `given` */
  wait_for_room(lane, AS_LANE_BLOCKS - 1);
  if (!lane->buffers[slot]) {
    lane->buffers[slot] = as_store_buffer(lane->store);
  }
  return lane->buffers[slot];
}

/* Whether the second thread takes whole groups now; it begins when the stream has come so far that its halves can go apart. */
static int splits(as_lane *lane, size_t size) {
  if (size % AS_GROUP_SIZE || !as_dual_splits(lane->dual)) {
    return 0;
  }
  if (lane->wanted && lane->asked++ % AS_LANE_ASK == 0) {
    lane->wanted = !as_second_start(&lane->second, hash_blocks, lane);
  }
  return lane->second.running;
}

static void give(as_lane *lane, const uint8_t *bytes, size_t groups) {
  pthread_mutex_lock(&lane->mutex);
  lane->blocks[lane->given % AS_LANE_BLOCKS] = bytes;
  lane->groups[lane->given % AS_LANE_BLOCKS] = groups;
  lane->given++;
  pthread_cond_signal(&lane->filled);
  pthread_mutex_unlock(&lane->mutex);
}

int as_lane_update(as_lane *lane, const uint8_t *bytes, size_t size) {
  if (splits(lane, size)) {
    wait_for_room(lane, AS_LANE_BLOCKS - 1);
    give(lane, bytes, size / AS_GROUP_SIZE);
    return as_dual_blake3_groups(lane->dual, bytes, size / AS_GROUP_SIZE);
  }
  wait_for_room(lane, 0); /* the end of a stream: its last group is not whole */
  return as_dual_update(lane->dual, bytes, size);
}

void as_lane_end(as_lane *lane) {
  pthread_mutex_lock(&lane->mutex);
  lane->ended = 1;
  pthread_cond_signal(&lane->filled);
  pthread_mutex_unlock(&lane->mutex);
  as_second_end(&lane->second);
  for (int i = 0; i < AS_LANE_BLOCKS; i++) {
    as_store_buffer_release(lane->store, lane->buffers[i]);
  }
  pthread_cond_destroy(&lane->emptied);
  pthread_cond_destroy(&lane->filled);
  pthread_mutex_destroy(&lane->mutex);
}
