/*
 * Measures ways of moving bytes between memory and files, to decide which of them the store uses: single POSIX calls, requests on an
 * io_uring, with and without the page cache. Each round times all ways one after the other, so that a busy machine disturbs them alike;
 * ratios are taken within rounds, against the first way of the table.
 * May include: the public header, native/io/io.h and ring.h, Linux headers. Run by hand.
 *
 * Usage: io_bench [--folder <path>] [--mib <n>] [--files <n>] [--rounds <n>] [--only small|cold|write|put|read|verify]
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "artifactstore.h"
#include "io/io.h"
#include "io/ring.h"

enum {
  KIB = 1024,
  MIB = 1024 * KIB,
  STEP = 256 * KIB,        /* as AS_STEP_SIZE of the store */
  SMALL_SIZE = 4 * KIB,
  SMALL_BATCH = 256,      /* small files handled together, as in a commit */
  DEPTH = 8,              /* large transfers in flight */
  WRITE_BACK_STEP = 8 * MIB,
  READ_STEP = 4 * MIB,    /* of asking for what is read next */
  ALLOCATE_STEP = 64 * MIB,
  ROUNDS = 5,
  ROUNDS_MAX = 101,
  WAYS_MAX = 12
};

static const as_io *posix, *uring;
static int folder; /* of the bench */
static size_t total = 1024 * (size_t)MIB;
static int files = 10000;
static uint8_t *buffers[DEPTH]; /* 1 MiB each, page-aligned */

static void require(int condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "io_bench: %s: %s\n", what, strerror(errno));
    exit(1);
  }
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

/* ---- small files ---- */

static int *small_fds;
static char (*small_names)[32];

static void make_small_files(void) {
  small_fds = calloc((size_t)files, sizeof *small_fds);
  small_names = calloc((size_t)files, sizeof *small_names);
  for (int i = 0; i < files; i++) {
    snprintf(small_names[i], sizeof small_names[i], "small-%d", i);
    int fd = openat(folder, small_names[i], O_RDWR | O_CREAT | O_TRUNC, 0644);
    require(fd >= 0 && pwrite(fd, buffers[i % DEPTH], SMALL_SIZE, 0) == SMALL_SIZE, "making small files");
    close(fd);
  }
  require(syncfs(folder) == 0, "syncfs");
}

static void remove_small_files(void) {
  for (int i = 0; i < files; i++) {
    unlinkat(folder, small_names[i], 0);
  }
}

static void forget_small_files(void) {
  for (int i = 0; i < files; i++) {
    int fd = openat(folder, small_names[i], O_RDONLY);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
  }
}

static void small_singly(void) {
  for (int i = 0; i < files; i++) {
    struct stat status;
    int fd = as_io_open(posix, folder, small_names[i], O_RDONLY, 0);
    require(fd >= 0 && posix->stat(posix, fd, &status) == 0, "open");
    require(as_io_read(posix, fd, buffers[0], (size_t)status.st_size, 0) == SMALL_SIZE, "read");
    as_io_close(posix, &fd);
  }
}

/* `opens`: open and close on the ring too, not only read. */
static void small_batches(int opens) {
  static as_io_request requests[SMALL_BATCH];
  static int fds[SMALL_BATCH];
  const as_io *around = opens ? uring : posix;
  for (int start = 0; start < files; start += SMALL_BATCH) {
    int count = files - start < SMALL_BATCH ? files - start : SMALL_BATCH;
    for (int i = 0; i < count; i++) {
      requests[i] = (as_io_request){.call = AS_IO_OPEN, .fd = folder, .path = small_names[start + i], .flags = O_RDONLY};
    }
    as_io_run(around, requests, (size_t)count);
    for (int i = 0; i < count; i++) {
      struct stat status;
      fds[i] = (int)requests[i].result;
      require(fds[i] >= 0 && uring->stat(uring, fds[i], &status) == 0, "open");
      requests[i] = (as_io_request){.call = AS_IO_READ, .fd = fds[i], .bytes = buffers[i % DEPTH] + i / DEPTH * SMALL_SIZE,
                                    .size = (size_t)status.st_size};
    }
    as_io_run(uring, requests, (size_t)count);
    for (int i = 0; i < count; i++) {
      require(requests[i].result == SMALL_SIZE, "read");
      requests[i] = (as_io_request){.call = AS_IO_CLOSE, .fd = fds[i]};
    }
    as_io_run(around, requests, (size_t)count);
  }
}

