/*
 * Verifying a stored object: a full re-read and re-digest, in steps, that says which ranges are damaged, mends an
 * outboard whose object is whole, and sets or clears the mark of damage. With AS_VERIFY_BLAKE3 only the chaining values
 * of its groups are computed, which is all that finding and naming damage takes. One object alone is read on two cores: both digests as
 * lane.h does it, chaining values by halves.
 * May include: lane.h, objects.h, outboard.h, ranges.h, core/error.h, io/io.h. Called by: users of the core.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/lane.h"
#include "store/objects.h"
#include "store/outboard.h"
#include "store/ranges.h"

enum {
  READ_AHEAD = 32 * 1024 * 1024, /* bytes asked of the disk before they are needed: keeps its queue full while we hash */
  HALF_MAX = 8 * 1024 * 1024,    /* bytes that each of two threads hashes before they meet: some milliseconds */
  HALF_MIN = AS_LANE_FROM        /* and from which on a thread is worth it */
};

struct as_verifier {
  as_store *store;
  uint8_t address[AS_DIGEST_SIZE];
  as_object_files files;
  unsigned flags;
  uint64_t length; /* bytes read so far */
  uint64_t ahead;  /* asked of the disk up to here */
  int unreadable;  /* some of them stand for bytes that the disk does not give */
  int alone;       /* reading by halves met something unusual: the rest is read in order */
  as_ranges bad;
  as_cv_list values;
  uint8_t first[AS_DIGEST_SIZE]; /* under AS_VERIFY_BLAKE3: the digest of an object that is only its first group */
  as_dual dual;
};

/* as_fail naming the object. */
static int fail(const as_verifier *verifier, int error, const char *call) {
  char relative[sizeof(as_object_path) + sizeof "objects/"] = "objects/";
  strcat(relative, as_object_path_of(verifier->address, "").text);
  return as_store_fail(verifier->store, error, call, relative);
}

int as_verifier_open(as_store *store, const uint8_t blake3[AS_DIGEST_SIZE], unsigned flags, as_verifier **out,
                     uint64_t *size) {
  *out = NULL;
  if (flags & ~(unsigned)AS_VERIFY_BLAKE3) {
    return as_fail(AS_E_INVALID, "verify", store->path);
  }
  as_verifier *verifier = calloc(1, sizeof *verifier);
  if (!verifier) {
    return as_fail(-ENOMEM, "open", store->path);
  }
  verifier->store = store;
  verifier->flags = flags;
  memcpy(verifier->address, blake3, AS_DIGEST_SIZE);
  as_cv_list_init(&verifier->values, store->io, as_staging_open_scratch, store);
  as_dual_init(&verifier->dual, as_cv_list_add, &verifier->values);
  as_blake3_hash(NULL, 0, verifier->first);
  int error = as_object_open(store, blake3, &verifier->files);
  if (error) {
    as_verifier_abort(verifier);
    return error;
  }
  store->io->will_read_in_order(store->io, verifier->files.object);
  *size = verifier->files.size;
  *out = verifier;
  return 0;
}

void as_verifier_abort(as_verifier *verifier) {
  if (verifier) {
    as_object_close(verifier->store, &verifier->files);
    as_cv_list_free(&verifier->values);
    as_ranges_free(&verifier->bad);
    free(verifier);
  }
}

/* ---- reading ---- */

static ssize_t read_object(const as_verifier *verifier, uint8_t *buffer, size_t size, uint64_t offset) {
  return as_io_read(verifier->store->io, verifier->files.object, buffer, size, verifier->files.base + offset);
}

/* Reads `size` bytes group by group, zeros standing for those that the disk does not give, which are noted as
 * damaged. */
static ssize_t read_around_damage(as_verifier *verifier, uint8_t *buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    uint64_t at = verifier->length + done;
    size_t to_boundary = (size_t)(AS_GROUP_SIZE - at % AS_GROUP_SIZE);
    size_t piece = to_boundary < size - done ? to_boundary : size - done;
    ssize_t count = read_object(verifier, buffer + done, piece, at);
    if (count == -EIO) {
      uint64_t start = at / AS_GROUP_SIZE * AS_GROUP_SIZE, end = start + AS_GROUP_SIZE;
      as_ranges_add(&verifier->bad, (as_range){start, end < verifier->files.size ? end : verifier->files.size});
      verifier->unreadable = 1;
      memset(buffer + done, 0, piece);
      count = (ssize_t)piece;
    }
    if (count < 0) {
      return count;
    }
    done += (size_t)count;
    if ((size_t)count < piece) {
      break;
    }
  }
  return (ssize_t)done;
}

