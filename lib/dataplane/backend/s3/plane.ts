/**
 * The operations of the data plane on S3, each handed to what does it, and its life: nothing begins after `close`, and nothing is cut off by it.
 *
 * Imports what stands beside it, checks and the contract. Made by index.ts.
 */

import { ArtifactStoreError } from '../../../errors.js';
import { KeyLocks } from '../../../key-locks.js';
import { S3_SMALL_IN_FLIGHT } from '../../../limits.js';
import type { Family } from '../../../metrics/exposition.js';
import { Hasher } from '../../../native/hasher.js';
import type { WorkerLoad } from '../../../native/scheduler.js';
import { checkAddress, checkDigests, checkPart, checkRate } from '../../checks.js';
import type { ClosableDataPlane, ObjectListing, UploadSession } from '../../closable.js';
import { fileSource } from '../../file-source.js';
import type { CompactionReport, CompactionWatch } from '../../inproc/compaction.js';
import { Permits } from '../../inproc/permits.js';
import {
  type BackendStatus,
  type ByteRange,
  type ByteSource,
  type CommonReceipt,
  type ContentAddress,
  type DeletionResult,
  type FileList,
  type FileSink,
  type IngestHints,
  type IngestOutcome,
  type IngestTable,
  isFileList,
  pathAt,
  type SessionHints,
  type VerifyOptions,
  type VerifyResult,
} from '../../spi.js';
import { ResultTable } from './ingest-table.js';
import { Intake } from './intake.js';
import { listObjects } from './listing.js';
import { type Parts, requireSpool, Sizes } from './parts.js';
import { Reading } from './reading.js';
import { Removal } from './removal.js';
import { dropAbandoned, familiesOf, health } from './upkeep.js';
import { Writing } from './writing.js';

