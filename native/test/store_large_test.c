/*
 * One large object on two cores: what is stored and found is the same as on one, whatever the sizes, the steps, the damage and the calls that
 * fail, in the page cache and past it; never more threads than cores; two verified side by side; sources that are cloned; and several threads
 * that read from one reader.
 * May include: store_fixture.h. Run by: CTest.
 */
#include <pthread.h>

#include "store/direct.h"
#include "store/lane.h"
#include "store_fixture.h"

enum { MIB = 1024 * 1024 };

/* ---- an engine that watches, fails and clones as it is told ---- */

static pthread_mutex_t engine_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static as_store *watched; /* whose busy threads are counted at every read */
static unsigned busy_max;
static int calls;         /* reads, writes, syncs and clones so far, */
static int fail_at;       /* of which this one fails; 0: none */
static int reads_count = 1; /* whether reads are among them */
static int fail_with;
static uint64_t bad_at = UINT64_MAX; /* the disk does not give the byte of that offset */
static int written_calls;
static enum { CLONE_NOT, CLONE_WHOLE, CLONE_PART } cloning;
static int cloned;

static int strike(void) {
  pthread_mutex_lock(&engine_mutex);
  int error = ++calls == fail_at ? fail_with : 0;
  pthread_mutex_unlock(&engine_mutex);
  return error;
}

static void watch(void) {
  if (watched) {
    pthread_mutex_lock(&watched->mutex);
    unsigned busy = watched->busy;
    pthread_mutex_unlock(&watched->mutex);
    pthread_mutex_lock(&engine_mutex);
    busy_max = busy > busy_max ? busy : busy_max;
    pthread_mutex_unlock(&engine_mutex);
  }
}

static ssize_t t_read(const as_io *io, int fd, void *bytes, size_t size, uint64_t offset) {
  int error = reads_count ? strike() : 0;
  watch();
  if (error || (bad_at >= offset && bad_at < offset + size)) {
    return error ? error : -EIO;
  }
  return as_io_posix()->read(io, fd, bytes, size, offset);
}

static ssize_t t_write(const as_io *io, int fd, const void *bytes, size_t size, uint64_t offset) {
  int error = strike();
  pthread_mutex_lock(&engine_mutex);
  written_calls++;
  pthread_mutex_unlock(&engine_mutex);
  return error ? error : as_io_posix()->write(io, fd, bytes, size, offset);
}

static int t_sync_data(const as_io *io, int fd) {
  int error = strike();
  return (void)io, error ? error : as_io_posix()->sync_data(as_io_posix(), fd);
}

/* A ring whose writes and syncs are carried out when they are waited for, by the calls above, and not before; hints at once. */
struct as_io_ring {
  as_io_request *waiting[AS_IO_DEPTH];
  size_t count;
};

static as_io engine;
static int direct_writes; /* that a ring was given, */
static int ring_syncs;    /* and syncs */
static int ring_failed;   /* a write on it has */

static as_io_ring *t_ring_take(const as_io *io) { return (void)io, calloc(1, sizeof(as_io_ring)); }

static void t_ring_give(const as_io *io, as_io_ring *ring) {
  (void)io;
  CHECK_INT(ring->count, 0);
  free(ring);
}

static int t_ring_add(as_io_ring *ring, as_io_request *request) {
  direct_writes += request->call == AS_IO_WRITE && (fcntl(request->fd, F_GETFL) & O_DIRECT) != 0;
  ring_syncs += request->call == AS_IO_SYNC_DATA;
  ring->waiting[ring->count++] = request;
  return 0;
}

static as_io_request *t_ring_next(as_io_ring *ring, int wait) {
  as_io_request *request = ring->count ? ring->waiting[0] : NULL;
  if (!request || (!wait && request->call != AS_IO_START_WRITE_BACK)) {
    return NULL;
  }
  memmove(ring->waiting, ring->waiting + 1, --ring->count * sizeof *ring->waiting);
  request->result = request->call == AS_IO_WRITE ? t_write(&engine, request->fd, (uint8_t *)request->bytes + request->done,
                                                           request->size - request->done, request->offset + request->done)
                    : request->call == AS_IO_SYNC_DATA ? t_sync_data(&engine, request->fd) : 0;
  ring_failed |= request->call == AS_IO_WRITE && request->result < 0;
  return request;
}