/* What POSIX calls can do of the same kind: the disk is told of all files before the first is waited for. */
static void small_asked_for(void) {
  static int fds[SMALL_BATCH];
  for (int start = 0; start < files; start += SMALL_BATCH) {
    int count = files - start < SMALL_BATCH ? files - start : SMALL_BATCH;
    for (int i = 0; i < count; i++) {
      fds[i] = as_io_open(posix, folder, small_names[start + i], O_RDONLY, 0);
      posix_fadvise(fds[i], 0, 0, POSIX_FADV_WILLNEED);
    }
    for (int i = 0; i < count; i++) {
      struct stat status;
      require(fds[i] >= 0 && posix->stat(posix, fds[i], &status) == 0, "open");
      require(as_io_read(posix, fds[i], buffers[0], (size_t)status.st_size, 0) == SMALL_SIZE, "read");
      as_io_close(posix, &fds[i]);
    }
  }
}

static void small_reads_on_ring(void) { small_batches(0); }
static void small_all_on_ring(void) { small_batches(1); }

/* ---- a large file: where bytes come from and go to ---- */

static as_dual dual;
static as_blake3 blake3;
static int source = -1;

/* What a writer does with the next piece before it writes it. */
typedef void produce_fn(uint8_t *bytes, size_t size, uint64_t offset);

static void produce_nothing(uint8_t *bytes, size_t size, uint64_t offset) { (void)bytes, (void)size, (void)offset; }

/* As an ingest of a file: read and digest. In steps that stay in the second-level cache. */
static void produce_digested(uint8_t *bytes, size_t size, uint64_t offset) {
  for (size_t at = 0; at < size; at += STEP) {
    require(pread(source, bytes + at, STEP, (off_t)(offset + at)) == STEP, "read of the source");
    as_dual_update(&dual, bytes + at, STEP);
  }
}

static produce_fn *produce;

/* Untimed: a file of the last run that is still being thrown away would slow the next. */
static void clear_large(void) {
  unlinkat(folder, "large", 0);
  require(syncfs(folder) == 0, "syncfs");
}

static void prepare_write(void) {
  clear_large();
  as_dual_init(&dual, NULL, NULL);
}

static int new_file(int flags) {
  int fd = openat(folder, "large", O_RDWR | O_CREAT | O_EXCL | flags, 0644);
  require(fd >= 0, "making the large file");
  return fd;
}

static void make_durable(int fd) {
  require(fdatasync(fd) == 0, "fdatasync");
  close(fd);
}

static void write_singly(size_t piece, int write_back) {
  int fd = new_file(0);
  for (uint64_t at = 0; at < total; at += piece) {
    produce(buffers[0], piece, at);
    require(as_io_write(posix, fd, buffers[0], piece, at) == 0, "write");
    if (write_back && (at + piece) % WRITE_BACK_STEP == 0) {
      posix->start_write_back(posix, fd, at + piece - WRITE_BACK_STEP, WRITE_BACK_STEP);
    }
  }
  make_durable(fd);
}

/* The same, but a worker thread of the kernel goes through the pages that are to be written back. */
static void write_hinted(size_t piece) {
  int fd = new_file(0);
  as_io_queue queue;
  as_io_request hint = {0};
  as_io_queue_begin(&queue, uring);
  for (uint64_t at = 0; at < total; at += piece) {
    produce(buffers[0], piece, at);
    require(as_io_write(posix, fd, buffers[0], piece, at) == 0, "write");
    if ((at + piece) % WRITE_BACK_STEP == 0) {
      as_io_queue_wait(&queue);
      hint = (as_io_request){.call = AS_IO_START_WRITE_BACK, .fd = fd, .offset = at + piece - WRITE_BACK_STEP, .size = WRITE_BACK_STEP};
      as_io_queue_add(&queue, &hint);
      as_io_queue_send(&queue);
    }
  }
  as_io_queue_end(&queue);
  make_durable(fd);
}

