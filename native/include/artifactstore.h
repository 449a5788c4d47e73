/*
 * libartifactstore: the C ABI of the native core.
 *
 * Digests, local storage and nothing else: this header knows no Node type, so the same core can serve a
 * daemon in another language. Everything that touches bytes is behind these calls.
 *
 * Conventions
 *   - A function that can fail returns an int: 0 for success, a negative number otherwise. A value in
 *     (-4096, 0) is a negated errno; a value at or below AS_E_BASE is one of ours. `as_error_name` names either,
 *     and `as_error_detail` says, for the calling thread, which call failed on which file.
 *   - Objects are addressed by the 32 bytes of their BLAKE3 digest.
 *   - A handle may be used by any thread, but by one thread at a time. A store may be used by all threads at once.
 */
#ifndef ARTIFACTSTORE_H
#define ARTIFACTSTORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ------------------------------------------------------------------------------------------------ */

enum {
  AS_E_BASE = -10000,
  AS_E_INVALID = -10001,   /* an argument outside its documented range */
  AS_E_MISSING = -10002,   /* no such object */
  AS_E_CORRUPT = -10003,   /* stored bytes do not hash to their name */
  AS_E_LOCKED = -10004,    /* another process has the store open */
  AS_E_FORMAT = -10005,    /* a format version this build does not know, or not a store at all */
  AS_E_READ_ONLY = -10006, /* the store was opened read-only */
  AS_E_CHANGED = -10007,   /* a source file changed while it was being read */
  AS_E_MISMATCH = -10008,  /* the bytes are not those the caller expected (digest) */
  AS_E_SIZE = -10009,      /* the bytes are fewer or more than the caller announced */
  AS_E_NOT_FILE = -10010,  /* the source is not a regular file */
  AS_E_SOURCE = -10011,    /* the source file cannot be opened or read; errno in as_error_detail */
  AS_E_RANGE = -10012,     /* an offset beyond the end of the object */
  AS_E_BUSY = -10013,      /* somebody else is using the upload session */
  AS_E_OFFSET = -10014,    /* an offset that is not where the upload session stands */
  AS_E_SINK = -10015,      /* the file that was to take an object's bytes cannot be opened or written; errno in as_error_detail */
  AS_E_SINK_FULL = -10016  /* the same, for want of space or quota */
};

/* A stable name for an error: "AS_E_CORRUPT", "ENOSPC", … Never NULL. */
const char *as_error_name(int error);

/* Why, in a few words: "permission denied". */
const char *as_error_reason(int error);

/* What failed last on the calling thread, as "<call> <path>: <reason>"; "" if nothing did. Valid until the next call. */
const char *as_error_detail(void);

/* ---- digests ----------------------------------------------------------------------------------------------- */

enum {
  AS_DIGEST_SIZE = 32,
  AS_BLAKE3_KEY_SIZE = 32,           /* bytes in the key of keyed BLAKE3 */
  AS_BLAKE3_CHUNK = 1024,            /* bytes in a BLAKE3 chunk, the leaf of its tree */
  AS_GROUP_SIZE = 16 * 1024,         /* bytes in a chunk group: the granularity of outboards and of verified reads */
  AS_BLAKE3_MAX_DEPTH = 54           /* 2^64 bytes = 2^54 chunks: the tree is never deeper */
};

typedef struct as_digests {
  uint8_t blake3[AS_DIGEST_SIZE];
  uint8_t sha256[AS_DIGEST_SIZE];
} as_digests;

/* Called with the chaining values of `count` consecutive chunk groups, 32 bytes each, in order. Returns 0, or a negative
 * error, which makes the digest call that caused it return the same. */
typedef int (*as_group_sink)(void *context, const uint8_t *chaining_values, size_t count);

/* BLAKE3 and SHA-256 of one stream, in one pass. The members are private; the struct is public so that it can be
 * embedded. It holds less than one chunk group of input that has not been hashed yet, or the whole first one. */
typedef struct as_dual {
  uint32_t sha256_state[8];
  uint8_t cv_stack[AS_BLAKE3_MAX_DEPTH][AS_DIGEST_SIZE]; /* chaining values of complete subtrees, largest first */
  uint32_t cv_stack_len;
  uint32_t buffered;      /* bytes in `buffer` */
  int error;              /* the sink's, which ended the stream */
  uint64_t groups;        /* chunk groups already absorbed by both hashes */
  as_group_sink sink;     /* may be NULL */
  void *sink_context;
  uint8_t buffer[AS_GROUP_SIZE];
} as_dual;

/* Starts a stream. `sink` may be NULL; otherwise it receives every chunk group's chaining value (the subtree's non-root
 * value), a last group that is not whole from as_dual_finish; a stream of at most one group has no tree and calls it
 * never. The struct may be moved or copied between calls. SHA-256 ends at 2^61 - 1 bytes, and so does a stream. */
void as_dual_init(as_dual *dual, as_group_sink sink, void *sink_context);

/* Absorbs `size` bytes; `bytes` may be NULL where it is 0. Returns 0 or the sink's error, and after an error the same
 * at every further call: the stream has ended without digests. */
int as_dual_update(as_dual *dual, const void *bytes, size_t size);

typedef struct as_span {
  const void *bytes;
  size_t size;
} as_span;

