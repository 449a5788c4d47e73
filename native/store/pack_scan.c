/*
 * From commit to commit as long as heads are whole, slot by slot where they are not; see pack_scan.h.
 * May include: pack_scan.h, core/little.h, the C library. Called by: as declared there.
 */
#include "store/pack_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/little.h"

enum {
  SCAN_WINDOW = 1 << 20, /* bytes in memory, and in one read where every slot must be looked at */
  ROW_MAX = (1 + AS_PACK_RECORDS_MAX) * AS_PACK_SLOT
};
_Static_assert(ROW_MAX <= SCAN_WINDOW, "any row of slots fits the window");

typedef struct scanner {
  const as_io *io;
  int fd;
  const as_segment_id *id;
  uint64_t size; /* of the file, as far as reading has shown */
  as_scan *out;
  as_scan_visit visit;
  void *context;
  uint8_t *window; /* bytes of the file from window_at on */
  uint64_t window_at;
  size_t window_size;
  uint64_t stray_sequence; /* the commit of records last found by themselves, */
  uint64_t stray_from, stray_to; /* and where their payloads lie */
} scanner;

/* as_io_read, zeros standing for blocks that the disk does not give. */
static ssize_t read_around(scanner *scan, uint8_t *bytes, size_t size, uint64_t offset) {
  ssize_t count = as_io_read(scan->io, scan->fd, bytes, size, offset);
  if (count != -EIO) {
    return count;
  }
  size_t done = 0, piece = 0;
  for (; done < size; done += (size_t)count) {
    size_t to_boundary = (size_t)(AS_PACK_BLOCK - (offset + done) % AS_PACK_BLOCK);
    piece = to_boundary < size - done ? to_boundary : size - done;
    count = as_io_read(scan->io, scan->fd, bytes + done, piece, offset + done);
    if (count == -EIO) {
      memset(bytes + done, 0, piece);
      scan->out->unreadable += AS_PACK_BLOCK;
      count = (ssize_t)piece;
    }
    if (count < (ssize_t)piece) {
      return count < 0 ? count : (ssize_t)done + count;
    }
  }
  return (ssize_t)done;
}

/* Sets *out to the `need` bytes at `at`, or to NULL where the file ends before. Reads no more than it must, or, if it
 * must read, `ahead` bytes. Valid until the next call. */
static int view(scanner *scan, uint64_t at, size_t need, size_t ahead, const uint8_t **out) {
  uint64_t window_end = scan->window_at + scan->window_size;
  *out = NULL;
  if (at >= scan->window_at && at + need <= window_end) {
    *out = scan->window + (at - scan->window_at);
    return 0;
  }
  if (at + need > scan->size) {
    return 0;
  }
  size_t held = at >= scan->window_at && at < window_end ? (size_t)(window_end - at) : 0;
  memmove(scan->window, scan->window + scan->window_size - held, held);
  size_t want = need > ahead ? need : ahead;
  want = want < scan->size - at ? want : (size_t)(scan->size - at);
  scan->window_at = at;
  scan->window_size = held;
  ssize_t count = read_around(scan, scan->window + held, want - held, at + held);
  if (count < 0) {
    return (int)count;
  }
  scan->window_size += (size_t)count;
  if (scan->window_size < want) {
    scan->size = at + scan->window_size; /* the file is shorter than we were told */
  }
  *out = scan->window_size >= need ? scan->window : NULL;
  return 0;
}

static uint64_t payload_end(const as_record *record) { return record->at.offset + as_payload_size(record->at.size); }

/* Takes note of a commit, or of a part of one, that ends at `end`. */
static void note(scanner *scan, uint64_t sequence, uint64_t at, uint64_t end) {
  if (sequence > scan->out->last_sequence) {
    scan->out->last_sequence = sequence;
    scan->out->last_commit = at;
  }
  scan->out->end = end > scan->out->end ? end : scan->out->end;
}

/* Visits the records of a commit whose row of slots is at `row`. Slots that are not whole, or whose payload is not the
 * commit's or not in the file, are damage. */
