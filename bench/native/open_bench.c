/*
 * How long opening a store takes, by the number of objects in it. Makes a store of that many objects of 64 bytes, then opens it
 * again and again, and looks some up. Then the same after a crash: a process is killed that has nearly filled a segment, the most that opening
 * may have to read, and every process that opens the store is killed when it has, so that the next finds what that one found.
 * Usage: open_bench <folder that is not there yet> <objects> [rounds]. The folder is left for a look; remove it by hand.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "artifactstore.h"

enum {
  BATCH = 1024,
  SIZE = 64,
  UNSEALED = 256 * 1024 - BATCH /* objects in a segment that the next batch would fill: AS_SEGMENT_RECORDS_MAX */
};

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void must(int error) {
  if (error) {
    fprintf(stderr, "%s (%s)\n", as_error_name(error), as_error_detail());
    exit(1);
  }
}

/* The bytes of object `number`. */
static void make(uint64_t number, uint8_t bytes[SIZE]) {
  memset(bytes, 0, SIZE);
  memcpy(bytes, &number, sizeof number);
}

/* Stores objects of these numbers. */
static void fill(as_store *store, uint64_t start, uint64_t end) {
  static uint8_t bytes[BATCH][SIZE];
  static as_ingested results[BATCH];
  as_ingest *ingests[BATCH];
  int status[BATCH];
  for (uint64_t first = start; first < end; first += BATCH) {
    size_t count = end - first < BATCH ? (size_t)(end - first) : BATCH;
    for (size_t i = 0; i < count; i++) {
      make(first + i, bytes[i]);
      must(as_ingest_begin_whole(store, bytes[i], SIZE, &ingests[i]));
    }
    as_ingest_commit(store, ingests, NULL, count, results, status);
    for (size_t i = 0; i < count; i++) {
      must(status[i]);
    }
  }
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static as_store *open_timed(const char *folder, double *ms) {
  as_store *store;
  double start = now_ms();
  must(as_store_open(folder, 0, &store));
  *ms = now_ms() - start;
  return store;
}

/* ---- after a crash ---- */

/* Runs `work` in a process of its own, which is killed behind it. Gives what it gave. */
static double run_and_kill(double (*work)(const char *folder, uint64_t objects), const char *folder, uint64_t objects) {
  int ends[2], status;
  double result = 0;
  if (pipe(ends) != 0) {
    exit(1);
  }
  pid_t child = fork();
  if (child == 0) {
    result = work(folder, objects);
    if (write(ends[1], &result, sizeof result) == sizeof result) {
      kill(getpid(), SIGKILL);
    }
    exit(1);
  }
  int done = child > 0 && read(ends[0], &result, sizeof result) == sizeof result;
  close(ends[0]);
  close(ends[1]);
  if (child > 0) {
    waitpid(child, &status, 0);
  }
  if (!done) {
    fprintf(stderr, "the process to be killed ended by itself\n");
    exit(1);
  }
  return result;
}

static double crash_while_storing(const char *folder, uint64_t objects) {
  double ms;
  fill(open_timed(folder, &ms), objects, objects + UNSEALED);
  return ms;
}

static double crash_when_open(const char *folder, uint64_t objects) {
  double ms;
  (void)objects;
  open_timed(folder, &ms);
  return ms;
}

static void print_times(const char *what, double *times, int rounds) {
  qsort(times, (size_t)rounds, sizeof *times, compare);
  printf("%s in %.1f ms (median of %d), best %.1f ms\n", what, times[rounds / 2], rounds, times[0]);
}

static void open_after_crashes(const char *folder, uint64_t objects, double *times, int rounds) {
  run_and_kill(crash_while_storing, folder, objects);
  for (int i = 0; i < rounds; i++) {
    times[i] = run_and_kill(crash_when_open, folder, objects);
  }
  printf("%d further objects stored durably by a process that was then killed\n", UNSEALED);
  print_times("opened after a crash", times, rounds);
}

static void look_up_some(as_store *store, uint64_t objects) {
  enum { LOOKUPS = 100000 };
  uint8_t bytes[SIZE];
  uint64_t size, found = 0;
  double spent = 0;
  for (uint64_t i = 0; i < LOOKUPS; i++) {
    as_digests digests;
    as_span span = {bytes, SIZE};
    make(i * 2654435761u % (2 * objects), bytes); /* half of them are there */
    as_dual_many(&span, 1, &digests);
    double start = now_ms();
    found += as_store_stat(store, digests.blake3, &size) == 0;
    spent += now_ms() - start;
  }
  printf("%llu of %d looked up are there, %.2f us each\n", (unsigned long long)found, LOOKUPS, spent * 1e3 / LOOKUPS);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: open_bench <new folder> <objects> [rounds]\n");
    return 2;
  }
  uint64_t objects = strtoull(argv[2], NULL, 10);
  int rounds = argc > 3 ? atoi(argv[3]) : 9;
  as_store *store;
  double *times = calloc((size_t)rounds, sizeof *times);
  must(as_store_open(argv[1], AS_OPEN_CREATE, &store));
  double start = now_ms();
  fill(store, 0, objects);
  double filled = now_ms() - start;
  as_store_close(store);
  printf("%llu objects of %d bytes stored durably in %.1f s, %.0f a second\n", (unsigned long long)objects, SIZE,
         filled / 1e3, (double)objects / filled * 1e3);
  for (int i = 0; i < rounds; i++) {
    as_store_close(open_timed(argv[1], &times[i]));
  }
  print_times("opened", times, rounds);
  store = open_timed(argv[1], &times[0]);
  look_up_some(store, objects);
  as_store_close(store);
  open_after_crashes(argv[1], objects, times, rounds);
  free(times);
  return 0;
}
