/**
 * Where a service is, as a user writes it.
 *
 * Imports errors. Called by the client and, to tell a service from a folder, by the command line and its configuration.
 */

import { ArtifactStoreError } from './errors.js';

const SERVICE = /^(?:https?:\/\/|unix:)/i;

/** Whether the text names a service, not a folder. */
export function isServiceUrl(text: string): boolean {
  return SERVICE.test(text);
}

/** A place that requests go to. */
export interface ServicePlace {
  /** What undici asks: scheme, host and port. */
  origin: string;
  /** What stands before every path; no slash at its end. */
  prefix: string;
  /** A socket in the file system, instead of a host. */
  socketPath?: string;
}

/**
 * Reads the address of a service: `http://host:port`, `https://host`, either with a path below which the service is, or `unix:/path/of/a/socket`.
 *
 * @throws AS_ERR_INVALID_ARGUMENT
 */
export function parseServiceUrl(text: string): ServicePlace {
  if (/^unix:/i.test(text)) {
    const socketPath = text.slice('unix:'.length);
    if (!socketPath.startsWith('/')) throw invalid(text, 'write unix: and the absolute path of the socket');
    return { origin: 'http://localhost', prefix: '', socketPath };
  }
  if (!isServiceUrl(text) || !URL.canParse(text))
    throw invalid(text, 'write http://host:port, https://host or unix:/path');
  const { origin, pathname, search, hash, username, password } = new URL(text);
  if (username || password)
    throw invalid(text.replace(/\/\/[^/@]*@/, '//…@'), 'a password in it would end up in logs; give a token');
  if (search || hash) throw invalid(text, 'leave out what begins with ? or #');
  return { origin, prefix: pathname.replace(/\/+$/, '') };
}

function invalid(text: string, advice: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `"${text}" is not the address of a service: ${advice}.`, {
    text,
  });
}
