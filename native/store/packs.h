/*
 * The packs of a store: every small object, by address. Finding is here; pack_open.c finds out what is there when a
 * store is opened, pack_commit.c gathers what waits into commits, pack_writer.c writes them, pack_merge.c
 * keeps the runs of indexes few.
 * May include: segments.h, pack_index.h, pack_table.h, pack_prewrite.h. Called by: objects.c, remove.c, verify_many.c, commit.c, store.c,
 * compact.c.
 *
 * Locks, in the order in which they may be taken: the turn to commit (pack_commit.c), `lock`, the mutex of the segments.
 * Files are written by whoever has the turn to commit and by nobody else, so commits are serialised. A commit is synced before
 * the next one begins, or its sync is put off; then those that follow until a sync has the same sequence number. So
 * commits with a smaller number than the largest are durable, and after a crash only those with the largest can be torn.
 */
#ifndef AS_STORE_PACKS_H
#define AS_STORE_PACKS_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/pack_index.h"
#include "store/pack_prewrite.h"
#include "store/pack_table.h"
#include "store/segments.h"
#include "store/store.h"

enum {
  AS_PACK_OBJECT_MAX = 256 * 1024,           /* bytes in the largest object that is packed; docs/format.md */
  AS_SEGMENT_SIZE_MAX = 256 * 1024 * 1024,   /* bytes after which a segment is sealed: some hundred files for a store of ten million objects */
  AS_SEGMENT_RECORDS_MAX = 256 * 1024,       /* records after which it is sealed: bounds the table in memory to 40 MiB */
  AS_SEAL_BESIDE_FROM = 16 * 1024,           /* records from which on a thread seals it: of fewer it takes some milliseconds */
  AS_SEAL_AT_CLOSE_FROM = 4096,              /* records from which on closing seals it, so that opening need not read them */
  /* Bytes of commits that wait for a sync, after which they get it: opening after a crash reads and digests them again, which
   * takes some hundredths of a second, and a sync of so much costs little beside writing it. */
  AS_UNSYNCED_MAX = 32 * 1024 * 1024,
  AS_RUNS_MAX = 16                           /* indexes before they are merged into one: each costs a lookup a memory access */
};

/* The index of a run of consecutive segments: a file, or a table where no file could be made (the store is read-only), or none has been yet. */
typedef struct as_run {
  uint64_t first;
  uint64_t last;
  as_index *index; /* NULL: it is the table */
  as_table table;
} as_run;

/* The thread that merges runs, if there is one. Begun and waited for by whoever has the turn to commit, or opens or closes the store. */
typedef struct as_merging {
  pthread_t thread;
  int running;           /* it has been made, and not been joined */
  atomic_int ended;      /* it need not be waited for any more */
  atomic_int cancelled;  /* the runs have changed */
  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t changed;
  int reading;           /* it uses the runs it began with */
} as_merging;

/* The thread that makes a file of the newest sealed table, if there is one. Begun and waited for by whoever has the turn to commit, or closes the store. */
typedef struct as_sealing {
  pthread_t thread;
  int running;        /* it has been made, and not been joined */
  atomic_int ended;   /* it need not be waited for any more */
  int error;          /* why it could not be written; read once the thread has ended */
  as_index_head head;
  as_table table;     /* that of the run, which owns it */
} as_sealing;

/* Where commits go. Used by whoever has the turn to commit. */
typedef struct as_pack_writer {
  as_segment_id id;      /* of the segment; number 0: none yet */
  int fd;                /* buffered, */
  int direct;            /* or O_DIRECT and O_DSYNC, where the file system has both; -1 else */
  uint64_t end;          /* where the next commit goes */
  uint64_t settled;      /* commits before it are durable; those from there to `end` wait for a sync */
  uint64_t sequence;     /* of the last commit */
  uint64_t last_number;  /* the largest number a segment has had */
  int spoiled;           /* a commit failed half-way: what stands behind `end` is unknown */
  int lost;              /* the error of a sync that commits had waited for: what of them is on disk can only be found out by
                            opening the store again, and until then nothing more is committed */
  int full;              /* its index may be a file already, so no commit may follow */
  uint8_t *buffer;       /* one commit */
  as_prewrite prewrite;
} as_pack_writer;

/* One record to be committed, and what became of it. */
typedef struct as_pack_item {
  as_record record;           /* kind and digests, of an object also at.size; for a mark the location it is about */
  const uint8_t *bytes;       /* of an object */
  const uint8_t *outboard;    /* of an object that needs one: as_outboard_size(at.size) bytes */
  const as_location *only_at; /* unless NULL: only if the address is there, at this place, when its turn comes */
  int carry;                  /* a deletion or mark is written again, if it is still what holds for the address */
  int always;                 /* whatever is there: of a mark that opening makes */
  int deferred;               /* need not be durable when it has been committed: as_packs_sync makes it so */
  int found;                  /* what was there before: an as_record_kind, or 0 */
  as_location previous;       /* where it was */
  int written;                /* the record has been written */
  int waiting;                /* deferred, and not durable yet */
  int status;                 /* 0 or an error */
} as_pack_item;

/* Those who wait for one commit. */
typedef struct as_pack_group {
  as_pack_item *items;
  size_t count;
  int done;
  struct as_pack_group *next;
} as_pack_group;

