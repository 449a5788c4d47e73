/**
 * The library facade: one class, every verb and what it promises, no HTTP.
 *
 * Opens a data plane and a log, has the parts put together over them (store/composition.ts), and leaves each verb to one of them. Doors and users call it. The parts keep the
 * order of things: bytes durable, then event durable, then acknowledge.
 */

import { userInfo } from 'node:os';
import type { Story } from './audit/explain.js';
import type { ClosableDataPlane, CompactionReport, CompactionWatch, WorkerLoad } from './dataplane/inproc/index.js';
import type { BackendStatus, ContentAddress, Digest, FileList, SmallSend } from './dataplane/spi.js';
import { formatBlake3, parseDigest } from './digest-name.js';
import { ArtifactStoreError } from './errors.js';
import type { ReadQuery, RebuildProgress, StoredEvent } from './events/log.js';
import type { Moment } from './events/read-all.js';
import { loadEventLog, openEventLog, type SqliteEventLog } from './events/sqlite-log.js';
import type { Delivery } from './events/subscribe.js';
import { OPENING_SWEEP_MAX } from './limits.js';
import type { Family } from './metrics/exposition.js';
import { fillRecords, rowPacking } from './records.js';
import type { Collectable } from './registry/lifecycle.js';
import type { PastRegistry } from './registry/past-registry.js';
import type { ListQuery, ObjectPage, ObjectRecord, Usage } from './registry/registry.js';
import { registryViews } from './registry/views.js';
import { composeStore, type StoreParts } from './store/composition.js';
import { openDataPlanes, type S3Settings } from './store/data-plane.js';
import type { DeleteOptions, DeleteReport } from './store/deletion.js';
import type { ErasureDemand, ErasureReport } from './store/erasure.js';
import { prepareFolder } from './store/folder.js';
import type { ExplainOptions, FollowOptions, PastOptions, SubscriptionOptions } from './store/history.js';
import type { ChangeReport, RetireOptions, SweepOptions, SweepReport } from './store/lifecycle.js';
import type { NamespaceQuotas } from './store/namespace-quotas.js';
import type { Packages } from './store/packages.js';
import type { PutResult, PutResults } from './store/put-results.js';
import type { ActorOption, DeferredPutOptions, DeferredPutResult, PutManyOptions, PutOptions } from './store/puts.js';
import type { GetOptions } from './store/reads.js';
import { type ReconcileOptions, type ReconcileReport, reconcile } from './store/reconcile.js';
import type { Retention } from './store/retention.js';
import type { Scrub, ScrubOptions } from './store/scrub.js';
import type { PutSource } from './store/source.js';
import { StoreState } from './store/state.js';
import type { StoredObject } from './store/stored-object.js';
import { type ColdReads, type MoveReport, requireTier, type StoreTier } from './store/tiers.js';
import type { Tokens } from './store/tokens.js';
import type { Uploads } from './store/uploads.js';
import type { VerifyObjectOptions, VerifyReport } from './store/verification.js';

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
export type { Collectable } from './registry/lifecycle.js';
export type { Protection, Protector } from './retention/protection.js';
export type { S3Settings } from './store/data-plane.js';
export type { DeleteOptions, DeleteReport } from './store/deletion.js';
export type { ErasureDemand, ErasureReport } from './store/erasure.js';
export type { ChangeReport, Kept, KeptBecause, RetireOptions, SweepOptions, SweepReport } from './store/lifecycle.js';
export type { PutResult, PutResults } from './store/put-results.js';
export type {
  ActorOption,
  DeferredPutOptions,
  DeferredPutResult,
  PutManyOptions,
  PutOptions,
} from './store/puts.js';
export type { GetOptions } from './store/reads.js';
export type { ReconcileOptions, ReconcileReport } from './store/reconcile.js';
export type { Sample } from './store/sample.js';
export type { Scrub, ScrubOptions, ScrubReport } from './store/scrub.js';
export type { ColdReads, Moved, MoveReport, StoreTier } from './store/tiers.js';
export type { VerifyObjectOptions, VerifyReport } from './store/verification.js';

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
  const opening = openDataPlanes(folder, {
    readOnly,
    ...(threads !== undefined && { threads }),
    ...(dataplane !== undefined && { dataplane }),
    ...(cold !== undefined && { cold }),
    ...(s3 && { s3 }),
    ...(onNotice && { onNotice }),
  });
  opening.catch(() => undefined); // reported where it is awaited
  await loadEventLog(); // beside that; to be opened only once nobody else can write
  const planes = await opening;
  let log: SqliteEventLog | undefined;
  try {
    log = await openEventLog({ path: folder.log, readOnly, views: registryViews, fillRecords, rowPacking });
    const tier = planes.cold && { plane: planes.cold, reads: coldReads };
    const store = new Store(folder.path, readOnly, options.actor ?? localActor(), planes.hot, log, tier);
    await folder.durable;
    if (!log.isNew || cold !== undefined) await store.requireColdTier(cold);
    if (readOnly || log.isNew) return store;
    await store.finishDeletions();
    await store.packages.indexOlder();
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
  readonly #state: StoreState;
  readonly #parts: StoreParts;
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
  #closed: Promise<void> | undefined;

  constructor(
    /** Absolute path of its folder. */
    readonly path: string,
    readonly readOnly: boolean,
    /** Who acts unless a call says otherwise. */
    readonly actor: string,
    hot: ClosableDataPlane,
    log: SqliteEventLog,
    cold?: { plane: ClosableDataPlane; reads: ColdReads },
  ) {
    this.#state = new StoreState(path, readOnly);
    this.#parts = composeStore({ state: this.#state, actor, hot, log, cold });
    const { uploads, packages, tokens, retention, quotas } = this.#parts;
    this.uploads = uploads;
    this.packages = packages;
    this.tokens = tokens;
    this.retention = retention;
    this.quotas = quotas;
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
    this.#state.requireWritable();
    return this.#parts.puts.put(source, options);
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
    this.#state.requireWritable();
    return this.#parts.puts.putMany(sources, options);
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
    this.#state.requireOpen();
    await this.#parts.flush();
  }

  /**
   * Finds an object and opens its bytes for reading; each byte is verified before it comes.
   *
   * @param name either digest, or an unambiguous prefix of one
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_CORRUPT, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_RANGE, AS_ERR_CLOSED
   */
  async get(name: string, options: GetOptions = {}): Promise<StoredObject> {
    this.#state.requireOpen();
    return this.#parts.objects.get(name, options);
  }

  /**
   * As `get`, but at once and only for an object that is remembered, because it was asked for before by the same digest and nothing has happened to it since.
   * Undefined: use `get`.
   *
   * @throws AS_ERR_RANGE, AS_ERR_CLOSED
   */
  getKnown(name: string, options: GetOptions = {}): StoredObject | undefined {
    this.#state.requireOpen();
    return this.#parts.objects.getKnown(name, options);
  }

  /**
   * Has the data plane send objects that `getKnown` gave, each behind bytes of the caller's, into sockets of this process: see `sendSmall` of the contract. Of what is not sent, nothing
   * is said: reading it says why, and records damage.
   */
  sendSmall(memory: Uint8Array, sends: readonly SmallSend[]): void {
    if (!this.#closed) this.#parts.reads.sendSmall(memory, sends);
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
    this.#state.requireWritable();
    const { actor = this.actor, signal } = options;
    const tiers = requireTier(tier, this.#parts.tiers);
    if (!name.includes('/')) {
      const { blake3 } = await this.#parts.registry.resolve(name);
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
    this.#state.requireOpen();
    return this.#parts.objects.outboard(name, options);
  }

  /**
   * What is known about an object, deleted ones included: see `state`.
   *
   * @param name either digest, or an unambiguous prefix of one
   * @throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_CLOSED
   */
  async stat(name: string): Promise<ObjectRecord> {
    this.#state.requireOpen();
    return this.#parts.objects.stat(name);
  }

  /** Those of the digests that name no object that can be read, in their order. Throws AS_ERR_INVALID_DIGEST, AS_ERR_CLOSED. */
  async missing(digests: readonly Digest[]): Promise<Digest[]> {
    this.#state.requireOpen();
    const asked = digests.map(parseDigest);
    const live = await this.#parts.registry.areLive(asked);
    return asked.filter((_, index) => !live[index]);
  }

  /** One page of objects, ordered by content address, of a state other than `live` in the order in which they were first stored; pass its `cursor` for the next. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async list(query: ListQuery = {}): Promise<ObjectPage> {
    this.#state.requireOpen();
    return this.#parts.registry.list(query);
  }

  /** Objects and bytes that are live. */
  async usage(): Promise<Usage> {
    this.#state.requireOpen();
    return this.#parts.registry.usage();
  }

  /**
   * Re-reads and re-digests an object. Damage is a result, not an error; it is recorded, and from then on the object counts as absent.
   *
   * @param options `digests`: 'both', the default, or 'blake3' alone, which leaves SHA-256 unchecked
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_IO, AS_ERR_CLOSED, AS_ERR_INVALID_ARGUMENT
   */
  async verify(name: string, options: VerifyObjectOptions = {}): Promise<VerifyReport> {
    return this.#parts.verification.verify(await this.stat(name), options);
  }

  /**
   * Verifies many objects as `verify` does each: all of them, a sample, or those that are due, in the order in which they were stored, and many
   * at once. Iterate what it gives; one whose iteration ends early can be resumed.
   *
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_IO, AS_ERR_CLOSED
   */
  async scrub(options: ScrubOptions = {}): Promise<Scrub> {
    this.#state.requireOpen();
    return this.#parts.verification.scrub(options);
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
    this.#state.requireWritable();
    return this.#parts.deletion.delete(name, options);
  }

  /**
   * Writes the tombstones of many objects: from then on each answers AS_ERR_GONE, with who, when, why and the event's id. Their bytes stay until their grace is
   * over and a sweep comes by; until then `undelete` takes it back. What is not there, what packages need, and what is protected, is left as it is and reported.
   *
   * @throws AS_ERR_INVALID_ARGUMENT: the grace; AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_SQLITE, AS_ERR_CLOSED
   */
  async retire(addresses: readonly ContentAddress[], options: RetireOptions = {}): Promise<ChangeReport> {
    this.#state.requireWritable();
    return this.#parts.lifecycle.retire(addresses, options);
  }

  /**
   * Takes the tombstone of an object back, as long as its bytes have not been removed.
   *
   * @param name either digest, or an unambiguous prefix of one
   * @throws AS_ERR_CONFLICT: it is not deleted; AS_ERR_GONE: its bytes have been removed
   * @throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async undelete(name: string, options: ActorOption & { reason?: string } = {}): Promise<ObjectRecord> {
    this.#state.requireWritable();
    return this.#parts.deletion.undelete(name, options);
  }

  /** As `undelete`, for many: those that have no tombstone, or whose bytes are removed, are left as they are and reported. Throws AS_ERR_READ_ONLY, AS_ERR_CLOSED. */
  async undeleteMany(
    addresses: readonly ContentAddress[],
    options: Pick<RetireOptions, 'actor' | 'reason' | 'signal'> = {},
  ): Promise<ChangeReport> {
    this.#state.requireWritable();
    return this.#parts.lifecycle.undelete(addresses, options);
  }

  /**
   * Removes the bytes of objects whose grace is over, and writes the receipts. By the log's time: a clock that is set back removes nothing early. Beside everything
   * else, in small blocks; interrupted at any moment, the next one goes on.
   *
   * @throws AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_SQLITE, AS_ERR_CLOSED
   */
  async sweep(options: SweepOptions = {}): Promise<SweepReport> {
    this.#state.requireWritable();
    return this.#parts.lifecycle.sweep(options);
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
    return this.#parts.erasure.erase(demand);
  }

  /**
   * One page of objects that belonged to packages and that no version needs now, in the order in which they were first stored: what can be retired without
   * anybody missing it. Objects that never belonged to a package are not among them. Pass the last one's `seq` as `after` for the next page.
   *
   * @throws AS_ERR_IN_USE: of some version the log does not say what it needs, so nobody can know; `details.manifests` has up to 10 of their manifests
   * @throws AS_ERR_CLOSED
   */
  async collectable({ after = 0, limit = 1000 }: { after?: number; limit?: number } = {}): Promise<Collectable[]> {
    this.#state.requireOpen();
    return this.#parts.deletion.collectable(after, limit);
  }

  /**
   * Compares what is stored with what the log says. Bytes that no event names, left by a crash between the two, are removed once they are old enough, and never
   * while somebody stores them; objects whose bytes are not there are recorded as lost, and answer with an error that says so. Both are reported.
   *
   * @throws AS_ERR_UNAVAILABLE: the data plane is in another process and cannot list what it has
   * @throws AS_ERR_INVALID_ARGUMENT: the age; AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_CORRUPT, AS_ERR_SQLITE, AS_ERR_CLOSED
   */
  async reconcile(options: ReconcileOptions = {}): Promise<ReconcileReport> {
    this.#state.requireWritable();
    const { presence, lifecycleRegistry } = this.#parts;
    const look = (address: ContentAddress) => presence.look(address);
    return reconcile({ ...this.#parts, registry: lifecycleRegistry, look }, options);
  }

  /** How many versions of packages need each of these objects, at the same places. Throws AS_ERR_CLOSED. */
  async references(addresses: readonly ContentAddress[]): Promise<number[]> {
    this.#state.requireOpen();
    return this.#parts.lifecycleRegistry.references(addresses);
  }

  /** One page of events in order; see `ReadQuery` for cursor and filters. */
  async events(query: ReadQuery = {}): Promise<StoredEvent[]> {
    this.#state.requireOpen();
    return this.#parts.log.read(query);
  }

  /**
   * Events as they happen, from behind `after` on, until the store is closed; stop by breaking out of the loop or with `signal`.
   *
   * @param options `after`: seq to start behind; default: what is newest now. `kind`, `subject`, `actor`: only such events
   */
  async *follow(options: FollowOptions = {}): AsyncGenerator<StoredEvent> {
    this.#state.requireOpen();
    yield* this.#parts.history.follow(options);
  }

  /**
   * As `follow`, with marks that say where the reader stands: see `Delivery`. For who keeps a copy, and must know where
   * to go on after an interruption.
   *
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED
   */
  async *subscribe(options: SubscriptionOptions = {}): AsyncGenerator<Delivery> {
    this.#state.requireOpen();
    yield* this.#parts.history.subscribe(options);
  }

  /**
   * The story of one thing, in sentences: everything that happened to it, oldest first.
   *
   * @param name an object by either digest or a prefix, or the subject of an event as it stands there
   * @throws AS_ERR_NOT_FOUND, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED
   */
  async explain(name: string, options: ExplainOptions = {}): Promise<Story> {
    this.#state.requireOpen();
    return this.#parts.history.explain(name, options);
  }

  /**
   * What the registry said at a moment of the past. Close it after use. It is derived from the log up to then each time it is asked for,
   * which takes as long as a rebuild of so many events.
   *
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_ABORTED, AS_ERR_NO_SPACE, AS_ERR_CLOSED
   */
  async at(moment: Moment, options: PastOptions = {}): Promise<PastRegistry> {
    this.#state.requireOpen();
    return this.#parts.history.at(moment, options);
  }

  /** Seq of the newest event at a moment; 0 before the first. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async seqAt(moment: Moment): Promise<number> {
    this.#state.requireOpen();
    return this.#parts.history.seqAt(moment);
  }

  /** Drops every view and derives it again from the log. Throws AS_ERR_READ_ONLY, AS_ERR_LOG_DAMAGED, AS_ERR_NO_SPACE. */
  async rebuild(onProgress?: (progress: RebuildProgress) => void): Promise<void> {
    this.#state.requireWritable();
    await this.#parts.log.rebuild(onProgress);
  }

  /**
   * Gives back the space that deleted objects still take in segments shared with others, in small steps beside everything else. It happens by
   * itself after many deletions. Ended by its signal, it gives what it has done so far.
   *
   * @throws AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_CLOSED
   */
  async compact(watch: CompactionWatch = {}): Promise<CompactionReport> {
    this.#state.requireWritable();
    return this.#parts.dataPlane.compact(watch);
  }

  /** How busy the workers are at this moment. */
  load(): WorkerLoad {
    return this.#parts.dataPlane.load();
  }

  /** What the data plane counts, for metrics: nothing where it is in this process. */
  dataPlaneFamilies(): Family[] {
    return [...(this.#parts.dataPlane.families?.() ?? []), ...(this.#parts.tiers?.families() ?? [])];
  }

  /** How the storage behind the store is. */
  async health(): Promise<BackendStatus> {
    this.#state.requireOpen();
    return this.#parts.dataPlane.backendHealth();
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
    const { tiers, registry } = this.#parts;
    if (tiers !== undefined && address !== undefined) return tiers.requireOwn(address);
    if ((await registry.someCold()) === undefined) return;
    const message = `Objects of the store in ${this.path} are in its cold tier. Name it: --cold <folder or address>.`;
    throw new ArtifactStoreError('AS_ERR_STORE_MISSING', message, { path: this.path });
  }

  /** Finishes erasures, and deletions without a grace, that a crash interrupted between tombstone and removal; of these as many as take no time. Called once, on opening. */
  async finishDeletions(): Promise<void> {
    await this.#parts.erasure.finish();
    await this.#parts.lifecycle.finish(OPENING_SWEEP_MAX);
  }

  async #close(): Promise<void> {
    const { history, puts, deferred, log, dataPlane } = this.#parts;
    this.#state.close();
    history.close();
    try {
      await puts.drain();
      await deferred.close();
      await this.retention.settled();
    } finally {
      const settled = log.settle(); // beside the data plane, which needs a while too
      await dataPlane.close();
      await settled;
      await log.close();
    }
  }
}
