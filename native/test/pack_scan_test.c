/*
 * Scanning segments: made-up ones are compared record by record with what was put in, untouched, damaged anywhere, cut
 * off anywhere, and with copies of segments stored in them. The property that holds throughout: a record is visited,
 * once and in order, exactly if its slot is untouched and its payload within the file.
 * May include: pack_fixture.h, store/pack_scan.h. Run by: CTest.
 */
#include "store/pack_scan.h"

#include "pack_fixture.h"

static uint64_t seed = 7;
static model segment;

/* Which slots of the model are as they were; a scan is compared with it as it goes. */
static uint8_t intact[MODEL_RECORDS];
static size_t visited; /* the model's record that comes next */

static void skip_lost(void) {
  while (visited < segment.records && !intact[visited]) {
    visited++;
  }
}

static int visit_expected(void *context, uint64_t sequence, const as_record *record) {
  (void)context;
  skip_lost();
  CHECK(visited < segment.records, "a record that is not there");
  CHECK_INT(sequence, segment.list[visited].sequence);
  CHECK(same_record(record, &segment.list[visited].record), "record %zu of %zu is another", visited, segment.records);
  visited++;
  return 0;
}

/* Scans `size` bytes of what memory_io holds and checks that exactly the intact records are visited. */
static as_scan scan_expected(uint64_t size) {
  as_scan scan;
  visited = 0;
  CHECK_INT(scan_memory(size, &scan, visit_expected, NULL), 0);
  skip_lost();
  CHECK(visited == segment.records, "record %zu of %zu was not visited", visited, segment.records);
  return scan;
}

static void fill_model_sharing(int shares, size_t capacity, uint32_t records_most, uint32_t largest) {
  model_begin(&segment, &seed, capacity);
  segment.shares = shares;
  while (model_commit(&segment, &seed, (uint32_t)below(&seed, records_most + 1), largest)) {
  }
  memset(intact, 1, sizeof intact);
}

static void fill_model(size_t capacity, uint32_t records_most, uint32_t largest) {
  fill_model_sharing(0, capacity, records_most, largest);
}

static void check_untouched(const as_scan *scan) {
  CHECK_INT(scan->end, segment.size);
  CHECK_INT(scan->last_sequence, segment.commits ? segment.sequence : 0);
  CHECK_INT(scan->last_commit, segment.first_at);
  CHECK_INT(scan->damaged, 0);
}

/* ---- untouched ---- */

static void test_random_segments(int shares) {
  static const struct {
    size_t capacity;
    uint32_t records, largest;
  } shapes[] = {{AS_PACK_BLOCK, 0, 0},    {1 << 18, 3, 100},    {1 << 20, 1, 8192},     {1 << 20, 40, 300},
                {1 << 21, 100, 20000},    {1 << 22, 3, 262144}, {1 << 22, 4096, 64}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    fill_model_sharing(shares, shapes[i].capacity, shapes[i].records, shapes[i].largest);
    for (int tail = 0; tail < 2; tail++) { /* as it is, and with preallocated zeros behind it */
      memory_set(segment.bytes, tail ? segment.capacity : segment.size);
      for (memory_rough = 0; memory_rough < 6; memory_rough += 3) {
        as_scan scan = scan_expected(memory_size);
        check_untouched(&scan);
      }
      memory_rough = 0;
    }
    model_end(&segment);
  }
}

static void test_largest_commit(void) {
  model_begin(&segment, &seed, 1 << 23);
  for (int i = 0; i < 3; i++) {
    CHECK(model_commit(&segment, &seed, AS_PACK_RECORDS_MAX, 100), "no room");
  }
  memset(intact, 1, sizeof intact);
  memory_set(segment.bytes, segment.size);
  as_scan scan = scan_expected(memory_size);
  check_untouched(&scan);
  model_end(&segment);
}

/* Deleted payloads leave zeros; nothing is damaged, and everything behind them is found. */
static void test_punched_payloads(void) {
  fill_model(1 << 21, 30, 20000);
  for (size_t i = 0; i < segment.records; i += 1 + below(&seed, 3)) {
    const as_record *record = &segment.list[i].record;
    if (record->kind == AS_RECORD_OBJECT) {
      memset(segment.bytes + record->at.offset, 0, as_payload_size(record->at.size));
    }
  }
  memory_set(segment.bytes, segment.size);
  as_scan scan = scan_expected(memory_size);
  check_untouched(&scan);
  model_end(&segment);
}

