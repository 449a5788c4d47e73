/*
 * Outboards: arithmetic, building, checking; see outboard.h.
 * May include: outboard.h, cv_list.h, io/io.h, artifactstore.h. Called by: as declared there.
 */
#include "store/outboard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A node of the tree: `groups` chunk groups from group `first`, its pair at `position` in the outboard. */
typedef struct node {
  uint64_t first;
  uint64_t groups;
  uint64_t position;
  int root;
} node;

uint64_t as_outboard_groups(uint64_t size) {
  return size == 0 ? 1 : (size - 1) / AS_GROUP_SIZE + 1;
}

uint64_t as_outboard_size(uint64_t size) {
  uint64_t groups = as_outboard_groups(size);
  return groups == 1 ? 0 : AS_OUTBOARD_HEADER + (groups - 1) * AS_OUTBOARD_PAIR;
}

uint64_t as_outboard_left(uint64_t groups) {
  return UINT64_C(1) << (63 - __builtin_clzll(groups - 1));
}

static node root_node(uint64_t size) {
  return (node){.first = 0, .groups = as_outboard_groups(size), .position = AS_OUTBOARD_HEADER, .root = 1};
}

static node left_child(node parent) {
  return (node){.first = parent.first,
                .groups = as_outboard_left(parent.groups),
                .position = parent.position + AS_OUTBOARD_PAIR};
}

static node right_child(node parent) {
  uint64_t left = as_outboard_left(parent.groups);
  return (node){.first = parent.first + left,
                .groups = parent.groups - left,
                .position = parent.position + left * AS_OUTBOARD_PAIR};
}

/* The bytes of the object that a node covers. */
static as_range node_range(node at, uint64_t size) {
  uint64_t start = at.first * AS_GROUP_SIZE;
  uint64_t end = (at.first + at.groups) * AS_GROUP_SIZE;
  return (as_range){.start = start < size ? start : size, .end = end < size ? end : size};
}

/* ---- building ---- */

typedef struct build {
  const as_cv_list *values;
  as_outboard_visit visit; /* NULL when only the chaining value is wanted */
  void *context;
  uint8_t *leaves; /* room for the chaining values of one block */
  uint8_t *pairs;  /* room for the pairs above them */
} build;

/* Lays out in memory, from leaves in memory, the subtree of `groups` groups; `out` receives its chaining value. */
static void lay_out(const uint8_t *leaves, uint64_t groups, int root, uint8_t *pairs, uint8_t out[AS_DIGEST_SIZE]) {
  if (groups == 1) {
    memcpy(out, leaves, AS_DIGEST_SIZE);
    return;
  }
  uint64_t left = as_outboard_left(groups);
  lay_out(leaves, left, 0, pairs + AS_OUTBOARD_PAIR, pairs);
  lay_out(leaves + left * AS_DIGEST_SIZE, groups - left, 0, pairs + left * AS_OUTBOARD_PAIR, pairs + AS_DIGEST_SIZE);
  as_blake3_parent(pairs, pairs + AS_DIGEST_SIZE, root, out);
}

/* A subtree small enough for memory is laid out whole and written once; a larger one is its children and one pair. */
static int build_node(const build *work, node at, uint8_t out[AS_DIGEST_SIZE]) {
  if (at.groups <= AS_CV_LIST_MEMORY) {
    int error = as_cv_list_get(work->values, at.first, (size_t)at.groups, work->leaves);
    if (error) {
      return error;
    }
    lay_out(work->leaves, at.groups, at.root, work->pairs, out);
    size_t size = (size_t)(at.groups - 1) * AS_OUTBOARD_PAIR;
    return work->visit && size ? work->visit(work->context, at.position, work->pairs, size) : 0;
  }
  uint8_t pair[AS_OUTBOARD_PAIR];
  int error = build_node(work, left_child(at), pair);
  if (!error) {
    error = build_node(work, right_child(at), pair + AS_DIGEST_SIZE);
  }
  if (!error && work->visit) {
    error = work->visit(work->context, at.position, pair, sizeof pair);
  }
  if (!error) {
    as_blake3_parent(pair, pair + AS_DIGEST_SIZE, at.root, out);
  }
  return error;
}

