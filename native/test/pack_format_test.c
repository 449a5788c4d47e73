/*
 * The bytes of segment heads and slots: the worked example of docs/format.md, written out here as it is there; every
 * single-bit flip refused; every member out of range refused, though the checksum is right.
 * May include: pack_fixture.h. Run by: CTest.
 */
#include "pack_fixture.h"

static const as_segment_id id = {.number = 7, .salt = UINT64_C(0x0123456789abcdef)};

#define ABC_BLAKE3                                  \
  "64 37 b3 ac 38 46 51 33 ff b6 3b 75 27 3a 8d b5" \
  "48 c5 58 46 5d 79 db 03 fd 35 9c 6c d5 bd 9d 85"
#define ABC_SHA256                                  \
  "ba 78 16 bf 8f 01 cf ea 41 41 40 de 5d ae 22 23" \
  "b0 03 61 a3 96 17 7a 9c b4 10 ff 61 f2 00 15 ad"
#define EMPTY_BLAKE3                                \
  "af 13 49 b9 f5 f9 a1 a6 a0 40 4d ea 36 dc c9 49" \
  "9b cb 25 c9 ad c1 12 b7 cc 9a 93 ca e4 1f 32 62"
#define ZEROS_16 "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
#define ZEROS_32 ZEROS_16 ZEROS_16

static const char segment_head[] =
    "41 53 53 45 47 4d 4e 54 b3 09 84 ad 01 00 00 00"
    "07 00 00 00 00 00 00 00 ef cd ab 89 67 45 23 01"; /* and zeros */

static const char commit_head[] = /* at 4096: sequence 5, 2 records, 4096 bytes */
    "41 53 43 31 32 23 c0 75 ef cd ab 89 67 45 23 01"
    "00 10 00 00 00 00 00 00 05 00 00 00 00 00 00 00"
    "02 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00"
    "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00" ZEROS_32 ZEROS_32;

static const char object_record[] = /* at 4224: "abc" at 4480 */
    "41 53 52 31 f3 46 93 d7 ef cd ab 89 67 45 23 01"
    "80 10 00 00 00 00 00 00 05 00 00 00 00 00 00 00"
    "01 00 00 00 03 00 00 00 07 00 00 00 00 00 00 00"
    "80 11 00 00 00 00 00 00 00 00 00 00 00 00 00 00" ABC_BLAKE3 ABC_SHA256;

static const char deleted_record[] = /* at 4352: the empty object */
    "41 53 52 31 49 94 fe 4b ef cd ab 89 67 45 23 01"
    "00 11 00 00 00 00 00 00 05 00 00 00 00 00 00 00"
    "02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00" ZEROS_16 EMPTY_BLAKE3 ZEROS_32;

static const char damaged_record[] = /* at 4224: "abc" at 4480 */
    "41 53 52 31 ae 1b cc 8a ef cd ab 89 67 45 23 01"
    "80 10 00 00 00 00 00 00 05 00 00 00 00 00 00 00"
    "03 00 00 00 03 00 00 00 07 00 00 00 00 00 00 00"
    "80 11 00 00 00 00 00 00 00 00 00 00 00 00 00 00" ABC_BLAKE3 ZEROS_32;

static const char whole_record[] = /* at 4224: "abc" at 16777280 of segment 6 */
    "41 53 52 31 b5 23 7b 2c ef cd ab 89 67 45 23 01"
    "80 10 00 00 00 00 00 00 05 00 00 00 00 00 00 00"
    "04 00 00 00 03 00 00 00 06 00 00 00 00 00 00 00"
    "40 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00" ABC_BLAKE3 ZEROS_32;

static const struct {
  const char *name, *hex;
  uint64_t offset;
  as_record_kind kind; /* 0: a commit head */
  as_location at;
  const char *blake3, *sha256;
} slots[] = {
    {"commit head", commit_head, 4096, 0, {0}, NULL, NULL},
    {"object", object_record, 4224, AS_RECORD_OBJECT, {7, 4480, 3}, ABC_BLAKE3, ABC_SHA256},
    {"deleted", deleted_record, 4352, AS_RECORD_DELETED, {0}, EMPTY_BLAKE3, ZEROS_32},
    {"damaged", damaged_record, 4224, AS_RECORD_DAMAGED, {7, 4480, 3}, ABC_BLAKE3, ZEROS_32},
    {"whole", whole_record, 4224, AS_RECORD_WHOLE, {6, 0x1000040, 3}, ABC_BLAKE3, ZEROS_32},
};
enum { SLOTS = sizeof slots / sizeof slots[0] };

