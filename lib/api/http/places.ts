/**
 * Where the service may listen: addresses as text, made into places, as long as nobody beyond this machine can reach them.
 *
 * Imports the listening and the rules of trust. Called by `server.ts`.
 */

import { parseListenAddress } from '../../listen/address.js';
import type { Bound, Place } from '../../listen/listen.js';
import { requireInheritedSockets } from '../../listen/systemd.js';
import { type AuthOptions, listening } from './trust.js';

/** What is said of it holds for a socket in the file system too. */
const LOOPBACK_ADDRESS = '127.0.0.1';

/**
 * The places that addresses mean.
 *
 * @param addresses `host:port`, `unix:/path`, `systemd`
 * @throws AS_ERR_UNAUTHENTICATED_LISTEN: one can be reached from beyond this machine, and nobody would have to prove who they are
 * @throws AS_ERR_INVALID_ARGUMENT: not an address, or no sockets were handed over
 */
export async function placesOf(addresses: readonly string[], auth: AuthOptions): Promise<Place[]> {
  const places: Place[] = [];
  for (const text of addresses) {
    const address = parseListenAddress(text);
    if (address.kind === 'tcp') places.push({ ...address, host: (await listening(address.host, auth)).address });
    else if (address.kind === 'unix') places.push(address);
    else places.push(...requireInheritedSockets().map((descriptor): Place => ({ kind: 'descriptor', descriptor })));
  }
  return places;
}

/**
 * Whether who asks at a place must prove who they are. A socket that was handed over shows only now what it is; one in the file system is its owner's.
 *
 * @throws AS_ERR_UNAUTHENTICATED_LISTEN
 */
export async function isAuthRequired(bound: Bound, auth: AuthOptions): Promise<boolean> {
  return (await listening('path' in bound ? LOOPBACK_ADDRESS : bound.address, auth)).isAuthRequired;
}

/** Where a service listens, as people and clients write it: `http://127.0.0.1:8420` or `unix:/path`. */
export function urlOf(bound: Bound, scheme: 'http' | 'https'): string {
  if ('path' in bound) return `unix:${bound.path}`;
  const host = bound.address.includes(':') ? `[${bound.address}]` : bound.address;
  return `${scheme}://${host}:${bound.port}`;
}
