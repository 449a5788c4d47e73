/**
 * The data plane in this process: the contract on a pool of worker threads.
 *
 * The main thread owns decisions and copies socket chunks into slabs; workers hash, read, write and sync in native code. Picked by
 * lib/store.ts, hosted by the daemon; nobody else imports it.
 */

import { availableParallelism } from 'node:os';
import { ArtifactStoreError, isStoreError } from '../../errors.js';
import {
  DIGEST_SIZE,
  FILE_LISTS_MAX,
  FILE_STEP_SIZE,
  GROUP_SIZE,
  PACED_STEP_MS,
  READ_SLAB_COUNT,
  SESSIONS_WRITTEN_MAX,
  SLAB_COUNT,
  SLAB_SIZE,
  VERIFIERS_MAX,
  WORKERS_MAX,
  WORKERS_MIN,
} from '../../limits.js';
import type { NativeIngested, NativeSession, NativeVerified } from '../../native/addon.js';
import { loadAddon } from '../../native/load.js';
import { Scheduler, type WorkerLoad } from '../../native/scheduler.js';
import { Pacer } from '../../pacer.js';
import { LocalBackend, type VerifyDigests } from '../backend/local.js';
import { checkAddress, checkDigests, checkDurability, checkPart, checkRange, checkRate } from '../checks.js';
import type { ClosableDataPlane, ObjectListing, UploadSession } from '../closable.js';
import { MutableIngestTable } from '../ingest-table.js';
import type {
  BackendStatus,
  ByteRange,
  ByteSource,
  ContentAddress,
  DeletionResult,
  FileList,
  FileSink,
  IngestHints,
  IngestOutcome,
  IngestResult,
  IngestTable,
  ObjectHints,
  SessionAppend,
  SessionHints,
  SessionResult,
  SmallSend,
  VerifyOptions,
  VerifyResult,
} from '../spi.js';
import { isFileList, isFileSource, LOCAL_RECEIPT } from '../spi.js';
import { Arena } from './arena.js';
import { Compaction, type CompactionReport, type CompactionWatch } from './compaction.js';
import { SlowSenders } from './slow-senders.js';

export type { WorkerLoad } from '../../native/scheduler.js';
export type { ClosableDataPlane, ObjectListing, UploadSession } from '../closable.js';
export type { CompactionReport, CompactionWatch } from './compaction.js';

import { ingestBytes, ingestFile } from './ingest.js';
import { ingestFileList, ingestMany } from './ingest-many.js';
import { Permits } from './permits.js';
import { SmallSends } from './send-small.js';
import { serveBytes } from './serve.js';
import { serveFile } from './serve-file.js';
import { serveOutboard } from './serve-outboard.js';
import { SmallReads, serveSmall } from './serve-small.js';
import { serveSocket } from './serve-socket.js';
import { appendSession } from './session.js';

export interface InprocOptions {
  /** Folder of the data plane's own. */
  path: string;
  /** Never write; several processes may read at once. Default false. */
  readOnly?: boolean;
  /** Make the store when the folder is missing or empty. Default true. */
  create?: boolean;
  /** Worker threads, 1 to WORKERS_MAX; by default as many as cores, within WORKERS_MIN and WORKERS_MAX. */
  threads?: number;
}

/**
 * Opens the data plane in a folder.
 *
 * @throws AS_ERR_STORE_LOCKED, AS_ERR_STORE_FORMAT, AS_ERR_STORE_MISSING, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_NATIVE, AS_ERR_INVALID_ARGUMENT
 */
export async function openInproc(options: InprocOptions): Promise<ClosableDataPlane> {
  loadAddon(); // fail here, with a message that helps, rather than in a worker
  const scheduler = new Scheduler(threadsOf(options.threads));
  try {
    const readOnly = options.readOnly ?? false;
    const create = !readOnly && (options.create ?? true);
    return new InprocDataPlane(await LocalBackend.open({ path: options.path, readOnly, create }, scheduler), scheduler);
  } catch (error) {
    await scheduler.close();
    throw error;
  }
}

