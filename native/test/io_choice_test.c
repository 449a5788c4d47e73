/*
 * Which I/O engine is chosen, and what is said about it: where io_uring is forbidden, missing or taken away later, and where
 * ARTIFACTSTORE_IO asks for one. The choice is made once per process, so each case is a child.
 * May include: store_fixture.h. Run by: CTest.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store_fixture.h"

/* From here on `call` fails with `error` in this process: a filter as containers have them. */
static void forbid(long call, int error) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp: %s", strerror(errno));
}

/* Objects in and out, one of them large enough for whatever the store does with large ones. */
static void use_store(void) {
  enum { LARGE = 18 * 1024 * 1024 };
  as_store *store = open_store(AS_OPEN_CREATE);
  uint8_t *bytes = make_bytes(LARGE, 5);
  as_ingested small = ingest(store, bytes, 100), large = ingest(store, bytes, LARGE);
  check_read(store, small.digests.blake3, bytes, 100);
  check_read(store, large.digests.blake3, bytes, LARGE);
  as_store_close(store);
  free(bytes);
  fixture_remove(fixture_store);
}

static void expect_posix(const char *because) {
  CHECK(!as_io_uring(), "io_uring can be used");
  CHECK_STRING(as_io_name(), "posix");
  CHECK(strstr(as_io_reason(), because), "the reason is \"%s\"", as_io_reason());
  use_store();
}

static void expect_refusal(const char *because) {
  as_store *store = (as_store *)&store;
  CHECK_INT(as_store_open(fixture_store, AS_OPEN_CREATE, &store), AS_E_INVALID);
  CHECK(!store, "a store");
  CHECK(strstr(as_error_detail(), because), "the detail is \"%s\"", as_error_detail());
  CHECK(strstr(as_error_detail(), "ARTIFACTSTORE_IO"), "the detail is \"%s\"", as_error_detail());
  CHECK_STRING(as_io_name(), "none");
  CHECK(!file_exists(fixture_store), "a folder was made all the same");
}

static void forbidden(void) {
  forbid(SYS_io_uring_setup, EPERM);
  expect_posix("EPERM");
}

static void missing(void) {
  forbid(SYS_io_uring_setup, ENOSYS);
  expect_posix("ENOSYS");
}

static void without_memory(void) {
  forbid(SYS_io_uring_setup, ENOMEM);
  expect_posix("ulimit -l");
}

static void refused_oddly(void) {
  forbid(SYS_io_uring_setup, ENODEV);
  expect_posix("errno 19");
}

static void without_probe(void) {
  forbid(SYS_io_uring_register, EPERM);
  expect_posix("does not read and write");
}

static void forced_and_forbidden(void) {
  setenv("ARTIFACTSTORE_IO", "uring", 1);
  forbid(SYS_io_uring_setup, EPERM);
  expect_refusal("EPERM");
}

static void forced_to_nonsense(void) {
  setenv("ARTIFACTSTORE_IO", "threads", 1);
  expect_refusal("\"threads\"");
}

static void forced_to_posix(void) {
  setenv("ARTIFACTSTORE_IO", "posix", 1);
  CHECK(as_io_best() == as_io_posix(), "posix was asked for");
  CHECK_STRING(as_io_name(), "posix");
  CHECK_STRING(as_io_reason(), "ARTIFACTSTORE_IO=posix");
  use_store();
}

/* The rest runs only where io_uring can be used. */

static void chosen(void) {
  setenv("ARTIFACTSTORE_IO", "", 1); /* as if it were not set */
  CHECK(as_io_best() == as_io_uring(), "io_uring can be used: %s", as_io_reason());
  CHECK_STRING(as_io_name(), "uring");
  CHECK(strstr(as_io_reason(), "the kernel allows io_uring"), "%s", as_io_reason());
  use_store();
}

static void forced_to_uring(void) {
  setenv("ARTIFACTSTORE_IO", "uring", 1);
  CHECK(as_io_best() == as_io_uring(), "io_uring was asked for");
  CHECK(strstr(as_io_reason(), "ARTIFACTSTORE_IO=uring"), "%s", as_io_reason());
  use_store();
}

enum { REQUESTS = 20 };

