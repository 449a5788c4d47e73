/*
 * Process-wide counters of the dual kernels' paths. Relaxed atomics: each number is right by itself, and nobody draws a
 * conclusion from two of them read at one instant.
 * May include: native/digest headers, the C library. Called by: native/digest; as_kernel_counters by anyone.
 */
#include "digest/counters.h"

#include <stdatomic.h>

#include "artifactstore.h"

static struct {
  _Atomic uint64_t calls, units;
} counted[AS_PATHS];

void as_count(as_path path, uint64_t units) {
  atomic_fetch_add_explicit(&counted[path].calls, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&counted[path].units, units, memory_order_relaxed);
}

static as_path_counter read_path(as_path path) {
  return (as_path_counter){.calls = atomic_load_explicit(&counted[path].calls, memory_order_relaxed),
                           .units = atomic_load_explicit(&counted[path].units, memory_order_relaxed)};
}

void as_kernel_counters(as_counters *out) {
  out->one_stream = read_path(AS_PATH_ONE_STREAM);
  out->two_stream = read_path(AS_PATH_TWO_STREAM);
  out->batch = read_path(AS_PATH_BATCH);
}
