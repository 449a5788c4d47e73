/**
 * Storing objects: bytes durable, then their event durable, then the acknowledgement; one by one, many at once, and with durability put off.
 *
 * Imports the contract, the log, the guard of addresses, quotas and what stands beside it. Made by the facade, which says when it may be called.
 */

import type { ClosableDataPlane } from '../dataplane/closable.js';
import type { ContentAddress, FileList, IngestHints, IngestResult } from '../dataplane/spi.js';
import { isFileList, pathAt } from '../dataplane/spi.js';
import { formatBlake3, formatSha256 } from '../digest-name.js';
import { isStoreError } from '../errors.js';
import { objectIngested } from '../events/kinds.js';
import type { EventLog, StoredEvent } from '../events/log.js';
import { PUT_ATTEMPTS_MAX } from '../limits.js';
import type { Registry } from '../registry/registry.js';
import type { AddressGuard, IngestTicket } from './address-guard.js';
import { type Expectation, hintsOf } from './checks.js';
import { type DeferredPuts, settled } from './deferred-puts.js';
import type { Presence } from './presence.js';
import { type Gathered, PutGather } from './put-gather.js';
import { type Actors, deletedMeanwhile, type PutTools, putMany } from './put-many.js';
import type { PutResult, PutResults } from './put-results.js';
import type { Hold } from './quota-account.js';
import { metered, type Quotas } from './quotas.js';
import {
  bytesInMemory,
  isPlain,
  isRepeatable,
  isStream,
  type PutSource,
  toByteSource,
  toByteSources,
  type Watch,
} from './source.js';

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

/** What a deferred `put` did. There is no event yet. */
export type DeferredPutResult = Omit<PutResult, 'event' | 'cbor'>;

/** What the facade lends. */
export interface PutsHost {
  /** Who acts unless a call says otherwise. */
  readonly actor: string;
  readonly dataPlane: Pick<ClosableDataPlane, 'ingestStream' | 'ingestMany'>;
  readonly log: EventLog;
  readonly registry: Pick<Registry, 'areLive'>;
  readonly guard: AddressGuard;
  readonly presence: Presence;
  readonly deferred: DeferredPuts;
  readonly quotas: Quotas;
}

/** Stores objects. What each verb promises stands at the facade's. */
export class Puts {
  readonly #gather = new PutGather((objects) => this.#putGathered(objects));
  readonly #many: PutTools;

