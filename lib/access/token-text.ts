/**
 * Tokens as text: `as_<id>_<secret><checksum>`.
 *
 * The id is public, 12 letters and digits; the secret is 256 random bits, 43 letters and digits; the checksum is the CRC-32 of all before it, 6
 * letters and digits. So a program that looks for leaked secrets finds a token by its form, a token that was copied in part is noticed before anyone is
 * asked about it, and a double click selects it whole. Imports crypto. The facade makes and reads tokens here.
 */

import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 12;
const SECRET_LENGTH = 43; // 62^43 > 2^256
const CHECKSUM_LENGTH = 6; // 62^6 > 2^32
const FORM = new RegExp(
  `^(as_([0-9a-z]{${ID_LENGTH}})_[0-9A-Za-z]{${SECRET_LENGTH}})([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`,
);

/** What is known of a token from its text. */
export interface TokenText {
  id: string;
  /** SHA-256 of the whole text. */
  hash: Uint8Array;
}

/** A token that nobody has had before. */
export function makeToken(): TokenText & { text: string } {
  const id = [...randomBytes(ID_LENGTH)].map((byte) => ID_DIGITS[byte % ID_DIGITS.length]).join('');
  const secret = inDigits(BigInt(`0x${randomBytes(32).toString('hex')}`), SECRET_LENGTH);
  const before = `as_${id}_${secret}`;
  const text = `${before}${checksum(before)}`;
  return { id, text, hash: hashOf(text) };
}

/** Reads a token; undefined when it is none, or was not copied whole. */
export function readToken(text: string): TokenText | undefined {
  const [, before, id, sum] = FORM.exec(text) ?? [];
  if (before === undefined || id === undefined || checksum(before) !== sum) return undefined;
  return { id, hash: hashOf(text) };
}

function hashOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

function checksum(text: string): string {
  return inDigits(BigInt(crc32(text)), CHECKSUM_LENGTH);
}

function inDigits(value: bigint, length: number): string {
  let rest = value;
  let text = '';
  for (let n = 0; n < length; n++) {
    text = `${DIGITS[Number(rest % 62n)]}${text}`;
    rest /= 62n;
  }
  return text;
}