/* What a file system that shares blocks does, but for the sharing. */
static int t_clone(const as_io *io, int from, int to) {
  int error = strike();
  struct stat status;
  if (error || cloning == CLONE_NOT) {
    return error ? error : -EOPNOTSUPP;
  }
  CHECK(fstat(from, &status) == 0, "fstat");
  size_t size = (size_t)status.st_size / (cloning == CLONE_PART ? 2 : 1);
  uint8_t *bytes = malloc(size);
  CHECK(pread(from, bytes, size, 0) == (ssize_t)size && pwrite(to, bytes, size, 0) == (ssize_t)size, "clone");
  free(bytes);
  cloned++;
  return (void)io, cloning == CLONE_PART ? -EIO : 0;
}

static as_store *open_on_engine(unsigned cores) {
  as_store *store;
  engine = *as_io_posix();
  engine.read = t_read;
  engine.write = t_write;
  engine.sync_data = t_sync_data;
  engine.clone = t_clone;
  CHECK_INT(as_store_open_on(&engine, fixture_store, AS_OPEN_CREATE, &store), 0);
  store->cores = cores;
  store->alone = 1;
  return store;
}

/* ---- the verbs ---- */

static const char *source_file(void) {
  static char path[300];
  snprintf(path, sizeof path, "%s/source", fixture_path);
  return path;
}

/* Takes the source file in, in steps. */
static int try_ingest_file(as_store *store, size_t step, as_ingested *out) {
  as_ingest *ingest;
  const as_expect *expect = NULL;
  size_t taken;
  int error = as_ingest_begin_file(store, source_file(), &ingest), status;
  if (error) {
    return error;
  }
  do {
    error = as_ingest_pump(ingest, step, &taken);
  } while (!error && taken > 0);
  if (error) {
    as_ingest_abort(ingest);
    return error;
  }
  as_ingest_commit(store, &ingest, &expect, 1, out, &status);
  return status;
}

static int try_verify_in(as_store *store, const uint8_t *address, unsigned flags, size_t step, as_verified *out, as_range bad[4]) {
  as_verifier *verifier;
  uint64_t size;
  size_t taken;
  int error = as_verifier_open(store, address, flags, &verifier, &size);
  if (error) {
    return error;
  }
  do {
    error = as_verifier_pump(verifier, step, &taken);
  } while (!error && taken > 0);
  if (error) {
    as_verifier_abort(verifier);
    return error;
  }
  return as_verifier_finish(verifier, out, bad, 4);
}

static as_digests digests_of(const uint8_t *bytes, size_t size) {
  as_span span = {bytes, size};
  as_digests out;
  as_dual_many(&span, 1, &out);
  return out;
}

static void check_verified(as_store *store, const as_digests *digests, size_t size, size_t step) {
  for (unsigned flags = 0; flags <= AS_VERIFY_BLAKE3; flags++) {
    as_verified out;
    as_range bad[4];
    CHECK_INT(try_verify_in(store, digests->blake3, flags, step, &out, bad), 0);
    CHECK(out.intact && out.size == size && !out.outboard_repaired, "%zu bytes, flags %u", size, flags);
    CHECK_BYTES(out.digests.blake3, digests->blake3, AS_DIGEST_SIZE, "%zu bytes", size);
    if (!flags) {
      CHECK_BYTES(out.digests.sha256, digests->sha256, AS_DIGEST_SIZE, "%zu bytes", size);
    }
    CHECK_INT(store->busy, 0);
  }
}

/* ---- whole objects ---- */

static const size_t SIZES[] = {AS_PACK_OBJECT_MAX + 1, AS_LANE_FROM + AS_STEP_SIZE, 2 * MIB,      2 * MIB + AS_GROUP_SIZE,
                               3 * MIB + 5,            9 * MIB - 1,                 17 * MIB + 7 * AS_GROUP_SIZE + 1,
                               35 * MIB + 4097};
