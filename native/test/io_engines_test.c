/*
 * Every I/O engine that can be used here against a real folder: the same cases, the same answers. And what only a ring has to get right: threads
 * that end, forks, more users than rings.
 * May include: io/io.h, check.h. Run by: CTest; under ThreadSanitizer in CI.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "io/io.h"

static char path[256]; /* the folder, and its descriptor */
static int folder;

/* ---- single calls ---- */

static int visit_counting(void *context, const char *name) {
  CHECK(strcmp(name, ".") != 0 && strcmp(name, "..") != 0, "listed %s", name);
  ++*(int *)context;
  return 0;
}

static int visit_stopping(void *context, const char *name) {
  (void)name;
  ++*(int *)context;
  return -ECANCELED;
}

static void test_names(const as_io *io) {
  struct stat status;
  int count = 0;
  CHECK_INT(io->make_directory(io, folder, "sub", 0755), 0);
  CHECK_INT(io->make_directory(io, folder, "sub", 0755), -EEXIST);
  int fd = as_io_open(io, folder, "sub/a", O_RDWR | O_CREAT | O_EXCL, 0644);
  CHECK(fd >= 0, "open: %d", fd);
  CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "descriptors must not leak into programs that are started");
  CHECK_INT(as_io_write(io, fd, "hello", 5, 3), 0);
  CHECK_INT(io->stat(io, fd, &status), 0);
  CHECK_INT(status.st_size, 8);
  CHECK_INT(as_io_truncate(io, fd, 4), 0);
  CHECK_INT(as_io_sync_data(io, fd), 0);
  CHECK_INT(as_io_sync_all(io, folder), 0);
  int synced = as_io_sync_file_system(io, folder);
  CHECK(synced == 0 || synced == -ENOSYS, "syncfs: %d", synced);
  CHECK_INT(io->start_write_back(io, fd, 0, 4), 0);
  CHECK_INT(io->start_read(io, fd, 0, 4), 0);
  CHECK_INT(io->will_read_in_order(io, fd), 0);
  as_io_close(io, &fd);
  CHECK_INT(io->link(io, folder, "sub/a", folder, "b"), 0);
  CHECK_INT(io->link(io, folder, "sub/a", folder, "b"), -EEXIST);
  CHECK_INT(io->rename(io, folder, "b", folder, "c"), 0);
  CHECK_INT(io->stat_at(io, folder, "b", &status), -ENOENT);
  CHECK_INT(io->stat_at(io, folder, "c", &status), 0);
  CHECK_INT(status.st_nlink, 2);
  CHECK(symlinkat("c", folder, "d") == 0, "symlink");
  CHECK_INT(io->stat_at(io, folder, "d", &status), 0);
  CHECK(S_ISLNK(status.st_mode), "stat_at follows no link");
  CHECK_INT(io->list(io, folder, ".", visit_counting, &count), 0);
  CHECK_INT(count, 3);
  count = 0;
  CHECK_INT(io->list(io, folder, ".", visit_stopping, &count), -ECANCELED);
  CHECK_INT(count, 1);
  CHECK_INT(io->list(io, folder, "absent", visit_counting, &count), -ENOENT);
  CHECK_INT(io->list(io, folder, "c", visit_counting, &count), -ENOTDIR);
  CHECK_INT(io->unlink(io, folder, "c"), 0);
  CHECK_INT(io->unlink(io, folder, "c"), -ENOENT);
  CHECK_INT(io->unlink(io, folder, "d"), 0);
  CHECK_INT(io->unlink(io, folder, "sub/a"), 0);
}

