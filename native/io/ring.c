/*
 * One io_uring; see ring.h. No submission thread (SQPOLL) is used: the kernel looks at the submission queue only inside
 * io_uring_enter, so the entries between its head and our tail are ours until then.
 * May include: ring.h, the C library. Called by: uring.c.
 */
#include "io/ring.h"

#ifdef AS_IO_URING

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The two queues are shared with the kernel, which runs on other processors. Whoever moves an index releases what it wrote before;
 * whoever reads the other's index acquires it before it looks at what the index covers. */
static uint32_t load_acquire(const uint32_t *from) { return __atomic_load_n(from, __ATOMIC_ACQUIRE); }
static void store_release(uint32_t *to, uint32_t value) { __atomic_store_n(to, value, __ATOMIC_RELEASE); }

/* ---- setting up ---- */

static void *map(int fd, size_t size, off_t what) {
  void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);
  return bytes == MAP_FAILED ? NULL : bytes;
}

static int map_queues(as_ring *ring, const struct io_uring_params *params) {
  size_t sq_size = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
  size_t cq_size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
  ring->queues_size = sq_size > cq_size ? sq_size : cq_size;
  ring->queues = map(ring->fd, ring->queues_size, IORING_OFF_SQ_RING);
  ring->submissions_size = params->sq_entries * sizeof(struct io_uring_sqe);
  ring->submissions = map(ring->fd, ring->submissions_size, IORING_OFF_SQES);
  if (!ring->queues || !ring->submissions) {
    return -ENOMEM;
  }
  ring->sq_head = (uint32_t *)(ring->queues + params->sq_off.head);
  ring->sq_tail = (uint32_t *)(ring->queues + params->sq_off.tail);
  ring->cq_head = (uint32_t *)(ring->queues + params->cq_off.head);
  ring->cq_tail = (uint32_t *)(ring->queues + params->cq_off.tail);
  ring->sq_mask = *(uint32_t *)(ring->queues + params->sq_off.ring_mask);
  ring->cq_mask = *(uint32_t *)(ring->queues + params->cq_off.ring_mask);
  ring->completions = (struct io_uring_cqe *)(ring->queues + params->cq_off.cqes);
  ring->entries = params->sq_entries;
  uint32_t *array = (uint32_t *)(ring->queues + params->sq_off.array);
  for (uint32_t i = 0; i < params->sq_entries; i++) {
    array[i] = i; /* the indirection of the interface is not used: entry i is always at i */
  }
  return 0;
}

int as_ring_open(as_ring *ring, unsigned entries) {
  struct io_uring_params params = {0};
  *ring = (as_ring){.fd = -1};
  long fd = syscall(__NR_io_uring_setup, entries, &params); /* the descriptor closes on exec by itself */
  if (fd < 0) {
    return -errno;
  }
  ring->fd = (int)fd;
  int error = (params.features & AS_RING_FEATURES) == AS_RING_FEATURES ? map_queues(ring, &params) : -EPROTO;
  if (error) {
    as_ring_close(ring);
  }
  return error;
}

void as_ring_close(as_ring *ring) {
  if (ring->submissions) {
    munmap(ring->submissions, ring->submissions_size);
  }
  if (ring->queues) {
    munmap(ring->queues, ring->queues_size);
  }
  if (ring->fd >= 0) {
    close(ring->fd);
  }
  *ring = (as_ring){.fd = -1};
}

int as_ring_supports(const as_ring *ring, unsigned operation) {
  enum { OPERATIONS = 256 }; /* what the interface can number */
  size_t size = sizeof(struct io_uring_probe) + OPERATIONS * sizeof(struct io_uring_probe_op);
  struct io_uring_probe *probe = calloc(1, size);
  if (!probe) {
    return -ENOMEM;
  }
  long result = syscall(__NR_io_uring_register, ring->fd, IORING_REGISTER_PROBE, probe, OPERATIONS);
  int error = result < 0 ? -errno : 0;
  int supported = !error && operation <= probe->last_op && (probe->ops[operation].flags & IO_URING_OP_SUPPORTED) != 0;
  free(probe);
  return error ? error : supported;
}

/* ---- submitting ---- */

unsigned as_ring_waiting(const as_ring *ring) { return *ring->sq_tail - load_acquire(ring->sq_head); }

struct io_uring_sqe *as_ring_entry(as_ring *ring) {
  if (as_ring_waiting(ring) == ring->entries) {
    return NULL;
  }
  struct io_uring_sqe *entry = &ring->submissions[*ring->sq_tail & ring->sq_mask];
  memset(entry, 0, sizeof *entry);
  return entry;
}

/* Released: the kernel must see the entry before it sees that there is one. */
void as_ring_push(as_ring *ring) { store_release(ring->sq_tail, *ring->sq_tail + 1); }

uint64_t as_ring_recall(as_ring *ring) {
  uint32_t last = *ring->sq_tail - 1;
  store_release(ring->sq_tail, last);
  return ring->submissions[last & ring->sq_mask].user_data;
}

int as_ring_enter(as_ring *ring, int wait) {
  long result = syscall(__NR_io_uring_enter, ring->fd, as_ring_waiting(ring), wait ? 1 : 0,
                        wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
  return result < 0 ? -errno : 0;
}

/* ---- completions ---- */

int as_ring_reap(as_ring *ring, uint64_t *user_data, int32_t *result) {
  uint32_t head = *ring->cq_head;
  if (head == load_acquire(ring->cq_tail)) { /* acquired: the completion is read only once it is known to be there */
    return 0;
  }
  const struct io_uring_cqe *completion = &ring->completions[head & ring->cq_mask];
  *user_data = completion->user_data;
  *result = completion->res;
  store_release(ring->cq_head, head + 1); /* released: the kernel may overwrite it only once it has been read */
  return 1;
}

#endif
