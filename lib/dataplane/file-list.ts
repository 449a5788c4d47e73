/**
 * Paths of many files in one piece of memory, as the contract's `FileList` has them: put together, and divided.
 *
 * Imports the contract's types. Called by the facade and the data plane.
 */

import type { FileList } from './spi.js';

/** The files from `start` to `end`. */
export function filesBetween({ paths, ends, ...watch }: FileList, start: number, end: number): FileList {
  if (start === 0 && end >= ends.length) return { paths, ends, ...watch };
  const first = start === 0 ? 0 : (ends[start - 1] as number);
  const own = ends.slice(start, end);
  const last = own.at(-1) ?? first;
  for (let index = 0; index < own.length; index++) own[index] = (own[index] as number) - first;
  return { paths: paths.subarray(first, last), ends: own, ...watch };
}

/** Paths as a list. */
export function joinPaths(paths: readonly (string | Uint8Array)[]): Pick<FileList, 'paths' | 'ends'> {
  const parts = paths.map((path) => (typeof path === 'string' ? Buffer.from(path) : path));
  const ends = new Uint32Array(parts.length);
  let end = 0;
  for (let index = 0; index < parts.length; index++) {
    end += (parts[index] as Uint8Array).byteLength;
    ends[index] = end;
  }
  return { paths: Buffer.concat(parts, end), ends };
}