/* Writes through a queue that was begun before the kernel's mind changed. `queue` may have requests in flight. */
static void write_through(as_io_queue *queue, int fd) {
  as_io_request requests[REQUESTS];
  uint8_t bytes[REQUESTS], back[REQUESTS];
  for (int i = 0; i < REQUESTS; i++) {
    bytes[i] = (uint8_t)(i + 1);
    requests[i] = (as_io_request){.call = AS_IO_WRITE, .fd = fd, .bytes = &bytes[i], .size = 1, .offset = (uint64_t)i};
    as_io_queue_add(queue, &requests[i]);
  }
  for (int i = 0; i < REQUESTS; i++) {
    const as_io_request *ended = as_io_queue_wait(queue);
    CHECK(ended && ended->result == 0, "request %d", i);
  }
  CHECK(!as_io_queue_wait(queue), "one too many");
  CHECK(pread(fd, back, REQUESTS, 0) == REQUESTS, "pread");
  CHECK_BYTES(back, bytes, REQUESTS, "written");
  as_io_queue_end(queue);
}

/* A process that forbids itself what it has been using. */
static void taken_away(int error) {
  char scratch[300];
  as_io_queue queue;
  uint8_t byte = 0;
  snprintf(scratch, sizeof scratch, "%s/scratch", fixture_path);
  int fd = open(scratch, O_RDWR | O_CREAT | O_TRUNC, 0600);
  as_io_request earlier = {.call = AS_IO_WRITE, .fd = fd, .bytes = &byte, .size = 1, .offset = REQUESTS};
  as_io_queue_begin(&queue, as_io_uring());
  CHECK(as_io_queue_overlaps(&queue), "no ring");
  as_io_queue_add(&queue, &earlier);
  as_io_queue_send(&queue);
  forbid(SYS_io_uring_enter, error);
  CHECK(as_io_queue_wait(&queue) == &earlier && earlier.result == 0, "what was in flight: %zd", earlier.result);
  write_through(&queue, fd);
  as_io_queue_begin(&queue, as_io_uring());
  write_through(&queue, fd);
  close(fd);
  use_store();
}

static void entering_forbidden(void) { taken_away(EPERM); }
static void kernel_is_busy(void) { taken_away(EAGAIN); }

/* No descriptor left for a ring of one's own. */
static void without_descriptors(void) {
  as_io_queue queue;
  const as_io *io = as_io_uring();
  int fd = open("/dev/null", O_RDWR);
  struct rlimit limit = {(rlim_t)fd + 1, (rlim_t)fd + 1};
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  as_io_queue_begin(&queue, io);
  CHECK(!as_io_queue_overlaps(&queue), "a ring without a descriptor");
  uint8_t byte = 1;
  as_io_request request = {.call = AS_IO_WRITE, .fd = fd, .bytes = &byte, .size = 1};
  as_io_queue_add(&queue, &request);
  CHECK(as_io_queue_wait(&queue) == &request && request.result == 0, "written all the same");
  as_io_queue_end(&queue);
}

static void no_descriptor_to_begin_with(void) {
  struct rlimit limit = {3, 3};
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  CHECK(!as_io_uring() && strstr(as_io_uring_reason(), "ulimit -n"), "%s", as_io_uring_reason());
}

static void in_child(const char *name, void (*body)(void)) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  CHECK(child >= 0, "fork");
  if (child == 0) {
    body();
    fflush(stdout);
    _exit(0); /* nothing that runs at exit could still open a file */
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0, "%s: the child ended with %d", name, status);
}

static int can_use_uring(void) {
  int status;
  pid_t child = fork(); /* in a child: this process must not have chosen when the cases begin */
  if (child == 0) {
    _exit(as_io_uring() ? 0 : 1);
  }
  return waitpid(child, &status, 0) == child && status == 0;
}

#define CASE(body) in_child(#body, body)

int main(void) {
  unsetenv("ARTIFACTSTORE_IO");
  fixture_begin();
  CASE(forced_to_posix);
  CASE(forced_to_nonsense);
  CASE(forbidden);
  CASE(missing);
  CASE(without_memory);
  CASE(refused_oddly);
  CASE(forced_and_forbidden);
  if (can_use_uring()) {
    CASE(chosen);
    CASE(forced_to_uring);
    CASE(without_probe);
    CASE(entering_forbidden);
    CASE(kernel_is_busy);
    CASE(without_descriptors);
    CASE(no_descriptor_to_begin_with);
  } else {
    puts("skipped: io_uring cannot be used here, so that it cannot be taken away either");
  }
  fixture_clean();
  return 0;
}