/* Two different streams absorb inputs[0] and inputs[1], of any lengths, as two calls of as_dual_update would, but
 * faster: as long as both have whole groups, one kernel advances both. Fastest with inputs of one length, a multiple of
 * AS_GROUP_SIZE. errors[i] is what as_dual_update of duals[i] would return; an error of one stops only that one. */
void as_dual2_update(as_dual *const duals[2], const as_span inputs[2], int errors[2]);

/* as_dual_update in two halves, for two threads at once: one absorbs whole groups into SHA-256, the other the same groups into
 * BLAKE3, and neither touches what the other does. Only while as_dual_splits says so: a group or more has been absorbed, and
 * nothing waits in the buffer. Both halves must have absorbed the same groups before any other call. */
int as_dual_splits(const as_dual *dual);
void as_dual_sha256_groups(as_dual *dual, const void *groups, size_t count);
int as_dual_blake3_groups(as_dual *dual, const void *groups, size_t count); /* 0 or the sink's error, as as_dual_update */

/* Gives the digests of all bytes absorbed so far. Call it once; the state is spent afterwards. Returns 0 or the sink's
 * error, and then there are no digests. */
int as_dual_finish(as_dual *dual, as_digests *out);

/* How many bytes the stream has absorbed. */
uint64_t as_dual_length(const as_dual *dual);

enum { AS_DUAL_STATE_MAX = 18 * 1024 }; /* bytes: no exported state is larger */

/* Writes the state of a stream as bytes from which any machine can go on, in the format of
 * docs/formats/digest-state.md: under 2 KiB at a multiple of AS_GROUP_SIZE beyond the first, else up to one group more.
 * The stream itself is unchanged. *size is set to the state's size whenever the call returns 0 or AS_E_SIZE. Errors:
 * AS_E_SIZE (`capacity` is less than *size), AS_E_INVALID (the stream is longer than 2^61 - 1 bytes), the sink's error
 * when it has ended the stream. */
int as_dual_export(const as_dual *dual, uint8_t *out, size_t capacity, size_t *size);

/* Starts a stream where an exported one stood. `sink` goes on after the groups that the exported stream's sink had
 * received: with number length / AS_GROUP_SIZE, or with 0 when the length is at most AS_GROUP_SIZE. Every byte is
 * checked, but a state is not authenticated: whoever can write it decides what is hashed, so keep it where only trusted
 * parties write. Errors: AS_E_FORMAT (not a state, cut short, altered, or of an unknown version); *dual is then
 * unchanged. */
int as_dual_import(as_dual *dual, const uint8_t *state, size_t size, as_group_sink sink, void *sink_context);

/* Digests `count` independent inputs; out[i] belongs to inputs[i]. Inputs of up to one group are hashed side by side,
 * larger ones two at a time, so give many at once, in any mix. */
void as_dual_many(const as_span *inputs, size_t count, as_digests *out);

/* ---- BLAKE3 by itself: all modes, any output length -------------------------------------------------------- */

/* A BLAKE3 stream (BLAKE3 paper, section 2). The members are private. */
typedef struct as_blake3 {
  uint32_t key[8];
  uint32_t flags;         /* of the mode */
  uint32_t cv_stack_len;
  uint8_t cv_stack[AS_BLAKE3_MAX_DEPTH][AS_DIGEST_SIZE];
  uint64_t groups;        /* chunk groups already hashed */
  uint32_t buffered;      /* bytes in `buffer` */
  uint8_t buffer[AS_GROUP_SIZE];
} as_blake3;

/* Starts a stream in hash mode. */
void as_blake3_init(as_blake3 *hasher);

/* Starts a stream in keyed mode: a MAC, or a hash of one's own. */
void as_blake3_init_keyed(as_blake3 *hasher, const uint8_t key[AS_BLAKE3_KEY_SIZE]);

/* Starts a stream in key derivation mode: the input is key material, `context` says what for ("application date
 * purpose", unique and never taken from input) and is `context_size` bytes. */
void as_blake3_init_derive_key(as_blake3 *hasher, const void *context, size_t context_size);

/* Absorbs `size` bytes. */
void as_blake3_update(as_blake3 *hasher, const void *bytes, size_t size);

/* Writes bytes [seek, seek + size) of the output of all bytes absorbed so far; the first AS_DIGEST_SIZE are the digest.
 * The output ends at 2^64 bytes: seek + size is at most UINT64_MAX. The stream is unchanged and may go on. */
void as_blake3_finish(const as_blake3 *hasher, uint64_t seek, uint8_t *out, size_t size);

/* ---- SHA-256 by itself ------------------------------------------------------------------------------------- */

/* A SHA-256 stream (FIPS 180-4), up to 2^61 - 1 bytes. The members are private. */
typedef struct as_sha256 {
  uint32_t state[8];
  uint64_t length;        /* bytes absorbed, those in `buffer` included */
  uint8_t buffer[64];
} as_sha256;

void as_sha256_init(as_sha256 *hasher);

/* Absorbs `size` bytes. */
void as_sha256_update(as_sha256 *hasher, const void *bytes, size_t size);

/* The digest of all bytes absorbed so far. The stream is unchanged and may go on. */
void as_sha256_finish(const as_sha256 *hasher, uint8_t out[AS_DIGEST_SIZE]);