/* build_node with the room it needs. */
static int build_from(const as_cv_list *values, node at, as_outboard_visit visit, void *context,
                      uint8_t out[AS_DIGEST_SIZE]) {
  size_t block = at.groups < AS_CV_LIST_MEMORY ? (size_t)at.groups : AS_CV_LIST_MEMORY;
  uint8_t *room = malloc(block * (AS_DIGEST_SIZE + AS_OUTBOARD_PAIR));
  if (!room) {
    return -ENOMEM;
  }
  build work = {values, visit, context, room, room + block * AS_DIGEST_SIZE};
  int error = build_node(&work, at, out);
  free(room);
  return error;
}

int as_outboard_build(const as_cv_list *values, uint64_t size, as_outboard_visit visit, void *context,
                      uint8_t root[AS_DIGEST_SIZE]) {
  uint8_t header[AS_OUTBOARD_HEADER];
  for (int i = 0; i < AS_OUTBOARD_HEADER; i++) {
    header[i] = (uint8_t)(size >> (8 * i));
  }
  int error = visit(context, 0, header, sizeof header);
  return error ? error : build_from(values, root_node(size), visit, context, root);
}

/* ---- checking ---- */

static int pairs_hold(const uint8_t *outboard, node at, const uint8_t expected[AS_DIGEST_SIZE]) {
  if (at.groups == 1) {
    return 1; /* its chaining value stands in a pair that holds */
  }
  const uint8_t *pair = outboard + at.position;
  uint8_t actual[AS_DIGEST_SIZE];
  as_blake3_parent(pair, pair + AS_DIGEST_SIZE, at.root, actual);
  return memcmp(actual, expected, AS_DIGEST_SIZE) == 0 && pairs_hold(outboard, left_child(at), pair) &&
         pairs_hold(outboard, right_child(at), pair + AS_DIGEST_SIZE);
}

int as_outboard_copy(void *context, uint64_t position, const uint8_t *bytes, size_t size) {
  memcpy((uint8_t *)context + position, bytes, size);
  return 0;
}

int as_outboard_is_whole(const uint8_t *outboard, uint64_t size, const uint8_t address[AS_DIGEST_SIZE]) {
  if (as_outboard_size(size) == 0) {
    return 1;
  }
  for (int i = 0; i < AS_OUTBOARD_HEADER; i++) {
    if (outboard[i] != (uint8_t)(size >> (8 * i))) {
      return 0;
    }
  }
  return pairs_hold(outboard, root_node(size), address);
}

int as_outboard_stated_size(const as_outboard *outboard, uint64_t *size) {
  uint8_t header[AS_OUTBOARD_HEADER];
  *size = 0;
  if (outboard->fd < 0) {
    return 0;
  }
  ssize_t count = as_io_read(outboard->io, outboard->fd, header, sizeof header, outboard->base);
  if (count < 0) {
    return (int)count;
  }
  for (int i = 0; i < AS_OUTBOARD_HEADER && count == sizeof header; i++) {
    *size |= (uint64_t)header[i] << (8 * i);
  }
  return 0;
}

/* Reads the pair of a node, and says in *proven whether it is the one that gives the node's chaining value. */
static int read_pair(const as_outboard *outboard, node at, const uint8_t expected[AS_DIGEST_SIZE],
                     uint8_t pair[AS_OUTBOARD_PAIR], int *proven) {
  *proven = 0;
  if (outboard->fd < 0) {
    return 0;
  }
  ssize_t got = as_io_read(outboard->io, outboard->fd, pair, AS_OUTBOARD_PAIR, outboard->base + at.position);
  if (got < 0) {
    return (int)got;
  }
  if (got == AS_OUTBOARD_PAIR) {
    uint8_t actual[AS_DIGEST_SIZE];
    as_blake3_parent(pair, pair + AS_DIGEST_SIZE, at.root, actual);
    *proven = memcmp(actual, expected, AS_DIGEST_SIZE) == 0;
  }
  return 0;
}

