/**
 * The library facade and composition root: one class, every verb, no HTTP.
 *
 * The only place that picks a data plane and a log and wires them together. Doors and users call it; it decides the order of things:
 * bytes durable, then event durable, then acknowledge.
 */

import { userInfo } from 'node:os';
import type { Story } from './audit/explain.js';
import {
  type ClosableDataPlane,
  type CompactionReport,
  type CompactionWatch,
  openInproc,
  type WorkerLoad,
} from './dataplane/inproc/index.js';
import type {
  BackendStatus,
  ByteRange,
  ByteSource,
  ContentAddress,
  Digest,
  FileSink,
  IngestHints,
  IngestResult,
  VerifyOptions,
  VerifyResult,
} from './dataplane/spi.js';
import { formatBlake3, formatSha256, parseDigest } from './digest-name.js';
import { ArtifactStoreError, isStoreError } from './errors.js';
import { objectCorrupted, objectDeleted, objectIngested, objectTombstoned, objectVerified } from './events/kinds.js';
import type { EventLog, NewEvent, ReadQuery, RebuildProgress, StoredEvent } from './events/log.js';
import type { Moment } from './events/read-all.js';
import { openEventLog, type SqliteEventLog } from './events/sqlite-log.js';
import type { Delivery } from './events/subscribe.js';
import { PUT_ATTEMPTS_MAX } from './limits.js';
import type { PastRegistry } from './registry/past-registry.js';
import type { ListQuery, ObjectPage, ObjectRecord, Registry, ScannedObject, Usage } from './registry/registry.js';
import { createPackageRegistry } from './registry/sqlite-packages.js';
import { createRegistry } from './registry/sqlite-registry.js';
import { createTokenRegistry } from './registry/sqlite-tokens.js';
import { registryViews } from './registry/views.js';
import { AddressGuard, type IngestTicket } from './store/address-guard.js';
import { type Expectation, hintsOf, requirePresent, requireRange, requireReadable } from './store/checks.js';
import { damagedRanges, wholeIfNone, withRegisteredDigest } from './store/damage.js';
import { DeferredPuts, settled } from './store/deferred-puts.js';
import { prepareFolder } from './store/folder.js';
import {
  type ExplainOptions,
  type FollowOptions,
  History,
  type PastOptions,
  type SubscriptionOptions,
} from './store/history.js';
import { Packages } from './store/packages.js';
import { deletedMeanwhile, putMany } from './store/put-many.js';
import type { PutResult, PutResults } from './store/put-results.js';
import { Scrub, type ScrubOptions } from './store/scrub.js';
import { aborted, isRepeatable, type PutSource, toByteSource, toByteSources, type Watch } from './store/source.js';
import { StoredObject } from './store/stored-object.js';
import { Tokens } from './store/tokens.js';
import { Uploads } from './store/uploads.js';

export interface StoreOptions {
  /** Folder of the store. */
  path: string;
  /** Make a store when the folder is missing or empty. Default true. */
  create?: boolean;
  /** Never write; several processes may open it so at once. Default false. */
  readOnly?: boolean;
  /** Who acts, in events, unless a call says otherwise. Default `local:<user name>`. */
  actor?: string;
  /** Worker threads, 1 to 8. Default: as many as cores, at least 2. */
  threads?: number;
}

/** Who acts, when it is not the store's own actor. */
export interface ActorOption {
  actor?: string;
}

/** What accompanies bytes on their way in: expectations, progress, an end, an actor. */
export interface PutOptions extends Expectation, Watch, ActorOption {
  /** `deferred` puts durability off until `sync`: see `DeferredPutOptions`. Default `durable`. */
  durability?: 'durable';
}

/** The same for a put that `sync` will make durable, together with others. */
export interface DeferredPutOptions extends Expectation, Watch, ActorOption {
  durability: 'deferred';
}

/** What accompanies many objects on their way in. Progress counts the bytes of files and streams. */
export interface PutManyOptions extends Watch, ActorOption {}

