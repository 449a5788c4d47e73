/*
 * Reading a segment from its beginning to its end: how an index is made, or made again, from the segment alone.
 * May include: pack.h, io/io.h. Called by: packs.c (opening, rebuilding, compacting).
 */
#ifndef AS_STORE_PACK_SCAN_H
#define AS_STORE_PACK_SCAN_H

#include "io/io.h"
#include "store/pack.h"

/* Called with each record in the order of the file. A result other than 0 ends the scan and becomes its result. */
typedef int (*as_scan_visit)(void *context, uint64_t sequence, const as_record *record);

typedef struct as_scan {
  uint64_t end;            /* where the last commit that is whole by its slots ends, or the payload of a record found
                              without its commit's head, rounded up to AS_PACK_BLOCK: the larger of them; may be beyond
                              the end of a file that was cut off; AS_PACK_BLOCK when there is none */
  uint64_t last_sequence;  /* the largest sequence seen; 0 when there is none */
  uint64_t last_commit;    /* offset of the first commit that has it; of the block of a record that has it, without head */
  uint64_t damaged;        /* bytes passed over, in whole slots, that were neither zero nor part of a commit, and the
                              slots of commits that are not whole or whose payload is not in the file */
  uint64_t unreadable;     /* bytes, in whole blocks and some of them perhaps twice, that the disk did not give: passed over as zeros */
} as_scan;

/* Scans the segment `id`, open as `fd` and `size` bytes long, from behind its head block on. Zeros are passed over (they
 * are what deletions and preallocation leave), and so is anything else that is not a commit or a record: records are found again
 * behind damage. Where a commit's head is whole, its payloads are not read. Records whose payload ends beyond the file
 * are not visited. Returns 0, `visit`'s result, or a negative errno.
 *
 * What a scan finds was written, not necessarily acknowledged: slots that a torn commit left behind are found too. So
 * whoever appends to a segment after a crash first cuts off what is behind the last commit it believes. */
int as_segment_scan(const as_io *io, int fd, const as_segment_id *id, uint64_t size, as_scan *out, as_scan_visit visit,
                    void *context);

#endif
