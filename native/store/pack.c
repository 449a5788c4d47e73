/*
 * The bytes of segment heads and slots; see pack.h for what they are and docs/format.md for each byte.
 * May include: pack.h, outboard.h, core headers, the C library. Called by: as declared there.
 */
#include "store/pack.h"

#include <string.h>

#include "core/crc32c.h"
#include "core/little.h"
#include "store/outboard.h"

enum { FORMAT_VERSION = 1, OFFSET_BITS = 62 /* of any offset in a file: sums of two never overflow, and fit off_t */ };

/* Members of the head block. */
enum { HEAD_CRC = 8, HEAD_VERSION = 12, HEAD_NUMBER = 16, HEAD_SALT = 24, HEAD_ZERO = 32 };

/* Members of every slot. */
enum { SLOT_CRC = 4, SLOT_SALT = 8, SLOT_OFFSET = 16, SLOT_SEQUENCE = 24 };

/* Members of a commit head. */
enum { COMMIT_COUNT = 32, COMMIT_ZERO = 36, COMMIT_LENGTH = 40, COMMIT_ZEROS = 48 };

/* Members of a record. */
enum {
  RECORD_KIND = 32,
  RECORD_ZEROS = 33,
  RECORD_SIZE = 36,
  RECORD_SEGMENT = 40,
  RECORD_LOCATION = 48,
  RECORD_ZERO = 56,
  RECORD_BLAKE3 = 64,
  RECORD_SHA256 = 96
};

static const char segment_magic[8] = "ASSEGMNT";
static const char commit_magic[4] = "ASC1";
static const char record_magic[4] = "ASR1";

uint64_t as_payload_size(uint32_t object_size) { return object_size + as_outboard_size(object_size); }

/* ---- the head block ---- */

void as_segment_head_encode(const as_segment_id *id, uint8_t *block) {
  memset(block, 0, AS_PACK_BLOCK);
  memcpy(block, segment_magic, sizeof segment_magic);
  as_put32(block + HEAD_VERSION, FORMAT_VERSION);
  as_put64(block + HEAD_NUMBER, id->number);
  as_put64(block + HEAD_SALT, id->salt);
  as_put32(block + HEAD_CRC, as_crc32c(0, block + HEAD_VERSION, AS_PACK_BLOCK - HEAD_VERSION));
}

int as_segment_head_decode(const uint8_t *block, as_segment_id *out) {
  if (memcmp(block, segment_magic, sizeof segment_magic) != 0 ||
      as_get32(block + HEAD_CRC) != as_crc32c(0, block + HEAD_VERSION, AS_PACK_BLOCK - HEAD_VERSION)) {
    return AS_E_CORRUPT;
  }
  if (as_get32(block + HEAD_VERSION) != FORMAT_VERSION) {
    return AS_E_FORMAT;
  }
  as_segment_id id = {.number = as_get64(block + HEAD_NUMBER), .salt = as_get64(block + HEAD_SALT)};
  if (id.number == 0 || !as_is_zero(block + HEAD_ZERO, AS_PACK_BLOCK - HEAD_ZERO)) {
    return AS_E_CORRUPT;
  }
  *out = id;
  return 0;
}

/* ---- slots ---- */

static void begin_slot(const as_segment_id *id, const char magic[4], uint64_t offset, uint64_t sequence,
                       uint8_t *slot) {
  memset(slot, 0, AS_PACK_SLOT);
  memcpy(slot, magic, sizeof commit_magic);
  as_put64(slot + SLOT_SALT, id->salt);
  as_put64(slot + SLOT_OFFSET, offset);
  as_put64(slot + SLOT_SEQUENCE, sequence);
}

static void end_slot(uint8_t *slot) {
  as_put32(slot + SLOT_CRC, as_crc32c(0, slot + SLOT_SALT, AS_PACK_SLOT - SLOT_SALT));
}

void as_commit_head_encode(const as_segment_id *id, uint64_t offset, const as_commit_head *head, uint8_t *slot) {
  begin_slot(id, commit_magic, offset, head->sequence, slot);
  as_put32(slot + COMMIT_COUNT, head->count);
  as_put64(slot + COMMIT_LENGTH, head->length);
  end_slot(slot);
}

void as_record_encode(const as_segment_id *id, uint64_t offset, uint64_t sequence, const as_record *record,
                      uint8_t *slot) {
  begin_slot(id, record_magic, offset, sequence, slot);
  slot[RECORD_KIND] = (uint8_t)record->kind;
  if (record->kind != AS_RECORD_DELETED) {
    as_put32(slot + RECORD_SIZE, record->at.size);
    as_put64(slot + RECORD_SEGMENT, record->at.segment);
    as_put64(slot + RECORD_LOCATION, record->at.offset);
  }
  memcpy(slot + RECORD_BLAKE3, record->blake3, AS_DIGEST_SIZE);
  if (record->kind == AS_RECORD_OBJECT) {
    memcpy(slot + RECORD_SHA256, record->sha256, AS_DIGEST_SIZE);
  }
  end_slot(slot);
}

