/**
 * A package as a tar archive: the same package gives the same bytes, today and anywhere.
 *
 * Imports manifests, paths and limits. Called by `archive.ts`. Headers are those of GNU tar, the one dialect that has names as raw bytes of any length: see
 * docs/adr/0021. Times, owners and groups are zero.
 */

import { ARCHIVE_FILE_HELD_MAX, ARCHIVE_READ_AHEAD } from '../../../limits.js';
import type { Manifest, ManifestEntry } from '../../../packages/manifest.js';
import { type PackagePath, pathKey } from '../../../packages/path.js';

const BLOCK_SIZE = 512;
/** Bytes of a name within a header; a longer one comes before it, as the content of an entry of its own. */
const NAME_SIZE = 100;
/** From here on a size does not fit eleven octal digits. */
const OCTAL_SIZE_END = 8 ** 11;
/** Bytes that are sent together where there are so many. */
const PIECE_SIZE = 256 * 1024;

const END = new Uint8Array(2 * BLOCK_SIZE);
const MODES = { file: 0o644, executable: 0o755, symlink: 0o777, directory: 0o755 } as const;
const TYPES = { file: '0', symlink: '2', directory: '5' } as const;

/** Bytes of the archive of a package. */
export function tarSize({ entries }: Manifest): number {
  return entries.reduce((sum, entry) => sum + headOf(entry).byteLength + padded(sizeOf(entry)), END.byteLength);
}

/** Gives the verified bytes of the file that is the entry of this index. */
export type ReadEntry = (index: number) => AsyncIterable<Uint8Array>;

/** The archive, piece by piece. Throws what reading throws. */
export async function* writeTar({ entries }: Manifest, read: ReadEntry): AsyncGenerator<Uint8Array> {
  const contents = new Contents(entries, read);
  let waiting: Uint8Array[] = [];
  let size = 0;
  const add = (bytes: Uint8Array) => {
    waiting.push(bytes);
    size += bytes.byteLength;
    return size >= PIECE_SIZE;
  };
  const piece = () => {
    const bytes = Buffer.concat(waiting);
    waiting = [];
    size = 0;
    return bytes;
  };
  try {
    for (const [index, entry] of entries.entries()) {
      add(headOf(entry));
      for await (const chunk of contents.of(index)) if (add(chunk)) yield piece();
      if (add(new Uint8Array(padded(sizeOf(entry)) - sizeOf(entry)))) yield piece();
    }
    add(END);
    yield piece();
  } finally {
    await contents.end();
  }
}

/** The contents of files, small ones read ahead. */
class Contents {
  /** By index; what fails is told where it is awaited. */
  readonly #ahead = new Map<number, Promise<Uint8Array>>();
  #next = 0;

  constructor(
    private readonly entries: readonly ManifestEntry[],
    private readonly read: ReadEntry,
  ) {}

  async *of(index: number): AsyncGenerator<Uint8Array> {
    this.#readAhead(index);
    const entry = this.entries[index] as ManifestEntry;
    const read = this.#ahead.get(index);
    this.#ahead.delete(index);
    if (read !== undefined) yield await read;
    else if (entry.kind === 'file') yield* this.read(index);
  }

  /** Waits until nothing is read any more. */
  async end(): Promise<void> {
    this.#next = this.entries.length;
    await Promise.allSettled(this.#ahead.values());
  }

  #readAhead(index: number): void {
    for (; this.#next < this.entries.length && this.#ahead.size < ARCHIVE_READ_AHEAD; this.#next++) {
      const entry = this.entries[this.#next] as ManifestEntry;
      const isAhead = this.#next >= index && entry.kind === 'file' && entry.size <= ARCHIVE_FILE_HELD_MAX;
      if (!isAhead) continue;
      const read = collected(this.read(this.#next), entry.size);
      read.catch(() => undefined);
      this.#ahead.set(this.#next, read);
    }
  }
}

async function collected(chunks: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(size);
  let offset = 0;
  for await (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

function sizeOf(entry: ManifestEntry): number {
  return entry.kind === 'file' ? entry.size : 0;
}

/** What stands before the content of an entry: its header, and before that the names that do not fit it. */
function headOf(entry: ManifestEntry): Uint8Array {
  const name = bytesOf(entry.path, entry.kind === 'directory' ? '/' : '');
  const target = entry.kind === 'symlink' ? bytesOf(entry.target) : Buffer.alloc(0);
  const mode = entry.kind === 'file' && entry.executable ? MODES.executable : MODES[entry.kind];
  const own = header({ name, target, mode, size: sizeOf(entry), type: TYPES[entry.kind] });
  const long = [...(target.byteLength > NAME_SIZE ? longName(target, 'K') : [])];
  if (name.byteLength > NAME_SIZE) long.push(...longName(name, 'L'));
  return long.length === 0 ? own : Buffer.concat([...long, own]);
}

/** An entry whose content is a name for the next one, with a NUL behind it. */
function longName(name: Buffer, type: 'K' | 'L'): Buffer[] {
  const size = name.byteLength + 1;
  const content = Buffer.alloc(padded(size));
  content.set(name);
  const of = { name: Buffer.from('././@LongLink'), target: Buffer.alloc(0), mode: 0, size, type };
  return [header(of), content];
}

interface Fields {
  name: Buffer;
  target: Buffer;
  mode: number;
  size: number;
  type: string;
}

/** One block; docs of GNU tar, "Basic Tar Format". */
function header({ name, target, mode, size, type }: Fields): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  block.set(name.subarray(0, NAME_SIZE), 0);
  octal(block, mode, 100, 7);
  octal(block, 0, 108, 7);
  octal(block, 0, 116, 7);
  if (size < OCTAL_SIZE_END) octal(block, size, 124, 11);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  octal(block, 0, 136, 11);
  block.fill(' ', 148, 156);
  block.write(type, 156, 'latin1');
  block.set(target.subarray(0, NAME_SIZE), 157);
  block.write('ustar  \0', 257, 'latin1');
  octal(
    block,
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  block[154] = 0;
  return block;
}

/** A number in octal digits, with a NUL behind them. */
function octal(block: Buffer, value: number, at: number, digits: number): void {
  block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  block[at + digits] = 0;
}

function bytesOf(path: PackagePath, behind = ''): Buffer {
  return Buffer.from(pathKey(path) + behind, 'latin1');
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE;
}
