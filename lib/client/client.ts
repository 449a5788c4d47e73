/**
 * The client: a store that is a service, with the verbs and results of the library.
 *
 * Imports this folder, and types of what it gives. Programs get it from lib/client/index.ts; the command line uses it where `--store` is a URL.
 */

import type { Story } from '../audit/explain.js';
import { type BackendStatus, type Digest, type FileList, isFileList, pathAt } from '../dataplane/spi.js';
import { parseDigest, parseDigestPrefix } from '../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import type { ReadQuery, StoredEvent } from '../events/log.js';
import type { Moment } from '../events/read-all.js';
import type { Delivery } from '../events/subscribe.js';
import { CLIENT_IN_FLIGHT_MAX, MISSING_DIGESTS_MAX } from '../limits.js';
import type { ListQuery, ObjectPage, ObjectRecord, Usage } from '../registry/registry.js';
import { requireRange, requireReadable } from '../store/checks.js';
import type { ExplainOptions, FollowOptions } from '../store/history.js';
import type { PutSource } from '../store/source.js';
import { StoredObject } from '../store/stored-object.js';
import type { PastVerbs, RegistryVerbs, ScrubRun, Stored, StoreVerbs } from '../store/verbs.js';
import type {
  DeleteOptions,
  DeleteReport,
  ErasureDemand,
  ErasureReport,
  GetOptions,
  MoveReport,
  PutManyOptions,
  ReconcileOptions,
  ReconcileReport,
  ScrubOptions,
  StoreTier,
  SweepOptions,
  SweepReport,
  VerifyObjectOptions,
  VerifyReport,
} from '../store.js';
import { download } from './download.js';
import { follow, readEvents, seqAt, subscribe } from './events.js';
import { erase, reconcile, sweep, undelete } from './lifecycle.js';
import { ClientPackages } from './packages.js';
import { inParallel } from './parallel.js';
import { type ClientPutOptions, put } from './put.js';
import { ClientQuotas } from './quotas.js';
import { ClientRetention } from './retention.js';
import { Service, type ServiceOptions, segment } from './service.js';
import { ClientTokens } from './tokens.js';
import { explain, scrub, tier, verify } from './upkeep.js';

export interface ClientOptions extends ServiceOptions {
  /** Refuse here whatever changes something. Default false. */
  readOnly?: boolean;
}

/** A service as a store. Who acts is who the service takes the client for, so options that name an actor are not sent. */
export class StoreClient implements StoreVerbs, RegistryVerbs {
  readonly #service: Service;
  readonly readOnly: boolean;
  /** Packages: directories under names. */
  readonly packages: ClientPackages;
  /** Tokens, by which a service knows who asks: for who administers it. */
  readonly tokens: ClientTokens;
  /** How long things stay: policies, holds, locks and plans. */
  readonly retention: ClientRetention;
  readonly quotas: ClientQuotas;

