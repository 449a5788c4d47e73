/*
 * One io_uring, as the kernel knows it: set up, filled, entered, emptied. Raw system calls and the kernel's own header, so that a
 * build needs no library; without the header, or with one older than the features needed, AS_IO_URING is not defined and the core is
 * built for POSIX calls alone.
 * May include: Linux headers. Called by: uring.c.
 *
 * Where the rules come from: io_uring_setup(2), io_uring_enter(2), and the comments of the kernel's io_uring.h.
 */
#ifndef AS_IO_RING_H
#define AS_IO_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__linux__) && defined(__has_include) && defined(__NR_io_uring_setup)
#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#ifdef IORING_FEAT_NATIVE_WORKERS /* of Linux 5.12, the newest that is needed */
#define AS_IO_URING 1
#endif
#endif
#endif

#ifdef AS_IO_URING

/* Features without which a ring is not used, by kernel: one mapping for both queues (5.4), no lost completions (5.5), and workers that
 * are threads of this process, so that its limits and permissions hold for them (5.12). */
enum { AS_RING_FEATURES = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_NATIVE_WORKERS };

typedef struct as_ring {
  int fd;
  uint8_t *queues;     /* the mapping of both queues; what follows points into it */
  size_t queues_size;
  uint32_t *sq_head;   /* moved by the kernel */
  uint32_t *sq_tail;   /* moved by us */
  uint32_t *cq_head;   /* moved by us */
  uint32_t *cq_tail;   /* moved by the kernel */
  uint32_t sq_mask;
  uint32_t cq_mask;
  uint32_t entries;
  struct io_uring_cqe *completions;
  struct io_uring_sqe *submissions; /* a mapping of its own */
  size_t submissions_size;
} as_ring;

/* Sets up a ring of `entries`. Returns 0 or a negative errno; -EPROTO when the kernel's lacks one of AS_RING_FEATURES. */
int as_ring_open(as_ring *ring, unsigned entries);

void as_ring_close(as_ring *ring);

/* Whether the ring knows the operation; -errno when it cannot say. */
int as_ring_supports(const as_ring *ring, unsigned operation);

/* The next entry to fill, cleared; NULL when all are waiting to be submitted. It counts once as_ring_push is called. */
struct io_uring_sqe *as_ring_entry(as_ring *ring);
void as_ring_push(as_ring *ring);

/* Entries pushed and not yet taken up by the kernel. */
unsigned as_ring_waiting(const as_ring *ring);

/* Takes back the entry pushed last, which the kernel must not have taken up; gives its user_data. */
uint64_t as_ring_recall(as_ring *ring);

/* Submits what is waiting and, with `wait`, waits until at least one completion is there. Returns 0 or a negative errno; some entries may have
 * been taken up even so. */
int as_ring_enter(as_ring *ring, int wait);

/* Takes one completion; returns 0 when there is none. */
int as_ring_reap(as_ring *ring, uint64_t *user_data, int32_t *result);

#endif
#endif
