/*
 * Sealed indexes: the worked example of docs/format.md; writing, finding and walking against a sorted array, with
 * addresses that begin alike and counts around page boundaries; merges; every bit flip and every cut of small files:
 * an error or a right answer, never a wrong one.
 * May include: pack_fixture.h, store/pack_index.h. Run by: CTest.
 */
#include "store/pack_index.h"

#include <pthread.h>

#include "pack_fixture.h"

enum { PAGE_ENTRIES = 73, MOST = 3000, PAGE = AS_PACK_BLOCK };

static uint64_t seed = 3;

/* ---- entries and where they come from and go to ---- */

typedef struct entries {
  as_entry *list;
  size_t count, next;
} entries;

static int give(void *context, as_entry *out) {
  entries *from = context;
  if (from->next == from->count) {
    return 0;
  }
  *out = from->list[from->next++];
  return 1;
}

typedef struct file {
  uint8_t *bytes;
  size_t size, capacity;
  size_t fail_at; /* bytes after which the sink fails; 0: never */
} file;

static int take(void *context, const uint8_t *bytes, size_t size) {
  file *to = context;
  if (to->fail_at && to->size + size >= to->fail_at) {
    return -ENOSPC;
  }
  if (to->size + size > to->capacity) {
    to->capacity = (to->size + size) * 2;
    to->bytes = realloc(to->bytes, to->capacity);
  }
  memcpy(to->bytes + to->size, bytes, size);
  to->size += size;
  return 0;
}

static int compare(const void *a, const void *b) {
  return memcmp(((const as_entry *)a)->blake3, ((const as_entry *)b)->blake3, AS_DIGEST_SIZE);
}

static int same_entry(const as_entry *a, const as_entry *b) {
  return compare(a, b) == 0 && a->kind == b->kind && a->at.segment == b->at.segment && a->at.offset == b->at.offset &&
         a->at.size == b->at.size;
}

/* How addresses are spread. */
typedef enum spread { SPREAD_EVEN, SPREAD_SKEWED, SPREAD_ALIKE, SPREAD_CLUSTERS, SPREAD_ENDS } spread;

static void random_address(spread how, uint8_t *out) {
  random_digest(&seed, out);
  if (how == SPREAD_SKEWED) {
    out[0] = (uint8_t)(below(&seed, 20) ? 0xe0 | out[0] % 8 : out[0] % 2); /* far from where an even spread has them */
  } else if (how == SPREAD_ALIKE) {
    memset(out, 0x77, 8); /* all keys are equal: only the rest tells them apart */
  } else if (how == SPREAD_CLUSTERS) {
    memset(out, 0, 8);
    out[0] = (uint8_t)(below(&seed, 3) * 127); /* three keys */
  } else if (how == SPREAD_ENDS) {
    memset(out, below(&seed, 2) ? 0xff : 0, below(&seed, 2) ? 8 : AS_DIGEST_SIZE - 3);
  }
}

/* `count` entries with different addresses, sorted. */
static entries make_entries(size_t count, spread how) {
  entries made = {.list = calloc(count + 1, sizeof *made.list), .count = count};
  for (size_t i = 0; i < count; i++) {
    random_address(how, made.list[i].blake3);
    made.list[i].kind = (as_record_kind)(1 + below(&seed, 4));
    made.list[i].at = (as_location){next_random(&seed), next_random(&seed), (uint32_t)next_random(&seed)};
  }
  qsort(made.list, count, sizeof *made.list, compare);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (kept == 0 || compare(&made.list[kept - 1], &made.list[i]) != 0) {
      made.list[kept++] = made.list[i];
    }
  }
  made.count = kept;
  return made;
}

static const as_index_head *head_for(size_t count) {
  static as_index_head head;
  head = (as_index_head){.first_segment = 3, .last_segment = 9, .last_sequence = 1234567, .count = count};
  return &head;
}

/* Writes an index into memory_io's file. */
static void write_index(entries *from) {
  file to = {0};
  from->next = 0;
  CHECK_INT(as_index_write(head_for(from->count), give, from, take, &to), 0);
  memory_set(to.bytes, to.size);
  free(to.bytes);
}

static as_index *open_index(void) {
  as_index *index;
  CHECK_INT(as_index_open(&memory_io, AT_FDCWD, "index", &index), 0);
  return index;
}

/* ---- the worked example ---- */

