/*
 * The digests by themselves. BLAKE3 trees beyond the 100 KiB where the official vectors end: hashes, subtrees at any
 * place of a stream, parents, streams in all modes, extended output. SHA-256 beyond 2^32 bits and bytes. Against the
 * reference.
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

/* Streams given in equal pieces, so that every alignment of subtree and stream occurs, in keyed mode. */
static void test_streams(void) {
  static const size_t sizes[] = {0,         1,          GROUP - 1, GROUP,          GROUP + 1,      2 * GROUP,
                                 3 * GROUP, 64 * 1024, 128 * 1024 + 1, 1 << 20, (1 << 20) + 1, (1 << 20) + 3 * GROUP};
  static const size_t pieces[] = {1000, GROUP - 1, GROUP, 3 * GROUP, 64 * 1024, 100 * 1024, 1 << 22};
  uint8_t *bytes = random_bytes((1 << 20) + 3 * GROUP);
  as_blake3 *hasher = malloc(sizeof *hasher);
  uint8_t digest[AS_DIGEST_SIZE], expected[AS_DIGEST_SIZE];
  uint32_t key[8];
  reference_words_in(bytes, key);
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    reference_tree(bytes, sizes[s], key, 0, REFERENCE_KEYED, REFERENCE_ROOT, expected);
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
      as_blake3_init_keyed(hasher, bytes);
      for (size_t at = 0; at < sizes[s]; at += pieces[p]) {
        size_t left = sizes[s] - at;
        as_blake3_update(hasher, bytes + at, pieces[p] < left ? pieces[p] : left);
      }
      as_blake3_finish(hasher, 0, digest, sizeof digest);
      CHECK_BYTES(digest, expected, sizeof digest, "%zu bytes in pieces of %zu, %s", sizes[s], pieces[p],
                  as_kernel_name());
    }
  }
  free(hasher);
  free(bytes);
}

/* Output from any place, across the carry of the output counter's lower half, and none at all. */
static void test_extended_output(void) {
  static const uint64_t seeks[] = {0, 1, 63, 64, 65, ((uint64_t)1 << 38) - 100, UINT64_MAX - 300};
  enum { SIZE = 3 * GROUP + 5, OUT = 300 };
  uint8_t *bytes = random_bytes(SIZE);
  as_blake3 *hasher = malloc(sizeof *hasher);
  uint8_t out[OUT + 1], expected[OUT];
  uint32_t key[8];
  reference_initial_value(key);
  for (size_t size = 0; size <= SIZE; size += size < 2000 ? 500 : SIZE - 2000) {
    as_blake3_init(hasher);
    as_blake3_update(hasher, bytes, size);
    for (size_t i = 0; i < sizeof seeks / sizeof seeks[0]; i++) {
      size_t count = i % 2 ? OUT : OUT / 3;
      memset(out, 0xee, sizeof out);
      reference_extended(bytes, size, key, 0, seeks[i], expected, count);
      as_blake3_finish(hasher, seeks[i], out, count);
      CHECK_BYTES(out, expected, count, "%zu bytes of output at %llu, %s", count, (unsigned long long)seeks[i],
                  as_kernel_name());
      CHECK(out[count] == 0xee, "wrote beyond the output");
      as_blake3_finish(hasher, seeks[i], out + count, 0);
      CHECK(out[count] == 0xee, "wrote output of no bytes");
    }
  }
  free(hasher);
  free(bytes);
}

/* As if so much had gone before that the length in bits, and then in bytes, needs more than 32 bits: the lengths are
 * set by hand, as hashing so much takes long, over a state that has not moved. */
static void test_sha256_far(void) {
  static const uint64_t befores[] = {((uint64_t)1 << 29) - 64, (uint64_t)1 << 29, ((uint64_t)1 << 32) - 64,
                                     (uint64_t)1 << 32, ((uint64_t)1 << 61) - 256};
  uint8_t bytes[200], digest[AS_DIGEST_SIZE], expected[AS_DIGEST_SIZE];
  memset(bytes, 0xab, sizeof bytes);
  for (size_t i = 0; i < sizeof befores / sizeof befores[0]; i++) {
    for (size_t size = 0; size <= sizeof bytes; size += 25) {
      as_sha256 hasher;
      uint32_t state[8];
      as_sha256_init(&hasher);
      hasher.length = befores[i];
      as_sha256_update(&hasher, bytes, size);
      as_sha256_finish(&hasher, digest);
      reference_initial_value(state);
      reference_sha256_rest(state, befores[i], bytes, size, expected);
      CHECK_BYTES(digest, expected, sizeof digest, "%zu bytes after %llu, %s", size, (unsigned long long)befores[i],
                  as_kernel_name());
    }
  }
}

static void all(void) {
  test_every_shape();
  test_large_trees();
  test_subtrees();
  test_parents();
  test_streams();
  test_extended_output();
  test_sha256_far();
}

int main(void) {
  with_every_kernel(all);
  return 0;
}