/* Asks the disk for what comes next, half the distance at a time. */
static void read_ahead(as_verifier *verifier) {
  const as_object_files *files = &verifier->files;
  uint64_t wanted = verifier->length + READ_AHEAD < files->size ? verifier->length + READ_AHEAD : files->size;
  if (wanted > verifier->ahead && (wanted == files->size || wanted - verifier->ahead >= READ_AHEAD / 2)) {
    verifier->store->io->start_read(verifier->store->io, files->object, files->base + verifier->ahead,
                                    wanted - verifier->ahead);
    verifier->ahead = wanted;
  }
}

/* Reads the next bytes into the buffer, `size` of them but at the end of the object. Returns how many, or a negative error. */
static ssize_t read_step(as_verifier *verifier, uint8_t *buffer, size_t most) {
  uint64_t left = verifier->files.size - verifier->length;
  size_t size = most < AS_STEP_SIZE ? (most + AS_GROUP_SIZE - 1) / AS_GROUP_SIZE * AS_GROUP_SIZE : AS_STEP_SIZE;
  size = left < size ? (size_t)left : size;
  read_ahead(verifier);
  ssize_t count = read_object(verifier, buffer, size, verifier->length);
  if (count == -EIO) {
    count = read_around_damage(verifier, buffer, size);
  }
  if (count < 0) {
    return fail(verifier, (int)count, "read");
  }
  if ((size_t)count < size) { /* cut short since it was opened: what is there is the object now */
    verifier->files.size = verifier->length + (uint64_t)count;
  }
  verifier->length += (uint64_t)count;
  return count;
}

static int has_more(const as_verifier *verifier, size_t most, size_t taken) {
  return taken < most && verifier->length < verifier->files.size;
}

static int spool_failed(const as_verifier *verifier, int error) {
  return error ? as_store_fail(verifier->store, error, "write", "staging") : 0;
}

/* ---- both digests ---- */

static int pump_both(as_verifier *verifier, size_t most, size_t *taken) {
  as_lane lane;
  int error = 0;
  uint64_t left = verifier->files.size - verifier->length;
  as_lane_begin(&lane, verifier->store, &verifier->dual, left < most ? left : most);
  while (!error && has_more(verifier, most, *taken)) {
    uint8_t *buffer = as_lane_buffer(&lane);
    ssize_t count = buffer ? read_step(verifier, buffer, most - *taken) : fail(verifier, -ENOMEM, "read");
    error = count < 0 ? (int)count : spool_failed(verifier, as_lane_update(&lane, buffer, (size_t)count));
    *taken += count < 0 ? 0 : (size_t)count;
  }
  as_lane_end(&lane);
  return error;
}

/* ---- chaining values alone ---- */

/* Adds the chaining values of the groups at `offset`; like as_dual_update, none for an object of one group. */
static int add_groups(as_verifier *verifier, const uint8_t *bytes, size_t size, uint64_t offset) {
  uint8_t values[AS_STEP_SIZE / AS_GROUP_SIZE * AS_DIGEST_SIZE];
  size_t count = size / AS_GROUP_SIZE, rest = size % AS_GROUP_SIZE;
  uint64_t first = offset / AS_GROUP_SIZE;
  if (first == 0) {
    as_blake3_hash(bytes, count ? AS_GROUP_SIZE : rest, verifier->first);
  }
  if (verifier->files.size <= AS_GROUP_SIZE) {
    return 0;
  }
  as_blake3_groups(bytes, count, first, values);
  if (rest) {
    as_blake3_subtree(bytes + size - rest, rest, first + count, values + count * AS_DIGEST_SIZE);
    count++;
  }
  return as_cv_list_add(&verifier->values, values, count);
}

