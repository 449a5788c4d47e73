/*
 * BLAKE3 trees beyond the 100 KiB where the official vectors end: hashes, subtrees at any place of a stream, parents,
 * against the reference.
 * May include: the public header, the test headers. Run by: ctest.
 */
#include "digest_reference.h"
#include "digest_support.h"

enum { GROUP = AS_GROUP_SIZE };

/* Up to 140 chunks, whole, one byte short and one byte over: all shapes of a batch, and the seams between batches. */
static void test_every_shape(void) {
  enum { CHUNKS = 140 };
  uint8_t *bytes = random_bytes((CHUNKS + 1) * 1024);
  uint8_t hash[AS_DIGEST_SIZE], expected[AS_DIGEST_SIZE];
  for (size_t chunks = 1; chunks <= CHUNKS; chunks += chunks < 34 ? 1 : 1 + random_below(6)) {
    for (size_t size = chunks * 1024 - 1; size <= chunks * 1024 + 1; size++) {
      as_blake3_hash(bytes, size, hash);
      reference_blake3(bytes, size, expected);
      CHECK_BYTES(hash, expected, AS_DIGEST_SIZE, "hash of %zu bytes, %s", size, as_kernel_name());
    }
  }
  free(bytes);
}

static void test_large_trees(void) {
  static const size_t sizes[] = {100 * 1024 + 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 * (1 << 20) + 12345};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    uint8_t *bytes = random_bytes(sizes[i]);
    uint8_t hash[AS_DIGEST_SIZE], expected[AS_DIGEST_SIZE];
    as_blake3_hash(bytes, sizes[i], hash);
    reference_blake3(bytes, sizes[i], expected);
    CHECK_BYTES(hash, expected, AS_DIGEST_SIZE, "hash of %zu bytes, %s", sizes[i], as_kernel_name());
    free(bytes);
  }
}

/* First groups around the place where the lower half of the chunk counter carries, 4 TiB into a stream; and the end. */
static void test_subtrees(void) {
  static const uint64_t first_groups[] = {
      0, 1, 7, ((uint64_t)1 << 28) - 1, (uint64_t)1 << 28, ((uint64_t)1 << 50) - 16};
  static const size_t sizes[] = {1, 1024, 1025, 5000, GROUP - 1, GROUP, 2 * GROUP, 3 * GROUP + 1, 8 * GROUP};
  uint8_t *bytes = random_bytes(8 * GROUP);
  uint8_t cv[AS_DIGEST_SIZE], expected[AS_DIGEST_SIZE];
  for (size_t f = 0; f < sizeof first_groups / sizeof first_groups[0]; f++) {
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
      as_blake3_subtree(bytes, sizes[s], first_groups[f], cv);
      reference_subtree(bytes, sizes[s], first_groups[f] * 16, expected);
      CHECK_BYTES(cv, expected, AS_DIGEST_SIZE, "subtree of %zu bytes at group %llu, %s", sizes[s],
                  (unsigned long long)first_groups[f], as_kernel_name());
    }
  }
  free(bytes);
}

/* A hash is the parent of its halves, marked as root; unmarked it is another value. The result may replace a child. */
static void test_parents(void) {
  uint8_t *bytes = random_bytes(8 * GROUP);
  uint8_t left[AS_DIGEST_SIZE], right[AS_DIGEST_SIZE], hash[AS_DIGEST_SIZE], parent[AS_DIGEST_SIZE];
  as_blake3_subtree(bytes, 4 * GROUP, 0, left);
  as_blake3_subtree(bytes + 4 * GROUP, 4 * GROUP, 4, right);
  as_blake3_hash(bytes, 8 * GROUP, hash);
  as_blake3_parent(left, right, 1, parent);
  CHECK_BYTES(parent, hash, AS_DIGEST_SIZE, "root over two halves, %s", as_kernel_name());
  as_blake3_subtree(bytes, 8 * GROUP, 0, hash);
  as_blake3_parent(left, right, 0, parent);
  CHECK_BYTES(parent, hash, AS_DIGEST_SIZE, "inner parent over two halves, %s", as_kernel_name());
  as_blake3_parent(left, right, 0, left);
  CHECK_BYTES(left, hash, AS_DIGEST_SIZE, "parent in place of its left child");
  free(bytes);
}

static void all(void) {
  test_every_shape();
  test_large_trees();
  test_subtrees();
  test_parents();
}

int main(void) {
  with_every_kernel(all);
  return 0;
}
