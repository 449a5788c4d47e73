/*
 * Reading and writing the checkpoints of an upload session; see checkpoint.h.
 * May include: checkpoint.h, core/crc32c.h, core/little.h, io/io.h. Called by: session.c.
 */
#include "store/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc32c.h"
#include "core/little.h"

static const uint8_t magic[8] = {'A', 'S', 'U', 'P', 'L', 'O', 'A', 'D'};

/* Where the fields of a slot lie. */
enum {
  VERSION = 1,
  AT_CRC = 8,
  AT_VERSION = 12,
  AT_SEQUENCE = 16,
  AT_OFFSET = 24,
  AT_STATE_SIZE = 32,
  AT_VALUES_CRC = 36,
  HEAD_SIZE = 64,
  READ_SIZE = 64 * 1024 /* chaining values read at a time */
};
_Static_assert(HEAD_SIZE + AS_DUAL_STATE_MAX <= AS_CHECKPOINT_SLOT, "the largest state fits a slot");

uint64_t as_checkpoint_groups(uint64_t length) { return length <= AS_GROUP_SIZE ? 0 : length / AS_GROUP_SIZE; }

int as_checkpoint_take(as_checkpoint *out, const as_dual *dual, uint64_t sequence, uint32_t values_crc) {
  size_t size;
  int error = as_dual_export(dual, out->state, sizeof out->state, &size);
  out->sequence = sequence;
  out->offset = as_dual_length(dual);
  out->values_crc = values_crc;
  out->state_size = error ? 0 : (uint32_t)size;
  return error;
}

/* ---- slots ---- */

static uint64_t slot_of(uint64_t sequence) { return sequence % 2 * AS_CHECKPOINT_SLOT; }

static uint32_t checksum(const uint8_t *slot, uint32_t state_size) {
  return as_crc32c(0, slot + AT_VERSION, HEAD_SIZE - AT_VERSION + state_size);
}

int as_checkpoint_write(const as_io *io, int fd, const as_checkpoint *checkpoint) {
  uint8_t slot[HEAD_SIZE + AS_DUAL_STATE_MAX] = {0};
  memcpy(slot, magic, sizeof magic);
  as_put32(slot + AT_VERSION, VERSION);
  as_put64(slot + AT_SEQUENCE, checkpoint->sequence);
  as_put64(slot + AT_OFFSET, checkpoint->offset);
  as_put32(slot + AT_STATE_SIZE, checkpoint->state_size);
  as_put32(slot + AT_VALUES_CRC, checkpoint->values_crc);
  memcpy(slot + HEAD_SIZE, checkpoint->state, checkpoint->state_size);
  as_put32(slot + AT_CRC, checksum(slot, checkpoint->state_size));
  return as_io_write(io, fd, slot, HEAD_SIZE + checkpoint->state_size, slot_of(checkpoint->sequence));
}

/* Whether slot `number` is whole; any bytes are safe input. */
static int decode(const uint8_t *slot, uint64_t number, as_checkpoint *out) {
  uint32_t state_size = as_get32(slot + AT_STATE_SIZE);
  if (memcmp(slot, magic, sizeof magic) != 0 || as_get32(slot + AT_VERSION) != VERSION ||
      state_size > AS_DUAL_STATE_MAX || as_get32(slot + AT_CRC) != checksum(slot, state_size)) {
    return 0;
  }
  out->sequence = as_get64(slot + AT_SEQUENCE);
  out->offset = as_get64(slot + AT_OFFSET);
  out->values_crc = as_get32(slot + AT_VALUES_CRC);
  out->state_size = state_size;
  memcpy(out->state, slot + HEAD_SIZE, state_size);
  return out->sequence > 0 && out->sequence % 2 == number;
}

static int is_empty(const uint8_t *slot) {
  for (size_t i = 0; i < HEAD_SIZE; i++) {
    if (slot[i]) {
      return 0;
    }
  }
  return 1;
}

/* ---- a checkpoint and its chaining values ---- */

/* Whether the chaining values are those that the checkpoint was written with: 1, 0, or a negative errno. */
static int values_whole(const as_io *io, int fd, const as_checkpoint *checkpoint) {
  uint64_t left = as_checkpoint_groups(checkpoint->offset) * AS_DIGEST_SIZE, at = AS_CHECKPOINT_VALUES;
  uint8_t *buffer = malloc(READ_SIZE);
  uint32_t crc = 0;
  ssize_t size = buffer ? 1 : -ENOMEM;
  while (left > 0 && size > 0) {
    size = as_io_read(io, fd, buffer, left < READ_SIZE ? (size_t)left : READ_SIZE, at);
    if (size > 0) {
      crc = as_crc32c(crc, buffer, (size_t)size);
      left -= (uint64_t)size;
      at += (uint64_t)size;
    }
  }
  free(buffer);
  return size < 0 ? (int)size : left == 0 && crc == checkpoint->values_crc;
}

/* Both slots, those that are not whole with sequence 0, and which hold nothing at all. Returns 0 or a negative errno. */
static int read_slots(const as_io *io, int fd, as_checkpoint found[2], int empty[2]) {
  int error = 0;
  uint8_t *slot = malloc(AS_CHECKPOINT_SLOT);
  if (!slot) {
    return -ENOMEM;
  }
  for (uint64_t number = 0; !error && number < 2; number++) {
    memset(slot, 0, AS_CHECKPOINT_SLOT);
    ssize_t size = as_io_read(io, fd, slot, AS_CHECKPOINT_SLOT, number * AS_CHECKPOINT_SLOT);
    error = size < 0 ? (int)size : 0;
    empty[number] = is_empty(slot);
    if (!decode(slot, number, &found[number])) {
      found[number].sequence = 0;
    }
  }
  free(slot);
  return error;
}

static int choose(const as_io *io, int fd, as_checkpoint found[2], const int empty[2], as_checkpoint *out, int *torn) {
  int latest = found[1].sequence > found[0].sequence;
  for (int i = 0; i < 2; i++) {
    int at = i ? !latest : latest, other = !at;
    int whole = found[at].sequence ? values_whole(io, fd, &found[at]) : 0;
    if (whole < 0) {
      return whole;
    }
    if (whole) {
      *out = found[at];
      *torn = !empty[other] && !(found[other].sequence && found[other].sequence < found[at].sequence);
      return 0;
    }
  }
  return AS_E_CORRUPT;
}

int as_checkpoint_read(const as_io *io, int fd, as_checkpoint *out, int *torn) {
  int empty[2] = {0};
  as_checkpoint *found = calloc(2, sizeof *found);
  int error = found ? read_slots(io, fd, found, empty) : -ENOMEM;
  error = error ? error : choose(io, fd, found, empty, out, torn);
  free(found);
  return error;
}

int as_checkpoint_clear(const as_io *io, int fd, const as_checkpoint *checkpoint) {
  static const uint8_t zeros[HEAD_SIZE];
  int error = as_io_write(io, fd, zeros, sizeof zeros, slot_of(checkpoint->sequence + 1));
  return error ? error : as_io_sync_data(io, fd);
}
