/*
 * Differential fuzz of the digest core: random lengths, cuts, alignments, batch mixes, interleavings of one-stream and
 * two-stream calls, states exported and imported midway, all BLAKE3 modes, altered states; each case on every kernel
 * set, against the reference. A case depends on its number alone:
 *   ARTIFACTSTORE_FUZZ_CASES=1000000  how many cases; without it as many as take a few seconds
 *   ARTIFACTSTORE_FUZZ_FIRST=12345    the number of the first, to repeat one that failed
 * May include: the public header, the test headers. Run by: ctest.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "digest_reference.h"
#include "digest_support.h"

enum { GROUP = AS_GROUP_SIZE, POOL = 40 * GROUP, BATCH_MAX = 48, CASES_DEFAULT = 20000 };

/* Random bytes, then a page that may not be read: an input that ends there shows any read beyond it. */
static const uint8_t *pool;
static unsigned long case_number;

static void make_pool(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (POOL + page - 1) / page * page;
  uint8_t *memory = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED, "cannot map %zu bytes", room + page);
  CHECK_INT(mprotect(memory + room, page, PROT_NONE), 0);
  for (size_t i = 0; i < room; i++) {
    memory[i] = (uint8_t)random_below(256);
  }
  pool = memory + room - POOL;
}

/* Mostly small, as objects are; often next to a boundary; now and then a tree beyond the official vectors' 100 KiB. */
static size_t random_size(void) {
  static const size_t boundaries[] = {0, 56, 64, 120, 128, 1024, 2048, 3072, 4096, 8192, GROUP, 2 * GROUP, 4 * GROUP};
  uint64_t kind = random_below(200);
  if (kind == 0) {
    return random_below(POOL);
  }
  if (kind < 6) {
    return random_below(5 * GROUP);
  }
  if (kind < 60) {
    size_t few = kind < 15 ? 13 : 9;
    size_t near = boundaries[random_below(few)] + random_below(5);
    return near < 2 ? 0 : near - 2;
  }
  return random_below(kind < 100 ? 3000 : 300);
}

/* `size` bytes of the pool: at its guarded end, or anywhere. */
static const uint8_t *random_place(size_t size) {
  size_t room = POOL - size;
  return pool + (random_below(2) ? room : random_below(room + 1));
}

/* The next piece of an input of which `left` bytes are left: now and then all, and a third of the others end on a
 * group. */
static size_t random_piece(size_t at, size_t left) {
  if (random_below(8) == 0) {
    return left;
  }
  size_t most = random_below(4) ? left : left / 8 + 1;
  size_t piece = random_below(most + 1);
  if (random_below(3) == 0 && (at + piece) / GROUP * GROUP > at) {
    piece = (at + piece) / GROUP * GROUP - at;
  }
  return piece < left ? piece : left;
}

static void expect_digests(const uint8_t *bytes, size_t size, as_digests *out) {
  reference_blake3(bytes, size, out->blake3);
  reference_sha256(bytes, size, out->sha256);
}

/* ---- streams ---- */

/* A stream with its input, what its sink has received, and what must come out. */
typedef struct stream_case {
  as_dual dual;
  const uint8_t *bytes;
  size_t size, at, groups;
  uint8_t cvs[POOL / GROUP + 1][AS_DIGEST_SIZE];
  as_digests expected;
} stream_case;

static int collect(void *context, const uint8_t *cvs, size_t count) {
  stream_case *stream = context;
  CHECK(stream->groups + count <= POOL / GROUP + 1, "case %lu: too many groups", case_number);
  memcpy(stream->cvs[stream->groups], cvs, count * AS_DIGEST_SIZE);
  stream->groups += count;
  return 0;
}

static void begin_stream(stream_case *stream) {
  stream->size = random_size();
  stream->bytes = random_place(stream->size);
  expect_digests(stream->bytes, stream->size, &stream->expected);
}

static void restart_stream(stream_case *stream) {
  stream->at = 0;
  stream->groups = 0;
  as_dual_init(&stream->dual, collect, stream);
}

/* Out to bytes and back in, into a struct that holds something else; the bytes are the same when exported again. */
static void pass_through_bytes(stream_case *stream) {
  static uint8_t state[AS_DUAL_STATE_MAX], again[AS_DUAL_STATE_MAX];
  size_t size, size_again;
  CHECK_INT(as_dual_export(&stream->dual, state, sizeof state, &size), 0);
  memset(&stream->dual, 0xa5, sizeof stream->dual);
  CHECK_INT(as_dual_import(&stream->dual, state, size, collect, stream), 0);
  CHECK_INT(as_dual_length(&stream->dual), stream->at);
  CHECK_INT(as_dual_export(&stream->dual, again, sizeof again, &size_again), 0);
  CHECK(size == size_again && memcmp(state, again, size) == 0, "case %lu: the state changed on its way", case_number);
}