static void test_nameless(const as_io *io) {
  struct stat status;
  int fd = as_io_open(io, folder, ".", O_RDWR | O_TMPFILE, 0444);
  if (fd == -EOPNOTSUPP || fd == -EISDIR) {
    puts("skipped: no O_TMPFILE on this file system");
    return;
  }
  CHECK(fd >= 0, "O_TMPFILE: %d", fd);
  CHECK_INT(as_io_write(io, fd, "x", 1, 0), 0);
  CHECK_INT(io->link_open(io, fd, folder, "named"), 0);
  CHECK_INT(io->link_open(io, fd, folder, "named"), -EEXIST);
  CHECK_INT(io->link_open(io, fd, folder, "absent/named"), -ENOENT);
  CHECK_INT(io->stat_at(io, folder, "named", &status), 0);
  CHECK_INT(status.st_size, 1);
  CHECK_INT(io->unlink(io, folder, "named"), 0);
  as_io_close(io, &fd);
}

static void test_locks(const as_io *io) {
  int first = as_io_open(io, folder, "lock", O_RDWR | O_CREAT, 0644);
  int second = as_io_open(io, folder, "lock", O_RDWR, 0);
  CHECK_INT(as_io_lock(io, first, 0), 0);
  CHECK_INT(as_io_lock(io, second, 0), 0);
  CHECK_INT(as_io_lock(io, second, 1), -EWOULDBLOCK);
  as_io_close(io, &first);
  CHECK_INT(as_io_lock(io, second, 1), 0);
  as_io_close(io, &second);
  CHECK_INT(io->unlink(io, folder, "lock"), 0);
}

/* ---- requests ---- */

enum { FILES = 300, FILE_SIZE = 5000, LARGE = 24 * 1024 * 1024, PIECE = 1024 * 1024, IN_FLIGHT = 8 };

static uint8_t byte_at(unsigned file, size_t offset) { return (uint8_t)(file * 7 + offset * 13 + (offset >> 8)); }

/* A few: a sync takes long on some disks. */
static int is_synced(unsigned file) { return file % 50 == 0; }