/* ---- BLAKE3 trees: what an outboard is made of and checked with -------------------------------------------- */

/* The chaining value of the chunk groups in `bytes` as one subtree (not the root) that starts at group `first_group`.
 * `size` is 1 byte to any length; to be a subtree of a larger tree it must be a power of two of groups or end the object. */
void as_blake3_subtree(const void *bytes, size_t size, uint64_t first_group, uint8_t out[AS_DIGEST_SIZE]);

/* The chaining values of `count` whole chunk groups in `bytes`, the first being group `first_group` of its object; 32 bytes each. Faster
 * than as_blake3_subtree for one after the other: every level of all their trees is hashed side by side. */
void as_blake3_groups(const void *bytes, size_t count, uint64_t first_group, uint8_t *out);

/* The BLAKE3 digest of `bytes`, by itself. */
void as_blake3_hash(const void *bytes, size_t size, uint8_t out[AS_DIGEST_SIZE]);

/* The chaining value of a parent over two children; with `root` non-zero, the digest of the whole. */
void as_blake3_parent(const uint8_t left[AS_DIGEST_SIZE], const uint8_t right[AS_DIGEST_SIZE], int root,
                      uint8_t out[AS_DIGEST_SIZE]);

/* ---- chunking: content-defined cuts, docs/formats/chunking.md ----------------------------------------------- */

enum {
  AS_CHUNK_SIZE_MIN = 256,                  /* several times the 64-byte window that decides on a cut */
  AS_CHUNK_AVERAGE_MIN = 1024,
  AS_CHUNK_AVERAGE_MAX = 4 * 1024 * 1024,
  AS_CHUNK_SIZE_MAX = 64 * 1024 * 1024,
  AS_CHUNKER_HISTORY = 64                   /* bytes a chunker keeps of what came before: the window of the next cut */
};

/* Chunk sizes in bytes. `average` is a power of two; AS_CHUNK_SIZE_MIN <= minimum <= average <= maximum <=
 * AS_CHUNK_SIZE_MAX. Where a cut falls depends on all three: they belong to whatever records the chunks. */
typedef struct as_chunk_sizes {
  uint32_t minimum;
  uint32_t average;
  uint32_t maximum;
} as_chunk_sizes;

/* One stream being cut. The members are private; the struct is public so that it can be embedded. */
typedef struct as_chunker {
  as_chunk_sizes sizes;
  uint32_t length; /* bytes since the last cut */
  uint8_t history[AS_CHUNKER_HISTORY];
} as_chunker;

/* Starts a stream. `sizes` may be NULL: 16, 64 and 256 KiB. AS_E_INVALID: sizes out of range. */
int as_chunker_init(as_chunker *chunker, const as_chunk_sizes *sizes);

/* Takes in up to `size` bytes, to the first cut. Returns 1 when a cut follows the *taken bytes taken in, 0 when all were taken in
 * and no cut follows. Cuts depend neither on how the stream was split into calls nor on anything before the last cut. */
int as_chunker_next(as_chunker *chunker, const void *bytes, size_t size, size_t *taken);

/* Bytes since the last cut: at the end of the stream, the size of its last chunk, which may be smaller than the minimum. */
uint32_t as_chunker_pending(const as_chunker *chunker);

/* The scan in use ("avx2", "portable"), those this machine can run (best first, NULL-terminated), and a choice by name, for tests
 * and benchmarks: as as_kernel_… below for digests. All cut at the same places. */
const char *as_chunk_kernel_name(void);
const char *const *as_chunk_kernel_names(void);
int as_chunk_kernel_select(const char *name);

/* ---- what this machine runs -------------------------------------------------------------------------------- */

/* The kernel set in use: "avx2_shani", "portable", … Chosen once per process from the CPU; the environment
 * variable ARTIFACTSTORE_CPU forces one by name. */
const char *as_kernel_name(void);

/* Names of the kernel sets that this machine can run, best first, NULL-terminated. */
const char *const *as_kernel_names(void);

/* Makes `name` the kernel set in use, for tests and benchmarks; not while another thread is hashing.
 * AS_E_INVALID when this machine cannot run it or no such set exists. */
int as_kernel_select(const char *name);

typedef struct as_path_counter {
  uint64_t calls; /* of the kernel */
  uint64_t units; /* chunk groups or objects that went through it */
} as_path_counter;

/* How often each path through the dual kernels ran in this process. */
typedef struct as_counters {
  as_path_counter one_stream; /* units: groups */
  as_path_counter two_stream; /* units: groups of both streams together */
  as_path_counter batch;      /* units: objects */
} as_counters;

/* Reads the counters; they only grow. Any thread, any time. */
void as_kernel_counters(as_counters *out);

/* The CPU features found, as space-separated names ("sse4.1 avx2 sha"). */
const char *as_cpu_features(void);

/* The I/O engine of this process: "uring" or "posix". Chosen once, the first where the kernel allows it; the environment variable
 * ARTIFACTSTORE_IO forces one by name. "none" when what it asks for is not to be had: then no store opens. */
const char *as_io_name(void);

/* Why it is that one, or none: a sentence. */
const char *as_io_reason(void);

/* ---- the local store --------------------------------------------------------------------------------------- */