static const char example_head[] =
    "41 53 49 4e 44 45 58 31 58 91 9c 3d 01 00 00 00"
    "07 00 00 00 00 00 00 00 07 00 00 00 00 00 00 00"
    "05 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00"
    "01 00 00 00 00 00 00 00"; /* and zeros */
static const char example_page[] =
    "0a dd 8e 8c 02 00 00 00 64 37 b3 ac 38 46 51 33"
    "ff b6 3b 75 27 3a 8d b5 48 c5 58 46 5d 79 db 03"
    "fd 35 9c 6c d5 bd 9d 85 07 00 00 00 00 00 00 00"
    "80 11 00 00 00 00 00 00 03 00 00 00 01 00 00 00"
    "af 13 49 b9 f5 f9 a1 a6 a0 40 4d ea 36 dc c9 49"
    "9b cb 25 c9 ad c1 12 b7 cc 9a 93 ca e4 1f 32 62"
    "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
    "00 00 00 00 02"; /* and zeros */
static const char example_keys[] = "33 51 46 38 ac b3 37 64 24 fa 16 02 00 00 00 00";

static void test_example(void) {
  uint8_t expected[2 * PAGE + 16] = {0};
  from_hex(example_head, expected);
  from_hex(example_page, expected + PAGE);
  from_hex(example_keys, expected + 2 * PAGE);
  as_entry list[2] = {{.kind = AS_RECORD_OBJECT, .at = {7, 4480, 3}}, {.kind = AS_RECORD_DELETED}};
  memcpy(list[0].blake3, expected + PAGE + 8, AS_DIGEST_SIZE);
  memcpy(list[1].blake3, expected + PAGE + 64, AS_DIGEST_SIZE);
  entries from = {.list = list, .count = 2};
  as_index_head head = {.first_segment = 7, .last_segment = 7, .last_sequence = 5, .count = 2};
  file to = {0};
  CHECK_INT(as_index_write(&head, give, &from, take, &to), 0);
  CHECK_INT(to.size, sizeof expected);
  CHECK_BYTES(to.bytes, expected, sizeof expected, "the example of docs/format.md");
  free(to.bytes);
  memory_set(expected, sizeof expected);
  as_index *index = open_index();
  const as_index_head *found = as_index_head_of(index);
  CHECK(found->first_segment == 7 && found->last_segment == 7, "segments");
  CHECK(found->last_sequence == 5 && found->count == 2, "sequence and count");
  for (int i = 0; i < 2; i++) {
    as_entry entry;
    CHECK_INT(as_index_find(index, list[i].blake3, &entry), 1);
    CHECK(same_entry(&entry, &list[i]), "entry %d", i);
  }
  as_index_close(index);
}

/* ---- against the array ---- */

static void check_absent(const as_index *index, const entries *from, const uint8_t *address) {
  as_entry key, entry;
  memcpy(key.blake3, address, AS_DIGEST_SIZE);
  if (!bsearch(&key, from->list, from->count, sizeof key, compare)) {
    CHECK_INT(as_index_find(index, address, &entry), 0);
  }
}

static void check_neighbours(const as_index *index, const entries *from, size_t i) {
  uint8_t address[AS_DIGEST_SIZE];
  memcpy(address, from->list[i].blake3, sizeof address);
  for (int byte = AS_DIGEST_SIZE - 1; byte >= 0; byte -= 31) { /* just above and below; and far away */
    for (int step = -1; step <= 1; step += 2) {
      address[byte] = (uint8_t)(address[byte] + step);
      check_absent(index, from, address);
      address[byte] = (uint8_t)(address[byte] - step);
    }
  }
}

static void check_index(const as_index *index, const entries *from) {
  as_entry entry;
  uint64_t position = 0;
  CHECK_INT(as_index_head_of(index)->count, from->count);
  for (size_t i = 0; i < from->count; i++) {
    CHECK(as_index_find(index, from->list[i].blake3, &entry) == 1, "entry %zu of %zu", i, from->count);
    CHECK(same_entry(&entry, &from->list[i]), "entry %zu of %zu is another", i, from->count);
    CHECK_INT(as_index_next(index, &position, &entry), 1);
    CHECK(same_entry(&entry, &from->list[i]), "walk: entry %zu of %zu is another", i, from->count);
    check_neighbours(index, from, i);
  }
  CHECK_INT(as_index_next(index, &position, &entry), 0);
  CHECK_INT(as_index_next(index, &position, &entry), 0);
  for (spread how = SPREAD_EVEN; how <= SPREAD_ENDS; how++) {
    for (int i = 0; i < 50; i++) {
      uint8_t address[AS_DIGEST_SIZE];
      random_address(how, address);
      check_absent(index, from, address);
    }
  }
  uint8_t first[AS_DIGEST_SIZE] = {0}, last[AS_DIGEST_SIZE];
  memset(last, 0xff, sizeof last);
  check_absent(index, from, first);
  check_absent(index, from, last);
}

