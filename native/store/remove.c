/*
 * Removing objects, many for the price of one: the packed ones in one commit and then their space, the others file by file with shared
 * directory syncs.
 * May include: objects.h, deferred.h, durable.h, core/error.h, io/io.h. Called by: users of the core.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/deferred.h"
#include "store/durable.h"
#include "store/objects.h"

/* What is asked, and where the answers go. */
typedef struct removal {
  as_store *store;
  const uint8_t *addresses;
  size_t count;
  int *removed;
  uint64_t *freed;
  int *status;
  int wipe; /* nothing of a payload may be left in the file of its segment */
} removal;

static const uint8_t *address_of(const removal *work, size_t index) { return work->addresses + index * AS_DIGEST_SIZE; }

/* ---- giving space back ---- */

/* A payload whose record is deleted. */
typedef struct hole {
  as_location at;
  size_t index;
} hole;

static uint64_t align_up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

static int compare_holes(const void *a, const void *b) {
  const as_location *left = &((const hole *)a)->at, *right = &((const hole *)b)->at;
  if (left->segment != right->segment) {
    return left->segment < right->segment ? -1 : 1;
  }
  return left->offset < right->offset ? -1 : left->offset > right->offset;
}

/* Where nothing of the payload stands any more: the next one, whosoever, begins there or later. */
static uint64_t hole_end(const as_location *at) {
  uint64_t size = as_payload_size(at->size);
  return align_up(at->offset + size, size >= AS_PACK_OWN_BLOCKS_FROM ? AS_PACK_BLOCK : AS_PACK_ALIGN);
}

/* How many of the holes are one, each beginning where the one before ends: blocks they share hold nothing else either. */
static size_t neighbours(const hole *holes, size_t count) {
  size_t i = 1;
  while (i < count && holes[i].at.segment == holes[0].at.segment && holes[i].at.offset == hole_end(&holes[i - 1].at)) {
    i++;
  }
  return i;
}

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most) {
  return value < least ? least : value > most ? most : value;
}

/* Gives back the blocks that hold nothing but neighbouring payloads, and says of each how many it gave. Where blocks cannot be punched,
 * compaction gives the space back. */
static void punch(const removal *work, int fd, const hole *holes, size_t count) {
  uint64_t first = align_up(holes[0].at.offset, AS_PACK_BLOCK);
  uint64_t last = hole_end(&holes[count - 1].at) / AS_PACK_BLOCK * AS_PACK_BLOCK;
  if (first >= last || as_io_punch(work->store->io, fd, first, last - first)) {
    return;
  }
  uint64_t before = first; /* a shared block counts for the last payload in it that ends there */
  for (size_t i = 0; i < count; i++) {
    uint64_t end = clamp(hole_end(&holes[i].at) / AS_PACK_BLOCK * AS_PACK_BLOCK, first, last);
    work->freed[holes[i].index] += end - before;
    before = end;
  }
}

/* Overwrites a payload: blocks that it shares with others stay when its own are given back. */
static int wipe(const as_store *store, int fd, const as_location *at) {
  static const uint8_t zeros[AS_PACK_BLOCK];
  uint64_t size = as_payload_size(at->size);
  int error = 0;
  for (uint64_t done = 0; !error && done < size; done += sizeof zeros) {
    uint64_t part = size - done < sizeof zeros ? size - done : sizeof zeros;
    error = as_io_write(store->io, fd, zeros, (size_t)part, at->offset + done);
  }
  error = error ? error : as_io_sync_data(store->io, fd);
  return error ? as_store_fail(store, error, "overwrite", as_segment_name(at->segment).text) : 0;
}

static void wipe_all(const removal *work, const hole *holes, size_t count) {
  const as_store *store = work->store;
  for (size_t i = 0; i < count; i++) {
    const as_location *at = &holes[i].at;
    const char *name = as_segment_name(at->segment).text;
    int fd = as_io_open(store->io, store->packs_folder, name, O_RDWR | O_NOFOLLOW, 0);
    work->status[holes[i].index] = fd < 0 ? as_store_fail(store, fd, "open", name) : wipe(store, fd, at);
    as_io_close(store->io, &fd);
  }
}