/* What is preallocated and not used yet is read in large pieces. */
static void test_reading_zeros(void) {
  fill_model(1 << 16, 10, 1000);
  segment.bytes = realloc(segment.bytes, 1 << 25);
  memset(segment.bytes + segment.size, 0, (1 << 25) - segment.size);
  memory_set(segment.bytes, 1 << 25);
  memory_reads = 0;
  as_scan scan = scan_expected(memory_size);
  check_untouched(&scan);
  CHECK(memory_reads < 100, "%u reads", memory_reads);
  model_end(&segment);
}

/* Objects of 4 KiB in commits of 255: slots are 3% of the bytes, and little more than these is read. */
static void test_reading_little(void) {
  model_begin(&segment, &seed, 1 << 25);
  uint32_t objects = 0;
  for (uint64_t at = AS_PACK_BLOCK; at + (1 << 21) < segment.capacity; segment.commits++) {
    uint64_t row = 256 * AS_PACK_SLOT;
    as_commit_head head = {.sequence = segment.commits + 1, .count = 255, .length = row + 255 * 4096};
    as_commit_head_encode(&segment.id, at, &head, segment.bytes + at);
    for (uint64_t i = 0; i < 255; i++, objects++) {
      as_record record = {.kind = AS_RECORD_OBJECT, .at = {segment.id.number, at + row + i * 4096, 4096}};
      uint64_t slot = at + (1 + i) * AS_PACK_SLOT;
      as_record_encode(&segment.id, slot, head.sequence, &record, segment.bytes + slot);
      segment.list[segment.records].sequence = head.sequence;
      segment.list[segment.records++].record = record;
    }
    at += head.length;
    segment.size = at;
  }
  memset(intact, 1, sizeof intact);
  memory_set(segment.bytes, segment.size);
  memory_read = 0;
  scan_expected(memory_size);
  CHECK(objects > 7000 && memory_read * 100 < memory_size * 4, "%llu of %zu bytes were read for %u objects",
        (unsigned long long)memory_read, memory_size, objects);
  double share = (double)memory_read / (double)memory_size;
  printf("scan of %u objects of 4 KiB: %.2f%% of %zu bytes read\n", objects, 100 * share, memory_size);
  model_end(&segment);
}

/* ---- damaged ---- */

/* Marks the records whose slots differ from the model's, or whose payload ends beyond the file. Returns how many bytes
 * of slots, heads included, hold something else than what was written or zeros. */
static uint64_t compare_with_model(void) {
  static const uint8_t zeros[AS_PACK_SLOT];
  uint64_t altered = 0;
  for (size_t i = 0; i < segment.commits + segment.records; i++) {
    int head = i < segment.commits;
    uint64_t slot = head ? segment.commit_at[i] : segment.list[i - segment.commits].slot;
    int inside = slot + AS_PACK_SLOT <= memory_size;
    int same = inside && memcmp(memory_bytes + slot, segment.bytes + slot, AS_PACK_SLOT) == 0;
    altered += inside && !same && memcmp(memory_bytes + slot, zeros, AS_PACK_SLOT) != 0 ? AS_PACK_SLOT : 0;
    if (!head) {
      const as_record *record = &segment.list[i - segment.commits].record;
      uint64_t end = record->kind == AS_RECORD_OBJECT ? record->at.offset + as_payload_size(record->at.size) : 0;
      intact[i - segment.commits] = same && end <= memory_size;
    }
  }
  return altered;
}

/* Overwrites a stretch, half of the time one that begins in a row of slots. */
static void damage_stretch(void) {
  static const size_t lengths[] = {1, 100, 128, 512, 4096, 30000};
  size_t length = 1 + below(&seed, lengths[below(&seed, 6)]);
  size_t at = AS_PACK_BLOCK + below(&seed, memory_size - AS_PACK_BLOCK);
  if (below(&seed, 2) && segment.commits) {
    at = segment.commit_at[below(&seed, segment.commits)] + below(&seed, 1000);
  }
  uint8_t fill = (uint8_t)below(&seed, 3);
  for (size_t i = at; i < at + length && i < memory_size; i++) {
    memory_bytes[i] = fill == 2 ? (uint8_t)next_random(&seed) : fill ? (uint8_t)~memory_bytes[i] : 0;
  }
}

