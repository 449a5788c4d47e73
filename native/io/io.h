/*
 * The calls by which the core reaches the operating system's files, as a table, so that an io_uring engine can stand in
 * for the POSIX one, and a test can make any single call fail.
 * May include: the C library. Called by: native/store.
 *
 * Two levels:
 *   - `struct as_io`: one attempt of one system call each. A result is 0, a descriptor or a byte count; a failure is a
 *     negative errno. An attempt may be interrupted (-EINTR) or transfer fewer bytes than asked for.
 *   - the as_io_… functions: what the store calls. Interruptions are retried and short transfers continued here, and
 *     nowhere else. Requests (as_io_run, as_io_queue_…) are the same calls, several of them in flight where the engine can.
 * Paths are relative to a directory descriptor wherever one exists, so a store keeps working when its folder is moved.
 */
#ifndef AS_IO_IO_H
#define AS_IO_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>

typedef struct as_io as_io;

/* ---- requests: calls that may be in flight together ---- */

enum { AS_IO_DEPTH = 64 }; /* requests in flight on one queue: eight times what large transfers use, and one word of bits */

typedef enum as_io_call {
  AS_IO_OPEN,
  AS_IO_CLOSE,
  AS_IO_READ,
  AS_IO_WRITE,
  AS_IO_SYNC_DATA,
  AS_IO_STAT,
  AS_IO_START_READ,      /* hints, both: they cost time on the processor, and in flight they cost it elsewhere */
  AS_IO_START_WRITE_BACK
} as_io_call;

/* One call. Everything it points to must stay as it is until it has ended. */
typedef struct as_io_request as_io_request;
struct as_io_request {
  as_io_call call;
  int fd;              /* the file; for AS_IO_OPEN the directory that `path` is relative to */
  const char *path;    /* AS_IO_OPEN, as are flags and mode */
  int flags;
  mode_t mode;
  void *bytes;         /* AS_IO_READ fills them; AS_IO_WRITE takes them and leaves them alone */
  size_t size;         /* of a transfer or a hint, as is offset */
  uint64_t offset;
  struct stat *status; /* AS_IO_STAT: filled */
  ssize_t result;      /* once it has ended: what the as_io_… function of the call gives */
  size_t done;         /* private, as is the rest: bytes that earlier attempts have transferred */
  int alone;           /* not for the ring any more */
  as_io_request *next; /* ended, and not asked for yet */
};

/* What an engine keeps of requests in flight. */
typedef struct as_io_ring as_io_ring;

/* ---- the table ---- */

/* Called with each name in a directory except "." and ".."; a result other than 0 ends the listing and becomes its
 * result. */
typedef int (*as_io_visit)(void *context, const char *name);

struct as_io {
  const char *name; /* "posix" */
  int (*open)(const as_io *io, int directory, const char *path, int flags, mode_t mode);
  int (*close)(const as_io *io, int fd);
  ssize_t (*read)(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset);
  ssize_t (*read_cached)(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset); /* without waiting for a disk:
      -EAGAIN where that cannot be, for whatever reason; an engine may leave it out */
  ssize_t (*write)(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset);
  int (*truncate)(const as_io *io, int fd, uint64_t size);
  int (*sync_data)(const as_io *io, int fd);        /* fdatasync: bytes, and what is needed to find them */
  int (*sync_all)(const as_io *io, int fd);         /* fsync: for directories */
  int (*sync_file_system)(const as_io *io, int fd); /* syncfs, reporting write-back errors; -ENOSYS where it does not */
  int (*link)(const as_io *io, int from_directory, const char *from, int to_directory, const char *to);
  int (*link_open)(const as_io *io, int fd, int to_directory, const char *to); /* names a file opened with O_TMPFILE */
  int (*rename)(const as_io *io, int from_directory, const char *from, int to_directory, const char *to);
  int (*unlink)(const as_io *io, int directory, const char *path);
  int (*make_directory)(const as_io *io, int directory, const char *path, mode_t mode);
  int (*change_mode)(const as_io *io, int fd, mode_t mode);
  int (*stat)(const as_io *io, int fd, struct stat *out);
  int (*stat_at)(const as_io *io, int directory, const char *path, struct stat *out); /* of a link itself */
  int (*stat_file_system)(const as_io *io, int fd, struct statfs *out);
  int (*lock)(const as_io *io, int fd, int exclusive); /* flock, never waiting: -EWOULDBLOCK when another holds it */
  int (*list)(const as_io *io, int directory, const char *path, as_io_visit visit, void *context);
  int (*will_read_in_order)(const as_io *io, int fd);                            /* a hint; failure means nothing */
  int (*start_read)(const as_io *io, int fd, uint64_t offset, uint64_t size);    /* into the page cache; also a hint */
  int (*start_write_back)(const as_io *io, int fd, uint64_t offset, uint64_t size); /* a hint; failure means nothing */
  int (*punch)(const as_io *io, int fd, uint64_t offset, uint64_t size); /* gives the blocks back; reads give zeros */
  int (*clone)(const as_io *io, int from, int to); /* `to` shares all blocks of `from` (FICLONE) */
  int (*map)(const as_io *io, int fd, size_t size, const void **out); /* read-only, the first `size` bytes */
  void (*unmap)(const as_io *io, const void *bytes, size_t size);

