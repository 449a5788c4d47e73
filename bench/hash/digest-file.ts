/**
 * Prints both digests of a file, as b3sum and openssl print theirs: this library as a whole process. Also what the same reading costs
 * without starting one.
 *
 * Imports the public API. Started by bench/hash/files.ts, which also imports it.
 */

import { closeSync, openSync, readSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { createDigester, type Digests, toHex } from '../../lib/index.js';

/** Bytes read at a time: they stay in the second-level cache until they are hashed. */
const PIECE_SIZE = 256 * 1024;

export function digestFile(path: string): Digests {
  const digester = createDigester();
  const piece = Buffer.alloc(PIECE_SIZE);
  const file = openSync(path, 'r');
  try {
    for (let size = readSync(file, piece); size > 0; size = readSync(file, piece))
      digester.update(piece.subarray(0, size));
  } finally {
    closeSync(file);
  }
  return digester.digest();
}

const [, started, path] = process.argv;
if (started !== undefined && import.meta.url === pathToFileURL(started).href && path !== undefined) {
  const { blake3, sha256 } = digestFile(path);
  console.log(`${toHex(blake3)} ${toHex(sha256)}`);
}
