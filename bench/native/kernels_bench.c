/*
 * Measures every kernel set of this machine against others over the same bytes: OpenSSL's SHA-256 alone, by its low-level
 * calls and by EVP, and the official BLAKE3 code, of which LLVM carries a copy with all its assembly. Each round times
 * all of them one after the other, so that a busy machine disturbs them alike; ratios are taken within rounds.
 * May include: the public header, native/digest/kernels.h, libcrypto; loads libLLVM where there is one. Run by:
 * npm run bench -- hash, or by hand.
 *
 * Usage: kernels_bench [--set <name>] [--rounds <n>] [--json]
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* the low-level calls are OpenSSL's fastest, and deprecated */
#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "artifactstore.h"
#include "digest/kernels.h"

enum { ROUNDS = 51, ROUNDS_MAX = 1001, SMALL_OBJECTS = 64, MIXED_OBJECTS = 256, SMALLEST = 64, SLICE_NS = 400000 };

/* `count` objects. */
typedef struct work {
  const as_span *spans;
  size_t count;
  as_digests *out;
} work;

typedef void run_fn(const work *w);

static void openssl_sha256(const work *w) {
  for (size_t i = 0; i < w->count; i++) {
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, w->spans[i].bytes, w->spans[i].size);
    SHA256_Final(w->out[i].sha256, &context);
  }
}

/* The digest fetched once and one context for all: EVP at its fastest. */
static void evp_sha256(const work *w) {
  static EVP_MD *digest;
  static EVP_MD_CTX *context;
  if (!digest) {
    digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    context = EVP_MD_CTX_new();
  }
  for (size_t i = 0; i < w->count; i++) {
    EVP_DigestInit_ex2(context, digest, NULL);
    EVP_DigestUpdate(context, w->spans[i].bytes, w->spans[i].size);
    EVP_DigestFinal_ex(context, w->out[i].sha256, NULL);
  }
}

/* The official C interface as LLVM exports it since version 15 (llvm-c/blake3.h). */
static struct {
  void (*init)(void *hasher);
  void (*update)(void *hasher, const void *bytes, size_t size);
  void (*finalize)(const void *hasher, uint8_t *out, size_t size);
} official;

static int load_official(void) {
  static const char *const names[] = {"libLLVM.so.19.1", "libLLVM-19.so.1", "libLLVM-18.so.1",
                                      "libLLVM-17.so.1", "libLLVM-16.so.1", "libLLVM-15.so.1"};
  for (size_t i = 0; i < sizeof names / sizeof names[0] && !official.finalize; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library) {
      *(void **)&official.init = dlsym(library, "llvm_blake3_hasher_init");
      *(void **)&official.update = dlsym(library, "llvm_blake3_hasher_update");
      *(void **)&official.finalize = dlsym(library, "llvm_blake3_hasher_finalize");
    }
  }
  return official.init && official.update && official.finalize;
}

static void official_blake3(const work *w) {
  static uint64_t hasher[512]; /* more than twice its size */
  for (size_t i = 0; i < w->count; i++) {
    official.init(hasher);
    official.update(hasher, w->spans[i].bytes, w->spans[i].size);
    official.finalize(hasher, w->out[i].blake3, AS_DIGEST_SIZE);
  }
}

/* What every SHA-256 of one message takes at least, where it is made of sha256rnds2: the 32 of a block wait for each
 * other. Nothing is loaded and no schedule computed. */
static void chain_alone(const work *w) {
#if defined(__x86_64__)
  for (size_t block = 0; block < w->spans[0].size / AS_SHA256_BLOCK; block++) {
    __asm__ volatile(".rept 16\n"
                     "sha256rnds2 %%xmm0, %%xmm2, %%xmm3\n"
                     "sha256rnds2 %%xmm0, %%xmm3, %%xmm2\n"
                     ".endr\n" ::
                         : "xmm2", "xmm3");
  }
#else
  (void)w;
#endif
}

static int has_sha_instructions(void) {
#if defined(__x86_64__)
  return strstr(as_cpu_features(), "sha") != NULL && strstr(as_cpu_features(), "avx2") != NULL;
#else
  return 0;
#endif
}