static const size_t STEPS[] = {SIZE_MAX, 8 * MIB, 1500 * 1000 + 7};

/* `direct_from`: from which size on files are written past the page cache, where that can be. */
static void check_sizes(uint64_t direct_from) {
  for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
    uint8_t *bytes = make_bytes(SIZES[i], i);
    as_digests digests = digests_of(bytes, SIZES[i]);
    write_file(source_file(), bytes, SIZES[i]);
    for (unsigned cores = 1; cores <= 2; cores++) {
      for (size_t s = 0; s < sizeof STEPS / sizeof *STEPS; s++) {
        as_store *store = open_store(AS_OPEN_CREATE);
        as_ingested out;
        store->cores = cores;
        store->alone = 1;
        store->direct_from = direct_from;
        CHECK_INT(try_ingest_file(store, STEPS[s], &out), 0);
        CHECK_BYTES(&out.digests, &digests, sizeof digests, "%zu bytes on %u cores", SIZES[i], cores);
        CHECK_INT(store->busy, 0);
        check_verified(store, &digests, SIZES[i], STEPS[s]);
        check_read(store, digests.blake3, bytes, SIZES[i]);
        remove_object(store, digests.blake3);
        as_store_close(store);
      }
    }
    free(bytes);
  }
}

/* How many threads were at work at once, with `others` at work elsewhere. */
static unsigned busy_with(as_store *store, unsigned others, const uint8_t *address, unsigned flags) {
  as_verified out;
  as_range bad[4];
  store->busy = others;
  busy_max = 0;
  watched = store;
  CHECK_INT(try_verify_in(store, address, flags, 8 * MIB, &out, bad), 0);
  watched = NULL;
  CHECK(out.intact && store->busy == others, "%u of %u", store->busy, others);
  store->busy = 0;
  return busy_max - others;
}

/* Without the exception for tests, other programs count: with more cores than can be, none of them could matter. */
static void check_load(as_store *store, const uint8_t *address) {
  store->alone = 0;
  store->cores = 1000000;
  CHECK_INT(busy_with(store, 0, address, 0), 2);
  store->cores = 1; /* the caller itself is running */
  CHECK_INT(busy_with(store, 0, address, 0), 1);
  store->alone = 1;
  store->cores = 2;
}

static void check_threads(void) {
  size_t size = 9 * MIB;
  uint8_t *bytes = make_bytes(size, 1);
  as_store *store = open_on_engine(2);
  as_ingested object = ingest(store, bytes, size);
  for (unsigned flags = 0; flags <= AS_VERIFY_BLAKE3; flags++) {
    store->cores = 1;
    CHECK_INT(busy_with(store, 0, object.digests.blake3, flags), 1);
    store->cores = 2;
    CHECK_INT(busy_with(store, 0, object.digests.blake3, flags), 2);
    CHECK_INT(busy_with(store, 1, object.digests.blake3, flags), 1);
    CHECK_INT(busy_with(store, 7, object.digests.blake3, flags), 1);
  }
  check_load(store, object.digests.blake3);
  write_file(source_file(), bytes, size);
  watched = store;
  busy_max = 0;
  CHECK_INT(try_ingest_file(store, 8 * MIB, &object), 0);
  watched = NULL;
  CHECK(object.existed && busy_max == 2, "%u threads", busy_max);
  remove_object(store, object.digests.blake3);
  as_store_close(store);
  free(bytes);
}

/* ---- damage ---- */

static void check_found(as_store *store, const uint8_t *address, size_t size, uint64_t offset) {
  uint64_t start = offset / AS_GROUP_SIZE * AS_GROUP_SIZE, end = start + AS_GROUP_SIZE < size ? start + AS_GROUP_SIZE : size;
  for (unsigned flags = 0; flags <= AS_VERIFY_BLAKE3; flags++) {
    as_verified out;
    as_range bad[4];
    CHECK_INT(try_verify_in(store, address, flags, SIZE_MAX, &out, bad), 0);
    CHECK(!out.intact && out.bad_count == 1 && bad[0].start == start && bad[0].end == end, "at %llu: %zu ranges, from %llu to %llu",
          (unsigned long long)offset, out.bad_count, (unsigned long long)bad[0].start, (unsigned long long)bad[0].end);
  }
}

