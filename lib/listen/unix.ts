/**
 * Sockets in the file system: only their owner may use them, and what a killed process left behind is no obstacle.
 *
 * Imports Node, errors and limits. Called by `listen.ts`. The operating system's part of libuv removes the file when the server closes.
 */

import { lstat, readFile, readlink, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { ArtifactStoreError } from '../errors.js';
import { LISTEN_BACKLOG } from '../limits.js';

/** Nothing for group and others: a service without authentication trusts whoever reaches it. */
const OWNER_ONLY = 0o177;

/**
 * Binds and listens. The mask is set while the file is made, so that there is no moment in which others could connect; binding happens within the call.
 *
 * @throws what listening throws when called again
 */
export function listenOnUnix(server: Server, path: string): void {
  const before = process.umask(OWNER_ONLY);
  try {
    server.listen({ path, backlog: LISTEN_BACKLOG });
  } finally {
    process.umask(before);
  }
}

/**
 * Removes a socket that nobody listens on any more.
 *
 * @returns whether there was one
 * @throws AS_ERR_IO: what is there is no socket
 */
export async function removeStale(path: string): Promise<boolean> {
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined) return false;
  if (!there.isSocket()) {
    const message = `${path} is there and is not a socket. Choose another path, or move the file away.`;
    throw new ArtifactStoreError('AS_ERR_IO', message, { path });
  }
  if (await isAnswered(path)) return false;
  await unlink(path);
  return true;
}

/** Where a Unix socket that was handed over lies in the file system, as far as the system says it (proc(5)). */
export async function pathOf(descriptor: number): Promise<string> {
  try {
    const inode = /\d+/.exec(await readlink(`/proc/self/fd/${descriptor}`))?.[0];
    const sockets = (await readFile('/proc/net/unix', 'utf8')).split('\n').map((line) => line.trim().split(/ +/));
    const path = sockets.find((fields) => inode !== undefined && fields[6] === inode)?.[7];
    if (path !== undefined) return path;
  } catch {
    // said below
  }
  return `descriptor ${descriptor}`;
}

/** Whether somebody listens. A socket that may not be tried counts as used. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
  });
}