static void our_sha256(const work *w) {
  for (size_t i = 0; i < w->count; i++) {
    uint32_t state[8];
    memcpy(state, as_initial_value, sizeof state);
    as_kernels_in_use()->sha256_blocks(state, w->spans[i].bytes, w->spans[i].size / AS_SHA256_BLOCK);
    memcpy(w->out[i].sha256, state, sizeof state);
  }
}

static void our_blake3(const work *w) {
  for (size_t i = 0; i < w->count; i++) {
    as_blake3_hash(w->spans[i].bytes, w->spans[i].size, w->out[i].blake3);
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
  for (size_t at = 0; at < w->spans[0].size; at += AS_GROUP_SIZE) {
    const uint8_t *group = (const uint8_t *)w->spans[0].bytes + at;
    kernels->sha256_blocks(state, group, AS_GROUP_SIZE / AS_SHA256_BLOCK);
    kernels->blake3_chunks(group, AS_GROUP_CHUNKS, as_initial_value, at / AS_BLAKE3_CHUNK, 0, cvs);
    for (size_t parents = AS_GROUP_CHUNKS / 2; parents > 0; parents /= 2) {
      kernels->blake3_parents(cvs, parents, as_initial_value, 0, cvs);
    }
  }
  memcpy(w->out[0].sha256, state, sizeof state);
}

/* Who a case is measured against. */
typedef struct reference {
  const char *name;
  run_fn *run;
} reference;

static const reference low_level = {"OpenSSL SHA-256, low-level", openssl_sha256};
static const reference evp = {"OpenSSL SHA-256, EVP", evp_sha256};
static const reference official_code = {"official BLAKE3", official_blake3};

enum { REFERENCES = 2 };

static const struct bench_case {
  const char *name;
  run_fn *run;
  size_t count;
  const reference *references[REFERENCES]; /* one may be NULL */
  size_t sizes[9];                         /* of each object, or with `mixed` of the largest; ends with 0 */
  int mixed;                               /* objects of any size from SMALLEST on */
} cases[] = {
    {"sha256rnds2 alone", chain_alone, 1, {&low_level}, {64 << 10, 1 << 20, 0}, 0},
    {"SHA-256", our_sha256, 1, {&low_level}, {1024, 16 << 10, 1 << 20, 0}, 0},
    {"BLAKE3", our_blake3, 1, {&low_level, &official_code}, {1024, 4096, 16 << 10, 64 << 10, 1 << 20, 16 << 20, 0}, 0},
    {"in turns, one stream", dual_in_turns, 1, {&low_level}, {64 << 10, 1 << 20, 0}, 0},
    {"one stream", dual, 1, {&low_level, &evp}, {64, 256, 1024, 4096, 16 << 10, 64 << 10, 1 << 20, 16 << 20, 0}, 0},
    {"two streams", dual, 2, {&low_level, &evp}, {64 << 10, 1 << 20, 16 << 20, 0}, 0},
    {"many objects", dual, SMALL_OBJECTS, {&low_level, &evp}, {64, 256, 1024, 4096, 16 << 10, 0}, 0},
    {"many, of any size", dual, MIXED_OBJECTS, {&low_level, &evp}, {1024, 4096, 16 << 10, 0}, 1},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static int can_run(run_fn *run) {
  return run == official_blake3 ? load_official() : run == chain_alone ? has_sha_instructions() : 1;
}

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

/* Runs that fill a slice, the very first, which takes longer, not among them. */
static int repeats_for(run_fn *run, const work *w) {
  int repeats = 1;
  run(w);
  while (time_of(run, w, repeats) * repeats < SLICE_NS) {
    repeats *= 2;
  }
  return repeats;
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

/* One case and size: speeds of ours by round, and of each reference. */
typedef struct speeds {
  double ours[ROUNDS_MAX];
  double theirs[REFERENCES][ROUNDS_MAX];
  double ratios[REFERENCES][ROUNDS_MAX];
  double ticks_per_ns;
} speeds;

static void report(const options *o, const struct bench_case *c, size_t size, const char *name, speeds *s, int r) {
  static int printed;
  double rate = median(s->ours, o->rounds), theirs = median(s->theirs[r], o->rounds);
  double best = s->ours[o->rounds - 1], their_best = s->theirs[r][o->rounds - 1];
  double ratio = median(s->ratios[r], o->rounds), ticks = AS_SHA256_BLOCK / rate * s->ticks_per_ns;
  if (o->json) {
    printf("%s\n  {\"set\": \"%s\", \"case\": \"%s\", \"objects\": %zu, \"size\": %zu, \"gbps_median\": %.3f, "
           "\"gbps_best\": %.3f, \"reference\": \"%s\", \"reference_gbps_median\": %.3f, "
           "\"reference_gbps_best\": %.3f, \"ratio_median\": %.3f, \"ticks_per_block_median\": %.1f}",
           printed++ ? "," : "[", as_kernel_name(), c->name, c->count, size, rate, best, name, theirs, their_best,
           ratio, ticks);
    return;
  }
  if (!printed++) {
    printf("%-12s %-20s %9s %7s %7s %8s  %-26s %7s %8s %6s\n", "set", "case", "bytes", "median", "best", "ticks/64",
           "against", "median", "its best", "ratio");
  }
  printf("%-12s %-20s %9zu %7.3f %7.3f %8.1f  %-26s %7.3f %8.3f %6.2f\n", as_kernel_name(), c->name, size, rate, best,
         ticks, name, theirs, their_best, ratio);
}

/* Everyone once a round, ours after each reference: what changes from one moment to the next meets both. */
static void measure_rounds(const options *o, const struct bench_case *c, size_t size, const work *w, speeds *s) {
  double total = 0; /* bytes per nanosecond are GB/s */
  for (size_t i = 0; i < w->count; i++) {
    total += (double)w->spans[i].size;
  }
  int ours = repeats_for(c->run, w), theirs[REFERENCES];
  for (int r = 0; r < REFERENCES; r++) {
    const reference *one = c->references[r];
    theirs[r] = one && can_run(one->run) ? repeats_for(one->run, w) : 0;
  }
  double started = now_ns(), started_ticks = now_ticks();
  for (int round = 0; round < o->rounds; round++) {
    for (int r = 0; r < REFERENCES; r++) {
      if (theirs[r]) {
        s->theirs[r][round] = total / time_of(c->references[r]->run, w, theirs[r]);
        s->ours[round] = total / time_of(c->run, w, ours);
        s->ratios[r][round] = s->ours[round] / s->theirs[r][round];
      }
    }
  }
  s->ticks_per_ns = (now_ticks() - started_ticks) / (now_ns() - started);
  for (int r = 0; r < REFERENCES; r++) {
    if (theirs[r]) {
      report(o, c, size, c->references[r]->name, s, r);
    }
  }
}

static void measure(const options *o, const struct bench_case *c, size_t size) {
  static speeds s;
  static as_digests out[MIXED_OBJECTS];
  as_span spans[MIXED_OBJECTS];
  uint8_t *bytes = malloc(c->count * size);
  if (!bytes) {
    fprintf(stderr, "no memory for %zu objects of %zu bytes\n", c->count, size);
    exit(1);
  }
  for (size_t i = 0; i < c->count * size; i++) {
    bytes[i] = (uint8_t)(i * 2654435761u >> 24);
  }
  for (size_t i = 0; i < c->count; i++) {
    size_t own = c->mixed ? SMALLEST + i * 7919 % (size - SMALLEST + 1) : size; /* a prime: no order, the same each time */
    spans[i] = (as_span){bytes + i * size, own};
  }
  work w = {spans, c->count, out};
  measure_rounds(o, c, size, &w, &s);
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
        if (can_run(cases[c].run)) {
          measure(&o, &cases[c], *size);
        }
      }
    }
    measured = 1;
  }
  if (!measured) {
    fprintf(stderr, "this machine cannot run the set \"%s\"\n", o.set);
    return 1;
  }
  printf(o.json ? "\n]\n" : "GB/s; %s; ticks of the time stamp counter for 64 bytes; official BLAKE3: %s\n",
         OpenSSL_version(OPENSSL_VERSION), load_official() ? "that of libLLVM" : "no libLLVM from 15 on, not measured");
  return 0;
}
