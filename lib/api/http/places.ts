/**
 * Where the service may listen: addresses as text, made into places, as long as nobody beyond this machine can reach them.
 *
 * Imports the listening, errors and the rules of trust. Called by `server.ts`.
 */

import { ArtifactStoreError } from '../../errors.js';
import { parseListenAddress } from '../../listen/address.js';
import type { Bound, Place } from '../../listen/listen.js';
import { inheritedSockets } from '../../listen/systemd.js';
import { loopbackAddress } from './trust.js';

/**
 * The places that addresses mean.
 *
 * @param addresses `host:port`, `unix:/path`, `systemd`
 * @throws AS_ERR_UNAUTHENTICATED_LISTEN: one can be reached from beyond this machine
 * @throws AS_ERR_INVALID_ARGUMENT: not an address, or no sockets were handed over
 */
export async function placesOf(addresses: readonly string[]): Promise<Place[]> {
  const places: Place[] = [];
  for (const text of addresses) {
    const address = parseListenAddress(text);
    if (address.kind === 'tcp') places.push({ ...address, host: await loopbackAddress(address.host) });
    else if (address.kind === 'unix') places.push(address);
    else places.push(...handedOver());
  }
  return places;
}

/** What a place turned out to be: a socket that was handed over may be anything. Throws AS_ERR_UNAUTHENTICATED_LISTEN. */
export async function requireAllowed(bound: Bound): Promise<void> {
  if (!('path' in bound)) await loopbackAddress(bound.address);
}

/** Where a service listens, as people and clients write it: `http://127.0.0.1:8420` or `unix:/path`. */
export function urlOf(bound: Bound): string {
  if ('path' in bound) return `unix:${bound.path}`;
  const host = bound.address.includes(':') ? `[${bound.address}]` : bound.address;
  return `http://${host}:${bound.port}`;
}

function handedOver(): Place[] {
  const sockets = inheritedSockets();
  if (sockets.length === 0) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      'No sockets were handed over: LISTEN_FDS and LISTEN_PID are not set for this process. Start it by a systemd socket unit, or listen elsewhere.',
    );
  }
  return sockets.map((descriptor) => ({ kind: 'descriptor', descriptor }));
}
