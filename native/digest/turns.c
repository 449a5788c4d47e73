/*
 * Kernel sets without a kernel of both hashes.
 * May include: native/digest headers. Called by: the sets of native/digest/kernels.
 */
#include "digest/turns.h"

/* Groups that one stream takes before the other has its turn: neither waits for all of the other, and in as_join_groups
 * their parents fill the lanes of a kernel together. */
enum { TURN_GROUPS = 4 };

void as_join_groups(as_blake3_parents_fn *parents, uint8_t *tree, size_t count, const uint32_t key[8], uint32_t flags,
                    uint8_t *cvs) {
  for (size_t per_group = AS_GROUP_CHUNKS / 2; per_group > 1; per_group /= 2) {
    parents(tree, count * per_group, key, flags, tree);
  }
  parents(tree, count, key, flags, cvs);
}

static size_t turn(size_t left) {
  return left < TURN_GROUPS ? left : TURN_GROUPS;
}

/* Group by group, so that the second hash finds the bytes in the first-level cache. */
void as_groups_in_turns(const as_kernels *kernels, uint32_t sha256_state[8], const uint8_t *groups, size_t count,
                        const uint32_t key[8], uint64_t first_group, uint32_t flags, uint8_t *cvs) {
  uint8_t tree[TURN_GROUPS * AS_GROUP_CHUNKS * AS_DIGEST_SIZE];
  for (size_t done = 0; done < count; done += turn(count - done)) {
    size_t now = turn(count - done);
    for (size_t i = 0; i < now; i++) {
      const uint8_t *group = groups + (done + i) * AS_GROUP_SIZE;
      kernels->sha256_blocks(sha256_state, group, AS_GROUP_SIZE / AS_SHA256_BLOCK);
      kernels->blake3_chunks(group, AS_GROUP_CHUNKS, key, (first_group + done + i) * AS_GROUP_CHUNKS, flags,
                             tree + i * AS_GROUP_CHUNKS * AS_DIGEST_SIZE);
    }
    as_join_groups(kernels->blake3_parents, tree, now, key, flags, cvs + done * AS_DIGEST_SIZE);
  }
}

void as_two_in_turns(const as_kernels *kernels, const as_dual_stream streams[2], size_t count, const uint32_t key[8],
                     uint32_t flags) {
  for (size_t done = 0; done < count; done += turn(count - done)) {
    for (int s = 0; s < 2; s++) {
      const as_dual_stream *stream = &streams[s];
      kernels->dual_groups(stream->sha256_state, stream->groups + done * AS_GROUP_SIZE, turn(count - done), key,
                           stream->first_group + done, flags, stream->cvs + done * AS_DIGEST_SIZE);
    }
  }
}

void as_many_in_turns(const as_kernels *kernels, const as_span *inputs, size_t count, as_digests *out) {
  for (size_t i = 0; i < count; i++) {
    as_dual_whole(kernels, inputs[i].bytes, inputs[i].size, &out[i]);
  }
}
