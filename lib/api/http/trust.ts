/**
 * Where the service may listen, and which requests no page in a browser may have sent: what holds whether or not anybody proves who they are.
 *
 * Imports errors, the fields of a request and refusals. Called by `server.ts`: once before listening, then for every request.
 */

import { lookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { ArtifactStoreError } from '../../errors.js';
import { valuesOf } from './fields.js';
import { Refusal } from './refusal.js';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** A host and perhaps a port, as in Host; IPv6 addresses in brackets. */
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/;

/** Where to listen, and whether who asks must prove who they are. */
export interface Listening {
  address: string;
  isAuthRequired: boolean;
}

/** What an operator says of authentication. */
export interface AuthOptions {
  /** Default: `none` on loopback, `required` beyond. */
  auth?: 'required' | 'none';
  /** In so many words: beyond loopback too, whoever reaches the service may do everything. */
  insecureNoAuthentication?: boolean;
}

/**
 * Decides whether the service may listen on a host, and whom it lets in there.
 *
 * @param host a name or address of this machine
 * @throws AS_ERR_UNAUTHENTICATED_LISTEN: it can be reached from beyond this machine, and nobody would have to prove anything
 * @throws AS_ERR_INVALID_ARGUMENT: it means nothing, or the options contradict each other
 */
export async function listening(
  host: string,
  { auth, insecureNoAuthentication = false }: AuthOptions,
): Promise<Listening> {
  if (insecureNoAuthentication && auth === 'required') {
    const message = '--auth required and --insecure-no-authentication contradict each other. Leave one of them out.';
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
  }
  const address = isIP(host) ? host : await resolve(host);
  const isLocal = LOOPBACK.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  const isAuthRequired = !insecureNoAuthentication && (auth ?? (isLocal ? 'none' : 'required')) === 'required';
  if (isLocal || isAuthRequired || insecureNoAuthentication) return { address, isAuthRequired };
  throw new ArtifactStoreError(
    'AS_ERR_UNAUTHENTICATED_LISTEN',
    `${host} can be reached from beyond this machine, and whoever reaches the service could read and delete everything. Leave --auth none out, listen on 127.0.0.1, or, behind a reverse proxy that authenticates, say --insecure-no-authentication.`,
    { host, address },
  );
}

/** The last Host that was trusted, and with which names: most clients say the same again and again. */
let known: { field: string | undefined; hostNames: readonly string[] } = { field: undefined, hostNames: [] };

/**
 * Refuses what a page in a browser on this machine could send without its user's will: requests from another origin, and requests for a name that somebody
 * else's DNS points here (DNS rebinding).
 *
 * @param hostNames names, beside those of loopback, under which a reverse proxy passes requests on; lower case, without port
 * @throws AS_ERR_HTTP_ORIGIN (403), AS_ERR_HTTP_REQUEST (400)
 */
export function requireTrusted(request: IncomingMessage, hostNames: readonly string[]): void {
  const { origin } = request.headers;
  const hosts = valuesOf(request, 'host');
  if (hosts.length > 1 || (hosts.length === 0 && request.httpVersion !== '1.0')) {
    throw new Refusal(
      'AS_ERR_HTTP_REQUEST',
      400,
      `A request has exactly one Host header; this one has ${hosts.length}.`,
    );
  }
  if (origin === undefined && hosts[0] === known.field && hostNames === known.hostNames) return;
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
  known = { field: hosts[0], hostNames };
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
      `"${host}" is not an address or a name of this machine. Listen on 127.0.0.1, ::1, localhost, or an address that this machine has.`,
      { host },
      { cause },
    );
  }
}
