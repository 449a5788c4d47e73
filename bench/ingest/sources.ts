/**
 * What the ingest benchmark takes in: files without a pattern, made once and read from the page cache by everyone.
 *
 * Imports Node's own modules. Called by bench/ingest.ts.
 */

import { createHash, randomBytes, randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Files, or one. */
export interface Source {
  /** The folder or the file. */
  path: string;
  files: number;
  /** Bytes of all. */
  size: number;
  /** Hex SHA-256 of a single file: what it is asked for by. */
  sha256?: string;
}

/** So many entries a folder, as in a tree of sources or build outputs. */
const FILES_PER_FOLDER = 100;

export function makeTree(path: string, files: number, fileSize: number): Source {
  for (let index = 0; index < files; index++) {
    const folder = join(path, String(Math.floor(index / FILES_PER_FOLDER)));
    if (index % FILES_PER_FOLDER === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${index}.bin`), randomBytes(fileSize));
  }
  return { path, files, size: files * fileSize };
}

/** @param path of the file; its folder is made */
export function makeFile(path: string, size: number): Source {
  mkdirSync(join(path, '..'), { recursive: true });
  const piece = Buffer.alloc(1024 * 1024);
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  for (let at = 0; at < size; at += piece.byteLength) {
    const part = randomFillSync(piece).subarray(0, Math.min(piece.byteLength, size - at));
    hash.update(part);
    writeSync(file, part);
  }
  closeSync(file);
  return { path, files: 1, size, sha256: hash.digest('hex') };
}