function threadsOf(asked: number | undefined): number {
  if (asked === undefined) return Math.min(Math.max(availableParallelism(), WORKERS_MIN), WORKERS_MAX);
  if (Number.isInteger(asked) && asked >= 1 && asked <= WORKERS_MAX) return asked;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `threads ${asked} is outside 1 to ${WORKERS_MAX}; give a number in that range.`,
    { threads: asked },
  );
}

class InprocDataPlane implements ClosableDataPlane {
  readonly #writeArena = new Arena(SLAB_COUNT, SLAB_SIZE);
  readonly #slow: SlowSenders;
  /** Of their own: slow uploads must not keep readers waiting. */
  readonly #readArena = new Arena(READ_SLAB_COUNT, SLAB_SIZE);
  readonly #smallReads: SmallReads;
  readonly #smallSends: SmallSends;
  readonly #verifiers = new Permits(VERIFIERS_MAX);
  readonly #fileLists = new Permits(FILE_LISTS_MAX);
  /** Operations under way, and who waits for their end. */
  #running = 0;
  #idle: (() => void) | undefined;
  #closed = false;
  readonly #compaction: Compaction;
  /** Upload sessions being written to. */
  #sessions = 0;
  /** Something has been ingested whose durability was deferred. */
  #deferred = false;

  constructor(
    private readonly backend: LocalBackend,
    private readonly scheduler: Scheduler,
  ) {
    this.#slow = new SlowSenders(backend);
    this.#smallReads = new SmallReads(backend, this.#readArena);
    this.#smallSends = new SmallSends(backend, this.#smallReads);
    this.#compaction = new Compaction((from) => backend.compact(from));
  }

  async ingestStream<H extends IngestHints | SessionHints>(source: ByteSource, hints: H): Promise<IngestOutcome<H>> {
    this.#enter();
    try {
      const outcome = hints.session ? this.#ingestSession(source, hints) : this.#ingestWhole(source, hints);
      return (await outcome) as IngestOutcome<H>;
    } finally {
      this.#leave();
    }
  }

  ingestMany(sources: readonly ByteSource[] | FileList): Promise<IngestTable> {
    return this.#track(async () => {
      if (isFileList(sources)) {
        const table = new MutableIngestTable(sources.ends.length, LOCAL_RECEIPT);
        await ingestFileList(this.backend, sources, table, this.#fileLists);
        return table;
      }
      const table = new MutableIngestTable(sources.length, LOCAL_RECEIPT);
      await ingestMany(this.backend, sources, table, this.#fileLists, (source) => this.#ingestOne(source, {}));
      return table;
    });
  }

  sync(): Promise<void> {
    return this.#track(() => this.backend.sync());
  }

  uploadSessions(): Promise<UploadSession[]> {
    return this.#track(() => this.backend.sessionList());
  }

  load(): WorkerLoad {
    return this.scheduler.load;
  }

