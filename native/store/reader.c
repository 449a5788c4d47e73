/*
 * Verified reading at any offset: no byte is returned that the object's address does not prove.
 * May include: reader.h, objects.h, outboard.h, core/error.h, io/io.h. Called by: users of the core; as_reader_over as declared in reader.h.
 *
 * The size of an object is not trusted either until it is proven: it fixes the shape of the tree, and the last group,
 * checked under that shape, proves it. So the first read of a reader checks the last group as well.
 */
#include "store/reader.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/objects.h"
#include "store/outboard.h"

struct as_reader {
  as_store *store;
  as_object_files files;
  as_outboard outboard;
  atomic_int size_proven; /* all else is as it was opened, so that several threads may read at once */
};

/* as_fail naming the object. */
static int fail(const as_reader *reader, int error, const char *call) {
  char relative[sizeof(as_object_path) + sizeof "objects/"] = "objects/";
  strcat(relative, as_object_path_of(reader->outboard.root, "").text);
  return as_store_fail(reader->store, error, call, relative);
}

int as_reader_open(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], as_reader **out, uint64_t *size) {
  *out = NULL;
  as_reader *reader = calloc(1, sizeof *reader);
  if (!reader) {
    return as_fail(-ENOMEM, "open", store->path);
  }
  reader->store = store;
  atomic_init(&reader->size_proven, 0);
  int error = as_object_open(store, blake3, &reader->files);
  reader->outboard = (as_outboard){
      .io = store->io, .fd = reader->files.outboard, .base = reader->files.outboard_base, .size = reader->files.size};
  memcpy(reader->outboard.root, blake3, AS_DIGEST_SIZE);
  if (!error && reader->files.damaged) {
    error = fail(reader, AS_E_CORRUPT, "open");
  }
  if (error) {
    as_reader_close(reader);
    return error;
  }
  *size = reader->files.size;
  *out = reader;
  return 0;
}

void as_reader_close(as_reader *reader) {
  if (reader) {
    as_object_close(reader->store, &reader->files);
    free(reader);
  }
}

const as_object_files *as_reader_files(const as_reader *reader) { return &reader->files; }

as_reader *as_reader_over(const as_reader *reader, int fd) {
  as_reader *over = calloc(1, sizeof *over);
  if (over) {
    over->store = reader->store;
    over->files = reader->files;
    over->files.object = fd;
    over->files.base = 0;
    over->outboard = reader->outboard;
    atomic_init(&over->size_proven, 0);
  }
  return over;
}

/* Reads and checks groups from `first` on; `size` ends at a group or at the end of the object. */
static int read_groups(as_reader *reader, uint64_t first, uint8_t *buffer, size_t size, as_range *bad) {
  uint64_t offset = first * AS_GROUP_SIZE;
  ssize_t count = as_io_read(reader->store->io, reader->files.object, buffer, size, reader->files.base + offset);
  if (count < 0) {
    return (int)count;
  }
  if ((size_t)count < size) { /* cut short since it was opened */
    *bad = (as_range){offset + (uint64_t)count / AS_GROUP_SIZE * AS_GROUP_SIZE, reader->files.size};
    return AS_E_CORRUPT;
  }
  return as_outboard_check(&reader->outboard, first, buffer, size, bad);
}

/* Whether the outboard is there, where one is needed, and says the size that the object has. */
static int check_header(as_reader *reader, as_range *bad) {
  uint64_t size = reader->files.size, stated;
  if (as_outboard_size(size) == 0) {
    return 0;
  }
  int error = as_outboard_stated_size(&reader->outboard, &stated);
  if (error) {
    return error;
  }
  if (stated == size) {
    return 0;
  }
  *bad = (as_range){0, size};
  return AS_E_CORRUPT;
}