typedef struct as_store as_store;
typedef struct as_ingest as_ingest;
typedef struct as_reader as_reader;
typedef struct as_verifier as_verifier;
typedef struct as_sink as_sink;
typedef struct as_sender as_sender;
typedef struct as_pieces as_pieces;

enum { AS_STORE_FORMAT_VERSION = 2 };

enum {
  AS_OPEN_READ_ONLY = 1, /* shared with other readers, never writes */
  AS_OPEN_CREATE = 2     /* make the store if the folder is missing or empty */
};

/* Opens the store in folder `path`, takes its lock, removes what an earlier crash left in staging.
 * Errors: AS_E_LOCKED, AS_E_FORMAT, AS_E_MISSING (no store there and not AS_OPEN_CREATE), AS_E_READ_ONLY (the file system is),
 * AS_E_INVALID (also when ARTIFACTSTORE_IO cannot be met; the detail says why), errno. */
int as_store_open(const char *path, unsigned flags, as_store **out);

/* Closes the store. Ingests, readers and verifiers of it must be ended first. What as_ingest_defer has put off is made durable, but nobody
 * is told when that fails: call as_store_sync before. */
void as_store_close(as_store *store);

typedef struct as_health {
  uint64_t free_bytes;
  uint64_t total_bytes;
  uint64_t sync_latency_ns; /* one small write and sync, just now; 0 when read-only */
  int writable;
  const char *file_system;  /* "ext4", "xfs", …, or "unknown" */
} as_health;

int as_store_health(as_store *store, as_health *out);

/* The size of an object. AS_E_MISSING; AS_E_CORRUPT when it is marked damaged. */
int as_store_stat(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], uint64_t *size);

/* What the caller believes about the bytes it sends; a NULL member or AS_SIZE_UNKNOWN is not checked. */
#define AS_SIZE_UNKNOWN UINT64_MAX
typedef struct as_expect {
  const uint8_t *blake3;
  const uint8_t *sha256;
  uint64_t size;
} as_expect;

typedef struct as_ingested {
  as_digests digests;
  uint64_t size;
  uint64_t stored_size; /* bytes on disk for object and outboard */
  int existed;          /* the same bytes were stored before */
  int healed;           /* a damaged copy was there and has been replaced */
  int deferred;         /* a power cut may take the object until as_store_sync has returned */
} as_ingested;

/* Starts taking in a byte stream, in staging: nothing is visible until commit. */
int as_ingest_begin(as_store *store, as_ingest **out);

/* Starts taking in an object whose bytes are all there: they are not copied, and must stay as they are until the ingest has
 * ended. Nothing can be appended. */
int as_ingest_begin_whole(as_store *store, const void *bytes, size_t size, as_ingest **out);

/* Starts taking in the regular file at `path`, which the core reads itself. Errors: AS_E_NOT_FILE, AS_E_SOURCE. */
int as_ingest_begin_file(as_store *store, const char *path, as_ingest **out);

/* Files that are taken in together: those of up to 16 KiB are read with all requests in flight, so that a disk is not waited for once a file. Twice as many were
 * hardly faster, and hold twice the descriptors. */
enum { AS_FILES_MAX = 32 };
typedef struct as_files as_files;

/* Opens `count` files, at most AS_FILES_MAX, and reads those of up to 16 KiB to `room`, as far as they fit, in order: *used bytes of it. They are closed
 * again, so that taking in many costs neither memory nor descriptors for each. Paths and room must stay as they are: the paths until as_files_close, the
 * room until the ingests have ended. What is wrong with a file its as_files_take says. */
int as_files_open(as_store *store, const char *const *paths, size_t count, void *room, size_t size, size_t *used, as_files **out);

/* The ingest of the next file, in order, with the errors of as_ingest_begin_file and of as_ingest_pump. `*whole`: all of it has been read; other files are
 * to be pumped. Call it once for each. */
int as_files_take(as_files *files, as_ingest **out, int *whole);

/* Closes files that nobody has taken. NULL is allowed. */
void as_files_close(as_files *files);

/* Says how many bytes will come, before the first: those of an object that is too large for a pack are then written as they come, where up to 256 KiB would
 * otherwise be held until that is known. If others come, committing fails with AS_E_SIZE. */
void as_ingest_announce(as_ingest *ingest, uint64_t size);

/* Appends bytes to a stream ingest. After an error only as_ingest_abort is left. */
int as_ingest_append(as_ingest *ingest, const void *bytes, size_t size);

/* Appends up to `most` bytes that come from the connected socket `fd`, a descriptor of the caller's. A call ends early when nothing has come for `wait`
 * milliseconds in all: *taken. Errors: those of as_ingest_append; AS_E_SOURCE: nothing comes any more. `store` is that of the ingest. */
int as_ingest_receive(as_ingest *ingest, as_store *store, int fd, size_t most, int wait, size_t *taken);

/* The same from a stream in pieces, until it has ended: as_pieces_mark tells. */
int as_ingest_receive_pieces(as_ingest *ingest, as_store *store, as_pieces *pieces, size_t most, int wait, size_t *taken);

/* Appends to two different stream ingests at once, which hashes both faster than one after the other. errors[i] is what became of
 * ingests[i], as as_ingest_append would have returned it. */