static void check_damage(void) {
  size_t size = 9 * MIB + 100;
  uint8_t *bytes = make_bytes(size, 2);
  as_store *store = open_on_engine(2);
  as_digests digests = ingest(store, bytes, size).digests;
  const uint64_t offsets[] = {0, AS_STEP_SIZE, 2 * MIB + 17, 4 * MIB + AS_STEP_SIZE - 1, 4 * MIB + AS_STEP_SIZE, 8 * MIB, size - 1};
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    flip_object(store, digests.blake3, offsets[i], 3);
    check_found(store, digests.blake3, size, offsets[i]);
    flip_object(store, digests.blake3, offsets[i], 3);
    bad_at = offsets[i]; /* the same place, not to be read */
    check_found(store, digests.blake3, size, offsets[i]);
    bad_at = UINT64_MAX;
    check_verified(store, &digests, size, SIZE_MAX);
  }
  as_verified out;
  as_range bad[4];
  resize_file(object_file(digests.blake3, ""), 5 * MIB + 3);
  for (unsigned flags = 0; flags <= AS_VERIFY_BLAKE3; flags++) {
    CHECK_INT(try_verify_in(store, digests.blake3, flags, SIZE_MAX, &out, bad), 0);
    CHECK(!out.intact && out.size == 5 * MIB + 3 && bad[0].start == 5 * MIB, "from %llu", (unsigned long long)bad[0].start);
  }
  as_store_close(store);
  fixture_remove(fixture_store);
  free(bytes);
}

/* ---- two at once ---- */

/* Verifies two objects side by side in steps; both must end well. */
static void verify_pair(as_store *store, const as_digests digests[2], const unsigned flags[2], size_t step, as_verified out[2], as_range bad[2]) {
  as_verifier *verifiers[2];
  size_t taken[2];
  int errors[2];
  uint64_t size;
  for (int i = 0; i < 2; i++) {
    CHECK_INT(as_verifier_open(store, digests[i].blake3, flags[i], &verifiers[i], &size), 0);
  }
  do {
    as_verifier_pump_pair(verifiers, step, taken, errors);
    CHECK(!errors[0] && !errors[1], "%s, %s", as_error_name(errors[0]), as_error_name(errors[1]));
  } while (taken[0] + taken[1] > 0);
  for (int i = 0; i < 2; i++) {
    CHECK_INT(as_verifier_finish(verifiers[i], &out[i], &bad[i], 1), 0);
  }
  CHECK_INT(store->busy, 0);
}

static void check_pairs(void) {
  static const size_t sizes[][2] = {{2 * MIB, 2 * MIB}, {3 * MIB + 1, AS_GROUP_SIZE + 9}, {5 * MIB - 7, 9 * MIB}, {400000, 300000}};
  as_store *store = open_on_engine(2);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    as_digests digests[2];
    for (int k = 0; k < 2; k++) {
      uint8_t *bytes = make_bytes(sizes[i][k], 10 * i + (size_t)k);
      digests[k] = ingest(store, bytes, sizes[i][k]).digests;
      free(bytes);
    }
    for (unsigned mode = 0; mode < 4; mode++) {
      const unsigned flags[2] = {mode & 1, mode >> 1};
      as_verified out[2];
      as_range bad[2];
      verify_pair(store, digests, flags, i % 2 ? SIZE_MAX : 700000, out, bad);
      for (int k = 0; k < 2; k++) {
        CHECK(out[k].intact && out[k].size == sizes[i][k], "%zu bytes, flags %u", sizes[i][k], flags[k]);
        CHECK(flags[k] || memcmp(&out[k].digests, &digests[k], sizeof digests[k]) == 0, "%zu bytes", sizes[i][k]);
      }
      flip_object(store, digests[1].blake3, sizes[i][1] / 2, 0);
      verify_pair(store, digests, flags, 8 * MIB, out, bad);
      flip_object(store, digests[1].blake3, sizes[i][1] / 2, 0);
      CHECK(out[0].intact && !out[1].intact, "mode %u", mode);
      CHECK_INT(bad[1].start, sizes[i][1] / 2 / AS_GROUP_SIZE * AS_GROUP_SIZE);
      verify_pair(store, digests, flags, 8 * MIB, out, bad);
      CHECK(out[0].intact && out[1].intact, "mode %u", mode);
    }
  }
  as_store_close(store);
  fixture_remove(fixture_store);
}

