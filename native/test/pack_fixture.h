/*
 * What the pack tests share: files in memory behind the I/O table, bytes from hex, and made-up segments together with a
 * list of what is in them.
 * May include: store_fixture.h, store/pack*.h. Included by: native/test/pack_*_test.c.
 */
#ifndef AS_TEST_PACK_FIXTURE_H
#define AS_TEST_PACK_FIXTURE_H

#include "core/crc32c.h"
#include "core/little.h"
#include "io/io.h"
#include "store/pack_scan.h"
#include "store/pack.h"
#include "store_fixture.h"

static inline uint64_t below(uint64_t *random, uint64_t bound) { return next_random(random) % bound; }

/* ---- one file in memory ---- */

static uint8_t *memory_bytes; /* exactly memory_size of them, so that sanitizers see every read beyond */
static size_t memory_size;
static _Atomic uint64_t memory_read;  /* bytes read so far, */
static _Atomic unsigned memory_reads; /* and in how many calls */
static int memory_error;      /* what reading gives instead, unless 0 */
static unsigned memory_rough; /* every so many reads one is interrupted, and all are short; 0: none */

static int memory_open(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  (void)io, (void)directory, (void)path, (void)flags, (void)mode;
  return 3;
}

static int memory_close(const as_io *io, int fd) {
  (void)io, (void)fd;
  return 0;
}

static ssize_t memory_read_at(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  static _Atomic unsigned calls;
  (void)io, (void)fd;
  memory_reads++;
  if (memory_error) {
    return memory_error;
  }
  if (memory_rough && ++calls % memory_rough == 0) {
    return -EINTR;
  }
  size_t left = offset < memory_size ? memory_size - (size_t)offset : 0;
  size = size < left ? size : left;
  size = memory_rough && size > 1 ? size / 2 : size;
  memcpy(bytes, memory_bytes + (left ? offset : 0), size);
  memory_read += size;
  return (ssize_t)size;
}

static int memory_stat(const as_io *io, int fd, struct stat *out) {
  (void)io, (void)fd;
  *out = (struct stat){.st_size = (off_t)memory_size};
  return 0;
}

static int memory_map(const as_io *io, int fd, size_t size, const void **out) {
  (void)io, (void)fd;
  CHECK(size == memory_size, "maps %zu of %zu bytes", size, memory_size);
  *out = memory_bytes;
  return 0;
}

static void memory_unmap(const as_io *io, const void *bytes, size_t size) {
  (void)io;
  CHECK(bytes == memory_bytes && size == memory_size, "unmaps something else");
}

static const as_io memory_io = {.name = "memory",
                                .open = memory_open,
                                .close = memory_close,
                                .read = memory_read_at,
                                .stat = memory_stat,
                                .map = memory_map,
                                .unmap = memory_unmap};

static inline void memory_set(const uint8_t *bytes, size_t size) {
  free(memory_bytes);
  memory_bytes = malloc(size ? size : 1);
  memcpy(memory_bytes, bytes, size);
  memory_size = size;
}

/* ---- bytes ---- */

/* Bytes from pairs of hex digits, blanks between them. Returns how many. */
static inline size_t from_hex(const char *hex, uint8_t *out) {
  size_t size = 0;
  for (int used; sscanf(hex, " %2hhx%n", &out[size], &used) == 1; size++) {
    hex += used;
  }
  return size;
}

/* Makes the checksum of a slot right again after its members were changed. */
static inline void reseal_slot(uint8_t *slot) { as_put32(slot + 4, as_crc32c(0, slot + 8, AS_PACK_SLOT - 8)); }

static inline int same_record(const as_record *a, const as_record *b) {
  return a->kind == b->kind && memcmp(a->blake3, b->blake3, AS_DIGEST_SIZE) == 0 &&
         memcmp(a->sha256, b->sha256, AS_DIGEST_SIZE) == 0 && a->at.segment == b->at.segment &&
         a->at.offset == b->at.offset && a->at.size == b->at.size;
}

static inline void random_digest(uint64_t *random, uint8_t out[AS_DIGEST_SIZE]) {
  for (int i = 0; i < AS_DIGEST_SIZE; i += 8) {
    as_put64(out + i, next_random(random));
  }
}

/* ---- a segment and its model ---- */

enum { MODEL_RECORDS = 20000, MODEL_COMMITS = 2000 };