void as_ingest_append_pair(as_ingest *const ingests[2], const as_span inputs[2], int errors[2]);

/* Reads up to `most` further bytes of a file ingest; *taken is 0 at the end of the file. Errors: AS_E_CHANGED, AS_E_SOURCE. */
int as_ingest_pump(as_ingest *ingest, size_t most, size_t *taken);

/* Lets the commit of an ingest end before the object is durable: as_store_sync makes it so. Until then a power cut may take the object, and
 * leaves it absent or marked damaged. One larger than 256 KiB can be found only when it is durable. After some tens of megabytes the
 * commit makes everything durable by itself. No effect on an upload session. */
void as_ingest_defer(as_ingest *ingest);

/* Bytes taken in so far. */
uint64_t as_ingest_length(const as_ingest *ingest);

/* Ingests that are finished together: it bounds open files, and memory to 64 MiB, whatever the batch of a call. Of a larger one each slice is made durable by itself. */
enum { AS_COMMIT_SLICE = 256 };

/* Makes `count` ingests of one store durable and visible together, as cheaply as one; for those that are deferred, see as_ingest_defer. expects[i] may be NULL.
 * status[i] is what became of ingests[i]; results[i] is set where it is 0, and its digests and size also where it is AS_E_MISMATCH
 * or AS_E_SIZE, to tell what came instead. Every ingest is ended, whatever happened. */
void as_ingest_commit(as_store *store, as_ingest *const *ingests, const as_expect *const *expects, size_t count,
                      as_ingested *results, int *status);

/* Makes everything durable that was committed before the call. Costs nothing when it is already. An error means that objects whose
 * durability was put off may be lost; the store has to be opened again to find out which, and this function fails until then. Any thread, any time. */
int as_store_sync(as_store *store);

/* Gives up an ingest and leaves nothing behind. */
void as_ingest_abort(as_ingest *ingest);

/* ---- upload sessions: an ingest over several calls, over restarts too --------------------------------------- */

enum { AS_SESSION_ID_MAX = 64 /* characters of A to Z, a to z, 0 to 9, _ and -; at least one */ };

/* How far a session has come: what survives a crash or a power cut now. */
typedef struct as_session_status {
  uint64_t offset;    /* bytes */
  as_digests digests; /* of these bytes */
} as_session_status;

/* Goes on with the session `id` from its durable offset, which must be `offset`; offset 0 makes a session that is not there. What comes out
 * takes as_ingest_append, as_ingest_append_pair and as_ingest_length, and ends with
 *   - as_ingest_commit: the object is stored, and the session is gone. If that fails, or the bytes are not those expected, the session
 *     stays as of its last checkpoint;
 *   - as_ingest_abort: the session stays as of its last checkpoint. One that never had one leaves nothing behind.
 * Errors: AS_E_OFFSET (*durable is the right one, and nothing has changed), AS_E_MISSING (offset is not 0 and there is no such session),
 * AS_E_BUSY (somebody else is writing to it), AS_E_CORRUPT (its files are damaged: only as_session_remove is left), AS_E_INVALID (the
 * id), AS_E_READ_ONLY, errno. */
int as_session_begin(as_store *store, const char *id, uint64_t offset, as_ingest **out, uint64_t *durable);

/* Makes all bytes appended so far durable, and the hash state with them: a session that goes on from here reads and hashes none of them
 * again. Costs three syncs, none when nothing has come since the last. After an error only as_ingest_abort is left. */
int as_session_checkpoint(as_ingest *session, as_session_status *out);

/* How far a session has come; while somebody writes to it, as of the last checkpoint. Errors: AS_E_MISSING, AS_E_CORRUPT, AS_E_BUSY (somebody
 * is just beginning with it or looking at it), AS_E_INVALID, errno. */
int as_session_look(as_store *store, const char *id, as_session_status *out);

/* Ends a session and removes what has come. *removed says whether there was one. Errors: AS_E_BUSY, AS_E_INVALID, AS_E_READ_ONLY, errno. */
int as_session_remove(as_store *store, const char *id, int *removed);

/* What is in the store of one session. */
typedef struct as_session_entry {
  char id[AS_SESSION_ID_MAX + 1];
  uint64_t changed_ms;  /* when its files last changed: milliseconds since 1970 */
  uint64_t stored_size; /* bytes they take on disk */
} as_session_entry;

/* Calls `visit` with each session, in no order; a result other than 0 ends the listing and becomes its result. For whoever removes those
 * that nobody goes on with: what a crash has left is among them. */
int as_session_list(as_store *store, int (*visit)(void *context, const as_session_entry *entry), void *context);

typedef struct as_range {
  uint64_t start; /* first byte */
  uint64_t end;   /* one past the last byte */
} as_range;

/* Opens an object for verified reading. Errors: AS_E_MISSING, AS_E_CORRUPT (already marked damaged). */
int as_reader_open(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], as_reader **out, uint64_t *size);

/* Reads from `offset` into `buffer`, verified against the object's address before it returns. Whole chunk groups are read:
 * the bytes asked for begin at buffer + *skip (*skip < AS_GROUP_SIZE) and are *size long; at least one byte unless offset is
 * the end of the object, and as many as `capacity` takes. That is a multiple of AS_GROUP_SIZE; reading is fastest in aligned powers of
 * two. Several threads may read from one reader at once.
 * AS_E_CORRUPT: the bytes do not verify; *bad names the range; the object is marked damaged and counts as absent. */
