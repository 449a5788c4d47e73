/**
 * Files that `artifactstore serve` is told of: certificates, and the issuers that it trusts.
 *
 * Imports `node:fs`, the rules for issuers, the sections' types and errors. Called by the command before it listens, and for certificates again
 * on SIGHUP.
 */

import { readFile } from 'node:fs/promises';
import { requireIssuers, type TrustedIssuer } from '../access/issuer-rules.js';
import type { Scope } from '../access/scopes.js';
import type { tlsSection } from '../config/sections/tls.js';
import type { InForce } from '../config/setting.js';
import { ArtifactStoreError } from '../errors.js';

/** Certificates as text. */
export interface TlsFiles {
  cert: string;
  key: string;
  clientCa?: string;
  clientScopes?: readonly Scope[];
}

/**
 * The certificates that the settings name; undefined when they name none.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: settings without the others that they need; AS_ERR_SOURCE_UNREADABLE
 */
export async function readTls(settings: InForce<typeof tlsSection>): Promise<TlsFiles | undefined> {
  const { cert, key, clientCa, clientScopes } = settings;
  if (cert === undefined && key === undefined && clientCa === undefined && clientScopes === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw invalid('TLS needs a certificate and its key: give --tls-cert and --tls-key.');
  }
  if (clientScopes !== undefined && clientCa === undefined) {
    throw invalid('--tls-client-scopes says what certificates of clients allow: give --tls-client-ca too.');
  }
  return {
    cert: await readText(cert),
    key: await readText(key),
    ...(clientCa !== undefined && { clientCa: await readText(clientCa) }),
    ...(clientScopes !== undefined && { clientScopes: clientScopes as readonly Scope[] }),
  };
}

/** The issuers that a file says are trusted. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_SOURCE_UNREADABLE. */
export async function readIssuers(file: string): Promise<TrustedIssuer[]> {
  const text = await readText(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(`${file} is not JSON: ${(cause as Error).message}.`);
  }
  return requireIssuers(value);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message = `${file} cannot be read (${code}). Check the path, and that this user may read it.`;
    throw new ArtifactStoreError('AS_ERR_SOURCE_UNREADABLE', message, { path: file, errno: code }, { cause });
  }
}

function invalid(message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
}