  async *serveObject(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#refuseClosed();
    checkAddress(address);
    checkRange(range);
    yield* serveBytes(this.backend, this.#readArena, this.#smallReads, address, range);
  }

  serveSmall(address: ContentAddress, range: ByteRange): Uint8Array | Promise<Uint8Array> | undefined {
    this.#refuseClosed();
    checkAddress(address);
    checkRange(range);
    return serveSmall(this.#smallReads, address, range);
  }

  sendSmall(memory: Uint8Array, sends: readonly SmallSend[]): void {
    this.#smallSends.send(memory, sends);
  }

  async *serveSocket(address: ContentAddress, socket: number, range: ByteRange): AsyncGenerator<Uint8Array | number> {
    this.#enter();
    try {
      checkAddress(address);
      checkRange(range);
      yield* serveSocket(this.backend, this.#readArena, address, socket, range);
    } finally {
      this.#leave();
    }
  }

  async *servePieces(address: ContentAddress, socket: number, range: ByteRange): AsyncGenerator<Uint8Array | number> {
    this.#enter();
    try {
      checkAddress(address);
      checkRange(range);
      yield* serveSocket(this.backend, this.#readArena, address, socket, range, true);
    } finally {
      this.#leave();
    }
  }

  async *serveOutboard(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#refuseClosed();
    checkAddress(address);
    checkRange(range);
    yield* serveOutboard(this.backend, this.#readArena, address, range);
  }

  serveFile(address: ContentAddress, sink: FileSink, range?: ByteRange): Promise<boolean> {
    return this.#track(async () => {
      checkAddress(address);
      checkRange(range);
      return serveFile(this.backend, address, sink, range);
    });
  }

  verifyObject(address: ContentAddress, options: VerifyOptions = {}): Promise<VerifyResult> {
    return this.#track(async () => {
      checkAddress(address);
      const { digests = 'both', bytesPerSecond } = options;
      checkDigests(digests);
      checkRate(bytesPerSecond);
      try {
        const whole = await this.backend.verifyWhole(address, digests);
        return verifyResult(
          whole ?? (await this.#verifiers.run(() => this.#verify(address, digests, options))),
          digests,
        );
      } catch (error) {
        if (isStoreError(error, 'AS_ERR_NOT_FOUND'))
          return { status: 'missing', size: 0, damaged: [], repaired: false };
        throw error;
      }
    });
  }

  deleteObject(address: ContentAddress): Promise<DeletionResult> {
    return this.#track(async () => {
      checkAddress(address);
      const result = await this.backend.remove(address);
      if (result.deleted) this.#compaction.noteDeletion();
      return result;
    });
  }

  eraseObject(address: ContentAddress): Promise<DeletionResult> {
    return this.#track(async () => {
      checkAddress(address);
      const result = await this.backend.erase(address);
      if (result.deleted) this.#compaction.noteDeletion();
      return result;
    });
  }

  deleteMany(addresses: readonly ContentAddress[]): Promise<(DeletionResult | Error)[]> {
    return this.#track(async () => {
      for (const address of addresses) checkAddress(address);
      const results = await this.backend.removeMany(addresses);
      this.#compaction.countDeletions(results.length);
      return results;
    });
  }

  listObjects(part: number): Promise<ObjectListing> {
    return this.#track(() => {
      checkPart(part);
      return this.backend.list(part);
    });
  }

  compact(watch?: CompactionWatch): Promise<CompactionReport> {
    return this.#track(() => this.#compaction.run(watch));
  }

  async backendHealth(): Promise<BackendStatus> {
    const facts = { io: loadAddon().describe().io, kernel: loadAddon().describe().kernel, path: this.backend.path };
    const status = { readOnly: this.backend.readOnly, backend: 'local', tier: 'hot' as const };
    try {
      const health = await this.#track(() => this.backend.health());
      return {
        ...status,
        ready: health.writable || this.backend.readOnly,
        ...(this.backend.readOnly ? {} : { syncLatencyMicros: Math.round(health.syncLatencyNanos / 1000) }),
        freeSize: health.freeSize,
        totalSize: health.totalSize,
        facts: { ...facts, fileSystem: health.fileSystem },
      };
    } catch (error) {
      return { ...status, ready: false, facts, problem: (error as Error).message };
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#compaction.stop();
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    try {
      if (this.#deferred) await this.backend.sync();
    } finally {
      await this.scheduler.close(() => this.backend.closing());
    }
  }

  async #ingestWhole(source: ByteSource, hints: IngestHints): Promise<IngestResult> {
    checkDurability(hints.durability ?? 'durable');
    this.#deferred ||= hints.durability === 'deferred';
    return ingestResult(await this.#ingestOne(source, hints));
  }

  #ingestOne(source: ByteSource, hints: IngestHints): Promise<NativeIngested> {
    return isFileSource(source)
      ? ingestFile(this.backend, source, hints)
      : ingestBytes(this.backend, this.#writeArena, this.#slow, source, hints);
  }

  async #ingestSession(source: ByteSource, hints: SessionHints): Promise<IngestResult | SessionResult> {
    const { session } = hints;
    if ('query' in session) return sessionResult(session.id, await this.backend.sessionLook(session.id));
    if ('abort' in session) {
      await this.backend.sessionRemove(session.id);
      const digests = new Uint8Array(2 * DIGEST_SIZE);
      loadAddon().digestMany([new Uint8Array(0)], digests);
      return sessionResult(session.id, { offset: 0, digests });
    }
    return this.#appendSession(source, session, hints);
  }

  async #appendSession(
    source: ByteSource,
    step: SessionAppend,
    hints: ObjectHints,
  ): Promise<IngestResult | SessionResult> {
    if (this.#sessions >= SESSIONS_WRITTEN_MAX) {
      throw new ArtifactStoreError(
        'AS_ERR_LIMIT',
        `${SESSIONS_WRITTEN_MAX} upload sessions are being written to, as many as may be at once. Repeat when one has ended.`,
        { limit: SESSIONS_WRITTEN_MAX },
      );
    }
    this.#sessions++;
    try {
      const native = await appendSession(this.backend, this.#writeArena, source, step, hints);
      return 'offset' in native ? sessionResult(step.id, native) : ingestResult(native);
    } finally {
      this.#sessions--;
    }
  }

  async #verify(
    address: ContentAddress,
    digests: VerifyDigests,
    { bytesPerSecond, signal }: VerifyOptions,
  ): Promise<NativeVerified> {
    const { verifier } = await this.backend.verifyBegin(address, digests);
    const pacer = bytesPerSecond === undefined ? undefined : new Pacer(bytesPerSecond);
    const step = bytesPerSecond === undefined ? FILE_STEP_SIZE : pacedStep(bytesPerSecond);
    try {
      do {
        await pacer?.take(step, signal);
        if (signal?.aborted) throw new ArtifactStoreError('AS_ERR_ABORTED', 'The verification was given up.');
      } while ((await this.backend.verifyPump(verifier, step)) > 0);
    } catch (error) {
      await this.backend.verifyAbort(verifier);
      throw error;
    }
    return this.backend.verifyFinish(verifier);
  }

  #refuseClosed(): void {
    if (this.#closed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The store is closed; open it again.');
  }

  #enter(): void {
    this.#refuseClosed();
    this.#running++;
  }

  #leave(): void {
    if (--this.#running === 0) this.#idle?.();
  }

  /** Counts an operation, so that `close` waits for it. */
  async #track<T>(run: () => Promise<T>): Promise<T> {
    this.#enter();
    try {
      return await run();
    } finally {
      this.#leave();
    }
  }
}

