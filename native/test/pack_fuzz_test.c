/*
 * Fuzz of everything that reads packs and indexes: arbitrary bytes, and whole files altered in random places, their
 * checksums made right again half of the time, so that what is behind them is reached. Nothing crashes or reads beyond,
 * and what comes out holds what pack.h, pack_scan.h and pack_index.h promise. A case depends on its number alone:
 *   ARTIFACTSTORE_FUZZ_CASES=1000000  how many cases; without it as many as take a few seconds
 *   ARTIFACTSTORE_FUZZ_FIRST=12345    the number of the first, to repeat one that failed
 *   ARTIFACTSTORE_FUZZ_SECONDS=600    for so long instead of a number of cases
 * May include: pack_fixture.h, store/pack_index.h, store/pack_scan.h. Run by: CTest.
 */
#include <time.h>

#include "pack_fixture.h"
#include "store/pack_index.h"
#include "store/pack_scan.h"

enum { CASES_DEFAULT = 10000, SEGMENT_MOST = 200000, ENTRIES_MOST = 400, PAGE = AS_PACK_BLOCK };

static unsigned long case_number;
static uint64_t seed;

/* One change: a bit, a byte, a word that is likely to matter, a stretch of zeros or noise, or a copy from elsewhere. */
static void alter(uint8_t *bytes, size_t size) {
  static const uint64_t words[] = {0, 1, 63, 64, 127, 128, 4095, 4096, 4097, 8192, UINT32_MAX, UINT64_MAX,
                                   UINT64_C(1) << 62, INT64_MAX, UINT64_C(1) << 63};
  size_t at = below(&seed, size), left = size - at;
  size_t length = 1 + below(&seed, below(&seed, 4) ? 16 : 600);
  length = length < left ? length : left;
  switch (below(&seed, 6)) {
    case 0:
      bytes[at] ^= (uint8_t)(1u << below(&seed, 8));
      break;
    case 1:
      bytes[at] = (uint8_t)next_random(&seed);
      break;
    case 2: {
      uint8_t word[8];
      as_put64(word, words[below(&seed, sizeof words / sizeof words[0])]);
      at = at / 4 * 4;
      left = size - at;
      memcpy(bytes + at, word, left < 8 ? left : below(&seed, 2) ? 8 : 4);
      break;
    }
    case 3:
      memset(bytes + at, 0, length);
      break;
    case 4:
      while (length-- > 0) {
        bytes[at + length] = (uint8_t)next_random(&seed);
      }
      break;
    default:
      memmove(bytes + at, bytes + below(&seed, size - length + 1), length);
  }
}

/* ---- slots and heads ---- */

/* A slot that is taken for one is, byte for byte, what encoding gives: no two byte sequences mean the same. */
static void check_slot(const as_segment_id *id, uint64_t offset, const uint8_t *slot) {
  uint8_t again[AS_PACK_SLOT];
  uint64_t sequence;
  as_commit_head head;
  as_record record;
  as_slot_kind kind = as_slot_decode(id, offset, slot, &sequence, &head, &record);
  if (kind == AS_SLOT_NONE) {
    return;
  }
  if (kind == AS_SLOT_COMMIT) {
    as_commit_head_encode(id, offset, &head, again);
    CHECK(head.sequence == sequence && head.count <= AS_PACK_RECORDS_MAX && head.length % AS_PACK_BLOCK == 0 &&
              head.length >= (1 + (uint64_t)head.count) * AS_PACK_SLOT && offset + head.length > offset,
          "case %lu: a commit out of range", case_number);
  } else {
    as_record_encode(id, offset, sequence, &record, again);
    CHECK(record.at.offset + as_payload_size(record.at.size) >= record.at.offset, "case %lu: a payload out of range",
          case_number);
  }
  CHECK_BYTES(slot, again, AS_PACK_SLOT, "case %lu: encoded again", case_number);
}

