/**
 * Paths inside a package: raw bytes by nature, text where they can be.
 *
 * Pure; imports errors' types and limits. Called by everything in this folder, and by who shows paths.
 *
 * Inside this folder a path is compared by its key: a string with one character for each byte. Keys order as bytes do, are cheap to cut,
 * and are the path itself where that is ASCII.
 */

import { isUtf8 } from 'node:buffer';
import { FILE_NAME_SIZE_MAX, PACKAGE_PATH_SIZE_MAX } from '../limits.js';

/** Text when the bytes are well-formed UTF-8 in Unicode Normalization Form C; else the raw bytes, so that every name comes back exactly. */
export type PackagePath = string | Uint8Array;

// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what may be in neither
const NOT_ASCII = /[^\u0000-\u007f]/;

/** A part that is empty, `.` or `..`. */
const EVIL_PART = /(?:^|\/)\.{0,2}(?=\/|$)/;

/** The key of a path. */
export function pathKey(path: PackagePath): string {
  if (typeof path === 'string' && !NOT_ASCII.test(path)) return path;
  return Buffer.from(path as string).toString('latin1');
}

/** The path with a key, in its one form. */
export function pathOfKey(key: string): PackagePath {
  if (!NOT_ASCII.test(key)) return key;
  const bytes = Buffer.from(key, 'latin1');
  if (!isUtf8(bytes)) return new Uint8Array(bytes);
  const text = bytes.toString();
  return text.normalize('NFC') === text ? text : new Uint8Array(bytes);
}

/** Why no entry of a package can have this path; undefined when one can. */
export function pathFault(key: string): string | undefined {
  if (key === '') return 'the path is empty';
  if (key.length > PACKAGE_PATH_SIZE_MAX) return `the path is longer than ${PACKAGE_PATH_SIZE_MAX} bytes`;
  if (key.startsWith('/')) return 'the path is absolute';
  if (EVIL_PART.test(key)) return 'a part of the path is empty, "." or ".."';
  if (key.includes('\0')) return 'the path has a NUL byte, which no file system takes';
  if (key.length > FILE_NAME_SIZE_MAX && key.split('/').some((part) => part.length > FILE_NAME_SIZE_MAX)) {
    return `a part of the path is longer than ${FILE_NAME_SIZE_MAX} bytes`;
  }
  return undefined;
}

/** A path for a message: text as far as it is UTF-8, with what a terminal must not get made visible. */
export function showPackagePath(path: PackagePath): string {
  return JSON.stringify(typeof path === 'string' ? path : Buffer.from(path).toString()).slice(1, -1);
}
