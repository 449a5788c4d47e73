/*
 * A hash table of entries that never shrinks: a segment's records only become more until it is sealed.
 * May include: pack_table.h, the C library. Called by: as declared there.
 */
#include "store/pack_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FIRST_CAPACITY = 64, HUGE_PAGE = 2 * 1024 * 1024 };
_Static_assert(sizeof(as_entry) == 64, "tables are a power of two of bytes");

/* Entries that a capacity takes: three quarters, so that probing stays short and always meets an empty slot. */
static size_t room_in(size_t capacity) { return capacity / 4 * 3; }

void as_table_init(as_table *table) { *table = (as_table){0}; }

void as_table_free(as_table *table) {
  free(table->slots);
  as_table_init(table);
}

/* Where the entry of an address is, or the empty slot where it would be. Addresses are digests: a part of one is hash
 * enough. */
static as_entry *find_slot(as_entry *slots, size_t capacity, const uint8_t *address) {
  uint64_t hash;
  memcpy(&hash, address + AS_DIGEST_SIZE - sizeof hash, sizeof hash);
  for (size_t i = (size_t)hash & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
    if (slots[i].kind == 0 || memcmp(slots[i].blake3, address, AS_DIGEST_SIZE) == 0) {
      return &slots[i];
    }
  }
}

/* Empty slots. A large table is filled in all its pages within moments, at random: huge ones, where the kernel has them, save a fault for each of
 * thousands of small ones, which in some virtual machines takes longer than all else. */
static as_entry *make_slots(size_t capacity) {
  size_t size = capacity * sizeof(as_entry);
  if (size < HUGE_PAGE) {
    return calloc(capacity, sizeof(as_entry));
  }
  as_entry *slots = aligned_alloc(HUGE_PAGE, size); /* a power of two, as HUGE_PAGE is */
  if (slots) {
    madvise(slots, size, MADV_HUGEPAGE);
    memset(slots, 0, size);
  }
  return slots;
}

static int grow(as_table *table, size_t capacity) {
  as_entry *slots = make_slots(capacity);
  if (!slots) {
    return -ENOMEM;
  }
  for (size_t i = 0; i < table->capacity; i++) {
    if (table->slots[i].kind != 0) {
      *find_slot(slots, capacity, table->slots[i].blake3) = table->slots[i];
    }
  }
  free(table->slots);
  table->slots = slots;
  table->capacity = capacity;
  return 0;
}

int as_table_reserve(as_table *table, size_t more) {
  if (more > SIZE_MAX / 4 - table->count) {
    return -ENOMEM;
  }
  size_t needed = table->count + more;
  size_t capacity = table->capacity ? table->capacity : FIRST_CAPACITY;
  while (room_in(capacity) < needed) {
    capacity *= 2;
  }
  return capacity == table->capacity ? 0 : grow(table, capacity);
}

void as_table_put(as_table *table, const as_entry *entry) {
  as_entry *slot = find_slot(table->slots, table->capacity, entry->blake3);
  table->count += slot->kind == 0;
  *slot = *entry;
}

void as_table_exchange(as_table *table, const as_entry *entry, as_entry *before) {
  as_entry *slot = find_slot(table->slots, table->capacity, entry->blake3);
  table->count += slot->kind == 0;
  *before = *slot;
  *slot = *entry;
}

const as_entry *as_table_get(const as_table *table, const uint8_t address[AS_DIGEST_SIZE]) {
  if (table->capacity == 0) {
    return NULL;
  }
  const as_entry *slot = find_slot(table->slots, table->capacity, address);
  return slot->kind == 0 ? NULL : slot;
}

static int compare_entries(const void *a, const void *b) {
  return memcmp(((const as_entry *)a)->blake3, ((const as_entry *)b)->blake3, AS_DIGEST_SIZE);
}

as_entry *as_table_sorted(const as_table *table) {
  as_entry *sorted = malloc((table->count ? table->count : 1) * sizeof *sorted);
  if (!sorted) {
    return NULL;
  }
  size_t count = 0;
  for (size_t i = 0; i < table->capacity; i++) {
    if (table->slots[i].kind != 0) {
      sorted[count++] = table->slots[i];
    }
  }
  qsort(sorted, count, sizeof *sorted, compare_entries);
  return sorted;
}