/* A read that fails for good ends one of them, and the other goes on. */
static void check_pair_failure(void) {
  as_store *store = open_on_engine(2); /* without packs, whose thread that writes ahead would be counted too */
  as_digests digests[2];
  as_verifier *verifiers[2];
  size_t taken[2];
  int errors[2];
  uint64_t size;
  as_verified out;
  as_range bad;
  for (int k = 0; k < 2; k++) {
    uint8_t *bytes = make_bytes(2 * MIB, 50 + (uint64_t)k);
    digests[k] = ingest(store, bytes, 2 * MIB).digests;
    CHECK_INT(as_verifier_open(store, digests[k].blake3, 0, &verifiers[k], &size), 0);
    free(bytes);
  }
  calls = 0;
  fail_at = 3; /* the second step of the first */
  fail_with = -ENOMEM;
  as_verifier_pump_pair(verifiers, 8 * MIB, taken, errors);
  fail_at = 0;
  CHECK_INT(errors[0], -ENOMEM);
  CHECK_INT(errors[1], 0);
  CHECK_INT(taken[1], 2 * MIB);
  as_verifier_abort(verifiers[0]);
  CHECK_INT(as_verifier_finish(verifiers[1], &out, &bad, 1), 0);
  CHECK(out.intact && memcmp(&out.digests, &digests[1], sizeof digests[1]) == 0, "beside one that failed");
  as_store_close(store);
  fixture_remove(fixture_store);
}

/* ---- calls that fail ---- */

/* Lets each call in turn fail, until none is left that could; `run` gives what became of it. */
static void check_each_failing(as_store *store, int (*run)(as_store *store)) {
  int struck = 1;
  for (int at = 1; struck; at += fault_step()) {
    calls = 0;
    fail_at = at;
    int status = run(store);
    struck = calls >= at;
    CHECK(struck ? status != 0 : status == 0, "call %d of %d failed, and the outcome is %s", at, calls, as_error_name(status));
    fail_at = 0;
    CHECK_INT(store->busy, 0);
    CHECK_INT(count_entries(fixture_file("staging")), 0);
  }
}

static int run_ingest(as_store *store) {
  as_ingested out;
  return try_ingest_file(store, 2 * MIB, &out);
}

static void check_failures(void) {
  size_t size = 3 * MIB + 77;
  uint8_t *bytes = make_bytes(size, 3);
  as_digests digests = digests_of(bytes, size);
  write_file(source_file(), bytes, size);
  as_store *store = open_on_engine(2);
  fail_with = -ENOSPC;
  cloning = CLONE_NOT;
  calls = 0;
  fail_at = 1; /* the clone that is not to be had: any reason is as good */
  CHECK_INT(run_ingest(store), 0);
  CHECK_INT(calls > 1, 1);
  fail_at = 0;
  remove_object(store, digests.blake3);
  engine.clone = as_io_posix()->clone;
  check_each_failing(store, run_ingest);
  check_verified(store, &digests, size, SIZE_MAX);
  check_read(store, digests.blake3, bytes, size);
  as_store_close(store);
  fixture_remove(fixture_store);
  free(bytes);
}

/* ---- past the page cache ---- */

static as_store *open_for_direct(void) {
  as_store *store = open_on_engine(2);
  engine.clone = as_io_posix()->clone;
  engine.ring_take = t_ring_take;
  engine.ring_give = t_ring_give;
  engine.ring_add = t_ring_add;
  engine.ring_next = t_ring_next;
  store->direct_from = MIB;
  return store;
}

