/*
 * Memory for what is large and goes all at once. Whole pages of its own go back to the kernel when it is given back; from malloc, which learns to keep pieces of such
 * sizes, tables of segments left some 130 MB behind in a process.
 * May include: the C library. Called by: native/store.
 */
#ifndef AS_CORE_PAGES_H
#define AS_CORE_PAGES_H

#include <stddef.h>

/* Memory of `size` bytes, all zero; NULL without any. Small sizes come from malloc. */
void *as_pages_take(size_t size);

/* Gives memory of as_pages_take back, of the same `size`. Nothing happens with NULL. */
void as_pages_give(void *bytes, size_t size);

#endif
