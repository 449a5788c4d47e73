/*
 * Writing, opening, searching and merging sealed indexes; see pack_index.h, and docs/format.md for each byte.
 * May include: pack_index.h, core headers, the C library. Called by: as declared there.
 */
#include "store/pack_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc32c.h"
#include "core/little.h"

enum {
  FORMAT_VERSION = 1,
  PAGE = AS_PACK_BLOCK,
  PAGE_HEADER = 8,
  ENTRY = 56,
  PAGE_ENTRIES = (PAGE - PAGE_HEADER) / ENTRY, /* 73: they fill a page to the last byte */
  KEY = 8,   /* bytes of an address in the table of first keys */
  FOOTER = 8, /* behind that table: its checksum and zeros */
  GUESS_REACH = 64 /* pages a guess may be off: three standard deviations at ten million entries */
};
_Static_assert(PAGE_HEADER + PAGE_ENTRIES * ENTRY == PAGE, "no byte of a full page is unused");

/* Members of the head page. */
enum {
  HEAD_CRC = 8,
  HEAD_VERSION = 12,
  HEAD_FIRST = 16,
  HEAD_LAST = 24,
  HEAD_SEQUENCE = 32,
  HEAD_COUNT = 40,
  HEAD_PAGES = 48,
  HEAD_ZEROS = 56
};

/* Members of a page, and of an entry. */
enum { PAGE_COUNT = 4, ENTRY_SEGMENT = 32, ENTRY_OFFSET = 40, ENTRY_SIZE = 48, ENTRY_KIND = 52, ENTRY_ZEROS = 53 };

static const char magic[8] = "ASINDEX1";

struct as_index {
  const as_io *io;
  int fd;
  const uint8_t *bytes; /* the whole file, mapped */
  size_t size;
  uint8_t *keys; /* the table of first keys, and the footer behind it */
  uint64_t pages;
  as_index_head head;
  _Atomic uint64_t *checked; /* a bit for each page: it was looked at as a whole and is as it was written */
};

static uint64_t pages_for(uint64_t count) { return count / PAGE_ENTRIES + (count % PAGE_ENTRIES != 0); }

/* The first bytes of an address as a number, which is ordered as the addresses are. */
static uint64_t key_of(const uint8_t *address) {
  uint64_t key = as_get64(address);
  return __builtin_bswap64(key);
}

static int known_kind(unsigned kind) { return kind >= AS_RECORD_OBJECT && kind <= AS_RECORD_WHOLE; }

/* ---- writing ---- */

typedef struct writer {
  as_index_source source;
  void *source_context;
  as_index_sink sink;
  void *sink_context;
  uint8_t *keys;
  uint8_t last[AS_DIGEST_SIZE]; /* address of the entry before */
  int begun;                    /* there was one */
} writer;

static void encode_head(const as_index_head *head, uint8_t *page) {
  memset(page, 0, PAGE);
  memcpy(page, magic, sizeof magic);
  as_put32(page + HEAD_VERSION, FORMAT_VERSION);
  as_put64(page + HEAD_FIRST, head->first_segment);
  as_put64(page + HEAD_LAST, head->last_segment);
  as_put64(page + HEAD_SEQUENCE, head->last_sequence);
  as_put64(page + HEAD_COUNT, head->count);
  as_put64(page + HEAD_PAGES, pages_for(head->count));
  as_put32(page + HEAD_CRC, as_crc32c(0, page + HEAD_VERSION, PAGE - HEAD_VERSION));
}

static void encode_entry(const as_entry *entry, uint8_t *bytes) {
  memset(bytes, 0, ENTRY);
  memcpy(bytes, entry->blake3, AS_DIGEST_SIZE);
  as_put64(bytes + ENTRY_SEGMENT, entry->at.segment);
  as_put64(bytes + ENTRY_OFFSET, entry->at.offset);
  as_put32(bytes + ENTRY_SIZE, entry->at.size);
  bytes[ENTRY_KIND] = (uint8_t)entry->kind;
}

/* Takes one entry from the source. */
static int take_entry(writer *out, uint8_t *bytes) {
  as_entry entry;
  int result = out->source(out->source_context, &entry);
  if (result <= 0) {
    return result < 0 ? result : AS_E_INVALID;
  }
  if (!known_kind(entry.kind) || (out->begun && memcmp(out->last, entry.blake3, AS_DIGEST_SIZE) >= 0)) {
    return AS_E_INVALID;
  }
  memcpy(out->last, entry.blake3, AS_DIGEST_SIZE);
  out->begun = 1;
  encode_entry(&entry, bytes);
  return 0;
}