static int pump_in_order(as_verifier *verifier, size_t most, size_t *taken) {
  uint8_t *buffer = as_store_buffer(verifier->store);
  ssize_t count = buffer ? read_step(verifier, buffer, most) : fail(verifier, -ENOMEM, "read");
  int error = count < 0 ? (int)count : 0;
  if (count > 0) {
    *taken += (size_t)count;
    error = spool_failed(verifier, add_groups(verifier, buffer, (size_t)count, verifier->length - (uint64_t)count));
  }
  as_store_buffer_release(verifier->store, buffer);
  return error;
}

/* One half of a stretch of whole groups. */
typedef struct half {
  const as_verifier *verifier;
  uint64_t offset;
  size_t size;
  uint8_t values[HALF_MAX / AS_GROUP_SIZE * AS_DIGEST_SIZE];
  int whole; /* all was read and hashed */
} half;

static void hash_half(void *context) {
  half *part = context;
  as_store *store = part->verifier->store;
  uint8_t *buffer = as_store_buffer(store), *values = part->values;
  part->whole = buffer != NULL;
  for (size_t done = 0; part->whole && done < part->size;) {
    size_t size = part->size - done < AS_STEP_SIZE ? part->size - done : AS_STEP_SIZE;
    uint64_t offset = part->offset + done;
    part->whole = read_object(part->verifier, buffer, size, offset) == (ssize_t)size;
    if (part->whole) {
      as_blake3_groups(buffer, size / AS_GROUP_SIZE, offset / AS_GROUP_SIZE, values);
    }
    values += size / AS_GROUP_SIZE * AS_DIGEST_SIZE;
    done += size;
  }
  as_store_buffer_release(store, buffer);
}

/* Both halves at once. *taken does not grow when there is no second thread, or something to be looked at group by group. */
static int pump_halves(as_verifier *verifier, as_second *second, size_t size, size_t *taken) {
  half parts[2];
  for (int i = 0; i < 2; i++) {
    parts[i].verifier = verifier;
    parts[i].offset = verifier->length + (uint64_t)i * size;
    parts[i].size = size;
  }
  read_ahead(verifier);
  if (!as_second_start(second, hash_half, &parts[1])) {
    return 0;
  }
  hash_half(&parts[0]);
  as_second_wait(second);
  verifier->alone = !parts[0].whole || !parts[1].whole;
  int error = 0;
  for (int i = 0; i < 2 && !error && !verifier->alone; i++) {
    error = as_cv_list_add(&verifier->values, parts[i].values, size / AS_GROUP_SIZE);
    verifier->length += size;
    *taken += size;
  }
  return spool_failed(verifier, error);
}

/* The size of two equal halves of what may be taken; 0 where they would not be worth it. The first group has its turn in order. */
static size_t half_size(const as_verifier *verifier, size_t most) {
  uint64_t left = verifier->files.size - verifier->length;
  uint64_t size = (left < most ? left : most) / (2 * AS_GROUP_SIZE) * AS_GROUP_SIZE;
  if (verifier->alone || verifier->length == 0 || verifier->length % AS_GROUP_SIZE || size < HALF_MIN) {
    return 0;
  }
  return size < HALF_MAX ? (size_t)size : HALF_MAX;
}

static int pump_values(as_verifier *verifier, size_t most, size_t *taken) {
  as_second second;
  int error = 0, halves = 1; /* asked for a second thread in vain, a call does not ask again */
  as_second_begin(&second, verifier->store);
  while (!error && has_more(verifier, most, *taken)) {
    size_t size = halves ? half_size(verifier, most - *taken) : 0, before = *taken;
    error = size ? pump_halves(verifier, &second, size, taken) : pump_in_order(verifier, most - *taken, taken);
    halves = halves && *taken > before;
  }
  as_second_end(&second);
  return error;
}

int as_verifier_pump(as_verifier *verifier, size_t most, size_t *taken) {
  *taken = 0;
  return verifier->flags & AS_VERIFY_BLAKE3 ? pump_values(verifier, most, taken) : pump_both(verifier, most, taken);
}

/* ---- two at once ---- */

