/**
 * Plans made, read and carried out. `Store.retention` shows this as its own.
 *
 * Imports the planner, event kinds, the registry's types, the guard, limits and errors.
 *
 * A plan is carried out in two steps. The first is decided as one: while nobody deletes, publishes or moves a ref, and while no hold, lock or policy changes, it is
 * looked at whether all that the plan names would still go; if so the versions are withdrawn, else nothing happens. The second takes its time: tombstones for the
 * objects, block by block, each looked at again, so that one that somebody has come to need meanwhile stays, and is reported. A crash in between leaves a plan that
 * was begun; carrying it out again goes on with it.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { ArtifactStoreError } from '../errors.js';
import { newEvent, packageWithdrawn, refRemoved } from '../events/kinds.js';
import type { EventLog, NewEvent } from '../events/log.js';
import { pseudonymsIn, withTexts } from '../events/pseudonym.js';
import {
  APPLY_COMMIT_EVENTS,
  APPLY_ENTRIES_AT_ONCE,
  APPLY_LOOKS_MAX,
  LIFECYCLE_BLOCK,
  PLAN_CHANGES_SHOWN_MAX,
  PLAN_VERSIONS_MAX,
} from '../limits.js';
import { Pacer } from '../pacer.js';
import { type PackageRef, type PackageVersion, versionOf } from '../packages/name.js';
import type { LifecycleRegistry } from '../registry/lifecycle.js';
import type { PlanRecord, RetentionRegistry } from '../registry/retention.js';
import { type Differences, differences, slicesOf } from '../retention/compare.js';
import { decodePlan, encodePlan, type HeldEntry, type Plan, type PlanEntry, totalsOf } from '../retention/plan.js';
import { makePlan } from '../retention/planner.js';
import type { AddressGuard } from './address-guard.js';
import type { ChangeReport, RetireOptions } from './lifecycle.js';

/** What the facade lends. */
export interface PlansHost {
  log: EventLog;
  registry: RetentionRegistry;
  /** The same with pseudonyms: a plan is an object, which nothing may change, so no name may stand in it. */
  plainRegistry: RetentionRegistry;
  lifecycle: LifecycleRegistry;
  guard: AddressGuard;
  /** Who acts unless a call says otherwise. */
  actor: string;
  /** Runs while no hold, lock, policy or class changes. */
  serially<T>(work: () => Promise<T>): Promise<T>;
  /** As `Store.put`, of bytes. */
  put(bytes: Uint8Array, actor: string): Promise<{ blake3: ContentAddress }>;
  /** All bytes of an object by its name. Throws as `Store.get` and reading do. */
  read(name: string): Promise<{ address: ContentAddress; bytes: Uint8Array }>;
  /** Writes tombstones. */
  retire(addresses: readonly ContentAddress[], options: RetireOptions): Promise<ChangeReport>;
  /** Why a version would not go now, in a sentence. */
  whyNot(version: string): Promise<string>;
  requireOpen(): void;
  requireWritable(): void;
}

/** A plan, and where it is. */
export interface OpenedPlan extends Plan {
  /** Its content address, by which it is carried out; absent when it was made to be looked at only. */
  plan?: ContentAddress;
  /** What it comes to. */
  versions: number;
  objects: number;
  size: number;
  storedSize: number;
  /** When carrying it out began, and when it was done. */
  startedAt?: number;
  appliedAt?: number;
}

/** An object that a plan names. */
export interface PlannedObjectLine {
  blake3: ContentAddress;
  size: number;
  storedSize: number;
  /** The version that it goes with; absent: no version needs it any more. */
  version?: string;
  because: string;
  since: number;
  grace: number;
}

/** What a plan comes to, and, when it is iterated, each thing that it names. */
export interface PlanRun extends AsyncIterable<PlanLine> {
  summary: PlanSummary;
}

/** A plan without what it names. */
export interface PlanSummary {
  /** Absent when it was made to be looked at only. */
  plan?: ContentAddress;
  time: number;
  seq: number;
  versions: number;
  objects: number;
  size: number;
  storedSize: number;
  /** Things that stay although a policy would let them go. */
  held: number;
  /** Versions left to the next plan. */
  more: number;
  startedAt?: number;
  appliedAt?: number;
}

/** A version that goes, or without one what no version needs; an object that goes with it; or what stays all the same. */
export type PlanLine =
  | ({ kind: 'version' } & Omit<PlanEntry, 'manifest' | 'objects'>)
  | ({ kind: 'object' } & PlannedObjectLine)
  | ({ kind: 'held' } & Omit<HeldEntry, 'kind'> & { by: HeldEntry['kind'] });

