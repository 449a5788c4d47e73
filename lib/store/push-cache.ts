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

/** Records as they are in the file: objects are made only for those that are asked for, and there are tens of thousands. */
interface Records {
  bytes: Uint8Array;
  /** The same memory. */
  numbers: Float64Array;
  count: number;
}

const NONE: Records = { bytes: new Uint8Array(0), numbers: new Float64Array(0), count: 0 };

export class PushCache {
  readonly #path: string;
  /** What the file holds, those remembered longest ago first. */
  readonly #known: Records;
  /** Where the record of an inode is; of two devices with the same one, the later record counts. */
  readonly #places = new Map<number, number>();
  readonly #added = new Map<number, { stamp: FileStamp; object: ObjectKey }>();

  private constructor(path: string, known: Records) {
    this.#path = path;
    this.#known = known;
    for (let place = 0; place < known.count; place++) this.#places.set(numberAt(known, place, 1), place);
  }

  /**
   * Reads what is remembered; nothing, when there is no cache that can be read.
   *
   * @param store folder of the store
   */
  static async open(store: string): Promise<PushCache> {
    const path = join(store, 'push-cache');
    const bytes = await readFile(path).catch(() => undefined);
    return new PushCache(path, bytes === undefined ? NONE : readRecords(bytes));
  }

  /** What an unchanged file holds; undefined when it has changed, or nothing was known of it when the cache was opened. */
  find({ dev, ino, size, mtime, ctime }: FileStamp): ObjectKey | undefined {
    const known = this.#known;
    const place = this.#places.get(ino);
    if (place === undefined) return undefined;
    const isSame = [dev, ino, size, mtime, ctime].every((number, which) => numberAt(known, place, which) === number);
    if (!isSame) return undefined;
    const at = HEADER_SIZE + RECORD_SIZE * place + STAMP_SIZE;
    const middle = at + DIGEST_SIZE;
    return {
      blake3: known.bytes.subarray(at, middle),
      sha256: known.bytes.subarray(middle, middle + DIGEST_SIZE),
      size,
    };
  }

  /**
   * Remembers what a file holds, from the next push on.
   *
   * @param stamp as it was before the file was read
   * @param seen when it was looked at: milliseconds since 1970
   */
  add(stamp: FileStamp, object: ObjectKey, seen: number): void {
    const settled = Math.max(stamp.mtime, stamp.ctime) <= seen - PUSH_CACHE_SETTLED_MS;
    if (settled && object.size === stamp.size) this.#added.set(stamp.ino, { stamp, object });
  }

  /** Writes it down, if anything is new. A failure costs the next push some time, and is none of this one. */
  async save(): Promise<void> {
    if (this.#added.size === 0) return;
    const temporary = `${this.#path}.${randomBytes(6).toString('hex')}`;
    try {
      await writeFile(temporary, this.#written());
      await rename(temporary, this.#path);
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }

  #written(): Uint8Array {
    const added = [...this.#added.values()].slice(-PUSH_CACHE_ENTRIES_MAX);
    const kept = [...this.#places].filter(([ino]) => !this.#added.has(ino)).map(([, place]) => place);
    const room = PUSH_CACHE_ENTRIES_MAX - added.length;
    const places = kept.slice(Math.max(kept.length - room, 0));
    const end = HEADER_SIZE + RECORD_SIZE * (places.length + added.length);
    const bytes = new Uint8Array(end + DIGEST_SIZE);
    const numbers = new Float64Array(bytes.buffer, 0, end / 8);
    bytes.set(MAGIC);
    numbers[1] = places.length + added.length;
    let at = HEADER_SIZE;
    for (const place of places) {
      const from = HEADER_SIZE + RECORD_SIZE * place;
      bytes.set(this.#known.bytes.subarray(from, from + RECORD_SIZE), at);
      at += RECORD_SIZE;
    }
    for (const { stamp, object } of added) {
      numbers.set([stamp.dev, stamp.ino, stamp.size, stamp.mtime, stamp.ctime], at / 8);
      bytes.set(object.blake3, at + STAMP_SIZE);
      bytes.set(object.sha256, at + STAMP_SIZE + DIGEST_SIZE);
      at += RECORD_SIZE;
    }
    bytes.set(digest(bytes.subarray(0, end)).blake3, end);
    return bytes;
  }
}

/** One of the five numbers of a record. */
function numberAt({ numbers }: Records, place: number, which: number): number {
  return numbers[(HEADER_SIZE + RECORD_SIZE * place) / 8 + which] as number;
}

/** What was written; nothing when it is not just that, as after a power cut. */
function readRecords(given: Buffer): Records {
  const end = given.byteLength - DIGEST_SIZE;
  const count = (end - HEADER_SIZE) / RECORD_SIZE;
  if (!(Number.isInteger(count) && count >= 0) || !given.subarray(0, MAGIC.byteLength).equals(MAGIC)) return NONE;
  if (Buffer.compare(digest(given.subarray(0, end)).blake3, given.subarray(end)) !== 0) return NONE;
  const bytes = new Uint8Array(given); // memory of its own, in which numbers are aligned
  return { bytes, numbers: new Float64Array(bytes.buffer, 0, end / 8), count };
}
