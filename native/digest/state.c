/*
 * The state of a dual stream as bytes, so that an upload can go on after a restart without hashing anything twice. The
 * format is docs/formats/digest-state.md. Nearly all of a state follows from the stream's length, so there is little in
 * it that could contradict itself, and each state has exactly one form.
 * May include: native/digest headers, the C library. Called by: as_dual_export and as_dual_import by anyone.
 */
#include <string.h>

#include "digest/blake3.h"
#include "digest/bytes.h"
#include "digest/dual.h"

static const uint8_t magic[6] = {'A', 'S', 'D', 'U', 'A', 'L'};

/* Where the fields lie. The subtrees' chaining values, the unhashed bytes and the checksum follow the header. */
enum {
  VERSION = 1,
  AT_VERSION = sizeof magic,
  AT_LENGTH = 8,
  AT_SHA256 = 16,
  HEADER_SIZE = 48,
  CHECKSUM_SIZE = AS_DIGEST_SIZE
};

/* SHA-256 counts bits in 64 bits. */
static const uint64_t length_max = ((uint64_t)1 << 61) - 1;

/* What a state of `length` bytes is made of. */
typedef struct state_shape {
  uint64_t groups;
  uint32_t subtrees;
  uint32_t tail; /* bytes not hashed yet */
  size_t size;   /* of the state as bytes */
} state_shape;

static state_shape shape_of(uint64_t length) {
  uint64_t groups = as_dual_groups_in(length);
  uint32_t subtrees = as_dual_subtrees(groups), tail = (uint32_t)(length - groups * AS_GROUP_SIZE);
  size_t size = HEADER_SIZE + (size_t)subtrees * AS_DIGEST_SIZE + tail + CHECKSUM_SIZE;
  return (state_shape){.groups = groups, .subtrees = subtrees, .tail = tail, .size = size};
}

static void checksum(const uint8_t *state, size_t size, uint8_t out[CHECKSUM_SIZE]) {
  as_blake3_hash(state, size - CHECKSUM_SIZE, out);
}

int as_dual_export(const as_dual *dual, uint8_t *out, size_t capacity, size_t *size) {
  if (dual->error) {
    return dual->error;
  }
  if (dual->groups > length_max / AS_GROUP_SIZE) {
    return AS_E_INVALID;
  }
  uint64_t length = as_dual_length(dual);
  state_shape shape = shape_of(length);
  *size = shape.size;
  if (capacity < shape.size) {
    return AS_E_SIZE;
  }
  memcpy(out, magic, sizeof magic);
  out[AT_VERSION] = VERSION;
  out[AT_VERSION + 1] = 0;
  as_store32_little(out + AT_LENGTH, (uint32_t)length);
  as_store32_little(out + AT_LENGTH + 4, (uint32_t)(length >> 32));
  for (int i = 0; i < 8; i++) {
    as_store32_big(out + AT_SHA256 + 4 * i, dual->sha256_state[i]);
  }
  uint8_t *at = out + HEADER_SIZE;
  memcpy(at, dual->cv_stack, (size_t)shape.subtrees * AS_DIGEST_SIZE);
  memcpy(at + (size_t)shape.subtrees * AS_DIGEST_SIZE, dual->buffer, shape.tail);
  checksum(out, shape.size, out + shape.size - CHECKSUM_SIZE);
  return 0;
}

/* Whether `state` is whole and ours; sets its shape. */
static int is_state(const uint8_t *state, size_t size, state_shape *shape) {
  uint8_t expected[CHECKSUM_SIZE];
  if (size < HEADER_SIZE || memcmp(state, magic, sizeof magic) != 0 || state[AT_VERSION] != VERSION ||
      state[AT_VERSION + 1] != 0) {
    return 0;
  }
  uint64_t length = as_load32_little(state + AT_LENGTH) | (uint64_t)as_load32_little(state + AT_LENGTH + 4) << 32;
  if (length > length_max) {
    return 0;
  }
  *shape = shape_of(length);
  if (size != shape->size) {
    return 0;
  }
  checksum(state, size, expected);
  return memcmp(state + size - CHECKSUM_SIZE, expected, CHECKSUM_SIZE) == 0;
}

int as_dual_import(as_dual *dual, const uint8_t *state, size_t size, as_group_sink sink, void *sink_context) {
  state_shape shape;
  if (!is_state(state, size, &shape)) {
    return AS_E_FORMAT;
  }
  as_dual_init(dual, sink, sink_context);
  for (int i = 0; i < 8; i++) {
    dual->sha256_state[i] = as_load32_big(state + AT_SHA256 + 4 * i);
  }
  const uint8_t *at = state + HEADER_SIZE;
  memcpy(dual->cv_stack, at, (size_t)shape.subtrees * AS_DIGEST_SIZE);
  memcpy(dual->buffer, at + (size_t)shape.subtrees * AS_DIGEST_SIZE, shape.tail);
  dual->cv_stack_len = shape.subtrees;
  dual->groups = shape.groups;
  dual->buffered = shape.tail;
  return 0;
}