static int write_page(writer *out, uint64_t number, uint32_t count) {
  uint8_t page[PAGE] = {0};
  as_put32(page + PAGE_COUNT, count);
  for (uint32_t i = 0; i < count; i++) {
    int error = take_entry(out, page + PAGE_HEADER + i * ENTRY);
    if (error) {
      return error;
    }
  }
  as_put32(page, as_crc32c(0, page + PAGE_COUNT, PAGE - PAGE_COUNT));
  as_put64(out->keys + number * KEY, key_of(page + PAGE_HEADER));
  return out->sink(out->sink_context, page, PAGE);
}

static int write_all(writer *out, const as_index_head *head) {
  uint8_t page[PAGE], footer[FOOTER] = {0};
  encode_head(head, page);
  int error = out->sink(out->sink_context, page, PAGE);
  uint64_t pages = pages_for(head->count), left = head->count;
  for (uint64_t number = 0; !error && number < pages; number++) {
    uint32_t count = left < PAGE_ENTRIES ? (uint32_t)left : PAGE_ENTRIES;
    error = write_page(out, number, count);
    left -= count;
  }
  as_entry further;
  int more = error ? 0 : out->source(out->source_context, &further);
  if (error || more != 0) {
    return error ? error : more < 0 ? more : AS_E_INVALID;
  }
  as_put32(footer, as_crc32c(0, out->keys, pages * KEY));
  error = pages ? out->sink(out->sink_context, out->keys, pages * KEY) : 0;
  return error ? error : out->sink(out->sink_context, footer, FOOTER);
}

int as_index_write(const as_index_head *head, as_index_source source, void *source_context, as_index_sink sink,
                   void *sink_context) {
  uint64_t pages = pages_for(head->count);
  if (head->first_segment == 0 || head->first_segment > head->last_segment) {
    return AS_E_INVALID;
  }
  writer out = {.source = source, .source_context = source_context, .sink = sink, .sink_context = sink_context};
  out.keys = pages < SIZE_MAX / KEY ? malloc(pages ? pages * KEY : 1) : NULL;
  if (!out.keys) {
    return -ENOMEM;
  }
  int error = write_all(&out, head);
  free(out.keys);
  return error;
}

/* ---- opening ---- */

/* Reads the head page of a file of `size` bytes. */
static int decode_head(const uint8_t *page, size_t size, as_index_head *head, uint64_t *pages) {
  if (memcmp(page, magic, sizeof magic) != 0 ||
      as_get32(page + HEAD_CRC) != as_crc32c(0, page + HEAD_VERSION, PAGE - HEAD_VERSION)) {
    return AS_E_CORRUPT;
  }
  if (as_get32(page + HEAD_VERSION) != FORMAT_VERSION) {
    return AS_E_FORMAT;
  }
  *head = (as_index_head){.first_segment = as_get64(page + HEAD_FIRST),
                          .last_segment = as_get64(page + HEAD_LAST),
                          .last_sequence = as_get64(page + HEAD_SEQUENCE),
                          .count = as_get64(page + HEAD_COUNT)};
  *pages = as_get64(page + HEAD_PAGES);
  uint64_t room = (size - PAGE - FOOTER) / (PAGE + KEY);
  if (*pages != pages_for(head->count) || *pages != room || PAGE + *pages * (PAGE + KEY) + FOOTER != size ||
      head->first_segment == 0 || head->first_segment > head->last_segment ||
      !as_is_zero(page + HEAD_ZEROS, PAGE - HEAD_ZEROS)) {
    return AS_E_CORRUPT;
  }
  return 0;
}

/* Reads bytes of the file that must be there. A disk that does not give them is no reason to fail: an index can be made again. */
static int read_part(const as_index *index, void *bytes, size_t size, uint64_t offset) {
  ssize_t count = as_io_read(index->io, index->fd, bytes, size, offset);
  return count == (ssize_t)size ? 0 : count >= 0 || count == -EIO ? AS_E_CORRUPT : (int)count;
}

/* Checks head, size and table of first keys. */
static int check_file(as_index *index) {
  uint8_t page[PAGE];
  int error = read_part(index, page, PAGE, 0);
  error = error ? error : decode_head(page, index->size, &index->head, &index->pages);
  if (error) {
    return error;
  }
  size_t keys_size = (size_t)index->pages * KEY;
  index->keys = malloc(keys_size + FOOTER);
  index->checked = calloc((size_t)index->pages / 64 + 1, sizeof *index->checked);
  if (!index->keys || !index->checked) {
    return -ENOMEM;
  }
  error = read_part(index, index->keys, keys_size + FOOTER, PAGE + index->pages * PAGE);
  const uint8_t *footer = index->keys + keys_size;
  if (!error && (as_get32(footer) != as_crc32c(0, index->keys, keys_size) || as_get32(footer + 4) != 0)) {
    error = AS_E_CORRUPT;
  }
  return error;
}

