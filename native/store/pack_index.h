/*
 * Sealed indexes: immutable sorted files, memory-mapped and searched in place, one for a run of consecutive segments.
 * May include: pack_table.h, io/io.h. Called by: packs.c.
 *
 * A file is pages of AS_PACK_BLOCK bytes: a head page, pages of entries sorted by address, and behind them the table of
 * each page's first eight address bytes, by which a search finds its page. Every page and the table carry a CRC-32C,
 * checked when first used, so opening reads only head and table, and no damaged entry is ever believed. Head, table and the first use
 * of a page are reads, so what a disk does not give is an error. What memory mapping brings with it is left for a page that was read
 * once, was dropped from the cache, and then cannot be read any more: that ends the process with SIGBUS.
 */
#ifndef AS_STORE_PACK_INDEX_H
#define AS_STORE_PACK_INDEX_H

#include "io/io.h"
#include "store/pack_table.h"

typedef struct as_index as_index;

/* What an index says of itself. */
typedef struct as_index_head {
  uint64_t first_segment; /* the segments it covers, both included */
  uint64_t last_segment;
  uint64_t last_sequence; /* the largest commit sequence in them */
  uint64_t count;         /* entries */
} as_index_head;

/* Receives the bytes of an index from its beginning on, in parts. Returns 0 or an error that ends the writing. */
typedef int (*as_index_sink)(void *context, const uint8_t *bytes, size_t size);

/* Gives the next entry in ascending order of addresses: 1, 0 at the end, or a negative error. */
typedef int (*as_index_source)(void *context, as_entry *out);

/* Writes an index of `head->count` entries, which `source` gives, to `sink`. Memory is bounded by the table of first
 * keys. Returns 0, an error of either, AS_E_INVALID (not ascending, not as many, an entry of unknown kind, segments
 * not in order), or -ENOMEM. */
int as_index_write(const as_index_head *head, as_index_source source, void *source_context, as_index_sink sink,
                   void *sink_context);

/* Opens the index file `path`, relative to `directory`. Errors: AS_E_CORRUPT (cut short, altered, not an index),
 * AS_E_FORMAT (a version we do not know), a negative errno. */
int as_index_open(const as_io *io, int directory, const char *path, as_index **out);
void as_index_close(as_index *index);

const as_index_head *as_index_head_of(const as_index *index);

/* Looks up an address: 1 and *out, 0 when it is not there, or AS_E_CORRUPT (the page it would be on is damaged). Any
 * number of threads at once. */
int as_index_find(const as_index *index, const uint8_t address[AS_DIGEST_SIZE], as_entry *out);

/* Goes through the entries in order. `position` starts at 0. 1, 0 at the end, or AS_E_CORRUPT, and then it stays. */
int as_index_next(const as_index *index, uint64_t *position, as_entry *out);

/* Merges `count` indexes of consecutive runs of segments, oldest first, into entries in ascending order, of each address
 * the newest: an as_index_source whose context is an as_index_merge. `keep` decides which of them go on. */
enum { AS_INDEX_MERGE_MAX = 64 /* indexes in one merge: more segments than that are merged in steps */ };

typedef struct as_index_merge {
  const as_index *const *indexes;
  size_t count; /* at most AS_INDEX_MERGE_MAX */
  int (*keep)(void *context, const as_entry *entry); /* 0: left out; NULL keeps all */
  void *context;
  uint64_t positions[AS_INDEX_MERGE_MAX]; /* these three begin as zeros */
  as_entry heads[AS_INDEX_MERGE_MAX];
  uint8_t filled[AS_INDEX_MERGE_MAX];
} as_index_merge;
int as_index_merge_next(void *merge, as_entry *out);

#endif