typedef struct check {
  const as_outboard *outboard;
  const uint8_t *bytes;
  uint64_t first; /* the groups that `bytes` holds */
  uint64_t end;
  as_range bad;   /* empty: nothing found */
} check;

static void add_bad(check *work, as_range range) {
  if (work->bad.start == work->bad.end) {
    work->bad = range;
  } else {
    work->bad.end = range.end; /* found in ascending order */
  }
}

/* Whether the bytes of a node, all of them read, give its chaining value. */
static int bytes_match(const check *work, node at, const uint8_t expected[AS_DIGEST_SIZE]) {
  size_t offset = (size_t)(at.first - work->first) * AS_GROUP_SIZE;
  as_range range = node_range(at, work->outboard->size);
  uint8_t actual[AS_DIGEST_SIZE];
  if (at.root) {
    as_blake3_hash(work->bytes + offset, (size_t)(range.end - range.start), actual);
  } else {
    as_blake3_subtree(work->bytes + offset, (size_t)(range.end - range.start), at.first, actual);
  }
  return memcmp(actual, expected, AS_DIGEST_SIZE) == 0;
}

/* A node whose bytes are all there is proven by hashing them; otherwise, or to narrow damage, by its pair and its
 * children. */
static int check_node(check *work, node at, const uint8_t expected[AS_DIGEST_SIZE]) {
  if (at.first >= work->end || at.first + at.groups <= work->first) {
    return 0;
  }
  int whole = at.first >= work->first && at.first + at.groups <= work->end;
  if (whole && bytes_match(work, at, expected)) {
    return 0;
  }
  uint8_t pair[AS_OUTBOARD_PAIR];
  int proven = 0;
  int error = at.groups > 1 ? read_pair(work->outboard, at, expected, pair, &proven) : 0;
  if (error) {
    return error;
  }
  if (!proven) {
    add_bad(work, node_range(at, work->outboard->size));
    return 0;
  }
  error = check_node(work, left_child(at), pair);
  return error ? error : check_node(work, right_child(at), pair + AS_DIGEST_SIZE);
}

int as_outboard_check(const as_outboard *outboard, uint64_t first_group, const uint8_t *bytes, size_t size,
                      as_range *bad) {
  check work = {.outboard = outboard,
                .bytes = bytes,
                .first = first_group,
                .end = first_group + as_outboard_groups(size)};
  node root = root_node(outboard->size);
  if (root.groups == 1) { /* the empty object's one group covers no bytes, so an empty `bad` cannot stand for "none" */
    *bad = node_range(root, outboard->size);
    return bytes_match(&work, root, outboard->root) ? 0 : AS_E_CORRUPT;
  }
  int error = check_node(&work, root, outboard->root);
  *bad = work.bad;
  return !error && work.bad.start != work.bad.end ? AS_E_CORRUPT : error;
}

/* ---- giving pairs out ---- */

static int walk_node(const as_outboard *outboard, node at, const uint8_t expected[AS_DIGEST_SIZE], as_outboard_walk *walk,
                     as_range *bad);

/* Gives the pairs of a node below which all are wanted and fit: one read. */
static int walk_whole(const as_outboard *outboard, node at, const uint8_t expected[AS_DIGEST_SIZE],
                      as_outboard_walk *walk, as_range *bad) {
  size_t size = (size_t)(at.groups - 1) * AS_OUTBOARD_PAIR;
  uint8_t *place = walk->buffer + walk->size;
  ssize_t got = as_io_read(outboard->io, outboard->fd, place, size, outboard->base + at.position);
  if (got < 0) {
    return (int)got;
  }
  node here = at;
  here.position = 0;
  if ((size_t)got != size || !pairs_hold(place, here, expected)) {
    *bad = node_range(at, outboard->size);
    return AS_E_CORRUPT;
  }
  walk->size += size;
  return 0;
}