/* A step of each, hashed by one kernel. An error of one leaves the other as it should be. */
static void pump_pair_step(as_verifier *const verifiers[2], uint8_t *const buffers[2], size_t most, size_t taken[2], int errors[2]) {
  as_dual *duals[2] = {&verifiers[0]->dual, &verifiers[1]->dual};
  as_span inputs[2];
  int hashed[2];
  for (int i = 0; i < 2; i++) {
    ssize_t count = read_step(verifiers[i], buffers[i], most - taken[i]);
    errors[i] = count < 0 ? (int)count : 0;
    inputs[i] = (as_span){buffers[i], count < 0 ? 0 : (size_t)count};
    taken[i] += inputs[i].size;
  }
  as_dual2_update(duals, inputs, hashed);
  for (int i = 0; i < 2; i++) {
    errors[i] = errors[i] ? errors[i] : spool_failed(verifiers[i], hashed[i]);
  }
}

void as_verifier_pump_pair(as_verifier *const verifiers[2], size_t most, size_t taken[2], int errors[2]) {
  as_store *store = verifiers[0]->store;
  as_second second;
  uint8_t *buffers[2] = {as_store_buffer(store), as_store_buffer(store)};
  int both = buffers[0] && buffers[1] && !((verifiers[0]->flags | verifiers[1]->flags) & AS_VERIFY_BLAKE3);
  taken[0] = taken[1] = 0;
  errors[0] = errors[1] = 0;
  as_second_begin(&second, store);
  while (both && !errors[0] && !errors[1] && has_more(verifiers[0], most, taken[0]) && has_more(verifiers[1], most, taken[1])) {
    pump_pair_step(verifiers, buffers, most, taken, errors);
  }
  as_second_end(&second);
  as_store_buffer_release(store, buffers[1]);
  as_store_buffer_release(store, buffers[0]);
  for (int i = 0; i < 2; i++) { /* what one has more than the other */
    size_t rest = 0;
    if (!errors[i] && taken[i] < most) {
      errors[i] = as_verifier_pump(verifiers[i], most - taken[i], &rest);
    }
    taken[i] += rest;
  }
}

/* ---- an object that is whole: is its outboard? ---- */

typedef struct outboard_part {
  const as_verifier *verifier;
  uint8_t *buffer;
  int fd;
  int differs;
} outboard_part;

static int compare_part(void *context, uint64_t position, const uint8_t *bytes, size_t size) {
  outboard_part *part = context;
  uint64_t base = part->verifier->files.outboard_base;
  ssize_t count = as_io_read(part->verifier->store->io, part->fd, part->buffer, size, base + position);
  if (count < 0 && count != -EIO) {
    return (int)count;
  }
  part->differs |= count != (ssize_t)size || memcmp(part->buffer, bytes, size) != 0;
  return 0;
}

static int write_part(void *context, uint64_t position, const uint8_t *bytes, size_t size) {
  const outboard_part *part = context;
  return as_io_write(part->verifier->store->io, part->fd, bytes, size, position);
}

static int skip_part(void *context, uint64_t position, const uint8_t *bytes, size_t size) {
  return (void)context, (void)position, (void)bytes, (void)size, 0;
}

/* Whether there is an outboard of the right size. */
static int outboard_fits(const as_verifier *verifier, int *fits) {
  const as_io *io = verifier->store->io;
  struct stat status;
  *fits = verifier->files.outboard >= 0;
  if (!*fits || verifier->files.segment) {
    return 0;
  }
  int error = io->stat(io, verifier->files.outboard, &status);
  *fits = !error && (uint64_t)status.st_size == as_outboard_size(verifier->length);
  return error;
}

/* Whether the stored outboard is, byte for byte, the one that the object's bytes give, and the root of that one. */
static int outboard_differs(const as_verifier *verifier, int *differs, uint8_t root[AS_DIGEST_SIZE]) {
  int fits;
  int error = outboard_fits(verifier, &fits);
  if (error) {
    return error;
  }
  outboard_part part = {verifier, as_store_buffer(verifier->store), verifier->files.outboard, 0};
  error = part.buffer ? as_outboard_build(&verifier->values, verifier->length, fits ? compare_part : skip_part, &part, root)
                      : -ENOMEM;
  as_store_buffer_release(verifier->store, part.buffer);
  *differs = !fits || part.differs;
  return error;
}

/* Whether bytes that were whole and are not any more have been deleted meanwhile: then they are gone, not damaged. */
static int gone_or_damaged(const as_verifier *verifier) {
  int current = as_object_is_current(verifier->store, verifier->address, &verifier->files);
  return current < 0 ? current : current ? AS_E_CORRUPT : AS_E_MISSING;
}

