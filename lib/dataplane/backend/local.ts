/**
 * The local backend: objects in a folder, through the native core.
 *
 * One method for each native operation, with errors turned into ours; no policy. Imports the scheduler that carries operations to workers,
 * and the addon's types. Called by lib/dataplane/inproc.
 */

import { digestBytes, digestsBytes } from '../../digest-name.js';
import { ArtifactStoreError } from '../../errors.js';
import {
  BATCH_BYTES_MAX,
  COMPACT_BELOW_PERCENT,
  FILE_FIRST_STEP_SIZE,
  FILES_GATHERED_MAX,
  GATHER_ALONE_SIZE,
  GATHERED_MAX,
  GATHERED_SIZE_MAX,
  REMOVED_GATHERED_MAX,
  SESSION_ID_LENGTH_MAX,
  SHARED_WEIGHT,
  VERIFIED_GATHERED_MAX,
  VERIFY_WHOLE_SIZE_MAX,
} from '../../limits.js';
import {
  type Expectation,
  type Expectations,
  type Flag,
  type Handle,
  type NativeColumns,
  type NativeCompacted,
  type NativeFailure,
  type NativeHealth,
  type NativeIngested,
  type NativeListedColumns,
  type NativeReadFailures,
  type NativeRemovedColumns,
  type NativeSession,
  type NativeSessionEntry,
  type NativeVerified,
  type NativeVerifiedColumns,
  Op,
  OpenFlag,
  type Operation,
  SEND_PIECES,
  VerifyMode,
} from '../../native/addon.js';
import { loadAddon } from '../../native/load.js';
import { NativeError, type Scheduler } from '../../native/scheduler.js';
import { joinPaths } from '../file-list.js';
import type { MutableIngestTable } from '../ingest-table.js';
import {
  type ByteRange,
  type ContentAddress,
  type DeletionResult,
  type Durability,
  type FileList,
  type FileSink,
  type IngestHints,
  type ObjectHints,
  pathAt,
} from '../spi.js';
import { addToTable, fillTable, ingestOutcome, removeOutcome, verifyOutcome } from './columns.js';
import { Gather } from './gather.js';
import {
  connectionGone,
  isSinkRefused,
  openError,
  readError,
  receiveError,
  senderError,
  senderGone,
  sessionError,
  sinkError,
  sourceError,
  storeError,
  syncError,
} from './native-errors.js';

export interface LocalOptions {
  /** Folder of the data plane's own. */
  path: string;
  readOnly: boolean;
  /** Make the store when the folder is missing or empty. */
  create: boolean;
}

/** The first step of a read: the object's size, where the bytes are in the slab, and a reader when more remain. */
export interface ReadStart {
  objectSize: number;
  skip: number;
  size: number;
  reader: Handle | undefined;
}

/** Addresses one behind the other, how many bytes of each object, and a slab with room for whole groups of each. */
export interface ReadMany {
  addresses: Uint8Array;
  sizes: Uint32Array;
  slab: Uint8Array;
}

/** An object in memory, and what is expected of it. */
export interface Whole {
  bytes: Uint8Array;
  hints: IngestHints;
}

/** A file, and what is expected of it. */
export interface File {
  path: string | Uint8Array;
  hints: IngestHints;
}

/** A socket, the ingest that gets what comes over it, and how many bytes are to come. */
export interface Receiving {
  ingest: Handle;
  socket: number;
  left: number;
}

/** Which digests a verification computes. */
export type VerifyDigests = keyof typeof VerifyMode;

