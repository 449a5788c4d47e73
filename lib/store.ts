/**
 * The library facade and composition root: one class, every verb, no HTTP.
 *
 * The only place that picks a data plane and a log and wires them together. Doors and users call it; it decides the order of things:
 * bytes durable, then event durable, then acknowledge.
 */

import { userInfo } from 'node:os';
import type { Story } from './audit/explain.js';
import type { ClosableDataPlane, CompactionReport, CompactionWatch, WorkerLoad } from './dataplane/inproc/index.js';
import type { BackendStatus, ContentAddress, Digest, FileList, SmallSend } from './dataplane/spi.js';
import { TieredPlane } from './dataplane/tiered/index.js';
import { formatBlake3, parseDigest } from './digest-name.js';
import { ArtifactStoreError } from './errors.js';
import type { EventLog, ReadQuery, RebuildProgress, StoredEvent } from './events/log.js';
import type { Moment } from './events/read-all.js';
import { openEventLog, type SqliteEventLog } from './events/sqlite-log.js';
import type { Delivery } from './events/subscribe.js';
import { OPENING_SWEEP_MAX } from './limits.js';
import type { Family } from './metrics/exposition.js';
import { fillRecords } from './records.js';
import type { Collectable, LifecycleRegistry } from './registry/lifecycle.js';
import type { PastRegistry } from './registry/past-registry.js';
import type { ListQuery, ObjectPage, ObjectRecord, Registry, Usage } from './registry/registry.js';
import { createLifecycleRegistry } from './registry/sqlite-lifecycle.js';
import { createPackageRegistry } from './registry/sqlite-packages.js';
import { createQuotaRegistry } from './registry/sqlite-quotas.js';
import { createRegistry } from './registry/sqlite-registry.js';
import { createRetentionRegistry } from './registry/sqlite-retention.js';
import { createTokenRegistry } from './registry/sqlite-tokens.js';
import { registryViews } from './registry/views.js';
import { RetentionProtection } from './retention/guard.js';
import { isProtected } from './retention/protection.js';
import { AddressGuard } from './store/address-guard.js';
import { requirePresent, requireRange, requireTombstoned } from './store/checks.js';
import { openDataPlanes, type S3Settings } from './store/data-plane.js';
import { DeferredPuts } from './store/deferred-puts.js';
import { Erasure, type ErasureDemand, type ErasureReport } from './store/erasure.js';
import { prepareFolder } from './store/folder.js';
import {
  type ExplainOptions,
  type FollowOptions,
  History,
  type PastOptions,
  type SubscriptionOptions,
} from './store/history.js';
import { forgetting, KnownObjects } from './store/known-objects.js';
import {
  type ChangeReport,
  Lifecycle,
  type LifecycleHost,
  noChange,
  nothingSwept,
  type RetireOptions,
  requireGrace,
  type SweepOptions,
  type SweepReport,
} from './store/lifecycle.js';
import { NamespaceQuotas } from './store/namespace-quotas.js';
import { Packages } from './store/packages.js';
import { Presence } from './store/presence.js';
import type { PutResult, PutResults } from './store/put-results.js';
import {
  type ActorOption,
  type DeferredPutOptions,
  type DeferredPutResult,
  type PutManyOptions,
  type PutOptions,
  Puts,
} from './store/puts.js';
import { Quotas } from './store/quotas.js';
import { type GetOptions, Reads } from './store/reads.js';
import { type ReconcileOptions, type ReconcileReport, reconcile } from './store/reconcile.js';
import { Retention } from './store/retention.js';
import type { Scrub, ScrubOptions } from './store/scrub.js';
import type { PutSource } from './store/source.js';
import type { StoredObject } from './store/stored-object.js';
import { type ColdReads, type MoveReport, requireTier, type StoreTier, Tiers } from './store/tiers.js';
import { Tokens } from './store/tokens.js';
import { Uploads } from './store/uploads.js';
import { Verification, type VerifyObjectOptions, type VerifyReport } from './store/verification.js';