/* Gives the pair of a node, unless that has been done before, and those below it. */
static int walk_parent(const as_outboard *outboard, node at, const uint8_t expected[AS_DIGEST_SIZE],
                       as_outboard_walk *walk, as_range *bad) {
  uint8_t pair[AS_OUTBOARD_PAIR];
  int proven = 0;
  int error = read_pair(outboard, at, expected, pair, &proven);
  if (error) {
    return error;
  }
  if (!proven) {
    *bad = node_range(at, outboard->size);
    return AS_E_CORRUPT;
  }
  if (at.position >= walk->next) {
    memcpy(walk->buffer + walk->size, pair, sizeof pair);
    walk->size += sizeof pair;
  }
  error = walk_node(outboard, left_child(at), pair, walk, bad);
  return error ? error : walk_node(outboard, right_child(at), pair + AS_DIGEST_SIZE, walk, bad);
}

static int walk_node(const as_outboard *outboard, node at, const uint8_t expected[AS_DIGEST_SIZE], as_outboard_walk *walk,
                     as_range *bad) {
  uint64_t pairs = at.groups - 1;
  int wanted = at.first < walk->end && at.first + at.groups > walk->first;
  int given = at.position + pairs * AS_OUTBOARD_PAIR <= walk->next;
  if (pairs == 0 || !wanted || given || walk->full) {
    return 0;
  }
  size_t room = walk->capacity - walk->size;
  int fresh = at.position >= walk->next;
  if (fresh && room < AS_OUTBOARD_PAIR) {
    walk->next = at.position;
    walk->full = 1;
    return 0;
  }
  int whole = fresh && at.first >= walk->first && at.first + at.groups <= walk->end;
  if (whole && outboard->fd >= 0 && pairs <= room / AS_OUTBOARD_PAIR) {
    return walk_whole(outboard, at, expected, walk, bad);
  }
  return walk_parent(outboard, at, expected, walk, bad);
}

int as_outboard_pairs(const as_outboard *outboard, as_outboard_walk *walk, as_range *bad) {
  walk->size = 0;
  walk->full = 0;
  int error = 0;
  if (walk->first < walk->end) {
    error = walk_node(outboard, root_node(outboard->size), outboard->root, walk, bad);
  }
  if (!walk->full) {
    walk->next = 0;
  }
  return error;
}

/* ---- comparing a re-read object ---- */

typedef struct comparison {
  const as_outboard *outboard;
  const as_cv_list *values;
  as_outboard_bad bad;
  void *context;
} comparison;

/* Whether the node is there in full and has the chaining value expected of it. */
static int values_match(const comparison *work, node at, const uint8_t expected[AS_DIGEST_SIZE], int *match) {
  *match = 0;
  if (at.first + at.groups > as_cv_list_count(work->values)) {
    return 0;
  }
  uint8_t actual[AS_DIGEST_SIZE];
  int error = build_from(work->values, at, NULL, NULL, actual);
  *match = !error && memcmp(actual, expected, AS_DIGEST_SIZE) == 0;
  return error;
}

static int compare_node(const comparison *work, node at, const uint8_t expected[AS_DIGEST_SIZE]) {
  int match, proven = 0;
  int error = values_match(work, at, expected, &match);
  if (error || match) {
    return error;
  }
  uint8_t pair[AS_OUTBOARD_PAIR];
  error = at.groups > 1 ? read_pair(work->outboard, at, expected, pair, &proven) : 0;
  if (error && error != -EIO) { /* an outboard that cannot be read proves nothing, and that is an answer here */
    return error;
  }
  if (!proven) {
    work->bad(work->context, node_range(at, work->outboard->size));
    return 0;
  }
  error = compare_node(work, left_child(at), pair);
  return error ? error : compare_node(work, right_child(at), pair + AS_DIGEST_SIZE);
}

int as_outboard_compare(const as_outboard *outboard, const as_cv_list *values, as_outboard_bad bad, void *context) {
  comparison work = {outboard, values, bad, context};
  return compare_node(&work, root_node(outboard->size), outboard->root);
}