int as_reader_read(as_reader *reader, uint64_t offset, uint8_t *buffer, size_t capacity, size_t *skip, size_t *size,
                   as_range *bad);

void as_reader_close(as_reader *reader);

/* The part of the object's outboard that proves bytes [start, end), without the object's bytes: of every node of the tree over chunk groups that
 * covers some of them and has children, the chaining values of the two, 64 bytes, in pre-order. [0, size) gives what stands behind the header
 * of a bao-tree outboard; an object of one group has none. Writes as many nodes as `capacity` takes (at least 64 bytes), from *next on, which is
 * 0 at first; *size is how many bytes, and *next is where to go on, or 0 when that was all. Each is proven by the object's address before it
 * is given. Several threads may read from one reader at once. Errors: AS_E_RANGE; AS_E_CORRUPT, as of as_reader_read. */
int as_reader_nodes(as_reader *reader, uint64_t start, uint64_t end, uint64_t *next, uint8_t *buffer, size_t capacity,
                    size_t *size, as_range *bad);
/* Reads all `size` bytes of a packed object into `bytes` if that takes no waiting for a disk, verified against the object's address. 1; or 0
 * for whatever reason: then `bytes` means nothing, and a reader finds out. For threads that must not wait; what it looks up may be on disk where
 * nobody has looked for long, so it is for objects that were read before. */
int as_read_now(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], void *bytes, size_t size);

/* An answer for a socket: bytes that are there, and behind them all of a packed object. */
typedef struct as_answer {
  int fd;         /* of somebody else's socket, open for certain; negative: nothing is done */
  uint8_t *bytes; /* the answer's beginning, with room for the object behind it */
  size_t size;    /* of the beginning */
  const uint8_t *blake3;
  size_t object_size;
  int64_t sent; /* what became of it: bytes that the socket took, of beginning and object; or AS_ANSWER_UNREAD */
} as_answer;

enum { AS_ANSWER_UNREAD = -1 /* nothing is sent: the object cannot be read without waiting, or at all */ };

/* Sends answers to their sockets, one after the other, each with its object read and verified as by as_read_now just before. Waits for nothing: what a socket did
 * not take is in `bytes` afterwards, for its owner to write; of one that is broken that is all, and its owner will find out. */
void as_answers_send(as_store *store, as_answer *answers, size_t count);

/* Opens bytes [start, end) of an object (`end` may be AS_SIZE_UNKNOWN: all that come) to be put into the file at `path`, from its first byte
 * on: an empty regular file, or a device that takes bytes at any offset. The file must be there; it is neither named nor synced here, and
 * nobody else may write to it. *size is how many bytes will come. Errors: those of as_reader_open; AS_E_RANGE; AS_E_SINK: it is no such file
 * or cannot be opened for reading and writing, and nothing has happened to it. */
int as_sink_open(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], const char *path, uint64_t start, uint64_t end,
                 as_sink **out, uint64_t *size);

/* Puts up to `most` further bytes, at least 1, into the file, all verified against the object's address; *taken is 0 at the end. Bytes are verified before they are
 * written; where the file shares the object's blocks, they are verified in the file itself. Errors: AS_E_CORRUPT as of as_reader_read;
 * AS_E_SINK, AS_E_SINK_FULL. After an error what the file holds means nothing, and only as_sink_close is left. */
int as_sink_pump(as_sink *sink, size_t most, size_t *taken, as_range *bad);

/* Ends it, whether or not all has come. */
void as_sink_close(as_sink *sink);

/* ---- objects from elsewhere into files ---- */

enum { AS_PROVEN_BLOCK = 16 * AS_GROUP_SIZE }; /* bytes that are proven at once */

/* A local file that takes bytes of an object of which somebody knows the tree. One thread at a time. */
typedef struct as_proven_file as_proven_file;

/* Opens the file at `path`, which must be there, empty and regular; it is neither named nor synced here, and nobody else may write to it. Its first byte is the first of
 * the object's group `first_group`, a multiple of 16; `size` bytes are to come, which end at the end of the object or of a block of AS_PROVEN_BLOCK. Errors:
 * AS_E_SINK: it is no such file, and nothing has happened to it. */
int as_proven_file_begin(const char *path, uint64_t first_group, uint64_t size, as_proven_file **out);

/* Receives the next `count` blocks from a connected socket, that in which the file stands being the first, or what of them comes while no more than `wait` milliseconds
 * are spent on waiting. `values` are their chaining values, 32 bytes each; bytes are written once all of their block has come and has its value. Errors:
 * AS_E_SOURCE: nothing comes any more. AS_E_CORRUPT: a block is not what it must be; nothing of it is in the file, which stands where it begins. AS_E_SINK,
 * AS_E_SINK_FULL; after these what the file holds means nothing. */
int as_proven_file_receive(as_proven_file *file, int socket, const uint8_t *values, size_t count, int wait);

/* The same with bytes that are in memory, all of which belong to these blocks. */
int as_proven_file_append(as_proven_file *file, const void *bytes, size_t size, const uint8_t *values, size_t count);

