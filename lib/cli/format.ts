/**
 * Sizes, times, digests and paths as people read them. Pure; imports digest text only. Called by the commands and the progress line.
 */

import type { ByteRange, Digest } from '../dataplane/spi.js';
import { digestAlgorithm, digestHex } from '../digest-name.js';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Hex digits of a shortened digest: 48 bits, so two objects in a million share one once in 500 stores. */
const SHORT_DIGITS = 12;

/** Bytes with a decimal unit: `512 B`, `1.5 kB`, `4.3 GB`. */
export function formatSize(size: number): string {
  let value = size;
  let unit = 0;
  while (unit < UNITS.length - 1 && Number(value.toFixed(unit === 0 ? 0 : 1)) >= 1000) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A whole number with thousands separated. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-GB');
}

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

/** Milliseconds since 1970 as `2026-01-31 23:59:59Z`: UTC, so that two machines say the same. */
export function formatTime(time: number): string {
  return new Date(time).toISOString().replace('T', ' ').replace(/\.\d+/, '');
}

/** A digest's algorithm and first digits: enough to name the object in a later command. */
export function shortDigest(digest: Digest): string {
  return `${digestAlgorithm(digest)}:${digestHex(digest).slice(0, SHORT_DIGITS)}`;
}

/** Byte ranges as the `--range` option takes them: both ends included. */
export function formatRanges(ranges: readonly ByteRange[]): string {
  return ranges.map(({ start, end }) => `${start}-${end - 1}`).join(',');
}

/** A path for a message: text as far as it is UTF-8, control characters made visible. */
export function showPath(path: Uint8Array): string {
  const text = Buffer.from(path).toString();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  return text.replace(/[\u0000-\u001f\u007f]/g, (character) => JSON.stringify(character).slice(1, -1));
}

/** One line that names a file by a digest, as sha256sum and b3sum write it. */
export function digestLine(digest: Digest, path: Uint8Array): Uint8Array {
  return pathLine(digest, path);
}

/**
 * One line that ends with a path: where that has a backslash or an end of line, those are written `\\`, `\n`, `\r` and the line starts
 * with a backslash. Bytes, because a name need not be UTF-8.
 *
 * @param before what stands in front of the path
 */
export function pathLine(before: string, path: Uint8Array): Uint8Array {
  const raw = Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1'); // byte for byte, whatever they stand for
  const escaped = raw.replace(/[\\\n\r]/g, (found) => ESCAPES[found] ?? found);
  const mark = escaped === raw ? '' : '\\';
  return Buffer.from(`${mark}${before}  ${escaped}\n`, 'latin1');
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' };
