/*
 * How the core reports what went wrong: an error number travels up as the return value, and the thread remembers which
 * call failed on which file, for as_error_detail.
 * May include: the C library. Called by: native/io, native/store.
 */
#ifndef AS_CORE_ERROR_H
#define AS_CORE_ERROR_H

/* Records "<call> <path>: <reason>" for the calling thread, the reason taken from `error`, and returns `error`, so that
 * a failing call reads `return as_fail(-errno, "openat", path);`.
 *   error  a negated errno or one of AS_E_…
 *   call   the operation that failed; never NULL
 *   path   the file it failed on; NULL when there is none, and then "<call>: <reason>" is recorded
 * A detail too long for the record keeps the reason and loses the beginning of the path. */
int as_fail(int error, const char *call, const char *path);

/* As as_fail, with a reason of the caller's own in place of the usual one. */
int as_fail_because(int error, const char *call, const char *path, const char *reason);

#endif
