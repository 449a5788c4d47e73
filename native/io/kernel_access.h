/*
 * Tells the sanitizers what the kernel does to memory on behalf of a ring: they see system calls, not a ring's transfers, so a
 * buffer freed or shared too early would go unnoticed there and nowhere else. Nothing at all in other builds.
 * May include: the C library. Called by: uring.c.
 */
#ifndef AS_IO_KERNEL_ACCESS_H
#define AS_IO_KERNEL_ACCESS_H

#include <stddef.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
void *__asan_region_is_poisoned(void *bytes, size_t size);
#endif
#ifdef __SANITIZE_THREAD__
void __tsan_read_range(void *bytes, long size);
void __tsan_write_range(void *bytes, long size);
#endif

/* The kernel will read (`writes` 0) or write the bytes, or has just done so: called at both ends of a transfer. */
static inline void as_kernel_access(void *bytes, size_t size, int writes) {
  (void)bytes, (void)size, (void)writes;
#ifdef __SANITIZE_ADDRESS__
  const volatile char *poisoned = __asan_region_is_poisoned(bytes, size);
  if (poisoned) {
    (void)*poisoned; /* the sanitizer reports it in its own words */
  }
#endif
#ifdef __SANITIZE_THREAD__
  if (writes) {
    __tsan_write_range(bytes, (long)size);
  } else {
    __tsan_read_range(bytes, (long)size);
  }
#endif
}

#endif
