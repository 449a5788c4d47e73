/*
 * Sockets that belong to somebody else, and take and give bytes for as long as they do. They are no files of the store, so they have no place in `struct as_io`.
 * May include: the C library. Called by: native/store/sender.c, native/store/answers.c, native/store/receive.c, native/store/proven_file.c; as_socket_keep, as_socket_close and as_socket_widen as declared in artifactstore.h, by users of the core.
 */
#ifndef AS_IO_SOCKET_H
#define AS_IO_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Sends what the socket takes now of at least one byte; -EAGAIN when it takes none, other negative errno when it never will. */
ssize_t as_socket_send(int fd, const void *bytes, size_t size);

/* Takes what has come, up to `size` bytes; 0 when the other end sends no more, -EAGAIN when nothing has come, other negative errno when nothing ever will. */
ssize_t as_socket_receive(int fd, void *bytes, size_t size);

/* Has waiting for bytes end when so many have come, or none will any more: a thread that is woken for every packet does little else. */
void as_socket_expect(int fd, size_t size);

/* Fills `bytes` with up to `size` of them, as far as they come while no more than *wait milliseconds are spent on waiting, all waits together: a socket that drips does
 * not hold its caller up for longer than one that is silent. *filled says how many, and *wait what is left. Returns 0, or a negative errno when no more ever will come. */
int as_socket_fill(int fd, uint8_t *bytes, size_t size, int *wait, size_t *filled);

/* Whether the socket takes bytes, or never will, within `milliseconds`. */
int as_socket_wait(int fd, int milliseconds);

#endif