export interface ApplyOptions {
  actor?: string;
  /** Objects a second at most. Default: as fast as it goes. */
  throttle?: number;
  /** Ends it between two blocks; carrying the plan out again goes on. */
  signal?: AbortSignal;
  /** Told after every block how many objects have gone. */
  onProgress?: (done: { objects: number; total: number }) => void;
}

/** What carrying out a plan did. */
export interface ApplyReport {
  plan: ContentAddress;
  /** Versions that were withdrawn, objects that were tombstoned, and the bytes that those occupy until they are swept. */
  versions: number;
  objects: number;
  size: number;
  storedSize: number;
  /** Objects of the plan that stay after all: somebody came to need them, or to hold them, after it had begun. */
  keptCount: number;
  kept: { address: ContentAddress; because: string }[];
}

/** What happens all the time and changes no plan: bytes that come in, are read, and are sent. */
const HARMLESS = /^(object[.](ingested|verified|corrupted)|manifest[.]indexed|upload[.]|token[.]|retention[.])/;

export class Plans {
  readonly #host: PlansHost;

  constructor(host: PlansHost) {
    this.#host = host;
  }

  /** As `Retention.plan`. */
  async plan({
    actor = this.#host.actor,
    record = true,
  }: {
    actor?: string;
    record?: boolean;
  } = {}): Promise<OpenedPlan> {
    if (record) this.#host.requireWritable();
    else this.#host.requireOpen();
    const plan = await this.#made(PLAN_VERSIONS_MAX);
    const { versions, objects, size, storedSize } = totalsOf(plan);
    const shown = await this.#named(plan);
    if (!record) return { ...shown, versions, objects, size, storedSize };
    const { blake3 } = await this.#host.put(encodePlan(plan), actor);
    await this.#host.log.append([newEvent('retention.planned', actor, blake3, { versions, objects, storedSize })]);
    return { ...shown, plan: blake3, versions, objects, size, storedSize };
  }

  /** As `Retention.openPlan`. */
  async open(name: string): Promise<OpenedPlan & { plan: ContentAddress }> {
    this.#host.requireOpen();
    const { address, bytes } = await this.#host.read(name);
    const record = await this.#host.registry.plan(address);
    if (record === undefined) {
      const message = `${address} is no plan that this store has made. "retention status" lists those there are.`;
      throw new ArtifactStoreError('AS_ERR_NOT_FOUND', message, { plan: address });
    }
    const plan = decodePlan(bytes);
    const { startedAt, appliedAt } = record;
    const when = { ...(startedAt !== undefined && { startedAt }), ...(appliedAt !== undefined && { appliedAt }) };
    return { ...(await this.#named(plan)), plan: address, ...totalsOf(plan), ...when };
  }

  /** A plan for who looks at it: with the names of those who keep things, as far as they were not erased. */
  async #named<P extends Pick<Plan, 'held'>>(plan: P): Promise<P> {
    const pseudonyms = new Set<string>();
    for (const { because } of plan.held) pseudonymsIn(because, pseudonyms);
    if (pseudonyms.size === 0) return plan;
    const texts = await this.#host.log.textsOf(pseudonyms);
    return { ...plan, held: plan.held.map((one) => ({ ...one, because: withTexts(one.because, texts) })) };
  }

  /** As `Retention.plannedObjects`. */
  async *objects({ entries }: Pick<Plan, 'entries'>): AsyncGenerator<PlannedObjectLine> {
    for (const { objects, version, because, since, grace } of entries) {
      for (const slice of slicesOf(objects, LIFECYCLE_BLOCK)) {
        for (const { blake3, size, storedSize } of await this.#host.registry.objectsAt(slice))
          yield { blake3, size, storedSize, ...(version !== undefined && { version }), because, since, grace };
      }
    }
  }

  /** A plan as it is shown: behind each version its objects. */
  run(plan: OpenedPlan, { objects: all = true }: { objects?: boolean } = {}): PlanRun {
    const lines = async function* (this: Plans): AsyncGenerator<PlanLine> {
      for (const entry of plan.entries) {
        const { manifest: _, objects: __, ...shown } = entry;
        yield { kind: 'version', ...shown };
        if (!all) continue;
        for await (const line of this.objects({ entries: [entry] })) yield { kind: 'object', ...line };
      }
      for (const { kind: by, ...held } of plan.held) yield { kind: 'held', by, ...held };
    }.bind(this);
    return { summary: summaryOf(plan), [Symbol.asyncIterator]: lines };
  }

  /** As `Retention.apply`. */
  async apply(name: string, options: ApplyOptions = {}): Promise<ApplyReport> {
    this.#host.requireWritable();
    const opened = await this.open(name);
    if (opened.appliedAt !== undefined) {
      const message = `The plan ${opened.plan} has been carried out already. Make another with "retention plan".`;
      throw new ArtifactStoreError('AS_ERR_PLAN', message, { plan: opened.plan, appliedAt: opened.appliedAt });
    }
    const actor = options.actor ?? this.#host.actor;
    const wasBegun = opened.startedAt !== undefined;
    const versions = wasBegun ? await this.#goOn(opened, actor) : await this.#begin(opened, actor);
    const report = await this.#retire(opened, { ...options, actor }, wasBegun);
    if (!options.signal?.aborted) {
      const { objects, storedSize } = report;
      await this.#host.log.append([
        newEvent('retention.applied', actor, opened.plan, { versions, objects, storedSize }),
      ]);
    }
    return { plan: opened.plan, versions, ...report };
  }

