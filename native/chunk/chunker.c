/*
 * Cuts a stream into chunks where its content says so (docs/formats/chunking.md): sizes, the two rules around the
 * average, and windows that span two pieces of the stream. The scan itself is one of native/chunk's paths.
 * May include: native/chunk/scan.h, the C library. Called by: the addon; as_chunker_… by anyone.
 */
#include <string.h>

#include "chunk/scan.h"

/* How far the rules left and right of the average differ from it, in bits: a cut is 16 times as likely beyond it. Two
 * bits each way saved 3 points more of edited trees than one bit at 64 KiB, at a smaller mean size. */
enum { NORMALISATION = 2 };

_Static_assert((int)AS_CHUNK_SIZE_MIN > (int)AS_CHUNK_HISTORY, "a window must never reach beyond the last cut");

static int is_valid(const as_chunk_sizes *sizes) {
  uint32_t average = sizes->average;
  return (average & (average - 1)) == 0 && average >= AS_CHUNK_AVERAGE_MIN && average <= AS_CHUNK_AVERAGE_MAX &&
         sizes->minimum >= AS_CHUNK_SIZE_MIN && sizes->minimum <= average && sizes->maximum >= average &&
         sizes->maximum <= AS_CHUNK_SIZE_MAX;
}

int as_chunker_init(as_chunker *chunker, const as_chunk_sizes *sizes) {
  static const as_chunk_sizes defaults = {16 * 1024, 64 * 1024, 256 * 1024};
  if (sizes && !is_valid(sizes)) {
    return AS_E_INVALID;
  }
  memset(chunker, 0, sizeof *chunker);
  chunker->sizes = sizes ? *sizes : defaults;
  return 0;
}

/* The first of the bytes from `from` to before `to` to cut after, or `to`. A window that begins before `bytes` is
 * looked at in a copy, joined to the history. */
static size_t scan(const as_chunker *chunker, const uint8_t *bytes, size_t from, size_t to, unsigned bits) {
  as_chunk_scan_fn *scan_run = as_chunk_scanner_in_use()->scan;
  if (from < AS_CHUNK_HISTORY && from < to) {
    uint8_t joined[2 * AS_CHUNK_HISTORY];
    size_t size = to < AS_CHUNK_HISTORY ? to : AS_CHUNK_HISTORY;
    memcpy(joined, chunker->history, AS_CHUNK_HISTORY);
    memcpy(joined + AS_CHUNK_HISTORY, bytes, size);
    size_t cut = from + scan_run(joined + AS_CHUNK_HISTORY + from, size - from, bits);
    if (cut < size) {
      return cut;
    }
    from = size;
  }
  return from < to ? from + scan_run(bytes + from, to - from, bits) : to;
}

/* How many of `size` bytes lie before the chunk reaches `length`. */
static size_t until(const as_chunker *chunker, size_t size, uint32_t length) {
  size_t missing = length > chunker->length ? length - chunker->length : 0;
  return missing < size ? missing : size;
}

/* The bytes after which the chunk would be shorter than the minimum are not looked at. `limit` is the number of bytes
 * with which the chunk reaches its maximum, or all there are. Returns the byte to cut after, or `limit`. */
static size_t find_cut(const as_chunker *chunker, const uint8_t *bytes, size_t limit) {
  unsigned bits = (unsigned)__builtin_ctz(chunker->sizes.average);
  size_t from = until(chunker, limit, chunker->sizes.minimum - 1);
  size_t middle = until(chunker, limit, chunker->sizes.average - 1);
  size_t cut = scan(chunker, bytes, from, middle, bits + NORMALISATION);
  return cut < middle ? cut : scan(chunker, bytes, middle, limit, bits - NORMALISATION);
}

static void remember(as_chunker *chunker, const uint8_t *bytes, size_t size) {
  if (size < AS_CHUNK_HISTORY) {
    memmove(chunker->history, chunker->history + size, AS_CHUNK_HISTORY - size);
    memcpy(chunker->history + AS_CHUNK_HISTORY - size, bytes, size);
  } else {
    memcpy(chunker->history, bytes + size - AS_CHUNK_HISTORY, AS_CHUNK_HISTORY);
  }
}

int as_chunker_next(as_chunker *chunker, const void *bytes, size_t size, size_t *taken) {
  size_t limit = until(chunker, size, chunker->sizes.maximum);
  size_t cut = limit > 0 ? find_cut(chunker, bytes, limit) : limit;
  *taken = cut < limit ? cut + 1 : limit;
  if (cut < limit || chunker->length + limit == chunker->sizes.maximum) {
    chunker->length = 0;
    return 1;
  }
  if (limit > 0) {
    remember(chunker, bytes, limit);
  }
  chunker->length += (uint32_t)limit;
  return 0;
}

uint32_t as_chunker_pending(const as_chunker *chunker) {
  return chunker->length;
}