static void test_against_array(void) {
  static const size_t counts[] = {0,   1,   2,   72,  73,  74,   145,  146,
                                  147, 219, 500, 730, 731, 1460, 2999, 60000}; /* the last: beyond a guess's reach */
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    for (spread how = SPREAD_EVEN; how <= SPREAD_ENDS; how++) {
      if (counts[i] > MOST && how > SPREAD_SKEWED) {
        continue; /* equal keys are looked through page by page */
      }
      entries from = make_entries(counts[i], how);
      write_index(&from);
      CHECK_INT(memory_size, PAGE + (from.count + PAGE_ENTRIES - 1) / PAGE_ENTRIES * (PAGE + 8) + 8);
      as_index *index = open_index();
      check_index(index, &from);
      as_index_close(index);
      free(from.list);
    }
  }
}

/* ---- writing what is not an index ---- */

static int write_as(const as_index_head *head, entries *from) {
  file to = {0};
  from->next = 0;
  int error = as_index_write(head, give, from, take, &to);
  free(to.bytes);
  return error;
}

static int give_failing(void *context, as_entry *out) {
  entries *from = context;
  return from->next == 100 ? -EIO : give(context, out);
}

static void test_refused_writes(void) {
  entries from = make_entries(200, SPREAD_EVEN);
  CHECK_INT(write_as(head_for(from.count), &from), 0);
  CHECK_INT(write_as(head_for(from.count + 1), &from), AS_E_INVALID);
  CHECK_INT(write_as(head_for(from.count - 1), &from), AS_E_INVALID);
  CHECK_INT(write_as(head_for(0), &from), AS_E_INVALID);
  CHECK_INT(write_as(&(as_index_head){0, 1, 1, from.count}, &from), AS_E_INVALID);
  CHECK_INT(write_as(&(as_index_head){2, 1, 1, from.count}, &from), AS_E_INVALID);
  for (size_t at = 72; at < 75; at++) { /* the same address twice, and a smaller one, at a page's end */
    as_entry saved = from.list[at];
    from.list[at] = from.list[at - 1];
    CHECK_INT(write_as(head_for(from.count), &from), AS_E_INVALID);
    from.list[at] = from.list[at - 2];
    CHECK_INT(write_as(head_for(from.count), &from), AS_E_INVALID);
    from.list[at] = saved;
    from.list[at].kind = (as_record_kind)(at == 72 ? 0 : 5);
    CHECK_INT(write_as(head_for(from.count), &from), AS_E_INVALID);
    from.list[at] = saved;
  }
  for (size_t at = 1; at < 3 * PAGE; at += PAGE / 2) {
    file to = {.fail_at = at};
    from.next = 0;
    CHECK_INT(as_index_write(head_for(from.count), give, &from, take, &to), -ENOSPC);
    free(to.bytes);
  }
  file to = {0};
  from.next = 0;
  CHECK_INT(as_index_write(head_for(from.count), give_failing, &from, take, &to), -EIO);
  free(to.bytes);
  free(from.list);
}

/* ---- damage ---- */

/* Whatever is done to the file: opening it fails, or each answer is right or an error. Returns whether there was an
 * error. */
static int right_or_error(const entries *from) {
  as_index *index;
  int error = as_index_open(&memory_io, AT_FDCWD, "index", &index);
  if (error) {
    CHECK(error == AS_E_CORRUPT && !index, "open: %s", as_error_name(error));
    return 1;
  }
  int errors = 0;
  for (size_t i = 0; i < from->count; i++) {
    if (i % PAGE_ENTRIES % 40) {
      continue; /* some of every page will do */
    }
    as_entry entry;
    uint64_t position = i;
    int found = as_index_find(index, from->list[i].blake3, &entry);
    CHECK(found == AS_E_CORRUPT || (found == 1 && same_entry(&entry, &from->list[i])), "find: %d", found);
    int next = as_index_next(index, &position, &entry);
    CHECK(next == AS_E_CORRUPT ? position == i : next == 1 && same_entry(&entry, &from->list[i]), "next: %d", next);
    errors += found < 0 || next < 0;
  }
  as_index_close(index);
  return errors > 0;
}

