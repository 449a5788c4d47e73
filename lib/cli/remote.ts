/**
 * A store that is a service: the client of it, as the options say.
 *
 * The one module of this door that imports another, the client (docs/adr/0020). Called by the session, and loaded only when the store is a URL.
 */

import { readFile } from 'node:fs/promises';
import { openClient, type StoreClient } from '../client/index.js';
import { ArtifactStoreError } from '../errors.js';
import { CLIENT_FAREWELL_MS } from '../limits.js';
import type { GlobalOptions } from './options.js';

/**
 * The client of the service that `--store` names.
 *
 * @param signal ends what is under way, a little later: an upload that is given up says so first
 * @throws AS_ERR_INVALID_ARGUMENT: not the address of a service, or not a token; AS_ERR_CONFIG: a file that cannot be read
 */
export async function connect(options: GlobalOptions, signal: AbortSignal): Promise<StoreClient> {
  const { store: url, readOnly, tlsCa } = options;
  const token = await tokenOf(options);
  const client = openClient({
    url,
    readOnly: readOnly === true,
    ...(token !== undefined && { token }),
    ...(tlsCa !== undefined && { ca: await read(tlsCa, '--tls-ca') }),
  });
  signal.addEventListener('abort', () => setTimeout(() => void client.close(), CLIENT_FAREWELL_MS).unref(), {
    once: true,
  });
  return client;
}

/** The token itself counts more than a file with one. */
async function tokenOf({ token, tokenFile }: GlobalOptions): Promise<string | undefined> {
  if (token !== undefined) return token;
  return tokenFile === undefined ? undefined : (await read(tokenFile, '--token-file')).trim();
}

async function read(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const message = `${file}, given as ${option}, cannot be read: ${(cause as Error).message}.`;
    throw new ArtifactStoreError('AS_ERR_CONFIG', message, { file }, { cause });
  }
}
