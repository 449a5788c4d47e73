/**
 * Digests as text and as bytes: parsing, formatting, prefixes.
 *
 * Pure: imports errors, limits and the contract's types only. Every layer that shows or reads a digest calls it, so a
 * digest looks the same everywhere: the algorithm, a colon, 64 lower-case hex digits.
 */

import type { ContentAddress, Digest, Sha256Digest } from './dataplane/spi.js';
import { ArtifactStoreError } from './errors.js';
import { DIGEST_PREFIX_MIN, DIGEST_SIZE } from './limits.js';

/** The two digests every object has. */
export type DigestAlgorithm = 'blake3' | 'sha256';

/** What a person wrote to name an object: a whole digest or its first digits, with or without the algorithm. */
export interface DigestPrefix {
  /** Absent when the text was bare hex: either digest may be meant. */
  algorithm?: DigestAlgorithm;
  /** DIGEST_PREFIX_MIN to 64 lower-case hex digits. */
  hex: string;
}

const HEX_LENGTH = DIGEST_SIZE * 2;
const CONTENT_ADDRESS = /^blake3:[0-9a-f]{64}$/;
const SHA256_DIGEST = /^sha256:[0-9a-f]{64}$/;
const HEX = /^(?:[0-9a-f]{2})*$/i;
const PREFIX = new RegExp(`^(?:(blake3|sha256):)?([0-9a-f]{${DIGEST_PREFIX_MIN},${HEX_LENGTH}})$`, 'i');

/** Whether `text` is `blake3:` and 64 lower-case hex digits. */
export function isContentAddress(text: string): text is ContentAddress {
  return CONTENT_ADDRESS.test(text);
}

/** Whether `text` is `sha256:` and 64 lower-case hex digits. */
export function isSha256Digest(text: string): text is Sha256Digest {
  return SHA256_DIGEST.test(text);
}

/** Whether `text` is either digest, in the one form this project writes. */
export function isDigest(text: string): text is Digest {
  return isContentAddress(text) || isSha256Digest(text);
}

/**
 * Reads a whole digest with its algorithm; upper-case hex is accepted and comes back in lower case.
 *
 * @throws AS_ERR_INVALID_DIGEST
 */
export function parseDigest(text: string): Digest {
  const digest = text.toLowerCase();
  if (!isDigest(digest)) throw invalidDigest(text, 'write blake3: or sha256: and 64 hex digits');
  return digest;
}

/**
 * Reads what a person writes to name an object: a digest, 64 bare hex digits, or the first DIGEST_PREFIX_MIN or more of them.
 *
 * @throws AS_ERR_INVALID_DIGEST
 */
export function parseDigestPrefix(text: string): DigestPrefix {
  const match = PREFIX.exec(text.trim());
  if (match === null) {
    throw invalidDigest(
      text,
      `write blake3: or sha256: (or neither) and ${DIGEST_PREFIX_MIN} to ${HEX_LENGTH} hex digits`,
    );
  }
  const [, algorithm, hex = ''] = match;
  const prefix = { hex: hex.toLowerCase() };
  return algorithm === undefined ? prefix : { algorithm: algorithm.toLowerCase() as DigestAlgorithm, ...prefix };
}

/** Which digest this is. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('blake3:') ? 'blake3' : 'sha256';
}

/** The 64 hex digits of a digest, without the algorithm. */
export function digestHex(digest: Digest): string {
  return digest.slice(-HEX_LENGTH);
}

/** The 32 bytes of a digest. */
export function digestBytes(digest: Digest): Uint8Array {
  return fromHex(digestHex(digest));
}

/** The bytes of many digests, end to end. */
export function digestsBytes(digests: readonly Digest[]): Uint8Array {
  return new Uint8Array(Buffer.from(digests.map(digestHex).join(''), 'hex')); // one call: a digest at a time costs many times as much
}

/**
 * The content address of 32 BLAKE3 bytes.
 *
 * @throws AS_ERR_INVALID_DIGEST when there are not 32
 */
export function formatBlake3(bytes: Uint8Array): ContentAddress {
  return `blake3:${digestToHex(bytes)}`;
}

/**
 * The text of 32 SHA-256 bytes.
 *
 * @throws AS_ERR_INVALID_DIGEST when there are not 32
 */
export function formatSha256(bytes: Uint8Array): Sha256Digest {
  return `sha256:${digestToHex(bytes)}`;
}

/** Where short bytes are made text: asking a small Uint8Array for its ArrayBuffer makes V8 build one, five times as slow as copying it. */
const scratch = Buffer.alloc(2 * DIGEST_SIZE);

/** Bytes as lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  if (bytes.byteLength <= scratch.byteLength) {
    scratch.set(bytes);
    return scratch.toString('hex', 0, bytes.byteLength);
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/**
 * Hex digits, either case, as bytes.
 *
 * @throws AS_ERR_INVALID_DIGEST when the text is not an even number of hex digits
 */
export function fromHex(text: string): Uint8Array {
  if (!HEX.test(text)) throw invalidDigest(text, 'write an even number of hex digits');
  return new Uint8Array(Buffer.from(text, 'hex'));
}

function digestToHex(bytes: Uint8Array): string {
  if (bytes.byteLength !== DIGEST_SIZE) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_DIGEST',
      `A digest has ${DIGEST_SIZE} bytes, these are ${bytes.byteLength}.`,
      { size: bytes.byteLength },
    );
  }
  return toHex(bytes);
}

function invalidDigest(text: string, advice: string): ArtifactStoreError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return new ArtifactStoreError('AS_ERR_INVALID_DIGEST', `"${shown}" is not a digest: ${advice}.`, { text: shown });
}
