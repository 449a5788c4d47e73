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

/**
 * Text that came from somebody else, for a line of output: characters that end a line, move a terminal's cursor or reverse what is read become
 * visible, so that nobody can write a line that is not there.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? JSON.stringify(character).slice(1, -1) : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** Controls, ends of lines, and marks that change the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** A path for a message: text as far as it is UTF-8. */
export function showPath(path: Uint8Array): string {
  return printable(Buffer.from(path).toString());
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
  return Buffer.from(rawLine(before, rawText(path)), 'latin1');
}

/** Bytes as text of as many characters, whatever they stand for: as Latin-1. */
function rawText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The line of `pathLine`, as raw text. */
function rawLine(before: string, path: string): string {
  if (!/[\\\n\r]/.test(path)) return `${before}  ${path}\n`;
  return `\\${before}  ${path.replace(/[\\\n\r]/g, (found) => ESCAPES[found] ?? found)}\n`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' };