static const as_commit_head head = {.sequence = 5, .count = 2, .length = 4096};

static as_record record_of(int i) {
  as_record record = {.kind = slots[i].kind, .at = slots[i].at};
  CHECK_INT(from_hex(slots[i].blake3, record.blake3), AS_DIGEST_SIZE);
  CHECK_INT(from_hex(slots[i].sha256, record.sha256), AS_DIGEST_SIZE);
  return record;
}

/* What a slot is taken for; one that is refused must leave the caller's members as they were. */
static as_slot_kind decode(const as_segment_id *segment, uint64_t offset, const uint8_t *slot) {
  struct {
    uint64_t sequence;
    as_commit_head commit;
    as_record record;
  } out, untouched;
  memset(&out, 0xa5, sizeof out);
  memcpy(&untouched, &out, sizeof out);
  as_slot_kind kind = as_slot_decode(segment, offset, slot, &out.sequence, &out.commit, &out.record);
  CHECK(kind != AS_SLOT_NONE || memcmp(&out, &untouched, sizeof out) == 0, "a refused slot was given out");
  return kind;
}

static void test_encoding(void) {
  uint8_t block[AS_PACK_BLOCK], expected[AS_PACK_BLOCK] = {0};
  CHECK_INT(from_hex(segment_head, expected), 32);
  memset(block, 0xee, sizeof block);
  as_segment_head_encode(&id, block);
  CHECK_BYTES(block, expected, sizeof block, "segment head");
  for (int i = 0; i < SLOTS; i++) {
    CHECK_INT(from_hex(slots[i].hex, expected), AS_PACK_SLOT);
    memset(block, 0xee, sizeof block);
    if (slots[i].kind == 0) {
      as_commit_head_encode(&id, slots[i].offset, &head, block);
    } else {
      as_record record = record_of(i);
      as_record_encode(&id, slots[i].offset, 5, &record, block);
    }
    CHECK_BYTES(block, expected, AS_PACK_SLOT, "%s", slots[i].name);
    CHECK(block[AS_PACK_SLOT] == 0xee, "%s: more than a slot was written", slots[i].name);
  }
}

static void test_decoding(void) {
  uint8_t block[AS_PACK_BLOCK] = {0};
  as_segment_id found;
  from_hex(segment_head, block);
  CHECK_INT(as_segment_head_decode(block, &found), 0);
  CHECK(found.number == id.number && found.salt == id.salt, "segment head");
  for (int i = 0; i < SLOTS; i++) {
    uint64_t sequence = 0;
    as_commit_head commit = {0};
    as_record record = {0};
    from_hex(slots[i].hex, block);
    as_slot_kind kind = as_slot_decode(&id, slots[i].offset, block, &sequence, &commit, &record);
    CHECK_INT(sequence, 5);
    if (slots[i].kind == 0) {
      CHECK_INT(kind, AS_SLOT_COMMIT);
      CHECK(commit.sequence == 5 && commit.count == 2 && commit.length == 4096, "%s", slots[i].name);
    } else {
      as_record expected = record_of(i);
      CHECK_INT(kind, AS_SLOT_RECORD);
      CHECK(same_record(&record, &expected), "%s", slots[i].name);
    }
  }
}

/* What a caller leaves in members that a kind does not have is not written. */
static void test_unused_members(void) {
  uint8_t slot[AS_PACK_SLOT], expected[AS_PACK_SLOT];
  as_record record = record_of(2);
  record.at = (as_location){7, 4480, 3};
  memset(record.sha256, 0xff, sizeof record.sha256);
  as_record_encode(&id, 4352, 5, &record, slot);
  from_hex(deleted_record, expected);
  CHECK_BYTES(slot, expected, AS_PACK_SLOT, "deleted");
}