  /* Several requests in flight: all four or, in an engine that has no such thing, none; then, and when there is no ring to be had,
   * the members above are called for one request after the other. An engine that replaces calls of another must leave these out. */
  as_io_ring *(*ring_take)(const as_io *io); /* for one user, not for one thread; NULL when none is to be had */
  void (*ring_give)(const as_io *io, as_io_ring *ring); /* nothing may be in flight on it */
  int (*ring_add)(as_io_ring *ring, as_io_request *request); /* one attempt; non-zero: not on this ring, or not now */
  as_io_request *(*ring_next)(as_io_ring *ring, int wait); /* starts what was added; one that has ended, or NULL */
};

/* The engine on plain POSIX and Linux calls: needs nothing but the kernel. */
const as_io *as_io_posix(void);

/* The engine that has requests in flight on an io_uring, and is the POSIX engine for all else; NULL when it cannot be used here, for the
 * reason that as_io_uring_reason gives. */
const as_io *as_io_uring(void);

/* A sentence: what the io_uring engine can do here, or why there is none. */
const char *as_io_uring_reason(void);

/* The engine for this process, chosen once: as the environment variable ARTIFACTSTORE_IO says ("posix" or "uring"), else io_uring
 * where it can be used. NULL when what the variable asks for is not to be had; as_io_reason says why. */
const as_io *as_io_best(void);

/* As the members of the same name, interruptions retried. */
int as_io_open(const as_io *io, int directory, const char *path, int flags, mode_t mode);
int as_io_truncate(const as_io *io, int fd, uint64_t size);
int as_io_sync_data(const as_io *io, int fd);
int as_io_sync_all(const as_io *io, int fd);
int as_io_sync_file_system(const as_io *io, int fd);
int as_io_punch(const as_io *io, int fd, uint64_t offset, uint64_t size);
int as_io_lock(const as_io *io, int fd, int exclusive);

/* Closes `*fd` unless it is -1, and sets it to -1. Its result is not looked at: whatever must be durable was synced
 * before. */
void as_io_close(const as_io *io, int *fd);

/* Reads `size` bytes at `offset`, fewer only where the file ends. Returns the count or a negative errno. */
ssize_t as_io_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset);

/* Whether all `size` bytes at `offset` could be read without waiting for a disk; where not, `bytes` means nothing. */
int as_io_read_cached(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset);

/* Writes all `size` bytes at `offset`. Returns 0 or a negative errno. */
int as_io_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset);

/* Carries out `count` requests, in any order and up to AS_IO_DEPTH at a time; returns when all have ended. */
void as_io_run(const as_io *io, as_io_request *requests, size_t count);

/* Requests of one user in flight, for as long as it likes. Not for two threads at once, but one may carry on what another began.
 * The members are private. */
typedef struct as_io_queue {
  const as_io *io;
  as_io_ring *ring;     /* NULL: requests end as they are added */
  size_t in_flight;
  as_io_request *first; /* ended, and not asked for yet */
  as_io_request *last;
} as_io_queue;

void as_io_queue_begin(as_io_queue *queue, const as_io *io);

/* Whether requests of this queue really are in flight while the caller does something else. */
int as_io_queue_overlaps(const as_io_queue *queue);

/* Adds a request; at most AS_IO_DEPTH may be in flight. It is started at the latest by the next as_io_queue_send or _wait. */
void as_io_queue_add(as_io_queue *queue, as_io_request *request);

/* Starts what has been added, without waiting. */
void as_io_queue_send(as_io_queue *queue);

/* Waits for a request that has ended, in any order; NULL when none is left. */
as_io_request *as_io_queue_wait(as_io_queue *queue);

/* A request that has ended; NULL when none has. Starts what has been added. */
as_io_request *as_io_queue_poll(as_io_queue *queue);

/* Waits for all that are left, their results lost, and ends the queue. Harmless on a queue of zeros. */
void as_io_queue_end(as_io_queue *queue);

#endif
