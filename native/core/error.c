/*
 * Names and details of errors: as_error_name, as_error_detail and the setter behind them.
 * May include: the public header, the C library. Called by: everything in the core that can fail, and the addon.
 *
 * The table is our own because the C library's way from a number to its name (strerrorname_np) is missing from
 * musl, macOS and older glibc, and its way to words (strerror) is neither thread-safe everywhere nor free of locale.
 */
#include "core/error.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "artifactstore.h"

enum {
  DETAIL_SIZE = PATH_MAX + 256, /* a path as long as the system allows, with room for the call and the reason */
  UNKNOWN_NAME_SIZE = 32
};

static _Thread_local char detail[DETAIL_SIZE];
static _Thread_local char unknown_name[UNKNOWN_NAME_SIZE];

struct known_error {
  int error;
  const char *name;
  const char *reason;
};

#define OWN(name, reason) {name, #name, reason}
#define SYSTEM(name, reason) {-(name), #name, reason}

static const struct known_error known_errors[] = {
    OWN(AS_E_INVALID, "an argument is outside its documented range"),
    OWN(AS_E_MISSING, "there is no such object"),
    OWN(AS_E_CORRUPT, "the stored bytes do not hash to their name"),
    OWN(AS_E_LOCKED, "another process has the store open"),
    OWN(AS_E_FORMAT, "this is not a store, or one of a format version that this build does not know"),
    OWN(AS_E_READ_ONLY, "the store is open read-only"),
    OWN(AS_E_CHANGED, "the source file changed while it was being read"),
    OWN(AS_E_MISMATCH, "the bytes do not have the expected digest"),
    OWN(AS_E_SIZE, "the bytes are fewer or more than announced"),
    OWN(AS_E_NOT_FILE, "the source is not a regular file"),
    OWN(AS_E_SOURCE, "the source file cannot be opened or read"),
    OWN(AS_E_RANGE, "the offset is beyond the end of the object"),
    OWN(AS_E_BUSY, "somebody else is using it"),
    OWN(AS_E_OFFSET, "the offset is not where the upload session stands"),
    OWN(AS_E_SINK, "the target file cannot be opened or written"),
    OWN(AS_E_SINK_FULL, "no space is left for the target file"),
    SYSTEM(EPERM, "operation not permitted"),
    SYSTEM(ENOENT, "no such file or directory"),
    SYSTEM(EINTR, "interrupted by a signal"),
    SYSTEM(EIO, "input/output error of the device"),
    SYSTEM(ENXIO, "no such device or address"),
    SYSTEM(EBADF, "bad file descriptor"),
    SYSTEM(EAGAIN, "temporarily unavailable"),
    SYSTEM(ENOMEM, "not enough memory"),
    SYSTEM(EACCES, "permission denied"),
    SYSTEM(EFAULT, "bad memory address"),
    SYSTEM(EBUSY, "device or resource busy"),
    SYSTEM(EEXIST, "the file exists already"),
    SYSTEM(EXDEV, "the two paths are on different file systems"),
    SYSTEM(ENODEV, "no such device"),
    SYSTEM(ENOTDIR, "a part of the path is not a directory"),
    SYSTEM(EISDIR, "the path is a directory"),
    SYSTEM(EINVAL, "invalid argument"),
    SYSTEM(ENFILE, "too many open files in the system"),
    SYSTEM(EMFILE, "too many open files in the process"),
    SYSTEM(ENOTTY, "the operation does not suit the device"),
    SYSTEM(ETXTBSY, "the file is being executed"),
    SYSTEM(EFBIG, "the file would become too large"),
    SYSTEM(ENOSPC, "no space left on the device"),
    SYSTEM(ESPIPE, "the source cannot seek"),
    SYSTEM(EROFS, "the file system is read-only"),
    SYSTEM(EMLINK, "too many links to one file"),
    SYSTEM(EPIPE, "broken pipe"),
    SYSTEM(EDEADLK, "waiting would never end"),
    SYSTEM(ENAMETOOLONG, "the file name is too long"),
    SYSTEM(ENOLCK, "no file locks available"),
    SYSTEM(ENOSYS, "this kernel does not have the call"),
    SYSTEM(ENOTEMPTY, "the directory is not empty"),
    SYSTEM(ELOOP, "too many symbolic links"),
    SYSTEM(EOVERFLOW, "the value is too large"),
    SYSTEM(EOPNOTSUPP, "the file system does not support the operation"),
    SYSTEM(ETIMEDOUT, "timed out"),
    SYSTEM(ECANCELED, "cancelled"),
    SYSTEM(ESTALE, "stale file handle"),
    SYSTEM(EDQUOT, "disk quota exceeded"),
};

static const struct known_error *find(int error) {
  for (size_t i = 0; i < sizeof known_errors / sizeof known_errors[0]; i++) {
    if (known_errors[i].error == error) {
      return &known_errors[i];
    }
  }
  return NULL;
}

const char *as_error_name(int error) {
  if (error == 0) {
    return "AS_OK";
  }
  const struct known_error *known = find(error);
  if (known) {
    return known->name;
  }
  int is_errno = error < 0 && error > -4096;
  snprintf(unknown_name, sizeof unknown_name, is_errno ? "errno %d" : "error %d", is_errno ? -error : error);
  return unknown_name;
}

const char *as_error_reason(int error) {
  const struct known_error *known = find(error);
  return known ? known->reason : as_error_name(error);
}

const char *as_error_detail(void) {
  return detail;
}

int as_fail(int error, const char *call, const char *path) {
  return as_fail_because(error, call, path, as_error_reason(error));
}

int as_fail_because(int error, const char *call, const char *path, const char *reason) {
  if (!path) {
    snprintf(detail, sizeof detail, "%s: %s", call, reason);
    return error;
  }
  size_t around = strlen(call) + strlen(reason) + sizeof " : ";
  size_t room = around < sizeof detail ? sizeof detail - around : 0;
  size_t length = strlen(path);
  snprintf(detail, sizeof detail, "%s %s: %s", call, length > room ? path + (length - room) : path, reason);
  return error;
}