static void test_damage(void) {
  size_t lost = 0;
  for (int round = 0; round < 40; round++) {
    fill_model(round % 2 ? 1 << 20 : 1 << 22, 1 + (uint32_t)below(&seed, 100), 1 + (uint32_t)below(&seed, 9000));
    for (int i = 0; i < 30; i++) {
      memory_set(segment.bytes, segment.size);
      for (uint64_t k = 1 + below(&seed, 6); k > 0; k--) {
        damage_stretch();
      }
      uint64_t altered = compare_with_model();
      as_scan scan = scan_expected(memory_size);
      CHECK(scan.damaged >= altered, "%llu bytes of slots are damaged, %llu were counted", (unsigned long long)altered,
            (unsigned long long)scan.damaged);
      CHECK(scan.end <= segment.size && scan.end % AS_PACK_BLOCK == 0, "end %llu", (unsigned long long)scan.end);
      lost += altered / AS_PACK_SLOT;
    }
    model_end(&segment);
  }
  CHECK(lost > 10000, "only %zu slots were damaged", lost);
}

/* The last commit without its head, or its first records: end and last sequence come from what is left. */
static void test_end_from_strays(void) {
  model_begin(&segment, &seed, 1 << 20);
  CHECK(model_commit(&segment, &seed, 5, 1000), "no room");
  uint64_t before = segment.size, last = model_commit(&segment, &seed, 60, 3000);
  CHECK(last, "no room");
  memory_set(segment.bytes, segment.size);
  memory_bytes[before + 50] ^= 1;
  compare_with_model();
  as_scan scan = scan_expected(memory_size);
  CHECK_INT(scan.end, segment.size);
  CHECK_INT(scan.last_sequence, segment.sequence);
  CHECK_INT(scan.last_commit, before);
  CHECK_INT(scan.damaged, AS_PACK_SLOT);
  memset(memory_bytes + before, 0xff, AS_PACK_BLOCK); /* and with it the first records, whose payloads still count */
  compare_with_model();
  scan = scan_expected(memory_size);
  CHECK_INT(scan.last_sequence, segment.sequence);
  CHECK_INT(scan.last_commit, before + AS_PACK_BLOCK);
  CHECK(scan.damaged >= AS_PACK_BLOCK, "%llu", (unsigned long long)scan.damaged);
  memset(memory_bytes + before, 0xff, last - before);
  compare_with_model();
  scan = scan_expected(memory_size);
  CHECK_INT(scan.end, before);
  CHECK_INT(scan.last_commit, segment.commit_at[0]);
  model_end(&segment);
}

/* Makes a commit of an object of 1,000 bytes in each record but the last, which is a deletion. */
static uint64_t plain_commit(uint32_t count) {
  uint64_t at = segment.size, payload = at + (1 + (uint64_t)count) * AS_PACK_SLOT;
  segment.sequence++;
  for (uint32_t i = 0; i < count; i++, segment.records++) {
    as_record record = {.kind = AS_RECORD_DELETED};
    if (i + 1 < count) {
      record = (as_record){.kind = AS_RECORD_OBJECT, .at = {segment.id.number, payload, 1000}};
      memset(segment.bytes + payload, 0xee, 1000);
      payload += 1024;
    }
    uint64_t slot = at + (1 + (uint64_t)i) * AS_PACK_SLOT;
    as_record_encode(&segment.id, slot, segment.sequence, &record, segment.bytes + slot);
    segment.list[segment.records].sequence = segment.sequence;
    segment.list[segment.records].slot = slot;
    segment.list[segment.records].record = record;
  }
  segment.size = (payload + AS_PACK_BLOCK - 1) / AS_PACK_BLOCK * AS_PACK_BLOCK;
  as_commit_head head = {.sequence = segment.sequence, .count = count, .length = segment.size - at};
  as_commit_head_encode(&segment.id, at, &head, segment.bytes + at);
  segment.commit_at[segment.commits++] = at;
  return at;
}

/* Two commits without their heads, and the second without one of its records: three slots are damaged, no payload is,
 * and the end is that of the last payload, though a deletion is found after it. */