static int map_file(as_index *index, int directory, const char *path) {
  int fd = as_io_open(index->io, directory, path, O_RDONLY, 0);
  if (fd < 0) {
    return fd;
  }
  struct stat status;
  index->fd = fd;
  int error = index->io->stat(index->io, index->fd, &status);
  if (!error && (status.st_size < PAGE + FOOTER || (uint64_t)status.st_size > SIZE_MAX)) {
    error = AS_E_CORRUPT;
  }
  if (!error) {
    const void *bytes;
    error = index->io->map(index->io, index->fd, (size_t)status.st_size, &bytes);
    if (!error) {
      index->bytes = bytes;
      index->size = (size_t)status.st_size;
    }
  }
  return error;
}

int as_index_open(const as_io *io, int directory, const char *path, as_index **out) {
  *out = NULL;
  as_index *index = calloc(1, sizeof *index);
  if (!index) {
    return -ENOMEM;
  }
  index->io = io;
  index->fd = -1;
  int error = map_file(index, directory, path);
  if (!error) {
    error = check_file(index);
  }
  if (error) {
    as_index_close(index);
    return error;
  }
  *out = index;
  return 0;
}

void as_index_close(as_index *index) {
  if (index) {
    if (index->bytes) {
      index->io->unmap(index->io, index->bytes, index->size);
    }
    as_io_close(index->io, &index->fd);
    free(index->keys);
    free(index->checked);
    free(index);
  }
}

const as_index_head *as_index_head_of(const as_index *index) { return &index->head; }

/* ---- reading ---- */

static uint64_t key_at(const as_index *index, uint64_t page) { return as_get64(index->keys + page * KEY); }

static uint32_t entries_in(const as_index *index, uint64_t page) {
  uint64_t left = index->head.count - page * PAGE_ENTRIES;
  return left < PAGE_ENTRIES ? (uint32_t)left : PAGE_ENTRIES;
}

static const uint8_t *entry_at(const uint8_t *page, uint32_t number) { return page + PAGE_HEADER + number * ENTRY; }

/* Whether a page is what was written at its place: by its checksum, and by what the head and the table of first keys
 * say of it, so that a whole page in a wrong place is not believed either. */
static int page_is_whole(const as_index *index, uint64_t number, const uint8_t *page) {
  uint32_t count = entries_in(index, number);
  if (as_get32(page) != as_crc32c(0, page + PAGE_COUNT, PAGE - PAGE_COUNT) || as_get32(page + PAGE_COUNT) != count ||
      key_of(entry_at(page, 0)) != key_at(index, number) ||
      (number + 1 < index->pages && key_of(entry_at(page, count - 1)) > key_at(index, number + 1))) {
    return 0;
  }
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *entry = entry_at(page, i);
    if (!known_kind(entry[ENTRY_KIND]) || !as_is_zero(entry + ENTRY_ZEROS, ENTRY - ENTRY_ZEROS) ||
        (i > 0 && memcmp(entry - ENTRY, entry, AS_DIGEST_SIZE) >= 0)) {
      return 0;
    }
  }
  const uint8_t *rest = entry_at(page, count);
  return as_is_zero(rest, (size_t)(page + PAGE - rest));
}

/* Whether the disk gives a page, and it is whole. It is read first, and not through the mapping: there, what a disk does not give ends the
 * process. Having been read, it is in the page cache, which the mapping shares. */
static int page_can_be_believed(const as_index *index, uint64_t number) {
  uint8_t page[PAGE];
  return read_part(index, page, PAGE, PAGE + number * PAGE) == 0 && page_is_whole(index, number, page);
}

/* A page that may be believed, or NULL. Checked at the first use; threads that meet there check it each. */
static const uint8_t *get_page(const as_index *index, uint64_t number) {
  const uint8_t *page = index->bytes + PAGE + number * PAGE;
  _Atomic uint64_t *word = &index->checked[number / 64];
  uint64_t bit = UINT64_C(1) << (number % 64);
  if (atomic_load_explicit(word, memory_order_relaxed) & bit) {
    return page;
  }
  if (!page_can_be_believed(index, number)) {
    return NULL;
  }
  atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
  return page;
}

static void decode_entry(const uint8_t *bytes, as_entry *out) {
  memcpy(out->blake3, bytes, AS_DIGEST_SIZE);
  out->kind = (as_record_kind)bytes[ENTRY_KIND];
  out->at = (as_location){.segment = as_get64(bytes + ENTRY_SEGMENT),
                          .offset = as_get64(bytes + ENTRY_OFFSET),
                          .size = as_get32(bytes + ENTRY_SIZE)};
}

/* How many pages begin with a key of at most `key`. Addresses are digests, evenly spread, so the answer is mostly close
 * to its share of the pages; widening the guess keeps any other distribution right. */
