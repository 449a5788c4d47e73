/*
 * Bytes from elsewhere into files: of every size around a block, out of memory and out of sockets, in pieces that end anywhere; past the page cache and through it;
 * wrong blocks, of which nothing is written; connections that end; files that it leaves alone.
 * May include: store_fixture.h. Run by: CTest.
 */
#include <pthread.h>
#include <sys/socket.h>

#include "store_fixture.h"

static char target[400];

static void make_target(void) {
  unlink(target);
  write_file(target, "", 0);
}

static void check_target(const uint8_t *bytes, size_t size) {
  size_t found;
  uint8_t *there = file_bytes(target, &found);
  CHECK(found == size, "%zu bytes in the file, not %zu", found, size);
  CHECK_BYTES(there, bytes, size, "of %zu", size);
  free(there);
}

/* The chaining values of the blocks of `size` bytes that begin with group `first` of their object. */
static uint8_t *values_of(const uint8_t *bytes, size_t size, uint64_t first) {
  uint8_t *values = calloc(size / AS_PROVEN_BLOCK + 1, AS_DIGEST_SIZE);
  CHECK(values, "memory");
  for (size_t at = 0, n = 0; at < size; at += AS_PROVEN_BLOCK, n++) {
    size_t part = size - at < AS_PROVEN_BLOCK ? size - at : AS_PROVEN_BLOCK;
    as_blake3_subtree(bytes + at, part, first + at / AS_GROUP_SIZE, values + n * AS_DIGEST_SIZE);
  }
  return values;
}

static size_t blocks_of(size_t size) { return (size + AS_PROVEN_BLOCK - 1) / AS_PROVEN_BLOCK; }

/* What is left of the values where the file stands. */
static const uint8_t *left_of(const uint8_t *values, const as_proven_file *file) {
  return values + as_proven_file_position(file) / AS_PROVEN_BLOCK * AS_DIGEST_SIZE;
}

static void check_appended(size_t size, size_t piece, uint64_t first) {
  uint8_t *bytes = make_bytes(size, size), *values = values_of(bytes, size, first);
  as_proven_file *file;
  make_target();
  CHECK_INT(as_proven_file_begin(target, first, size, &file), 0);
  for (size_t at = 0, part; at < size; at += part) {
    part = size - at < piece ? size - at : piece;
    size_t begun = at / AS_PROVEN_BLOCK;
    CHECK_INT(as_proven_file_append(file, bytes + at, part, left_of(values, file), blocks_of(size) - begun), 0);
    CHECK_INT(as_proven_file_position(file), at + part);
  }
  CHECK_INT(as_proven_file_end(file), 0);
  check_target(bytes, size);
  free(values);
  free(bytes);
}

/* ---- sockets ---- */

typedef struct sending {
  int fd;
  const uint8_t *bytes;
  size_t size;
} sending;

static void *send_all(void *context) {
  const sending *on = context;
  for (size_t at = 0; at < on->size;) {
    ssize_t count = send(on->fd, on->bytes + at, on->size - at, MSG_NOSIGNAL);
    CHECK(count > 0, "send: %s", strerror(errno));
    at += (size_t)count;
  }
  return NULL;
}

/* `sent` of `size` bytes come over a connection, what is behind them from memory. */
static void check_received(size_t size, size_t sent) {
  uint8_t *bytes = make_bytes(size, 7), *values = values_of(bytes, size, 0);
  as_proven_file *file;
  pthread_t sender;
  int ends[2], error = 0;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  sending on = {.fd = ends[1], .bytes = bytes, .size = sent};
  make_target();
  CHECK_INT(as_proven_file_begin(target, 0, size, &file), 0);
  CHECK_INT(as_proven_file_receive(file, ends[0], values, 1, 1), 0); /* nothing comes */
  CHECK_INT(as_proven_file_position(file), 0);
  CHECK_INT(pthread_create(&sender, NULL, send_all, &on), 0);
  while (!error && as_proven_file_position(file) < sent) {
    uint64_t before = as_proven_file_position(file);
    error = as_proven_file_receive(file, ends[0], left_of(values, file), 3 < blocks_of(size) ? 3 : blocks_of(size), 20);
    CHECK(as_proven_file_position(file) - before <= 3 * AS_PROVEN_BLOCK, "no more than was asked for");
  }
  CHECK_INT(error, 0);
  pthread_join(sender, NULL);
  close(ends[1]);
  if (sent < size) {
    CHECK_INT(as_proven_file_receive(file, ends[0], left_of(values, file), 1, 20), AS_E_SOURCE);
    CHECK_INT(as_proven_file_position(file), sent);
    size_t left = blocks_of(size) - sent / AS_PROVEN_BLOCK;
    CHECK_INT(as_proven_file_append(file, bytes + sent, size - sent, left_of(values, file), left), 0);
  }
  CHECK_INT(as_proven_file_end(file), 0);
  check_target(bytes, size);
  close(ends[0]);
  free(values);
  free(bytes);
}