/* Whether the slot is whole and belongs here: what commit heads and records have in common. */
static int slot_is_ours(const as_segment_id *id, uint64_t offset, const uint8_t *slot) {
  return as_get64(slot + SLOT_OFFSET) == offset && as_get64(slot + SLOT_SALT) == id->salt &&
         as_get64(slot + SLOT_SEQUENCE) != 0 && offset % AS_PACK_SLOT == 0 && offset >= AS_PACK_BLOCK &&
         offset >> OFFSET_BITS == 0 &&
         as_get32(slot + SLOT_CRC) == as_crc32c(0, slot + SLOT_SALT, AS_PACK_SLOT - SLOT_SALT);
}

static int decode_commit(uint64_t offset, const uint8_t *slot, as_commit_head *out) {
  uint32_t count = as_get32(slot + COMMIT_COUNT);
  uint64_t length = as_get64(slot + COMMIT_LENGTH);
  if (offset % AS_PACK_BLOCK != 0 || count > AS_PACK_RECORDS_MAX || as_get32(slot + COMMIT_ZERO) != 0 ||
      !as_is_zero(slot + COMMIT_ZEROS, AS_PACK_SLOT - COMMIT_ZEROS)) {
    return 0;
  }
  if (length % AS_PACK_BLOCK != 0 || length >> OFFSET_BITS != 0 || (1 + (uint64_t)count) * AS_PACK_SLOT > length) {
    return 0;
  }
  *out = (as_commit_head){.sequence = as_get64(slot + SLOT_SEQUENCE), .count = count, .length = length};
  return 1;
}

/* Whether a record of this kind may name this place. */
static int location_in_range(const as_segment_id *id, uint64_t offset, as_record_kind kind, const as_location *at) {
  if (kind == AS_RECORD_DELETED) {
    return at->segment == 0 && at->offset == 0 && at->size == 0;
  }
  if (at->segment == 0 || at->offset % AS_PACK_ALIGN != 0 || at->offset >> OFFSET_BITS != 0) {
    return 0;
  }
  return kind == AS_RECORD_OBJECT ? at->segment == id->number && at->offset >= offset + AS_PACK_SLOT
                                  : at->offset > AS_PACK_BLOCK;
}

static int decode_record(const as_segment_id *id, uint64_t offset, const uint8_t *slot, as_record *out) {
  as_record record = {.kind = (as_record_kind)slot[RECORD_KIND],
                      .at = {.segment = as_get64(slot + RECORD_SEGMENT),
                             .offset = as_get64(slot + RECORD_LOCATION),
                             .size = as_get32(slot + RECORD_SIZE)}};
  if (slot[RECORD_KIND] < AS_RECORD_OBJECT || slot[RECORD_KIND] > AS_RECORD_WHOLE ||
      !as_is_zero(slot + RECORD_ZEROS, RECORD_SIZE - RECORD_ZEROS) || as_get64(slot + RECORD_ZERO) != 0 ||
      (record.kind != AS_RECORD_OBJECT && !as_is_zero(slot + RECORD_SHA256, AS_DIGEST_SIZE)) ||
      offset == AS_PACK_BLOCK || !location_in_range(id, offset, record.kind, &record.at)) {
    return 0;
  }
  memcpy(record.blake3, slot + RECORD_BLAKE3, AS_DIGEST_SIZE);
  memcpy(record.sha256, slot + RECORD_SHA256, AS_DIGEST_SIZE);
  *out = record;
  return 1;
}

as_slot_kind as_slot_decode(const as_segment_id *id, uint64_t offset, const uint8_t *slot, uint64_t *sequence,
                            as_commit_head *head, as_record *record) {
  int commit = memcmp(slot, commit_magic, sizeof commit_magic) == 0;
  if ((!commit && memcmp(slot, record_magic, sizeof record_magic) != 0) || !slot_is_ours(id, offset, slot)) {
    return AS_SLOT_NONE;
  }
  if (commit ? !decode_commit(offset, slot, head) : !decode_record(id, offset, slot, record)) {
    return AS_SLOT_NONE;
  }
  *sequence = as_get64(slot + SLOT_SEQUENCE);
  return commit ? AS_SLOT_COMMIT : AS_SLOT_RECORD;
}