/* Proves the object's size by its last group, in a buffer of the store's. */
static int prove_size(as_reader *reader, as_range *bad) {
  int error = check_header(reader, bad);
  if (error) {
    return error;
  }
  uint8_t *buffer = as_store_buffer(reader->store);
  if (!buffer) {
    return -ENOMEM;
  }
  uint64_t last = as_outboard_groups(reader->files.size) - 1;
  error = read_groups(reader, last, buffer, (size_t)(reader->files.size - last * AS_GROUP_SIZE), bad);
  as_store_buffer_release(reader->store, buffer);
  return error;
}

/* A read that reaches the end of the object proves its size by itself, so it only needs the header looked at. */
static int read_proven(as_reader *reader, uint64_t first, uint8_t *buffer, size_t size, as_range *bad) {
  if (!reader->size_proven) {
    int reaches_end = size > 0 && first * AS_GROUP_SIZE + size == reader->files.size;
    int error = reaches_end ? check_header(reader, bad) : prove_size(reader, bad);
    if (error) {
      return error;
    }
  }
  int error = size > 0 ? read_groups(reader, first, buffer, size, bad) : 0;
  if (!error) {
    reader->size_proven = 1;
  }
  return error;
}

/* What it means that bytes did not verify: damage, unless the object has been deleted while it was read, for then its
 * bytes are gone. */
static int conclude_corrupt(const as_reader *reader) {
  int current = as_object_is_current(reader->store, reader->outboard.root, &reader->files);
  if (current < 0) {
    return current;
  }
  if (!current && reader->files.segment) {
    return AS_E_MISSING;
  }
  if (!reader->store->read_only) {
    as_object_mark(reader->store, reader->outboard.root, &reader->files, 1); /* unmarked, it is found again */
  }
  return AS_E_CORRUPT;
}

int as_reader_nodes(as_reader *reader, uint64_t start, uint64_t end, uint64_t *next, uint8_t *buffer, size_t capacity,
                    size_t *size, as_range *bad) {
  *size = 0;
  *bad = (as_range){0, 0};
  if (capacity < AS_OUTBOARD_PAIR) {
    return fail(reader, AS_E_INVALID, "read");
  }
  if (start > end || end > reader->files.size) {
    return fail(reader, AS_E_RANGE, "read");
  }
  as_outboard_walk walk = {.first = start / AS_GROUP_SIZE,
                           .end = start == end ? start / AS_GROUP_SIZE : (end - 1) / AS_GROUP_SIZE + 1,
                           .next = *next,
                           .buffer = buffer,
                           .capacity = capacity};
  int error = check_header(reader, bad);
  if (!error) {
    error = as_outboard_pairs(&reader->outboard, &walk, bad);
  }
  if (error == AS_E_CORRUPT) {
    error = conclude_corrupt(reader);
  }
  if (error) {
    return fail(reader, error, "read");
  }
  *size = walk.size;
  *next = walk.next;
  return 0;
}

int as_reader_read(as_reader *reader, uint64_t offset, uint8_t *buffer, size_t capacity, size_t *skip, size_t *size,
                   as_range *bad) {
  uint64_t end = reader->files.size;
  *skip = *size = 0;
  *bad = (as_range){0, 0};
  if (capacity == 0 || capacity % AS_GROUP_SIZE != 0) {
    return fail(reader, AS_E_INVALID, "read");
  }
  if (offset > end) {
    return fail(reader, AS_E_RANGE, "read");
  }
  uint64_t first = offset / AS_GROUP_SIZE;
  uint64_t left = offset == end ? 0 : end - first * AS_GROUP_SIZE;
  size_t whole = left < capacity ? (size_t)left : capacity;
  int error = read_proven(reader, first, buffer, whole, bad);
  if (error == AS_E_CORRUPT) {
    error = conclude_corrupt(reader);
  }
  if (error) {
    return fail(reader, error, "read");
  }
  if (whole) {
    *skip = (size_t)(offset - first * AS_GROUP_SIZE);
    *size = whole - *skip;
  }
  return 0;
}
