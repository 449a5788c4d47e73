/**
 * Digests in headers: `Repr-Digest` and `Content-Digest` (RFC 9530, a structured-field dictionary of RFC 9651), and `Artifactstore-Digest`,
 * our own, because BLAKE3 is not registered there.
 *
 * Imports digest names. Called by `upload.ts` and `download.ts`.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { Digest, Sha256Digest } from '../../dataplane/spi.js';
import { digestAlgorithm, digestBytes, formatSha256, parseDigest } from '../../digest-name.js';
import { ArtifactStoreError } from '../../errors.js';
import { DIGEST_SIZE } from '../../limits.js';

const KEY = '[a-z*][a-z0-9_.*-]*';
const PARAMETER = `[ ]*;[ ]*${KEY}(?:=(?:"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\["\\\\])*"|[^\\s,;"]+))?`;
/** One member and the comma behind it: a byte sequence under a key. */
const MEMBER = new RegExp(`(${KEY})=:([A-Za-z0-9+/]*={0,2}):(?:${PARAMETER})*[ \\t]*(,[ \\t]*|$)`, 'y');

/** `sha-256=:<base64>:`. */
export function formatReprDigest(sha256: Sha256Digest): string {
  return `sha-256=:${Buffer.from(digestBytes(sha256)).toString('base64')}:`;
}

/**
 * Whether a client wants the SHA-256 digest, by `Want-Repr-Digest` or `Want-Content-Digest` (RFC 9530, section 4): a dictionary of weights from 0,
 * not wanted, to 10. Undefined when it does not say, or not so that it can be read: preferences may be ignored.
 */
export function wantsSha256(field: string | string[] | undefined): boolean | undefined {
  let wanted: boolean | undefined;
  for (const member of field?.toString().split(',') ?? []) {
    const weight = /^ *sha-256=(\d|10) *$/.exec(member)?.[1];
    if (weight !== undefined) wanted = weight !== '0'; // the last of a repeated key counts
  }
  return wanted;
}

/** Both digests, as this project writes them. */
export function formatArtifactstoreDigest({ blake3, sha256 }: { blake3: Digest; sha256: Digest }): string {
  return `${blake3}, ${sha256}`;
}

/**
 * The SHA-256 digest in a digest field; undefined when it carries other algorithms only, which cannot be checked here.
 *
 * @param name of the field, for messages
 * @throws AS_ERR_INVALID_DIGEST: not a dictionary of byte sequences, or not 32 bytes. Ignoring it would store bytes that the client asked to have checked
 */
export function parseDigestField(name: string, value: string): Sha256Digest | undefined {
  let sha256: Sha256Digest | undefined;
  MEMBER.lastIndex = 0;
  for (let more = true; more; ) {
    const match = MEMBER.exec(value);
    if (match === null) throw malformed(name, value);
    const [, key, base64 = '', comma = ''] = match;
    if (key === 'sha-256') sha256 = sha256From(name, value, base64);
    more = comma !== '';
  }
  return sha256;
}

/**
 * Every digest that the bytes of a request are announced to have, one for each algorithm at most.
 *
 * @param target the digest in the path, if there is one
 * @throws AS_ERR_INVALID_DIGEST: a field is malformed
 * @throws AS_ERR_DIGEST_MISMATCH: two of them contradict each other, so no bytes can have both
 */
export function expectedDigests(headers: IncomingHttpHeaders, target?: Digest): Digest[] {
  const found: Digest[] = target === undefined ? [] : [target];
  for (const name of ['Repr-Digest', 'Content-Digest']) {
    const value = headers[name.toLowerCase()];
    const digest = value === undefined ? undefined : parseDigestField(name, String(value));
    if (digest !== undefined) found.push(digest);
  }
  const own = headers['artifactstore-digest'];
  if (own !== undefined)
    found.push(
      ...String(own)
        .split(',')
        .map((text) => parseDigest(text.trim())),
    );
  return withoutContradiction(found);
}

function withoutContradiction(digests: Digest[]): Digest[] {
  const expected = new Map<string, Digest>();
  for (const digest of digests) {
    const other = expected.get(digestAlgorithm(digest));
    if (other !== undefined && other !== digest) {
      throw new ArtifactStoreError(
        'AS_ERR_DIGEST_MISMATCH',
        `The request announces both ${other} and ${digest}; no bytes have both. Send only the right one.`,
        { expected: [other, digest] },
      );
    }
    expected.set(digestAlgorithm(digest), digest);
  }
  return [...expected.values()];
}

function sha256From(name: string, value: string, base64: string): Sha256Digest {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.byteLength !== DIGEST_SIZE) throw malformed(name, value);
  return formatSha256(bytes);
}

function malformed(name: string, value: string): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_INVALID_DIGEST',
    `${name}: ${value} cannot be read: write sha-256=:<base64>: with ${DIGEST_SIZE} bytes.`,
    { field: name, text: value },
  );
}