export interface StoreOptions {
  /** Folder of the store. */
  path: string;
  /** Make a store when the folder is missing or empty. Default true. */
  create?: boolean;
  /** Never write; several processes may open it so at once. Default false. */
  readOnly?: boolean;
  /** Who acts, in events, unless a call says otherwise. Default `local:<user name>`. */
  actor?: string;
  /** Worker threads, 1 to 8. Default: as many as cores, at least 2. Of no meaning beside a daemon. */
  threads?: number;
  /**
   * `unix:/path`: the bytes are in a data plane of another process, a daemon that listens there (`artifactstore dataplane`); the folder has the log
   * alone. `s3://bucket/prefix`: they are on an S3-compatible store. Default: they are in the folder.
   */
  dataplane?: string;
  /**
   * A second place for bytes, the cold tier, to which `tier` moves objects: a folder of its own, `unix:/path` of a daemon, or `s3://bucket/prefix`. A store that has objects there can only
   * be opened with it. Default: there is none.
   */
  cold?: string;
  /** What reading an object of the cold tier does: `stream`, the default, or `restore`, which copies it to the hot tier first. */
  coldReads?: ColdReads;
  /** Where that S3-compatible store is, and how it is spoken to. */
  s3?: S3Settings;
  /** Told in a sentence what went wrong on the way to bytes elsewhere and was dealt with: for a log. */
  onNotice?: (sentence: string) => void;
}

export type { CompactionReport, CompactionWatch, WorkerLoad } from './dataplane/inproc/index.js';
export type { S3Settings } from './store/data-plane.js';
export type { PutResult, PutResults } from './store/put-results.js';
export type {
  ActorOption,
  DeferredPutOptions,
  DeferredPutResult,
  PutManyOptions,
  PutOptions,
} from './store/puts.js';
export type { GetOptions } from './store/reads.js';
export type { Sample } from './store/sample.js';
export type { Scrub, ScrubOptions, ScrubReport } from './store/scrub.js';
export type { ColdReads, Moved, MoveReport, StoreTier } from './store/tiers.js';
export type { VerifyObjectOptions, VerifyReport } from './store/verification.js';

export interface DeleteOptions {
  /** Stands in the tombstone. */
  reason?: string;
  /** Delete it although packages need it; they cannot be pulled then. Default false. */
  force?: boolean;
  /**
   * Milliseconds in which its bytes stay and it can be undeleted; a sweep removes them afterwards. Default 0: they are removed at once, and only storing them
   * again brings it back.
   */
  grace?: number;
}

/** What `delete` did. */
export interface DeleteReport {
  record: ObjectRecord;
  /** Bytes of storage given back; 0 while the grace lasts. */
  freedSize: number;
}

export type { Collectable } from './registry/lifecycle.js';
export type { Protection, Protector } from './retention/protection.js';
export type { ErasureDemand, ErasureReport } from './store/erasure.js';
export type { ChangeReport, Kept, KeptBecause, RetireOptions, SweepOptions, SweepReport } from './store/lifecycle.js';
export type { ReconcileOptions, ReconcileReport } from './store/reconcile.js';

