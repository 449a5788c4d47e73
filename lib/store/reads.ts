/**
 * Objects on their way out: the ways in which their bytes come, and what becomes of damage that is met on the way.
 *
 * Imports the contract's types, checks, damage, event kinds, limits of what a caller may do, and the object that is given out. Made by composition.ts.
 */

import type { ClosableDataPlane } from '../dataplane/inproc/index.js';
import type { ByteRange, FileSink, SmallSend } from '../dataplane/spi.js';
import { isStoreError } from '../errors.js';
import { objectCorrupted } from '../events/kinds.js';
import type { EventLog } from '../events/log.js';
import type { ObjectRecord } from '../registry/registry.js';
import type { AddressGuard } from './address-guard.js';
import { requireRange, requireReadable } from './checks.js';
import { damagedRanges } from './damage.js';
import { aborted } from './source.js';
import { StoredObject } from './stored-object.js';
import type { Tiers } from './tiers.js';

/** How an object is read. */
export interface GetOptions {
  /** Only these bytes; absent: all. */
  range?: ByteRange;
  /** Ends the reading with AS_ERR_ABORTED. */
  signal?: AbortSignal;
  /** False: an object of the cold tier is read where it is, whatever the store is configured to do. */
  restore?: boolean;
  /** Who acts, for the log. Default: the store's actor. */
  actor?: string;
}

/** What must be known of an object for its bytes to be asked for. */
type ObjectSize = Pick<ObjectRecord, 'blake3' | 'size'>;

/** What reading needs of the store around it. */
export interface ReadHost {
  /** Who acts unless a call says otherwise. */
  readonly actor: string;
  readonly dataPlane: Pick<
    ClosableDataPlane,
    'serveObject' | 'serveOutboard' | 'serveSmall' | 'sendSmall' | 'serveFile' | 'serveSocket'
  >;
  readonly log: EventLog;
  readonly guard: AddressGuard;
  /** Where there is a cold tier. */
  readonly tiers: Tiers | undefined;
  /** What the registry says now about an object that it has named before. */
  record(address: ObjectRecord['blake3']): Promise<ObjectRecord>;
  /** Whether the bytes of an object can be read, as far as a look at its first byte tells. */
  isPresent(address: ObjectRecord['blake3']): Promise<boolean>;
  /** Whether events can be written: the store is open, and for writing. */
  mayRecord(): boolean;
}

/** Makes objects to be read. Everything it gives is verified by the data plane; what is not as it should be is recorded before the reader hears of it. */
export class Reads {
  readonly #host: ReadHost;

  constructor(host: ReadHost) {
    this.#host = host;
  }

  /** An object, or a range of it, to be read once. Throws AS_ERR_GONE, AS_ERR_CORRUPT, AS_ERR_RANGE. */
  open(record: ObjectRecord, options: GetOptions, isRestored = false): StoredObject {
    requireReadable(record);
    const range = options.range ?? { start: 0, end: record.size };
    requireRange(range, record);
    const ways = {
      iterate: () => this.bytes(record, range, options),
      intoFile: (sink: FileSink) => this.#intoFile(record, range, sink, options),
      intoSocket: (socket: number) => this.#intoSocket(record, range, socket, options),
      inOnePiece: () => this.#inOnePiece(record, range, options),
    };
    return new StoredObject(record, range, ways, {
      isRestored,
      isToRestore: this.#host.tiers?.restores(record) ?? false,
    });
  }

  /** The bytes of a range. Throws as reading an object does. */
  bytes(record: ObjectSize, range: ByteRange, options: GetOptions): AsyncGenerator<Uint8Array> {
    return this.#watched(record, this.#host.dataPlane.serveObject(record.blake3, range), options);
  }

  /** All bytes of an object, restored first where that is configured. */
  whole(object: ObjectSize, actor: string): AsyncGenerator<Uint8Array> {
    return this.#host.tiers?.mayRestore
      ? this.#restored(object, actor)
      : this.bytes(object, { start: 0, end: object.size }, { actor });
  }