static uint64_t pages_up_to(const as_index *index, uint64_t key) {
  uint64_t low = 0, high = index->pages;
  uint64_t guess = (uint64_t)((double)key * 0x1p-64 * (double)index->pages);
  for (uint64_t reach = GUESS_REACH; reach < index->pages; reach *= 8) {
    uint64_t from = guess > reach ? guess - reach : 0;
    uint64_t to = guess + reach < index->pages ? guess + reach : index->pages;
    if ((from == 0 || key_at(index, from - 1) <= key) && (to == index->pages || key_at(index, to) > key)) {
      low = from;
      high = to;
      break;
    }
  }
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (key_at(index, middle) <= key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Where in a page, from 0 to `count` - 1, a key stands if the keys from this page's first to the next page's are evenly
 * spread. */
static uint32_t guess_in_page(const as_index *index, uint64_t number, uint64_t key, uint32_t count) {
  uint64_t first = key_at(index, number);
  uint64_t next = number + 1 < index->pages ? key_at(index, number + 1) : UINT64_MAX;
  if (key <= first) {
    return 0;
  }
  double share = (double)(key - first) / (double)(next - first);
  return share < 1 ? (uint32_t)(share * count) : count - 1;
}

/* The entry of an address in a page, or NULL: step by step from where it should stand, which is a step or two away and
 * touches fewer cache lines than halving would. */
static const uint8_t *find_in_page(const as_index *index, uint64_t number, const uint8_t *page,
                                   const uint8_t *address) {
  uint32_t count = entries_in(index, number);
  uint32_t i = guess_in_page(index, number, key_of(address), count);
  int order = memcmp(entry_at(page, i), address, AS_DIGEST_SIZE);
  while (order > 0 && i > 0) {
    order = memcmp(entry_at(page, --i), address, AS_DIGEST_SIZE);
  }
  while (order < 0 && i + 1 < count) {
    order = memcmp(entry_at(page, ++i), address, AS_DIGEST_SIZE);
  }
  return order == 0 ? entry_at(page, i) : NULL;
}

int as_index_find(const as_index *index, const uint8_t address[AS_DIGEST_SIZE], as_entry *out) {
  uint64_t key = key_of(address);
  uint64_t number = pages_up_to(index, key);
  while (number-- > 0) {
    const uint8_t *page = get_page(index, number);
    if (!page) {
      return AS_E_CORRUPT;
    }
    const uint8_t *entry = find_in_page(index, number, page, address);
    if (entry) {
      decode_entry(entry, out);
      return 1;
    }
    if (key_at(index, number) < key) {
      return 0; /* otherwise addresses that begin alike may reach back to the page before */
    }
  }
  return 0;
}

int as_index_next(const as_index *index, uint64_t *position, as_entry *out) {
  if (*position >= index->head.count) {
    return 0;
  }
  const uint8_t *page = get_page(index, *position / PAGE_ENTRIES);
  if (!page) {
    return AS_E_CORRUPT;
  }
  decode_entry(entry_at(page, (uint32_t)(*position % PAGE_ENTRIES)), out);
  ++*position;
  return 1;
}

/* ---- merging ---- */

/* Has the next entry of every index at hand that is not at its end. */
static int fill_heads(as_index_merge *merge) {
  for (size_t i = 0; i < merge->count; i++) {
    if (!merge->filled[i]) {
      int result = as_index_next(merge->indexes[i], &merge->positions[i], &merge->heads[i]);
      if (result < 0) {
        return result;
      }
      merge->filled[i] = (uint8_t)result;
    }
  }
  return 0;
}

/* Takes the smallest address off all heads that have it and gives its newest entry: 1, or 0 when there is none left. */
static int take_smallest(as_index_merge *merge, as_entry *out) {
  size_t best = merge->count;
  for (size_t i = 0; i < merge->count; i++) {
    if (merge->filled[i] && (best == merge->count || memcmp(merge->heads[i].blake3, merge->heads[best].blake3,
                                                            AS_DIGEST_SIZE) <= 0)) {
      best = i; /* of equals the last: the newest */
    }
  }
  if (best == merge->count) {
    return 0;
  }
  *out = merge->heads[best];
  for (size_t i = 0; i <= best; i++) {
    if (merge->filled[i] && memcmp(merge->heads[i].blake3, out->blake3, AS_DIGEST_SIZE) == 0) {
      merge->filled[i] = 0;
    }
  }
  return 1;
}

int as_index_merge_next(void *context, as_entry *out) {
  as_index_merge *merge = context;
  if (merge->count > AS_INDEX_MERGE_MAX) {
    return AS_E_INVALID;
  }
  for (;;) {
    int result = fill_heads(merge);
    if (!result) {
      result = take_smallest(merge, out);
    }
    if (result <= 0) {
      return result;
    }
    if (!merge->keep || merge->keep(merge->context, out)) {
      return 1;
    }
  }
}
