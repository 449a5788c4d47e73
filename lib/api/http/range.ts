/**
 * The Range header (RFC 9110, sections 14.1.2 and 14.2) for one range of bytes.
 *
 * Pure. Called by `download.ts`. Several ranges, other units and malformed ones are answered with the whole, as the RFC allows.
 */

import type { ByteRange } from '../../dataplane/spi.js';

const SINGLE_RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i;

/**
 * Which bytes a Range header asks for.
 *
 * @param header the field's value; undefined when absent
 * @param size bytes in the object
 * @returns the range; `whole` when the header is to be ignored; `unsatisfiable` when no byte of the object is in it (416)
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'whole' | 'unsatisfiable' {
  const match = header === undefined ? null : SINGLE_RANGE.exec(header);
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

/** Content-Range of a 206. */
export function formatContentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}
