/**
 * The data plane in another process: the contract as requests to a daemon that hosts it (daemon/host.ts), over a Unix socket.
 *
 * Picked by the composition root, which sees no difference to the one in this process. docs/dataplane-protocol.md says what goes over the socket.
 */

import { ArtifactStoreError } from '../../errors.js';
import {
  GATHERED_MAX,
  GATHERED_SIZE_MAX,
  REMOTE_ATTEMPTS_MAX,
  REMOTE_BATCH_MAX,
  REMOTE_BATCHES_IN_FLIGHT,
  REMOTE_CHANNEL_FROM,
  REMOTE_HEALTH_TIMEOUT_MS,
} from '../../limits.js';
import type { Family } from '../../metrics/exposition.js';
import type { WorkerLoad } from '../../native/scheduler.js';
import { Gather } from '../backend/gather.js';
import { checkAddress, checkDigests, checkPart, checkRange, checkRate } from '../checks.js';
import type { ClosableDataPlane, ObjectListing, UploadSession } from '../closable.js';
import { MutableIngestTable } from '../ingest-table.js';
import type { CompactionReport, CompactionWatch } from '../inproc/compaction.js';
import { Permits } from '../inproc/permits.js';
import type {
  BackendStatus,
  ByteRange,
  ByteSource,
  CommonReceipt,
  ContentAddress,
  DeletionResult,
  FileList,
  IngestHints,
  IngestOutcome,
  IngestResult,
  IngestTable,
  SessionHints,
  VerifyOptions,
  VerifyResult,
} from '../spi.js';
import { isBytesSource, isFileList, isFileSource } from '../spi.js';
import { Barrier } from './barrier.js';
import { sendObjects } from './batch.js';
import { Connection } from './connection.js';
import { deletionsValue, readDeleted } from './deletions.js';
import { held } from './held.js';
import { ingest } from './ingest.js';
import { isSmallBytes, ManyIngest } from './ingest-many.js';
import { Interrupted } from './interrupted.js';
import { readListing } from './listing.js';
import { OPERATIONS, type Versions } from './protocol.js';
import { received } from './received.js';
import { SmallReads } from './small-reads.js';
import {
  NOTHING,
  plainValue,
  readBackendStatus,
  readCompactionReport,
  readDeletionResult,
  readSessions,
  readVerifyResult,
} from './values.js';

export interface RemoteOptions {
  /** Path of the daemon's socket. */
  socketPath: string;
  /** Never write. Default false. */
  readOnly?: boolean;
  /** For tests: versions of the protocol that are spoken. */
  versions?: Versions;
}

/** What receipts of this data plane say until a daemon has said it. */
const NO_RECEIPT: CommonReceipt = { backend: 'remote', tier: 'hot', durability: 'synced' };

/**
 * Opens the data plane that a daemon hosts.
 *
 * @throws AS_ERR_UNAVAILABLE: nobody listens there; AS_ERR_PROTOCOL: no common version, or no data plane; AS_ERR_FORBIDDEN: this user may not use it
 */