static void end_stream(stream_case *stream) {
  size_t groups = stream->size <= GROUP ? 0 : (stream->size + GROUP - 1) / GROUP;
  as_digests digests;
  CHECK_INT(as_dual_length(&stream->dual), stream->size);
  CHECK_INT(as_dual_finish(&stream->dual, &digests), 0);
  CHECK_BYTES(&digests, &stream->expected, sizeof digests, "case %lu: stream of %zu bytes, %s", case_number,
              stream->size, as_kernel_name());
  CHECK(stream->groups == groups, "case %lu: %zu groups, not %zu", case_number, stream->groups, groups);
  for (size_t i = 0; i < groups; i += 1 + random_below(5)) {
    uint8_t cv[AS_DIGEST_SIZE];
    size_t left = stream->size - i * GROUP;
    reference_subtree(stream->bytes + i * GROUP, left < GROUP ? left : GROUP, i * (GROUP / 1024), cv);
    CHECK_BYTES(stream->cvs[i], cv, sizeof cv, "case %lu: group %zu, %s", case_number, i, as_kernel_name());
  }
}

static void advance_alone(stream_case *stream) {
  size_t piece = random_piece(stream->at, stream->size - stream->at);
  CHECK_INT(as_dual_update(&stream->dual, stream->bytes + stream->at, piece), 0);
  stream->at += piece;
}

static void advance_pair(stream_case *pair) {
  as_dual *duals[2];
  as_span inputs[2];
  int errors[2] = {1, 1};
  for (int i = 0; i < 2; i++) {
    size_t piece = random_piece(pair[i].at, pair[i].size - pair[i].at);
    duals[i] = &pair[i].dual;
    inputs[i] = (as_span){pair[i].bytes + pair[i].at, piece};
    pair[i].at += piece;
  }
  as_dual2_update(duals, inputs, errors);
  CHECK(errors[0] == 0 && errors[1] == 0, "case %lu: errors %d and %d", case_number, errors[0], errors[1]);
}

static void run_pair(stream_case *pair) {
  restart_stream(&pair[0]);
  restart_stream(&pair[1]);
  while (pair[0].at < pair[0].size || pair[1].at < pair[1].size) {
    uint64_t step = random_below(8);
    if (step < 5) {
      advance_pair(pair);
    } else {
      advance_alone(&pair[step % 2]);
    }
    if (random_below(6) == 0) {
      pass_through_bytes(&pair[random_below(2)]);
    }
  }
  end_stream(&pair[0]);
  end_stream(&pair[1]);
}

static void run_stream(stream_case *stream) {
  restart_stream(stream);
  while (stream->at < stream->size) {
    advance_alone(stream);
    if (random_below(6) == 0) {
      pass_through_bytes(stream);
    }
  }
  end_stream(stream);
}

/* ---- batches ---- */

typedef struct batch_case {
  size_t count;
  as_span inputs[BATCH_MAX];
  as_digests expected[BATCH_MAX];
} batch_case;

static void begin_batch(batch_case *batch) {
  batch->count = 1 + random_below(random_below(8) ? 6 : BATCH_MAX);
  for (size_t i = 0; i < batch->count; i++) {
    size_t size = random_size();
    batch->inputs[i] = (as_span){random_place(size), size};
    expect_digests(batch->inputs[i].bytes, size, &batch->expected[i]);
  }
}

static void run_batch(const batch_case *batch) {
  as_digests digests[BATCH_MAX];
  as_dual_many(batch->inputs, batch->count, digests);
  for (size_t i = 0; i < batch->count; i++) {
    CHECK_BYTES(&digests[i], &batch->expected[i], sizeof digests[i], "case %lu: input %zu of %zu, %zu bytes, %s",
                case_number, i, batch->count, batch->inputs[i].size, as_kernel_name());
  }
}

/* ---- the digests by themselves ---- */

typedef struct single_case {
  uint64_t mode;
  const uint8_t *bytes, *key;
  size_t size, key_size, out_size;
  uint64_t seek;
  uint8_t expected[400], sha256[AS_DIGEST_SIZE];
} single_case;

enum { MODE_HASH, MODE_KEYED, MODE_DERIVE, MODES };

static void begin_single(single_case *single) {
  uint32_t key[8], flags = 0;
  uint8_t derived[AS_DIGEST_SIZE];
  single->mode = random_below(MODES);
  single->size = random_size();
  single->bytes = random_place(single->size);
  single->key_size = single->mode == MODE_KEYED ? AS_BLAKE3_KEY_SIZE : random_below(200);
  single->key = random_place(single->key_size);
  single->out_size = random_below(sizeof single->expected + 1);
  single->seek = random_below(4) ? random_below(300) : random_below(UINT64_MAX / 2);
  reference_initial_value(key);
  if (single->mode == MODE_KEYED) {
    reference_words_in(single->key, key);
    flags = REFERENCE_KEYED;
  } else if (single->mode == MODE_DERIVE) {
    reference_tree(single->key, single->key_size, key, 0, REFERENCE_CONTEXT, REFERENCE_ROOT, derived);
    reference_words_in(derived, key);
    flags = REFERENCE_MATERIAL;
  }
  reference_extended(single->bytes, single->size, key, flags, single->seek, single->expected, single->out_size);
  reference_sha256(single->bytes, single->size, single->sha256);
}

