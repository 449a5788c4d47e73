/**
 * Whom the service listens to while it has no authentication: this machine, and on it no page that a browser loaded from elsewhere.
 *
 * Imports errors and the exchange. Called by `server.ts`: once before listening, then for every request.
 */

import { lookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { ArtifactStoreError } from '../../errors.js';
import { Refusal } from './refusal.js';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** A host and perhaps a port, as in Host; IPv6 addresses in brackets. */
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/;

/**
 * The address to listen on.
 *
 * @param host a name or address that must mean this machine's loopback
 * @throws AS_ERR_UNAUTHENTICATED_LISTEN: it means more; AS_ERR_INVALID_ARGUMENT: it means nothing
 */
export async function loopbackAddress(host: string): Promise<string> {
  const address = isIP(host) ? host : await resolve(host);
  if (LOOPBACK.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')) return address;
  throw new ArtifactStoreError(
    'AS_ERR_UNAUTHENTICATED_LISTEN',
    `${host} can be reached from beyond this machine, and whoever reaches the service could read and delete everything. Authentication comes with a later version; until then listen on 127.0.0.1 and put a reverse proxy that authenticates before it.`,
    { host, address },
  );
}

/**
 * Refuses what a page in a browser on this machine could send without its user's will: requests from another origin, and requests for a name that somebody
 * else's DNS points here (DNS rebinding).
 *
 * @param hostNames names, beside those of loopback, under which a reverse proxy passes requests on; lower case, without port
 * @throws AS_ERR_HTTP_ORIGIN (403), AS_ERR_HTTP_REQUEST (400)
 */
export function requireTrusted(request: IncomingMessage, hostNames: readonly string[]): void {
  const { origin } = request.headers;
  const hosts = request.headersDistinct.host ?? [];
  if (hosts.length > 1 || (hosts.length === 0 && request.httpVersion !== '1.0')) {
    throw new Refusal(
      'AS_ERR_HTTP_REQUEST',
      400,
      `A request has exactly one Host header; this one has ${hosts.length}.`,
    );
  }
  const authority = hosts[0]?.toLowerCase();
  if (authority !== undefined && !isTrustedHost(hostOf(authority), hostNames)) {
    throw new Refusal(
      'AS_ERR_HTTP_ORIGIN',
      403,
      `"${authority}" is not a name of this service. Use its address, or have the operator add the name.`,
      {
        host: authority,
      },
    );
  }
  if (origin === undefined || origin.toLowerCase().endsWith(`://${authority}`)) return;
  const originHost = hostOf(origin.toLowerCase().replace(/^https?:\/\//, ''));
  if (originHost !== undefined && hostNames.includes(originHost)) return;
  throw new Refusal('AS_ERR_HTTP_ORIGIN', 403, `Pages from ${origin} may not use this service.`, { origin });
}

function hostOf(authority: string): string | undefined {
  return AUTHORITY.exec(authority)?.[1];
}

/** An address cannot be rebound, and browsers resolve `localhost` themselves. */
function isTrustedHost(host: string | undefined, hostNames: readonly string[]): boolean {
  if (host === undefined) return false;
  const isAddress = isIP(host.replace(/^\[|\]$/g, '')) !== 0;
  return isAddress || host === 'localhost' || host.endsWith('.localhost') || hostNames.includes(host);
}

async function resolve(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `"${host}" is not an address or a name of this machine. Listen on 127.0.0.1, ::1 or localhost.`,
      { host },
      { cause },
    );
  }
}