export type { CompactionReport, CompactionWatch, WorkerLoad } from './dataplane/inproc/index.js';
export type { PutResult, PutResults } from './store/put-results.js';

/** What a deferred `put` did. There is no event yet. */
export type DeferredPutResult = Omit<PutResult, 'event' | 'cbor'>;

export interface GetOptions extends ActorOption {
  /** Only these bytes; absent: all. */
  range?: ByteRange;
  /** Ends the reading with AS_ERR_ABORTED. */
  signal?: AbortSignal;
}

export type { Sample } from './store/sample.js';
export type { Scrub, ScrubOptions, ScrubReport } from './store/scrub.js';

export interface VerifyObjectOptions extends VerifyOptions, ActorOption {}

/** What `verify` found. */
export interface VerifyReport extends VerifyResult {
  record: ObjectRecord;
}

/** What `delete` did. */
export interface DeleteReport {
  record: ObjectRecord;
  /** Bytes of storage given back. */
  freedSize: number;
}

/**
 * Opens a store, or makes one.
 *
 * @throws AS_ERR_STORE_LOCKED: another process has it open
 * @throws AS_ERR_STORE_MISSING: nothing there and `create` is false or `readOnly` true
 * @throws AS_ERR_STORE_FORMAT: not a store, or one of a version this package does not know
 * @throws AS_ERR_LOG_DAMAGED, AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_SQLITE, AS_ERR_NATIVE, AS_ERR_INVALID_ARGUMENT
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const readOnly = options.readOnly ?? false;
  const folder = await prepareFolder(options.path, !readOnly && (options.create ?? true));
  const dataPlane = await openInproc({
    path: folder.data,
    readOnly,
    ...(options.threads !== undefined && { threads: options.threads }),
  });
  try {
    const log = await openEventLog({ path: folder.log, readOnly, views: registryViews });
    const store = new Store(folder.path, readOnly, options.actor ?? localActor(), dataPlane, log);
    if (!readOnly) await store.finishDeletions();
    return store;
  } catch (error) {
    await dataPlane.close();
    throw error;
  }
}

function localActor(): string {
  try {
    return `local:${userInfo().username}`;
  } catch {
    return `local:uid-${process.getuid?.() ?? 'unknown'}`; // a user without a name, as in many containers
  }
}

/** A store that is open. `openStore` makes it. */
export class Store {
  readonly #dataPlane: ClosableDataPlane;
  readonly #log: EventLog;
  readonly #registry: Registry;
  readonly #guard = new AddressGuard();
  readonly #deferred: DeferredPuts;
  readonly #history: History;
  /** Objects that come over several calls. */
  readonly uploads: Uploads<PutResult>;
  /** Packages: directories under names. */
  readonly packages: Packages;
  /** Tokens, by which a service knows who asks. */
  readonly tokens: Tokens;
  #closed: Promise<void> | undefined;