static void write_in_flight(int fd, int allocate, int write_back) {
  as_io_queue queue;
  as_io_request requests[DEPTH] = {0};
  as_io_queue_begin(&queue, uring);
  for (uint64_t at = 0; at < total; at += MIB) {
    if (allocate && at % ALLOCATE_STEP == 0) {
      require(fallocate(fd, 0, (off_t)at, ALLOCATE_STEP) == 0, "fallocate");
    }
    as_io_request *request = at < DEPTH * MIB ? &requests[at / MIB] : as_io_queue_wait(&queue);
    require(request->result == 0, "write");
    if (write_back && at && at % WRITE_BACK_STEP == 0) {
      posix->start_write_back(posix, fd, at - WRITE_BACK_STEP, WRITE_BACK_STEP);
    }
    uint8_t *bytes = buffers[request - requests];
    produce(bytes, MIB, at);
    *request = (as_io_request){.call = AS_IO_WRITE, .fd = fd, .bytes = bytes, .size = MIB, .offset = at};
    as_io_queue_add(&queue, request);
    as_io_queue_send(&queue);
  }
  as_io_queue_end(&queue);
  make_durable(fd);
}

#ifdef AS_IO_URING

/* One write on a bare ring; `fixed`: from the buffer registered under its number. */
static void submit(as_ring *ring, int fd, unsigned slot, uint64_t at, int fixed) {
  struct io_uring_sqe *entry = as_ring_entry(ring);
  *entry = (struct io_uring_sqe){.opcode = fixed ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE, .fd = fd, .off = at,
                                 .addr = (uint64_t)(uintptr_t)buffers[slot], .len = MIB, .buf_index = (uint16_t)slot,
                                 .user_data = slot};
  as_ring_push(ring);
  require(as_ring_enter(ring, 0) == 0, "io_uring_enter");
}

static unsigned wait_for_one(as_ring *ring) {
  uint64_t slot;
  int32_t result;
  while (!as_ring_reap(ring, &slot, &result)) {
    require(as_ring_enter(ring, 1) == 0, "io_uring_enter");
  }
  require(result == (int32_t)MIB, "write on the ring");
  return (unsigned)slot;
}

/* Whether it pays to have the kernel pin the buffers once and not for each write. */
static void write_bare(int fixed) {
  as_ring ring;
  struct iovec vectors[DEPTH];
  int fd = new_file(O_DIRECT);
  require(as_ring_open(&ring, DEPTH) == 0, "io_uring_setup");
  for (unsigned i = 0; i < DEPTH; i++) {
    vectors[i] = (struct iovec){buffers[i], MIB};
  }
  require(!fixed || syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, vectors, DEPTH) == 0, "registering buffers");
  for (uint64_t at = 0; at < total + DEPTH * MIB; at += MIB) {
    unsigned slot = at < DEPTH * MIB ? (unsigned)(at / MIB) : wait_for_one(&ring);
    if (at < total) {
      produce(buffers[slot], MIB, at);
      submit(&ring, fd, slot, at, fixed);
    }
  }
  as_ring_close(&ring);
  make_durable(fd);
}

static void write_bare_direct(void) { write_bare(0); }
static void write_bare_registered(void) { write_bare(1); }

#endif

/* The part of an ingest that no way of writing can save. */
static void produce_only(void) {
  for (uint64_t at = 0; at < total; at += STEP) {
    produce(buffers[0], STEP, at);
  }
}

static void write_256k(void) { write_singly(STEP, 0); }
static void write_1m(void) { write_singly(MIB, 0); }
static void write_256k_back(void) { write_singly(STEP, 1); }
static void write_1m_back(void) { write_singly(MIB, 1); }
static void write_256k_ring_back(void) { write_hinted(STEP); }
static void write_ring(void) { write_in_flight(new_file(0), 0, 0); }
static void write_ring_back(void) { write_in_flight(new_file(0), 0, 1); }
static void write_ring_direct(void) { write_in_flight(new_file(O_DIRECT), 1, 0); }