/**
 * Opens a store, or makes one.
 *
 * @throws AS_ERR_STORE_LOCKED: another process has it open
 * @throws AS_ERR_UNAVAILABLE, AS_ERR_PROTOCOL, AS_ERR_FORBIDDEN, AS_ERR_UNAUTHENTICATED: the daemon or the bucket that `dataplane` names
 * @throws AS_ERR_STORE_MISSING: nothing there and `create` is false or `readOnly` true
 * @throws AS_ERR_STORE_FORMAT: not a store, or one of a version this package does not know
 * @throws AS_ERR_LOG_DAMAGED, AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_SQLITE, AS_ERR_NATIVE, AS_ERR_INVALID_ARGUMENT
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { readOnly = false, create = true, dataplane, threads, cold, coldReads = 'stream', s3, onNotice } = options;
  const folder = await prepareFolder(options.path, !readOnly && create, dataplane === undefined ? 'own' : 'elsewhere');
  const planes = await openDataPlanes(folder, {
    readOnly,
    ...(threads !== undefined && { threads }),
    ...(dataplane !== undefined && { dataplane }),
    ...(cold !== undefined && { cold }),
    ...(s3 && { s3 }),
    ...(onNotice && { onNotice }),
  });
  let log: SqliteEventLog | undefined;
  try {
    log = await openEventLog({ path: folder.log, readOnly, views: registryViews, fillRecords });
    const tier = planes.cold && { plane: planes.cold, reads: coldReads };
    const store = new Store(folder.path, readOnly, options.actor ?? localActor(), planes.hot, log, tier);
    await store.requireColdTier(cold);
    if (!readOnly) await store.finishDeletions();
    if (!readOnly) await store.packages.indexOlder();
    return store;
  } catch (error) {
    await log?.close();
    await planes.hot.close();
    await planes.cold?.close();
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
  readonly #known = new KnownObjects();
  readonly #guard = new AddressGuard();
  readonly #deferred: DeferredPuts;
  readonly #history: History;
  readonly #lifecycleRegistry: LifecycleRegistry;
  readonly #lifecycle: Lifecycle;
  readonly #erasure: Erasure;
  readonly #protection: RetentionProtection;
  readonly #presence: Presence;
  readonly #puts: Puts;
  readonly #verification: Verification;
  readonly #quotas: Quotas;
  readonly #reads: Reads;
  /** Where there is a cold tier. */
  readonly #tiers: Tiers | undefined;
  /** Objects that come over several calls. */
  readonly uploads: Uploads<PutResult>;
  /** Packages: directories under names. */
  readonly packages: Packages;
  /** Tokens, by which a service knows who asks. */
  readonly tokens: Tokens;
  /** How long things stay: policies, holds, locks and plans. */
  readonly retention: Retention;
  /** What namespaces may take. */
  readonly quotas: NamespaceQuotas;
  readonly #resolve = (name: string): Promise<ObjectRecord> => this.#registry.resolve(name);
  #closed: Promise<void> | undefined;

  constructor(
    /** Absolute path of its folder. */
    readonly path: string,
    readonly readOnly: boolean,
    /** Who acts unless a call says otherwise. */
    readonly actor: string,
    hot: ClosableDataPlane,
    sqliteLog: SqliteEventLog,
    cold?: { plane: ClosableDataPlane; reads: ColdReads },
  ) {
    const log = forgetting(sqliteLog, this.#known);
    const registry = createRegistry(sqliteLog.reader);
    // The registry knows at once what the cold tier may be long in saying.
    const areCold = (addresses: readonly ContentAddress[]) => registry.areCold(addresses);
    const tiered = cold && new TieredPlane({ hot, cold: cold.plane, readOnly, areCold });
    const dataPlane: ClosableDataPlane = tiered ?? hot;
    this.#deferred = new DeferredPuts(
      () => dataPlane.sync(),
      (event) => log.append([event]),
    );
    const flush = () => this.#deferred.flush();
    this.#dataPlane = dataPlane;
    this.#log = log;
    this.#registry = registry;
    this.#tiers =
      tiered &&
      new Tiers({
        ...{ plane: tiered, log, registry, guard: this.#guard, readOnly, coldReads: cold.reads },
        flush,
      });
    this.#presence = new Presence({ dataPlane, registry, guard: this.#guard, tiers: this.#tiers, flush });
    const presence = this.#presence;
    const isPresent = (address: ContentAddress) => presence.isPresent(address);
    this.#reads = new Reads({
      ...{ actor, dataPlane, log, guard: this.#guard, tiers: this.#tiers },
      record: (address) => presence.record(address),
      isPresent,
      mayRecord: () => !this.readOnly && !this.#closed,
    });
    this.#history = new History(log, this.#registry);
    const retentionRegistry = createRetentionRegistry(sqliteLog.reader);
    const plainRegistry = createRetentionRegistry(sqliteLog.plainReader);
    this.#protection = new RetentionProtection(retentionRegistry);
    this.#lifecycleRegistry = createLifecycleRegistry(sqliteLog.reader);
    const lifecycleHost: LifecycleHost = {
      actor,
      log,
      registry: this.#lifecycleRegistry,
      registryBehind: createLifecycleRegistry(sqliteLog.readerBehind),
      guard: this.#guard,
      protection: this.#protection,
      dataPlane,
      compact: (signal) => dataPlane.compact(signal && { signal }),
      flush,
      isPresent,
    };
    this.#lifecycle = new Lifecycle(lifecycleHost);
    this.#erasure = new Erasure({
      ...{ actor, log, lifecycle: lifecycleHost, resolve: this.#resolve },
      requireWritable: () => this.#requireWritable(),
    });
    this.#verification = new Verification({
      ...{ path, readOnly, actor, dataPlane, log, registry, guard: this.#guard, presence, flush },
      isTiered: tiered !== undefined,
    });
    const quotaRegistry = createQuotaRegistry(sqliteLog.reader);
    this.#quotas = new Quotas({
      limitOf: (token) => this.tokens.quotaOf(token),
      usedBy: async (token) => (await this.tokens.find(token)).used,
      standingUploads: () => this.uploads.standing(),
      namespaces: quotaRegistry,
    });
    this.#puts = new Puts({
      ...{ actor, dataPlane, log, registry, guard: this.#guard, presence },
      ...{ deferred: this.#deferred, quotas: this.#quotas },
    });
    const state = { requireOpen: () => this.#requireOpen(), requireWritable: () => this.#requireWritable() };
    this.quotas = new NamespaceQuotas({
      log,
      registry: quotaRegistry,
      quotas: this.#quotas,
      actor,
      ...state,
    });
    this.uploads = new Uploads({
      dataPlane,
      log,
      quotas: this.#quotas,
      actor,
      openForNamespaces: () => quotaRegistry.uploads(),
      requireWritable: state.requireWritable,
      acknowledged: (ingest, by) => this.#puts.acknowledged(ingest, by),
    });
    const packageRegistry = createPackageRegistry(sqliteLog.reader);
    this.retention = new Retention({
      log,
      registry: retentionRegistry,
      plainRegistry,
      packages: packageRegistry,
      objects: this.#registry,
      lifecycle: this.#lifecycleRegistry,
      protection: this.#protection,
      guard: this.#guard,
      actor,
      readOnly,
      put: (bytes, by) => this.put(bytes, { actor: by }),
      read: async (name) => {
        const object = await this.get(name);
        return { address: object.record.blake3, bytes: await object.bytes() };
      },
      retire: (addresses, options) => this.#lifecycle.retire(addresses, options),
      ...state,
    });
    this.packages = new Packages({
      path,
      actor,
      dataPlane,
      log,
      registry: packageRegistry,
      guard: this.#guard,
      quotas: this.#quotas,
      serve: (object, by) => this.#reads.whole(object, by),
      protection: this.#protection,
      retention: this.retention,
      areLive: (addresses) => this.#registry.areLive(addresses),
      isPresent,
      discard: (addresses) => presence.discard(addresses),
      get: (name, options) => this.get(name, options),
      ...state,
    });
    this.tokens = new Tokens({
      log,
      registry: createTokenRegistry(sqliteLog.reader),
      actor,
      ...state,
    });
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
   * @throws AS_ERR_QUOTA: the actor is a token whose quota has no room for it; before a byte is asked for where the size is known
   * @throws AS_ERR_SOURCE_UNREADABLE, AS_ERR_SOURCE_CHANGED: the file
   * @throws AS_ERR_CONFLICT: deleted by someone else meanwhile (a stream; bytes and files are repeated)
   * @throws AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_ABORTED, AS_ERR_CLOSED, AS_ERR_INVALID_ARGUMENT, and what the stream throws
   */
  put(source: PutSource, options: DeferredPutOptions): Promise<DeferredPutResult>;
  put(source: PutSource, options?: PutOptions): Promise<PutResult>;
  async put(source: PutSource, options: PutOptions | DeferredPutOptions = {}): Promise<PutResult | DeferredPutResult> {
    this.#requireWritable();
    return this.#puts.put(source, options);
  }

  /**
   * Stores many objects as `put` does each, several times as fast where they are small. Resolves when all are on disk, bytes and events.
   *
   * @param sources what `put` takes, or the absolute paths of files in one piece of memory; to expect something of one, `put` it
   * @returns for each source, in their order, the result, or the error that `put` would have thrown: one that fails does not keep the others out.
   * @throws AS_ERR_INVALID_ARGUMENT: one of them is not a source; AS_ERR_ABORTED, AS_ERR_READ_ONLY, AS_ERR_CLOSED; and where the log cannot be
   *   written AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_SQLITE. Some of the objects may be stored then
   */
  async putMany(sources: readonly PutSource[] | FileList, options: PutManyOptions = {}): Promise<PutResults> {
    this.#requireWritable();
    return this.#puts.putMany(sources, options);
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
    this.#requireOpen();
    const known = this.#known.get(name, this.#resolve);
    const record = known instanceof Promise ? await known : known;
    const tiers = this.#tiers;
    if (options.restore === false || record.state !== 'live' || !tiers?.restores(record))
      return this.#reads.open(record, options);
    requireRange(options.range ?? { start: 0, end: 0 }, record);
    await tiers.restore(record.blake3, options.actor ?? this.actor);
    const now = await this.#presence.record(record.blake3);
    return this.#reads.open(now, options, !tiers.restores(now));
  }

  /**
   * As `get`, but at once and only for an object that is remembered, because it was asked for before by the same digest and nothing has happened to it since.
   * Undefined: use `get`.
   *
   * @throws AS_ERR_RANGE, AS_ERR_CLOSED
   */
  getKnown(name: string, options: GetOptions = {}): StoredObject | undefined {
    this.#requireOpen();
    const record = this.#known.peek(name);
    if (record === undefined || (options.restore !== false && this.#tiers?.restores(record))) return undefined;
    return this.#reads.open(record, options);
  }

  /**
   * Has the data plane send objects that `getKnown` gave, each behind bytes of the caller's, into sockets of this process: see `sendSmall` of the contract. Of what is not sent, nothing
   * is said: reading it says why, and records damage.
   */
  sendSmall(memory: Uint8Array, sends: readonly SmallSend[]): void {
    if (!this.#closed) this.#reads.sendSmall(memory, sends);
  }

  /**
   * Moves an object, or every file of a package, to a tier: afterwards it is there and nowhere else. The manifest of a package stays in the hot tier, so that what is in
   * it can always be told. What was interrupted is finished by asking for it again.
   *
   * @param name either digest, an unambiguous prefix of one, or a package: `namespace/name@version` or `namespace/name:ref`
   * @param options `signal`: ends it after the objects that are on their way
   * @returns what became of each object, as it is done. Of a package, one that cannot be moved keeps the others from nothing; of an object its error is thrown
   * @throws AS_ERR_INVALID_ARGUMENT: the store has no cold tier, or there is no such tier
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_CORRUPT, AS_ERR_CONFLICT: the object; AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_MANIFEST
   * @throws AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_UNAVAILABLE: a tier; AS_ERR_READ_ONLY, AS_ERR_ABORTED, AS_ERR_CLOSED
   */
  async *tier(
    name: string,
    tier: StoreTier,
    options: ActorOption & { signal?: AbortSignal } = {},
  ): AsyncGenerator<MoveReport> {
    this.#requireWritable();
    const { actor = this.actor, signal } = options;
    const tiers = requireTier(tier, this.#tiers);
    if (!name.includes('/')) {
      const { blake3 } = await this.#registry.resolve(name);
      yield await tiers.move(blake3, tier, actor);
      return;
    }
    const { address, entries } = await this.packages.open(name);
    const files = new Set(entries.flatMap((entry) => (entry.kind === 'file' ? [formatBlake3(entry.blake3)] : [])));
    if (tier === 'hot') files.add(address);
    yield* tiers.moveMany(files, tier, { actor, ...(signal && { signal }) });
  }

  /**
   * What proves the bytes of an object, or of one range of it, to who has nothing but its content address: its size as 8 bytes, little-endian, then the
   * nodes of its tree, as `docs/format.md` has outboards; for a range only those that it takes. A client checks with it what it is sent.
   *
   * @param name either digest, or an unambiguous prefix of one
   * @throws as `get`
   */
  async outboard(name: string, options: GetOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    return this.#reads.outboard(await this.stat(name), options);
  }

  /**
   * What is known about an object, deleted ones included: see `state`.
   *
   * @param name either digest, or an unambiguous prefix of one
   * @throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_CLOSED
   */
  async stat(name: string): Promise<ObjectRecord> {
    this.#requireOpen();
    return this.#known.get(name, this.#resolve);
  }

  /** Those of the digests that name no object that can be read, in their order. Throws AS_ERR_INVALID_DIGEST, AS_ERR_CLOSED. */
  async missing(digests: readonly Digest[]): Promise<Digest[]> {
    this.#requireOpen();
    const asked = digests.map(parseDigest);
    const live = await this.#registry.areLive(asked);
    return asked.filter((_, index) => !live[index]);
  }

  /** One page of objects, ordered by content address, of a state other than `live` in the order in which they were first stored; pass its `cursor` for the next. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
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
    return this.#verification.verify(await this.stat(name), options);
  }

  /**
   * Verifies many objects as `verify` does each: all of them, a sample, or those that are due, in the order in which they were stored, and many
   * at once. Iterate what it gives; one whose iteration ends early can be resumed.
   *
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_IO, AS_ERR_CLOSED
   */
  async scrub(options: ScrubOptions = {}): Promise<Scrub> {
    this.#requireOpen();
    return this.#verification.scrub(options);
  }

  /**
   * Deletes an object and frees its space, at once or when its grace is over. Its tombstone remains: who, when, why. One that packages need is not deleted, unless
   * by force; one that is protected is not, whatever is asked.
   *
   * @throws AS_ERR_IN_USE: packages need it; `details.packages` names up to NEEDING_SHOWN_MAX of them
   * @throws AS_ERR_PROTECTED: a hold, a lock or a policy forbids it; `details` says which
   * @throws AS_ERR_INVALID_ARGUMENT: the grace
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_CLOSED
   */
  async delete(name: string, options: ActorOption & DeleteOptions = {}): Promise<DeleteReport> {
    this.#requireWritable();
    requireGrace(options.grace);
    const actor = options.actor ?? this.actor;
    const { blake3 } = await this.#registry.resolve(name);
    return this.#guard.locked(blake3, async () => {
      await this.#deferred.flush(); // a deferred put of it may wait to be recorded
      requirePresent(await this.#presence.record(blake3));
      if (!options.force) await this.packages.requireUnneeded(blake3);
      const retired = noChange();
      // What packages need has been asked; one that is on its way with it begins anew.
      await this.#lifecycle.retireLocked([blake3], { ...options, actor, force: true }, retired);
      for (const { protector } of retired.kept) if (protector) throw isProtected(blake3, 'retire', protector);
      const swept = nothingSwept();
      if (!options.grace) await this.#lifecycle.sweepLocked([blake3], 0, actor, swept);
      for (const { error } of swept.failed) throw error;
      return { record: await this.#presence.record(blake3), freedSize: swept.freedSize };
    });
  }

  /**
   * Writes the tombstones of many objects: from then on each answers AS_ERR_GONE, with who, when, why and the event's id. Their bytes stay until their grace is
   * over and a sweep comes by; until then `undelete` takes it back. What is not there, what packages need, and what is protected, is left as it is and reported.
   *
   * @throws AS_ERR_INVALID_ARGUMENT: the grace; AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_SQLITE, AS_ERR_CLOSED
   */
  async retire(addresses: readonly ContentAddress[], options: RetireOptions = {}): Promise<ChangeReport> {
    this.#requireWritable();
    return this.#lifecycle.retire(addresses, options);
  }

  /**
   * Takes the tombstone of an object back, as long as its bytes have not been removed.
   *
   * @param name either digest, or an unambiguous prefix of one
   * @throws AS_ERR_CONFLICT: it is not deleted; AS_ERR_GONE: its bytes have been removed
   * @throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async undelete(name: string, options: ActorOption & { reason?: string } = {}): Promise<ObjectRecord> {
    this.#requireWritable();
    const { blake3 } = await this.#registry.resolve(name);
    const { objects } = await this.#lifecycle.undelete([blake3], options);
    const record = await this.#presence.record(blake3);
    if (objects === 0) requireTombstoned(record);
    return record;
  }

  /** As `undelete`, for many: those that have no tombstone, or whose bytes are removed, are left as they are and reported. Throws AS_ERR_READ_ONLY, AS_ERR_CLOSED. */
  async undeleteMany(
    addresses: readonly ContentAddress[],
    options: Pick<RetireOptions, 'actor' | 'reason' | 'signal'> = {},
  ): Promise<ChangeReport> {
    this.#requireWritable();
    return this.#lifecycle.undelete(addresses, options);
  }

  /**
   * Removes the bytes of objects whose grace is over, and writes the receipts. By the log's time: a clock that is set back removes nothing early. Beside everything
   * else, in small blocks; interrupted at any moment, the next one goes on.
   *
   * @throws AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_SQLITE, AS_ERR_CLOSED
   */
  async sweep(options: SweepOptions = {}): Promise<SweepReport> {
    this.#requireWritable();
    return this.#lifecycle.sweep(options);
  }

  /**
   * Erases what is about a person, on legal demand: names of actors, what people wrote, and objects. At once, for good, whatever policies say; and the log stays whole:
   * pseudonyms stand where the texts were meant, and an event says what was erased, by whom and under which order. What digests, names of packages, paths and cases
   * themselves say stays.
   *
   * @throws AS_ERR_PROTECTED: a hold or a lock keeps an object; nothing is erased
   * @throws AS_ERR_INVALID_ARGUMENT: the order, an empty text, an event that there is not
   * @throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST: an object; nothing is erased
   * @throws AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_SQLITE, AS_ERR_CLOSED
   */
  async erase(demand: ErasureDemand): Promise<ErasureReport> {
    return this.#erasure.erase(demand);
  }

  /**
   * One page of objects that belonged to packages and that no version needs now, in the order in which they were first stored: what can be retired without
   * anybody missing it. Objects that never belonged to a package are not among them. Pass the last one's `seq` as `after` for the next page.
   *
   * @throws AS_ERR_IN_USE: of some version the log does not say what it needs, so nobody can know; `details.manifests` has up to 10 of their manifests
   * @throws AS_ERR_CLOSED
   */
  async collectable({ after = 0, limit = 1000 }: { after?: number; limit?: number } = {}): Promise<Collectable[]> {
    this.#requireOpen();
    const unknown = await this.#lifecycleRegistry.unknownNeeds(10);
    if (unknown.length > 0) {
      throw new ArtifactStoreError(
        'AS_ERR_IN_USE',
        `What the packages with the manifests ${unknown.join(', ')} need is not known, because the manifests cannot be read. Store those again, or withdraw the packages.`,
        { manifests: unknown },
      );
    }
    return this.#lifecycleRegistry.collectable(limit, after);
  }

  /**
   * Compares what is stored with what the log says. Bytes that no event names, left by a crash between the two, are removed once they are old enough, and never
   * while somebody stores them; objects whose bytes are not there are recorded as lost, and answer with an error that says so. Both are reported.
   *
   * @throws AS_ERR_UNAVAILABLE: the data plane is in another process and cannot list what it has
   * @throws AS_ERR_INVALID_ARGUMENT: the age; AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_CORRUPT, AS_ERR_SQLITE, AS_ERR_CLOSED
   */
  async reconcile(options: ReconcileOptions = {}): Promise<ReconcileReport> {
    this.#requireWritable();
    const { actor } = this;
    const look = (address: ContentAddress) => this.#presence.look(address);
    const flush = () => this.#deferred.flush();
    const host = { actor, log: this.#log, guard: this.#guard, dataPlane: this.#dataPlane, flush, look };
    return reconcile({ ...host, registry: this.#lifecycleRegistry }, options);
  }

  /** How many versions of packages need each of these objects, at the same places. Throws AS_ERR_CLOSED. */
  async references(addresses: readonly ContentAddress[]): Promise<number[]> {
    this.#requireOpen();
    return this.#lifecycleRegistry.references(addresses);
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
    this.#requireWritable();
    return this.#dataPlane.compact(watch);
  }

  /** How busy the workers are at this moment. */
  load(): WorkerLoad {
    return this.#dataPlane.load();
  }

  /** What the data plane counts, for metrics: nothing where it is in this process. */
  dataPlaneFamilies(): Family[] {
    return [...(this.#dataPlane.families?.() ?? []), ...(this.#tiers?.families() ?? [])];
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

  /**
   * Makes sure that there is a cold tier where the log says that objects are in one, and that it is that one. Called once, on opening.
   *
   * @param address where it is
   * @throws AS_ERR_STORE_MISSING: none was named; AS_ERR_STORE_FORMAT: it is another
   */
  async requireColdTier(address: string | undefined): Promise<void> {
    if (this.#tiers !== undefined && address !== undefined) return this.#tiers.requireOwn(address);
    if ((await this.#registry.someCold()) === undefined) return;
    const message = `Objects of the store in ${this.path} are in its cold tier. Name it: --cold <folder or address>.`;
    throw new ArtifactStoreError('AS_ERR_STORE_MISSING', message, { path: this.path });
  }

  /** Finishes erasures, and deletions without a grace, that a crash interrupted between tombstone and removal; of these as many as take no time. Called once, on opening. */
  async finishDeletions(): Promise<void> {
    await this.#erasure.finish();
    await this.#lifecycle.finish(OPENING_SWEEP_MAX);
  }

  async #close(): Promise<void> {
    this.#history.close();
    try {
      await this.#puts.drain();
      await this.#deferred.close();
      await this.retention.settled();
    } finally {
      const settled = this.#log.settle(); // beside the data plane, which needs a while too
      await this.#dataPlane.close();
      await settled;
      await this.#log.close();
    }
  }

  #requireOpen(): void {
    if (this.#closed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The store is closed; open it again.');
  }

  #requireWritable(): void {
    this.#requireOpen();
    if (!this.readOnly) return;
    throw new ArtifactStoreError(
      'AS_ERR_READ_ONLY',
      `The store in ${this.path} was opened read-only. Open it for writing to change it.`,
      { path: this.path },
    );
  }
}