  constructor(
    /** Absolute path of its folder. */
    readonly path: string,
    readonly readOnly: boolean,
    /** Who acts unless a call says otherwise. */
    readonly actor: string,
    dataPlane: ClosableDataPlane,
    log: SqliteEventLog,
  ) {
    this.#dataPlane = dataPlane;
    this.#log = log;
    this.#registry = createRegistry(log.reader);
    this.#history = new History(log, this.#registry);
    this.uploads = new Uploads({
      dataPlane,
      log,
      actor,
      requireWritable: () => {
        this.#requireOpen();
        this.#requireWritable();
      },
      acknowledged: (ingest, by) => this.#acknowledged(ingest, by),
    });
    this.packages = new Packages({
      path,
      actor,
      dataPlane,
      log,
      registry: createPackageRegistry(log.reader),
      guard: this.#guard,
      get: (name, options) => this.get(name, options),
      requireOpen: () => this.#requireOpen(),
      requireWritable: () => {
        this.#requireOpen();
        this.#requireWritable();
      },
    });
    this.tokens = new Tokens({
      log,
      registry: createTokenRegistry(log.reader),
      actor,
      requireOpen: () => this.#requireOpen(),
      requireWritable: () => {
        this.#requireOpen();
        this.#requireWritable();
      },
    });
    this.#deferred = new DeferredPuts(
      () => dataPlane.sync(),
      (event) => log.append([event]),
    );
  }

  /**
   * Stores bytes durably under their digests. Resolves when bytes and event are on disk.
   *
   * With `durability: 'deferred'` it resolves when the bytes have been taken in, and nothing is on disk for certain before `sync` has resolved: until
   * then the object cannot be found, no event names it, and a crash or a power cut takes it. That saves each of many puts, one after the other, two
   * syncs. After some thousands a put syncs by itself.
   *
   * @param source bytes, a stream, or `{ path }`
   * @throws AS_ERR_DIGEST_MISMATCH, AS_ERR_SIZE_MISMATCH: not what was expected
   * @throws AS_ERR_SOURCE_UNREADABLE, AS_ERR_SOURCE_CHANGED: the file
   * @throws AS_ERR_CONFLICT: deleted by someone else meanwhile (a stream; bytes and files are repeated)
   * @throws AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_ABORTED, AS_ERR_CLOSED, AS_ERR_INVALID_ARGUMENT, and what the stream throws
   */
  put(source: PutSource, options: DeferredPutOptions): Promise<DeferredPutResult>;
  put(source: PutSource, options?: PutOptions): Promise<PutResult>;
  async put(source: PutSource, options: PutOptions | DeferredPutOptions = {}): Promise<PutResult | DeferredPutResult> {
    this.#requireOpen();
    this.#requireWritable();
    const { durability } = options;
    const hints = { ...hintsOf(options), ...(durability && { durability }) };
    if (durability === 'deferred') return this.#deferred.during(() => this.#put(source, options, hints));
    return this.#put(source, options, hints);
  }

  async #put(
    source: PutSource,
    options: PutOptions | DeferredPutOptions,
    hints: IngestHints,
  ): Promise<PutResult | DeferredPutResult> {
    const deferred = options.durability === 'deferred';
    const actor = options.actor ?? this.actor;
    const ingest = () => this.#dataPlane.ingestStream(toByteSource(source, options), hints);
    for (let attempt = 1; ; attempt++) {
      const ticket = this.#guard.begin();
      try {
        return await this.#acknowledge(ticket, await ingest(), actor, deferred);
      } catch (error) {
        if (!isStoreError(error, 'AS_ERR_CONFLICT') || !isRepeatable(source)) throw error;
        const address = error.details.address as ContentAddress | undefined;
        if (attempt >= PUT_ATTEMPTS_MAX - 1 && address !== undefined) {
          return await this.#putUndisturbed(address, ingest, actor, deferred);
        }
        if (attempt >= PUT_ATTEMPTS_MAX) throw error;
      } finally {
        this.#guard.end(ticket);
      }
    }
  }

  /** Stores what has the address while nobody can delete it. A file that has become another object since is a conflict. */
  #putUndisturbed(
    address: ContentAddress,
    ingest: () => Promise<IngestResult>,
    actor: string,
    deferred: boolean,
  ): Promise<PutResult | DeferredPutResult> {
    return this.#guard.locked(address, async () => {
      const result = await ingest();
      if (formatBlake3(result.blake3) !== address) throw deletedMeanwhile(address);
      return this.#recordIngest(result, actor, deferred);
    });
  }

  /**
   * Stores many objects as `put` does each, several times as fast where they are small. Resolves when all are on disk, bytes and events.
   *
   * @param sources what `put` takes; to expect something of one, `put` it
   * @returns for each source, in their order, the result, or the error that `put` would have thrown: one that fails does not keep the others out.
   * @throws AS_ERR_INVALID_ARGUMENT: one of them is not a source; AS_ERR_ABORTED, AS_ERR_READ_ONLY, AS_ERR_CLOSED; and where the log cannot be
   *   written AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_SQLITE. Some of the objects may be stored then
   */
  async putMany(sources: readonly PutSource[], options: PutManyOptions = {}): Promise<PutResults> {
    this.#requireOpen();
    this.#requireWritable();
    const tools = {
      ingestMany: (many: readonly ByteSource[]) => this.#dataPlane.ingestMany(many),
      log: this.#log,
      guard: this.#guard,
      isPresent: (address: ContentAddress) => this.#isPresent(address),
    };
    const actor = options.actor ?? this.actor;
    const results = await putMany(tools, toByteSources(sources, options), actor, options.signal);
    for (const [index, error] of results.errors()) {
      const source = sources[index] as PutSource;
      if (!isStoreError(error, 'AS_ERR_CONFLICT') || !isRepeatable(source)) continue;
      results.replace(index, await this.put(source, { actor }).catch((failure: Error) => failure));
    }
    return results;
  }

  /**
   * Makes durable what was put before with `durability: 'deferred'`: first the bytes, then the events, so that it can be found. Costs nothing
   * when there is nothing to do.
   *
   * When the bytes cannot be made durable, some of them may be lost, and no later `sync` succeeds: close the store, open it again and put again what
   * has not been synced. When only the events cannot, the next `sync` tries again.
   *
   * @throws AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_SQLITE, AS_ERR_CLOSED
   */
  async sync(): Promise<void> {
    this.#requireOpen();
    await this.#deferred.flush();
  }

  /**
   * Finds an object and opens its bytes for reading; each byte is verified before it comes.
   *
   * @param name either digest, or an unambiguous prefix of one
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_CORRUPT, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_RANGE, AS_ERR_CLOSED
   */
  async get(name: string, options: GetOptions = {}): Promise<StoredObject> {
    const record = await this.stat(name);
    requireReadable(record);
    const range = options.range ?? { start: 0, end: record.size };
    requireRange(range, record);
    const serveFile = (sink: FileSink) => this.#serveFile(record, range, sink, options);
    return new StoredObject(record, range, this.#serve(record, range, options), serveFile);
  }

  /**
   * What is known about an object, deleted ones included: see `state`.
   *
   * @param name either digest, or an unambiguous prefix of one
   * @throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_CLOSED
   */
  async stat(name: string): Promise<ObjectRecord> {
    this.#requireOpen();
    return this.#registry.resolve(name);
  }

  /** Those of the digests that name no object that can be read, in their order. Throws AS_ERR_INVALID_DIGEST, AS_ERR_CLOSED. */
  async missing(digests: readonly Digest[]): Promise<Digest[]> {
    this.#requireOpen();
    const asked = digests.map(parseDigest);
    const live = await this.#registry.areLive(asked);
    return asked.filter((_, index) => !live[index]);
  }

  /** One page of objects, ordered by content address; pass its `cursor` for the next. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async list(query: ListQuery = {}): Promise<ObjectPage> {
    this.#requireOpen();
    return this.#registry.list(query);
  }

  /** Objects and bytes that are live. */
  async usage(): Promise<Usage> {
    this.#requireOpen();
    return this.#registry.usage();
  }

  /**
   * Re-reads and re-digests an object. Damage is a result, not an error; it is recorded, and from then on the object counts as absent.
   *
   * @param options `digests`: 'both', the default, or 'blake3' alone, which leaves SHA-256 unchecked
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_IO, AS_ERR_CLOSED, AS_ERR_INVALID_ARGUMENT
   */
  async verify(name: string, options: VerifyObjectOptions = {}): Promise<VerifyReport> {
    const { digests = 'both', actor = this.actor } = options;
    const record = await this.stat(name);
    requirePresent(record);
    const found = await this.#dataPlane.verifyObject(record.blake3, { digests });
    const result = withRegisteredDigest(found, record, digests);
    if (!this.readOnly) {
      await this.#guard.locked(record.blake3, async () => {
        const { state } = await this.#record(record.blake3);
        if (state === 'live' || state === 'corrupt') await this.#recordVerification(record, result, digests, actor);
      });
    }
    return { ...result, record: await this.#record(record.blake3) };
  }

  /**
   * Verifies many objects as `verify` does each: all of them, a sample, or those that are due, in the order in which they were stored, and many
   * at once. Iterate what it gives; one whose iteration ends early can be resumed.
   *
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_IO, AS_ERR_CLOSED
   */
  async scrub(options: ScrubOptions = {}): Promise<Scrub> {
    this.#requireOpen();
    const { actor = this.actor } = options;
    const begin = (how: VerifyOptions) => {
      const ticket = this.#guard.begin();
      return {
        verify: (object: ScannedObject) => this.#verifyScanned(ticket, object, how, actor),
        end: () => this.#guard.end(ticket),
      };
    };
    return Scrub.plan({ path: this.path, readOnly: this.readOnly, registry: this.#registry, begin }, options);
  }

  /**
   * Deletes an object and frees its space. Its tombstone remains: who, when, why.
   *
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_CLOSED
   */
  async delete(name: string, options: ActorOption & { reason?: string } = {}): Promise<DeleteReport> {
    this.#requireOpen();
    this.#requireWritable();
    const actor = options.actor ?? this.actor;
    const { blake3 } = await this.#registry.resolve(name);
    return this.#guard.locked(blake3, async () => {
      await this.#deferred.flush(); // or an event could say later that what is deleted now is there
      const record = await this.#record(blake3);
      requirePresent(record);
      await this.#log.append([objectTombstoned(actor, blake3, options.reason)]);
      const freedSize = await this.#sweep(blake3, actor);
      return { record: await this.#record(blake3), freedSize };
    });
  }

  /** One page of events in order; see `ReadQuery` for cursor and filters. */
  async events(query: ReadQuery = {}): Promise<StoredEvent[]> {
    this.#requireOpen();
    return this.#log.read(query);
  }

  /**
   * Events as they happen, from behind `after` on, until the store is closed; stop by breaking out of the loop or with `signal`.
   *
   * @param options `after`: seq to start behind; default: what is newest now. `kind`, `subject`, `actor`: only such events
   */
  async *follow(options: FollowOptions = {}): AsyncGenerator<StoredEvent> {
    this.#requireOpen();
    yield* this.#history.follow(options);
  }

  /**
   * As `follow`, with marks that say where the reader stands: see `Delivery`. For who keeps a copy, and must know where
   * to go on after an interruption.
   *
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED
   */
  async *subscribe(options: SubscriptionOptions = {}): AsyncGenerator<Delivery> {
    this.#requireOpen();
    yield* this.#history.subscribe(options);
  }

  /**
   * The story of one thing, in sentences: everything that happened to it, oldest first.
   *
   * @param name an object by either digest or a prefix, or the subject of an event as it stands there
   * @throws AS_ERR_NOT_FOUND, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED
   */
  async explain(name: string, options: ExplainOptions = {}): Promise<Story> {
    this.#requireOpen();
    return this.#history.explain(name, options);
  }

  /**
   * What the registry said at a moment of the past. Close it after use. It is derived from the log up to then each time it is asked for,
   * which takes as long as a rebuild of so many events.
   *
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_ABORTED, AS_ERR_NO_SPACE, AS_ERR_CLOSED
   */
  async at(moment: Moment, options: PastOptions = {}): Promise<PastRegistry> {
    this.#requireOpen();
    return this.#history.at(moment, options);
  }

  /** Seq of the newest event at a moment; 0 before the first. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async seqAt(moment: Moment): Promise<number> {
    this.#requireOpen();
    return this.#history.seqAt(moment);
  }

  /** Drops every view and derives it again from the log. Throws AS_ERR_READ_ONLY, AS_ERR_LOG_DAMAGED, AS_ERR_NO_SPACE. */
  async rebuild(onProgress?: (progress: RebuildProgress) => void): Promise<void> {
    this.#requireOpen();
    this.#requireWritable();
    await this.#log.rebuild(onProgress);
  }

  /**
   * Gives back the space that deleted objects still take in segments shared with others, in small steps beside everything else. It happens by
   * itself after many deletions. Ended by its signal, it gives what it has done so far.
   *
   * @throws AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_CLOSED
   */
  async compact(watch: CompactionWatch = {}): Promise<CompactionReport> {
    this.#requireOpen();
    this.#requireWritable();
    return this.#dataPlane.compact(watch);
  }

  /** How busy the workers are at this moment. */
  load(): WorkerLoad {
    return this.#dataPlane.load();
  }

  /** How the storage behind the store is. */
  async health(): Promise<BackendStatus> {
    this.#requireOpen();
    return this.#dataPlane.backendHealth();
  }

  /** Waits for what is under way, syncs, then releases the store. Closing twice is allowed. Fails as `sync` does, the store being released all the same. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Finishes deletions that a crash interrupted between tombstone and removal. Called once, on opening. */
  async finishDeletions(): Promise<void> {
    let page: ObjectPage;
    do {
      page = await this.#registry.list({ state: 'tombstoned' });
      for (const { blake3 } of page.objects) await this.#guard.locked(blake3, () => this.#sweep(blake3, this.actor));
    } while (page.cursor !== undefined);
  }

  async #close(): Promise<void> {
    this.#history.close();
    try {
      await this.#deferred.close();
    } finally {
      await this.#dataPlane.close();
      await this.#log.close();
    }
  }

  /** Stores by `ingest`, once, and writes its event. */
  async #acknowledged(ingest: () => Promise<IngestResult>, actor: string): Promise<PutResult> {
    const ticket = this.#guard.begin();
    try {
      return (await this.#acknowledge(ticket, await ingest(), actor, false)) as PutResult;
    } finally {
      this.#guard.end(ticket);
    }
  }

  /** Writes the event of an ingest, or keeps it for the next sync, unless its bytes were deleted meanwhile. */
  #acknowledge(
    ticket: IngestTicket,
    result: IngestResult,
    actor: string,
    deferred: boolean,
  ): Promise<PutResult | DeferredPutResult> {
    const blake3 = formatBlake3(result.blake3);
    return this.#guard.locked(blake3, async () => {
      if (this.#guard.deletedSince(ticket, blake3) && !(await this.#isPresent(blake3))) throw deletedMeanwhile(blake3);
      return this.#recordIngest(result, actor, deferred);
    });
  }

  /** Writes the event of an ingest, or keeps it for the next sync; under the lock of its address. */
  async #recordIngest(result: IngestResult, actor: string, deferred: boolean): Promise<PutResult | DeferredPutResult> {
    const blake3 = formatBlake3(result.blake3);
    const { size, existed, healed, receipts } = result;
    const stored = { blake3, sha256: formatSha256(result.sha256), size, existed, healed, receipts };
    if (deferred) {
      await this.#deferred.add(objectIngested(actor, settled(result), blake3));
      return stored;
    }
    const [event] = (await this.#log.append([objectIngested(actor, result, blake3)])) as [StoredEvent];
    return { ...stored, event, cbor: event.dataBytes };
  }

  /** What the registry says now about an object that it has named before. */
  async #record(address: ContentAddress): Promise<ObjectRecord> {
    return (await this.#registry.stat(address)) as ObjectRecord; // records are never removed
  }

  /** Whether an object is there, durably: what somebody else has deferred is synced. */
  async #isPresent(address: ContentAddress): Promise<boolean> {
    await this.#deferred.flush();
    try {
      for await (const _ of this.#dataPlane.serveObject(address, { start: 0, end: 0 })) break;
      return true;
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_CORRUPT')) return false;
      throw error;
    }
  }

  async *#serve(record: ObjectRecord, range: ByteRange, options: GetOptions): AsyncGenerator<Uint8Array> {
    const { signal } = options;
    try {
      for await (const chunk of this.#dataPlane.serveObject(record.blake3, range)) {
        if (signal?.aborted) throw aborted();
        yield chunk;
      }
    } catch (error) {
      await this.#recordDamage(record, error, options.actor ?? this.actor);
      throw error;
    }
  }

  /** Has the data plane put bytes into a local file; false when it cannot. */
  async #serveFile(record: ObjectRecord, range: ByteRange, sink: FileSink, options: GetOptions): Promise<boolean> {
    const { signal, actor = this.actor } = options;
    try {
      const watched = { ...sink, ...(signal && { signal }) };
      return (await this.#dataPlane.serveFile?.(record.blake3, watched, range)) ?? false;
    } catch (error) {
      await this.#recordDamage(record, error, actor);
      throw error;
    }
  }

  /** Bytes that do not verify, or are not there although the log says so, become an event before the reader sees the error. */
  async #recordDamage(record: ObjectRecord, error: unknown, actor: string): Promise<void> {
    if (this.readOnly || this.#closed || !isStoreError(error, 'AS_ERR_CORRUPT', 'AS_ERR_NOT_FOUND')) return;
    await this.#guard.locked(record.blake3, async () => {
      const now = await this.#record(record.blake3);
      if (now.state !== 'live') return; // known already, or deleted under the reader
      await this.#log.append([objectCorrupted(actor, record.blake3, damagedRanges(error, record), 'read')]);
    });
  }

  /** Verifies an object that was present when the ticket was taken; undefined when it was deleted meanwhile. */
  async #verifyScanned(
    ticket: IngestTicket,
    object: ScannedObject,
    how: VerifyOptions,
    actor: string,
  ): Promise<VerifyResult | undefined> {
    const { digests = 'both' } = how;
    const found = await this.#dataPlane.verifyObject(object.blake3, how);
    const result = withRegisteredDigest(found, object, digests);
    return this.#guard.locked(object.blake3, async () => {
      if (this.#guard.deletedSince(ticket, object.blake3)) return undefined;
      if (!this.readOnly) await this.#recordVerification(object, result, digests, actor);
      return result;
    });
  }

  /** Writes the events of a verification, under the lock of the address and while the object is not deleted. */
  async #recordVerification(
    object: Pick<ObjectRecord, 'blake3' | 'size'>,
    result: VerifyResult,
    digests: 'both' | 'blake3',
    actor: string,
  ): Promise<void> {
    const { blake3 } = object;
    if (result.status === 'intact') await this.#deferred.flush(); // what is intact may be a deferred copy of what was damaged
    const events: NewEvent[] = [objectVerified(actor, blake3, result, digests)];
    if (result.status !== 'intact')
      events.push(objectCorrupted(actor, blake3, wholeIfNone(result.damaged, object), 'verify'));
    await this.#log.append(events);
  }

  /** Removes the bytes of a tombstoned object and says so; under the lock of its address. */
  async #sweep(address: ContentAddress, actor: string): Promise<number> {
    this.#guard.noteDeletion(address);
    const result = await this.#dataPlane.deleteObject(address);
    await this.#log.append([objectDeleted(actor, address, result)]);
    return result.freedSize;
  }

  #requireOpen(): void {
    if (this.#closed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The store is closed; open it again.');
  }

  #requireWritable(): void {
    if (!this.readOnly) return;
    throw new ArtifactStoreError(
      'AS_ERR_READ_ONLY',
      `The store in ${this.path} was opened read-only. Open it for writing to change it.`,
      { path: this.path },
    );
  }
}