static void copy_and_sync(void) {
  int fd = new_file(0);
  loff_t from = 0, to = 0;
  while ((size_t)to < total) {
    require(copy_file_range(source, &from, fd, &to, total - (size_t)to, 0) > 0, "copy_file_range");
  }
  make_durable(fd);
}

/* ---- reading a large file ---- */

typedef void consume_fn(const uint8_t *bytes, size_t size);

static void consume_nothing(const uint8_t *bytes, size_t size) { (void)bytes, (void)size; }

static void consume_digested(const uint8_t *bytes, size_t size) { as_blake3_update(&blake3, bytes, size); }

static consume_fn *consume;
static int cold;

static int open_large(int flags) {
  int fd = openat(folder, "source", O_RDONLY | flags);
  require(fd >= 0, "opening the large file");
  if (cold) {
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  }
  return fd;
}

static void read_singly(size_t piece, int ahead) {
  int fd = open_large(0);
  posix->will_read_in_order(posix, fd);
  for (uint64_t at = 0; at < total; at += piece) {
    if (ahead && at % READ_STEP == 0) {
      posix_fadvise(fd, (off_t)(at ? at + READ_STEP : 0), at ? READ_STEP : 2 * READ_STEP, POSIX_FADV_WILLNEED);
    }
    require(as_io_read(posix, fd, buffers[0], piece, at) == (ssize_t)piece, "read");
    consume(buffers[0], piece);
  }
  close(fd);
}

/* As read_singly with `ahead`, the asking done by a worker thread of the kernel. */
static void read_hinted(size_t piece) {
  int fd = open_large(0);
  as_io_queue queue;
  as_io_request hint;
  as_io_queue_begin(&queue, uring);
  for (uint64_t at = 0; at < total; at += piece) {
    if (at % READ_STEP == 0) {
      as_io_queue_wait(&queue);
      hint = (as_io_request){.call = AS_IO_START_READ, .fd = fd, .offset = at ? at + READ_STEP : 0, .size = at ? READ_STEP : 2 * READ_STEP};
      as_io_queue_add(&queue, &hint);
      as_io_queue_send(&queue);
    }
    require(as_io_read(posix, fd, buffers[0], piece, at) == (ssize_t)piece, "read");
    consume(buffers[0], piece);
  }
  as_io_queue_end(&queue);
  close(fd);
}

static void read_in_flight(int flags) {
  int fd = open_large(flags);
  as_io_queue queue;
  as_io_request requests[DEPTH];
  int ended[DEPTH] = {0};
  as_io_queue_begin(&queue, uring);
  for (uint64_t at = 0; at < total + DEPTH * MIB; at += MIB) {
    unsigned slot = at / MIB % DEPTH;
    if (at >= DEPTH * MIB) {
      while (!ended[slot]) { /* in order, whatever the order of completion */
        ended[as_io_queue_wait(&queue) - requests] = 1;
      }
      require(requests[slot].result == MIB, "read");
      consume(buffers[slot], MIB);
    }
    if (at < total) {
      requests[slot] = (as_io_request){.call = AS_IO_READ, .fd = fd, .bytes = buffers[slot], .size = MIB, .offset = at};
      ended[slot] = 0;
      as_io_queue_add(&queue, &requests[slot]);
      as_io_queue_send(&queue);
    }
  }
  as_io_queue_end(&queue);
  close(fd);
}

static void read_256k(void) { read_singly(STEP, 0); }
static void read_1m(void) { read_singly(MIB, 0); }
static void read_256k_ahead(void) { read_singly(STEP, 1); }
static void read_256k_ring_ahead(void) { read_hinted(STEP); }
static void read_ring(void) { read_in_flight(0); }
static void read_ring_direct(void) { read_in_flight(O_DIRECT); }

static void make_source(void) {
  source = openat(folder, "source", O_RDWR | O_CREAT | O_TRUNC, 0644);
  require(source >= 0, "making the source");
  for (uint64_t at = 0; at < total; at += MIB) {
    require(as_io_write(posix, source, buffers[at / MIB % DEPTH], MIB, at) == 0, "writing the source");
  }
  require(fdatasync(source) == 0, "fdatasync");
}

