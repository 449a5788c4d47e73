/*
 * Segment files and their descriptors; see segments.h.
 * May include: segments.h, store.h, core/error.h, io/io.h. Called by: as declared there.
 */
#include "store/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/error.h"
#include "store/store.h"

as_pack_name as_segment_name(uint64_t number) {
  as_pack_name name;
  snprintf(name.text, sizeof name.text, "%016" PRIx64 ".pack", number);
  return name;
}

uint64_t as_segment_number(const char *name) {
  uint64_t number = strlen(name) == 16 + 5 ? strtoull(name, NULL, 16) : 0;
  return number && strcmp(as_segment_name(number).text, name) == 0 ? number : 0;
}

void as_segments_init(as_segments *segments) {
  *segments = (as_segments){.list = NULL};
  pthread_mutex_init(&segments->mutex, NULL);
}

void as_segments_free(const as_io *io, as_segments *segments) {
  for (size_t i = 0; i < segments->count; i++) {
    as_io_close(io, &segments->list[i]->fd);
    free(segments->list[i]);
  }
  free(segments->list);
  pthread_mutex_destroy(&segments->mutex);
}

/* Where the segment of at least this number stands in the list. Call it with the mutex held, as all below. */
static size_t position_of(const as_segments *segments, uint64_t number) {
  size_t low = 0, high = segments->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (segments->list[middle]->id.number < number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static as_segment *find(const as_segments *segments, uint64_t number) {
  size_t at = position_of(segments, number);
  return at < segments->count && segments->list[at]->id.number == number ? segments->list[at] : NULL;
}

int as_segments_add(as_segments *segments, const as_segment_id *id) {
  as_segment *segment = calloc(1, sizeof *segment);
  if (!segment) {
    return -ENOMEM;
  }
  *segment = (as_segment){.id = *id, .fd = -1, .writable = -1};
  pthread_mutex_lock(&segments->mutex);
  if (segments->count == segments->capacity) {
    size_t capacity = segments->capacity ? 2 * segments->capacity : 16;
    as_segment **list = realloc(segments->list, capacity * sizeof *list);
    if (!list) {
      pthread_mutex_unlock(&segments->mutex);
      free(segment);
      return -ENOMEM;
    }
    segments->list = list;
    segments->capacity = capacity;
  }
  size_t at = position_of(segments, id->number);
  memmove(&segments->list[at + 1], &segments->list[at], (segments->count - at) * sizeof *segments->list);
  segments->list[at] = segment;
  segments->count++;
  pthread_mutex_unlock(&segments->mutex);
  return 0;
}

int as_segments_has(as_segments *segments, uint64_t number) {
  pthread_mutex_lock(&segments->mutex);
  int has = find(segments, number) != NULL;
  pthread_mutex_unlock(&segments->mutex);
  return has;
}

int as_segments_next(as_segments *segments, uint64_t number, as_segment_id *out) {
  pthread_mutex_lock(&segments->mutex);
  size_t at = position_of(segments, number);
  int found = at < segments->count;
  if (found) {
    *out = segments->list[at]->id;
  }
  pthread_mutex_unlock(&segments->mutex);
  return found;
}

size_t as_segments_count(as_segments *segments) {
  pthread_mutex_lock(&segments->mutex);
  size_t count = segments->count;
  pthread_mutex_unlock(&segments->mutex);
  return count;
}

/* ---- descriptors ---- */

/* Takes the descriptor away, to be closed; -1 if there is none. */
static int detach(as_segments *segments, as_segment *segment) {
  int fd = segment->fd;
  segments->open -= fd >= 0;
  segment->fd = -1;
  return fd;
}

/* Bytes of a deleted file that are given back at a time. A file that has become mostly holes consists of thousands of pieces, and a file system that tells the disk of
 * each lets syncs of others wait meanwhile: of a whole segment for up to seconds. */
enum { RELEASE_STEP = 8 * 1024 * 1024 };

static uint64_t now_nanos(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Cuts a deleted file off from its end, and rests after each step for as long as it took, so that others get their turn. What fails here, closing does. */
static void release_space(const as_io *io, int fd) {
  struct stat status;
  uint64_t left = io->stat(io, fd, &status) ? 0 : (uint64_t)status.st_size;
  while (left > RELEASE_STEP) {
    uint64_t began = now_nanos();
    left -= RELEASE_STEP;
    if (as_io_truncate(io, fd, left)) {
      return;
    }
    uint64_t took = now_nanos() - began;
    nanosleep(&(struct timespec){(time_t)(took / 1000000000), (long)(took % 1000000000)}, NULL);
  }
}

/* Ends a segment that is out of the list, once the mutex is free again: its file has been deleted, so this gives its space back, which may take
 * seconds, and every lookup of an object needs the mutex. */
static void end_segment(const as_io *io, as_segment *segment, int fd) {
  as_io_close(io, &fd);
  if (segment->writable >= 0) {
    release_space(io, segment->writable);
  }
  as_io_close(io, &segment->writable);
  free(segment);
}

/* Closes one descriptor that nobody uses, if there are too many. */
static void make_room(const as_io *io, as_segments *segments) {
  for (size_t i = 0; segments->open >= AS_SEGMENTS_OPEN_MAX && i < segments->count; i++) {
    if (segments->list[i]->users == 0) {
      int fd = detach(segments, segments->list[i]);
      as_io_close(io, &fd);
    }
  }
}

static int open_segment(as_store *store, as_segments *segments, as_segment *segment) {
  make_room(store->io, segments);
  as_pack_name name = as_segment_name(segment->id.number);
  int fd = as_io_open(store->io, store->packs_folder, name.text, O_RDONLY | O_NOFOLLOW, 0);
  if (fd < 0) {
    char path[sizeof name + 8];
    snprintf(path, sizeof path, "packs/%s", name.text);
    return as_store_fail(store, fd, "open", path);
  }
  segment->fd = fd;
  segments->open++;
  return 0;
}

int as_segment_pin(as_store *store, uint64_t number, as_segment **out) {
  as_segments *segments = as_store_segments(store);
  pthread_mutex_lock(&segments->mutex);
  as_segment *segment = find(segments, number);
  int error = !segment ? AS_E_MISSING : segment->fd >= 0 ? 0 : open_segment(store, segments, segment);
  if (!error) {
    segment->users++;
    *out = segment;
  }
  pthread_mutex_unlock(&segments->mutex);
  return error;
}

void as_segment_unpin(as_store *store, as_segment *segment) {
  as_segments *segments = as_store_segments(store);
  pthread_mutex_lock(&segments->mutex);
  int gone = --segment->users == 0 && segment->retired;
  int fd = gone ? detach(segments, segment) : -1;
  pthread_mutex_unlock(&segments->mutex);
  if (gone) {
    end_segment(store->io, segment, fd);
  }
}

/* ---- making and deleting ---- */

/* Writes the head block of a new segment and makes file and name durable. */
static int write_head(as_store *store, int fd, const as_segment_id *id) {
  uint8_t block[AS_PACK_BLOCK];
  as_segment_head_encode(id, block);
  int error = as_io_write(store->io, fd, block, sizeof block, 0);
  error = error ? error : as_io_sync_data(store->io, fd);
  return error ? error : as_io_sync_all(store->io, store->packs_folder);
}

int as_segment_create(as_store *store, uint64_t number, as_segment_id *out) {
  const as_io *io = store->io;
  as_pack_name name = as_segment_name(number);
  out->number = number;
  if (getrandom(&out->salt, sizeof out->salt, 0) != sizeof out->salt) {
    return as_store_fail(store, -errno, "getrandom", "packs");
  }
  int fd = as_io_open(io, store->packs_folder, name.text, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (fd < 0) {
    return as_store_fail(store, fd, "create", "packs");
  }
  int error = write_head(store, fd, out);
  as_io_close(io, &fd);
  error = error ? as_store_fail(store, error, "write", "packs") : as_segments_add(as_store_segments(store), out);
  if (error) {
    io->unlink(io, store->packs_folder, name.text); /* if it stays, opening the store finds it empty */
  }
  return error;
}

int as_segment_retire(as_store *store, uint64_t number) {
  as_segments *segments = as_store_segments(store);
  as_pack_name name = as_segment_name(number);
  int writable = as_io_open(store->io, store->packs_folder, name.text, O_RDWR | O_NOFOLLOW, 0); /* failing, its space comes back all at once */
  int error = store->io->unlink(store->io, store->packs_folder, name.text);
  if (error && error != -ENOENT) {
    as_io_close(store->io, &writable);
    return as_store_fail(store, error, "unlink", "packs");
  }
  pthread_mutex_lock(&segments->mutex);
  size_t at = position_of(segments, number);
  as_segment *segment = find(segments, number);
  if (!segment) { /* somebody else was faster */
    pthread_mutex_unlock(&segments->mutex);
    as_io_close(store->io, &writable);
    return 0;
  }
  segment->writable = writable < 0 ? -1 : writable;
  segments->count--;
  memmove(&segments->list[at], &segments->list[at + 1], (segments->count - at) * sizeof *segments->list);
  segment->retired = 1;
  int gone = segment->users == 0;
  int fd = gone ? detach(segments, segment) : -1;
  pthread_mutex_unlock(&segments->mutex);
  if (gone) {
    end_segment(store->io, segment, fd);
  }
  return 0;
}
