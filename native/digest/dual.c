/*
 * BLAKE3 and SHA-256 of a stream in one pass. Whole chunk groups go to the dual kernels straight from the caller's
 * bytes, as soon as they are whole. Only the first waits for a second: a stream of one group is its own root.
 * May include: native/digest headers, the C library. Called by: native/digest; as_dual_… by native/store, native/addon
 * and any user of the core.
 */
#include "digest/dual.h"

#include <string.h>

#include "digest/blake3.h"
#include "digest/counters.h"
#include "digest/sha256.h"

/* Groups handed to a kernel at once: enough to make the call and the sink's free, small enough for the stack. */
enum { BATCH_GROUPS = 64 };

void as_dual_init(as_dual *dual, as_group_sink sink, void *sink_context) {
  memcpy(dual->sha256_state, as_initial_value, sizeof dual->sha256_state);
  dual->cv_stack_len = 0;
  dual->buffered = 0;
  dual->error = 0;
  dual->groups = 0;
  dual->sink = sink;
  dual->sink_context = sink_context;
}

uint64_t as_dual_length(const as_dual *dual) {
  return dual->groups * AS_GROUP_SIZE + dual->buffered;
}

uint64_t as_dual_groups_in(uint64_t length) {
  return length <= AS_GROUP_SIZE ? 0 : length / AS_GROUP_SIZE;
}

uint32_t as_dual_subtrees(uint64_t groups) {
  return groups == 0 ? 0 : (uint32_t)__builtin_popcountll(groups - 1) + 1;
}

/* Copies up to a group's worth of input into the buffer. */
static void fill(as_dual_feed *feed) {
  as_dual *dual = feed->dual;
  size_t room = AS_GROUP_SIZE - dual->buffered;
  size_t taken = feed->size < room ? feed->size : room;
  if (taken > 0) {
    memcpy(dual->buffer + dual->buffered, feed->at, taken);
    dual->buffered += (uint32_t)taken;
    feed->at += taken;
    feed->size -= taken;
  }
}

/* The whole groups that may be absorbed now: how many, and where they lie. A started buffer comes before the input. */
static size_t ready(as_dual_feed *feed, const uint8_t **groups) {
  as_dual *dual = feed->dual;
  size_t first_is_last = dual->groups == 0;
  if (dual->error) {
    return 0;
  }
  if (dual->buffered > 0) {
    fill(feed);
    *groups = dual->buffer;
    return dual->buffered == AS_GROUP_SIZE && feed->size >= first_is_last;
  }
  *groups = feed->at;
  return feed->size >= AS_GROUP_SIZE + first_is_last ? feed->size / AS_GROUP_SIZE : 0;
}

int as_dual_ready(as_dual_feed *feed) {
  const uint8_t *groups;
  return ready(feed, &groups) > 0;
}

/* The tree and the sink follow the kernel, which has hashed `count` groups. */
static void grow_tree(as_dual *dual, const as_blake3_mode *mode, size_t count, const uint8_t *cvs) {
  for (size_t i = 0; i < count; i++) {
    as_blake3_push(mode, dual->cv_stack, &dual->cv_stack_len, dual->groups++, cvs + i * AS_DIGEST_SIZE);
  }
  dual->error = dual->sink ? dual->sink(dual->sink_context, cvs, count) : 0;
}

