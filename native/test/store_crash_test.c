/*
 * kill -9 at random instants while a process ingests and removes: everything it acknowledged before it died holds, the
 * store opens, staging is empty. What a power cut does is a matter of syncs, whose order store_fault_test proves.
 * May include: store_fixture.h. Run by: CTest.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "store_fixture.h"

enum { ROUNDS = 40, BATCH = 4 };

/* What the child says through the pipe: smaller than PIPE_BUF, so a message is whole or not there. */
typedef struct message {
  uint64_t seed; /* the object's bytes are made from it */
  uint64_t size;
  uint8_t address[AS_DIGEST_SIZE];
  int removed;
} message;

static size_t size_of(uint64_t seed) {
  static const size_t most[] = {100, 5000, 16384, 40000, 600000};
  uint64_t state = seed;
  size_t limit = most[next_random(&state) % 5];
  return (size_t)(next_random(&state) % limit);
}

static void tell(int pipe_end, uint64_t seed, size_t size, const uint8_t *address, int removed) {
  message out = {.seed = seed, .size = size, .removed = removed};
  memcpy(out.address, address, AS_DIGEST_SIZE);
  CHECK(write(pipe_end, &out, sizeof out) == sizeof out, "pipe");
}

/* Ingests batches until it is killed; now and then removes the first object of the last batch. */
static void child(int pipe_end, uint64_t round, const as_io *io) {
  as_store *store;
  CHECK(as_store_open_on(io, fixture_store, AS_OPEN_CREATE, &store) == 0, "%s", as_error_detail());
  for (uint64_t batch = 0;; batch++) {
    as_ingest *handles[BATCH];
    as_ingested out[BATCH];
    int status[BATCH], removed;
    uint64_t seeds[BATCH], freed;
    for (uint64_t i = 0; i < BATCH; i++) {
      seeds[i] = round << 32 | batch << 8 | i;
      uint8_t *bytes = make_bytes(size_of(seeds[i]), seeds[i]);
      CHECK_INT(as_ingest_begin(store, &handles[i]), 0);
      CHECK_INT(as_ingest_append(handles[i], bytes, size_of(seeds[i])), 0);
      free(bytes);
    }
    as_ingest_commit(store, handles, NULL, BATCH, out, status);
    for (int i = 0; i < BATCH; i++) {
      CHECK_INT(status[i], 0);
      tell(pipe_end, seeds[i], (size_t)out[i].size, out[i].digests.blake3, 0);
    }
    if (batch % 3 == 2) {
      CHECK_INT(as_store_remove(store, out[0].digests.blake3, &removed, &freed), 0);
      tell(pipe_end, seeds[0], (size_t)out[0].size, out[0].digests.blake3, 1);
    }
  }
}

static message *heard;
static size_t heard_count;

static void listen_to(int pipe_end) {
  message in;
  while (read(pipe_end, &in, sizeof in) == sizeof in) {
    heard = realloc(heard, (heard_count + 1) * sizeof *heard);
    heard[heard_count++] = in;
  }
}

static int removed_later(size_t index) {
  for (size_t i = index + 1; i < heard_count && i < index + 2 * BATCH; i++) {
    if (heard[i].removed && heard[i].seed == heard[index].seed) {
      return 1;
    }
  }
  return 0;
}

/* Everything acknowledged since `first`: what was removed is not there, or had its removal cut off before it was
 * acknowledged. */
static void check_heard(as_store *store, size_t first) {
  for (size_t i = first; i < heard_count; i++) {
    uint64_t found;
    int error = as_store_stat(store, heard[i].address, &found);
    int last_of_all = i + BATCH >= heard_count && !heard[i].removed; /* its removal may have begun */
    if (heard[i].removed) {
      CHECK_INT(error, AS_E_MISSING);
    } else if (!removed_later(i) && !(last_of_all && error == AS_E_MISSING)) {
      CHECK(error == 0, "acknowledged object %llu: %s", (unsigned long long)heard[i].seed, as_error_name(error));
      uint8_t *bytes = make_bytes((size_t)heard[i].size, heard[i].seed);
      check_read(store, heard[i].address, bytes, (size_t)heard[i].size);
      check_intact(store, heard[i].address);
      free(bytes);
    }
  }
}

static void run_round(uint64_t round, const as_io *io, uint64_t *random) {
  int ends[2], status;
  size_t first = heard_count;
  CHECK(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  pid_t pid = fork();
  CHECK(pid >= 0, "fork");
  if (pid == 0) {
    close(ends[0]);
    child(ends[1], round, io);
  }
  close(ends[1]);
  struct timespec pause = {0, (long)(next_random(random) % 90000000)};
  nanosleep(&pause, NULL);
  CHECK(kill(pid, SIGKILL) == 0, "kill");
  listen_to(ends[0]); /* until the end: the pipe keeps what was said before death */
  close(ends[0]);
  CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "the child ended by itself: %d", status);
  as_store *store;
  CHECK(as_store_open_on(io, fixture_store, AS_OPEN_CREATE, &store) == 0, "round %llu: %s", (unsigned long long)round,
        as_error_detail());
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  check_heard(store, first);
  as_store_close(store);
}

/* Whatever has an object's name is that object, acknowledged or not. */
static int visit_object(void *context, const char *name) {
  uint8_t address[AS_DIGEST_SIZE];
  if (strchr(name, '.')) {
    return 0;
  }
  for (int i = 0; i < AS_DIGEST_SIZE; i++) {
    unsigned byte;
    CHECK(sscanf(name + 2 * i, "%2x", &byte) == 1, "%s", name);
    address[i] = (uint8_t)byte;
  }
  check_intact(context, address);
  return 0;
}

static int visit_folder(void *context, const char *folder) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", fixture_file("objects"), folder);
  return as_io_posix()->list(as_io_posix(), AT_FDCWD, path, visit_object, context);
}

/* A record that nobody was told of may have been torn: then it is known not to be whole. */
static void visit_packed(void *context, const as_entry *entry) {
  if (entry->kind != AS_RECORD_DAMAGED) {
    check_intact(context, entry->blake3);
  }
}

int main(void) {
  uint64_t random = (uint64_t)time(NULL);
  as_io named = io_without_nameless();
  printf("seed %llu\n", (unsigned long long)random);
  fixture_begin();
  for (uint64_t round = 0; round < ROUNDS; round++) {
    run_round(round, round % 2 ? &named : as_io_best(), &random);
  }
  as_store *store = open_store(0);
  CHECK(heard_count > ROUNDS, "only %zu objects acknowledged", heard_count);
  printf("%zu acknowledgements in %d rounds\n", heard_count, ROUNDS);
  CHECK_INT(as_io_posix()->list(as_io_posix(), AT_FDCWD, fixture_file("objects"), visit_folder, store), 0);
  each_packed(store, visit_packed, store);
  as_store_close(store);
  free(heard);
  fixture_clean();
  return 0;
}
