/*
 * Objects sent to sockets by the core: every byte, any range, in pieces too, whether or not the other end keeps up; ends that are gone; damage, of which no byte
 * is sent. And objects read without waiting: the right bytes or none, alone and behind heads.
 * May include: store_fixture.h. Run by: CTest.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "store_fixture.h"

enum { SLAB_SIZE = 1024 * 1024 };

static as_store *store;
static uint8_t slab[SLAB_SIZE];

/* One end that is sent to, and what has come out of the other. */
typedef struct line {
  int far;
  uint8_t *bytes;
  size_t size;
  size_t capacity;
} line;

static line open_line(size_t capacity, int *near) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  *near = ends[0];
  return (line){.far = ends[1], .bytes = malloc(capacity + 1), .capacity = capacity};
}

static void close_line(line *to) {
  if (to->far >= 0) {
    close(to->far);
  }
  free(to->bytes);
}

/* Takes what is there. */
static void drain(line *from) {
  for (;;) {
    ssize_t count = recv(from->far, from->bytes + from->size, from->capacity + 1 - from->size, MSG_DONTWAIT);
    if (count <= 0) {
      return;
    }
    from->size += (size_t)count;
    CHECK(from->size <= from->capacity, "more than was asked for");
  }
}

/* Sends bytes [start, end), with what the socket does not take put behind what has come, as its owner would write it. */
static int send_range(const uint8_t *address, uint64_t start, uint64_t end, unsigned flags, size_t most, int near, line *to, as_range *bad) {
  as_sender *sender;
  as_sent sent = {1, 0, 0};
  int kept = as_socket_keep(near);
  CHECK(kept >= 0 && kept != near, "a descriptor of its own");
  int error = as_sender_open(store, address, kept, start, end, flags, &sender);
  if (error) {
    return error;
  }
  while (!error && sent.sent + sent.left > 0) {
    error = as_sender_pump(sender, most, 0, slab, sizeof slab, &sent, bad);
    drain(to);
    if (!error && sent.left > 0) {
      CHECK(to->size + sent.left <= to->capacity, "more than was asked for");
      memcpy(to->bytes + to->size, slab + sent.skip, sent.left);
      to->size += sent.left;
    }
  }
  as_sender_close(sender);
  return error;
}

static void check_range(const uint8_t *address, const uint8_t *bytes, uint64_t start, uint64_t end, size_t most) {
  as_range bad;
  int near;
  line to = open_line((size_t)(end - start), &near);
  CHECK_INT(send_range(address, start, end, 0, most, near, &to, &bad), 0);
  CHECK(to.size == end - start, "%zu of %llu bytes", to.size, (unsigned long long)(end - start));
  CHECK_BYTES(to.bytes, bytes + start, to.size, "of %zu", to.size);
  CHECK(write(near, "x", 1) == 1, "the owner's descriptor was closed");
  close(near);
  close_line(&to);
}

/* The same in pieces, whose sizes are taken out again. */
static void check_pieces(const uint8_t *address, const uint8_t *bytes, uint64_t start, uint64_t end, size_t most) {
  as_range bad;
  int near;
  size_t size = (size_t)(end - start), at = 0, total = 0;
  line to = open_line(size + (size / AS_GROUP_SIZE + 2) * AS_PIECE_HEAD, &near);
  CHECK_INT(send_range(address, start, end, AS_SEND_PIECES, most, near, &to, &bad), 0);
  while (at < to.size) {
    const uint8_t *head = to.bytes + at;
    CHECK(at + AS_PIECE_HEAD <= to.size, "half a size");
    size_t piece = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    CHECK(piece > 0 && piece <= AS_PIECE_MAX && at + AS_PIECE_HEAD + piece <= to.size && total + piece <= size, "a piece of %zu", piece);
    CHECK_BYTES(head + AS_PIECE_HEAD, bytes + start + total, piece, "at %zu of %zu", total, size);
    at += AS_PIECE_HEAD + piece;
    total += piece;
  }
  CHECK_INT(total, size);
  close(near);
  close_line(&to);
}

static void test_ranges(void) {
  static const size_t sizes[] = {0, 1, 16385, 262145, 5 * 1048576 + 77};
  uint64_t seed = 5;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t size = sizes[i];
    uint8_t *bytes = make_bytes(size, 300 + i);
    as_ingested out = ingest(store, bytes, size);
    check_range(out.digests.blake3, bytes, 0, size, 4 * 1048576);
    check_range(out.digests.blake3, bytes, 0, size, 1);
    for (int n = 0; n < 8; n++) {
      uint64_t start = next_random(&seed) % (size + 1), end = start + next_random(&seed) % (size - start + 1);
      check_range(out.digests.blake3, bytes, start, end, 1 + next_random(&seed) % 600000);
      check_pieces(out.digests.blake3, bytes, start, end, 1 + next_random(&seed) % 600000);
    }
    free(bytes);
  }
}

static void test_refusals(void) {
  static const uint8_t unknown[AS_DIGEST_SIZE] = {7};
  uint8_t *bytes = make_bytes(3 * 1048576, 1);
  as_ingested out = ingest(store, bytes, 3 * 1048576);
  as_range bad;
  int near;
  line to = open_line(3 * 1048576, &near);
  CHECK_INT(send_range(unknown, 0, 1, 0, 1, near, &to, &bad), AS_E_MISSING);
  CHECK_INT(send_range(out.digests.blake3, 5, 3 * 1048576 + 1, 0, 1, near, &to, &bad), AS_E_RANGE);
  CHECK(to.size == 0, "bytes of nothing");
  close(to.far);
  to.far = -1;
  CHECK_INT(send_range(out.digests.blake3, 0, 3 * 1048576, 0, 1048576, near, &to, &bad), AS_E_SINK);
  CHECK(as_socket_keep(-1) < 0, "a descriptor for none");
  close(near);
  close_line(&to);
  free(bytes);
}

