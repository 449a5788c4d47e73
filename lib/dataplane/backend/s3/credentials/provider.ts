/**
 * What every source of credentials is: asked in turn by the chain, it has some, has nothing to say, or says why it failed.
 *
 * Imports the contract of signatures, undici and errors. Implemented by the files beside it.
 */

import { Agent, request } from 'undici';
import { ArtifactStoreError } from '../../../../errors.js';
import {
  S3_CREDENTIALS_ANSWER_SIZE_MAX,
  S3_CREDENTIALS_ATTEMPTS_MAX,
  S3_CREDENTIALS_TIMEOUT_MS,
} from '../../../../limits.js';
import type { Credentials } from '../sigv4.js';

/** Credentials, and when they end: milliseconds since 1970; those without an end count until the server refuses them. */
export interface TimedCredentials extends Credentials {
  expires?: number;
}

/** One place where credentials may be. */
export interface Provider {
  /** For people. */
  readonly name: string;
  /** Undefined: this place is not set up here. Throws AS_ERR_UNAUTHENTICATED: it is, and gives none. */
  load(): Promise<TimedCredentials | undefined>;
}

/** The variables that a provider reads. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a metadata service answers, as JSON: `AccessKeyId`, `SecretAccessKey`, `Token`, `Expiration`. */
export function readServiceCredentials(text: string, place: string): TimedCredentials {
  let value: Partial<Record<'AccessKeyId' | 'SecretAccessKey' | 'Token' | 'Expiration', unknown>>;
  try {
    value = (JSON.parse(text) as typeof value | null) ?? {};
  } catch {
    value = {};
  }
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken, Expiration: end } = value;
  if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string') {
    throw noCredentials(place, 'its answer has no access key');
  }
  const expires = typeof end === 'string' ? Date.parse(end) : Number.NaN;
  return {
    accessKeyId,
    secretAccessKey,
    ...(typeof sessionToken === 'string' && sessionToken !== '' && { sessionToken }),
    ...(!Number.isNaN(expires) && { expires }),
  };
}

/** One request of a provider. */
export interface Asked {
  method?: 'GET' | 'PUT' | 'POST';
  headers?: Readonly<Record<string, string>>;
  body?: string;
  timeoutMs?: number;
  /** Certificates to trust, in PEM, in place of the system's. */
  authorities?: string | undefined;
}

/**
 * Asks a metadata service or token service, a few times.
 *
 * @throws AS_ERR_UNAUTHENTICATED: it cannot be reached, or refuses
 */
export async function ask(url: string, place: string, asked: Asked = {}): Promise<string> {
  const { authorities: ca } = asked;
  const agent = new Agent({ connect: ca === undefined ? {} : { ca } });
  try {
    return await askBy(agent, url, place, asked);
  } finally {
    await agent.destroy();
  }
}

async function askBy(dispatcher: Agent, url: string, place: string, asked: Asked): Promise<string> {
  const { method = 'GET', headers = {}, body = null, timeoutMs = S3_CREDENTIALS_TIMEOUT_MS } = asked;
  let reason = '';
  for (let attempt = 0; attempt < S3_CREDENTIALS_ATTEMPTS_MAX; attempt++) {
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const reply = await request(url, { method, headers, body, signal, dispatcher });
      const text = await textOf(reply.body);
      if (reply.statusCode >= 200 && reply.statusCode < 300) return text;
      reason = `it answers ${reply.statusCode}`;
      if (reply.statusCode < 500 && reply.statusCode !== 429) break;
    } catch (error) {
      reason = (error as Error).message;
    }
  }
  throw noCredentials(place, reason);
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > S3_CREDENTIALS_ANSWER_SIZE_MAX) throw new Error('its answer has no end');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** A place that is set up for credentials gives none. */
export function noCredentials(place: string, reason: string): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_UNAUTHENTICATED',
    `No credentials for S3 came from ${place}: ${reason}. Correct that, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`,
    { place },
  );
}
