/**
 * What files held when they were last pushed, so that one that has not changed since need not be read: the file <store>/push-cache. It is a
 * cache and nothing else: without it, or with a damaged one, a push reads every file.
 *
 * Imports digests, the file system and limits. Called by push.ts. Why it is safe: docs/adr/0010.
 *
 * A file counts as unchanged when device, inode, size, and the times of its last modification and last change of status are those that were
 * seen before it was read. Whoever writes to a file moves the last of these, and no call sets it back. Only a write within the same tick of
 * the clock would leave it as it is: so what has changed within PUSH_CACHE_SETTLED_MS before it was looked at is not remembered.
 *
 * The file: a header of 16 bytes (the text "ASPUSHC1", then the number of records as a 64-bit float), the records, and the BLAKE3 of
 * all that. A record is five 64-bit floats (device, inode, size, milliseconds of both times) and both digests. Numbers are in the order of the
 * machine's bytes: another machine has other inodes.
 */

import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digest } from '../digest.js';
import { DIGEST_SIZE, PUSH_CACHE_ENTRIES_MAX, PUSH_CACHE_SETTLED_MS } from '../limits.js';
import type { FileStamp } from '../packages/tree.js';
import type { ObjectKey } from '../registry/packages.js';

const MAGIC = Buffer.from('ASPUSHC1');
const HEADER_SIZE = 16;
const STAMP_SIZE = 40;
const RECORD_SIZE = STAMP_SIZE + 2 * DIGEST_SIZE;

interface Remembered extends ObjectKey {
  stamp: FileStamp;
}

export class PushCache {
  readonly #path: string;
  /** By device and inode, those pushed longest ago first. */
  readonly #files: Map<string, Remembered>;
  #changed = false;

  private constructor(path: string, files: Map<string, Remembered>) {
    this.#path = path;
    this.#files = files;
  }

  /**
   * Reads what is remembered; nothing, when there is no cache that can be read.
   *
   * @param store folder of the store
   */
  static async open(store: string): Promise<PushCache> {
    const path = join(store, 'push-cache');
    const bytes = await readFile(path).catch(() => undefined);
    return new PushCache(path, bytes === undefined ? new Map() : readFiles(bytes));
  }

  /** What an unchanged file holds; undefined when it has changed, or nothing is known of it. */
  find(stamp: FileStamp): ObjectKey | undefined {
    const found = this.#files.get(keyOf(stamp));
    return found !== undefined && isSame(found.stamp, stamp) ? found : undefined;
  }

  /**
   * Remembers what a file holds.
   *
   * @param stamp as it was before the file was read
   * @param seen when it was looked at: milliseconds since 1970
   */
  add(stamp: FileStamp, { blake3, sha256, size }: ObjectKey, seen: number): void {
    if (size !== stamp.size || Math.max(stamp.mtime, stamp.ctime) > seen - PUSH_CACHE_SETTLED_MS) return;
    const key = keyOf(stamp);
    this.#files.delete(key);
    this.#files.set(key, { stamp, blake3, sha256, size });
    this.#changed = true;
  }

  /** Writes it down, if anything is new. A failure costs the next push some time, and is none of this one. */
  async save(): Promise<void> {
    if (!this.#changed) return;
    const temporary = `${this.#path}.${randomBytes(6).toString('hex')}`;
    try {
      await writeFile(temporary, writeFiles([...this.#files.values()].slice(-PUSH_CACHE_ENTRIES_MAX)));
      await rename(temporary, this.#path);
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }
}

function keyOf({ dev, ino }: FileStamp): string {
  return `${dev}:${ino}`;
}

function isSame(a: FileStamp, b: FileStamp): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtime === b.mtime && a.ctime === b.ctime;
}

function writeFiles(files: readonly Remembered[]): Buffer {
  const end = HEADER_SIZE + RECORD_SIZE * files.length;
  const bytes = Buffer.from(new ArrayBuffer(end + DIGEST_SIZE));
  MAGIC.copy(bytes);
  const numbers = new Float64Array(bytes.buffer, 0, end / 8);
  numbers[1] = files.length;
  for (const [index, { stamp, blake3, sha256 }] of files.entries()) {
    const at = HEADER_SIZE + RECORD_SIZE * index;
    numbers.set([stamp.dev, stamp.ino, stamp.size, stamp.mtime, stamp.ctime], at / 8);
    bytes.set(blake3, at + STAMP_SIZE);
    bytes.set(sha256, at + STAMP_SIZE + DIGEST_SIZE);
  }
  bytes.set(digest(bytes.subarray(0, end)).blake3, end);
  return bytes;
}

/** What was written; nothing when it is not just that, as after a power cut. */
function readFiles(given: Buffer): Map<string, Remembered> {
  const files = new Map<string, Remembered>();
  const end = given.byteLength - DIGEST_SIZE;
  if (end < HEADER_SIZE || (end - HEADER_SIZE) % RECORD_SIZE !== 0 || !given.subarray(0, 8).equals(MAGIC)) return files;
  if (Buffer.compare(digest(given.subarray(0, end)).blake3, given.subarray(end)) !== 0) return files;
  const bytes = new Uint8Array(given); // memory of its own, in which numbers are aligned
  const numbers = new Float64Array(bytes.buffer, 0, end / 8);
  for (let at = HEADER_SIZE; at < end; at += RECORD_SIZE) {
    const number = (which: number) => numbers[at / 8 + which] as number;
    const size = number(2);
    const stamp = { dev: number(0), ino: number(1), size, mtime: number(3), ctime: number(4) };
    const middle = at + STAMP_SIZE + DIGEST_SIZE;
    const [blake3, sha256] = [bytes.subarray(at + STAMP_SIZE, middle), bytes.subarray(middle, at + RECORD_SIZE)];
    files.set(keyOf(stamp), { stamp, blake3, sha256, size });
  }
  return files;
}
