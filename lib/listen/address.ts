/**
 * Where a service listens, as text and as a value: `127.0.0.1:8420`, `[::1]:8420`, `unix:/run/artifactstore.sock`, `systemd`.
 *
 * Imports errors. Called by the configuration, which publishes the pattern, by the command line and by the service.
 */

import { ArtifactStoreError } from '../errors.js';

const PORT = '(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])';

/** What an address looks like; a regular expression of ECMA-262 with the flag `u`, as JSON Schema has them. */
export const LISTEN_PATTERN = `^(?:systemd|unix:(/.+)|(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._\\-]+):(${PORT}))$`;

const LISTEN = new RegExp(LISTEN_PATTERN, 'u');

export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  /** Sockets that the process was started with. */
  | { readonly kind: 'systemd' };

/**
 * Reads an address.
 *
 * @throws AS_ERR_INVALID_ARGUMENT
 */
export function parseListenAddress(text: string): ListenAddress {
  const match = LISTEN.exec(text);
  if (match === null) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `"${text}" is not an address to listen on: give host:port, unix:/path or systemd.`,
      { listen: text },
    );
  }
  const [, path, host, port] = match;
  if (path !== undefined) return { kind: 'unix', path };
  if (host === undefined) return { kind: 'systemd' };
  return { kind: 'tcp', host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}
