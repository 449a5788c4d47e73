/**
 * Giving small objects out. As many reads as wait share one native operation, because a message to a worker costs several times what reading and
 * checking such an object does; and where it takes no waiting for a disk, the calling thread does it itself, because even its share of a message costs more.
 *
 * Imports the backend, the gathering of work and limits. Called by index.ts and serve.ts.
 */

import { digestBytes } from '../../digest-name.js';
import {
  DIGEST_SIZE,
  GROUP_SIZE,
  READ_GATHERED_SIZE_MAX,
  READ_NOW_SIZE_MAX,
  READS_GATHERED_MAX,
  READS_REMEMBERED_MAX,
} from '../../limits.js';
import type { NativeFailure } from '../../native/addon.js';
import { Gather } from '../backend/gather.js';
import type { LocalBackend } from '../backend/local.js';
import { readError } from '../backend/native-errors.js';
import type { ByteRange, ContentAddress } from '../spi.js';
import type { Arena } from './arena.js';

/** The beginning of an object: its first `size` bytes. */
interface Beginning {
  address: ContentAddress;
  size: number;
}

/** What became of each read of an operation. */
type Outcomes = readonly (Uint8Array | NativeFailure)[];

export class SmallReads {
  readonly #gather: Gather<Beginning, Outcomes, Uint8Array>;
  /** Objects that a worker has read, by address: what leads to them, and most likely they themselves, are in memory. */
  readonly #read = new Map<ContentAddress, Uint8Array>();

  constructor(
    private readonly backend: LocalBackend,
    arena: Arena,
  ) {
    this.#gather = new Gather({
      countMax: READS_GATHERED_MAX,
      weightMax: arena.slabSize,
      run: (take) => readTogether(backend, arena, take),
      outcome: (outcomes, index) => outcomes[index],
      error: (cause, { address }) => readError(cause, address),
    });
  }

  /**
   * The first `size` bytes of an object, at most what a slab has; the caller's to keep.
   *
   * @throws AS_ERR_NOT_FOUND, AS_ERR_CORRUPT, AS_ERR_RANGE: it has fewer; AS_ERR_IO, AS_ERR_CLOSED
   */
  read(address: ContentAddress, size: number): Uint8Array | Promise<Uint8Array> {
    const digest = this.#read.get(address);
    return (digest && this.#readNow(digest, size)) ?? this.#ask(address, size);
  }

  /** The digest of an object that has been read by a worker lately, so that it is most likely in memory; undefined of others. */
  known(address: ContentAddress): Uint8Array | undefined {
    return this.#read.get(address);
  }

  #readNow(digest: Uint8Array, size: number): Uint8Array | undefined {
    const bytes = Buffer.allocUnsafeSlow(size);
    return this.backend.readNow(digest, bytes) ? bytes : undefined;
  }

  async #ask(address: ContentAddress, size: number): Promise<Uint8Array> {
    const bytes = await this.#gather.add({ address, size }, slotSize(size));
    if (size > READ_NOW_SIZE_MAX) return bytes;
    if (this.#read.size >= READS_REMEMBERED_MAX) this.#read.clear(); // they are learnt again in one read each
    this.#read.set(address, digestBytes(address));
    return bytes;
  }
}

/** A range in one piece, the caller's to keep; undefined for one that ends too far on. Throws and rejects as `SmallReads.read`. */
export function serveSmall(
  reads: SmallReads,
  address: ContentAddress,
  { start, end }: ByteRange,
): Uint8Array | Promise<Uint8Array> | undefined {
  if (end > READ_GATHERED_SIZE_MAX) return undefined;
  const beginning = reads.read(address, end);
  if (start === 0) return beginning;
  return beginning instanceof Promise ? beginning.then((bytes) => bytes.subarray(start)) : beginning.subarray(start);
}

/** Whole groups: that is how verified reads come. */
function slotSize(size: number): number {
  return Math.max(Math.ceil(size / GROUP_SIZE), 1) * GROUP_SIZE;
}

async function readTogether(backend: LocalBackend, arena: Arena, take: () => readonly Beginning[]): Promise<Outcomes> {
  const slab = await arena.acquire();
  try {
    let items: readonly Beginning[] = [];
    const failures = await backend.readMany(() => {
      items = take();
      return { addresses: addressesOf(items), sizes: Uint32Array.from(items, ({ size }) => size), slab: slab.bytes };
    });
    let at = 0;
    return items.map(({ size }, index) => {
      const slot = at;
      at += slotSize(size);
      return failures?.[index] ?? copyOf(slab.bytes, slot, size);
    });
  } finally {
    arena.release(slab);
  }
}

function addressesOf(items: readonly Beginning[]): Uint8Array {
  const bytes = new Uint8Array(items.length * DIGEST_SIZE);
  for (const [index, { address }] of items.entries()) bytes.set(digestBytes(address), index * DIGEST_SIZE);
  return bytes;
}

/** Memory of its own, without zeroing what is overwritten at once. */
function copyOf(slab: Uint8Array, start: number, size: number): Uint8Array {
  const memory = Buffer.allocUnsafeSlow(size);
  memory.set(slab.subarray(start, start + size));
  return memory;
}