/* A packed object is written anew, with the outboard that its bytes give. */
static int repack(as_verifier *verifier, int *repaired) {
  size_t size = (size_t)verifier->length;
  uint8_t root[AS_DIGEST_SIZE];
  as_digests digests;
  uint8_t *bytes = malloc(size + (size_t)as_outboard_size(size));
  int error = bytes ? 0 : -ENOMEM;
  if (!error) {
    ssize_t count = read_object(verifier, bytes, size, 0);
    error = count < 0 ? (int)count : (size_t)count < size ? AS_E_CORRUPT : 0;
  }
  error = error ? error : as_outboard_build(&verifier->values, size, as_outboard_copy, bytes + size, root);
  if (!error) {
    as_span whole = {bytes, size};
    as_dual_many(&whole, 1, &digests); /* what was read again is written, so it must be what was verified */
    error = memcmp(digests.blake3, verifier->address, AS_DIGEST_SIZE) == 0 ? 0 : gone_or_damaged(verifier);
  }
  error = error ? fail(verifier, error, "verify")
                : as_object_repack(verifier->store, &digests, &verifier->files, bytes, bytes + size, repaired);
  free(bytes);
  return error;
}

static int rewrite_outboard(as_verifier *verifier) {
  as_store *store = verifier->store;
  as_staged staged;
  uint8_t root[AS_DIGEST_SIZE];
  int error = as_staging_create(store, &staged);
  if (error) {
    return error;
  }
  outboard_part part = {verifier, NULL, staged.fd, 0};
  error = as_outboard_build(&verifier->values, verifier->length, write_part, &part, root);
  error = error ? error : as_io_sync_data(store->io, staged.fd);
  if (error) {
    as_store_fail(store, error, "write", "staging");
  } else {
    error = as_object_replace_outboard(store, verifier->address, &verifier->files, &staged);
  }
  as_staging_discard(store, &staged);
  return error;
}

/* `differs`: its outboard is not the one its bytes give. */
static int conclude_intact(as_verifier *verifier, as_verified *out, int differs) {
  int error = 0;
  out->intact = 1;
  if (verifier->store->read_only) {
    return 0;
  }
  if (differs) {
    int repaired = 1;
    error = verifier->files.segment ? repack(verifier, &repaired) : rewrite_outboard(verifier);
    out->outboard_repaired = !error && repaired;
  }
  int moved = differs && verifier->files.segment; /* a new record is whole by itself */
  if (!error && verifier->files.damaged && !moved) {
    error = as_object_mark(verifier->store, verifier->address, &verifier->files, 0);
  }
  return error;
}

/* ---- an object that is not ---- */

static void add_bad(void *context, as_range range) {
  as_verifier *verifier = context;
  as_ranges_add(&verifier->bad, range);
}

/* The size of the object that the stored outboard was made for, as far as its own size confirms it: what its header
 * says, or the length of the file; the larger where both fit, which then have the same tree, so that the bytes missing
 * at the end are named. 0 when neither does. */
static int outboard_object_size(const as_verifier *verifier, uint64_t *size) {
  const as_io *io = verifier->store->io;
  struct stat status;
  uint64_t stated;
  *size = 0;
  if (verifier->files.segment) { /* its record says so, and what it says has a checksum */
    *size = verifier->files.size;
    return 0;
  }
  if (verifier->files.outboard < 0) {
    return 0;
  }
  int error = io->stat(io, verifier->files.outboard, &status);
  if (error) {
    return error;
  }
  as_outboard outboard = {.io = io, .fd = verifier->files.outboard};
  error = as_outboard_stated_size(&outboard, &stated);
  if (error && error != -EIO) {
    return error;
  }
  uint64_t outboard_size = (uint64_t)status.st_size;
  if (outboard_size > 0 && as_outboard_size(verifier->length) == outboard_size) {
    *size = verifier->length;
  }
  if (outboard_size > 0 && as_outboard_size(stated) == outboard_size && stated > *size) {
    *size = stated;
  }
  return 0;
}

/* The digests leave a tree of one group without a chaining value; the comparison wants one when a larger object was cut
 * down to it. */