static void run_slot(void) {
  uint8_t slot[AS_PACK_SLOT];
  as_segment_id id = {.number = 1 + below(&seed, 3), .salt = next_random(&seed)};
  uint64_t offset = AS_PACK_SLOT * below(&seed, 100), sequence = below(&seed, 4);
  if (below(&seed, 2)) {
    offset = offset / AS_PACK_BLOCK * AS_PACK_BLOCK;
    as_commit_head head = {sequence, (uint32_t)below(&seed, AS_PACK_RECORDS_MAX), AS_PACK_BLOCK * below(&seed, 200)};
    as_commit_head_encode(&id, offset, &head, slot);
  } else {
    as_record record = {.kind = (as_record_kind)below(&seed, 6),
                        .at = {below(&seed, 4), AS_PACK_ALIGN * below(&seed, 1000), (uint32_t)next_random(&seed)}};
    random_digest(&seed, record.blake3);
    as_record_encode(&id, offset, sequence, &record, slot);
  }
  check_slot(&id, offset, slot);
  for (uint64_t i = below(&seed, 4); i > 0; i--) {
    alter(slot + (below(&seed, 2) ? 24 : 0), below(&seed, 2) ? 40 : AS_PACK_SLOT - 24);
  }
  if (below(&seed, 4)) {
    reseal_slot(slot);
  }
  check_slot(&id, offset, slot);
  check_slot(&id, as_get64(slot + 16), slot);
}

static void run_head(void) {
  static uint8_t block[AS_PACK_BLOCK], again[AS_PACK_BLOCK];
  as_segment_id id = {.number = below(&seed, 3), .salt = next_random(&seed)};
  as_segment_head_encode(&id, block);
  for (uint64_t i = below(&seed, 3); i > 0; i--) {
    alter(block, below(&seed, 2) ? 40 : sizeof block);
  }
  if (below(&seed, 4)) {
    as_put32(block + 8, as_crc32c(0, block + 12, sizeof block - 12));
  }
  int error = as_segment_head_decode(block, &id);
  if (!error) {
    as_segment_head_encode(&id, again);
    CHECK_BYTES(block, again, sizeof block, "case %lu: encoded again", case_number);
  } else {
    CHECK(error == AS_E_CORRUPT || error == AS_E_FORMAT, "case %lu: error %d", case_number, error);
  }
}

/* ---- segments ---- */

static size_t visits, visits_most;

static int visit_checked(void *context, uint64_t sequence, const as_record *record) {
  (void)context;
  CHECK(++visits <= visits_most, "case %lu: more records than there is room for", case_number);
  CHECK(sequence != 0 && record->kind >= AS_RECORD_OBJECT && record->kind <= AS_RECORD_WHOLE, "case %lu: a record",
        case_number);
  if (record->kind == AS_RECORD_OBJECT) {
    CHECK(record->at.offset % AS_PACK_ALIGN == 0 && record->at.offset + as_payload_size(record->at.size) <= memory_size,
          "case %lu: a payload beyond the file", case_number);
  }
  return visits == visits_most / 2 && below(&seed, 8) == 0 ? -ECANCELED : 0;
}

/* Alters one slot of the model where it stands in the file, and makes its checksum right again; or puts a copy of it
 * where it says it belongs, if that is elsewhere. */
static void alter_slot(const model *segment) {
  uint64_t number = below(&seed, segment->commits + segment->records);
  uint64_t at = number < segment->commits ? segment->commit_at[number] : segment->list[number - segment->commits].slot;
  uint8_t *slot = memory_bytes + at;
  alter(slot + 16, 40);
  if (below(&seed, 8)) {
    as_put64(slot + 16, at);
  }
  reseal_slot(slot);
  uint64_t elsewhere = as_get64(slot + 16);
  if (elsewhere < memory_size && memory_size - elsewhere >= AS_PACK_SLOT) {
    memmove(memory_bytes + elsewhere, slot, AS_PACK_SLOT);
  }
}

