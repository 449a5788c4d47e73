/*
 * The records of the segment being written, in memory: address to record, newest wins. A large table grows a few entries with each that is put: to move all at
 * once takes most of a tenth of a second, and every lookup of the store would wait for it.
 * May include: pack.h. Called by: packs.c. Not thread-safe: packs.c locks.
 */
#ifndef AS_STORE_PACK_TABLE_H
#define AS_STORE_PACK_TABLE_H

#include "store/pack.h"

/* What an index, in memory or on disk, knows of an address. */
typedef struct as_entry {
  uint8_t blake3[AS_DIGEST_SIZE];
  as_record_kind kind;
  as_location at;
} as_entry;

typedef struct as_table {
  as_entry *slots; /* open addressing, linear probing; a slot with kind 0 is empty */
  size_t capacity; /* a power of two, or 0 */
  size_t count;
  /* While it grows: those it had before, none of them taken away, and how many of their slots have been moved. An entry here counts unless `slots` has its
   * address. */
  as_entry *before;
  size_t before_capacity;
  size_t moved;
} as_table;

void as_table_init(as_table *table);
void as_table_free(as_table *table);

/* Makes room for `more` further entries, so that as many as_table_put calls cannot fail. Returns 0 or -ENOMEM. */
int as_table_reserve(as_table *table, size_t more);

/* Puts an entry, in place of the one with the same address. There must be room. */
void as_table_put(as_table *table, const as_entry *entry);

/* The same, and *before is the one that had the place; of kind 0 if there was none. */
void as_table_exchange(as_table *table, const as_entry *entry, as_entry *before);

/* The entry of an address, or NULL. Valid until the next as_table_put or as_table_reserve. */
const as_entry *as_table_get(const as_table *table, const uint8_t address[AS_DIGEST_SIZE]);

/* The entries in no order, one for each call: NULL at the end. Begin with *position 0; nothing may be put meanwhile. */
const as_entry *as_table_next(const as_table *table, size_t *position);

/* All entries sorted by address; NULL without memory. For as_table_sorted_free, before anything is put. */
as_entry *as_table_sorted(const as_table *table);
void as_table_sorted_free(const as_table *table, as_entry *sorted);

#endif