static void test_bit_flips(void) {
  entries from = make_entries(76, SPREAD_EVEN);
  write_index(&from);
  CHECK(!right_or_error(&from), "untouched");
  for (size_t bit = 0; bit < memory_size * 8; bit++) {
    memory_bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    CHECK(right_or_error(&from), "bit %zu of byte %zu is not noticed", bit % 8, bit / 8);
    memory_bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  free(from.list);
}

static void test_cut_and_longer(void) {
  entries from = make_entries(150, SPREAD_EVEN);
  write_index(&from);
  size_t whole = memory_size;
  uint8_t *copy = calloc(1, whole + PAGE);
  memcpy(copy, memory_bytes, whole);
  for (size_t size = 0; size < whole + PAGE; size++) {
    memory_set(copy, size);
    CHECK(right_or_error(&from) == (size != whole), "%zu of %zu bytes", size, whole);
  }
  free(copy);
  free(from.list);
}

/* Pages that are whole, each in the other's place, or from another index. */
static void test_misplaced_pages(void) {
  entries from = make_entries(PAGE_ENTRIES * 3, SPREAD_EVEN), other = make_entries(PAGE_ENTRIES * 3, SPREAD_EVEN);
  static uint8_t page[PAGE];
  write_index(&other);
  memcpy(page, memory_bytes + 2 * PAGE, PAGE);
  write_index(&from);
  memcpy(memory_bytes + 2 * PAGE, page, PAGE);
  CHECK(right_or_error(&from), "a page of another index");
  write_index(&from);
  memcpy(memory_bytes + PAGE, memory_bytes + 2 * PAGE, PAGE);
  CHECK(right_or_error(&from), "a page in the place of another");
  free(from.list);
  free(other.list);
}

/* Entries that are not in order, in a page or across pages, under right checksums. */
static void test_disordered_pages(void) {
  entries from = make_entries(2 * PAGE_ENTRIES, SPREAD_EVEN);
  for (int i = 0; i < 2; i++) {
    as_entry entry;
    uint64_t position = 0;
    write_index(&from);
    uint8_t *last = memory_bytes + 2 * PAGE - 56, *middle = memory_bytes + PAGE + 8 + 30 * 56;
    if (i == 0) {
      memset(last, 0xff, AS_DIGEST_SIZE); /* beyond the first of the next page */
    } else {
      memcpy(middle, middle - 56, 56);
    }
    as_put32(memory_bytes + PAGE, as_crc32c(0, memory_bytes + PAGE + 4, PAGE - 4));
    as_index *index = open_index();
    CHECK_INT(as_index_next(index, &position, &entry), AS_E_CORRUPT);
    as_index_close(index);
  }
  free(from.list);
}

/* What no writer of ours writes, under right checksums. */
static void test_resealed(void) {
  static const struct {
    int at;
    uint8_t value;
  } in_head[] = {{16, 0}, {16, 99}, {40, 11}, {48, 2}, {56, 1}, {4095, 1}};
  static const int in_page[] = {4, 8 + 52, 8 + 53, 8 + 55, 8, PAGE - 1, 8 + 10 * 56};
  entries from = make_entries(10, SPREAD_EVEN);
  for (size_t i = 0; i < sizeof in_head / sizeof in_head[0]; i++) {
    as_index *index;
    write_index(&from);
    memory_bytes[in_head[i].at] = in_head[i].value;
    as_put32(memory_bytes + 8, as_crc32c(0, memory_bytes + 12, PAGE - 12));
    int error = as_index_open(&memory_io, AT_FDCWD, "index", &index);
    if (in_head[i].at == 40) { /* a count that fits the pages: the page does not agree */
      as_entry entry;
      CHECK(!error && as_index_find(index, from.list[0].blake3, &entry) == AS_E_CORRUPT, "count");
      as_index_close(index);
    } else {
      CHECK(error == AS_E_CORRUPT, "byte %d of the head", in_head[i].at);
    }
  }
  for (size_t i = 0; i < sizeof in_page / sizeof in_page[0]; i++) {
    as_entry entry;
    write_index(&from);
    memory_bytes[PAGE + in_page[i]] ^= 0x40;
    as_put32(memory_bytes + PAGE, as_crc32c(0, memory_bytes + PAGE + 4, PAGE - 4));
    as_index *index = open_index();
    CHECK(as_index_find(index, from.list[0].blake3, &entry) < 0 || i == 4, "byte %d of the page", in_page[i]);
    uint64_t position = 0;
    CHECK(as_index_next(index, &position, &entry) == AS_E_CORRUPT, "byte %d of the page", in_page[i]);
    as_index_close(index);
  }
  free(from.list);
  test_disordered_pages();
}

static void test_unknown_version(void) {
  entries from = make_entries(10, SPREAD_EVEN);
  as_index *index;
  write_index(&from);
  as_put32(memory_bytes + 12, 2);
  as_put32(memory_bytes + 8, as_crc32c(0, memory_bytes + 12, PAGE - 12));
  CHECK_INT(as_index_open(&memory_io, AT_FDCWD, "index", &index), AS_E_FORMAT);
  free(from.list);
}

static uint64_t hole; /* the disk does not give the byte at this offset */

static ssize_t read_with_hole(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  return hole >= offset && hole < offset + size ? -EIO : memory_read_at(io, fd, bytes, size, offset);
}

/* What cannot be read counts as damaged, wherever it is, and is not looked at through the mapping. */
static void test_unreadable(void) {
  entries from = make_entries(1000, SPREAD_EVEN);
  as_io holed = memory_io;
  size_t refused = 0, corrupt = 0, found = 0;
  holed.read = read_with_hole;
  write_index(&from);
  for (hole = 0; hole < memory_size; hole += PAGE / 2) {
    as_index *index;
    int error = as_index_open(&holed, AT_FDCWD, "index", &index);
    if (error) {
      CHECK_INT(error, AS_E_CORRUPT);
      refused++;
      continue;
    }
    for (size_t i = 0; i < from.count; i++) {
      as_entry entry;
      int result = as_index_find(index, from.list[i].blake3, &entry);
      CHECK(result == 1 ? same_entry(&entry, &from.list[i]) : result == AS_E_CORRUPT, "entry %zu: %d", i, result);
      found += result == 1;
      corrupt += result == AS_E_CORRUPT;
    }
    as_index_close(index);
  }
  CHECK_INT(refused, 3); /* twice for the head, once for the table */
  CHECK_INT(corrupt, 2 * from.count);
  CHECK(found > 0, "found %zu", found);
  free(from.list);
}

/* Through real files, mapped. */
static void test_files(void) {
  entries from = make_entries(1000, SPREAD_EVEN);
  as_index *index;
  fixture_begin();
  write_index(&from);
  char path[300];
  snprintf(path, sizeof path, "%s/index", fixture_path);
  CHECK_INT(as_index_open(as_io_posix(), AT_FDCWD, path, &index), -ENOENT);
  write_file(path, memory_bytes, memory_size);
  CHECK_INT(as_index_open(as_io_posix(), AT_FDCWD, path, &index), 0);
  CHECK_INT(unlink(path), 0); /* the mapping keeps what it needs */
  check_index(index, &from);
  as_index_close(index);
  fixture_clean();
  free(from.list);
}

/* ---- threads ---- */

typedef struct search {
  const as_index *index;
  const entries *from;
  uint64_t random;
} search;

static void *search_thread(void *context) {
  search *mine = context;
  for (int i = 0; i < 20000; i++) {
    size_t at = below(&mine->random, mine->from->count);
    as_entry entry;
    CHECK_INT(as_index_find(mine->index, mine->from->list[at].blake3, &entry), 1);
    CHECK(same_entry(&entry, &mine->from->list[at]), "entry %zu", at);
  }
  return NULL;
}

static void test_threads(void) {
  enum { THREADS = 4 };
  entries from = make_entries(20000, SPREAD_EVEN);
  write_index(&from);
  as_index *index = open_index();
  pthread_t threads[THREADS];
  search searches[THREADS];
  for (int i = 0; i < THREADS; i++) {
    searches[i] = (search){.index = index, .from = &from, .random = (uint64_t)i};
    CHECK_INT(pthread_create(&threads[i], NULL, search_thread, &searches[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  as_index_close(index);
  free(from.list);
}

/* ---- merging ---- */

static int keep_objects(void *context, const as_entry *entry) {
  ++*(size_t *)context;
  return entry->kind == AS_RECORD_OBJECT;
}

/* Every index has a part of the same addresses; the newest that has one wins, whatever it says of it. */
static void merge_case(size_t indexes, size_t addresses, size_t share, int filter) {
  static as_index *opened[AS_INDEX_MERGE_MAX];
  static as_index_merge merge;
  entries all = make_entries(addresses, SPREAD_EVEN);
  uint8_t *present = calloc(1, all.count + 1);
  char path[300];
  for (size_t k = 0; k < indexes; k++) {
    entries part = {.list = calloc(all.count + 1, sizeof *part.list)};
    for (size_t i = 0; i < all.count; i++) {
      if (below(&seed, 100) < share) {
        all.list[i].kind = (as_record_kind)(1 + below(&seed, 4));
        all.list[i].at.segment = k + 1;
        part.list[part.count++] = all.list[i];
        present[i] = 1;
      }
    }
    write_index(&part);
    snprintf(path, sizeof path, "%s/%zu", fixture_path, k);
    write_file(path, memory_bytes, memory_size);
    CHECK_INT(as_index_open(as_io_posix(), AT_FDCWD, path, &opened[k]), 0);
    free(part.list);
  }
  size_t seen = 0, expected_seen = 0;
  merge = (as_index_merge){.indexes = (const as_index *const *)opened, .count = indexes};
  merge.keep = filter ? keep_objects : NULL;
  merge.context = &seen;
  as_entry entry;
  for (size_t i = 0; i < all.count; i++) {
    expected_seen += present[i];
    if (present[i] && (!filter || all.list[i].kind == AS_RECORD_OBJECT)) {
      CHECK_INT(as_index_merge_next(&merge, &entry), 1);
      CHECK(same_entry(&entry, &all.list[i]), "address %zu: from segment %llu, not %llu", i,
            (unsigned long long)entry.at.segment, (unsigned long long)all.list[i].at.segment);
    }
  }
  CHECK_INT(as_index_merge_next(&merge, &entry), 0);
  CHECK_INT(as_index_merge_next(&merge, &entry), 0);
  CHECK(!filter || seen == expected_seen, "%zu entries were asked about, not %zu", seen, expected_seen);
  for (size_t k = 0; k < indexes; k++) {
    as_index_close(opened[k]);
  }
  free(present);
  free(all.list);
}

static void test_merges(void) {
  fixture_begin();
  merge_case(0, 10, 50, 0);
  merge_case(1, 0, 50, 0);
  for (int filter = 0; filter < 2; filter++) {
    merge_case(1, 500, 50, filter);
    merge_case(2, 500, 100, filter);
    merge_case(3, 1000, 10, filter);
    merge_case(7, 300, 60, filter);
    merge_case(AS_INDEX_MERGE_MAX, 1000, 5, filter);
  }
  static as_index_merge merge = {.count = AS_INDEX_MERGE_MAX + 1};
  as_entry entry;
  CHECK_INT(as_index_merge_next(&merge, &entry), AS_E_INVALID);
  fixture_clean();
}

/* A damaged page ends the merge: what is merged replaces the indexes, so nothing may be missing from it. */
static void test_merge_of_damaged(void) {
  entries from = make_entries(200, SPREAD_EVEN);
  write_index(&from);
  memory_bytes[2 * PAGE + 100] ^= 1;
  const as_index *index = open_index();
  as_index_merge merge = {.indexes = &index, .count = 1};
  as_entry entry;
  for (size_t i = 0; i < PAGE_ENTRIES; i++) {
    CHECK_INT(as_index_merge_next(&merge, &entry), 1);
  }
  CHECK_INT(as_index_merge_next(&merge, &entry), AS_E_CORRUPT);
  CHECK_INT(as_index_merge_next(&merge, &entry), AS_E_CORRUPT);
  as_index_close((as_index *)index);
  free(from.list);
}

int main(void) {
  test_example();
  test_against_array();
  test_refused_writes();
  test_bit_flips();
  test_cut_and_longer();
  test_misplaced_pages();
  test_resealed();
  test_unknown_version();
  test_unreadable();
  test_files();
  test_threads();
  test_merges();
  test_merge_of_damaged();
  free(memory_bytes);
  return 0;
}