  /** Plans that were begun and not ended, the oldest first. */
  async unfinished(): Promise<PlanRecord[]> {
    return this.#host.registry.unfinishedPlans();
  }

  async #made(limit: number, time?: number): Promise<Plan> {
    const { log, plainRegistry: registry, lifecycle } = this.#host;
    const [seq, now] = await Promise.all([log.last(), log.now()]);
    const host = {
      registry,
      unknownNeeds: (most: number) => lifecycle.unknownNeeds(most),
      unneeded: () => registry.unneeded(),
    };
    return makePlan(host, time ?? now, seq, limit);
  }

  /** Withdraws the versions of a plan if all that it names would still go; else says what has changed, and does nothing. */
  async #begin(plan: OpenedPlan & { plan: ContentAddress }, actor: string): Promise<number> {
    const { serially, guard } = this.#host;
    return serially(async () => {
      // Looking takes a while where much is to go, and nobody should wait for it; so it is only done again where something has happened meanwhile.
      for (let look = 1; ; look++) {
        const now = look < APPLY_LOOKS_MAX ? await this.#made(Number.POSITIVE_INFINITY, plan.time) : undefined;
        if (now !== undefined) await this.#requireSame(plan, now);
        const done = await guard.lockedAlone(async () => {
          if (now === undefined) await this.#requireSame(plan, await this.#made(Number.POSITIVE_INFINITY, plan.time));
          else if (await this.#hasChanged(now.seq)) return undefined;
          const events = withdrawals(plan, plan.entries, actor);
          await this.#append([newEvent('retention.started', actor, plan.plan, {}), ...events]);
          return plan.versions;
        });
        if (done !== undefined) return done;
      }
    });
  }

  /** Whether something has happened since an event that may change what goes. */
  async #hasChanged(seq: number): Promise<boolean> {
    const { log } = this.#host;
    const events = await log.read({ first: seq + 1, limit: 1000 });
    return events.length === 1000 || events.some(({ kind }) => !HARMLESS.test(kind));
  }

  async #requireSame(plan: OpenedPlan & { plan: ContentAddress }, now: Plan): Promise<void> {
    const found = differences(plan, now);
    const count = found.versions.length + found.objects.length;
    if (count === 0) return;
    const changes = await this.#told(found, now);
    const more = count > changes.length ? ` There are ${count - changes.length} more changes.` : '';
    const first = changes[0] as { what: string; now: string };
    throw new ArtifactStoreError(
      'AS_ERR_PLAN',
      `The plan ${plan.plan} no longer fits what is there, so nothing was done: of ${first.what} it has to be said now that ${first.now}.${more} Make another with "retention plan".`,
      { plan: plan.plan, count, changes },
    );
  }

  /** The first changes, in words. */
  async #told(found: Differences, now: Plan): Promise<{ what: string; now: string }[]> {
    const { registry, whyNot } = this.#host;
    const held = new Map((await this.#named(now)).held.map(({ what, because }) => [what, because]));
    const changes: { what: string; now: string }[] = [];
    for (const { version, refsNow } of found.versions.slice(0, PLAN_CHANGES_SHOWN_MAX)) {
      const refs = refsNow && `the refs that point at it are others: ${refsNow.join(', ') || 'none'}`;
      changes.push({ what: version, now: refs ?? held.get(version) ?? (await whyNot(version)) });
    }
    const seqs = found.objects.slice(0, PLAN_CHANGES_SHOWN_MAX - changes.length);
    for (const { blake3, state } of await registry.objectsAt(seqs)) {
      const isGone = state === 'tombstoned' || state === 'deleted';
      const because = isGone ? 'it is gone already' : (held.get(blake3) ?? 'a version that stays needs it');
      changes.push({ what: blake3, now: because });
    }
    return changes;
  }

  /** Withdraws what a plan that was begun has left over, as far as it would still go. */
  async #goOn(plan: OpenedPlan & { plan: ContentAddress }, actor: string): Promise<number> {
    const { serially, guard } = this.#host;
    return serially(() =>
      guard.lockedAlone(async () => {
        const now = await this.#made(Number.POSITIVE_INFINITY, plan.time);
        const still = new Set(now.entries.map(({ version }) => version));
        const left = plan.entries.filter(({ version }) => version !== undefined && still.has(version));
        await this.#append(withdrawals(plan, left, actor));
        const stays = await this.#present(plan);
        return plan.versions - stays;
      }),
    );
  }

  /** How many versions of a plan are there. */
  async #present({ entries }: Plan): Promise<number> {
    const { registry } = this.#host;
    let count = 0;
    const named = entries.flatMap(({ version }) => versionOf(version ?? '') ?? []);
    const known = new Map<string, Set<string>>();
    for (const { namespace, name, version } of named) {
      const key = `${namespace}/${name}`;
      let versions = known.get(key);
      if (versions === undefined) {
        versions = new Set((await registry.judged(namespace, name)).map((one) => one.version));
        known.set(key, versions);
      }
      if (versions.has(version)) count++;
    }
    return count;
  }

  async #append(events: readonly NewEvent[]): Promise<void> {
    for (let from = 0; from < events.length; from += APPLY_COMMIT_EVENTS)
      await this.#host.log.append(events.slice(from, from + APPLY_COMMIT_EVENTS));
  }

  /** Writes the tombstones of a plan. */
  async #retire(
    plan: OpenedPlan & { plan: ContentAddress },
    { actor, signal, throttle, onProgress }: ApplyOptions,
    wasBegun: boolean,
  ): Promise<Omit<ApplyReport, 'plan' | 'versions'>> {
    const report = { objects: 0, size: 0, storedSize: 0, keptCount: 0, kept: [] as ApplyReport['kept'] };
    const pacer = throttle === undefined ? undefined : new Pacer(throttle);
    const one = async ({ objects, version, because, grace }: PlanEntry) => {
      const reason = version === undefined ? because : `${version}: ${because}`;
      for (const slice of slicesOf(objects, LIFECYCLE_BLOCK)) {
        await pacer?.take(slice.length, signal);
        if (signal?.aborted) return;
        const found = await this.#host.registry.objectsAt(slice);
        const addresses = found.map(({ blake3 }) => blake3);
        const done = await this.#host.retire(addresses, {
          reason,
          grace,
          plan: plan.plan,
          ...(actor !== undefined && { actor }),
        });
        report.objects += done.objects;
        report.size += done.size;
        report.storedSize += done.storedSize;
        for (const { address, because, protector } of done.kept) {
          // A plan that is gone on with has had these already.
          const former = wasBegun && because === 'gone' && found.find(({ blake3 }) => blake3 === address);
          if (former) {
            report.objects++;
            report.size += former.size;
            report.storedSize += former.storedSize;
            continue;
          }
          report.keptCount++;
          if (report.kept.length < PLAN_CHANGES_SHOWN_MAX)
            report.kept.push({ address, because: protector?.because ?? KEPT[because] });
        }
        onProgress?.({ objects: report.objects, total: plan.objects });
      }
    };
    const rest = plan.entries[Symbol.iterator]();
    const worker = async () => {
      for (const entry of rest) await one(entry);
    };
    await Promise.all(Array.from({ length: pacer ? 1 : APPLY_ENTRIES_AT_ONCE }, worker));
    return report;
  }
}

