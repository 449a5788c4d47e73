/*
 * Names and details of errors: the documented names, unknown numbers, and that a detail belongs to its thread.
 * May include: native/core/error.h, the public header, the test headers. Run by: ctest.
 */
#include "core/error.h"

#include <errno.h>
#include <pthread.h>

#include "artifactstore.h"
#include "check.h"

static void test_names(void) {
  CHECK_STRING(as_error_name(AS_E_INVALID), "AS_E_INVALID");
  CHECK_STRING(as_error_name(AS_E_RANGE), "AS_E_RANGE");
  CHECK_STRING(as_error_name(-ENOSPC), "ENOSPC");
  CHECK_STRING(as_error_name(-EROFS), "EROFS");
  CHECK_STRING(as_error_name(-4000), "errno 4000");
  CHECK_STRING(as_error_name(-20000), "error -20000");
  CHECK_STRING(as_error_name(5), "error 5");
  for (int error = AS_E_RANGE; error < AS_E_BASE; error++) {
    CHECK(strncmp(as_error_name(error), "AS_E_", 5) == 0, "%d has no name of its own", error);
  }
}

static void test_details(void) {
  CHECK_STRING(as_error_detail(), "");
  CHECK_INT(as_fail(-ENOSPC, "write", "staging/7"), -ENOSPC);
  CHECK_STRING(as_error_detail(), "write staging/7: no space left on the device");
  CHECK_INT(as_fail(AS_E_CORRUPT, "read", "objects/ab"), AS_E_CORRUPT);
  CHECK_STRING(as_error_detail(), "read objects/ab: the stored bytes do not hash to their name");
  CHECK_INT(as_fail(-ENOMEM, "malloc", NULL), -ENOMEM);
  CHECK_STRING(as_error_detail(), "malloc: not enough memory");
  CHECK_INT(as_fail(-4000, "ioctl", "f"), -4000);
  CHECK_STRING(as_error_detail(), "ioctl f: errno 4000");
}

/* The reason and the end of the path say most, so the beginning of the path gives way. */
static void test_long_path(void) {
  enum { LENGTH = 20000 };
  char path[LENGTH + 1];
  memset(path, 'p', LENGTH);
  memcpy(path + LENGTH - 4, "/end", 5);
  as_fail(-ENAMETOOLONG, "openat", path);
  const char *detail = as_error_detail();
  CHECK(strncmp(detail, "openat p", 8) == 0, "detail begins \"%.20s\"", detail);
  const char *end = "p/end: the file name is too long";
  CHECK(strlen(detail) > strlen(end), "detail is only %zu long", strlen(detail));
  CHECK_STRING(detail + strlen(detail) - strlen(end), end);
}

static void *other_thread(void *unused) {
  CHECK_STRING(as_error_detail(), "");
  as_fail(-EIO, "pread", "theirs");
  return unused;
}

static void test_threads(void) {
  pthread_t thread;
  as_fail(-EACCES, "openat", "ours");
  CHECK_INT(pthread_create(&thread, NULL, other_thread, NULL), 0);
  pthread_join(thread, NULL);
  CHECK_STRING(as_error_detail(), "openat ours: permission denied");
}

int main(void) {
  test_names();
  test_details();
  test_long_path();
  test_threads();
  return 0;
}
