/*
 * A model of a store's content for tests: which objects there should be, and whether they are there.
 * May include: store_fixture.h. Included by: store_pack_test.c, store_seal_test.c, store_torn_test.c, store_pack_fault_test.c,
 * store_deferred_test.c.
 */
#ifndef AS_TEST_STORE_MODEL_H
#define AS_TEST_STORE_MODEL_H

#include "store_fixture.h"

typedef enum model_state {
  MODEL_ABSENT,
  MODEL_PRESENT,
  MODEL_UNKNOWN /* it may be there or not, whole or known to be damaged: nobody was told */
} model_state;

typedef struct model_object {
  uint8_t *bytes;
  size_t size;
  as_digests digests;
  model_state state;
} model_object;

static inline model_object model_make(size_t size, uint64_t seed) {
  model_object out = {.bytes = make_bytes(size, seed), .size = size};
  as_span span = {out.bytes, size};
  as_dual_many(&span, 1, &out.digests);
  return out;
}

static inline void model_put(as_store *store, model_object *object) {
  as_ingested out;
  int error = try_ingest(store, object->bytes, object->size, NULL, &out);
  CHECK(error == 0, "ingest of %zu bytes: %s (%s)", object->size, as_error_name(error), as_error_detail());
  CHECK(object->state == MODEL_UNKNOWN || out.existed == (object->state == MODEL_PRESENT), "existed %d", out.existed);
  object->state = MODEL_PRESENT;
}

static inline void model_remove(as_store *store, model_object *object) {
  remove_object(store, object->digests.blake3);
  object->state = MODEL_ABSENT;
}

/* Puts many objects in one batch. */
static inline void model_put_batch(as_store *store, model_object *objects, size_t count) {
  as_ingest **handles = malloc(count * sizeof(as_ingest *));
  as_ingested *out = malloc(count * sizeof *out);
  int *status = malloc(count * sizeof *status);
  for (size_t i = 0; i < count; i++) {
    CHECK_INT(as_ingest_begin(store, &handles[i]), 0);
    CHECK_INT(as_ingest_append(handles[i], objects[i].bytes, objects[i].size), 0);
  }
  as_ingest_commit(store, handles, NULL, count, out, status);
  for (size_t i = 0; i < count; i++) {
    CHECK(status[i] == 0, "%s: %s", as_error_name(status[i]), as_error_detail());
    objects[i].state = MODEL_PRESENT;
  }
  free(handles);
  free(out);
  free(status);
}

/* What is served is right; of an object whose state is known, what there is too. Returns the read's error. */
static inline int model_check(as_store *store, const model_object *object) {
  as_range bad;
  uint64_t found;
  int error = try_read(store, object->digests.blake3, object->bytes, object->size, 64 * AS_GROUP_SIZE, &bad);
  int expected = object->state == MODEL_PRESENT ? 0 : AS_E_MISSING;
  if (object->state == MODEL_UNKNOWN) {
    CHECK(error == 0 || error == AS_E_MISSING || error == AS_E_CORRUPT, "%s", as_error_detail());
  } else {
    CHECK(error == expected, "object %02x%02x… of %zu bytes: %s (%s)", object->digests.blake3[0],
          object->digests.blake3[1], object->size, as_error_name(error), as_error_detail());
    CHECK_INT(as_store_stat(store, object->digests.blake3, &found), expected);
  }
  return error;
}

static inline void model_check_all(as_store *store, const model_object *objects, size_t count) {
  for (size_t i = 0; i < count; i++) {
    model_check(store, &objects[i]);
  }
}

static inline void model_free(model_object *objects, size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(objects[i].bytes);
    objects[i].bytes = NULL;
  }
}

/* Small segments, so that a test fills hundreds. */
static inline as_store *open_small(const as_io *io, unsigned flags, uint64_t segment_size, size_t runs) {
  as_store *store;
  int error = as_store_open_on(io, fixture_store, flags, &store);
  CHECK(error == 0, "open: %s (%s)", as_error_name(error), as_error_detail());
  store->packs->segment_size_max = segment_size;
  store->packs->runs_max = runs;
  return store;
}

/* ---- indexes of packs, as files ---- */

static inline int count_index(void *context, const char *name) {
  uint64_t first, last;
  *(int *)context += as_index_name_parse(name, &first, &last);
  return 0;
}

/* How many there are. */
static inline int index_files(void) {
  int count = 0;
  CHECK_INT(as_io_posix()->list(as_io_posix(), AT_FDCWD, fixture_file("packs"), count_index, &count), 0);
  return count;
}

#endif
