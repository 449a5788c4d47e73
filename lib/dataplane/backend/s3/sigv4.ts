/**
 * Signature Version 4 of AWS: what proves to an S3-compatible server who sends a request and that nobody has changed it.
 *
 * Pure; imports node:crypto. Called by the request layer. Held to the published vectors (test/dataplane/s3.test.ts). S3 differs from the general rules in one
 * point: a path is encoded once and taken as it is, where other services encode it twice and resolve its dots.
 */

import { createHash, createHmac } from 'node:crypto';

/** What a request is signed with. Never part of a message. */
export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Of temporary credentials. */
  sessionToken?: string;
}

/** A request as it is signed. */
export interface SignedRequest {
  method: string;
  /** Path of the URL, encoded as it is sent: see `encodePath`. */
  path: string;
  /** Query parameters, not encoded. */
  query: readonly (readonly [name: string, value: string])[];
  /** Header names in any case; all of them are signed. `host` and `x-amz-date` must be among them. */
  headers: readonly (readonly [name: string, value: string])[];
  /** SHA-256 of the body, in hex. */
  payloadHash: string;
}

/** Where a signature counts. */
export interface SigningScope {
  region: string;
  service: string;
  /** `YYYYMMDDTHHMMSSZ`, as in the header `x-amz-date`. */
  time: string;
}

/** SHA-256 of nothing. */
export const EMPTY_PAYLOAD_HASH = createHash('sha256').digest('hex');

/** A moment as `x-amz-date` has it. */
export function amzDate(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().replace(/[-:]/g, '').slice(0, 15)}Z`;
}

/** Percent-encodes all but the unreserved characters of RFC 3986, as UTF-8. */
export function encodeComponent(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** A path for a URL: every segment encoded, the slashes kept. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeComponent).join('/');
}

/** A query as it is sent, in the order in which it is signed. */
export function canonicalQuery(query: SignedRequest['query']): string {
  return query
    .map(([name, value]) => [encodeComponent(name), encodeComponent(value)] as const)
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** The canonical form of a request, and the names of the headers that it signs. */
export function canonicalRequest({ method, path, query, headers, payloadHash }: SignedRequest): {
  text: string;
  signedHeaders: string;
} {
  const values = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    values.set(key, [...(values.get(key) ?? []), value.trim().replace(/\s+/g, ' ')]);
  }
  const names = [...values.keys()].sort(compare);
  const lines = names.map((name) => `${name}:${values.get(name)?.join(',')}\n`).join('');
  const signedHeaders = names.join(';');
  return {
    text: [method, path, canonicalQuery(query), lines, signedHeaders, payloadHash].join('\n'),
    signedHeaders,
  };
}

/** What is signed: the scope, and the digest of the canonical request. */
export function stringToSign(canonical: string, { region, service, time }: SigningScope): string {
  const scope = [time.slice(0, 8), region, service, 'aws4_request'].join('/');
  return ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
}

/** The value of the header `authorization`. */
export function authorization(request: SignedRequest, scope: SigningScope, credentials: Credentials): string {
  const { text, signedHeaders } = canonicalRequest(request);
  const { region, service, time } = scope;
  const signature = createHmac('sha256', signingKey(credentials.secretAccessKey, scope))
    .update(stringToSign(text, scope))
    .digest('hex');
  const credential = [credentials.accessKeyId, time.slice(0, 8), region, service, 'aws4_request'].join('/');
  return `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
}

function signingKey(secret: string, { time, region, service }: SigningScope): Buffer {
  return [time.slice(0, 8), region, service, 'aws4_request'].reduce<Buffer>(
    (key, part) => createHmac('sha256', key).update(part).digest(),
    Buffer.from(`AWS4${secret}`),
  );
}

/** By code units, which for what is encoded is by bytes. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
