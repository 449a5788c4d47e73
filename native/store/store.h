/*
 * The open store, as the rooms of the local engine share it.
 * May include: io/io.h, artifactstore.h. Called by: native/store, native/test.
 *
 * Rooms: layout.c (what makes a folder a store), staging.c (files nobody sees yet), pack….c and segments.c (small
 * objects, many in a file), objects.c (objects wherever they are: look up, publish, mark, remove), durable.c (which names
 * are known to survive a power cut), publish.c and deferred.c (large objects on their way to a name, at once or when
 * somebody syncs), outboard.c and cv_list.c (trees), ingest.c, source.c, files.c and commit.c (bytes in), session.c and checkpoint.c (bytes in
 * over several calls), reader.c, sink.c and verifier.c (bytes out), second.c and lane.c (one large object on two cores), direct.c (and past the page cache).
 */
#ifndef AS_STORE_STORE_H
#define AS_STORE_STORE_H

#include <pthread.h>
#include <stdint.h>
#include <stdatomic.h>

#include "artifactstore.h"
#include "io/io.h"

enum {
  AS_FAN_OUT = 256,      /* folders under objects/, by the first byte of the address */
  AS_NAME_LOCKS = 16,    /* stripes over them: more than the threads that commit at once */
  AS_STEP_SIZE = 256 * 1024, /* bytes read, hashed and written at a time: stays in a second-level cache */
  AS_SPARE_BUFFERS = 20  /* step buffers kept between uses: those of one object on two threads (lane.h), and four */
};

/* How far the entries of one directory are known to be durable: `changed` counts the changes made to it, `synced` is
 * what `changed` was when the last successful sync of it began. A new store starts at 1 and 0: an earlier process may
 * have been killed between a change and its sync. */
typedef struct as_durable {
  uint64_t changed;
  uint64_t synced;
} as_durable;

struct as_packs;
struct as_deferred;
struct as_segments;
struct as_session;

struct as_store {
  const as_io *io;
  char *path;
  int read_only;
  int root;    /* descriptors of the folder, */
  int objects; /* its objects/, */
  int staging; /* its staging/ (-1 when read-only), */
  int packs_folder; /* its packs/ (-1 when a read-only store of format 1 has none), */
  int lock;    /* and its LOCK */
  struct as_packs *packs;
  struct as_deferred *deferred; /* large objects that wait for a sync */
  int nameless_staging;       /* O_TMPFILE files can be made and linked here */
  atomic_uint_least64_t staging_counter;
  pthread_mutex_t names[AS_NAME_LOCKS]; /* held while the files of one address are looked at or changed as a whole */
  pthread_mutex_t mutex;                /* guards everything below */
  as_durable folders[AS_FAN_OUT];
  as_durable fan_out;                   /* objects/ itself */
  uint8_t *buffers[AS_SPARE_BUFFERS];   /* page-aligned, AS_STEP_SIZE bytes each */
  unsigned buffer_count;
  unsigned cores;                       /* that this process may run on */
  unsigned busy;                        /* threads at work on large objects: see second.h */
  uint64_t direct_from;                 /* AS_DIRECT_FROM; tests lower it */
  uint64_t direct_stream_from;          /* AS_DIRECT_STREAM_FROM; tests lower it */
  atomic_int direct_streams;            /* streams that are written past the page cache now */
  int alone;                            /* a test's: as if no other program were running */
  struct as_session *sessions;          /* those somebody is writing to or looking at */
  pthread_cond_t sessions_changed;
  int uploads;                          /* descriptor of uploads/, -1 until it is needed */
  int uploads_changed;                  /* names have gone from there that are not durably gone */
};

/* as_store_open on a given I/O engine. */
int as_store_open_on(const as_io *io, const char *path, unsigned flags, as_store **out);

/* as_fail with `relative`, a path inside the store, made absolute. */
int as_store_fail(const as_store *store, int error, const char *call, const char *relative);

/* The segments of its packs. */
struct as_segments *as_store_segments(as_store *store);

/* A buffer of AS_STEP_SIZE bytes, NULL without memory; give it back with as_store_buffer_release (which takes NULL). */
uint8_t *as_store_buffer(as_store *store);
void as_store_buffer_release(as_store *store, uint8_t *buffer);

#endif
