/*
 * A hash table of entries that never shrinks: a segment's records only become more until it is sealed.
 * May include: pack_table.h, core/pages.h, the C library. Called by: as declared there.
 */
#include "store/pack_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pages.h"

enum {
  FIRST_CAPACITY = 64,
  GRADUAL_FROM = 1024, /* slots from which on growing goes step by step */
  MOVED_EACH = 4       /* slots moved with each entry that is put: all, before a table of twice the slots can be full again */
};
_Static_assert(sizeof(as_entry) == 64, "tables are a power of two of bytes");

/* Entries that a capacity takes: three quarters, so that probing stays short and always meets an empty slot. */
static size_t room_in(size_t capacity) { return capacity / 4 * 3; }

void as_table_init(as_table *table) { *table = (as_table){0}; }

static void free_slots(as_entry *slots, size_t capacity) { as_pages_give(slots, capacity * sizeof *slots); }

void as_table_free(as_table *table) {
  free_slots(table->slots, table->capacity);
  free_slots(table->before, table->before_capacity);
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

/* Moves the next `count` of the slots that the table had before it grew. One whose address has been put since is older. */
static void move_slots(as_table *table, size_t count) {
  size_t left = table->before_capacity - table->moved, end = table->moved + (count < left ? count : left);
  for (; table->moved < end; table->moved++) {
    const as_entry *entry = &table->before[table->moved];
    if (entry->kind != 0) {
      as_entry *slot = find_slot(table->slots, table->capacity, entry->blake3);
      *slot = slot->kind == 0 ? *entry : *slot;
    }
  }
  if (table->before && table->moved == table->before_capacity) {
    free_slots(table->before, table->before_capacity);
    table->before = NULL;
    table->before_capacity = table->moved = 0;
  }
}

static int grow(as_table *table, size_t capacity) {
  as_entry *slots = capacity <= SIZE_MAX / sizeof *slots ? as_pages_take(capacity * sizeof *slots) : NULL;
  if (!slots) {
    return -ENOMEM;
  }
  move_slots(table, table->before_capacity); /* of growing before, if it is not over: more was asked for than a doubling gives */
  table->before = table->slots;
  table->before_capacity = table->capacity;
  table->moved = 0;
  table->slots = slots;
  table->capacity = capacity;
  if (table->before_capacity < GRADUAL_FROM) {
    move_slots(table, table->before_capacity);
  }
  return 0;
}

/* The entry of an address among those that have not been moved, or NULL. */
static const as_entry *find_before(const as_table *table, const uint8_t *address) {
  if (!table->before) {
    return NULL;
  }
  const as_entry *slot = find_slot(table->before, table->before_capacity, address);
  return slot->kind == 0 ? NULL : slot;
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
  as_entry before;
  as_table_exchange(table, entry, &before);
}

void as_table_exchange(as_table *table, const as_entry *entry, as_entry *before) {
  as_entry *slot = find_slot(table->slots, table->capacity, entry->blake3);
  const as_entry *older = slot->kind == 0 ? find_before(table, entry->blake3) : slot;
  *before = older ? *older : (as_entry){.kind = 0};
  table->count += older == NULL;
  *slot = *entry;
  move_slots(table, MOVED_EACH);
}

const as_entry *as_table_get(const as_table *table, const uint8_t address[AS_DIGEST_SIZE]) {
  if (table->capacity == 0) {
    return NULL;
  }
  const as_entry *slot = find_slot(table->slots, table->capacity, address);
  return slot->kind == 0 ? find_before(table, address) : slot;
}

const as_entry *as_table_next(const as_table *table, size_t *position) {
  while (*position < table->capacity) {
    const as_entry *entry = &table->slots[(*position)++];
    if (entry->kind != 0) {
      return entry;
    }
  }
  while (*position - table->capacity + table->moved < table->before_capacity) {
    const as_entry *entry = &table->before[(*position)++ - table->capacity + table->moved];
    if (entry->kind != 0 && find_slot(table->slots, table->capacity, entry->blake3)->kind == 0) {
      return entry;
    }
  }
  return NULL;
}

static int compare_entries(const void *a, const void *b) {
  return memcmp(((const as_entry *)a)->blake3, ((const as_entry *)b)->blake3, AS_DIGEST_SIZE);
}

static size_t sorted_size(const as_table *table) { return (table->count ? table->count : 1) * sizeof(as_entry); }

as_entry *as_table_sorted(const as_table *table) {
  as_entry *sorted = as_pages_take(sorted_size(table));
  if (!sorted) {
    return NULL;
  }
  size_t count = 0, position = 0;
  for (const as_entry *entry = as_table_next(table, &position); entry; entry = as_table_next(table, &position)) {
    sorted[count++] = *entry;
  }
  qsort(sorted, count, sizeof *sorted, compare_entries);
  return sorted;
}

void as_table_sorted_free(const as_table *table, as_entry *sorted) { as_pages_give(sorted, sorted_size(table)); }
