/**
 * The Range header (RFC 9110, sections 14.1.2 and 14.2) for ranges of bytes.
 *
 * Imports limits. Called by `download.ts`. Other units and malformed headers are answered with the whole, as the RFC allows; so are ranges that
 * overlap and more than HTTP_RANGES_MAX of them, which ask for more work than the whole.
 */

import type { ByteRange } from '../../dataplane/spi.js';
import { HTTP_RANGES_MAX } from '../../limits.js';

const UNIT = /^bytes=/i;
const RANGE = /^(\d*)-(\d*)$/;

/**
 * Which bytes a Range header asks for.
 *
 * @param header the field's value; undefined when absent
 * @param size bytes in the object
 * @returns the ranges that have bytes of the object, in the order asked for, at least one; `whole` when the header is to be ignored;
 *   `unsatisfiable` when no byte of the object is in any (416)
 */
export function parseRanges(header: string | undefined, size: number): ByteRange[] | 'whole' | 'unsatisfiable' {
  if (header === undefined || !UNIT.test(header)) return 'whole';
  const texts = header.slice('bytes='.length).split(',');
  const asked = texts.map((text) => text.trim()).filter((text) => text !== '');
  if (asked.length === 0 || asked.length > HTTP_RANGES_MAX) return 'whole';
  const ranges = asked.map((text) => parseRange(text, size));
  if (ranges.includes('whole')) return 'whole';
  const found = ranges.filter((range): range is ByteRange => typeof range === 'object');
  if (found.length === 0) return 'unsatisfiable';
  return overlap(found) ? 'whole' : found;
}

function parseRange(text: string, size: number): ByteRange | 'whole' | 'unsatisfiable' {
  const match = RANGE.exec(text);
  if (match === null) return 'whole';
  const [, first = '', last = ''] = match;
  if (first === '') return suffix(last, size);
  const start = Number(first);
  if (last !== '' && Number(last) < start) return 'whole';
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}

/** The last `text` bytes. Of an empty object they are the whole, which Content-Range cannot say. */
function suffix(text: string, size: number): ByteRange | 'whole' | 'unsatisfiable' {
  if (text === '') return 'whole';
  const length = Number(text);
  if (length === 0) return 'unsatisfiable';
  return size === 0 ? 'whole' : { start: Math.max(size - length, 0), end: size };
}

function overlap(ranges: readonly ByteRange[]): boolean {
  const sorted = [...ranges].sort((a, b) => a.start - b.start);
  return sorted.some(({ start }, n) => n > 0 && start < (sorted[n - 1] as ByteRange).end);
}

/** Content-Range of a 206. */
export function formatContentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}