export class LocalBackend {
  /** Readers that nobody has closed yet: an iteration may be abandoned half-way. */
  readonly #readers = new Set<Handle>();
  /** Memory that workers see too, in which gathered objects go down; as many as were in use at once. */
  readonly #shared: Uint8Array[] = [];
  readonly #wholes = { durable: this.#gatherWholes('durable'), deferred: this.#gatherWholes('deferred') };
  readonly #files = { durable: this.#gatherFiles('durable'), deferred: this.#gatherFiles('deferred') };
  readonly #verifications = { both: this.#gatherVerifications('both'), blake3: this.#gatherVerifications('blake3') };
  readonly #removals = new Gather<ContentAddress, NativeRemovedColumns, number[]>({
    countMax: REMOVED_GATHERED_MAX,
    weightMax: Number.POSITIVE_INFINITY,
    run: (take) => {
      const build = (): Operation => [Op.removeMany, this.store, digestsBytes(take()), 0];
      return this.scheduler.run<NativeRemovedColumns>({ code: Op.removeMany, build });
    },
    outcome: removeOutcome,
    error: (cause) => storeError(cause, this.path, {}),
  });

  private constructor(
    readonly path: string,
    readonly readOnly: boolean,
    private readonly scheduler: Scheduler,
    private readonly store: Handle,
  ) {}

  /** @throws AS_ERR_STORE_LOCKED, AS_ERR_STORE_FORMAT, AS_ERR_STORE_MISSING, AS_ERR_READ_ONLY, AS_ERR_IO */
  static async open(options: LocalOptions, scheduler: Scheduler): Promise<LocalBackend> {
    const flags = (options.readOnly ? OpenFlag.readOnly : 0) | (options.create ? OpenFlag.create : 0);
    const store = await scheduler
      .run<Handle>([Op.open, options.path, flags])
      .catch((error) => Promise.reject(openError(error, options.path)));
    return new LocalBackend(options.path, options.readOnly, scheduler, store);
  }

  /** What ends the backend: the scheduler's last operations. */
  closing(): Operation[] {
    return [...[...this.#readers].map((reader): Operation => [Op.readClose, reader]), [Op.close, this.store]];
  }

  health(): Promise<NativeHealth> {
    return this.#store(this.scheduler.run<NativeHealth>([Op.health, this.store]));
  }

  /** A whole object in memory, which must not change until the answer; shares operation and commit with others that wait. */
  ingestWhole(bytes: Uint8Array, hints: IngestHints): Promise<NativeIngested> {
    checkSize(hints);
    // A larger one is copied no more than it must be: alone, it goes down as it is.
    const weight = bytes.byteLength < GATHER_ALONE_SIZE ? bytes.byteLength : Number.POSITIVE_INFINITY;
    return this.#wholes[durabilityOf(hints)].add({ bytes, hints }, weight) as Promise<NativeIngested>;
  }

  /** Whole objects in memory, each as with `ingestWhole`, in operations of their own; results and errors go to their places in the table. */
  async ingestWholes(items: readonly Whole[], places: readonly number[], table: MutableIngestTable): Promise<void> {
    const fail = (index: number, error: unknown) => table.errors.set(places[index] as number, error as Error);
    const weightOf = ({ bytes }: Whole) => bytes.byteLength;
    const done = (start: number, columns: NativeColumns) => {
      for (const [index, failure] of addToTable(table, places, start, columns)) {
        fail(index, storeError(new NativeError(failure as NativeFailure), this.path, (items[index] as Whole).hints));
      }
    };
    await this.#wholes.durable.runMany(items, weightOf, done, fail);
  }

  #gatherWholes(durability: Durability): Gather<Whole, NativeColumns, NativeIngested | Handle> {
    return new Gather({
      countMax: GATHERED_MAX,
      weightMax: GATHERED_SIZE_MAX,
      run: (take) => this.#runWholes(take, durability),
      outcome: ingestOutcome,
      error: (cause, { hints }) => storeError(cause, this.path, hints),
    });
  }

  async #runWholes(take: () => readonly Whole[], durability: Durability): Promise<NativeColumns> {
    let shared: Uint8Array | undefined;
    const build = (): Operation => {
      const items = take();
      const ends = new Uint32Array(items.length);
      let { bytes } = items[0] as Whole;
      // Memory that is not shared would be copied to the worker with all that its view leaves out.
      if (items.length > 1 || !(bytes.buffer instanceof SharedArrayBuffer)) {
        shared = this.#shared.pop() ?? new Uint8Array(new SharedArrayBuffer(GATHERED_SIZE_MAX));
        bytes = shared;
      }
      let size = 0;
      for (const [index, item] of items.entries()) {
        shared?.set(item.bytes, size);
        size += item.bytes.byteLength;
        ends[index] = size;
      }
      return [Op.ingestMany, this.store, bytes, ends, expectations(items), flagOf(durability)];
    };
    try {
      return await this.scheduler.run<NativeColumns>({ code: Op.ingestMany, build }, GATHERED_SIZE_MAX);
    } finally {
      if (shared) this.#shared.push(shared);
    }
  }

  /** @param size bytes that are to come, if that is known: less is held in memory then */
  ingestBegin(size?: number): Promise<Handle> {
    return this.#store(this.scheduler.run<Handle>([Op.ingestBegin, this.store, size ?? null]));
  }

  async ingestAppend(ingest: Handle, bytes: Uint8Array): Promise<void> {
    await this.#store(this.scheduler.run<null>([Op.ingestAppend, ingest, bytes], bytes.byteLength));
  }

  ingestCommit(ingest: Handle, hints: IngestHints): Promise<NativeIngested> {
    const deferred = flagOf(durabilityOf(hints));
    const commit = this.scheduler.run<NativeIngested>([Op.ingestCommit, ingest, ...expectation(hints), deferred]);
    return this.#store(commit, hints);
  }

  /** Makes everything durable that was deferred. */
  async sync(): Promise<void> {
    await this.scheduler.run<null>([Op.sync, this.store]).catch((error) => Promise.reject(syncError(error, this.path)));
  }

  async ingestAbort(ingest: Handle): Promise<void> {
    await this.scheduler.run<null>([Op.ingestAbort, ingest]);
  }

  /** An ingest that goes on with an upload session: for `ingestAppend`, `sessionCheckpoint`, and `sessionCommit` or `ingestAbort`. */
  sessionBegin(id: string, offset: number): Promise<Handle> {
    checkSession(id, offset);
    return this.#session(this.scheduler.run<Handle>([Op.sessionBegin, this.store, id, offset]), id, {}, offset);
  }

  sessionCheckpoint(ingest: Handle, id: string): Promise<NativeSession> {
    return this.#session(this.scheduler.run<NativeSession>([Op.sessionCheckpoint, ingest]), id);
  }

  sessionCommit(ingest: Handle, id: string, hints: ObjectHints): Promise<NativeIngested> {
    const commit = this.scheduler.run<NativeIngested>([Op.ingestCommit, ingest, ...expectation(hints), 0]);
    return this.#session(commit, id, hints);
  }

  sessionLook(id: string): Promise<NativeSession> {
    checkSession(id);
    return this.#session(this.scheduler.run<NativeSession>([Op.sessionLook, this.store, id]), id);
  }

  async sessionRemove(id: string): Promise<void> {
    checkSession(id);
    await this.#session(this.scheduler.run<number>([Op.sessionRemove, this.store, id]), id);
  }

  sessionList(): Promise<NativeSessionEntry[]> {
    return this.#store(this.scheduler.run<NativeSessionEntry[]>([Op.sessionList, this.store]));
  }

  /** The first FILE_FIRST_STEP_SIZE bytes of a file: the finished ingest if that was all of it, else a handle for `filePump`. */
  fileBegin(path: string | Uint8Array, hints: IngestHints): Promise<NativeIngested | Handle> {
    checkSize(hints);
    return this.#files[durabilityOf(hints)].add({ path, hints }, 0);
  }

  /** The beginnings of files, each as with `fileBegin`, in operations of their own. Gives the handles of those that are longer, by index. */
  async filesBegin(
    items: readonly File[],
    places: readonly number[],
    table: MutableIngestTable,
  ): Promise<[number, Handle][]> {
    const longer: [number, Handle][] = [];
    const fail = (index: number, error: unknown) => table.errors.set(places[index] as number, error as Error);
    const done = (start: number, columns: NativeColumns) => {
      for (const [index, other] of addToTable(table, places, start, columns)) {
        const { path, hints } = items[index] as File;
        if (typeof other === 'number') longer.push([index, other]);
        else fail(index, sourceError(new NativeError(other), path, hints));
      }
    };
    await this.#files.durable.runMany(items, () => 0, done, fail);
    return longer;
  }

  /** The beginnings of files of a list, in one operation; their places in the table begin at `start`. Otherwise as `filesBegin`. */
  async listBegin({ paths, ends }: FileList, start: number, table: MutableIngestTable): Promise<[number, Handle][]> {
    const operation: Operation = [Op.filesMany, this.store, paths, FILE_FIRST_STEP_SIZE, null, 0, ends];
    const longer: [number, Handle][] = [];
    const fail = (index: number, cause: unknown) =>
      table.errors.set(start + index, sourceError(cause, pathAt({ paths, ends }, index), {}) as Error);
    try {
      for (const [index, other] of fillTable(table, start, await this.scheduler.run<NativeColumns>(operation))) {
        if (typeof other === 'number') longer.push([index, other]);
        else fail(index, new NativeError(other));
      }
    } catch (cause) {
      for (let index = 0; index < ends.length; index++) fail(index, cause);
    }
    return longer;
  }

  #gatherFiles(durability: Durability): Gather<File, NativeColumns, NativeIngested | Handle> {
    return new Gather({
      countMax: FILES_GATHERED_MAX,
      weightMax: Number.POSITIVE_INFINITY,
      run: (take) => this.#runFiles(take, durability),
      outcome: ingestOutcome,
      error: (cause, { path, hints }) => sourceError(cause, path, hints),
    });
  }

  #runFiles(take: () => readonly File[], durability: Durability): Promise<NativeColumns> {
    const build = (): Operation => {
      const items = take();
      const { paths, ends } = joinPaths(items.map(({ path }) => path));
      return [Op.filesMany, this.store, paths, FILE_FIRST_STEP_SIZE, expectations(items), flagOf(durability), ends];
    };
    return this.scheduler.run<NativeColumns>({ code: Op.filesMany, build }, BATCH_BYTES_MAX);
  }

  /** Up to `most` further bytes; 0 at the end of the file. */
  filePump(ingest: Handle, most: number, path: string | Uint8Array): Promise<number> {
    return this.scheduler
      .run<number>([Op.filePump, ingest, most], most)
      .catch((error) => Promise.reject(sourceError(error, path, {})));
  }

  /** Verified bytes from `start`, to `end` or as many as the slab takes. */
  async readStart(address: ContentAddress, start: number, end: number | null, slab: Uint8Array): Promise<ReadStart> {
    const [objectSize = 0, skip = 0, size = 0, reader = 0] = await this.scheduler
      .run<number[]>([Op.readStart, this.store, digestBytes(address), start, end, slab], slab.byteLength)
      .catch((error) => Promise.reject(readError(error, address)));
    if (reader !== 0) this.#readers.add(reader);
    return { objectSize, skip, size, reader: reader === 0 ? undefined : reader };
  }

  async readNext(
    reader: Handle,
    address: ContentAddress,
    offset: number,
    slab: Uint8Array,
  ): Promise<{ skip: number; size: number }> {
    const [skip = 0, size = 0] = await this.scheduler
      .run<number[]>([Op.readNext, reader, offset, slab], slab.byteLength)
      .catch((error) => Promise.reject(readError(error, address)));
    return { skip, size };
  }

  /** A whole packed object, as long as `bytes`, if reading it takes no waiting, verified; false also for whatever is wrong with it. */
  readNow(address: Uint8Array, bytes: Uint8Array): boolean {
    return !this.scheduler.closed && loadAddon().readNow(this.store, address, bytes);
  }

  /** Sends answers with small objects to sockets: see `sendAnswers` of the addon. Sets nothing once the backend is closed. */
  sendAnswers(memory: Uint8Array, columns: Int32Array, addresses: Uint8Array, count: number): void {
    if (!this.scheduler.closed) loadAddon().sendAnswers(this.store, memory, columns, addresses, count);
  }

  /** The beginnings of many objects, into slots of a slab; what failed, by index. `build` is asked when a worker is free. */
  readMany(build: () => ReadMany): Promise<NativeReadFailures> {
    const operation = (): Operation => {
      const { addresses, sizes, slab } = build();
      return [Op.readMany, this.store, addresses, sizes, slab];
    };
    return this.scheduler.run<Record<number, NativeFailure>>({ code: Op.readMany, build: operation }, SHARED_WEIGHT);
  }

  /** A descriptor of the backend's own for a socket that is open, until `dropSocket`. Throws AS_ERR_ABORTED: it is not. */
  keepSocket(socket: number): number {
    const own = loadAddon().keepSocket(socket);
    if (own < 0) throw senderGone();
    return own;
  }

  dropSocket(own: number): void {
    loadAddon().dropSocket(own);
  }

  /** Gives the memory of bytes back now that nobody needs any more. */
  freeBytes(bytes: Uint8Array): void {
    loadAddon().freeBytes(bytes);
  }

  /** Appends up to `most` bytes that come over a socket; gives how many did, fewer when nothing came for `waitMs`. */
  ingestReceive(ingest: Handle, socket: number, most: number, waitMs: number): Promise<number> {
    return this.scheduler
      .run<number>([Op.ingestReceive, ingest, socket, most, waitMs], most)
      .catch((error) => Promise.reject(receiveError(error, this.path)));
  }

  /**
   * The same of many at once, without waiting: from those to which something has come, up to `most` bytes of each and about BATCH_BYTES_MAX of all. Gives how many came of
   * each, or what went wrong with it.
   */
  async ingestReceiveMany(from: readonly Receiving[], most: number): Promise<(number | NativeFailure)[]> {
    const ingests = new Uint32Array(from.length);
    const sockets = new Uint32Array(from.length);
    const sizes = new Uint32Array(from.length);
    from.forEach(({ ingest, socket, left }, at) => {
      ingests[at] = ingest;
      sockets[at] = socket;
      sizes[at] = Math.min(left, most);
    });
    return this.scheduler.run<(number | NativeFailure)[]>(
      [Op.ingestReceiveMany, ingests, sockets, sizes, BATCH_BYTES_MAX],
      BATCH_BYTES_MAX,
    );
  }

  /** What became of one of them. */
  receiveFailure(failure: NativeFailure): unknown {
    return receiveError(new NativeError(failure), this.path);
  }

  /** Begins to receive a stream in pieces from a socket that is open, until `dropPieces`. Throws AS_ERR_ABORTED: it is not. */
  keepPieces(socket: number): Handle {
    const own = loadAddon().keepPieces(socket);
    if (own === 0) throw senderGone();
    return own;
  }

  dropPieces(own: Handle): void {
    loadAddon().dropPieces(own);
  }

  /** As `ingestReceive`, of a stream in pieces; `mark` is what has ended it. */
  async ingestReceivePieces(
    ingest: Handle,
    pieces: Handle,
    most: number,
    waitMs: number,
  ): Promise<{ size: number; mark: number | undefined }> {
    const [size = 0, mark = -1] = await this.scheduler
      .run<number[]>([Op.ingestReceivePieces, ingest, pieces, most, waitMs], most)
      .catch((error) => Promise.reject(receiveError(error, this.path)));
    return { size, mark: mark < 0 ? undefined : mark };
  }

  /** Begins to send bytes of an object to a socket; calls `senderPump` until it sends nothing and leaves nothing, then `senderClose`. */
  async senderBegin(
    address: ContentAddress,
    socket: number,
    { start, end }: ByteRange,
    inPieces: boolean,
  ): Promise<Handle> {
    // Kept before anything is waited for: the descriptor of a socket that closes may be another's at any time.
    const own = loadAddon().keepSocket(socket);
    if (own < 0) throw connectionGone();
    return this.scheduler
      .run<Handle>([Op.senderBegin, this.store, digestBytes(address), own, start, end, inPieces ? SEND_PIECES : 0])
      .catch((error) => Promise.reject(senderError(error, address)));
  }

  /** Sends up to about `most` bytes; what the socket does not take within `waitMs` stands in the slab. */
  async senderPump(
    sender: Handle,
    address: ContentAddress,
    most: number,
    waitMs: number,
    slab: Uint8Array,
  ): Promise<{ sent: number; skip: number; left: number }> {
    const [sent = 0, skip = 0, left = 0] = await this.scheduler
      .run<number[]>([Op.senderPump, sender, most, waitMs, slab], most)
      .catch((error) => Promise.reject(senderError(error, address)));
    return { sent, skip, left };
  }

  async senderClose(sender: Handle): Promise<void> {
    await this.scheduler.run<null>([Op.senderClose, sender]);
  }

  async readClose(reader: Handle): Promise<void> {
    if (this.scheduler.closed) return; // `closing` does it
    this.#readers.delete(reader);
    await this.scheduler.run<null>([Op.readClose, reader]);
  }

  /** Nodes that prove a range of an object, from `next` on, 0 at first; `next` is 0 when that was all. */
  async readNodes(
    address: ContentAddress,
    range: ByteRange | undefined,
    next: number,
    slab: Uint8Array,
  ): Promise<{ objectSize: number; size: number; next: number }> {
    const { start, end } = range ?? { start: 0, end: null };
    const [objectSize = 0, size = 0, following = 0] = await this.scheduler
      .run<number[]>([Op.readNodes, this.store, digestBytes(address), start, end, next, slab], slab.byteLength)
      .catch((error) => Promise.reject(readError(error, address)));
    return { objectSize, size, next: following };
  }

  /** Begins to put an object, or a range of it, into a file: `sinkPump` until it gives 0, then `sinkClose`. Undefined: it cannot be this file. */
  async sinkBegin(address: ContentAddress, path: FileSink['path'], range?: ByteRange): Promise<Handle | undefined> {
    const { start, end } = range ?? { start: 0, end: null };
    try {
      const begin: Operation = [Op.sinkBegin, this.store, digestBytes(address), path, start, end];
      const [, sink = 0] = await this.scheduler.run<number[]>(begin);
      return sink;
    } catch (error) {
      if (isSinkRefused(error)) return undefined;
      throw sinkError(error, address, path);
    }
  }

  /** Puts up to `most` further bytes into the file, verified; 0 when it has all. */
  sinkPump(sink: Handle, most: number, address: ContentAddress, path: FileSink['path']): Promise<number> {
    return this.scheduler
      .run<number>([Op.sinkPump, sink, most], most)
      .catch((error) => Promise.reject(sinkError(error, address, path)));
  }

  async sinkClose(sink: Handle): Promise<void> {
    await this.scheduler.run<null>([Op.sinkClose, sink]);
  }

  /** Verifies a whole object together with others that wait; null when it is too large for that, see `verifyBegin`. */
  verifyWhole(address: ContentAddress, digests: VerifyDigests): Promise<NativeVerified | null> {
    return this.#verifications[digests].add(address, 0);
  }

  #gatherVerifications(digests: VerifyDigests): Gather<ContentAddress, NativeVerifiedColumns, NativeVerified | null> {
    const limits = [VERIFY_WHOLE_SIZE_MAX, BATCH_BYTES_MAX] as const;
    return new Gather({
      countMax: VERIFIED_GATHERED_MAX,
      weightMax: Number.POSITIVE_INFINITY,
      run: (take) => {
        const build = (): Operation => [
          Op.verifyMany,
          this.store,
          digestsBytes(take()),
          VerifyMode[digests],
          ...limits,
        ];
        return this.scheduler.run<NativeVerifiedColumns>({ code: Op.verifyMany, build }, BATCH_BYTES_MAX);
      },
      outcome: verifyOutcome,
      error: readError,
    });
  }

  /** Begins to verify an object in steps: `verifyPump` until it gives 0, then `verifyFinish`. */
  async verifyBegin(address: ContentAddress, digests: VerifyDigests): Promise<{ size: number; verifier: Handle }> {
    const [size = 0, verifier = 0] = await this.scheduler
      .run<number[]>([Op.verifyBegin, this.store, digestBytes(address), VerifyMode[digests]])
      .catch((error) => Promise.reject(readError(error, address)));
    return { size, verifier };
  }

  verifyPump(verifier: Handle, most: number): Promise<number> {
    // Two go in a batch: a worker hashes them side by side in little more time than one.
    return this.#store(
      this.scheduler.run<number>([Op.verifyPump, verifier, most], Math.min(most, BATCH_BYTES_MAX / 2)),
    );
  }

  verifyFinish(verifier: Handle): Promise<NativeVerified> {
    return this.#store(this.scheduler.run<NativeVerified>([Op.verifyFinish, verifier]));
  }

  async verifyAbort(verifier: Handle): Promise<void> {
    await this.scheduler.run<null>([Op.verifyAbort, verifier]);
  }

  async remove(address: ContentAddress): Promise<{ deleted: boolean; freedSize: number }> {
    const [removed = 0, freedSize = 0] = await this.#removals.add(address, 0);
    return { deleted: removed !== 0, freedSize };
  }

  /** As `remove`, and nothing of it is left in files that it shares with others. */
  async erase(address: ContentAddress): Promise<DeletionResult> {
    const operation: Operation = [Op.removeMany, this.store, digestsBytes([address]), 1];
    const outcome = removeOutcome(await this.#store(this.scheduler.run<NativeRemovedColumns>(operation)), 0);
    if (!Array.isArray(outcome)) throw storeError(new NativeError(outcome), this.path, {});
    const [removed = 0, freedSize = 0] = outcome;
    return { deleted: removed !== 0, freedSize };
  }

  /** Deletes many objects in operations of their own; for each what was done, or the error. */
  async removeMany(addresses: readonly ContentAddress[]): Promise<(DeletionResult | Error)[]> {
    const results = new Array<DeletionResult | Error>(addresses.length);
    const fail = (index: number, error: unknown) => {
      results[index] = error as Error;
    };
    const done = (start: number, columns: NativeRemovedColumns) => {
      for (let n = 0; n < columns.flags.length; n++) {
        const outcome = removeOutcome(columns, n);
        const [removed = 0, freedSize = 0] = Array.isArray(outcome) ? outcome : [];
        if (Array.isArray(outcome)) results[start + n] = { deleted: removed !== 0, freedSize };
        else fail(start + n, storeError(new NativeError(outcome), this.path, {}));
      }
    };
    await this.#removals.runMany(addresses, () => 0, done, fail);
    return results;
  }

  /** What is stored under the addresses with the first byte `part`. */
  list(part: number): Promise<NativeListedColumns> {
    return this.#store(this.scheduler.run<NativeListedColumns>([Op.list, this.store, part], BATCH_BYTES_MAX));
  }

  /** One bounded step of compaction from segment `from` on; 0 is the beginning. */
  compact(from: number): Promise<NativeCompacted> {
    return this.#store(
      this.scheduler.run<number[]>([Op.compact, this.store, from, COMPACT_BELOW_PERCENT], BATCH_BYTES_MAX),
    ) as Promise<NativeCompacted>;
  }

  #session<T>(outcome: Promise<T>, id: string, hints: ObjectHints = {}, offset?: number): Promise<T> {
    return outcome.catch((error) => Promise.reject(sessionError(error, this.path, id, hints, offset)));
  }

  #store<T>(outcome: Promise<T>, hints: ObjectHints = {}): Promise<T> {
    return outcome.catch((error) => Promise.reject(storeError(error, this.path, hints)));
  }
}