/* The tree and the cursor follow the kernel. */
static void absorbed(as_dual_feed *feed, const as_blake3_mode *mode, size_t count, const uint8_t *cvs) {
  if (feed->dual->buffered > 0) {
    feed->dual->buffered = 0;
  } else {
    feed->at += count * AS_GROUP_SIZE;
    feed->size -= count * AS_GROUP_SIZE;
  }
  grow_tree(feed->dual, mode, count, cvs);
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

static void advance_one(const as_kernels *kernels, as_dual_feed *feed) {
  as_blake3_mode plain = as_blake3_plain(kernels);
  uint8_t cvs[BATCH_GROUPS * AS_DIGEST_SIZE];
  const uint8_t *groups;
  for (size_t count; (count = least(ready(feed, &groups), BATCH_GROUPS)) > 0;) {
    as_dual *dual = feed->dual;
    kernels->dual_groups(dual->sha256_state, groups, count, as_initial_value, dual->groups, 0, cvs);
    as_count(AS_PATH_ONE_STREAM, count);
    absorbed(feed, &plain, count, cvs);
  }
}

static void advance_two(const as_kernels *kernels, as_dual_feed *feeds) {
  as_blake3_mode plain = as_blake3_plain(kernels);
  uint8_t cvs[2][BATCH_GROUPS * AS_DIGEST_SIZE];
  for (;;) {
    as_dual_stream streams[2];
    size_t count = BATCH_GROUPS;
    for (int i = 0; i < 2; i++) {
      streams[i].sha256_state = feeds[i].dual->sha256_state;
      streams[i].first_group = feeds[i].dual->groups;
      streams[i].cvs = cvs[i];
      count = least(count, ready(&feeds[i], &streams[i].groups));
    }
    if (count == 0) {
      return;
    }
    kernels->dual2_groups(streams, count, as_initial_value, 0);
    as_count(AS_PATH_TWO_STREAM, 2 * count);
    absorbed(&feeds[0], &plain, count, cvs[0]);
    absorbed(&feeds[1], &plain, count, cvs[1]);
  }
}

void as_dual_advance(const as_kernels *kernels, as_dual_feed *feeds, size_t count) {
  if (count == 1) {
    advance_one(kernels, feeds);
  } else {
    advance_two(kernels, feeds);
  }
}

/* Absorbs what a partner has not helped to absorb, and buffers the rest. */
static int absorb_rest(as_dual_feed *feed) {
  as_dual_advance(as_kernels_in_use(), feed, 1);
  if (!feed->dual->error) {
    fill(feed);
  }
  return feed->dual->error;
}

int as_dual_update(as_dual *dual, const void *bytes, size_t size) {
  as_dual_feed feed = {.dual = dual, .at = bytes, .size = size};
  return absorb_rest(&feed);
}

void as_dual2_update(as_dual *const duals[2], const as_span inputs[2], int errors[2]) {
  as_dual_feed feeds[2];
  for (int i = 0; i < 2; i++) {
    feeds[i] = (as_dual_feed){.dual = duals[i], .at = inputs[i].bytes, .size = inputs[i].size};
  }
  as_dual_advance(as_kernels_in_use(), feeds, 2);
  for (int i = 0; i < 2; i++) {
    errors[i] = absorb_rest(&feeds[i]);
  }
}

int as_dual_splits(const as_dual *dual) {
  return dual->groups > 0 && dual->buffered == 0 && !dual->error;
}

void as_dual_sha256_groups(as_dual *dual, const void *groups, size_t count) {
  as_kernels_in_use()->sha256_blocks(dual->sha256_state, groups, count * (AS_GROUP_SIZE / AS_SHA256_BLOCK));
}

int as_dual_blake3_groups(as_dual *dual, const void *groups, size_t count) {
  as_blake3_mode plain = as_blake3_plain(as_kernels_in_use());
  uint8_t cvs[BATCH_GROUPS * AS_DIGEST_SIZE];
  const uint8_t *at = groups;
  for (size_t now; (now = least(count, BATCH_GROUPS)) > 0 && !dual->error; at += now * AS_GROUP_SIZE, count -= now) {
    as_blake3_groups(at, now, dual->groups, cvs);
    grow_tree(dual, &plain, now, cvs);
  }
  return dual->error;
}

/* The root of a stream that has absorbed groups. The sink learns of a last group that is not whole. */
static void conclude_tree(as_dual *dual, const as_blake3_mode *mode, const uint8_t *tail, size_t size,
                          as_blake3_node *root) {
  if (size > 0) {
    uint8_t cv[AS_DIGEST_SIZE];
    as_blake3_tree(mode, tail, size, dual->groups * AS_GROUP_CHUNKS, 0, cv);
    as_blake3_push(mode, dual->cv_stack, &dual->cv_stack_len, dual->groups, cv);
    dual->error = dual->sink ? dual->sink(dual->sink_context, cv, 1) : 0;
  }
  as_blake3_fold(mode, dual->cv_stack, dual->cv_stack_len, root);
}

int as_dual_conclude(const as_kernels *kernels, as_dual *dual, const uint8_t *tail, size_t size, as_digests *out) {
  as_blake3_mode plain = as_blake3_plain(kernels);
  uint64_t length = dual->groups * AS_GROUP_SIZE + size;
  as_blake3_node root;
  if (dual->error) {
    return dual->error;
  }
  as_sha256_conclude(kernels, dual->sha256_state, tail, size, length, out->sha256);
  if (dual->groups == 0) {
    as_blake3_top(&plain, tail, size, 0, &root);
  } else {
    conclude_tree(dual, &plain, tail, size, &root);
  }
  as_blake3_node_value(&plain, &root, AS_BLAKE3_ROOT, out->blake3);
  return dual->error;
}

int as_dual_finish(as_dual *dual, as_digests *out) {
  return as_dual_conclude(as_kernels_in_use(), dual, dual->buffer, dual->buffered, out);
}
