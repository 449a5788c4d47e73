/**
 * What the command line shows beside sizes and times: items, durations, digests and paths as people read them. Pure; imports digest text and
 * the library's own formatting, which it passes on. Called by the commands and the progress line.
 */

import type { Digest } from '../dataplane/spi.js';
import { digestAlgorithm, digestHex } from '../digest-name.js';
import { formatCount } from '../format.js';

export { formatCount, formatRanges, formatSize, formatTime } from '../format.js';

/** Hex digits of a shortened digest: 48 bits, so two objects in a million share one once in 500 stores. */
const SHORT_DIGITS = 12;

/** A count and what is counted: `1 file`, `2,000 files`. */
export function formatItems(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `m:ss`, or `h:mm:ss` from an hour on. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}

/** A digest's algorithm and first digits: enough to name the object in a later command. */
export function shortDigest(digest: Digest): string {
  return `${digestAlgorithm(digest)}:${digestHex(digest).slice(0, SHORT_DIGITS)}`;
}

/** A path for a message: text as far as it is UTF-8, control characters made visible. */
export function showPath(path: Uint8Array): string {
  const text = Buffer.from(path).toString();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  return text.replace(/[\u0000-\u001f\u007f]/g, (character) => JSON.stringify(character).slice(1, -1));
}

/**
 * One line that names a file by a digest, as sha256sum and b3sum write it: where the name has a backslash or an end of line, those are
 * written `\\`, `\n`, `\r` and the line starts with a backslash. Bytes, because a name need not be UTF-8.
 */
export function digestLine(digest: Digest, path: Uint8Array): Uint8Array {
  const raw = Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1'); // byte for byte, whatever they stand for
  const escaped = raw.replace(/[\\\n\r]/g, (found) => ESCAPES[found] ?? found);
  const mark = escaped === raw ? '' : '\\';
  return Buffer.from(`${mark}${digest}  ${escaped}\n`, 'latin1');
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' };
