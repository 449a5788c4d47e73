/*
 * Looking up, publishing and marking objects; see objects.h. Removing them is remove.c.
 * May include: objects.h, durable.h, outboard.h, core/error.h, io/io.h. Called by: as declared there, and as_store_stat
 * by users of the core.
 */
#include "store/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "store/durable.h"
#include "store/outboard.h"

as_object_path as_object_path_of(const uint8_t address[AS_DIGEST_SIZE], const char *suffix) {
  static const char digits[] = "0123456789abcdef";
  as_object_path path;
  char *at = path.text;
  *at++ = digits[address[0] >> 4];
  *at++ = digits[address[0] & 15];
  *at++ = '/';
  for (int i = 0; i < AS_DIGEST_SIZE; i++) {
    *at++ = digits[address[i] >> 4];
    *at++ = digits[address[i] & 15];
  }
  strcpy(at, suffix);
  return path;
}

/* as_store_fail with a path relative to objects/. */
static int fail(const as_store *store, int error, const char *call, const char *path) {
  char relative[sizeof(as_object_path) + sizeof "objects/"];
  snprintf(relative, sizeof relative, "objects/%s", path);
  return as_store_fail(store, error, call, relative);
}

void as_object_lock(as_store *store, const uint8_t address[AS_DIGEST_SIZE]) {
  pthread_mutex_lock(&store->names[address[0] % AS_NAME_LOCKS]);
}

void as_object_unlock(as_store *store, const uint8_t address[AS_DIGEST_SIZE]) {
  pthread_mutex_unlock(&store->names[address[0] % AS_NAME_LOCKS]);
}

/* Looks at one file: *exists, and *out when it does. */
static int look_at(const as_store *store, const char *path, int *exists, struct stat *out) {
  int error = store->io->stat_at(store->io, store->objects, path, out);
  *exists = error == 0;
  return error && error != -ENOENT ? fail(store, error, "stat", path) : 0;
}

static int look_up_file(as_store *store, const uint8_t address[AS_DIGEST_SIZE], uint64_t size, as_presence *presence,
                        uint64_t *found) {
  struct stat object, beside;
  int exists;
  *presence = AS_OBJECT_ABSENT;
  int error = look_at(store, as_object_path_of(address, "").text, &exists, &object);
  if (error || !exists) {
    return error;
  }
  *found = (uint64_t)object.st_size;
  *presence = AS_OBJECT_DAMAGED;
  if (!S_ISREG(object.st_mode) || (size != AS_SIZE_UNKNOWN && *found != size)) {
    return 0;
  }
  error = look_at(store, as_object_path_of(address, AS_SUFFIX_DAMAGED).text, &exists, &beside);
  if (error || exists) {
    return error;
  }
  uint64_t outboard_size = as_outboard_size(*found);
  if (outboard_size) {
    error = look_at(store, as_object_path_of(address, AS_SUFFIX_OUTBOARD).text, &exists, &beside);
    if (error || !exists || (uint64_t)beside.st_size != outboard_size) {
      return error;
    }
  }
  *presence = AS_OBJECT_PRESENT;
  return 0;
}

int as_object_look_up(as_store *store, const uint8_t address[AS_DIGEST_SIZE], uint64_t size, as_presence *presence,
                      uint64_t *found) {
  as_entry entry;
  int packed = as_packs_find(store, address, &entry);
  if (packed == 0) {
    return look_up_file(store, address, size, presence, found);
  }
  if (packed < 0) {
    return as_store_fail(store, packed, "look up", "packs");
  }
  *found = entry.at.size;
  *presence = entry.kind == AS_RECORD_DAMAGED ? AS_OBJECT_DAMAGED : AS_OBJECT_PRESENT;
  return 0;
}

int as_store_stat(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], uint64_t *size) {
  as_presence presence;
  as_object_lock(store, blake3);
  int error = as_object_look_up(store, blake3, AS_SIZE_UNKNOWN, &presence, size);
  as_object_unlock(store, blake3);
  if (error || presence == AS_OBJECT_PRESENT) {
    return error;
  }
  return fail(store, presence == AS_OBJECT_ABSENT ? AS_E_MISSING : AS_E_CORRUPT, "stat",
              as_object_path_of(blake3, "").text);
}

/* ---- opening ---- */