/* More files than a ring is deep: opened, written, synced, looked at, read and closed together. */
static void test_many_files(const as_io *io) {
  static as_io_request requests[FILES];
  static struct stat stats[FILES];
  static char names[FILES][16];
  static int fds[FILES];
  uint8_t *bytes = malloc(FILES * FILE_SIZE), *back = calloc(FILES, FILE_SIZE);
  for (unsigned i = 0; i < FILES; i++) {
    snprintf(names[i], sizeof names[i], "many-%u", i);
    for (size_t at = 0; at < FILE_SIZE; at++) {
      bytes[i * FILE_SIZE + at] = byte_at(i, at);
    }
    requests[i] = (as_io_request){.call = AS_IO_OPEN, .fd = folder, .path = names[i], .flags = O_RDWR | O_CREAT | O_EXCL, .mode = 0640};
  }
  as_io_run(io, requests, FILES);
  for (unsigned i = 0; i < FILES; i++) {
    fds[i] = (int)requests[i].result;
    CHECK(fds[i] >= 0, "%s: %d", names[i], fds[i]);
    CHECK((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0, "descriptors must not leak into programs that are started");
    requests[i] = (as_io_request){.call = AS_IO_WRITE, .fd = fds[i], .bytes = bytes + i * FILE_SIZE, .size = FILE_SIZE};
  }
  as_io_run(io, requests, FILES);
  for (unsigned i = 0; i < FILES; i++) {
    CHECK_INT(requests[i].result, 0);
    requests[i] = (as_io_request){.call = is_synced(i) ? AS_IO_SYNC_DATA : AS_IO_STAT, .fd = fds[i], .status = &stats[i]};
  }
  as_io_run(io, requests, FILES);
  for (unsigned i = 0; i < FILES; i++) {
    CHECK_INT(requests[i].result, 0);
    CHECK(is_synced(i) || (stats[i].st_size == FILE_SIZE && (stats[i].st_mode & 0777) == 0640), "%s: %o", names[i], stats[i].st_mode);
    requests[i] = (as_io_request){.call = AS_IO_READ, .fd = fds[i], .bytes = back + i * FILE_SIZE, .size = FILE_SIZE - i % 3, .offset = i % 5};
  }
  as_io_run(io, requests, FILES);
  for (unsigned i = 0; i < FILES; i++) {
    size_t expected = FILE_SIZE - (i % 3 > i % 5 ? i % 3 : i % 5); /* the file may end first */
    CHECK_INT(requests[i].result, expected);
    CHECK_BYTES(back + i * FILE_SIZE, bytes + i * FILE_SIZE + i % 5, expected, "%s", names[i]);
    requests[i] = (as_io_request){.call = AS_IO_CLOSE, .fd = fds[i]};
  }
  as_io_run(io, requests, FILES);
  for (unsigned i = 0; i < FILES; i++) {
    CHECK(fcntl(fds[i], F_GETFD) < 0 && errno == EBADF, "%s stayed open", names[i]);
    CHECK_INT(io->unlink(io, folder, names[i]), 0);
  }
  free(bytes);
  free(back);
}

/* Each failure is its own request's. */
static void test_failures(const as_io *io) {
  uint8_t byte = 1;
  int fd = as_io_open(io, folder, "read-only", O_RDONLY | O_CREAT, 0444);
  as_io_request requests[] = {{.call = AS_IO_OPEN, .fd = folder, .path = "absent", .flags = O_RDONLY},
                              {.call = AS_IO_WRITE, .fd = fd, .bytes = &byte, .size = 1},
                              {.call = AS_IO_READ, .fd = -1, .bytes = &byte, .size = 1},
                              {.call = AS_IO_SYNC_DATA, .fd = -1},
                              {.call = AS_IO_READ, .fd = fd, .bytes = &byte, .size = 1},
                              {.call = AS_IO_READ, .fd = fd, .bytes = &byte, .size = 0},
                              {.call = AS_IO_SYNC_DATA, .fd = fd}};
  static const int expected[] = {-ENOENT, -EBADF, -EBADF, -EBADF, 0, 0, 0};
  enum { COUNT = sizeof requests / sizeof *requests };
  as_io_run(io, requests, COUNT);
  for (int i = 0; i < COUNT; i++) {
    CHECK(requests[i].result == expected[i], "request %d: %zd, not %d", i, requests[i].result, expected[i]);
  }
  as_io_run(io, requests, 0);
  as_io_close(io, &fd);
  CHECK_INT(io->unlink(io, folder, "read-only"), 0);
}

static uint8_t *pieces[IN_FLIGHT];

static void fill_piece(uint8_t *bytes, uint64_t offset) {
  for (size_t i = 0; i < PIECE; i++) {
    bytes[i] = byte_at((unsigned)(offset / PIECE), i);
  }
}

/* A large file, written and then read with several pieces in flight. */
static void test_large_file(const as_io *io) {
  as_io_queue queue;
  as_io_request requests[IN_FLIGHT] = {0}, hint;
  uint8_t *expected = malloc(PIECE);
  int fd = as_io_open(io, folder, "large", O_RDWR | O_CREAT | O_EXCL, 0644);
  as_io_queue_begin(&queue, io);
  for (uint64_t at = 0; at < LARGE; at += PIECE) {
    as_io_request *request = at < IN_FLIGHT * PIECE ? &requests[at / PIECE] : as_io_queue_wait(&queue);
    CHECK_INT(request->result, 0);
    fill_piece(pieces[request - requests], at);
    *request = (as_io_request){.call = AS_IO_WRITE, .fd = fd, .bytes = pieces[request - requests], .size = PIECE, .offset = at};
    as_io_queue_add(&queue, request);
    as_io_queue_send(&queue);
  }
  for (as_io_request *request; (request = as_io_queue_wait(&queue));) {
    CHECK_INT(request->result, 0);
  }
  hint = (as_io_request){.call = AS_IO_START_WRITE_BACK, .fd = fd, .size = LARGE};
  as_io_queue_add(&queue, &hint);
  CHECK(as_io_queue_wait(&queue) == &hint && hint.result == 0, "write-back: %zd", hint.result);
  hint = (as_io_request){.call = AS_IO_START_READ, .fd = fd, .size = LARGE};
  as_io_queue_add(&queue, &hint);
  CHECK(as_io_queue_wait(&queue) == &hint && hint.result == 0, "read ahead: %zd", hint.result);
  for (uint64_t at = 0; at < LARGE; at += PIECE) {
    as_io_request *request = &requests[at / PIECE % IN_FLIGHT];
    *request = (as_io_request){.call = AS_IO_READ, .fd = fd, .bytes = pieces[request - requests], .size = PIECE, .offset = at};
    as_io_queue_add(&queue, request);
    if (at / PIECE % IN_FLIGHT == IN_FLIGHT - 1) {
      while ((request = as_io_queue_wait(&queue))) {
        CHECK_INT(request->result, PIECE);
        fill_piece(expected, request->offset);
        CHECK_BYTES(request->bytes, expected, PIECE, "piece at %llu", (unsigned long long)request->offset);
      }
    }
  }
  as_io_queue_end(&queue);
  free(expected);
  as_io_close(io, &fd);
  CHECK_INT(io->unlink(io, folder, "large"), 0);
}

/* ---- who uses a queue, and until when ---- */

enum { THREADS = 4, USERS = 40, ROUNDS = 30 };

typedef struct handed_over {
  const as_io *io;
  as_io_queue queue;
  as_io_request request;
  uint8_t byte;
} handed_over;

static void *begin_and_leave(void *context) {
  handed_over *of = context;
  as_io_queue_begin(&of->queue, of->io);
  of->request = (as_io_request){.call = AS_IO_WRITE, .fd = as_io_open(of->io, folder, "handed", O_RDWR | O_CREAT, 0644),
                                .bytes = &of->byte, .size = 1};
  as_io_queue_add(&of->queue, &of->request);
  as_io_queue_send(&of->queue);
  return NULL;
}

/* Another thread carries on what one began that has ended, even if the kernel cancelled it with that thread. */
static void test_hand_over(const as_io *io) {
  for (int round = 0; round < ROUNDS; round++) {
    pthread_t thread;
    handed_over of = {.io = io, .byte = (uint8_t)round};
    uint8_t back = 0xff;
    CHECK(pthread_create(&thread, NULL, begin_and_leave, &of) == 0 && pthread_join(thread, NULL) == 0, "thread");
    CHECK(as_io_queue_wait(&of.queue) == &of.request, "the request does not come");
    CHECK_INT(of.request.result, 0);
    as_io_queue_end(&of.queue);
    CHECK_INT(as_io_read(io, of.request.fd, &back, 1, 0), 1);
    CHECK_INT(back, round);
    as_io_close(io, &of.request.fd);
  }
  CHECK_INT(io->unlink(io, folder, "handed"), 0);
}

/* Opens a pipe that nobody has open for writing, as a file to be made if need be: a ring gives that to a worker thread, which waits. */
static void *begin_waiting(void *context) {
  handed_over *of = context;
  as_io_queue_begin(&of->queue, of->io);
  of->request = (as_io_request){.call = AS_IO_OPEN, .fd = folder, .path = "fifo", .flags = O_RDONLY | O_CREAT};
  as_io_queue_add(&of->queue, &of->request);
  as_io_queue_send(&of->queue);
  return NULL;
}

/* The kernel cancels what waits for a thread that ends; the queue's next user finds it done all the same. */
static void test_cancelled(const as_io *io) {
  if (!io->ring_take) {
    return; /* the thread itself would wait, and not end */
  }
  pthread_t thread;
  handed_over of = {.io = io};
  CHECK(mkfifoat(folder, "fifo", 0600) == 0, "mkfifo");
  CHECK(pthread_create(&thread, NULL, begin_waiting, &of) == 0, "thread");
  nanosleep(&(struct timespec){0, 50000000}, NULL);
  /* Now an open can succeed. Before the thread is joined: the kernel may miss that a worker has just begun to wait, and then the thread ends
   * only when that wait does. A file of a store never keeps a worker waiting for good. */
  int writer = openat(folder, "fifo", O_RDWR | O_CLOEXEC);
  pthread_join(thread, NULL);
  CHECK(as_io_queue_wait(&of.queue) == &of.request, "the request does not come");
  CHECK(of.request.result >= 0, "open: %zd", of.request.result);
  as_io_queue_end(&of.queue);
  close((int)of.request.result);
  close(writer);
  CHECK_INT(io->unlink(io, folder, "fifo"), 0);
}

/* More users at a time than there are rings: those who get none still get their bytes. */
static void test_many_users(const as_io *io) {
  static as_io_queue queues[USERS];
  static as_io_request requests[USERS];
  static uint8_t bytes[USERS], back[USERS];
  int overlapping = 0;
  int fd = as_io_open(io, folder, "users", O_RDWR | O_CREAT, 0644);
  for (int i = 0; i < USERS; i++) {
    bytes[i] = (uint8_t)(i + 1);
    as_io_queue_begin(&queues[i], io);
    overlapping += as_io_queue_overlaps(&queues[i]);
    requests[i] = (as_io_request){.call = AS_IO_WRITE, .fd = fd, .bytes = &bytes[i], .size = 1, .offset = (uint64_t)i};
    as_io_queue_add(&queues[i], &requests[i]);
  }
  for (int i = 0; i < USERS; i++) {
    as_io_queue_end(&queues[i]);
    CHECK_INT(requests[i].result, 0);
  }
  CHECK(io->ring_take ? overlapping > 8 && overlapping < USERS : overlapping == 0, "%d of %d had a ring", overlapping, USERS);
  CHECK_INT(as_io_read(io, fd, back, USERS, 0), USERS);
  CHECK_BYTES(back, bytes, USERS, "users");
  as_io_close(io, &fd);
  CHECK_INT(io->unlink(io, folder, "users"), 0);
}

static int open_descriptors(const as_io *io) {
  int count = 0;
  CHECK_INT(io->list(io, AT_FDCWD, "/proc/self/fd", visit_counting, &count), 0);
  return count;
}

static void *write_and_read(void *context) {
  handed_over *of = context;
  uint8_t bytes[4][1000], back[4][1000];
  as_io_request requests[4];
  char name[32];
  snprintf(name, sizeof name, "thread-%d", of->byte);
  int fd = as_io_open(of->io, folder, name, O_RDWR | O_CREAT, 0644);
  for (int call = AS_IO_WRITE; call >= AS_IO_READ; call--) {
    for (unsigned i = 0; i < 4; i++) {
      memset(bytes[i], (int)(of->byte * 4 + i), sizeof bytes[i]);
      requests[i] = (as_io_request){.call = (as_io_call)call, .fd = fd, .bytes = call == AS_IO_WRITE ? bytes[i] : back[i],
                                    .size = 1000, .offset = i * 1000};
    }
    as_io_run(of->io, requests, 4);
    for (int i = 0; i < 4; i++) {
      CHECK_INT(requests[i].result, call == AS_IO_WRITE ? 0 : 1000);
    }
  }
  CHECK_BYTES(back, bytes, sizeof bytes, "%s", name);
  as_io_close(of->io, &fd);
  CHECK_INT(of->io->unlink(of->io, folder, name), 0);
  return NULL;
}

/* Threads come and go; what they used does not pile up. */
static void test_threads(const as_io *io) {
  int before = 0;
  for (int round = 0; round < ROUNDS; round++) {
    pthread_t threads[THREADS];
    handed_over of[THREADS];
    for (int i = 0; i < THREADS; i++) {
      of[i] = (handed_over){.io = io, .byte = (uint8_t)(i + 1)};
      CHECK(pthread_create(&threads[i], NULL, write_and_read, &of[i]) == 0, "thread");
    }
    for (int i = 0; i < THREADS; i++) {
      pthread_join(threads[i], NULL);
    }
    before = round == ROUNDS / 2 ? open_descriptors(io) : before;
  }
  int after = open_descriptors(io);
  CHECK(after <= before + THREADS, "%d descriptors, then %d", before, after); /* a ring for each at a time, never more */
}

/* ---- fork ---- */

/* In the child: what its parent has in flight comes to an end here too, and new queues are the child's own. */
static void use_in_child(const as_io *io, as_io_queue *queue, as_io_request *request) {
  CHECK(as_io_queue_wait(queue) == request, "the request does not come");
  CHECK_INT(request->result, 0);
  as_io_queue_add(queue, request);
  CHECK(as_io_queue_wait(queue) == request && request->result == 0, "a queue of the parent's goes on");
  CHECK(!as_io_queue_wait(queue), "more than was added");
  as_io_queue_end(queue);
  as_io_queue_begin(queue, io);
  CHECK_INT(as_io_queue_overlaps(queue), io->ring_take != NULL);
  as_io_queue_add(queue, request);
  CHECK(as_io_queue_wait(queue) == request && request->result == 0, "a queue of the child's own");
  as_io_queue_end(queue);
  test_many_files(io);
}

static void test_fork(const as_io *io) {
  int status, fd = as_io_open(io, folder, "forked", O_RDWR | O_CREAT, 0644);
  uint8_t byte = 42;
  as_io_queue queue;
  as_io_request request = {.call = AS_IO_WRITE, .fd = fd, .bytes = &byte, .size = 1};
  as_io_queue_begin(&queue, io);
  as_io_queue_add(&queue, &request);
  as_io_queue_send(&queue);
  pid_t child = fork();
  CHECK(child >= 0, "fork");
  if (child == 0) {
    use_in_child(io, &queue, &request);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %d", status);
  CHECK(as_io_queue_wait(&queue) == &request && request.result == 0, "the parent's request: %zd", request.result);
  CHECK(!as_io_queue_wait(&queue), "the child's requests came here");
  as_io_queue_add(&queue, &request);
  CHECK(as_io_queue_wait(&queue) == &request && request.result == 0, "the parent goes on");
  as_io_queue_end(&queue);
  as_io_close(io, &fd);
  CHECK_INT(io->unlink(io, folder, "forked"), 0);
}

static void test_engine(const as_io *io) {
  struct statfs status;
  printf("engine %s\n", io->name);
  test_names(io);
  test_nameless(io);
  test_locks(io);
  CHECK_INT(io->stat_file_system(io, folder, &status), 0);
  CHECK(status.f_blocks > 0, "statfs");
  CHECK_INT(as_io_open(io, AT_FDCWD, "/nonexistent/x", O_RDONLY, 0), -ENOENT);
  CHECK_INT(rmdir(strcat(strcpy((char[300]){0}, path), "/sub")), 0);
  test_many_files(io);
  test_failures(io);
  test_large_file(io);
  test_hand_over(io);
  test_cancelled(io);
  test_many_users(io);
  test_threads(io);
  test_fork(io);
}

int main(void) {
  const char *base = getenv("TMPDIR");
  snprintf(path, sizeof path, "%s/as-test-XXXXXX", base && *base ? base : "/tmp");
  CHECK(mkdtemp(path), "%s", path);
  folder = as_io_open(as_io_posix(), AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
  CHECK(folder >= 0, "%s", path);
  for (int i = 0; i < IN_FLIGHT; i++) {
    pieces[i] = malloc(PIECE);
  }
  CHECK_STRING(as_io_posix()->name, "posix");
  test_engine(as_io_posix());
  if (as_io_uring()) {
    CHECK_STRING(as_io_uring()->name, "uring");
    CHECK(strstr(as_io_uring_reason(), "read write"), "%s", as_io_uring_reason());
    test_engine(as_io_uring());
  } else {
    printf("skipped: engine uring: %s\n", as_io_uring_reason());
  }
  for (int i = 0; i < IN_FLIGHT; i++) {
    free(pieces[i]);
  }
  as_io_close(as_io_posix(), &folder);
  CHECK(rmdir(path) == 0, "%s is not empty", path);
  return 0;
}