typedef struct as_packs {
  as_segments segments;
  uint64_t segment_size_max; /* the limits of the same names; tests lower them */
  size_t segment_records_max;
  uint64_t unsynced_max;
  size_t runs_max;
  size_t seal_beside_from;
  pthread_rwlock_t lock; /* guards table and runs */
  as_table table;        /* of the segments no run covers */
  uint64_t table_first;  /* the first of them; 0 when there is none */
  as_run *runs;          /* oldest first */
  size_t run_count;
  size_t run_capacity;
  as_pack_writer writer;
  as_merging merging;
  as_sealing sealing;
  pthread_mutex_t queue_mutex;
  pthread_cond_t queue_changed;
  as_pack_group *first; /* waiting */
  as_pack_group **last;
  int committing;       /* somebody has the turn */
} as_packs;

/* Opens what is in packs/, as as_store_open does; on failure as_packs_close is still due. Returns 0 or an error. */
int as_packs_open(as_store *store);

/* Gives back what was preallocated and closes everything. Nothing may be under way. */
void as_packs_close(as_store *store);

/* What is known of an address: 1 and *out, 0 when nothing is, or an error. An entry whose kind is AS_RECORD_DAMAGED names
 * the damaged copy; one that is deleted is not found. */
int as_packs_find(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_entry *out);

/* Commits items, together with whatever else waits, and durably unless all of them are deferred; see as_pack_item. What each
 * record needs of the state before is judged in the order of commits:
 *   an object      is written unless it is there and whole (`found` says what was)
 *   a deletion     unless nothing is there
 *   a mark         if its `only_at` holds and it changes anything
 * Any number of threads at once. */
void as_packs_commit(as_store *store, as_pack_item *items, size_t count);

/* Makes all commits so far durable. Returns 0, or a negative errno: then what had been deferred may not be there when the store is
 * opened again, and until it is, neither this nor a commit succeeds any more. */
int as_packs_sync(as_store *store);

/* Runs `work` in a turn of its own, while nobody else commits. Returns its result. */
int as_packs_exclusively(as_store *store, int (*work)(as_store *store, void *context), void *context);

/* ---- between the files of the packs ---- */

/* Writes what the items ask for. Called with the turn to commit. */
void as_pack_write(as_store *store, as_pack_group *groups);

/* Prepares and ends the writer. */
int as_pack_writer_init(as_store *store);
void as_pack_writer_free(as_store *store);

/* Goes on with an existing segment whose commits end at `end`: gives the file that length. May be called again. */
int as_pack_writer_resume(as_store *store, const as_segment_id *id, uint64_t end);

/* The index of the segments first to last, whose entries `table` has, as a file: written durably and opened. */
int as_pack_seal(as_store *store, uint64_t first, uint64_t last, const as_table *table, as_run *out);

/* Makes a run of the table of the segment being written, and an index file of that, by a thread where there are many records. Called with the turn to
 * commit, or by whoever closes the store. */
int as_pack_seal_table(as_store *store);

/* Waits for the thread that seals. Called by whoever closes the store, and nobody commits any more. */
void as_packs_end_sealing(as_store *store);

/* As as_pack_seal, from any source of `count` entries. */
int as_pack_seal_from(as_store *store, const as_index_head *head, as_index_source source, void *context, as_run *out);

/* Puts `count` runs, which lie in the segments first to last, in the place of all runs there, and takes them over.
 * Returns 0 or -ENOMEM. */
int as_packs_put_runs(as_packs *packs, uint64_t first, uint64_t last, const as_run *runs, size_t count);

/* Closes a run that has not been put. */
void as_run_free(as_run *run);

/* Whether the object `address`, whose bytes have been read from location `at` of the segment open as `fd`, and its outboard
 * behind it are whole: group by group, because as one piece the bytes would prove themselves without the outboard. 0,
 * AS_E_CORRUPT or a negative errno. */
int as_payload_check(const as_io *io, int fd, const as_location *at, const uint8_t address[AS_DIGEST_SIZE],
                     const uint8_t *bytes);

/* Makes the indexes of a run again from its segments, one for each, in place of a damaged one. Called with the turn to
 * commit. */
int as_packs_rebuild(as_store *store, uint64_t first, uint64_t last);

/* Begins to merge all runs into one when there are too many, and leaves the rest to a thread: if that fails, lookups take a little longer, and the
 * next call tries again. Called with the turn to commit. */
void as_packs_merge(as_store *store);

/* Whatever the merge under way comes to is not wanted, and once this has returned it does not use the runs any more. Called with the turn to
 * commit. */
void as_packs_cancel_merge(as_packs *packs);

/* Waits for the merge under way. Called by whoever closes the store; its thread has had its last turn to commit. */
void as_packs_end_merge(as_store *store);

void as_merging_init(as_merging *merging);
void as_merging_free(as_merging *merging);

/* An entry, and what is known of where its record stands: in no segment before `first`. */
typedef struct as_found {
  as_entry entry;
  uint64_t first;
} as_found;

/* The newest entry of an address, also one that says it is deleted or whose segment is gone: 1, 0 or an error. */
int as_packs_newest_since(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_found *out);
int as_packs_newest(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_entry *out);

/* The same for whoever has the turn to commit. */
int as_packs_newest_in_turn(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_entry *out);

/* as_packs_sync for whoever has the turn to commit. */
int as_pack_settle(as_store *store);

/* Seals the segment being written, so that commits go on in a new one. Called with the turn to commit. */
int as_pack_seal_active(as_store *store);

/* as_packs_find for whoever has the turn to commit. */
int as_packs_find_in_turn(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_entry *out);

/* "<first>-<last>.idx", and the reverse: whether `name` is one. */
as_pack_name as_index_name(uint64_t first, uint64_t last);
int as_index_name_parse(const char *name, uint64_t *first, uint64_t *last);

/* Deletes the index file of a run; that it is not there is no error. */
int as_index_unlink(as_store *store, uint64_t first, uint64_t last);

#endif
