/* Sockets that belong to somebody else: see socket.h. */
#include "io/socket.h"
#include "artifactstore.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int as_socket_keep(int fd) {
  int kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return kept < 0 ? -errno : kept;
}

ssize_t as_socket_send(int fd, const void *bytes, size_t size) {
  ssize_t count;
  do {
    count = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return count < 0 ? -errno : count;
}

ssize_t as_socket_receive(int fd, void *bytes, size_t size) {
  ssize_t count;
  do {
    count = recv(fd, bytes, size, MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  return count < 0 ? -errno : count;
}

void as_socket_expect(int fd, size_t size) {
  int count = (int)size;
  setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &count, sizeof count); /* where it cannot be said, waiting ends sooner */
}

void as_socket_widen(int fd, size_t size) {
  int count = (int)size;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &count, sizeof count); /* a wish: without it there is more waiting */
}

static int wait_for(int fd, short events, int milliseconds) {
  struct pollfd wanted = {.fd = fd, .events = events};
  return milliseconds > 0 && poll(&wanted, 1, milliseconds) > 0;
}

int as_socket_wait(int fd, int milliseconds) { return wait_for(fd, POLLOUT, milliseconds); }

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether bytes have come, or never will, within what is left of *wait; takes off that what it took. */
static int await_bytes(int fd, int *wait) {
  int64_t begun = now_ms();
  int have = wait_for(fd, POLLIN, *wait);
  *wait -= (int)(now_ms() - begun) + 1;
  return have;
}

int as_socket_fill(int fd, uint8_t *bytes, size_t size, int *wait, size_t *filled) {
  *filled = 0;
  while (*filled < size) {
    ssize_t count = as_socket_receive(fd, bytes + *filled, size - *filled);
    if (count == -EAGAIN) {
      if (await_bytes(fd, wait)) {
        continue;
      }
      return 0;
    }
    if (count <= 0) {
      return count ? (int)count : -EPIPE;
    }
    *filled += (size_t)count;
  }
  return 0;
}

void as_socket_close(int fd) { close(fd); }