typedef struct model {
  as_segment_id id;
  uint8_t *bytes;
  size_t size, capacity;
  uint64_t sequence; /* of the last commit */
  uint64_t first_at; /* offset of the first commit that has it */
  int shares;        /* half of the commits have the number of the one before, as those do that wait for the same sync */
  size_t commits, records;
  uint64_t commit_at[MODEL_COMMITS];
  struct {
    uint64_t sequence, slot; /* offset of the slot */
    as_record record;
  } list[MODEL_RECORDS];
} model;

static inline void model_begin(model *segment, uint64_t *random, size_t capacity) {
  segment->id = (as_segment_id){.number = 1 + below(random, 1000), .salt = next_random(random)};
  segment->bytes = calloc(1, capacity);
  segment->capacity = capacity;
  segment->size = AS_PACK_BLOCK;
  segment->sequence = below(random, 100);
  segment->first_at = segment->shares = 0;
  segment->commits = segment->records = 0;
  as_segment_head_encode(&segment->id, segment->bytes);
}

static inline void model_end(model *segment) { free(segment->bytes); }

static inline as_record model_record(model *segment, uint64_t *random, uint64_t payload, uint32_t size) {
  as_record record = {.kind = below(random, 5) ? AS_RECORD_OBJECT : (as_record_kind)(1 + below(random, 4))};
  random_digest(random, record.blake3);
  if (record.kind == AS_RECORD_OBJECT) {
    random_digest(random, record.sha256);
    record.at = (as_location){.segment = segment->id.number, .offset = payload, .size = size};
  } else if (record.kind != AS_RECORD_DELETED) {
    record.at = (as_location){.segment = 1 + below(random, 50),
                              .offset = AS_PACK_BLOCK + AS_PACK_ALIGN * (1 + below(random, 100)),
                              .size = (uint32_t)next_random(random)};
  }
  return record;
}

/* Appends a commit of `count` records; an object has at most `largest` bytes. Returns the offset of its first payload,
 * or 0 when there is no room left. */
static inline uint64_t model_commit(model *segment, uint64_t *random, uint32_t count, uint32_t largest) {
  uint64_t at = segment->size, payloads = at + (1 + (uint64_t)count) * AS_PACK_SLOT, payload = payloads;
  uint64_t most = (as_payload_size(largest) + AS_PACK_ALIGN) * count + AS_PACK_BLOCK;
  if (payloads + most > segment->capacity || segment->records + count > MODEL_RECORDS ||
      segment->commits == MODEL_COMMITS) {
    return 0;
  }
  if (!segment->shares || !segment->commits || below(random, 2)) {
    segment->sequence += 1 + below(random, 3);
    segment->first_at = at;
  }
  for (uint32_t i = 0; i < count; i++) {
    uint64_t slot = at + (1 + (uint64_t)i) * AS_PACK_SLOT;
    as_record record = model_record(segment, random, payload, (uint32_t)below(random, largest + 1));
    as_record_encode(&segment->id, slot, segment->sequence, &record, segment->bytes + slot);
    segment->list[segment->records].sequence = segment->sequence;
    segment->list[segment->records].slot = slot;
    segment->list[segment->records++].record = record;
    if (record.kind == AS_RECORD_OBJECT) {
      uint64_t size = as_payload_size(record.at.size);
      for (uint64_t k = 0; k < size; k++) {
        segment->bytes[payload + k] = (uint8_t)(next_random(random) | 1); /* no zeros: they never count as damage */
      }
      payload = (payload + size + AS_PACK_ALIGN - 1) / AS_PACK_ALIGN * AS_PACK_ALIGN;
    }
  }
  segment->size = (size_t)((payload + AS_PACK_BLOCK - 1) / AS_PACK_BLOCK * AS_PACK_BLOCK);
  as_commit_head head = {.sequence = segment->sequence, .count = count, .length = segment->size - at};
  as_commit_head_encode(&segment->id, at, &head, segment->bytes + at);
  segment->commit_at[segment->commits++] = at;
  return payloads;
}

/* Scans the segment that memory_io holds, as it says itself who it is. */
static inline int scan_memory(uint64_t size, as_scan *out, as_scan_visit visit, void *context) {
  uint8_t block[AS_PACK_BLOCK];
  as_segment_id id;
  *out = (as_scan){.end = AS_PACK_BLOCK};
  ssize_t count = size < AS_PACK_BLOCK ? 0 : as_io_read(&memory_io, 3, block, sizeof block, 0);
  int error = count < 0 ? (int)count : count < AS_PACK_BLOCK ? AS_E_CORRUPT : as_segment_head_decode(block, &id);
  return error ? error : as_segment_scan(&memory_io, 3, &id, size, out, visit, context);
}

#endif