static int add_only_group(as_verifier *verifier) {
  if (as_cv_list_count(&verifier->values) > 0 || verifier->length == 0) {
    return 0;
  }
  uint8_t value[AS_DIGEST_SIZE];
  uint8_t *buffer = as_store_buffer(verifier->store);
  size_t size = (size_t)verifier->length;
  int error = buffer ? 0 : -ENOMEM;
  if (!error && read_object(verifier, buffer, size, 0) == (ssize_t)size) {
    as_blake3_subtree(buffer, size, 0, value);
    error = as_cv_list_add(&verifier->values, value, 1);
  }
  as_store_buffer_release(verifier->store, buffer);
  return error;
}

/* Names the damage as narrowly as the outboard allows. */
static int locate_damage(as_verifier *verifier) {
  as_outboard outboard = {
      .io = verifier->store->io, .fd = verifier->files.outboard, .base = verifier->files.outboard_base};
  memcpy(outboard.root, verifier->address, AS_DIGEST_SIZE);
  int error = outboard_object_size(verifier, &outboard.size);
  if (error || outboard.size == 0) {
    as_ranges_add(&verifier->bad, (as_range){0, verifier->length});
    return error;
  }
  error = add_only_group(verifier);
  error = error ? error : as_outboard_compare(&outboard, &verifier->values, add_bad, verifier);
  if (verifier->length > outboard.size) { /* bytes beyond the end are damage too */
    as_ranges_add(&verifier->bad, (as_range){outboard.size / AS_GROUP_SIZE * AS_GROUP_SIZE, verifier->length});
  }
  return error;
}

static int conclude_damaged(as_verifier *verifier, as_verified *out, as_range *bad, size_t capacity) {
  int current = as_object_is_current(verifier->store, verifier->address, &verifier->files);
  if (current < 0 || (!current && verifier->files.segment)) { /* deleted meanwhile: its bytes are gone, not damaged */
    return fail(verifier, current < 0 ? current : AS_E_MISSING, "verify");
  }
  int error = locate_damage(verifier);
  if (error) {
    return fail(verifier, error, "verify");
  }
  out->bad_count = as_ranges_merge(&verifier->bad, bad, capacity);
  if (verifier->store->read_only) {
    return 0;
  }
  return as_object_mark(verifier->store, verifier->address, &verifier->files, 1);
}

/* The digests of what was read; without SHA-256, building the outboard gives the root, and comparing it costs nothing more. */
static int find_digests(as_verifier *verifier, as_digests *out, int *differs) {
  uint8_t root[AS_DIGEST_SIZE];
  int error = 0;
  *differs = 0;
  if (!(verifier->flags & AS_VERIFY_BLAKE3)) {
    error = as_dual_finish(&verifier->dual, out);
    if (error) {
      return as_store_fail(verifier->store, error, "write", "staging");
    }
  }
  int whole = verifier->flags & AS_VERIFY_BLAKE3 || memcmp(out->blake3, verifier->address, AS_DIGEST_SIZE) == 0;
  memcpy(root, verifier->first, sizeof root);
  if (whole && as_outboard_size(verifier->length)) {
    error = outboard_differs(verifier, differs, root);
  }
  if (verifier->flags & AS_VERIFY_BLAKE3) {
    memcpy(out->blake3, root, sizeof root);
  }
  return error ? fail(verifier, error, "verify") : 0;
}

static int conclude(as_verifier *verifier, as_verified *out, as_range *bad, size_t capacity) {
  int differs;
  if (capacity == 0 || verifier->length < verifier->files.size) {
    return fail(verifier, AS_E_INVALID, "verify");
  }
  int error = find_digests(verifier, &out->digests, &differs);
  if (error) {
    return error;
  }
  out->size = verifier->length;
  int intact = !verifier->unreadable && memcmp(out->digests.blake3, verifier->address, AS_DIGEST_SIZE) == 0;
  return intact ? conclude_intact(verifier, out, differs) : conclude_damaged(verifier, out, bad, capacity);
}

int as_verifier_finish(as_verifier *verifier, as_verified *out, as_range *bad, size_t capacity) {
  memset(out, 0, sizeof *out);
  int error = conclude(verifier, out, bad, capacity);
  as_verifier_abort(verifier);
  return error;
}