  async *#restored(object: ObjectSize, actor: string): AsyncGenerator<Uint8Array> {
    await this.#host.tiers?.restoreIfCold(object.blake3, actor);
    yield* this.bytes(object, { start: 0, end: object.size }, { actor });
  }

  /** Has the data plane send whole objects that it has at hand into sockets: see `sendSmall` of the contract. */
  sendSmall(memory: Uint8Array, sends: readonly SmallSend[]): void {
    this.#host.dataPlane.sendSmall?.(memory, sends);
  }

  /** What proves a range: the size of the object as 8 bytes, then the nodes of its tree. Throws as `open`, and as reading an object does. */
  outboard(record: ObjectRecord, options: GetOptions): AsyncGenerator<Uint8Array> {
    requireReadable(record);
    const range = options.range ?? { start: 0, end: record.size };
    requireRange(range, record);
    return this.#watched(record, this.#nodes(record, range), options);
  }

  async *#nodes({ blake3, size }: ObjectRecord, range: ByteRange): AsyncGenerator<Uint8Array> {
    const header = new Uint8Array(8);
    new DataView(header.buffer).setBigUint64(0, BigInt(size), true);
    yield header;
    yield* this.#host.dataPlane.serveOutboard(blake3, range);
  }

  /** Has the data plane send bytes to a socket; undefined when it does not. */
  #intoSocket(
    record: ObjectRecord,
    range: ByteRange,
    socket: number,
    options: GetOptions,
  ): AsyncGenerator<Uint8Array | number> | undefined {
    const sending = this.#host.dataPlane.serveSocket?.(record.blake3, socket, range);
    return sending && this.#watched(record, sending, options);
  }

  /** Has the data plane give bytes in one piece; undefined when it does not. */
  #inOnePiece(
    record: ObjectRecord,
    range: ByteRange,
    { signal, actor }: GetOptions,
  ): Uint8Array | Promise<Uint8Array> | undefined {
    if (signal?.aborted) throw aborted();
    const bytes = this.#host.dataPlane.serveSmall?.(record.blake3, range);
    if (!(bytes instanceof Promise)) return bytes;
    return bytes.catch(async (error) => {
      await this.#recordDamage(record, error, actor);
      throw error;
    });
  }

  /** Has the data plane put bytes into a local file; false when it cannot. */
  async #intoFile(record: ObjectRecord, range: ByteRange, sink: FileSink, options: GetOptions): Promise<boolean> {
    const { signal, actor } = options;
    try {
      const watched = { ...sink, ...(signal && { signal }) };
      return (await this.#host.dataPlane.serveFile?.(record.blake3, watched, range)) ?? false;
    } catch (error) {
      await this.#recordDamage(record, error, actor);
      throw error;
    }
  }

  /** What comes of an object, until somebody gives up; damage is recorded first. */
  async *#watched<T>(record: ObjectSize, coming: AsyncIterable<T>, options: GetOptions): AsyncGenerator<T> {
    const { signal, actor } = options;
    try {
      for await (const step of coming) {
        if (signal?.aborted) throw aborted();
        yield step;
      }
    } catch (error) {
      await this.#recordDamage(record, error, actor);
      throw error;
    }
  }

  /** Bytes that do not verify, or are not there although the log says so, become an event before the reader sees the error. */
  async #recordDamage(record: ObjectSize, error: unknown, actor = this.#host.actor): Promise<void> {
    const { guard, log, tiers } = this.#host;
    if (!this.#host.mayRecord() || !isStoreError(error, 'AS_ERR_CORRUPT', 'AS_ERR_NOT_FOUND')) return;
    await guard.locked(record.blake3, async () => {
      const now = await this.#host.record(record.blake3);
      if (now.state !== 'live') return; // known already, or deleted under the reader
      if (tiers && (await this.#host.isPresent(record.blake3))) return; // moved between tiers under the reader, or one copy of two
      await log.append([objectCorrupted(actor, record.blake3, damagedRanges(error, record), 'read')]);
    });
  }
}
