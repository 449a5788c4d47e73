/**
 * Takes a large file into a store on one file system from another or the same, and tells what that cost and whether the object is its own:
 * changes to the file afterwards must not reach it. Run by clone.test.ts in a mount namespace of its own.
 *
 * Usage: clone.js <folder> <file system of the store> <file system of the source, or same>. Sends its parent a `Taken`.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { digest, openStore, toHex } from '../../lib/index.js';
import { makeImage, mountImage, run } from '../support/mounts.js';

export interface Taken {
  /** Bytes of the file, and those by which the file system of the store has less space afterwards. */
  size: number;
  used: number;
  /** What verifying gave, after the file was overwritten; and whether the bytes and digests are those of the file as it was. */
  status: string;
  same: boolean;
}

const SIZE = 64 * 1024 * 1024 + 12_345;
const IMAGE_SIZE = '400M';

const [folder = '', kind = '', sourceKind = ''] = process.argv.slice(2);

function mounted(name: string, type: string): string {
  const at = join(folder, name);
  makeImage(`${at}.img`, IMAGE_SIZE, type);
  mountImage(`${at}.img`, at);
  return at;
}

function freeSize(path: string): number {
  run('sync', '--file-system', path);
  const { bfree, bsize } = statfsSync(path);
  return bfree * bsize;
}

function overwrite(path: string): void {
  const file = openSync(path, 'r+');
  for (let at = 0; at < SIZE; at += SIZE / 8) writeSync(file, 'changed', Math.floor(at));
  closeSync(file);
  run('sync', path);
}

async function take(): Promise<Taken> {
  const home = mounted('home', kind);
  const source = join(sourceKind === 'same' ? home : mounted('elsewhere', sourceKind), 'large.bin');
  writeFileSync(source, randomBytes(SIZE));
  const before = readFileSync(source);
  const store = await openStore({ path: join(home, 'store') });
  try {
    const free = freeSize(home);
    const { blake3, sha256, size } = await store.put({ path: source });
    const used = free - freeSize(home);
    overwrite(source);
    const expected = digest(before);
    const bytes = await (await store.get(blake3)).bytes();
    const named = blake3 === `blake3:${toHex(expected.blake3)}` && sha256 === `sha256:${toHex(expected.sha256)}`;
    return { size, used, status: (await store.verify(blake3)).status, same: named && before.equals(bytes) };
  } finally {
    await store.close();
  }
}

process.send?.(await take());