static int visit_row(scanner *scan, uint64_t at, const as_commit_head *head, const uint8_t *row) {
  uint64_t payloads = at + (1 + (uint64_t)head->count) * AS_PACK_SLOT, end = at + head->length;
  end = end < scan->size ? end : scan->size;
  for (uint64_t offset = at + AS_PACK_SLOT; offset < payloads; offset += AS_PACK_SLOT) {
    as_commit_head other;
    as_record record;
    uint64_t sequence;
    as_slot_kind kind = as_slot_decode(scan->id, offset, row + (offset - at), &sequence, &other, &record);
    if (kind != AS_SLOT_RECORD || sequence != head->sequence ||
        (record.kind == AS_RECORD_OBJECT && (record.at.offset < payloads || payload_end(&record) > end))) {
      scan->out->damaged += AS_PACK_SLOT;
      continue;
    }
    int error = scan->visit(scan->context, sequence, &record);
    if (error) {
      return error;
    }
  }
  return 0;
}

/* Takes the commit whose head was found at `*at` and moves on behind it; when its row of slots is cut off by the end of
 * the file, moves on by the head alone. */
static int take_commit(scanner *scan, uint64_t *at, const as_commit_head *head) {
  const uint8_t *row;
  int error = view(scan, *at, (1 + (size_t)head->count) * AS_PACK_SLOT, AS_PACK_BLOCK, &row);
  if (error) {
    return error;
  }
  if (!row) {
    scan->out->damaged += AS_PACK_SLOT;
    *at += AS_PACK_SLOT;
    return 0;
  }
  uint64_t end = *at + head->length;
  note(scan, head->sequence, *at, end);
  error = visit_row(scan, *at, head, row);
  *at = end;
  return error;
}

/* Takes a record found at `at` without its commit's head. */
static int take_stray(scanner *scan, uint64_t at, uint64_t sequence, const as_record *record) {
  uint64_t end = record->kind == AS_RECORD_OBJECT ? payload_end(record) : at + AS_PACK_SLOT;
  uint64_t rounded = (end + AS_PACK_BLOCK - 1) / AS_PACK_BLOCK * AS_PACK_BLOCK;
  note(scan, sequence, at / AS_PACK_BLOCK * AS_PACK_BLOCK, rounded); /* also when its payload is cut off: no commit may go there */
  if (record->kind == AS_RECORD_OBJECT) {
    if (end > scan->size) {
      scan->out->damaged += AS_PACK_SLOT;
      return 0;
    }
    int first = sequence != scan->stray_sequence;
    scan->stray_sequence = sequence;
    scan->stray_from = first || record->at.offset < scan->stray_from ? record->at.offset : scan->stray_from;
    scan->stray_to = first || end > scan->stray_to ? end : scan->stray_to;
  }
  return scan->visit(scan->context, sequence, record);
}

static void pass_over(scanner *scan, uint64_t at, const uint8_t *slot) {
  int of_stray = at + AS_PACK_SLOT > scan->stray_from && at < scan->stray_to;
  if (!of_stray && !as_is_zero(slot, AS_PACK_SLOT)) {
    scan->out->damaged += AS_PACK_SLOT;
  }
}

static int scan_slots(scanner *scan) {
  uint64_t at = AS_PACK_BLOCK;
  size_t ahead = AS_PACK_BLOCK; /* a head is expected: read little, its payloads will be passed over */
  int error = 0;
  while (!error && at + AS_PACK_SLOT <= scan->size) {
    const uint8_t *slot;
    error = view(scan, at, AS_PACK_SLOT, ahead, &slot);
    if (error || !slot) {
      break;
    }
    uint64_t sequence;
    as_commit_head head;
    as_record record;
    as_slot_kind kind = as_slot_decode(scan->id, at, slot, &sequence, &head, &record);
    if (kind == AS_SLOT_COMMIT) {
      error = take_commit(scan, &at, &head);
      ahead = AS_PACK_BLOCK;
      continue;
    }
    if (kind == AS_SLOT_RECORD) {
      error = take_stray(scan, at, sequence, &record);
    } else {
      pass_over(scan, at, slot);
    }
    at += AS_PACK_SLOT;
    ahead = SCAN_WINDOW;
  }
  return error;
}

int as_segment_scan(const as_io *io, int fd, const as_segment_id *id, uint64_t size, as_scan *out, as_scan_visit visit,
                    void *context) {
  *out = (as_scan){.end = AS_PACK_BLOCK};
  scanner scan = {.io = io, .fd = fd, .id = id, .size = size, .out = out, .visit = visit, .context = context};
  scan.window = malloc(SCAN_WINDOW);
  if (!scan.window) {
    return -ENOMEM;
  }
  int error = scan_slots(&scan);
  free(scan.window);
  return error;
}