/* ---- rounds and tables ---- */

typedef struct way {
  const char *name;
  void (*run)(void);
  int needs_ring;
} way;

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, ascending);
  return values[count / 2];
}

/* The order of one round. Drawn by lot: a disk that was driven hard by one way is slow for the next, which must not always be the same. */
static void shuffle(int *order, int count) {
  static uint32_t state = 1;
  for (int i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    int other = (int)((state >> 16) % (uint32_t)(i + 1));
    order[i] = order[other];
    order[other] = i;
  }
}

/* `amount` is what one run does, in the unit of the table. */
static void measure(const char *title, const way *ways, void (*prepare)(void), double amount, const char *unit, int rounds) {
  static double times[WAYS_MAX][ROUNDS_MAX];
  double ratios[ROUNDS_MAX];
  int count = 0;
  while (ways[count].name) {
    count++;
  }
  for (int round = 0; round < rounds; round++) {
    int order[WAYS_MAX];
    shuffle(order, count);
    for (int turn = 0; turn < count; turn++) {
      int i = order[turn];
      if (!ways[i].needs_ring || uring) {
        if (prepare) {
          prepare();
        }
        double start = now_ns();
        ways[i].run();
        times[i][round] = now_ns() - start;
      }
    }
  }
  printf("\n%s\n| way | %s median / best | median ratio |\n|---|---|---|\n", title, unit);
  double first[ROUNDS_MAX];
  memcpy(first, times[0], sizeof first);
  for (int i = 0; ways[i].name; i++) {
    if (ways[i].needs_ring && !uring) {
      printf("| %s | no io_uring here | |\n", ways[i].name);
      continue;
    }
    for (int round = 0; round < rounds; round++) {
      ratios[round] = first[round] / times[i][round];
    }
    double middle = median(times[i], rounds), best = times[i][0];
    printf("| %s | %.0f / %.0f | %.2f |\n", ways[i].name, amount / middle * 1e9, amount / best * 1e9, median(ratios, rounds));
  }
  fflush(stdout);
}

static void bench_small(int is_cold, int rounds) {
  static const way ways[] = {{"open, fstat, read, close: POSIX", small_singly, 0},
                             {"POSIX, 256 files asked for ahead (WILLNEED)", small_asked_for, 0},
                             {"read on the ring, the rest POSIX", small_reads_on_ring, 1},
                             {"open, read, close on the ring", small_all_on_ring, 1},
                             {NULL, NULL, 0}};
  make_small_files();
  measure(is_cold ? "small files, not in the page cache" : "small files, cached", ways, is_cold ? forget_small_files : NULL,
          files, "files/s", rounds);
  remove_small_files();
}

static void bench_write(int rounds) {
  static const way ways[] = {{"write 256 KiB, fdatasync", write_256k, 0},
                             {"write 1 MiB, fdatasync", write_1m, 0},
                             {"write 256 KiB, write-back started each 8 MiB", write_256k_back, 0},
                             {"write 256 KiB, write-back started by the ring", write_256k_ring_back, 1},
                             {"ring 1 MiB x 8", write_ring, 1},
                             {"ring 1 MiB x 8, write-back started", write_ring_back, 1},
                             {"ring 1 MiB x 8, O_DIRECT, allocated", write_ring_direct, 1},
#ifdef AS_IO_URING
                             {"bare ring 1 MiB x 8, O_DIRECT", write_bare_direct, 1},
                             {"the same, registered buffers", write_bare_registered, 1},
#endif
                             {NULL, NULL, 0}};
  produce = produce_nothing;
  measure("writing a new file, durable", ways, prepare_write, (double)total / 1e6, "MB/s", rounds);
}

