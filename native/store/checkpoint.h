/*
 * The file that says how far an upload session has come, uploads/<id>.state: two slots, written in turn, and behind them the
 * chaining values of the groups hashed so far. docs/format.md documents every byte.
 * May include: cv_list.h, io/io.h. Called by: session.c.
 *
 * A slot holds the hash state at an offset, and the checksum of the chaining values that belong to it. So a slot is believed only
 * with all it needs, and one that a crash has torn leaves the one before it, which nothing has touched.
 */
#ifndef AS_STORE_CHECKPOINT_H
#define AS_STORE_CHECKPOINT_H

#include "artifactstore.h"
#include "io/io.h"
#include "store/cv_list.h"

enum {
  AS_CHECKPOINT_SLOT = 20 * 1024,                  /* bytes in a slot: a head, the largest hash state, whole pages */
  AS_CHECKPOINT_VALUES = 2 * AS_CHECKPOINT_SLOT    /* where the chaining values begin */
};

typedef struct as_checkpoint {
  uint64_t sequence;   /* from 1 on; slot `sequence` % 2 has it */
  uint64_t offset;     /* bytes of the object that are durable */
  uint32_t values_crc; /* CRC-32C of the chaining values of its whole groups */
  uint32_t state_size;
  uint8_t state[AS_DUAL_STATE_MAX]; /* as as_dual_export gives it */
} as_checkpoint;

/* Whole groups that the hash state of `length` bytes has absorbed: as many chaining values belong to it
 * (docs/formats/digest-state.md). */
uint64_t as_checkpoint_groups(uint64_t length);

/* Takes the state of a stream of `offset` bytes. Returns 0 or an error of as_dual_export. */
int as_checkpoint_take(as_checkpoint *out, const as_dual *dual, uint64_t sequence, uint32_t values_crc);

/* Writes a checkpoint into its slot; nothing is synced. Returns 0 or a negative errno. */
int as_checkpoint_write(const as_io *io, int fd, const as_checkpoint *checkpoint);

/* Reads the latest checkpoint that is whole, its chaining values included. *torn is non-zero when the other slot holds something that
 * is not an earlier checkpoint: whoever goes on from this one first makes it unreadable for good, with as_checkpoint_clear.
 * AS_E_CORRUPT: neither slot is whole; or a negative errno. */
int as_checkpoint_read(const as_io *io, int fd, as_checkpoint *out, int *torn);

/* Empties the slot that `checkpoint` is not in, and syncs. Returns 0 or a negative errno. */
int as_checkpoint_clear(const as_io *io, int fd, const as_checkpoint *checkpoint);

#endif
