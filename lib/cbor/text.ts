/**
 * The rules for text and for the order of keys. Called when encoding and when checking. Imports nothing of ours.
 */

import { Buffer } from 'node:buffer';

/** With the `u` flag a surrogate matches only where it has no partner. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether all UTF-16 code units are ASCII: then text is well-formed, NFC, and as long in UTF-8 as in UTF-16. */
export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Why text that is not ASCII is outside the profile; undefined when it is inside. */
export function textFault(text: string): string | undefined {
  if (LONE_SURROGATE.test(text)) return 'text has a lone surrogate, which UTF-8 cannot carry';
  if (text.normalize('NFC') !== text) return "text is not in Unicode Normalization Form C; apply normalize('NFC')";
  return undefined;
}

/**
 * Order of two different keys by the bytes of their encodings (RFC 8949 section 4.2.1): the shorter in UTF-8 first, then byte by byte.
 * UTF-16 order is not that order beyond the basic plane, so only ASCII may be compared as it stands.
 */
export function compareKeys(a: string, b: string): number {
  if (isAscii(a) && isAscii(b)) return a.length - b.length || (a < b ? -1 : 1);
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length - right.length || Buffer.compare(left, right);
}