  constructor({ readOnly = false, ...options }: ClientOptions) {
    this.#service = new Service(options);
    this.readOnly = readOnly;
    const requireWritable = () => this.#requireWritable();
    this.tokens = new ClientTokens(this.#service, requireWritable);
    this.retention = new ClientRetention(this.#service, requireWritable);
    this.quotas = new ClientQuotas(this.#service, requireWritable);
    this.packages = new ClientPackages({
      service: this.#service,
      stat: (name) => this.stat(name),
      get: (name, get) => this.get(name, get),
      missing: (digests) => this.missing(digests),
      requireWritable,
    });
  }

  /** Where the service is. */
  get url(): string {
    return this.#service.url;
  }

  /**
   * As `Store.put`. What is larger than 1 MiB goes as an upload that resumes by itself; what the service has is compared with what was sent.
   *
   * @param options `upload`: a name for the upload, to go on with it from another process
   * @throws as `Store.put`; AS_ERR_UNAVAILABLE: the service stayed away
   */
  async put(source: PutSource, options: ClientPutOptions = {}): Promise<Stored> {
    this.#requireWritable();
    return put(this.#service, source, options);
  }

  /** As `Store.putMany`, several at a time. */
  async putMany(sources: readonly PutSource[] | FileList, options: PutManyOptions = {}): Promise<(Stored | Error)[]> {
    this.#requireWritable();
    const { signal, onProgress } = options;
    let total = 0;
    const one = (source: PutSource) => {
      let sent = 0;
      const onOwn = (size: number) => {
        total += size - sent;
        sent = size;
        onProgress?.(total);
      };
      return put(this.#service, source, { onProgress: onOwn, ...(signal && { signal }) }).catch(
        (error: Error) => error,
      );
    };
    const results: (Stored | Error)[] = [];
    for await (const result of inParallel(
      isFileList(sources) ? filesOf(sources) : sources,
      CLIENT_IN_FLIGHT_MAX,
      one,
    )) {
      if (signal?.aborted && result instanceof Error) throw result;
      results.push(result);
    }
    return results;
  }

  /**
   * As `Store.get`. Every byte is proven by the object's digest before it is given, and a broken connection is gone on with. Which object a SHA-256 digest names
   * is proven when all of it has been read; for a range of it, the service is believed.
   *
   * @throws as `Store.get`; AS_ERR_UNAVAILABLE. Reading throws AS_ERR_CORRUPT when what comes is not the object
   */
  async get(name: string, options: GetOptions = {}): Promise<StoredObject> {
    const { signal } = options;
    const record = await this.#stat(name, signal);
    requireReadable(record);
    const range = options.range ?? { start: 0, end: record.size };
    requireRange(range, record);
    const { blake3: address, sha256, size } = record;
    const path = `/v1/objects/${segment(address)}`;
    const wanted = {
      address,
      sha256,
      size,
      range,
      path,
      outboardPath: `${path}/outboard`,
      signal,
    };
    return new StoredObject(record, range, { iterate: () => download(this.#service, wanted) });
  }

  /** As `Store.stat`. */
  async stat(name: string): Promise<ObjectRecord> {
    return this.#stat(name);
  }

  async #stat(name: string, signal?: AbortSignal): Promise<ObjectRecord> {
    const { algorithm, hex } = parseDigestPrefix(name);
    const path = `/v1/objects/${segment(name.trim())}/meta`;
    const record = await this.#service.json<ObjectRecord>({ method: 'GET', path, signal });
    const named = algorithm === undefined ? [record.blake3, record.sha256] : [record[algorithm]];
    if (named.some((digest) => digest.slice(-64).startsWith(hex))) return record;
    throw new ArtifactStoreError(
      'AS_ERR_CORRUPT',
      `${name} was asked for, and ${record.blake3} came. Do not trust who sent it.`,
      { text: name, address: record.blake3 },
    );
  }

  /** As `Store.missing`; in several requests where there are many. */
  async missing<D extends Digest>(digests: readonly D[]): Promise<D[]> {
    const asked = digests.map(parseDigest);
    const missing = new Set<string>();
    for (let from = 0; from < asked.length; from += MISSING_DIGESTS_MAX) {
      const answer = await this.#service.json<{ missing: string[] }>({
        method: 'POST',
        path: '/v1/objects/missing',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(asked.slice(from, from + MISSING_DIGESTS_MAX)),
        isRepeatable: true,
      });
      for (const digest of answer.missing) missing.add(digest);
    }
    return (asked as D[]).filter((digest) => missing.has(digest));
  }

  /** As `Store.list`. */
  async list(query: ListQuery = {}): Promise<ObjectPage> {
    const call = { method: 'GET', path: '/v1/objects', query: { ...query } } as const;
    const { objects, next } = await this.#service.json<{ objects: ObjectRecord[]; next?: string }>(call);
    return { objects, ...(next !== undefined && { cursor: next }) };
  }

  /** As `Store.usage`. */
  async usage(): Promise<Usage> {
    return this.#service.json({ method: 'GET', path: '/v1/usage' });
  }

  /** As `Store.verify`: the service re-reads the object. */
  async verify(name: string, options: VerifyObjectOptions = {}): Promise<VerifyReport> {
    return verify(this.#service, name, options);
  }

  /** As `Store.scrub`: the service verifies many objects, and tells of each. */
  async scrub(options: ScrubOptions = {}): Promise<ScrubRun> {
    return scrub(this.#service, options);
  }

  /** As `Store.tier`: the service moves objects, and tells of each. */
  async *tier(name: string, to: StoreTier, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<MoveReport> {
    this.#requireWritable();
    yield* tier(this.#service, name, to, signal);
  }

  /** As `Store.delete`. A prefix is looked up first; what is deleted is the object that it named then. */
  async delete(name: string, { reason, force, grace }: DeleteOptions = {}): Promise<DeleteReport> {
    this.#requireWritable();
    const { blake3 } = await this.stat(name);
    const path = `/v1/objects/${segment(blake3)}`;
    const { freedSize, ...record } = await this.#service.json<ObjectRecord & { freedSize: number }>({
      method: 'DELETE',
      path,
      query: { reason, ...(force && { force: '1' }), ...(grace !== undefined && { grace }) },
    });
    return { record, freedSize };
  }

  /** As `Store.undelete`. A prefix is looked up first. */
  async undelete(name: string, { reason }: { reason?: string } = {}): Promise<ObjectRecord> {
    this.#requireWritable();
    return undelete(this.#service, (await this.stat(name)).blake3, reason);
  }

  /** As `Store.sweep`: the service removes what is due, and answers when it is done. */
  async sweep(options: SweepOptions = {}): Promise<SweepReport> {
    this.#requireWritable();
    return sweep(this.#service, options);
  }

  /** As `Store.reconcile`: the service compares, and answers when it is done. */
  async reconcile(options: ReconcileOptions = {}): Promise<ReconcileReport> {
    this.#requireWritable();
    return reconcile(this.#service, options);
  }

  /** As `Store.erase`. */
  async erase(demand: ErasureDemand): Promise<ErasureReport> {
    this.#requireWritable();
    return erase(this.#service, demand);
  }

  /** As `Store.events`. */
  async events(query: ReadQuery = {}): Promise<StoredEvent[]> {
    return readEvents(this.#service, query);
  }

  /** As `Store.follow`; goes on by itself when the connection breaks. */
  follow(options: FollowOptions = {}): AsyncGenerator<StoredEvent> {
    return follow(this.#service, options);
  }

  /** As `Store.subscribe`; goes on by itself when the connection breaks. */
  subscribe(options: FollowOptions = {}): AsyncGenerator<Delivery> {
    return subscribe(this.#service, options);
  }

  /** As `Store.explain`. */
  async explain(name: string, { at }: ExplainOptions = {}): Promise<Story> {
    return explain(this.#service, name, at);
  }

  /** As `RegistryReader.subjectOf`. */
  async subjectOf(name: string): Promise<string | undefined> {
    try {
      const story = await this.explain(name);
      await story[Symbol.asyncIterator]().return?.();
      return story.subject;
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  /** As `Store.at`: the service derives its registry as it was, for each question anew. */
  async at(moment: Moment): Promise<PastVerbs> {
    return new PastOfService(this.#service, await this.seqAt(moment));
  }

  /** As `Store.seqAt`. */
  async seqAt(moment: Moment): Promise<number> {
    return seqAt(this.#service, moment);
  }

  /** As `Store.health`: how the storage behind the service is. Throws AS_ERR_UNAVAILABLE: it cannot be used. */
  async health(): Promise<BackendStatus> {
    return this.#service.json({ method: 'GET', path: '/readyz' });
  }

  /** Ends every connection, and what is under way with it. */
  async close(): Promise<void> {
    await this.#service.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #requireWritable(): void {
    if (!this.readOnly) return;
    throw new ArtifactStoreError(
      'AS_ERR_READ_ONLY',
      `${this.url} is used read-only. Leave that out to change something.`,
    );
  }
}

/** The files of a list, each by its path. */
function* filesOf(list: FileList): Generator<PutSource> {
  for (let index = 0; index < list.ends.length; index++) yield { path: pathAt(list, index) };
}

/** What a service held at a moment of the past. */
class PastOfService implements PastVerbs {
  constructor(
    private readonly service: Service,
    private readonly seq: number,
  ) {}

  async stat(name: string): Promise<ObjectRecord> {
    const path = `/v1/objects/${segment(name)}/meta`;
    return this.service.json({ method: 'GET', path, query: { at: this.seq }, isPatient: true });
  }

  async list(query: ListQuery = {}): Promise<ObjectPage> {
    const call = { method: 'GET', path: '/v1/objects', query: { ...query, at: this.seq }, isPatient: true } as const;
    const { objects, next } = await this.service.json<{ objects: ObjectRecord[]; next?: string }>(call);
    return { objects, ...(next !== undefined && { cursor: next }) };
  }

  async close(): Promise<void> {}
}