  constructor(private readonly host: PutsHost) {
    const { dataPlane, log, guard, presence } = host;
    this.#many = {
      ingestMany: (many) => dataPlane.ingestMany(many),
      log,
      guard,
      isPresent: (address) => presence.isStored(address),
    };
  }

  async put(source: PutSource, options: PutOptions | DeferredPutOptions): Promise<PutResult | DeferredPutResult> {
    const { deferred, quotas } = this.host;
    const { durability, actor = this.host.actor } = options;
    const hints = { ...hintsOf(options), ...(durability && { durability }) };
    const put = (within: PutSource) =>
      isPlain(within, hints, options) ? this.#gather.put(within, actor) : this.#put(within, options, hints);
    if (durability === 'deferred') return deferred.during(() => put(source));
    // Whoever calls this and then closes the store has the put waited for: so nothing is awaited before it has begun.
    const hold = quotas.mayBound(actor) ? await quotas.hold(actor) : undefined;
    if (hold !== undefined) return this.#putWithin(hold, source, hints, put);
    return put(source);
  }

  async putMany(sources: readonly PutSource[] | FileList, options: PutManyOptions): Promise<PutResults> {
    const { quotas } = this.host;
    const { actor = this.host.actor } = options;
    const hold = quotas.mayBound(actor) ? await quotas.hold(actor) : undefined;
    let stored = 0;
    try {
      if (hold && !isFileList(sources)) await hold.grow(bytesInMemory(sources));
      const within =
        hold && !isFileList(sources)
          ? sources.map((one) => (isStream(one) ? metered(one, (part) => hold.grow(part)) : one))
          : sources;
      const results = await putMany(this.#many, toByteSources(within, options), actor, options.signal);
      if (hold) for (const result of results) stored += result instanceof Error || result.existed ? 0 : result.size;
      await this.#putAgain(results, sources, actor);
      return results;
    } finally {
      hold?.release(stored);
    }
  }

  /** Stores by `ingest`, once, and writes its event. Throws AS_ERR_CONFLICT: deleted by someone else meanwhile, and what `ingest` throws. */
  async acknowledged(ingest: () => Promise<IngestResult>, actor: string): Promise<PutResult> {
    const { guard } = this.host;
    const ticket = guard.begin();
    try {
      return (await this.#acknowledge(ticket, await ingest(), actor, false)) as PutResult;
    } finally {
      guard.end(ticket);
    }
  }

  /** Resolves when nothing that came before waits to be gathered. */
  drain(): Promise<void> {
    return this.#gather.drain();
  }

  /** Stores what there is room for. What is here already under a digest that it must have takes none. */
  async #putWithin(
    hold: Hold,
    source: PutSource,
    { size, blake3, sha256 }: IngestHints,
    put: (source: PutSource) => Promise<PutResult | DeferredPutResult>,
  ): Promise<PutResult | DeferredPutResult> {
    let stored = 0;
    try {
      const known = blake3 ?? sha256;
      const isHere = known !== undefined && (await this.host.registry.areLive([known]))[0] === true;
      const announced = source instanceof Uint8Array ? source.byteLength : size;
      if (!isHere && announced !== undefined) await hold.growTo(announced);
      const isMetered = !isHere && announced === undefined && isStream(source);
      const result = await put(isMetered ? metered(source, (part) => hold.grow(part)) : source);
      stored = result.existed ? 0 : result.size;
      return result;
    } finally {
      hold.release(stored);
    }
  }

  async #put(
    source: PutSource,
    options: PutOptions | DeferredPutOptions,
    hints: IngestHints,
  ): Promise<PutResult | DeferredPutResult> {
    const { guard } = this.host;
    const deferred = options.durability === 'deferred';
    const actor = options.actor ?? this.host.actor;
    const ingest = () => this.host.dataPlane.ingestStream(toByteSource(source, options), hints);
    for (let attempt = 1; ; attempt++) {
      const ticket = guard.begin();
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
        guard.end(ticket);
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
    return this.host.guard.locked(address, async () => {
      const result = await ingest();
      if (formatBlake3(result.blake3) !== address) throw deletedMeanwhile(address);
      return this.#record(result, actor, deferred);
    });
  }

  /** Stores objects for which there is room. */
  async #putGathered(objects: readonly Gathered[]): Promise<PutResults> {
    const sources = objects.map(({ bytes }) => bytes);
    const actors = objects.map(({ actor }) => actor);
    const results = await putMany(this.#many, toByteSources(sources, {}), actors);
    await this.#putAgain(results, sources, actors);
    return results;
  }

  /** Those of many that somebody deleted meanwhile, where they can be read again. */
  async #putAgain(results: PutResults, sources: readonly PutSource[] | FileList, actors: Actors): Promise<void> {
    for (const [index, error] of results.errors()) {
      const source = isFileList(sources) ? { path: pathAt(sources, index) } : (sources[index] as PutSource);
      if (!isStoreError(error, 'AS_ERR_CONFLICT') || !isRepeatable(source)) continue;
      const actor = typeof actors === 'string' ? actors : (actors[index] as string);
      const again = await this.#put(source, { actor }, {}).catch((failure: Error) => failure);
      results.replace(index, again as PutResult | Error);
    }
  }

  /** Writes the event of an ingest, or keeps it for the next sync, unless its bytes were deleted meanwhile. */
  #acknowledge(
    ticket: IngestTicket,
    result: IngestResult,
    actor: string,
    deferred: boolean,
  ): Promise<PutResult | DeferredPutResult> {
    const { guard, presence } = this.host;
    const blake3 = formatBlake3(result.blake3);
    return guard.locked(blake3, async () => {
      if (guard.deletedSince(ticket, blake3) && !(await presence.isStored(blake3))) throw deletedMeanwhile(blake3);
      return this.#record(result, actor, deferred);
    });
  }

  /** Writes the event of an ingest, or keeps it for the next sync; under the lock of its address. */
  async #record(result: IngestResult, actor: string, deferred: boolean): Promise<PutResult | DeferredPutResult> {
    const blake3 = formatBlake3(result.blake3);
    const { size, existed, healed, receipts } = result;
    const stored = { blake3, sha256: formatSha256(result.sha256), size, existed, healed, receipts };
    if (deferred) {
      await this.host.deferred.add(objectIngested(actor, settled(result), blake3));
      return stored;
    }
    const [event] = (await this.host.log.append([objectIngested(actor, result, blake3)])) as [StoredEvent];
    return { ...stored, event, cbor: event.dataBytes };
  }
}
