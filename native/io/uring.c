/*
 * The engine that has requests in flight on an io_uring. All single calls, and whatever a ring cannot do, are the POSIX engine's.
 * May include: io.h, ring.h, kernel_access.h, the C library. Called through: as_io_uring.
 *
 * Rings are kept in a pool and lent to one user at a time, not tied to a thread: an ingest may begin on one worker and go on
 * on another, and a thread that ends leaves nothing behind. A request that waited in one of the kernel's workers
 * for a thread that has ended comes back cancelled, and is carried out by a POSIX call instead.
 * A child made by fork shares its parent's rings and would take its completions: there every ring is given up before fork returns.
 */
#include "io/io.h"
#include "io/ring.h"

#ifndef AS_IO_URING

const as_io *as_io_uring(void) { return NULL; }
const char *as_io_uring_reason(void) { return "this build has no io_uring: no <linux/io_uring.h> of Linux 5.12 or newer"; }

#else

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/kernel_access.h"

enum { RINGS_MAX = 16 }; /* two for each of at most 8 workers; a user that gets none goes without */

struct as_io_ring {
  as_ring ring;
  as_io_request *requests[AS_IO_DEPTH]; /* in flight; the index is the entry's user_data */
  uint64_t taken;                       /* one bit for each index in use */
  int lost;                             /* belongs to the process that forked this one */
  int broken;                           /* the kernel refuses it */
  as_io_ring *next;                     /* in the list of spare ones */
};

_Static_assert(AS_IO_DEPTH == 64, "one bit of `taken` for each request");