static void test_bit_flips(void) {
  uint8_t block[AS_PACK_BLOCK] = {0};
  as_segment_id found;
  from_hex(segment_head, block);
  for (size_t bit = 0; bit < sizeof block * 8; bit++) {
    block[bit / 8] ^= (uint8_t)(1u << bit % 8);
    CHECK(as_segment_head_decode(block, &found) == AS_E_CORRUPT, "segment head, bit %zu", bit);
    block[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  for (int i = 0; i < SLOTS; i++) {
    from_hex(slots[i].hex, block);
    for (size_t bit = 0; bit < AS_PACK_SLOT * 8; bit++) {
      block[bit / 8] ^= (uint8_t)(1u << bit % 8);
      CHECK(decode(&id, slots[i].offset, block) == AS_SLOT_NONE, "%s, bit %zu", slots[i].name, bit);
      block[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
  }
}

static void test_other_places(void) {
  uint8_t slot[AS_PACK_SLOT];
  as_segment_id other_salt = {.number = 7, .salt = id.salt + 1}, other_number = {.number = 8, .salt = id.salt};
  for (int i = 0; i < SLOTS; i++) {
    from_hex(slots[i].hex, slot);
    for (uint64_t offset = 0; offset < 3 * AS_PACK_BLOCK; offset += AS_PACK_ALIGN) {
      CHECK((decode(&id, offset, slot) == AS_SLOT_NONE) == (offset != slots[i].offset), "%s at %llu", slots[i].name,
            (unsigned long long)offset);
    }
    CHECK(decode(&other_salt, slots[i].offset, slot) == AS_SLOT_NONE, "%s in another segment", slots[i].name);
  }
  from_hex(object_record, slot);
  CHECK_INT(decode(&other_number, 4224, slot), AS_SLOT_NONE);
}

/* A member set to what it must not be, under a right checksum. */
typedef struct wrong {
  int slot;
  const char *what;
  int at, size;
  uint64_t value;
} wrong;

static const wrong wrongs[] = {
    {0, "sequence 0", 24, 8, 0},
    {0, "too many records", 32, 4, AS_PACK_RECORDS_MAX + 1},
    {0, "row of slots longer than the commit", 32, 4, 32},
    {0, "reserved bytes", 36, 4, 1},
    {0, "no length", 40, 8, 0},
    {0, "length not in blocks", 40, 8, 4096 + 128},
    {0, "length beyond any file", 40, 8, UINT64_C(1) << 62},
    {0, "reserved bytes", 48, 1, 1},
    {0, "reserved bytes", 127, 1, 1},
    {1, "sequence 0", 24, 8, 0},
    {1, "kind 0", 32, 1, 0},
    {1, "kind 5", 32, 1, 5},
    {1, "kind 255", 32, 1, 255},
    {1, "reserved bytes", 33, 1, 1},
    {1, "reserved bytes", 35, 1, 1},
    {1, "segment 0", 40, 8, 0},
    {1, "object in another segment", 40, 8, 6},
    {1, "location not aligned", 48, 8, 4480 + 32},
    {1, "location in front of the slot", 48, 8, 4160},
    {1, "location in the slot", 48, 8, 4224 + 64},
    {1, "location beyond any file", 48, 8, UINT64_C(1) << 62},
    {1, "location that overflows", 48, 8, UINT64_MAX - 63},
    {1, "reserved bytes", 56, 8, UINT64_C(1) << 40},
    {2, "deleted with a size", 36, 4, 1},
    {2, "deleted with a segment", 40, 8, 1},
    {2, "deleted with an offset", 48, 8, 4480},
    {2, "deleted with a SHA-256", 127, 1, 1},
    {3, "damaged in segment 0", 40, 8, 0},
    {3, "damaged, not aligned", 48, 8, 4481},
    {3, "damaged in the head block", 48, 8, 4032},
    {3, "damaged beyond any file", 48, 8, UINT64_C(1) << 62},
    {3, "damaged with a SHA-256", 96, 1, 1},
    {4, "whole in segment 0", 40, 8, 0},
    {4, "whole with a SHA-256", 96, 1, 1},
};

static void test_members_out_of_range(void) {
  uint8_t slot[AS_PACK_SLOT];
  for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
    const wrong *w = &wrongs[i];
    from_hex(slots[w->slot].hex, slot);
    for (int k = 0; k < w->size; k++) {
      slot[w->at + k] = (uint8_t)(w->value >> 8 * k);
    }
    reseal_slot(slot);
    CHECK(decode(&id, slots[w->slot].offset, slot) == AS_SLOT_NONE, "%s: %s", slots[w->slot].name, w->what);
  }
}

/* Slots at places where none can be, though they say so themselves. */
static void test_impossible_offsets(void) {
  static const uint64_t commits[] = {0, 4096 + 64, 4096 + 128, UINT64_C(1) << 62};
  static const uint64_t records[] = {0, 128, 4096, 4224 + 64, (UINT64_C(1) << 62) + 128};
  uint8_t slot[AS_PACK_SLOT];
  for (size_t i = 0; i < sizeof commits / sizeof commits[0]; i++) {
    as_commit_head_encode(&id, commits[i], &head, slot);
    CHECK(decode(&id, commits[i], slot) == AS_SLOT_NONE, "commit at %llu", (unsigned long long)commits[i]);
  }
  for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
    as_record record = record_of(2);
    as_record_encode(&id, records[i], 5, &record, slot);
    CHECK(decode(&id, records[i], slot) == AS_SLOT_NONE, "record at %llu", (unsigned long long)records[i]);
  }
}

static void test_largest_commit(void) {
  uint8_t slot[AS_PACK_SLOT];
  uint64_t row = (1 + AS_PACK_RECORDS_MAX) * AS_PACK_SLOT;
  as_commit_head largest = {.sequence = 1, .count = AS_PACK_RECORDS_MAX, .length = row + AS_PACK_BLOCK - AS_PACK_SLOT};
  as_commit_head_encode(&id, 4096, &largest, slot);
  CHECK_INT(decode(&id, 4096, slot), AS_SLOT_COMMIT);
  as_commit_head empty = {.sequence = UINT64_MAX, .count = 0, .length = AS_PACK_BLOCK};
  as_commit_head_encode(&id, 4096, &empty, slot);
  CHECK_INT(decode(&id, 4096, slot), AS_SLOT_COMMIT);
}

static void test_segment_head_members(void) {
  static const struct {
    int at, expected;
    uint8_t value;
  } changes[] = {{0, AS_E_CORRUPT, 'a'}, {12, AS_E_FORMAT, 2},     {12, AS_E_FORMAT, 0},
                 {16, AS_E_CORRUPT, 0},  {32, AS_E_CORRUPT, 1}, {4095, AS_E_CORRUPT, 1}};
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    uint8_t block[AS_PACK_BLOCK] = {0};
    as_segment_id found = {.number = 99, .salt = 99};
    from_hex(segment_head, block);
    block[changes[i].at] = changes[i].value;
    as_put32(block + 8, as_crc32c(0, block + 12, sizeof block - 12));
    CHECK(as_segment_head_decode(block, &found) == changes[i].expected, "byte %d", changes[i].at);
    CHECK(found.number == 99 && found.salt == 99, "a refused head was given out");
  }
}

static void test_payload_sizes(void) {
  CHECK_INT(as_payload_size(0), 0);
  CHECK_INT(as_payload_size(1), 1);
  CHECK_INT(as_payload_size(16384), 16384);
  CHECK_INT(as_payload_size(16385), 16385 + 8 + 64);
  CHECK_INT(as_payload_size(262144), 262144 + 8 + 15 * 64);
  CHECK_INT(as_payload_size(UINT32_MAX), UINT64_C(4294967295) + 8 + UINT64_C(262143) * 64);
}

int main(void) {
  test_encoding();
  test_decoding();
  test_unused_members();
  test_bit_flips();
  test_other_places();
  test_members_out_of_range();
  test_impossible_offsets();
  test_largest_commit();
  test_segment_head_members();
  test_payload_sizes();
  return 0;
}
