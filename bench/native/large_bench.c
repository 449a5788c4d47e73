/*
 * One large file through the core, on one thread and with a second one in turns: taken in durably, verified by both digests and by BLAKE3
 * alone, read back verified. Prints wall and processor time.
 * May include: store/store.h, the public header. Run by: hand, see docs/performance.md.
 *
 * Usage: large_bench <file> <new folder> <rounds>
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "store/store.h"

enum { ROUNDS_MAX = 100, PARTS = 4, STEP = 16 * 1024 * 1024, READ_SIZE = 1024 * 1024 };

static const char *const PARTS_NAMES[PARTS] = {"taken in, durable", "verified, both digests", "verified, BLAKE3 alone", "read, verified"};

typedef struct timing {
  double wall[ROUNDS_MAX]; /* seconds, as is */
  double processor;        /* of all rounds */
} timing;

static void must(int error, const char *what) {
  if (error) {
    fprintf(stderr, "%s: %s: %s\n", what, as_error_name(error), as_error_detail());
    exit(1);
  }
}

static double wall_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double processor_now(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* ---- the parts ---- */

static uint64_t take_in(as_store *store, const char *file, uint8_t address[AS_DIGEST_SIZE]) {
  as_ingest *ingest;
  const as_expect *expect = NULL;
  as_ingested result;
  size_t taken;
  int status;
  must(as_ingest_begin_file(store, file, &ingest), "open");
  do {
    must(as_ingest_pump(ingest, STEP, &taken), "read");
  } while (taken);
  as_ingest_commit(store, &ingest, &expect, 1, &result, &status);
  must(status, "commit");
  memcpy(address, result.digests.blake3, AS_DIGEST_SIZE);
  return result.size;
}

static void verify(as_store *store, const uint8_t *address, unsigned flags) {
  as_verifier *verifier;
  as_verified result;
  as_range bad;
  uint64_t size;
  size_t taken;
  must(as_verifier_open(store, address, flags, &verifier, &size), "open");
  do {
    must(as_verifier_pump(verifier, STEP, &taken), "verify");
  } while (taken);
  must(as_verifier_finish(verifier, &result, &bad, 1), "verify");
  must(result.intact ? 0 : AS_E_CORRUPT, "verify");
}

static void read_back(as_store *store, const uint8_t *address) {
  as_reader *reader;
  as_range bad;
  uint64_t size;
  size_t skip, count;
  uint8_t *buffer = malloc(READ_SIZE);
  must(as_reader_open(store, address, &reader, &size), "open");
  for (uint64_t at = 0; at < size; at += count) {
    must(as_reader_read(reader, at, buffer, READ_SIZE, &skip, &count, &bad), "read");
  }
  as_reader_close(reader);
  free(buffer);
}

/* ---- rounds ---- */

static uint64_t run_round(as_store *store, const char *file, timing timings[PARTS], int round) {
  uint8_t address[AS_DIGEST_SIZE];
  uint64_t size = 0, freed;
  int removed;
  for (int part = 0; part < PARTS; part++) {
    double wall = wall_now(), processor = processor_now();
    switch (part) {
      case 0: size = take_in(store, file, address); break;
      case 1: verify(store, address, 0); break;
      case 2: verify(store, address, AS_VERIFY_BLAKE3); break;
      default: read_back(store, address); break;
    }
    timings[part].wall[round] = wall_now() - wall;
    timings[part].processor += processor_now() - processor;
  }
  must(as_store_remove(store, address, &removed, &freed), "remove");
  must(as_io_sync_file_system(store->io, store->root), "sync");
  return size;
}

static int compare(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static void print(timing timings[2][PARTS], int rounds, uint64_t size) {
  printf("%-24s %-8s %9s %7s %12s %8s\n", "one file", "threads", "median s", "best s", "processor s", "MB/s");
  for (int part = 0; part < PARTS; part++) {
    for (int mode = 0; mode < 2; mode++) {
      timing *one = &timings[mode][part];
      qsort(one->wall, (size_t)rounds, sizeof one->wall[0], compare);
      double median = one->wall[rounds / 2];
      printf("%-24s %-8s %9.3f %7.3f %12.3f %8.0f\n", PARTS_NAMES[part], mode ? "up to 2" : "1", median, one->wall[0],
             one->processor / rounds, (double)size / median / 1e6);
    }
  }
}

int main(int argc, char **argv) {
  static timing timings[2][PARTS];
  int rounds = argc == 4 ? atoi(argv[3]) : 0;
  uint64_t size = 0;
  as_store *store;
  if (rounds < 1 || rounds > ROUNDS_MAX) {
    fprintf(stderr, "usage: large_bench <file> <new folder> <rounds, up to %d>\n", ROUNDS_MAX);
    return 2;
  }
  must(as_store_open(argv[2], AS_OPEN_CREATE, &store), "open");
  unsigned cores = store->cores;
  store->alone = 1; /* whether other programs are running is for whoever reads the figures to know */
  for (int round = 0; round < rounds; round++) {
    for (int mode = 0; mode < 2; mode++) {
      store->cores = mode ? cores : 1;
      size = run_round(store, argv[1], timings[mode], round);
    }
  }
  as_store_close(store);
  print(timings, rounds, size);
  return 0;
}