static void punch_all(const removal *work, hole *holes, size_t count) {
  const as_store *store = work->store;
  uint64_t segment = 0;
  int fd = -1;
  if (count) {
    qsort(holes, count, sizeof *holes, compare_holes);
  }
  for (size_t i = 0, together; i < count; i += together) {
    together = neighbours(holes + i, count - i);
    if (holes[i].at.segment != segment) {
      as_io_close(store->io, &fd);
      segment = holes[i].at.segment;
      fd = as_io_open(store->io, store->packs_folder, as_segment_name(segment).text, O_RDWR | O_NOFOLLOW, 0);
      fd = fd < 0 ? -1 : fd;
    }
    if (fd >= 0) {
      punch(work, fd, holes + i, together);
    }
  }
  as_io_close(store->io, &fd);
}

/* ---- packed objects ---- */

/* Those that are packed, as items of one commit; indexes[k] says whose items[k] is. */
static size_t find_packed(const removal *work, as_pack_item *items, size_t *indexes) {
  size_t found_count = 0;
  for (size_t i = 0; i < work->count; i++) {
    as_entry entry;
    int found = as_packs_find(work->store, address_of(work, i), &entry);
    if (found < 0) {
      work->status[i] = as_store_fail(work->store, found, "look up", "packs");
    } else if (found) {
      items[found_count] = (as_pack_item){.record = {.kind = AS_RECORD_DELETED}};
      memcpy(items[found_count].record.blake3, address_of(work, i), AS_DIGEST_SIZE);
      indexes[found_count++] = i;
    }
  }
  return found_count;
}

/* The deletions are durable before any bytes go. */
static void remove_packed(const removal *work) {
  as_pack_item *items = malloc(work->count * sizeof *items);
  size_t *indexes = malloc(work->count * sizeof *indexes), hole_count = 0;
  hole *holes = malloc(work->count * sizeof *holes);
  if (!items || !indexes || !holes) {
    for (size_t i = 0; i < work->count; i++) {
      work->status[i] = as_fail(-ENOMEM, "remove", work->store->path);
    }
  } else {
    size_t count = find_packed(work, items, indexes);
    if (count) {
      as_packs_commit(work->store, items, count);
    }
    for (size_t k = 0; k < count; k++) {
      work->status[indexes[k]] = items[k].status;
      if (!items[k].status && items[k].written) {
        work->removed[indexes[k]] = 1;
        holes[hole_count++] = (hole){items[k].previous, indexes[k]};
      }
    }
    if (work->wipe) {
      wipe_all(work, holes, hole_count);
    }
    punch_all(work, holes, hole_count);
  }
  free(holes);
  free(indexes);
  free(items);
}

/* ---- objects that are files ---- */

static int fail(const as_store *store, int error, const char *call, const char *path) {
  char relative[sizeof(as_object_path) + sizeof "objects/"];
  snprintf(relative, sizeof relative, "objects/%s", path);
  return as_store_fail(store, error, call, relative);
}

/* Removes one file of an object and adds the space it had to *freed; *found says whether it was there. */
static int remove_file(const as_store *store, const uint8_t address[AS_DIGEST_SIZE], const char *suffix,
                       uint64_t *freed, int *found) {
  struct stat status;
  as_object_path path = as_object_path_of(address, suffix);
  int error = store->io->stat_at(store->io, store->objects, path.text, &status);
  *found = error == 0;
  if (error) {
    return error == -ENOENT ? 0 : fail(store, error, "stat", path.text);
  }
  error = store->io->unlink(store->io, store->objects, path.text);
  if (error && error != -ENOENT) {
    return fail(store, error, "unlink", path.text);
  }
  *freed += (uint64_t)status.st_blocks * 512; /* the unit of st_blocks, whatever the file system's block is */
  return 0;
}

/* Removes the files of an object; *changed says whether any was there. One that was packed and is no file has no others either: most that are removed
 * are, and each name that is asked for costs them as much as their deletion. */