static void test_strays_of_two_commits(void) {
  model_begin(&segment, &seed, 1 << 20);
  uint64_t first = plain_commit(5), second = plain_commit(40);
  memory_set(segment.bytes, segment.size);
  memory_bytes[first + 60] ^= 1;
  memory_bytes[second + 60] ^= 1;
  memory_bytes[second + 3 * AS_PACK_SLOT + 60] ^= 1;
  compare_with_model();
  as_scan scan = scan_expected(memory_size);
  CHECK_INT(scan.damaged, 3 * AS_PACK_SLOT);
  CHECK_INT(scan.end, segment.size);
  CHECK_INT(scan.last_sequence, segment.sequence);
  CHECK_INT(scan.last_commit, second);
  model_end(&segment);
}

/* Writes a commit again over the one at `at`, which was torn: what the older one left in or behind the row of the newer
 * is not taken for a part of the newer. */
static void test_overwritten_commit(void) {
  model_begin(&segment, &seed, 1 << 20);
  CHECK(model_commit(&segment, &seed, 10, 1000), "no room");
  uint64_t at = segment.commit_at[0];
  uint8_t *slot = segment.bytes + at + 3 * AS_PACK_SLOT;
  as_record other = {.kind = AS_RECORD_DELETED};
  as_record_encode(&segment.id, at + 3 * AS_PACK_SLOT, segment.sequence + 1, &other, slot);
  memory_set(segment.bytes, segment.size);
  memset(intact, 1, sizeof intact);
  intact[2] = 0; /* of another sequence than the head in front of it */
  as_scan scan = scan_expected(memory_size);
  CHECK_INT(scan.damaged, AS_PACK_SLOT);
  CHECK_INT(scan.last_sequence, segment.sequence);
  model_end(&segment);
}

/* A payload outside of its commit is none of this record, however right the checksum. */
static void test_payload_of_another(void) {
  model_begin(&segment, &seed, 1 << 20);
  CHECK(model_commit(&segment, &seed, 10, 1000) && model_commit(&segment, &seed, 10, 1000), "no room");
  uint64_t at = segment.commit_at[0];
  static const uint64_t places[] = {2, 11}; /* in slots: within the row, and in a commit that ends too early */
  for (int i = 0; i < 2; i++) {
    as_record other = {.kind = AS_RECORD_OBJECT,
                       .at = {segment.id.number, i ? segment.commit_at[1] : at + places[i] * AS_PACK_SLOT, 100}};
    as_record_encode(&segment.id, at + AS_PACK_SLOT, segment.list[0].sequence, &other,
                     segment.bytes + at + AS_PACK_SLOT);
    memory_set(segment.bytes, segment.size);
    memset(intact, 1, sizeof intact);
    intact[0] = 0;
    as_scan scan = scan_expected(memory_size);
    CHECK_INT(scan.damaged, AS_PACK_SLOT);
  }
  model_end(&segment);
}

/* ---- cut off ---- */

static int visit_any(void *context, uint64_t sequence, const as_record *record) {
  (void)context, (void)sequence, (void)record;
  return 0;
}

static void test_cut_anywhere(void) {
  fill_model(200000, 20, 3000);
  for (size_t size = AS_PACK_BLOCK; size <= segment.size; size += size % 4096 < 512 ? 64 : 333) {
    memory_set(segment.bytes, size);
    compare_with_model();
    as_scan scan = scan_expected(size);
    CHECK(scan.end <= segment.size, "%zu", size);
    as_scan again; /* told a size that the file does not have: the slots are the same */
    CHECK_INT(scan_memory(segment.size, &again, visit_any, NULL), 0);
    CHECK(again.last_sequence >= scan.last_sequence && again.end <= segment.size, "%zu", size);
  }
  for (size_t size = 0; size < AS_PACK_BLOCK; size += 273) {
    as_scan scan;
    memory_set(segment.bytes, size);
    CHECK_INT(scan_memory(size, &scan, visit_expected, NULL), AS_E_CORRUPT);
    CHECK_INT(scan_memory(segment.size, &scan, visit_expected, NULL), AS_E_CORRUPT);
  }
  model_end(&segment);
}

/* ---- segments stored in segments ---- */