export class S3DataPlane implements ClosableDataPlane {
  readonly #parts: Parts;
  readonly #hasher = new Hasher();
  /** One at a time stores or deletes an object. */
  readonly #locks = new KeyLocks<ContentAddress>();
  readonly #writing: Writing;
  readonly #intake: Intake;
  readonly #reading: Reading;
  readonly #removal: Removal;
  #sweeping: Promise<void> | undefined;
  #running = 0;
  #idle: (() => void) | undefined;
  #closed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { bucket, keys } = parts;
    const sizes = new Sizes();
    const small = new Permits(S3_SMALL_IN_FLIGHT);
    this.#writing = new Writing(parts, this.#hasher);
    this.#intake = new Intake({ parts, writing: this.#writing, locks: this.#locks, sizes, small });
    this.#reading = new Reading(parts, { bucket, keys, hasher: this.#hasher }, sizes, small);
    // Permits of its own: who waits for a lock may hold one of the others.
    this.#removal = new Removal(parts, this.#locks, sizes, new Permits(S3_SMALL_IN_FLIGHT));
  }

  ingestStream<H extends IngestHints | SessionHints>(source: ByteSource, hints: H): Promise<IngestOutcome<H>> {
    return this.#track(async () => {
      const outcome = hints.session ? this.#intake.session(source, hints) : this.#intake.whole(source, hints);
      return (await outcome) as IngestOutcome<H>;
    });
  }

  ingestMany(sources: readonly ByteSource[] | FileList): Promise<IngestTable> {
    return this.#track(async () => {
      const count = isFileList(sources) ? sources.ends.length : sources.length;
      const tier = this.#parts.options.tier ?? 'hot';
      const receipt: CommonReceipt = { backend: 's3', tier, durability: 'replicated' };
      const table = new ResultTable(count, receipt);
      let next = 0;
      const work = async () => {
        while (next < count) {
          const index = next++;
          try {
            const source = isFileList(sources) ? fileAt(sources, index) : (sources[index] as ByteSource);
            table.add(index, await this.#intake.whole(source, {}));
          } catch (error) {
            table.errors.set(index, error as Error);
          }
        }
      };
      await Promise.all(Array.from({ length: S3_SMALL_IN_FLIGHT }, work));
      return table;
    });
  }

  /** Nothing is ever deferred. */
  sync(): Promise<void> {
    return this.#track(async () => undefined);
  }

  uploadSessions(): Promise<UploadSession[]> {
    return this.#track(async () => this.#parts.spool?.plane.uploadSessions() ?? []);
  }

  load(): WorkerLoad {
    return this.#parts.spool?.plane.load() ?? { workers: 0, busy: 0, waiting: { syncing: 0, quick: 0 } };
  }

  families(): Family[] {
    return familiesOf(this.#parts.requests);
  }

  async *serveObject(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#refuseClosed();
    yield* this.#reading.object(address, range);
  }

  async *serveOutboard(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#refuseClosed();
    yield* this.#reading.outboard(address, range);
  }

  serveFile(address: ContentAddress, sink: FileSink, range?: ByteRange): Promise<boolean> {
    return this.#track(() => this.#reading.file(address, sink, range));
  }

  verifyObject(address: ContentAddress, options: VerifyOptions = {}): Promise<VerifyResult> {
    return this.#track(async () => {
      checkAddress(address);
      checkDigests(options.digests ?? 'both');
      checkRate(options.bytesPerSecond);
      const { outboardWrong, ...result } = await this.#reading.verified(address, options);
      const isRepaired = outboardWrong && (await this.#repairOutboard(address));
      if (result.status === 'intact' && (!outboardWrong || isRepaired)) await this.#parts.marks.clear(address);
      return { ...result, repaired: isRepaired };
    });
  }

  deleteObject(address: ContentAddress): Promise<DeletionResult> {
    return this.#track(async () => {
      checkAddress(address);
      requireSpool(this.#parts);
      return this.#removal.one(address);
    });
  }

  deleteMany(addresses: readonly ContentAddress[]): Promise<(DeletionResult | Error)[]> {
    return this.#track(async () => {
      for (const address of addresses) checkAddress(address);
      requireSpool(this.#parts);
      return this.#removal.many(addresses);
    });
  }

  listObjects(part: number): Promise<ObjectListing> {
    return this.#track(async () => {
      checkPart(part);
      return listObjects(this.#parts.bucket, this.#parts.keys, part);
    });
  }

  /** What needs no decision here: uploads in parts that nobody ends, and space in the spool. */
  compact(watch?: CompactionWatch): Promise<CompactionReport> {
    return this.#track(async () => {
      await this.sweep();
      const { spool } = this.#parts;
      return (await spool?.plane.compact(watch)) ?? { movedSize: 0, freedSize: 0, removedSegments: 0 };
    });
  }

  /** Gives up uploads in parts that nobody has ended for long. Beside everything else; never fails. */
  sweep(): Promise<void> {
    this.#sweeping ??= dropAbandoned(this.#parts, () => this.#closed).finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  backendHealth(): Promise<BackendStatus> {
    return health(this.#parts, () => this.#refuseClosed());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#sweeping;
    try {
      await this.#parts.spool?.close();
    } finally {
      await this.#hasher.close();
      await this.#parts.requests.close();
    }
  }

  /** Makes the outboard of an object anew, whose bytes are whole. False: it could not be done here. */
  async #repairOutboard(address: ContentAddress): Promise<boolean> {
    const { spool } = this.#parts;
    return spool !== undefined && this.#locks.locked(address, () => this.#writing.outboard(address, spool));
  }

  #refuseClosed(): void {
    if (this.#closed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The store is closed; open it again.');
  }

  /** Counts an operation, so that `close` waits for it. */
  async #track<T>(run: () => Promise<T>): Promise<T> {
    this.#refuseClosed();
    this.#running++;
    try {
      return await run();
    } finally {
      if (--this.#running === 0) this.#idle?.();
    }
  }
}

function fileAt(files: FileList, index: number): ByteSource {
  const { onRead, signal } = files;
  return fileSource(pathAt(files, index).slice(), { ...(onRead && { onRead }), ...(signal && { signal }) });
}