static void run_single(const single_case *single) {
  static as_blake3 blake3;
  as_sha256 sha256;
  uint8_t out[sizeof single->expected], digest[AS_DIGEST_SIZE];
  if (single->mode == MODE_HASH) {
    as_blake3_init(&blake3);
  } else if (single->mode == MODE_KEYED) {
    as_blake3_init_keyed(&blake3, single->key);
  } else {
    as_blake3_init_derive_key(&blake3, single->key, single->key_size);
  }
  as_sha256_init(&sha256);
  for (size_t at = 0; at < single->size;) {
    size_t piece = random_piece(at, single->size - at);
    as_blake3_update(&blake3, single->bytes + at, piece);
    as_sha256_update(&sha256, single->bytes + at, piece);
    at += piece;
    if (random_below(8) == 0) {
      as_blake3_finish(&blake3, 0, digest, sizeof digest); /* looking must not disturb */
      as_sha256_finish(&sha256, digest);
    }
  }
  as_blake3_finish(&blake3, single->seek, out, single->out_size);
  as_sha256_finish(&sha256, digest);
  CHECK_BYTES(out, single->expected, single->out_size, "case %lu: mode %d, %zu bytes, %s", case_number,
              (int)single->mode, single->size, as_kernel_name());
  CHECK_BYTES(digest, single->sha256, sizeof digest, "case %lu: SHA-256 of %zu bytes, %s", case_number, single->size,
              as_kernel_name());
}

/* ---- altered states ---- */

/* A state altered somewhere, its checksum made right again half of the time. It is refused, or the stream goes on and
 * its sanitizers find nothing wrong. */
static void run_altered(const stream_case *stream) {
  static as_dual dual, untouched;
  static uint8_t state[AS_DUAL_STATE_MAX];
  as_digests digests;
  size_t size;
  as_dual_init(&dual, NULL, NULL);
  as_dual_update(&dual, stream->bytes, stream->size);
  CHECK_INT(as_dual_export(&dual, state, sizeof state, &size), 0);
  for (uint64_t i = 1 + random_below(4); i > 0; i--) {
    size_t at = random_below(3) ? random_below(48) : random_below(size);
    state[at] = (uint8_t)random_below(256);
  }
  size = random_below(4) ? size : random_below(sizeof state + 1);
  if (size >= AS_DIGEST_SIZE && random_below(2)) {
    as_blake3_hash(state, size - AS_DIGEST_SIZE, state + size - AS_DIGEST_SIZE);
  }
  memset(&dual, 0x5a, sizeof dual);
  untouched = dual;
  int error = as_dual_import(&dual, state, size, NULL, NULL);
  if (error) {
    CHECK_INT(error, AS_E_FORMAT);
    CHECK(memcmp(&dual, &untouched, sizeof dual) == 0, "case %lu: a refused state changed the stream", case_number);
  } else {
    CHECK_INT(as_dual_update(&dual, pool, 3 * GROUP + 1), 0);
    CHECK_INT(as_dual_finish(&dual, &digests), 0);
  }
}

/* ---- all of it ---- */

/* What the case is comes before the kernels are chosen, and the reference runs once. How it is cut differs for each
 * set. */
static void run_case(void) {
  static stream_case pair[2];
  static batch_case batch;
  static single_case single;
  uint64_t kind = random_below(10);
  begin_stream(&pair[0]);
  if (kind < 3) {
    begin_stream(&pair[1]);
  } else if (kind < 5) {
    begin_batch(&batch);
  } else if (kind < 7) {
    begin_single(&single);
  }
  for (const char *const *name = tested_kernels(); *name; name++) {
    CHECK_INT(as_kernel_select(*name), 0);
    if (kind < 3) {
      run_pair(pair);
    } else if (kind < 5) {
      run_batch(&batch);
    } else if (kind < 7) {
      run_single(&single);
    } else if (kind < 9) {
      run_stream(&pair[0]);
    } else {
      run_altered(&pair[0]);
    }
  }
}

static unsigned long setting(const char *name, unsigned long otherwise) {
  const char *text = getenv(name);
  return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

int main(void) {
  unsigned long first = setting("ARTIFACTSTORE_FUZZ_FIRST", 0);
  unsigned long cases = setting("ARTIFACTSTORE_FUZZ_CASES", CASES_DEFAULT);
  make_pool();
  for (unsigned long i = 0; i < cases; i++) {
    case_number = first + i;
    random_state = (case_number + 1) * 0x9e3779b97f4a7c15 | 1;
    random_below(2); /* neighbouring numbers begin alike */
    random_below(2);
    run_case();
  }
  printf("%lu cases from %lu on, on every kernel set\n", cases, first);
  return 0;
}
