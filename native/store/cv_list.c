/*
 * Chaining values in memory, then in a scratch file; see cv_list.h.
 * May include: cv_list.h, core/crc32c.h, io/io.h. Called by: as declared there.
 */
#include "store/cv_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc32c.h"

enum { FIRST_CAPACITY = 64 }; /* values: most objects with a tree are small */

void as_cv_list_init(as_cv_list *list, const as_io *io, int (*open_scratch)(void *context), void *context) {
  *list = (as_cv_list){.io = io, .open_scratch = open_scratch, .context = context, .scratch = -1};
}

void as_cv_list_resume(as_cv_list *list, int scratch, uint64_t spooled, uint32_t crc) {
  list->scratch = scratch;
  list->spooled = spooled;
  list->crc = crc;
}

uint64_t as_cv_list_count(const as_cv_list *list) { return list->spooled + list->held; }

int as_cv_list_spool(as_cv_list *list) {
  if (list->scratch < 0) {
    int fd = list->open_scratch(list->context);
    if (fd < 0) {
      return fd;
    }
    list->scratch = fd;
  }
  int error = as_io_write(list->io, list->scratch, list->memory, list->held * AS_DIGEST_SIZE,
                          list->base + list->spooled * AS_DIGEST_SIZE);
  if (error) {
    return error;
  }
  list->crc = as_crc32c(list->crc, list->memory, list->held * AS_DIGEST_SIZE);
  list->spooled += list->held;
  list->held = 0;
  return 0;
}

/* Makes room for at least one more value. */
static int make_room(as_cv_list *list) {
  if (list->held < list->capacity) {
    return 0;
  }
  if (list->capacity == AS_CV_LIST_MEMORY) {
    return as_cv_list_spool(list);
  }
  size_t capacity = list->capacity ? list->capacity * 2 : FIRST_CAPACITY;
  uint8_t *memory = realloc(list->memory, capacity * AS_DIGEST_SIZE);
  if (!memory) {
    return -ENOMEM;
  }
  list->memory = memory;
  list->capacity = capacity;
  return 0;
}

int as_cv_list_add(void *context, const uint8_t *values, size_t count) {
  as_cv_list *list = context;
  while (count > 0) {
    int error = make_room(list);
    if (error) {
      return error;
    }
    size_t room = list->capacity - list->held;
    size_t now = count < room ? count : room;
    memcpy(list->memory + list->held * AS_DIGEST_SIZE, values, now * AS_DIGEST_SIZE);
    list->held += now;
    values += now * AS_DIGEST_SIZE;
    count -= now;
  }
  return 0;
}

int as_cv_list_get(const as_cv_list *list, uint64_t first, size_t count, uint8_t *out) {
  size_t from_scratch = 0;
  if (first < list->spooled) {
    uint64_t left = list->spooled - first;
    from_scratch = left < count ? (size_t)left : count;
    size_t size = from_scratch * AS_DIGEST_SIZE;
    ssize_t got = as_io_read(list->io, list->scratch, out, size, list->base + first * AS_DIGEST_SIZE);
    if (got != (ssize_t)size) {
      return got < 0 ? (int)got : -EIO;
    }
  }
  if (from_scratch < count) {
    size_t index = (size_t)(first + from_scratch - list->spooled);
    memcpy(out + from_scratch * AS_DIGEST_SIZE, list->memory + index * AS_DIGEST_SIZE,
           (count - from_scratch) * AS_DIGEST_SIZE);
  }
  return 0;
}

void as_cv_list_free(as_cv_list *list) {
  free(list->memory);
  list->memory = NULL;
  list->held = list->capacity = 0;
  as_io_close(list->io, &list->scratch);
}