/* One that is ended before all has come. */
static void abort_halfway(as_store *store) {
  as_ingest *ingest;
  size_t taken;
  CHECK_INT(as_ingest_begin_file(store, source_file(), &ingest), 0);
  CHECK_INT(as_ingest_pump(ingest, 9 * MIB, &taken), 0);
  as_ingest_abort(ingest);
  CHECK_INT(count_entries(fixture_file("staging")), 0);
}

/* Writes and syncs that fail while they are in flight are not forgotten, and what direct I/O does not take goes through the page cache. */
static void check_direct(void) {
  size_t size = 34 * MIB + AS_STEP_SIZE + 5000; /* a sync on the way, and an end that is no block */
  uint8_t *bytes = make_bytes(size, 7);
  as_digests digests = digests_of(bytes, size);
  write_file(source_file(), bytes, size);
  as_store *store = open_for_direct();
  direct_writes = 0;
  abort_halfway(store);
  CHECK_INT(direct_writes, 2);
  reads_count = 0;
  for (int refused = 0; refused < 2; refused++) {
    fail_with = refused ? -EINVAL : -EIO;
    for (int at = 1, struck = 1; struck; at += fault_step()) {
      calls = direct_writes = ring_failed = 0;
      fail_at = at;
      int status = run_ingest(store);
      struck = calls >= at;
      fail_at = 0;
      int expected = struck && !(refused && ring_failed) ? fail_with : 0;
      CHECK(status == expected, "call %d of %d: %s", at, calls, as_error_name(status));
      CHECK_INT(count_entries(fixture_file("staging")), 0);
      if (!status) {
        CHECK_INT(direct_writes, 9);
        check_verified(store, &digests, size, SIZE_MAX);
        remove_object(store, digests.blake3);
      }
    }
  }
  reads_count = 1;
  as_store_close(store);
  fixture_remove(fixture_store);
  free(bytes);
}

/* A stream in steps that begin within blocks; 0 or the first error of any of its calls. */
static int run_stream(as_store *store, const uint8_t *bytes, size_t size, as_ingested *out) {
  as_ingest *ingest;
  const as_expect *expect = NULL;
  int status = as_ingest_begin(store, &ingest);
  for (size_t at = 0, step = AS_PACK_OBJECT_MAX + 77; !status && at < size; at += step, step = MIB) {
    status = as_ingest_append(ingest, bytes + at, size - at < step ? size - at : step);
  }
  if (status) {
    as_ingest_abort(ingest);
  } else {
    as_ingest_commit(store, &ingest, &expect, 1, out, &status);
  }
  return status;
}

/* A long stream goes past the page cache too, whatever call fails on the way, and wherever it ends. */
static void check_direct_stream(void) {
  size_t size = 20 * MIB + 5000;
  uint8_t *bytes = make_bytes(size, 9);
  as_digests digests = digests_of(bytes, size);
  as_store *store = open_for_direct();
  as_ingested out;
  store->direct_stream_from = 2 * MIB;
  for (int at = 1, struck = 1; struck; at += fault_step()) {
    calls = direct_writes = 0;
    fail_with = -EIO;
    fail_at = at;
    int status = run_stream(store, bytes, size, &out);
    struck = calls >= at;
    fail_at = 0;
    CHECK(status == (struck ? -EIO : 0), "call %d of %d: %s", at, calls, as_error_name(status));
    CHECK_INT(store->direct_streams, 0);
    CHECK_INT(count_entries(fixture_file("staging")), 0);
    if (!status) {
      CHECK_INT(direct_writes, 5); /* of 18 MiB: four whole, and the blocks of the rest */
      CHECK_BYTES(&out.digests, &digests, sizeof digests, "a stream");
      check_verified(store, &digests, size, SIZE_MAX);
      check_read(store, digests.blake3, bytes, size);
      remove_object(store, digests.blake3);
    }
  }
  as_store_close(store);
  fixture_remove(fixture_store);
  free(bytes);
}