function durabilityOf({ durability = 'durable' }: IngestHints): Durability {
  return durability;
}

function flagOf(durability: Durability): Flag {
  return durability === 'deferred' ? 1 : 0;
}

/** Null when nothing is expected of any of them, which is what most batches are. */
function expectations(items: readonly { hints: ObjectHints }[]): Expectations {
  const some = items.some(({ hints: { blake3, sha256, size } }) => (blake3 ?? sha256 ?? size) !== undefined);
  return some ? items.map(({ hints }) => expectation(hints)) : null;
}

function checkSession(id: string, offset = 0): void {
  if (typeof id !== 'string' || id.length > SESSION_ID_LENGTH_MAX || !/^[A-Za-z0-9_-]+$/.test(id)) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `"${id}" cannot be the id of an upload session; give 1 to ${SESSION_ID_LENGTH_MAX} of A to Z, a to z, 0 to 9, _ and -.`,
    );
  }
  if (!(Number.isSafeInteger(offset) && offset >= 0)) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `offset ${offset} is not a number of bytes; give an integer from 0 to 2^53-1.`,
    );
  }
}

/** Addresses one behind the other. */
function checkSize(hints: ObjectHints): void {
  if (hints.size !== undefined && !(Number.isSafeInteger(hints.size) && hints.size >= 0)) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `size ${hints.size} is not a number of bytes; give an integer from 0 to 2^53-1.`,
    );
  }
}

function expectation(hints: ObjectHints): Expectation {
  checkSize(hints);
  return [
    hints.blake3 === undefined ? null : digestBytes(hints.blake3),
    hints.sha256 === undefined ? null : digestBytes(hints.sha256),
    hints.size ?? null,
  ];
}