export async function openRemote(options: RemoteOptions): Promise<ClosableDataPlane> {
  const connection = new Connection(options.socketPath, options.versions);
  try {
    await connection.call({ operation: 'health', head: NOTHING });
    return new RemoteDataPlane(connection, options.readOnly ?? false);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

class RemoteDataPlane implements ClosableDataPlane {
  readonly #smallReads: SmallReads;
  readonly #smallIngests: Gather<Uint8Array, MutableIngestTable, IngestResult | Error>;
  readonly #barrier: Barrier;
  /** What the backend said of itself last. */
  #status: Pick<BackendStatus, 'backend' | 'tier' | 'readOnly'>;
  #running = 0;
  #idle: (() => void) | undefined;
  #closed = false;

  constructor(
    private readonly connection: Connection,
    private readonly readOnly: boolean,
  ) {
    this.#status = { backend: NO_RECEIPT.backend, tier: NO_RECEIPT.tier, readOnly };
    this.#smallReads = new SmallReads(connection);
    this.#barrier = new Barrier(connection);
    const permits = new Permits(REMOTE_BATCHES_IN_FLIGHT);
    this.#smallIngests = new Gather({
      countMax: GATHERED_MAX,
      weightMax: GATHERED_SIZE_MAX,
      run: async (take) => {
        await undefined; // what comes together goes together
        return permits.run(() => sendObjects(connection, take()));
      },
      outcome: (table, index) => table.errors.get(index) ?? table.result(index),
      error: (cause) => cause,
    });
  }

  ingestStream<H extends IngestHints | SessionHints>(given: ByteSource, hints: H): Promise<IngestOutcome<H>> {
    return this.#track(async () => {
      this.#requireWritable(hints);
      const isWhole = hints.session !== undefined || isFileSource(given) || isBytesSource(given);
      const source = isWhole ? given : await held(given);
      if (isSmallBytes(source) && Object.keys(hints).length === 0) {
        const outcome = await this.#smallIngests.add(source.bytes, source.bytes.byteLength);
        if (outcome instanceof Error) throw outcome;
        return outcome as IngestOutcome<H>;
      }
      const { outcome, instance } = await ingest(this.connection, source, hints);
      this.#barrier.note(outcome, instance);
      return outcome as IngestOutcome<H>;
    });
  }

  ingestMany(sources: readonly ByteSource[] | FileList): Promise<IngestTable> {
    return this.#track(async () => {
      this.#requireWritable({});
      const table = new MutableIngestTable(isFileList(sources) ? sources.ends.length : sources.length, {
        ...NO_RECEIPT,
      });
      await new ManyIngest(this.connection, table, (source) => this.ingestStream(source, {})).run(sources);
      return table;
    });
  }

  sync(): Promise<void> {
    return this.#track(() => this.#barrier.sync());
  }

  async uploadSessions(): Promise<UploadSession[]> {
    return this.#track(async () => readSessions(await this.connection.call({ operation: 'sessions', head: NOTHING })));
  }

  load(): WorkerLoad {
    return this.connection.load();
  }

  families(): Family[] {
    return this.connection.families();
  }

  async *serveObject(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const whole = range && (await this.serveSmall(address, range));
    if (whole === undefined) yield* this.#serve('serve', address, range);
    else if (whole.byteLength > 0) yield whole;
  }

  serveSmall(address: ContentAddress, range: ByteRange): Promise<Uint8Array> | undefined {
    this.#check(address, range);
    return this.#smallReads.read(address, range);
  }

  serveOutboard(address: ContentAddress, range?: ByteRange): AsyncIterable<Uint8Array> {
    return this.#serve('outboard', address, range);
  }

  verifyObject(address: ContentAddress, options: VerifyOptions = {}): Promise<VerifyResult> {
    return this.#track(async () => {
      const { digests = 'both', bytesPerSecond, signal } = options;
      checkAddress(address);
      checkDigests(digests);
      checkRate(bytesPerSecond);
      const rate = bytesPerSecond && Math.min(Math.ceil(bytesPerSecond), Number.MAX_SAFE_INTEGER);
      const head = plainValue({ address, digests, bytesPerSecond: rate });
      const isStream = rate !== undefined;
      return readVerifyResult(await this.connection.call({ operation: 'verify', head, signal, isStream }));
    });
  }

  deleteObject(address: ContentAddress): Promise<DeletionResult> {
    return this.#track(async () => {
      checkAddress(address);
      this.#requireWritable({});
      return readDeletionResult(await this.connection.call({ operation: 'delete', head: { address } }));
    });
  }

  /** Throws AS_ERR_PROTOCOL too: the daemon is too old to say that nothing is left. */
  eraseObject(address: ContentAddress): Promise<DeletionResult> {
    return this.#track(async () => {
      checkAddress(address);
      this.#requireWritable({});
      return readDeletionResult(await this.connection.call({ operation: 'erase', head: { address } }));
    });
  }

  /** A daemon of version 1 is asked for each by itself. */
  deleteMany(addresses: readonly ContentAddress[]): Promise<(DeletionResult | Error)[]> {
    return this.#track(async () => {
      for (const address of addresses) checkAddress(address);
      this.#requireWritable({});
      if ((await this.connection.version()) < OPERATIONS['delete-many'])
        return Promise.all(addresses.map((address) => this.deleteObject(address).catch((error: Error) => error)));
      const outcomes: (DeletionResult | Error)[] = [];
      for (let from = 0; from < addresses.length; from += REMOTE_BATCH_MAX) {
        const batch = addresses.slice(from, from + REMOTE_BATCH_MAX);
        const answer = await this.connection.call({ operation: 'delete-many', head: deletionsValue(batch) });
        outcomes.push(...readDeleted(answer, batch.length));
      }
      return outcomes;
    });
  }

  /** Throws AS_ERR_UNAVAILABLE too: the daemon does not list, because several stores use it, or it is too old. */
  listObjects(part: number): Promise<ObjectListing> {
    return this.#track(() => {
      checkPart(part);
      const request = { operation: 'list', head: { part }, isStream: true } as const;
      return this.connection.ask(request, async ({ body }) => {
        await body.head();
        return readListing(body.stream());
      });
    });
  }

  compact({ onProgress, signal }: CompactionWatch = {}): Promise<CompactionReport> {
    return this.#track(() => {
      let last: CompactionReport = { movedSize: 0, freedSize: 0, removedSegments: 0 };
      if (signal?.aborted) return Promise.resolve(last);
      const request = { operation: 'compact', head: NOTHING, isStream: true, signal } as const;
      const ended = this.connection.ask(request, async ({ body }) => {
        await body.head();
        for await (const value of body.values()) {
          last = readCompactionReport(value);
          onProgress?.(last);
        }
        return last;
      });
      return ended.catch((error) => {
        if (signal?.aborted) return last;
        throw error;
      });
    });
  }

  async backendHealth(): Promise<BackendStatus> {
    try {
      const request = {
        operation: 'health',
        head: NOTHING,
        isStream: true,
        timeoutMs: REMOTE_HEALTH_TIMEOUT_MS,
        attempts: 1,
      } as const;
      const status = readBackendStatus(await this.#track(() => this.connection.call(request)));
      const { software, versions } = await this.connection.greeting();
      const facts = {
        ...status.facts,
        dataPlane: 'remote',
        daemon: `${software}, protocol ${versions.min} to ${versions.max}`,
      };
      const readOnly = status.readOnly || this.readOnly;
      this.#status = { backend: status.backend, tier: status.tier, readOnly };
      return { ...status, readOnly, facts };
    } catch (error) {
      return { ...this.#status, ready: false, facts: { dataPlane: 'remote' }, problem: (error as Error).message };
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    try {
      await this.#barrier.close();
    } finally {
      await this.connection.close();
    }
  }

  /**
   * Bytes as they come. When the connection breaks, the rest is asked for on another, as often as that brings something; a stream without offsets of its
   * own is not gone on with.
   */
  async *#serve(
    operation: 'serve' | 'outboard',
    address: ContentAddress,
    range?: ByteRange,
  ): AsyncGenerator<Uint8Array> {
    this.#check(address, range);
    let start = range?.start ?? 0;
    for (let failed = 0; ; ) {
      const rest = range === undefined ? undefined : { start, end: range.end };
      const { parts, leave } = await this.#open(operation, address, rest);
      let isEnded = false;
      try {
        for await (const part of parts) {
          yield part;
          start += part.byteLength;
          failed = 0;
        }
        isEnded = true;
        return;
      } catch (error) {
        const mayGoOn = error instanceof Interrupted && operation === 'serve' && (rest !== undefined || start === 0);
        if (this.#closed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The store is closed; open it again.');
        if (!mayGoOn || ++failed >= REMOTE_ATTEMPTS_MAX) throw error;
      } finally {
        leave(isEnded);
      }
    }
  }

  /** Asks for bytes; many of them over a connection of their own. Call `leave` when nothing more is wanted. */
  async #open(operation: 'serve' | 'outboard', address: ContentAddress, range: ByteRange | undefined) {
    const { connection } = this;
    const head = plainValue({ address, range });
    const size = range === undefined ? 0 : range.end - range.start;
    if (operation !== 'serve' || size < REMOTE_CHANNEL_FROM || !(await connection.takeChannel())) {
      const { body, discard } = await connection.open({ operation, head });
      return { parts: body.stream(), leave: (isEnded: boolean) => isEnded || discard() };
    }
    try {
      const answer = await connection.open({ operation, head, channel: 'read' });
      const leave = () => {
        connection.leaveChannel();
        answer.discard();
      };
      return { parts: received(answer, size), leave };
    } catch (error) {
      connection.leaveChannel();
      throw error;
    }
  }

  #check(address: ContentAddress, range: ByteRange | undefined): void {
    this.#refuseClosed();
    checkAddress(address);
    checkRange(range);
  }

  /** Queries of upload sessions are no writing. */
  #requireWritable({ session }: IngestHints | SessionHints): void {
    if (!this.readOnly || (session !== undefined && 'query' in session)) return;
    throw new ArtifactStoreError(
      'AS_ERR_READ_ONLY',
      'The store is open for reading. Open it for writing to change it.',
    );
  }

  #refuseClosed(): void {
    if (this.#closed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The store is closed; open it again.');
  }

  /** Counts an operation, so that `close` waits for it. */
  async #track<T>(run: () => T | Promise<T>): Promise<T> {
    this.#refuseClosed();
    this.#running++;
    try {
      return await run();
    } finally {
      if (--this.#running === 0) this.#idle?.();
    }
  }
}
