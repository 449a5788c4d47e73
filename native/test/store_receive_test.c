/*
 * Bytes out of sockets into ingests, by the core: every byte in its order, no more than is asked for, calls that end when nothing comes; ends that are
 * gone; the same of streams in pieces. And what is announced of an ingest: held to, and not held in memory.
 * May include: store_fixture.h, store/ingest.h, digest/dual.h. Run by: CTest.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "digest/dual.h"
#include "store/ingest.h"
#include "store_fixture.h"

static as_store *store;

/* Two ends of a connection; what the near one does not take at once is an error of the test. */
static void open_pair(int ends[2]) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
}

static as_digests digests_of(const uint8_t *bytes, size_t size) {
  as_span span = {bytes, size};
  as_digests out;
  as_dual_many(&span, 1, &out);
  return out;
}

static int commit(as_ingest *one, as_ingested *out) {
  const as_expect *expect = NULL;
  int status;
  as_ingest_commit(store, &one, &expect, 1, out, &status);
  return status;
}

/* An object that comes in pieces of `piece` bytes, with a call behind each and one for nothing; what follows it in the socket is left there. */
static void check_pieces(size_t size, size_t piece) {
  uint8_t *bytes = make_bytes(size + 1, piece);
  as_digests digests = digests_of(bytes, size);
  as_ingest *one;
  as_ingested out;
  int ends[2];
  size_t taken, total = 0;
  open_pair(ends);
  CHECK_INT(as_ingest_begin(store, &one), 0);
  for (size_t at = 0; at < size + 1; at += piece) {
    size_t left = size + 1 - at, part = left < piece ? left : piece;
    CHECK_INT(send(ends[1], bytes + at, part, MSG_DONTWAIT), (ssize_t)part);
    CHECK_INT(as_ingest_receive(one, store, ends[0], size - total, 0, &taken), 0);
    total += taken;
  }
  CHECK_INT(total, size);
  CHECK_INT(as_ingest_receive(one, store, ends[0], 0, 0, &taken), 0);
  CHECK_INT(taken, 0);
  CHECK_INT(commit(one, &out), 0);
  CHECK_BYTES(&out.digests, &digests, sizeof digests, "%zu in pieces of %zu", size, piece);
  uint8_t next = 0;
  CHECK_INT(recv(ends[0], &next, 1, MSG_DONTWAIT), 1);
  CHECK_INT(next, bytes[size]);
  remove_object(store, out.digests.blake3);
  close(ends[0]);
  close(ends[1]);
  free(bytes);
}

/* Writes all of it, however little the socket takes at once, while the other end is received from: by a process of its own. */
static pid_t write_apart(int fd, const uint8_t *bytes, size_t size, size_t part) {
  pid_t child = fork();
  CHECK(child >= 0, "fork");
  if (child == 0) {
    for (size_t at = 0, count; at < size; at += count) {
      count = size - at < part ? size - at : part;
      if (send(fd, bytes + at, count, MSG_NOSIGNAL) != (ssize_t)count) {
        _exit(1);
      }
    }
    _exit(0);
  }
  return child;
}

static size_t put_head(uint8_t *at, uint32_t size) {
  for (int i = 0; i < AS_PIECE_HEAD; i++) {
    at[i] = (uint8_t)(size >> (24 - 8 * i));
  }
  return AS_PIECE_HEAD;
}

/* A stream of `size` bytes in pieces of `piece`, that ends with `mark` and has a byte behind that. */
static uint8_t *make_stream(const uint8_t *bytes, size_t size, size_t piece, uint32_t mark, size_t *length) {
  uint8_t *stream = malloc(size + (size / piece + 3) * AS_PIECE_HEAD + 1);
  *length = 0;
  for (size_t at = 0, part; at < size; at += part) {
    part = size - at < piece ? size - at : piece;
    *length += put_head(stream + *length, (uint32_t)part);
    memcpy(stream + *length, bytes + at, part);
    *length += part;
  }
  *length += put_head(stream + *length, mark);
  stream[(*length)++] = 77;
  return stream;
}

/* Pieces into an ingest, and into memory, written in parts that end anywhere: every byte, the mark that ends them, and nothing of what is behind it. */
static void check_stream(size_t size, size_t piece, size_t part, uint32_t mark, int into_memory) {
  uint8_t *bytes = make_bytes(size, piece), *got = malloc(size + 1), next = 0;
  as_digests digests = digests_of(bytes, size);
  size_t length, total = 0;
  uint8_t *stream = make_stream(bytes, size, piece, mark, &length);
  as_ingest *one = NULL;
  as_pieces *pieces;
  as_ingested out;
  int ends[2], status;
  open_pair(ends);
  CHECK_INT(as_pieces_begin(ends[0], &pieces), 0);
  CHECK_INT(as_ingest_begin(store, &one), 0);
  pid_t child = write_apart(ends[1], stream, length, part);
  while (as_pieces_mark(pieces) == AS_PIECES_GO_ON) {
    size_t taken;
    CHECK_INT(into_memory ? as_pieces_receive(pieces, got + total, size + 1 - total < 30011 ? size + 1 - total : 30011, 50, &taken)
                          : as_ingest_receive_pieces(one, store, pieces, 300007, 50, &taken),
              0);
    total += taken;
  }
  CHECK_INT(total, size);
  CHECK_INT(as_pieces_mark(pieces), mark);
  CHECK(waitpid(child, &status, 0) == child && status == 0, "the writer");
  if (into_memory) {
    CHECK_BYTES(got, bytes, size, "%zu in pieces of %zu, written by %zu", size, piece, part);
    as_ingest_abort(one);
  } else {
    CHECK_INT(commit(one, &out), 0);
    CHECK_BYTES(&out.digests, &digests, sizeof digests, "%zu in pieces of %zu, written by %zu", size, piece, part);
    remove_object(store, out.digests.blake3);
  }
  CHECK_INT(recv(ends[0], &next, 1, MSG_DONTWAIT), 1);
  CHECK_INT(next, 77);
  as_pieces_end(pieces);
  close(ends[0]);
  close(ends[1]);
  free(stream);
  free(got);
  free(bytes);
}