/* Bytes that have come and have not been found wrong: where the next ones belong. */
uint64_t as_proven_file_position(const as_proven_file *file);

/* Ends it, whether or not all has come; all that was proven is in the file. Errors: AS_E_SINK, AS_E_SINK_FULL. */
int as_proven_file_end(as_proven_file *file);

/* Ends it; what the file holds means nothing. NULL is harmless. */
void as_proven_file_abort(as_proven_file *file);

/* A descriptor of its own for an open socket, for as_sender_open, as_ingest_receive and as_proven_file_receive: it stays good when the other is closed. Or a negative errno. And its end, where no
 * sender has taken it over. */
int as_socket_keep(int fd);
void as_socket_close(int fd);

/* Has the kernel hold up to `size` bytes that were written to an open socket and not read yet, or as many as it lets anybody: who writes and who reads wait for each other less often. */
void as_socket_widen(int fd, size_t size);

/* ---- streams in pieces ---- */

enum {
  AS_PIECE_HEAD = 4,               /* bytes before each piece: its size, the first byte the highest */
  AS_PIECE_MAX = 16 * 1024 * 1024, /* bytes of a piece at most */
  AS_PIECES_GO_ON = -1
};

/* A stream that comes over a connected socket in pieces of 1 to AS_PIECE_MAX bytes, each behind its size. What says it is any other size is its end: 0, or something that whoever
 * receives has to understand. One thread at a time.
 * Begins with the head of a piece. The descriptor stays the caller's, who may close it: the stream has one of its own. Errors: -EBADF, -ENOMEM. */
int as_pieces_begin(int fd, as_pieces **out);

/* Receives up to `size` bytes of what the pieces hold, fewer when no more came while no more than `wait` milliseconds were spent on waiting, or when the stream has ended: *filled,
 * also beside an error. Errors: AS_E_SOURCE: nothing comes any more. */
int as_pieces_receive(as_pieces *pieces, void *bytes, size_t size, int wait, size_t *filled);

/* What ended the stream: 0, or more than AS_PIECE_MAX; AS_PIECES_GO_ON while nothing has. What is behind that has not been received. */
int64_t as_pieces_mark(const as_pieces *pieces);

/* Ends it, whether or not all has come. NULL is harmless. */
void as_pieces_end(as_pieces *pieces);

/* ---- objects into sockets ---- */

enum { AS_SEND_PIECES = 1 /* each block is a piece, behind its size; the end of the stream is not sent */ };

/* Opens bytes [start, end) of an object to be sent to the connected socket `fd`, a descriptor that becomes the sender's own, also on failure. Errors: those of
 * as_reader_open; AS_E_RANGE. `flags`: 0 or AS_SEND_PIECES. */
int as_sender_open(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], int fd, uint64_t start, uint64_t end, unsigned flags, as_sender **out);

/* What a call of as_sender_pump did. */
typedef struct as_sent {
  size_t sent; /* bytes of the object that the socket took */
  size_t skip; /* and where in the buffer those stand that it did not take, */
  size_t left; /* which are whoever's who called: the next call goes on behind them */
} as_sent;

/* Sends `most` further bytes, or as many blocks more as it takes to reach that, verified against the object's address before they leave. A call ends early when the socket takes nothing
 * for `wait` milliseconds: then `left` bytes, verified too, stand in the buffer. `capacity` is a multiple of AS_GROUP_SIZE, and at least two. All has been sent or handed out when it
 * sends nothing and leaves nothing. Errors: AS_E_CORRUPT as of as_reader_read; AS_E_SINK: the socket takes nothing any more. */
int as_sender_pump(as_sender *sender, size_t most, int wait, uint8_t *buffer, size_t capacity, as_sent *out, as_range *bad);

/* Ends it, whether or not all has been sent, and closes its descriptor. */
void as_sender_close(as_sender *sender);

enum {
  AS_VERIFY_BLAKE3 = 1 /* computes BLAKE3 alone: finds and names the same damage for a fraction of the work */
};

/* Re-reads and re-digests a whole object, damaged or not, in steps. `flags`: 0 or AS_VERIFY_BLAKE3. Errors: AS_E_MISSING,
 * AS_E_INVALID (other flags). */
int as_verifier_open(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], unsigned flags, as_verifier **out, uint64_t *size);

/* Reads up to `most` further bytes, rounded up to whole chunk groups; *taken is 0 at the end. */
int as_verifier_pump(as_verifier *verifier, size_t most, size_t *taken);

/* as_verifier_pump of two different verifiers at once, which hashes both faster than one after the other where both compute both digests.
 * taken[i] and errors[i] are what as_verifier_pump of verifiers[i] would have given. */
void as_verifier_pump_pair(as_verifier *const verifiers[2], size_t most, size_t taken[2], int errors[2]);

typedef struct as_verified {
  as_digests digests;    /* of the bytes as they are; sha256 is all zeros under AS_VERIFY_BLAKE3 */
  uint64_t size;
  int intact;            /* the bytes hash to their address */
  int outboard_repaired; /* the bytes were whole, their outboard was not, and has been rewritten */
  size_t bad_count;      /* how many of `bad` were filled; damage beyond the last is folded into it */
} as_verified;

