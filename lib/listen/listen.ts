/**
 * Puts a server where it is to listen: a TCP port, a socket in the file system, or sockets that the process was started with.
 *
 * Imports Node, errors and the files of this folder. Called by the HTTP service, which may not touch the file system itself.
 */

import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import type { AddressInfo, Server } from 'node:net';
import { ArtifactStoreError } from '../errors.js';
import { listenOnUnix, pathOf, removeStale } from './unix.js';

/** Where one server listens. */
export type Place =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** `mode`: bits of its mode, by default those of its owner alone. */
  | { readonly kind: 'unix'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'descriptor'; readonly descriptor: number };

/** Where it turned out to listen: an address and port, or the path of a socket. */
export type Bound = { readonly address: string; readonly port: number } | { readonly path: string };

/**
 * Listens. A socket in the file system is its owner's alone, unless its place says otherwise; one that was left behind is replaced, and it is removed when the server closes.
 *
 * @throws AS_ERR_IO: the place is taken or not allowed; AS_ERR_INVALID_ARGUMENT: the port
 */
export async function listen(server: Server, place: Place): Promise<Bound> {
  if (place.kind === 'tcp') requirePort(place.port);
  try {
    await attempt(server, place);
  } catch (cause) {
    const isTaken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const isFreed = isTaken && place.kind === 'unix' && (await removeStale(place.path));
    if (!isFreed) throw listenError(place, cause as NodeJS.ErrnoException);
    await attempt(server, place).catch((again: NodeJS.ErrnoException) => {
      throw listenError(place, again);
    });
  }
  return boundTo(server, place);
}

async function attempt(server: Server, place: Place): Promise<void> {
  const listening = once(server, 'listening'); // rejects with the error that comes instead
  if (place.kind === 'unix') listenOnUnix(server, place.path);
  else if (place.kind === 'tcp') server.listen({ host: place.host, port: place.port });
  else server.listen({ fd: place.descriptor });
  await listening;
  if (place.kind === 'unix' && place.mode !== undefined) await chmod(place.path, place.mode);
}

async function boundTo(server: Server, place: Place): Promise<Bound> {
  const address = server.address() as AddressInfo | string | null;
  if (address === null) return { path: await pathOf((place as { descriptor: number }).descriptor) }; // Node knows those of its own making
  return typeof address === 'string' ? { path: address } : { address: address.address, port: address.port };
}

function requirePort(port: number): void {
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return;
  throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `Port ${port} is not one; give 0 to 65535.`, { port });
}

function listenError(place: Place, cause: NodeJS.ErrnoException): ArtifactStoreError {
  const { code } = cause;
  const advice =
    code === 'EADDRINUSE'
      ? 'another program listens there. Stop it or choose another port or path'
      : code === 'EACCES'
        ? 'this user may not. Choose a port from 1024 on, or a folder that this user may write to'
        : `${cause.message}. Check the address`;
  const { kind: _, ...details } = place;
  return new ArtifactStoreError(
    'AS_ERR_IO',
    `Cannot listen on ${nameOf(place)}: ${advice}.`,
    { ...details, errno: code },
    { cause },
  );
}

function nameOf(place: Place): string {
  switch (place.kind) {
    case 'tcp':
      return `${place.host} port ${place.port}`;
    case 'unix':
      return place.path;
    default:
      return `the socket handed over as descriptor ${place.descriptor}`;
  }
}
