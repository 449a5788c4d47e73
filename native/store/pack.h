/*
 * The pack format in memory: what a segment and its records are. Many small objects share a segment file, so that one
 * write and one sync commit all that wait. docs/format.md documents every byte.
 * May include: the C library, artifactstore.h. Called by: pack_*.c, packs.c.
 *
 * A segment is a sequence of commits, each beginning at a multiple of AS_PACK_BLOCK. A commit is a row of slots (its own
 * head, then one for each record) and the payloads behind them. Every slot describes itself: it carries the segment's
 * salt, its own offset and a checksum, so records are found again by looking at every AS_PACK_SLOT bytes, whatever
 * happened to the slots around them, and bytes that only look like a slot (a stored pack, say) are not taken for one.
 */
#ifndef AS_STORE_PACK_H
#define AS_STORE_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "artifactstore.h"

enum {
  AS_PACK_BLOCK = 4096,     /* commits begin at multiples of it: the unit of direct I/O and of punched holes */
  AS_PACK_SLOT = 128,       /* bytes in a slot */
  AS_PACK_ALIGN = 64,       /* payloads begin at multiples of it */
  AS_PACK_RECORDS_MAX = 4096, /* records in one commit: bounds its row of slots to 512 KiB */
  /* Payloads from this size on share no block with anything else, so that deleting one gives all its blocks back: at most
   * an eighth of them is lost to that. */
  AS_PACK_OWN_BLOCKS_FROM = 32 * 1024
};

typedef enum as_record_kind {
  AS_RECORD_OBJECT = 1,  /* an object whose bytes, and outboard if it needs one, are the payload in this segment */
  AS_RECORD_DELETED = 2, /* the address names nothing from here on */
  AS_RECORD_DAMAGED = 3, /* the object at `segment`, `offset` is known to be damaged */
  AS_RECORD_WHOLE = 4    /* the object at `segment`, `offset` is there and whole: takes back a mark of damage */
} as_record_kind;

/* Where an object's payload is. */
typedef struct as_location {
  uint64_t segment; /* number, from 1 on */
  uint64_t offset;  /* of the payload in the segment file, a multiple of AS_PACK_ALIGN */
  uint32_t size;    /* bytes in the object, outboard not counted */
} as_location;

/* One record. For AS_RECORD_DELETED the location is all zeros. */
typedef struct as_record {
  as_record_kind kind;
  uint8_t blake3[AS_DIGEST_SIZE];
  uint8_t sha256[AS_DIGEST_SIZE]; /* of AS_RECORD_OBJECT; zeros for the others */
  as_location at;
} as_record;

/* The head of a commit. */
typedef struct as_commit_head {
  uint64_t sequence; /* of the commit in the store, from 1 on: later commits have larger numbers, in any segment */
  uint32_t count;    /* records, at most AS_PACK_RECORDS_MAX; their slots follow the head's */
  uint64_t length;   /* bytes from the head to the end of the last payload, rounded up to AS_PACK_BLOCK */
} as_commit_head;

/* What every slot of a segment has in common. */
typedef struct as_segment_id {
  uint64_t number; /* from 1 on, growing; the file's name */
  uint64_t salt;   /* random, one for each segment */
} as_segment_id;

/* The first block of a segment file: its identity. `block` has AS_PACK_BLOCK bytes. */
void as_segment_head_encode(const as_segment_id *id, uint8_t *block);

/* 0, or AS_E_CORRUPT when the block is not the head of a segment, or AS_E_FORMAT when it is of a version we do not
 * know. */
int as_segment_head_decode(const uint8_t *block, as_segment_id *out);

/* Writes one slot of AS_PACK_SLOT bytes; `offset` is where in the segment file it will stand, `sequence` its commit's. A
 * payload lies behind the commit's row of slots and ends within the commit's length. */
void as_commit_head_encode(const as_segment_id *id, uint64_t offset, const as_commit_head *head, uint8_t *slot);
void as_record_encode(const as_segment_id *id, uint64_t offset, uint64_t sequence, const as_record *record,
                      uint8_t *slot);

typedef enum as_slot_kind { AS_SLOT_NONE, AS_SLOT_COMMIT, AS_SLOT_RECORD } as_slot_kind;

/* What the AS_PACK_SLOT bytes at `slot`, read from `offset` of the segment, are. AS_SLOT_NONE for anything that is not a
 * whole slot of this segment at this place with members in range. *sequence is set for both kinds, *head or *record for
 * its own. Any bytes at all are safe input. */
as_slot_kind as_slot_decode(const as_segment_id *id, uint64_t offset, const uint8_t *slot, uint64_t *sequence,
                            as_commit_head *head, as_record *record);

/* Bytes of a payload in a segment: the object and its outboard behind it, not rounded. */
uint64_t as_payload_size(uint32_t object_size);

#endif