static struct {
  pthread_mutex_t mutex;
  as_io_ring *all[RINGS_MAX];
  as_io_ring *spare;
  as_io engine;
  int usable;
  unsigned operations; /* one bit for each as_io_call that the kernel's rings can do */
  char reason[256];
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- requests as entries ---- */

static const struct {
  as_io_call call;
  uint8_t operation;
  const char *name;
} operations[] = {
    /* Not AS_IO_STAT: a ring always hands it to a worker thread, while fstat finds the inode of an open file in memory. */
    {AS_IO_OPEN, IORING_OP_OPENAT, "open"}, {AS_IO_CLOSE, IORING_OP_CLOSE, "close"}, {AS_IO_READ, IORING_OP_READ, "read"},
    {AS_IO_WRITE, IORING_OP_WRITE, "write"}, {AS_IO_SYNC_DATA, IORING_OP_FSYNC, "fdatasync"},
    {AS_IO_START_READ, IORING_OP_FADVISE, "fadvise"}, {AS_IO_START_WRITE_BACK, IORING_OP_SYNC_FILE_RANGE, "sync_file_range"}};

enum { OPERATIONS = sizeof operations / sizeof *operations, TRANSFER_MAX = 1 << 30 /* an entry counts in 32 bits */ };

/* What is left of a transfer, as far as one attempt goes. */
static size_t attempt_size(const as_io_request *request) {
  size_t left = request->size - request->done;
  return left < TRANSFER_MAX ? left : TRANSFER_MAX;
}

static void note_access(const as_io_request *request) {
  if (request->call == AS_IO_READ || request->call == AS_IO_WRITE) {
    as_kernel_access((char *)request->bytes + request->done, attempt_size(request), request->call == AS_IO_READ);
  }
}

static void fill(struct io_uring_sqe *entry, const as_io_request *request) {
  entry->fd = request->fd;
  switch (request->call) {
    case AS_IO_OPEN:
      entry->opcode = IORING_OP_OPENAT;
      entry->addr = (uint64_t)(uintptr_t)request->path;
      entry->len = request->mode;
      entry->open_flags = (uint32_t)(request->flags | O_CLOEXEC);
      break;
    case AS_IO_READ:
    case AS_IO_WRITE:
      entry->opcode = request->call == AS_IO_READ ? IORING_OP_READ : IORING_OP_WRITE;
      entry->addr = (uint64_t)(uintptr_t)request->bytes + request->done;
      entry->len = (uint32_t)attempt_size(request);
      entry->off = request->offset + request->done;
      break;
    case AS_IO_SYNC_DATA:
      entry->opcode = IORING_OP_FSYNC;
      entry->fsync_flags = IORING_FSYNC_DATASYNC;
      break;
    case AS_IO_START_READ:
      entry->opcode = IORING_OP_FADVISE;
      entry->off = request->offset;
      entry->len = (uint32_t)attempt_size(request); /* a hint may cover less than was asked for */
      entry->fadvise_advice = POSIX_FADV_WILLNEED;
      break;
    case AS_IO_START_WRITE_BACK:
      entry->opcode = IORING_OP_SYNC_FILE_RANGE;
      entry->off = request->offset;
      entry->len = (uint32_t)attempt_size(request);
      entry->sync_range_flags = SYNC_FILE_RANGE_WRITE;
      break;
    default:
      entry->opcode = IORING_OP_CLOSE;
  }
}

static int ring_add(as_io_ring *ring, as_io_request *request) {
  if (ring->lost || ring->broken || !~ring->taken || !(pool.operations & 1u << request->call)) {
    return -EOPNOTSUPP;
  }
  struct io_uring_sqe *entry = as_ring_entry(&ring->ring);
  if (!entry) {
    return -EBUSY;
  }
  unsigned index = (unsigned)__builtin_ctzll(~ring->taken);
  ring->taken |= UINT64_C(1) << index;
  ring->requests[index] = request;
  fill(entry, request);
  entry->user_data = index;
  note_access(request);
  as_ring_push(&ring->ring);
  return 0;
}

/* ---- completions ---- */

/* Whether an attempt was broken off before it did anything: no memory for it just now; the thread that began it has ended, which opening a
 * file reports by the kernel's own numbers for "interrupted, call again" (ERESTARTSYS, 512, to ERESTART_RESTARTBLOCK, 516). */
static int broken_off(int32_t result) {
  return result == -ECANCELED || result == -EAGAIN || (result <= -512 && result >= -516);
}

/* Gives a request back with what its attempt gave. */
static as_io_request *end(as_io_ring *ring, uint64_t index, int32_t result) {
  as_io_request *request = ring->requests[index];
  ring->taken &= ~(UINT64_C(1) << index);
  note_access(request);
  request->alone = broken_off(result); /* a POSIX call will do */
  request->result = request->alone ? -EINTR : result;
  return request;
}

/* Submits and waits. On failure an entry that the kernel has not taken up comes back, so that its user carries it out otherwise. */
static as_io_request *enter(as_io_ring *ring, int wait) {
  int error = as_ring_enter(&ring->ring, wait);
  if (!error || error == -EINTR) {
    return NULL;
  }
  ring->broken |= error != -EAGAIN && error != -EBUSY;
  if (as_ring_waiting(&ring->ring)) {
    return end(ring, as_ring_recall(&ring->ring), -ECANCELED);
  }
  sched_yield(); /* what is under way still completes: another look */
  return NULL;
}

static as_io_request *ring_next(as_io_ring *ring, int wait) {
  as_io_request *request = NULL;
  uint64_t index;
  int32_t result;
  if (!wait && !ring->lost && as_ring_waiting(&ring->ring)) {
    request = enter(ring, 0);
  }
  while (!request && ring->taken) {
    if (ring->lost) {
      return end(ring, (uint64_t)__builtin_ctzll(ring->taken), -ECANCELED);
    }
    if (as_ring_reap(&ring->ring, &index, &result)) {
      return end(ring, index, result);
    }
    if (!wait) {
      return NULL;
    }
    request = enter(ring, 1);
  }
  return request;
}

/* ---- the pool ---- */

static as_io_ring *open_ring(void) {
  as_io_ring *ring = calloc(1, sizeof *ring);
  if (ring && as_ring_open(&ring->ring, AS_IO_DEPTH) != 0) {
    free(ring);
    return NULL;
  }
  return ring;
}

static as_io_ring *ring_take(const as_io *io) {
  (void)io;
  pthread_mutex_lock(&pool.mutex);
  as_io_ring *ring = pool.spare;
  if (ring) {
    pool.spare = ring->next;
  }
  for (int i = 0; !ring && i < RINGS_MAX; i++) {
    if (!pool.all[i]) {
      ring = pool.all[i] = open_ring(); /* under the mutex: a fork must find every ring in the list */
      break;
    }
  }
  pthread_mutex_unlock(&pool.mutex);
  return ring;
}

static void forget(as_io_ring *ring) {
  for (int i = 0; i < RINGS_MAX; i++) {
    if (pool.all[i] == ring) {
      pool.all[i] = NULL;
    }
  }
}

static void ring_give(const as_io *io, as_io_ring *ring) {
  (void)io;
  pthread_mutex_lock(&pool.mutex);
  if (ring->lost || ring->broken) {
    forget(ring);
    as_ring_close(&ring->ring);
    free(ring);
  } else {
    ring->next = pool.spare;
    pool.spare = ring;
  }
  pthread_mutex_unlock(&pool.mutex);
}

/* ---- fork ---- */

static void before_fork(void) { pthread_mutex_lock(&pool.mutex); }

static void in_parent(void) { pthread_mutex_unlock(&pool.mutex); }

/* Closes the child's ends of its parent's rings. One that is lent stays, without its ring, for whoever holds it. */
static void in_child(void) {
  while (pool.spare) {
    as_io_ring *ring = pool.spare;
    pool.spare = ring->next;
    forget(ring);
    as_ring_close(&ring->ring);
    free(ring);
  }
  for (int i = 0; i < RINGS_MAX; i++) {
    if (pool.all[i]) {
      as_ring_close(&pool.all[i]->ring);
      pool.all[i]->lost = 1;
      pool.all[i] = NULL;
    }
  }
  pthread_mutex_unlock(&pool.mutex);
}

/* ---- can it be used here? ---- */

/* What /proc/sys/kernel/io_uring_disabled says: 0, 1 or 2; -1 where there is none. */
static int disabled_by_setting(void) {
  int value = -1;
  FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
  if (file) {
    value = fscanf(file, "%d", &value) == 1 ? value : -1;
    fclose(file);
  }
  return value;
}

/* Why a ring could not be set up, as a sentence that says what to do about it. */
static const char *refusal(int error) {
  int setting = error == -EPERM ? disabled_by_setting() : 0;
  switch (error) {
    case -ENOSYS:
      return "this kernel or sandbox has no io_uring (ENOSYS)";
    case -EPROTO:
      return "io_uring of this kernel is older than that of Linux 5.12";
    case -ENOMEM:
      return "no memory for an io_uring (ENOMEM): the limit of locked memory (ulimit -l) or of the control group is too low";
    case -EMFILE:
    case -ENFILE:
      return "no file descriptor left for an io_uring: raise ulimit -n";
    case -EPERM:
    case -EACCES:
      return setting == 2   ? "io_uring is switched off: the sysctl kernel.io_uring_disabled is 2"
             : setting == 1 ? "io_uring is kept to a group that this process is not in: the sysctl kernel.io_uring_disabled is 1"
                            : "io_uring is forbidden here (EPERM), by a container's seccomp filter most likely";
    default:
      return NULL;
  }
}

static void note_refusal(int error) {
  const char *reason = refusal(error);
  if (reason) {
    snprintf(pool.reason, sizeof pool.reason, "%s", reason);
  } else {
    snprintf(pool.reason, sizeof pool.reason, "io_uring_setup failed with errno %d", -error);
  }
}

/* Asks the kernel which operations its rings know. */
static void note_operations(const as_ring *ring) {
  size_t used = (size_t)snprintf(pool.reason, sizeof pool.reason, "the kernel allows io_uring; on a ring:");
  for (int i = 0; i < OPERATIONS; i++) {
    if (as_ring_supports(ring, operations[i].operation) == 1) {
      pool.operations |= 1u << operations[i].call;
      used += (size_t)snprintf(pool.reason + used, sizeof pool.reason - used, " %s", operations[i].name);
    }
  }
  unsigned needed = 1u << AS_IO_READ | 1u << AS_IO_WRITE;
  pool.usable = (pool.operations & needed) == needed;
  if (!pool.usable) {
    snprintf(pool.reason, sizeof pool.reason, "io_uring of this kernel does not read and write, or does not say so");
  }
}

static void examine(void) {
  as_ring ring;
  int error = as_ring_open(&ring, AS_IO_DEPTH);
  if (error) {
    note_refusal(error);
    return;
  }
  note_operations(&ring);
  as_ring_close(&ring);
  if (pool.usable && pthread_atfork(before_fork, in_parent, in_child) != 0) {
    pool.usable = 0;
    snprintf(pool.reason, sizeof pool.reason, "no memory to guard io_uring against fork");
  }
  pool.engine = *as_io_posix();
  pool.engine.name = "uring";
  pool.engine.ring_take = ring_take;
  pool.engine.ring_give = ring_give;
  pool.engine.ring_add = ring_add;
  pool.engine.ring_next = ring_next;
}

static void examine_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, examine);
}

const as_io *as_io_uring(void) {
  examine_once();
  return pool.usable ? &pool.engine : NULL;
}

const char *as_io_uring_reason(void) {
  examine_once();
  return pool.reason;
}

#endif