static void bench_put(int rounds) {
  static const way ways[] = {{"copy_file_range, fdatasync, no digests", copy_and_sync, 0},
                             {"read and both digests, nothing written", produce_only, 0},
                             {"write 256 KiB, write-back started each 8 MiB", write_256k_back, 0},
                             {"write 1 MiB, write-back started each 8 MiB", write_1m_back, 0},
                             {"write 256 KiB, write-back started by the ring", write_256k_ring_back, 1},
                             {"ring 1 MiB x 8", write_ring, 1},
                             {"ring 1 MiB x 8, write-back started", write_ring_back, 1},
                             {"ring 1 MiB x 8, O_DIRECT, allocated", write_ring_direct, 1},
                             {NULL, NULL, 0}};
  produce = produce_digested;
  measure("reading a cached file, both digests, writing a new one, durable", ways, prepare_write, (double)total / 1e6,
          "MB/s", rounds);
}

static void bench_read(const char *title, consume_fn *consumer, int is_cold, int rounds) {
  static const way ways[] = {{"read 256 KiB", read_256k, 0},
                             {"read 1 MiB", read_1m, 0},
                             {"read 256 KiB, 4 to 8 MiB asked for ahead", read_256k_ahead, 0},
                             {"read 256 KiB, the same by the ring", read_256k_ring_ahead, 1},
                             {"ring 1 MiB x 8", read_ring, 1},
                             {"ring 1 MiB x 8, O_DIRECT", read_ring_direct, 1},
                             {NULL, NULL, 0}};
  consume = consumer;
  cold = is_cold;
  as_blake3_init(&blake3);
  measure(title, ways, NULL, (double)total / 1e6, "MB/s", rounds);
}

static int wanted(const char *only, const char *name) { return !only || strcmp(only, name) == 0; }

int main(int argc, char **argv) {
  const char *path = ".", *only = NULL;
  int rounds = ROUNDS;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--folder") == 0) path = argv[i + 1];
    else if (strcmp(argv[i], "--only") == 0) only = argv[i + 1];
    else if (strcmp(argv[i], "--mib") == 0) total = (size_t)atoi(argv[i + 1]) / 64 * 64 * MIB;
    else if (strcmp(argv[i], "--files") == 0) files = atoi(argv[i + 1]);
    else if (strcmp(argv[i], "--rounds") == 0) rounds = atoi(argv[i + 1]);
    else argc = 0;
  }
  if (argc % 2 == 0 || rounds < 1 || rounds > ROUNDS_MAX || total == 0 || files < 1) {
    fprintf(stderr, "usage: io_bench [--folder <path>] [--mib <n, of 64>] [--files <n>] [--rounds <n, to %d>]\n"
                    "                [--only small|cold|write|put|read|verify]\n", ROUNDS_MAX);
    return 2;
  }
  posix = as_io_posix();
  uring = as_io_uring();
  char template[4096];
  snprintf(template, sizeof template, "%s/io-bench-XXXXXX", path);
  require(mkdtemp(template) != NULL, template);
  folder = open(template, O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < DEPTH; i++) {
    buffers[i] = aligned_alloc(4096, MIB);
    require(buffers[i] != NULL, "buffers");
    for (size_t at = 0; at < MIB; at++) {
      buffers[i][at] = (uint8_t)((at * 2654435761u) >> 13 ^ (size_t)i);
    }
  }
  printf("%d rounds, %zu MiB, %d files of %d bytes; io_uring: %s\n", rounds, total / MIB, files, SMALL_SIZE, as_io_uring_reason());
  if (wanted(only, "small")) bench_small(0, rounds);
  if (wanted(only, "cold")) bench_small(1, rounds);
  if (wanted(only, "write")) bench_write(rounds);
  if (wanted(only, "put") || wanted(only, "read") || wanted(only, "verify")) make_source();
  if (wanted(only, "put")) bench_put(rounds);
  if (wanted(only, "read")) {
    bench_read("reading, cached", consume_nothing, 0, rounds);
    bench_read("reading, not cached", consume_nothing, 1, rounds);
  }
  if (wanted(only, "verify")) {
    bench_read("reading and BLAKE3, cached", consume_digested, 0, rounds);
    bench_read("reading and BLAKE3, not cached", consume_digested, 1, rounds);
  }
  unlinkat(folder, "large", 0);
  unlinkat(folder, "source", 0);
  rmdir(template);
  return 0;
}