/* Few streams do so at once: hundreds of them must not each have an arena. One that ends makes room for another. */
static void check_direct_streams_max(void) {
  uint8_t *bytes = make_bytes(4 * MIB, 10);
  as_store *store = open_for_direct();
  as_ingest *ingests[AS_DIRECT_STREAMS_MAX + 2];
  int count = AS_DIRECT_STREAMS_MAX + 2;
  store->direct_stream_from = MIB;
  for (int i = 0; i < count; i++) {
    CHECK_INT(as_ingest_begin(store, &ingests[i]), 0);
    CHECK_INT(as_ingest_append(ingests[i], bytes, 2 * MIB), 0);
    CHECK_INT(as_ingest_append(ingests[i], bytes, 2 * MIB), 0);
    CHECK_INT(store->direct_streams, i < AS_DIRECT_STREAMS_MAX ? i + 1 : AS_DIRECT_STREAMS_MAX);
  }
  as_ingest_abort(ingests[0]);
  CHECK_INT(store->direct_streams, AS_DIRECT_STREAMS_MAX - 1);
  CHECK_INT(as_ingest_append(ingests[count - 1], bytes, MIB), 0);
  CHECK_INT(store->direct_streams, AS_DIRECT_STREAMS_MAX);
  for (int i = 1; i < count; i++) {
    as_ingest_abort(ingests[i]);
  }
  CHECK_INT(store->direct_streams, 0);
  as_store_close(store);
  fixture_remove(fixture_store);
  free(bytes);
}

/* A stream that is written through the page cache is synced on the way. */
static void check_stream_syncs(void) {
  size_t size = 70 * MIB;
  uint8_t *bytes = make_bytes(size, 8);
  as_store *store = open_for_direct();
  as_ingest *ingest;
  as_ingested out;
  const as_expect *expect = NULL;
  int status, before;
  ring_syncs = 0;
  store->direct_stream_from = UINT64_MAX;
  for (int failing = 0; failing < 2; failing++) {
    CHECK_INT(as_ingest_begin(store, &ingest), 0);
    for (size_t at = 0; at < size; at += MIB) {
      CHECK_INT(as_ingest_append(ingest, bytes + at, MIB), 0);
    }
    CHECK_INT(ring_syncs, failing + 1);
    before = calls;
    fail_at = failing ? before + 1 : 0; /* the sync on the way, which the ring has kept back until now */
    fail_with = -EIO;
    as_ingest_commit(store, &ingest, &expect, 1, &out, &status);
    fail_at = 0;
    CHECK_INT(status, failing ? -EIO : 0);
    if (!status) {
      remove_object(store, out.digests.blake3);
    }
  }
  as_store_close(store);
  fixture_remove(fixture_store);
  free(bytes);
}

/* ---- clones ---- */

static void check_clones(void) {
  size_t size = 5 * MIB + 3;
  uint8_t *bytes = make_bytes(size, 4);
  as_digests digests = digests_of(bytes, size);
  as_store *store = open_on_engine(2);
  as_ingested out;
  as_ingest *ingest;
  size_t taken;

  write_file(source_file(), bytes, size);
  cloning = CLONE_WHOLE;
  cloned = written_calls = 0;
  CHECK_INT(try_ingest_file(store, SIZE_MAX, &out), 0);
  CHECK(cloned == 1 && written_calls == 2, "%d clones, %d writes", cloned, written_calls); /* the outboard: header and pairs */
  CHECK_BYTES(&out.digests, &digests, sizeof digests, "a clone");
  check_verified(store, &digests, size, SIZE_MAX);
  check_read(store, digests.blake3, bytes, size);
  CHECK_INT(try_ingest_file(store, SIZE_MAX, &out), 0);
  CHECK_INT(out.existed, 1);
  remove_object(store, digests.blake3);

  cloning = CLONE_PART; /* fails when half is done: the bytes are copied, to another file */
  CHECK_INT(try_ingest_file(store, SIZE_MAX, &out), 0);
  check_read(store, digests.blake3, bytes, size);
  CHECK_INT(file_size(object_file(digests.blake3, "")), size);
  remove_object(store, digests.blake3);

  cloning = CLONE_WHOLE; /* a source that changes is refused, although the clone does not */
  CHECK_INT(as_ingest_begin_file(store, source_file(), &ingest), 0);
  CHECK_INT(as_ingest_pump(ingest, MIB, &taken), 0);
  resize_file(source_file(), size + 1);
  CHECK_INT(as_ingest_pump(ingest, SIZE_MAX, &taken), AS_E_CHANGED);
  as_ingest_abort(ingest);

  cloned = 0; /* one that could be packed is not cloned */
  resize_file(source_file(), AS_PACK_OBJECT_MAX);
  CHECK_INT(try_ingest_file(store, SIZE_MAX, &out), 0);
  CHECK_INT(cloned, 0);
  CHECK_INT(count_entries(fixture_file("staging")), 0);
  cloning = CLONE_NOT;
  as_store_close(store);
  fixture_remove(fixture_store);
  free(bytes);
}