/* Concludes: intact, or which ranges are not (chunk-group granularity, ascending, merged). Marks the object damaged, or clears the
 * mark of one that proves whole. Ends the verifier in every case. `bad` has room for `capacity` ranges, at least 1. */
int as_verifier_finish(as_verifier *verifier, as_verified *out, as_range *bad, size_t capacity);

void as_verifier_abort(as_verifier *verifier);

typedef enum as_verify_outcome {
  AS_VERIFY_WHOLE, /* the object is there and whole: results[i] says so */
  AS_VERIFY_ALONE, /* only a verifier can say: it has a file of its own, or it is absent, damaged, marked or could not be read */
  AS_VERIFY_LATER  /* not looked at: the budget was used up before its turn came */
} as_verify_outcome;

/* Verifies many small objects of a store for little more than it takes to read and hash them: in the order in which they lie, neighbours in one
 * read, hashed side by side. Concludes about those that are packed and whole, and leaves all others to a verifier; changes nothing.
 * `addresses` holds `count` addresses, 32 bytes each; `flags` as for as_verifier_open. Ends early once it has read `budget` bytes,
 * but verifies at least one. results[i] is set where outcomes[i] is AS_VERIFY_WHOLE. Returns how many bytes it has verified. */
uint64_t as_verify_many(as_store *store, const uint8_t *addresses, size_t count, unsigned flags, uint64_t budget,
                        as_verified *results, as_verify_outcome *outcomes);

/* Deletes an object and frees its space now. *removed says whether there was one, *freed the space returned. */
int as_store_remove(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], int *removed, uint64_t *freed);

/* Deletes `count` objects as as_store_remove does, as cheaply as one: the packed ones in one commit, the others sharing their directory syncs.
 * `addresses` holds 32 bytes for each. status[i] is what as_store_remove would return, removed[i] and freed[i] what it would set. */
void as_store_remove_many(as_store *store, const uint8_t *addresses, size_t count, int *removed, uint64_t *freed, int *status);

/* As as_store_remove_many, and no byte of the objects is left in a file that stays: where they share blocks with others they are overwritten, and that is durable. */
void as_store_erase_many(as_store *store, const uint8_t *addresses, size_t count, int *removed, uint64_t *freed, int *status);

/* An object that is stored, whether or not anybody knows of it. */
typedef struct as_listed {
  uint8_t blake3[AS_DIGEST_SIZE];
  uint64_t size;
  int64_t changed; /* milliseconds since 1970 UTC, when what it lies in last changed: it was stored no later */
} as_listed;

/* Lists the objects whose addresses begin with the byte `part`, 0 to 255, in ascending order; of one that is a file and packed both. Those that come
 * or go meanwhile may be among them or not. *out is for as_listed_free. Errors: AS_E_INVALID, AS_E_CORRUPT (an index is damaged: any lookup repairs it),
 * -ENOMEM, errno. */
int as_store_list(as_store *store, unsigned part, as_listed **out, size_t *count);
void as_listed_free(as_listed *listed);

typedef struct as_compacted {
  uint64_t next;        /* where to go on: the `from` of the next step; 0 when all segments have been looked at */
  uint64_t moved_bytes; /* copied by this step */
  uint64_t freed_bytes; /* given back by it */
  int removed;          /* a segment has gone */
} as_compacted;

/* One bounded step of compaction, beside everything else that goes on: looks at the first segment with a number of at least
 * `from` (0: from the beginning). If less than `percent` (1 to 100) of the space it takes is still needed, its objects are
 * verified and copied to the end of the packs, some megabytes a step, and when none is left it is deleted. A segment with
 * damaged objects stays as it is. Errors: AS_E_INVALID, AS_E_READ_ONLY, errno. */
int as_store_compact(as_store *store, uint64_t from, unsigned percent, as_compacted *out);

/* ---- directory trees ---- */

typedef enum as_walked_kind {
  AS_WALKED_FILE,
  AS_WALKED_LINK,
  AS_WALKED_SOCKET,
  AS_WALKED_FIFO,
  AS_WALKED_BLOCK_DEVICE,
  AS_WALKED_CHARACTER_DEVICE,
  AS_WALKED_OTHER,
  AS_WALKED_AVOIDED,   /* the directory that was to be avoided */
  AS_WALKED_UNREADABLE /* a directory that cannot be read: see `error` */
} as_walked_kind;

typedef struct as_walked {
  const char *path; /* below the root as that was named; valid until the next call */
  size_t length;
  as_walked_kind kind;
  int error;        /* a negative errno where the kind says so */
} as_walked;

typedef struct as_walk as_walk;

/* Begins to walk the directory `root`, which may be a link to one. The directory at the path `avoid`, which may be NULL, is not entered, by
 * whatever name. The paths are copied. Errors: -ENOENT for an empty root, -ENOMEM. */
int as_walk_begin(const char *root, const char *avoid, as_walk **out);

/* The next of what lies below the root, depth first, each directory in the order of its names' bytes; of directories only those that are
 * not entered. Links are not followed. Returns 1, 0 at the end, or -ENOMEM. */
int as_walk_next(as_walk *walk, as_walked *out);

/* Takes NULL. */
void as_walk_end(as_walk *walk);

#ifdef __cplusplus
}
#endif
#endif