static void run_segment(void) {
  static model segment;
  model_begin(&segment, &seed, AS_PACK_BLOCK + below(&seed, SEGMENT_MOST));
  uint32_t records = 1 + (uint32_t)below(&seed, below(&seed, 3) ? 10 : 300), largest = (uint32_t)below(&seed, 3000);
  while (model_commit(&segment, &seed, 1 + (uint32_t)below(&seed, records), largest)) {
  }
  memory_set(segment.bytes, below(&seed, 2) ? segment.size : segment.capacity);
  for (uint64_t i = below(&seed, 12); i > 0 && segment.commits; i--) {
    if (below(&seed, 2)) {
      alter_slot(&segment);
    } else {
      alter(memory_bytes, memory_size);
    }
  }
  if (below(&seed, 4)) {
    as_segment_head_encode(&segment.id, memory_bytes);
  }
  if (below(&seed, 4) == 0) {
    uint8_t *bytes = memory_bytes;
    memory_bytes = NULL;
    memory_set(bytes, below(&seed, memory_size + 1));
    free(bytes);
  }
  as_scan scan;
  visits = 0;
  visits_most = memory_size / AS_PACK_SLOT;
  memory_rough = below(&seed, 4) ? 0 : 2 + (unsigned)below(&seed, 5);
  int error = scan_memory(memory_size, &scan, visit_checked, NULL);
  memory_rough = 0;
  CHECK(error == 0 || error == AS_E_CORRUPT || error == AS_E_FORMAT || error == -ECANCELED, "case %lu: error %d",
        case_number, error);
  CHECK(scan.end >= AS_PACK_BLOCK && scan.end % AS_PACK_BLOCK == 0 && scan.last_commit <= memory_size &&
            scan.damaged <= memory_size && !scan.last_sequence == !scan.last_commit,
        "case %lu: what the scan says", case_number);
  model_end(&segment);
}

/* ---- indexes ---- */

static as_entry entries[ENTRIES_MOST];
static size_t entry_count, entry_next;

static int compare(const void *a, const void *b) {
  return memcmp(((const as_entry *)a)->blake3, ((const as_entry *)b)->blake3, AS_DIGEST_SIZE);
}

static int give(void *context, as_entry *out) {
  (void)context;
  *out = entries[entry_next % ENTRIES_MOST];
  return entry_next++ < entry_count;
}

static int take(void *context, const uint8_t *bytes, size_t size) {
  static uint8_t file[PAGE * (ENTRIES_MOST / 73 + 4)];
  size_t *at = context;
  CHECK(*at + size <= sizeof file, "case %lu: %zu bytes", case_number, *at + size);
  memcpy(file + *at, bytes, size);
  *at += size;
  memory_set(file, *at); /* each part is the beginning of a file */
  return 0;
}

static void make_index(void) {
  entry_count = below(&seed, below(&seed, 2) ? ENTRIES_MOST : 10);
  entry_next = 0;
  uint64_t alike = below(&seed, 4);
  for (size_t i = 0; i < entry_count; i++) {
    random_digest(&seed, entries[i].blake3);
    memset(entries[i].blake3, 0x20, alike == 0 ? 8 : 0);
    entries[i].kind = (as_record_kind)(1 + below(&seed, 4));
    entries[i].at = (as_location){next_random(&seed), next_random(&seed), (uint32_t)next_random(&seed)};
  }
  qsort(entries, entry_count, sizeof entries[0], compare);
  as_index_head head = {.first_segment = 1, .last_segment = 1 + below(&seed, 3), .count = entry_count};
  size_t size = 0;
  CHECK_INT(as_index_write(&head, give, NULL, take, &size), 0);
}

/* Makes the checksums of one part right again: 0 the head page, 1 a page of entries, 2 the table of first keys. */
static void reseal_index(uint64_t part) {
  size_t pages = (memory_size - PAGE - 8) / (PAGE + 8);
  uint8_t *keys = memory_bytes + PAGE + pages * PAGE;
  if (part == 0) {
    as_put32(memory_bytes + 8, as_crc32c(0, memory_bytes + 12, PAGE - 12));
  } else if (part == 1) {
    for (size_t i = 1; i <= pages; i++) {
      as_put32(memory_bytes + i * PAGE, as_crc32c(0, memory_bytes + i * PAGE + 4, PAGE - 4));
    }
  } else {
    as_put32(keys + pages * 8, as_crc32c(0, keys, pages * 8));
  }
}

/* A change in one part of the file, the parts being as different in size as they are. */
static void alter_index(void) {
  size_t pages = (memory_size - PAGE - 8) / (PAGE + 8), keys = PAGE + pages * PAGE;
  switch (below(&seed, 4)) {
    case 0:
      alter(memory_bytes + 12, 52);
      break;
    case 1:
      alter(memory_bytes + keys, memory_size - keys);
      break;
    default:
      alter(memory_bytes, memory_size);
  }
}