/* What ends in the middle of a size or of a piece; and descriptors that are none. */
static void check_cut_streams(void) {
  for (size_t cut = 0; cut <= 10; cut++) {
    uint8_t bytes[10] = {0, 0, 0, 9}, got[20];
    as_pieces *pieces;
    int ends[2];
    size_t filled;
    open_pair(ends);
    CHECK_INT(as_pieces_begin(ends[0], &pieces), 0);
    CHECK_INT(as_pieces_receive(pieces, got, sizeof got, 2, &filled), 0);
    CHECK_INT(filled, 0);
    CHECK(cut == 0 || send(ends[1], bytes, cut, 0) == (ssize_t)cut, "send");
    close(ends[1]);
    CHECK_INT(as_pieces_receive(pieces, got, sizeof got, 2, &filled), AS_E_SOURCE);
    CHECK_INT(filled, cut > 4 ? cut - 4 : 0);
    CHECK_INT(as_pieces_mark(pieces), AS_PIECES_GO_ON);
    as_pieces_end(pieces);
    close(ends[0]);
  }
  as_pieces *none;
  CHECK_INT(as_pieces_begin(-1, &none), -EBADF);
  as_pieces_end(none);
}

/* A silent end is waited for as long as is said, and no longer; one that is gone is an error behind what it has sent. */
static void check_ends(void) {
  uint8_t bytes[1000] = {1};
  as_ingest *one;
  int ends[2];
  size_t taken;
  open_pair(ends);
  CHECK_INT(as_ingest_begin(store, &one), 0);
  CHECK_INT(as_ingest_receive(one, store, ends[0], 1 << 20, 5, &taken), 0);
  CHECK_INT(taken, 0);
  CHECK_INT(send(ends[1], bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
  close(ends[1]);
  CHECK_INT(as_ingest_receive(one, store, ends[0], 1 << 20, 5, &taken), AS_E_SOURCE);
  CHECK_INT(as_ingest_length(one), sizeof bytes);
  as_ingest_abort(one);
  close(ends[0]);
}

static void check_announced(void) {
  size_t size = AS_PACK_OBJECT_MAX + 1;
  uint8_t *bytes = make_bytes(size, 3);
  as_digests digests = digests_of(bytes, size);
  as_ingested out;
  for (int sent = 0; sent < 2; sent++) { /* all but one byte, and all */
    as_ingest *one;
    CHECK_INT(as_ingest_begin(store, &one), 0);
    as_ingest_announce(one, size);
    for (size_t at = 0, part; at < size - !sent; at += part) {
      part = size - !sent - at < 10000 ? size - !sent - at : 10000;
      CHECK_INT(as_ingest_append(one, bytes + at, part), 0);
      CHECK(one->pending_capacity <= (one->stream ? AS_COALESCE_SIZE : AS_SMALL_SIZE), "%zu bytes are held", one->pending_capacity);
    }
    CHECK_INT(commit(one, &out), sent ? 0 : AS_E_SIZE);
    CHECK_INT(count_entries(fixture_file("staging")), 0);
  }
  CHECK_BYTES(&out.digests, &digests, sizeof digests, "announced");
  check_read(store, digests.blake3, bytes, size);
  free(bytes);
}

int main(void) {
  fixture_begin();
  store = open_store(AS_OPEN_CREATE);
  check_pieces(1, 1);
  check_pieces(20000, 777);
  check_pieces(AS_STEP_SIZE + 1, 50000);
  check_pieces(3 * AS_STEP_SIZE + 5, 60001);
  check_ends();
  check_cut_streams();
  for (int into_memory = 0; into_memory < 2; into_memory++) {
    check_stream(0, 1, 100, 0, into_memory);
    check_stream(1, 1, 1, AS_PIECE_MAX + 1, into_memory);
    check_stream(20000, 7, 3, UINT32_MAX, into_memory);
    check_stream(3 * AS_STEP_SIZE + 5, 60001, 9973, 0, into_memory);
    check_stream(AS_PIECE_MAX + 3, AS_PIECE_MAX, 1 << 20, 0, into_memory);
  }
  check_announced();
  as_store_close(store);
  fixture_clean();
  return 0;
}