static int run_cloning(as_store *store) {
  as_ingested out;
  return try_ingest_file(store, SIZE_MAX, &out);
}

/* Calls that fail once the source has been cloned; the clone itself may fail. */
static void check_clone_failures(void) {
  size_t size = 2 * MIB + 9;
  uint8_t *bytes = make_bytes(size, 5);
  as_store *store = open_on_engine(2);
  write_file(source_file(), bytes, size);
  cloning = CLONE_WHOLE;
  fail_with = -EIO;
  for (int at = 2, struck = 1; struck; at++) {
    calls = 0;
    fail_at = at;
    int status = run_cloning(store);
    struck = calls >= at;
    CHECK((status != 0) == struck, "call %d of %d: %s", at, calls, as_error_name(status));
    CHECK_INT(count_entries(fixture_file("staging")), 0);
  }
  fail_at = 0;
  cloning = CLONE_NOT;
  as_store_close(store);
  fixture_remove(fixture_store);
  free(bytes);
}

/* ---- one reader, two threads ---- */

typedef struct reading {
  as_reader *reader;
  const uint8_t *bytes;
  size_t size;
  size_t first; /* reads every other step from here on */
} reading;

static void *read_every_other(void *context) {
  const reading *work = context;
  uint8_t *buffer = malloc(MIB);
  for (uint64_t at = work->first; at < work->size; at += 2 * MIB) {
    size_t skip, count, left = work->size - (size_t)at;
    as_range bad;
    CHECK_INT(as_reader_read(work->reader, at, buffer, MIB, &skip, &count, &bad), 0);
    CHECK(skip == 0 && count == (left < MIB ? left : MIB), "%zu bytes at %llu", count, (unsigned long long)at);
    CHECK_BYTES(buffer, work->bytes + at, count, "at %llu", (unsigned long long)at);
  }
  free(buffer);
  return NULL;
}

static void check_readers(void) {
  size_t size = 21 * MIB + 1;
  uint8_t *bytes = make_bytes(size, 6);
  as_store *store = open_store(AS_OPEN_CREATE);
  as_ingested object = ingest(store, bytes, size);
  as_reader *reader;
  uint64_t found;
  pthread_t thread;
  CHECK_INT(as_reader_open(store, object.digests.blake3, &reader, &found), 0);
  reading even = {reader, bytes, size, 0}, odd = {reader, bytes, size, MIB};
  CHECK_INT(pthread_create(&thread, NULL, read_every_other, &odd), 0);
  read_every_other(&even);
  pthread_join(thread, NULL);
  as_reader_close(reader);
  as_store_close(store);
  free(bytes);
}

int main(void) {
  fixture_begin();
  check_sizes(AS_DIRECT_FROM);
  check_sizes(MIB);
  check_threads();
  check_damage();
  check_pairs();
  check_pair_failure();
  check_failures();
  check_direct();
  check_direct_stream();
  check_direct_streams_max();
  check_stream_syncs();
  check_clones();
  check_clone_failures();
  check_readers();
  fixture_clean();
  return 0;
}