static int open_locked(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_object_files *out) {
  const as_io *io = store->io;
  as_object_path path = as_object_path_of(address, "");
  struct stat status;
  out->object = as_io_open(io, store->objects, path.text, O_RDONLY | O_NOFOLLOW, 0);
  if (out->object < 0) {
    return fail(store, out->object == -ENOENT ? AS_E_MISSING : out->object, "open", path.text);
  }
  int error = io->stat(io, out->object, &status);
  if (error) {
    return fail(store, error, "fstat", path.text);
  }
  out->size = (uint64_t)status.st_size;
  error = look_at(store, as_object_path_of(address, AS_SUFFIX_DAMAGED).text, &out->damaged, &status);
  if (error) {
    return error;
  }
  /* Also where the size says that none is needed: an object cut short still has the outboard that proves it. */
  path = as_object_path_of(address, AS_SUFFIX_OUTBOARD);
  int outboard = as_io_open(io, store->objects, path.text, O_RDONLY | O_NOFOLLOW, 0);
  if (outboard < 0 && outboard != -ENOENT) {
    return fail(store, outboard, "open", path.text);
  }
  out->outboard = outboard < 0 ? -1 : outboard;
  return 0;
}

/* AS_E_MISSING when the segment has gone since the address was looked up: the object has moved, or has been deleted. */
static int open_packed(as_store *store, const as_entry *entry, as_object_files *out) {
  int error = as_segment_pin(store, entry->at.segment, &out->segment);
  if (error) {
    return error;
  }
  out->object = out->segment->fd;
  out->base = entry->at.offset;
  out->at = entry->at;
  out->size = entry->at.size;
  out->damaged = entry->kind == AS_RECORD_DAMAGED;
  if (as_outboard_size(out->size)) {
    out->outboard = out->segment->fd;
    out->outboard_base = out->base + out->size;
  }
  return 0;
}

/* Opens an object if it is packed: 1, 0, or an error. */
static int try_packed(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_object_files *out) {
  as_entry entry;
  int found, error = AS_E_MISSING;
  while (error == AS_E_MISSING) { /* compaction moves an object before it deletes the segment: look again */
    found = as_packs_find(store, address, &entry);
    if (found <= 0) {
      return found < 0 ? as_store_fail(store, found, "look up", "packs") : 0;
    }
    error = open_packed(store, &entry, out);
  }
  return error ? error : 1;
}

int as_object_open(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_object_files *out) {
  *out = (as_object_files){.object = -1, .outboard = -1};
  int packed = try_packed(store, address, out);
  if (packed) {
    return packed < 0 ? packed : 0;
  }
  as_object_lock(store, address);
  int error = open_locked(store, address, out);
  as_object_unlock(store, address);
  if (error) {
    as_object_close(store, out);
  }
  return error;
}

void as_object_close(as_store *store, as_object_files *files) {
  if (files->segment) {
    as_segment_unpin(store, files->segment);
    *files = (as_object_files){.object = -1, .outboard = -1};
    return;
  }
  as_io_close(store->io, &files->object);
  as_io_close(store->io, &files->outboard);
}

/* ---- publishing ---- */

typedef int (*place_call)(as_store *store, as_staged *staged, int directory, const char *path);

/* Links or renames a staged file to `path`, making the fan-out folder when it is not there. */
static int place(as_store *store, as_staged *staged, const char *path, place_call call) {
  int error = call(store, staged, store->objects, path);
  if (error == -ENOENT) {
    const char folder[3] = {path[0], path[1], '\0'};
    error = store->io->make_directory(store->io, store->objects, folder, 0777);
    if (!error) {
      as_durable_folder_made(store);
    }
    error = error && error != -EEXIST ? error : call(store, staged, store->objects, path);
  }
  return error ? fail(store, error, call == as_staging_link ? "link" : "rename", path) : 0;
}

/* Removes one file of an object; that it is not there is no error. */
static int drop(const as_store *store, const uint8_t address[AS_DIGEST_SIZE], const char *suffix) {
  as_object_path path = as_object_path_of(address, suffix);
  int error = store->io->unlink(store->io, store->objects, path.text);
  return error && error != -ENOENT ? fail(store, error, "unlink", path.text) : 0;
}

/* Puts an object where there was none. Its outboard and mark may be there, left by a removal that was cut short. */
static int publish_new(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_staged *object, as_staged *outboard) {
  int error = drop(store, address, AS_SUFFIX_DAMAGED);
  if (!error && outboard->fd >= 0) {
    error = place(store, outboard, as_object_path_of(address, AS_SUFFIX_OUTBOARD).text, as_staging_replace);
  }
  if (!error) {
    error = place(store, object, as_object_path_of(address, "").text, as_staging_link);
    if (error && outboard->fd >= 0) {
      drop(store, address, AS_SUFFIX_OUTBOARD);
    }
  }
  return error;
}

/* Puts an object in place of a damaged copy; the mark goes last, so the name never stands for bytes not known to be
 * whole. */
static int publish_over(as_store *store, const uint8_t address[AS_DIGEST_SIZE], as_staged *object,
                        as_staged *outboard) {
  int error = 0;
  if (outboard->fd >= 0) {
    error = place(store, outboard, as_object_path_of(address, AS_SUFFIX_OUTBOARD).text, as_staging_replace);
  }
  error = error ? error : place(store, object, as_object_path_of(address, "").text, as_staging_replace);
  return error ? error : drop(store, address, AS_SUFFIX_DAMAGED);
}