function summaryOf({ entries: _, held, heldMore, ...plan }: OpenedPlan): PlanSummary {
  const { time, seq, versions, objects, size, storedSize, more, startedAt, appliedAt } = plan;
  return {
    ...(plan.plan !== undefined && { plan: plan.plan }),
    ...{ time, seq, versions, objects, size, storedSize, held: held.length + heldMore, more },
    ...(startedAt !== undefined && { startedAt }),
    ...(appliedAt !== undefined && { appliedAt }),
  };
}

const KEPT: Readonly<Record<ChangeReport['kept'][number]['because'], string>> = {
  unknown: 'the store does not know it',
  gone: 'it was gone already',
  there: 'it is there',
  busy: 'a package that is on its way needs it',
  needed: 'a version needs it again',
  protected: 'it is protected',
};

/** The events that withdraw the versions of entries, with their refs. */
function withdrawals(plan: { plan: ContentAddress }, entries: readonly PlanEntry[], actor: string): NewEvent[] {
  return entries.flatMap(({ version, manifest, because, refs }) => {
    const named = version === undefined ? undefined : versionOf(version);
    if (named === undefined || manifest === undefined) return [];
    const removed = refs.map((ref) => refRemoved(actor, refOf(named, ref), { from: manifest, reason: because }));
    return [...removed, packageWithdrawn(actor, named, { manifest, reason: because, plan: plan.plan })];
  });
}

function refOf({ namespace, name }: PackageVersion, ref: string): PackageRef {
  return { namespace, name, ref };
}