static void test_damage(void) {
  size_t size = 4 * 1048576, where = 3000000;
  uint8_t *bytes = make_bytes(size, 2);
  as_ingested out = ingest(store, bytes, size);
  as_range bad;
  int near;
  line to = open_line(size, &near);
  flip_object(store, out.digests.blake3, where, 3);
  CHECK_INT(send_range(out.digests.blake3, 0, size, 0, size, near, &to, &bad), AS_E_CORRUPT);
  CHECK(bad.start <= where && where < bad.end, "the wrong range");
  CHECK(is_marked(store, out.digests.blake3), "no mark");
  CHECK(to.size <= where, "%zu bytes were sent", to.size);
  CHECK_BYTES(to.bytes, bytes, to.size, "before the damage");
  close(near);
  close_line(&to);
  free(bytes);
}

/* It may always refuse; after a read by others it does so only where the file system cannot tell what is in memory. */
static void test_read_now(void) {
  static const size_t sizes[] = {1, 4096, 65536};
  int done = 0;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t size = sizes[i];
    uint8_t *bytes = make_bytes(size, 500 + i);
    as_ingested out = ingest(store, bytes, size);
    const uint8_t *address = out.digests.blake3;
    check_read(store, address, bytes, size);
    memset(slab, 0, size);
    if (as_read_now(store, address, slab, size)) {
      done++;
      CHECK_BYTES(slab, bytes, size, "of %zu", size);
    }
    CHECK(!as_read_now(store, address, slab, size - 1), "of another size");
    flip_object(store, address, size / 2, 1);
    CHECK(!as_read_now(store, address, slab, size), "damaged bytes");
    CHECK(!is_marked(store, address), "judged by who cannot tell why");
    free(bytes);
  }
  static const uint8_t unknown[AS_DIGEST_SIZE] = {7};
  CHECK(!as_read_now(store, unknown, slab, 1), "what is not there");
  printf("%d of 3 read without waiting\n", done);
}

/* Each of them whole behind its head, or nothing: not of what is damaged, unknown or of another size, nor where there is no socket. What a socket does not take is left in
 * the memory. */
static void test_answers(void) {
  enum { COUNT = 6, SIZE = 65536, ROOM = SIZE + 16 };
  static const uint8_t unknown[AS_DIGEST_SIZE] = {7};
  uint8_t *bytes = make_bytes(SIZE, 600), *damaged = make_bytes(SIZE, 601);
  as_ingested whole = ingest(store, bytes, SIZE), broken = ingest(store, damaged, SIZE);
  check_read(store, whole.digests.blake3, bytes, SIZE);
  check_read(store, broken.digests.blake3, damaged, SIZE);
  flip_object(store, broken.digests.blake3, SIZE / 2, 1);
  const uint8_t *addresses[COUNT] = {whole.digests.blake3, broken.digests.blake3, unknown, whole.digests.blake3, whole.digests.blake3, whole.digests.blake3};
  as_answer answers[COUNT];
  line to[COUNT];
  int near[COUNT], few = 4096;
  for (size_t i = 0; i < COUNT; i++) {
    to[i] = open_line(ROOM, &near[i]);
    memcpy(slab + i * ROOM, "a head", 6);
    answers[i] = (as_answer){.fd = i == 4 ? -1 : near[i], .bytes = slab + i * ROOM, .size = 6, .blake3 = addresses[i], .object_size = i == 3 ? SIZE - 1 : SIZE};
  }
  CHECK(setsockopt(near[5], SOL_SOCKET, SO_SNDBUF, &few, sizeof few) == 0, "a smaller buffer");
  close(to[0].far);
  to[0].far = -1;
  as_answers_send(store, answers, COUNT);
  CHECK_INT(answers[0].sent, as_read_now(store, addresses[0], slab + COUNT * ROOM, SIZE) ? 0 : AS_ANSWER_UNREAD);
  for (size_t i = 1; i < 5; i++) {
    CHECK_INT(answers[i].sent, AS_ANSWER_UNREAD);
    drain(&to[i]);
    CHECK(to[i].size == 0, "%zu bytes of answer %zu were sent", to[i].size, i);
  }
  if (answers[5].sent != AS_ANSWER_UNREAD) {
    drain(&to[5]);
    CHECK(to[5].size == (size_t)answers[5].sent && to[5].size < 6 + SIZE, "%zu bytes", to[5].size);
    CHECK_BYTES(to[5].bytes, slab + 5 * ROOM, to[5].size, "what was sent");
    CHECK_BYTES(slab + 5 * ROOM + 6, bytes, SIZE, "what is left");
  }
  for (size_t i = 0; i < COUNT; i++) {
    close(near[i]);
    close_line(&to[i]);
  }
  free(bytes);
  free(damaged);
}

int main(void) {
  fixture_begin();
  store = open_store(AS_OPEN_CREATE);
  test_ranges();
  test_refusals();
  test_damage();
  test_read_now();
  test_answers();
  as_store_close(store);
  fixture_clean();
  return 0;
}