/* Puts a segment into the payload of a record: another one, so that its slots stand at the offsets they state, or this
 * one, whose slots state its salt. Then destroys the commit's head, so that every slot is looked at. */
static void test_stored_copy(int of_another) {
  static model other;
  uint64_t other_seed = seed + 1; /* another salt */
  model_begin(&other, &other_seed, 300000);
  while (model_commit(&other, &other_seed, 30, 1000)) {
  }
  fill_model(200000, 20, 2000);
  CHECK(segment.size < 250000 && other.size > 250000, "shapes");
  segment.capacity = 1 << 21;
  segment.bytes = realloc(segment.bytes, segment.capacity);
  memset(segment.bytes + segment.size, 0, segment.capacity - segment.size);
  uint64_t at = segment.size, payload = at + AS_PACK_BLOCK;
  as_record record = {.kind = AS_RECORD_OBJECT, .at = {segment.id.number, payload, 400000}};
  as_commit_head head = {.sequence = ++segment.sequence, .count = 1, .length = 512000};
  as_commit_head_encode(&segment.id, at, &head, segment.bytes + at);
  as_record_encode(&segment.id, at + AS_PACK_SLOT, head.sequence, &record, segment.bytes + at + AS_PACK_SLOT);
  segment.commit_at[segment.commits++] = at;
  segment.list[segment.records].sequence = head.sequence;
  segment.list[segment.records].slot = at + AS_PACK_SLOT;
  segment.list[segment.records++].record = record;
  if (of_another) {
    memcpy(segment.bytes + payload, other.bytes + payload, other.size - payload); /* right offsets, other salt */
  } else {
    memcpy(segment.bytes + payload, segment.bytes, at); /* right salt, other offsets */
  }
  segment.size = at + head.length;
  memory_set(segment.bytes, segment.size);
  memory_bytes[at + 9] ^= 0x10;
  compare_with_model();
  as_scan scan = scan_expected(memory_size);
  CHECK_INT(scan.damaged, AS_PACK_SLOT);
  memory_bytes[at + AS_PACK_SLOT + 100] ^= 1; /* the record too: nothing of the commit is known any more */
  compare_with_model();
  scan = scan_expected(memory_size);
  CHECK(scan.end == at && scan.damaged > 2 * AS_PACK_SLOT, "end %llu", (unsigned long long)scan.end);
  model_end(&segment);
  model_end(&other);
}

/* ---- errors ---- */

static int visit_refusing(void *context, uint64_t sequence, const as_record *record) {
  (void)sequence, (void)record;
  size_t *left = context;
  return --*left == 0 ? -ECANCELED : 0;
}

static void test_errors(void) {
  as_scan scan;
  fill_model(1 << 20, 20, 3000);
  memory_set(segment.bytes, segment.size);
  for (size_t left = 1; left <= segment.records; left += 7) {
    size_t countdown = left;
    CHECK_INT(scan_memory(memory_size, &scan, visit_refusing, &countdown), -ECANCELED);
    CHECK_INT(countdown, 0);
    memory_bytes[segment.commit_at[below(&seed, segment.commits)]] ^= 1; /* from records by themselves as well */
  }
  memory_error = -EIO;
  CHECK_INT(scan_memory(memory_size, &scan, visit_expected, NULL), -EIO);
  memory_error = 0;
  memory_bytes[20] ^= 1;
  CHECK_INT(scan_memory(memory_size, &scan, visit_expected, NULL), AS_E_CORRUPT);
  as_segment_head_encode(&segment.id, memory_bytes);
  as_put32(memory_bytes + 12, 2);
  as_put32(memory_bytes + 8, as_crc32c(0, memory_bytes + 12, AS_PACK_BLOCK - 12));
  CHECK_INT(scan_memory(memory_size, &scan, visit_expected, NULL), AS_E_FORMAT);
  model_end(&segment);
}

int main(void) {
  test_random_segments(0);
  test_random_segments(1);
  test_largest_commit();
  test_punched_payloads();
  test_reading_zeros();
  test_reading_little();
  test_damage();
  test_end_from_strays();
  test_strays_of_two_commits();
  test_overwritten_commit();
  test_payload_of_another();
  test_cut_anywhere();
  test_stored_copy(0);
  test_stored_copy(1);
  test_errors();
  free(memory_bytes);
  return 0;
}
