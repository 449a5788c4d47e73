/*
 * Measures every kernel set of this machine against OpenSSL's SHA-256 alone over the same bytes. Each round times all
 * contenders one after the other, so that a busy machine disturbs them alike; ratios are taken within rounds.
 * May include: the public header, native/digest/kernels.h, libcrypto. Run by: npm run bench -- hash, or by hand.
 *
 * Usage: kernels_bench [--set <name>] [--rounds <n>] [--json]
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* the plain calls are OpenSSL's fastest: no fetching, no contexts on the heap */
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "artifactstore.h"
#include "digest/kernels.h"

enum { ROUNDS = 51, ROUNDS_MAX = 1001, SMALL_OBJECTS = 64, SLICE_NS = 400000 };

/* `count` objects of `size` bytes each. */
typedef struct work {
  const as_span *spans;
  size_t count, size;
  as_digests *out;
} work;

typedef void run_fn(const work *w);

static void openssl_sha256(const work *w) {
  for (size_t i = 0; i < w->count; i++) {
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, w->spans[i].bytes, w->size);
    SHA256_Final(w->out[i].sha256, &context);
  }
}

static void our_sha256(const work *w) {
  for (size_t i = 0; i < w->count; i++) {
    uint32_t state[8];
    memcpy(state, as_initial_value, sizeof state);
    as_kernels_in_use()->sha256_blocks(state, w->spans[i].bytes, w->size / AS_SHA256_BLOCK);
    memcpy(w->out[i].sha256, state, sizeof state);
  }
}

static void our_blake3(const work *w) {
  for (size_t i = 0; i < w->count; i++) {
    as_blake3_hash(w->spans[i].bytes, w->size, w->out[i].blake3);
  }
}

static void dual(const work *w) {
  as_dual_many(w->spans, w->count, w->out);
}

/* What a set without stitched kernels could do: each hash with its own best kernel, group by group. */
static void dual_in_turns(const work *w) {
  const as_kernels *kernels = as_kernels_in_use();
  uint32_t state[8];
  uint8_t cvs[AS_GROUP_CHUNKS * AS_DIGEST_SIZE];
  memcpy(state, as_initial_value, sizeof state);
  for (size_t at = 0; at < w->size; at += AS_GROUP_SIZE) {
    const uint8_t *group = (const uint8_t *)w->spans[0].bytes + at;
    kernels->sha256_blocks(state, group, AS_GROUP_SIZE / AS_SHA256_BLOCK);
    kernels->blake3_chunks(group, AS_GROUP_CHUNKS, as_initial_value, at / AS_BLAKE3_CHUNK, 0, cvs);
    for (size_t parents = AS_GROUP_CHUNKS / 2; parents > 0; parents /= 2) {
      kernels->blake3_parents(cvs, parents, as_initial_value, 0, cvs);
    }
  }
  memcpy(w->out[0].sha256, state, sizeof state);
}

