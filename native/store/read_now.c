/*
 * Reading a small object without waiting: what is in the page cache costs less to read and to verify than to have it read by another thread.
 * May include: packs.h, io/io.h. Called by: users of the core.
 */
#include <string.h>

#include "store/packs.h"

int as_read_now(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], void *bytes, size_t size) {
  as_entry entry;
  as_segment *segment;
  uint8_t digest[AS_DIGEST_SIZE];
  if (as_packs_find(store, blake3, &entry) <= 0 || entry.kind == AS_RECORD_DAMAGED || entry.at.size != size ||
      as_segment_pin(store, entry.at.segment, &segment) != 0) {
    return 0;
  }
  int read = as_io_read_cached(store->io, segment->fd, bytes, size, entry.at.offset);
  as_segment_unpin(store, segment);
  if (!read) {
    return 0;
  }
  as_blake3_hash(bytes, size, digest);
  return memcmp(digest, blake3, AS_DIGEST_SIZE) == 0;
}