static int remove_files(as_store *store, const uint8_t address[AS_DIGEST_SIZE], int *removed, uint64_t *freed, int *changed) {
  int object = 0, outboard = 0, mark = 0;
  as_object_lock(store, address);
  int error = remove_file(store, address, "", freed, &object); /* first: what is left without it is no object */
  if (!error && (object || !*removed)) {
    error = remove_file(store, address, AS_SUFFIX_OUTBOARD, freed, &outboard);
    error = error ? error : remove_file(store, address, AS_SUFFIX_DAMAGED, freed, &mark);
  }
  *changed = object || outboard || mark;
  *removed |= object;
  if (*changed) {
    as_durable_changed(store, address[0]);
  }
  as_object_unlock(store, address);
  return error;
}

/* ---- which folders there are ---- */

/* Removals from which on the folders are listed: one call to the operating system instead of several for each object. */
enum { LIST_FROM = 16 };

static int note_folder(void *context, const char *name) {
  uint8_t *there = context;
  char *end;
  unsigned long folder = strtoul(name, &end, 16);
  if (*end == 0 && folder < AS_FAN_OUT) {
    there[folder] = 1;
  }
  return 0;
}

/* Which folders of files there may be, one for each first byte of an address. One that is made from here on is of an object that is stored while others
 * are removed, and may as well have been stored behind that. */
static void find_folders(const removal *work, uint8_t there[AS_FAN_OUT]) {
  const as_io *io = work->store->io;
  memset(there, 0, AS_FAN_OUT);
  if (work->count < LIST_FROM || io->list(io, work->store->objects, ".", note_folder, there)) {
    memset(there, 1, AS_FAN_OUT);
  }
}

/* The same address may be packed and a file too, in a store that had format 1 once. */
static void remove_all_files(const removal *work) {
  uint8_t wanted[AS_FAN_OUT] = {0}, there[AS_FAN_OUT];
  int synced[AS_FAN_OUT];
  find_folders(work, there);
  uint8_t *changed = calloc(work->count, 1);
  for (size_t i = 0; i < work->count; i++) {
    int some = 0;
    if (work->status[i] || !there[address_of(work, i)[0]]) {
      continue;
    }
    if (!changed) {
      work->status[i] = as_fail(-ENOMEM, "remove", work->store->path);
      continue;
    }
    work->status[i] = remove_files(work->store, address_of(work, i), &work->removed[i], &work->freed[i], &some);
    changed[i] = some && !work->status[i];
    wanted[address_of(work, i)[0]] |= changed[i];
  }
  as_durable_sync(work->store, wanted, synced);
  for (size_t i = 0; changed && i < work->count; i++) {
    if (changed[i]) {
      work->status[i] = synced[address_of(work, i)[0]];
    }
  }
  free(changed);
}

/* ---- for users of the core ---- */

static void remove_all(const removal *work) {
  as_store *store = work->store;
  size_t count = work->count;
  int *removed = work->removed, *status = work->status;
  uint64_t *freed = work->freed;
  if (count == 0) {
    return;
  }
  memset(removed, 0, count * sizeof *removed);
  memset(freed, 0, count * sizeof *freed);
  memset(status, 0, count * sizeof *status);
  if (store->read_only) {
    for (size_t i = 0; i < count; i++) {
      status[i] = as_store_fail(store, AS_E_READ_ONLY, "unlink", "objects");
    }
    return;
  }
  as_deferred_settle(store); /* what waits for its name must not get it after this; on failure it never will */
  remove_packed(work);
  remove_all_files(work);
}

void as_store_remove_many(as_store *store, const uint8_t *addresses, size_t count, int *removed, uint64_t *freed,
                          int *status) {
  removal work = {store, addresses, count, removed, freed, status, 0};
  remove_all(&work);
}

void as_store_erase_many(as_store *store, const uint8_t *addresses, size_t count, int *removed, uint64_t *freed,
                         int *status) {
  removal work = {store, addresses, count, removed, freed, status, 1};
  remove_all(&work);
}

int as_store_remove(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], int *removed, uint64_t *freed) {
  int status = 0;
  as_store_remove_many(store, blake3, 1, removed, freed, &status);
  return status;
}