static const struct bench_case {
  const char *name;
  run_fn *run;
  size_t count;
  size_t sizes[9]; /* ends with 0 */
} cases[] = {
    {"SHA-256", our_sha256, 1, {1024, 16 << 10, 1 << 20, 0}},
    {"BLAKE3", our_blake3, 1, {1024, 4096, 16 << 10, 64 << 10, 1 << 20, 0}},
    {"in turns, one stream", dual_in_turns, 1, {64 << 10, 1 << 20, 0}},
    {"one stream", dual, 1, {64, 256, 1024, 4096, 16 << 10, 64 << 10, 1 << 20, 16 << 20, 0}},
    {"two streams", dual, 2, {64 << 10, 1 << 20, 16 << 20, 0}},
    {"many objects", dual, SMALL_OBJECTS, {64, 256, 1024, 4096, 16 << 10, 0}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* Of the CPU: what other processes take of a core is nobody's here. */
static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Ticks of the counter by which x86-64 processors tell time, at a rate of their own: near the clock of the core, but
 * not it where that rises and falls. Elsewhere there is none, and 0. */
static double now_ticks(void) {
#if defined(__x86_64__)
  return (double)__builtin_ia32_rdtsc();
#else
  return 0;
#endif
}

/* Nanoseconds of one run, averaged over `repeats`. */
static double time_of(run_fn *run, const work *w, int repeats) {
  double start = now_ns();
  for (int i = 0; i < repeats; i++) {
    run(w);
  }
  return (now_ns() - start) / repeats;
}

static int repeats_for(run_fn *run, const work *w) {
  double once = time_of(run, w, 1);
  return once > SLICE_NS ? 1 : (int)(SLICE_NS / once) + 1;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts. */
static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, ascending);
  return values[count / 2];
}

typedef struct options {
  const char *set;
  int rounds, json;
} options;

static void report(const options *o, const struct bench_case *c, size_t size, double *rates, double *theirs,
                   double *ratios, double ticks_per_ns) {
  static int printed;
  double rate = median(rates, o->rounds), openssl = median(theirs, o->rounds), ratio = median(ratios, o->rounds);
  double best = rates[o->rounds - 1], openssl_best = theirs[o->rounds - 1];
  double ticks = AS_SHA256_BLOCK / rate * ticks_per_ns;
  if (o->json) {
    printf("%s\n  {\"set\": \"%s\", \"case\": \"%s\", \"objects\": %zu, \"size\": %zu, \"gbps_median\": %.3f, "
           "\"gbps_best\": %.3f, \"openssl_sha256_gbps_median\": %.3f, \"openssl_sha256_gbps_best\": %.3f, "
           "\"ratio_median\": %.3f, \"ticks_per_block_median\": %.1f}",
           printed++ ? "," : "[", as_kernel_name(), c->name, c->count, size, rate, best, openssl, openssl_best, ratio,
           ticks);
    return;
  }
  if (!printed++) {
    printf("%-12s %-21s %9s %8s %8s %9s %9s %7s %8s\n", "set", "case", "bytes", "median", "best", "OpenSSL",
           "its best", "ratio", "ticks/64");
  }
  printf("%-12s %-21s %9zu %8.3f %8.3f %9.3f %9.3f %7.2f %8.1f\n", as_kernel_name(), c->name, size, rate, best, openssl,
         openssl_best, ratio, ticks);
}

static void measure(const options *o, const struct bench_case *c, size_t size) {
  static double rates[ROUNDS_MAX], theirs[ROUNDS_MAX], ratios[ROUNDS_MAX];
  static as_digests out[SMALL_OBJECTS];
  as_span spans[SMALL_OBJECTS];
  uint8_t *bytes = malloc(c->count * size);
  if (!bytes) {
    fprintf(stderr, "no memory for %zu objects of %zu bytes\n", c->count, size);
    exit(1);
  }
  for (size_t i = 0; i < c->count * size; i++) {
    bytes[i] = (uint8_t)(i * 2654435761u >> 24);
  }
  for (size_t i = 0; i < c->count; i++) {
    spans[i] = (as_span){bytes + i * size, size};
  }
  work w = {spans, c->count, size, out};
  double total = (double)(c->count * size); /* bytes per nanosecond are GB/s */
  int ours = repeats_for(c->run, &w), reference = repeats_for(openssl_sha256, &w);
  double started = now_ns(), started_ticks = now_ticks();
  for (int r = 0; r < o->rounds; r++) {
    theirs[r] = total / time_of(openssl_sha256, &w, reference);
    rates[r] = total / time_of(c->run, &w, ours);
    ratios[r] = rates[r] / theirs[r];
  }
  report(o, c, size, rates, theirs, ratios, (now_ticks() - started_ticks) / (now_ns() - started));
  free(bytes);
}

static options parse(int count, char **arguments) {
  options o = {.rounds = ROUNDS};
  for (int i = 1; i < count; i++) {
    if (strcmp(arguments[i], "--json") == 0) {
      o.json = 1;
    } else if (strcmp(arguments[i], "--set") == 0 && i + 1 < count) {
      o.set = arguments[++i];
    } else if (strcmp(arguments[i], "--rounds") == 0 && i + 1 < count) {
      o.rounds = atoi(arguments[++i]);
    } else {
      fprintf(stderr, "usage: kernels_bench [--set <name>] [--rounds <n>] [--json]\n");
      exit(2);
    }
  }
  if (o.rounds < 1 || o.rounds > ROUNDS_MAX) {
    fprintf(stderr, "--rounds must be 1 to %d\n", ROUNDS_MAX);
    exit(2);
  }
  return o;
}

int main(int count, char **arguments) {
  options o = parse(count, arguments);
  int measured = 0;
  for (const char *const *name = as_kernel_names(); *name; name++) {
    if (o.set && strcmp(o.set, *name) != 0) {
      continue;
    }
    as_kernel_select(*name);
    for (int c = 0; c < CASES; c++) {
      for (const size_t *size = cases[c].sizes; *size; size++) {
        measure(&o, &cases[c], *size);
      }
    }
    measured = 1;
  }
  if (!measured) {
    fprintf(stderr, "this machine cannot run the set \"%s\"\n", o.set);
    return 1;
  }
  printf(o.json ? "\n]\n" : "GB/s; OpenSSL: %s, SHA-256 alone; ticks of the time stamp counter for 64 bytes\n",
         OpenSSL_version(OPENSSL_VERSION));
  return 0;
}