/* Every answer is about the address asked for; without forged checksums it is an error or what was written. */
static void check_find(const as_index *index, const uint8_t *address, const as_entry *expected, int forged) {
  as_entry entry;
  int found = as_index_find(index, address, &entry);
  CHECK(found == 0 || found == 1 || found == AS_E_CORRUPT, "case %lu: find gives %d", case_number, found);
  CHECK(found != 1 || memcmp(entry.blake3, address, AS_DIGEST_SIZE) == 0, "case %lu: another address", case_number);
  if (!forged && found >= 0) {
    CHECK(found == (expected != NULL) &&
              (!expected || (entry.kind == expected->kind && entry.at.segment == expected->at.segment &&
                             entry.at.offset == expected->at.offset && entry.at.size == expected->at.size)),
          "case %lu: a wrong answer", case_number);
  }
}

static void check_walk(as_index *index) {
  as_index_merge merge = {.indexes = (const as_index *const[]){index, index}, .count = 2};
  as_entry entry, merged;
  uint64_t position = 0, steps = 0;
  int result;
  while ((result = as_index_next(index, &position, &entry)) == 1) {
    CHECK(++steps <= as_index_head_of(index)->count && position == steps, "case %lu: too many entries", case_number);
    CHECK(entry.kind >= AS_RECORD_OBJECT && entry.kind <= AS_RECORD_WHOLE, "case %lu: a kind", case_number);
    CHECK(as_index_merge_next(&merge, &merged) != 0, "case %lu: the merge ends early", case_number);
  }
  CHECK(result == 0 || result == AS_E_CORRUPT, "case %lu: next gives %d", case_number, result);
}

static void run_index(void) {
  make_index();
  int forged = (int)below(&seed, 2);
  for (uint64_t i = below(&seed, 4); i > 0; i--) {
    alter_index();
  }
  for (uint64_t part = 0; forged && part < 3; part++) {
    if (below(&seed, 4)) {
      reseal_index(part);
    }
  }
  if (below(&seed, 10) == 0) {
    uint8_t *bytes = calloc(1, memory_size + 2 * PAGE);
    memcpy(bytes, memory_bytes, memory_size);
    memory_set(bytes, below(&seed, memory_size + 2 * PAGE));
    free(bytes);
  }
  as_index *index;
  int error = as_index_open(&memory_io, AT_FDCWD, "index", &index);
  if (error) {
    CHECK(error == AS_E_CORRUPT || error == AS_E_FORMAT, "case %lu: error %d", case_number, error);
    return;
  }
  for (size_t i = 0; i < entry_count; i += 1 + below(&seed, 20)) {
    check_find(index, entries[i].blake3, &entries[i], forged);
  }
  for (int i = 0; i < 5; i++) {
    uint8_t address[AS_DIGEST_SIZE];
    random_digest(&seed, address);
    memset(address, (int)below(&seed, 256), below(&seed, 2) * 8);
    check_find(index, address, NULL, forged);
  }
  check_walk(index);
  as_index_close(index);
}

/* ---- all of it ---- */

static void run_case(void) {
  uint64_t kind = below(&seed, 16);
  if (kind < 4) {
    for (int i = 0; i < 50; i++) {
      run_slot();
    }
  } else if (kind < 5) {
    run_head();
  } else if (kind < 10) {
    run_segment();
  } else {
    run_index();
  }
}

static unsigned long setting(const char *name, unsigned long otherwise) {
  const char *text = getenv(name);
  return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

int main(void) {
  unsigned long first = setting("ARTIFACTSTORE_FUZZ_FIRST", 0), done = 0;
  unsigned long seconds = setting("ARTIFACTSTORE_FUZZ_SECONDS", 0);
  unsigned long cases = setting("ARTIFACTSTORE_FUZZ_CASES", CASES_DEFAULT);
  time_t end = time(NULL) + (time_t)seconds;
  for (; seconds ? time(NULL) < end : done < cases; done++) {
    case_number = first + done;
    seed = case_number;
    seed = next_random(&seed); /* or the next case's numbers would be these, shifted by one */
    run_case();
  }
  free(memory_bytes);
  printf("%lu cases from %lu on\n", done, first);
  return 0;
}