function ingestResult(native: NativeIngested): IngestResult {
  const { digests } = native;
  const blake3 = digests.subarray(0, DIGEST_SIZE);
  const hex = Buffer.from(digests.buffer, digests.byteOffset, DIGEST_SIZE).toString('hex');
  return {
    blake3,
    sha256: digests.subarray(DIGEST_SIZE),
    size: native.size,
    existed: native.existed,
    healed: native.healed,
    receipts: [
      {
        ...LOCAL_RECEIPT,
        key: hex,
        storedSize: native.storedSize,
        durability: native.deferred ? 'deferred' : 'synced',
      },
    ],
  };
}

function sessionResult(id: string, { offset, digests }: NativeSession): SessionResult {
  return {
    session: { id, offset },
    blake3: digests.subarray(0, DIGEST_SIZE),
    sha256: digests.subarray(DIGEST_SIZE),
    size: offset,
  };
}

function verifyResult(native: NativeVerified, computed: VerifyDigests): VerifyResult {
  const { intact, size, digests, damaged, repaired } = native;
  return {
    status: intact ? 'intact' : 'corrupt',
    size,
    blake3: digests.slice(0, DIGEST_SIZE),
    ...(computed === 'both' && { sha256: digests.slice(DIGEST_SIZE) }),
    damaged: damaged.map(([start, end]) => ({ start, end })),
    repaired,
  };
}

/** The bytes of a step at a rate: whole groups, and no more than the rate has in PACED_STEP_MS. */
function pacedStep(bytesPerSecond: number): number {
  const size = Math.floor((bytesPerSecond * PACED_STEP_MS) / 1000 / GROUP_SIZE) * GROUP_SIZE;
  return Math.min(Math.max(size, GROUP_SIZE), FILE_STEP_SIZE);
}
