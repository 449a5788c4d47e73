/**
 * Where the local engine keeps an object's bytes, found by what docs/format.md says: a small one in a pack, a large one in a file
 * of its own. For tests that damage stored bytes.
 */

import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const SLOT = 128;
const KIND_OBJECT = 1;

export interface StoredBytes {
  file: string;
  /** Where in the file the object begins. */
  offset: number;
}

/** The last record of the object in a segment. */
function findInSegment(segment: Buffer, address: Buffer): number | undefined {
  let found: number | undefined;
  for (let at = 4096; at + SLOT <= segment.length; at += SLOT) {
    const isRecord = segment.toString('latin1', at, at + 4) === 'ASR1' && segment[at + 32] === KIND_OBJECT;
    if (isRecord && segment.subarray(at + 64, at + 96).equals(address))
      found = Number(segment.readBigUInt64LE(at + 48));
  }
  return found;
}

/** @param dataPath the data folder of a store; @param address a BLAKE3 digest, with or without its prefix. */
export async function storedBytes(dataPath: string, address: string): Promise<StoredBytes> {
  const hex = address.slice(-64);
  const packs = join(dataPath, 'packs');
  const names = (await readdir(packs)).filter((name) => name.endsWith('.pack')).sort();
  for (const name of names.reverse()) {
    const file = join(packs, name);
    const offset = findInSegment(await readFile(file), Buffer.from(hex, 'hex'));
    if (offset !== undefined) return { file, offset };
  }
  return { file: join(dataPath, 'objects', hex.slice(0, 2), hex), offset: 0 };
}

/** Flips one bit of a file. */
export async function flip(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await file.write(byte, 0, 1, offset);
  await file.close();
}

/** Flips one bit of a stored object. */
export async function damageStored(dataPath: string, address: string, offset: number): Promise<void> {
  const stored = await storedBytes(dataPath, address);
  await flip(stored.file, stored.offset + offset);
}