/* ---- what is wrong ---- */

static void check_wrong(size_t size) {
  uint8_t *bytes = make_bytes(size, 9), *values = values_of(bytes, size, 0);
  size_t count = blocks_of(size), damaged = AS_PROVEN_BLOCK + 3;
  as_proven_file *file;
  make_target();
  CHECK_INT(as_proven_file_begin(target, 0, size, &file), 0);
  bytes[damaged] ^= 1;
  CHECK_INT(as_proven_file_append(file, bytes, size, values, count), AS_E_CORRUPT);
  CHECK_INT(as_proven_file_position(file), AS_PROVEN_BLOCK);
  CHECK_INT(as_proven_file_append(file, bytes + AS_PROVEN_BLOCK, 10, left_of(values, file), 1), 0);
  CHECK_INT(as_proven_file_append(file, bytes + AS_PROVEN_BLOCK + 10, AS_PROVEN_BLOCK - 10, left_of(values, file), 1), AS_E_CORRUPT);
  bytes[damaged] ^= 1;
  CHECK_INT(as_proven_file_append(file, bytes + AS_PROVEN_BLOCK, size - AS_PROVEN_BLOCK, left_of(values, file), count - 1), 0);
  CHECK_INT(as_proven_file_end(file), 0);
  check_target(bytes, size);
  free(values);
  free(bytes);
}

static void test_files(void) {
  as_proven_file *file;
  write_file(target, "mine", 4);
  CHECK_INT(as_proven_file_begin(target, 0, 10, &file), AS_E_SINK);
  CHECK(file == NULL, "nothing was begun");
  check_target((const uint8_t *)"mine", 4);
  unlink(target);
  CHECK_INT(as_proven_file_begin(target, 0, 10, &file), AS_E_SINK);
  CHECK(!file_exists(target), "nothing was made");
  CHECK_INT(as_proven_file_begin("/dev/null", 0, 10, &file), AS_E_SINK);
  CHECK_INT(as_proven_file_begin(fixture_path, 0, 10, &file), AS_E_SINK);
  make_target();
  CHECK_INT(as_proven_file_begin(target, 0, 10, &file), 0);
  as_proven_file_abort(file);
  as_proven_file_abort(NULL);
}

int main(void) {
  enum { MIB = 1024 * 1024 };
  fixture_begin();
  snprintf(target, sizeof target, "%s/target", fixture_path);
  for (int past = -1; past <= 1; past++) {
    check_appended((size_t)(AS_PROVEN_BLOCK + past), 100000, 16);
    check_appended((size_t)(3 * AS_PROVEN_BLOCK + past), 1 + 2 * AS_PROVEN_BLOCK, 0);
    check_appended((size_t)(64 * MIB + past), 999999, 0); /* about where the page cache is passed by */
  }
  check_appended(1, 1, 0);
  check_received(2 * AS_PROVEN_BLOCK, 2 * AS_PROVEN_BLOCK);
  check_received(9 * MIB + 5, 9 * MIB + 5);
  check_received(9 * MIB + 5, 5 * MIB + 1);
  check_received(70 * MIB + 4097, 40 * MIB + 7);
  check_wrong(2 * MIB + 1);
  check_wrong(66 * MIB);
  test_files();
  fixture_clean();
  return 0;
}