int as_object_publish(as_store *store, const uint8_t address[AS_DIGEST_SIZE], uint64_t size, as_staged *object,
                      as_staged *outboard, int *existed, int *healed) {
  as_presence presence;
  uint64_t found;
  as_object_lock(store, address);
  int error = look_up_file(store, address, size, &presence, &found);
  *existed = !error && presence == AS_OBJECT_PRESENT;
  *healed = !error && presence == AS_OBJECT_DAMAGED;
  if (!error && !*existed) {
    error = *healed ? publish_over(store, address, object, outboard) : publish_new(store, address, object, outboard);
    as_durable_changed(store, address[0]); /* on failure too: some of it may have happened */
  }
  as_object_unlock(store, address);
  return error;
}

/* ---- marking and mending ---- */

/* Whether the file at the object's name is the one open as `fd`. */
static int is_current(as_store *store, const uint8_t address[AS_DIGEST_SIZE], int fd, int *current) {
  struct stat named, open;
  int exists;
  int error = look_at(store, as_object_path_of(address, "").text, &exists, &named);
  if (!error && exists) {
    error = store->io->stat(store->io, fd, &open);
  }
  *current = !error && exists && named.st_ino == open.st_ino && named.st_dev == open.st_dev;
  return error;
}

static int create_mark(const as_store *store, const uint8_t address[AS_DIGEST_SIZE]) {
  as_object_path path = as_object_path_of(address, AS_SUFFIX_DAMAGED);
  int fd = as_io_open(store->io, store->objects, path.text, O_RDONLY | O_CREAT, 0444);
  if (fd < 0) {
    return fail(store, fd, "open", path.text);
  }
  as_io_close(store->io, &fd);
  return 0;
}

int as_object_is_current(as_store *store, const uint8_t address[AS_DIGEST_SIZE], const as_object_files *files) {
  as_entry entry;
  int current = 0;
  if (files->segment) {
    int found = as_packs_find(store, address, &entry);
    return found <= 0 ? found : entry.at.segment == files->at.segment && entry.at.offset == files->at.offset;
  }
  as_object_lock(store, address);
  int error = is_current(store, address, files->object, &current);
  as_object_unlock(store, address);
  return error ? error : current;
}

static int mark_packed(as_store *store, const uint8_t address[AS_DIGEST_SIZE], const as_object_files *files,
                       int damaged) {
  as_pack_item item = {.record = {.kind = damaged ? AS_RECORD_DAMAGED : AS_RECORD_WHOLE, .at = files->at},
                       .only_at = &files->at};
  memcpy(item.record.blake3, address, AS_DIGEST_SIZE);
  as_packs_commit(store, &item, 1);
  return item.status;
}

int as_object_mark(as_store *store, const uint8_t address[AS_DIGEST_SIZE], const as_object_files *files, int damaged) {
  int current, fd = files->object;
  if (files->segment) {
    return mark_packed(store, address, files, damaged);
  }
  as_object_lock(store, address);
  int error = is_current(store, address, fd, &current);
  if (!error && current) {
    error = damaged ? create_mark(store, address) : drop(store, address, AS_SUFFIX_DAMAGED);
    as_durable_changed(store, address[0]);
  }
  as_object_unlock(store, address);
  return error ? error : as_durable_sync_one(store, address[0]);
}

int as_object_repack(as_store *store, const as_digests *digests, const as_object_files *files, const uint8_t *bytes,
                     const uint8_t *outboard, int *written) {
  as_pack_item item = {.record = {.kind = AS_RECORD_OBJECT, .at = {.size = (uint32_t)files->size}},
                       .bytes = bytes,
                       .outboard = outboard,
                       .only_at = &files->at};
  memcpy(item.record.blake3, digests->blake3, AS_DIGEST_SIZE);
  memcpy(item.record.sha256, digests->sha256, AS_DIGEST_SIZE);
  as_packs_commit(store, &item, 1);
  *written = !item.status && item.written;
  return item.status;
}

int as_object_replace_outboard(as_store *store, const uint8_t address[AS_DIGEST_SIZE], const as_object_files *files,
                               as_staged *outboard) {
  int current, fd = files->object;
  as_object_lock(store, address);
  int error = is_current(store, address, fd, &current);
  if (!error && current) {
    error = place(store, outboard, as_object_path_of(address, AS_SUFFIX_OUTBOARD).text, as_staging_replace);
    as_durable_changed(store, address[0]);
  }
  as_object_unlock(store, address);
  return error ? error : as_durable_sync_one(store, address[0]);
}
