/**
 * Makes a plan: which versions their policies let go, what keeps some of them all the same, and which objects nothing needs once they are gone.
 *
 * Imports policies, what protects things, sets of objects and the registry's types. The facade calls it, to plan, and again before a plan is carried out, to see
 * whether it still holds. It only asks the registry, in short questions, so that readers and writers beside it do not wait.
 *
 * Objects are taken as sets, blocks of 32 bits: what the versions that go need, less what any version that stays needs, less what is held or locked itself. So a
 * plan of a million objects costs as many questions as there are slices of blocks, and none for each object.
 */

import { isContentAddress, toHex } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { GRACE_DEFAULT_MS, PLAN_HELD_SHOWN_MAX, PLAN_VERSIONS_MAX } from '../limits.js';
import { formatPackage } from '../packages/name.js';
import { BLOCK_SEQS } from '../registry/object-sets.js';
import type { BlockState, HoldRecord, JudgedVersion, LockRecord, RetentionRegistry } from '../registry/retention.js';
import { judge, type Verdict } from './evaluate.js';
import { isInForce } from './locks.js';
import type { HeldEntry, Plan, PlanEntry } from './plan.js';
import { EVERYWHERE } from './policy.js';
import { protectorsOf } from './thing.js';

/** What the planner asks. */
export interface PlannerHost {
  registry: RetentionRegistry;
  /** Manifests of versions of which the log does not say what they need, at most so many. */
  unknownNeeds(limit: number): Promise<readonly string[]>;
  /** Objects that once belonged to a version and are needed by none now, as blocks. */
  unneeded(): Promise<readonly (readonly [block: number, bits: number])[]>;
}

/** A version that goes. */
interface Leaving {
  namespace: string;
  candidate: JudgedVersion;
  verdict: Extract<Verdict, { goes: true }>;
}

/**
 * What is to go.
 *
 * @param now the log's time; what is true at that time
 * @param seq the newest event, for the plan to name
 * @param versionsMax versions that it may let go
 * @throws AS_ERR_PLAN: the log does not say yet what some version needs
 */
export async function makePlan(
  host: PlannerHost,
  now: number,
  seq: number,
  versionsMax: number = PLAN_VERSIONS_MAX,
): Promise<Plan> {
  const [unknown] = await host.unknownNeeds(1);
  if (unknown !== undefined) {
    throw new ArtifactStoreError(
      'AS_ERR_PLAN',
      `Nothing can be planned: the log does not say yet what ${unknown}, the manifest of a version, needs. Open the store for writing once.`,
      { manifest: unknown },
    );
  }
  const guards = await Guards.load(host.registry, now);
  const held = new Held();
  const leaving = await findLeaving(host.registry, guards, held, now);
  leaving.sort((a, b) => graceOf(b) - graceOf(a) || a.verdict.since - b.verdict.since || order(a, b));
  const taken = leaving.length <= versionsMax ? leaving : oldest(leaving, versionsMax);
  const entries = await withObjects(host, taken, guards, held, now);
  return { time: now, seq, entries, held: held.shown, heldMore: held.more, more: leaving.length - taken.length };
}

const graceOf = ({ verdict }: Leaving) => verdict.grace ?? GRACE_DEFAULT_MS;

/** By name, so that the same state gives the same plan. */
function order(a: Leaving, b: Leaving): number {
  const [left, right] = [a, b].map(({ namespace, candidate }) => formatPackage({ namespace, ...candidate }));
  return (left as string) < (right as string) ? -1 : 1;
}

/** Those whose time ended first, in the order in which they stand. */
function oldest(leaving: readonly Leaving[], count: number): Leaving[] {
  const bySince = [...leaving].sort((a, b) => a.verdict.since - b.verdict.since || order(a, b));
  const chosen = new Set(bySince.slice(0, count));
  return leaving.filter((one) => chosen.has(one));
}

/** What stays although a policy would let it go. */
class Held {
  readonly shown: HeldEntry[] = [];
  more = 0;

  add(entry: HeldEntry): void {
    if (this.shown.length < PLAN_HELD_SHOWN_MAX) this.shown.push(entry);
    else this.more++;
  }
}

/** Every hold, and every lock in force, by what it is on. */
class Guards {
  readonly #holds = new Map<string, HoldRecord>();
  readonly #locks = new Map<string, LockRecord>();

  static async load(registry: RetentionRegistry, now: number): Promise<Guards> {
    const guards = new Guards();
    let cursor: string | undefined;
    do {
      const page = await registry.holds({ limit: 1000, ...(cursor !== undefined && { cursor }) });
      for (const hold of page.holds) if (!guards.#holds.has(hold.subject)) guards.#holds.set(hold.subject, hold);
      cursor = page.cursor;
    } while (cursor !== undefined);
    do {
      const page = await registry.locks({ limit: 1000, ...(cursor !== undefined && { cursor }) });
      for (const lock of page.locks) if (isInForce(lock, now)) guards.#locks.set(lock.subject, lock);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return guards;
  }

  /** What keeps `what`, by itself or through one of `things`: a hold before a lock, because it has no end. */
  of(what: string, things: readonly string[]): HeldEntry | undefined {
    const hold = things.map((thing) => this.#holds.get(thing)).find((one) => one !== undefined);
    if (hold !== undefined) return heldBy(what, hold);
    const locks = things.flatMap((thing) => this.#locks.get(thing) ?? []);
    const [longest] = locks.sort((a, b) => b.until - a.until);
    return longest && lockedBy(what, longest);
  }

  /** Content addresses of objects that are held or locked themselves. */
  get objects(): string[] {
    const all = [...this.#holds.keys(), ...this.#locks.keys()].filter(isContentAddress);
    return [...new Set(all)];
  }
}

/** A hold as what keeps something. */
export function heldBy(what: string, { subject, case: name, actor, reason }: HoldRecord): HeldEntry {
  const on = subject === what ? '' : ` on ${subject}`;
  return { what, kind: 'hold', name, because: `${actor} placed a hold${on} for the case ${name}: ${reason}` };
}

/** A lock as what keeps something. */
export function lockedBy(what: string, { subject, mode, until, actor, reason }: LockRecord): HeldEntry {
  const on = subject === what ? '' : ` on ${subject}`;
  const why = reason === undefined ? '' : `: ${reason}`;
  return { what, kind: 'lock', name: mode, until, because: `${actor} set a ${mode} lock${on}${why}` };
}

/** The policy that counts for a namespace. */
export function policyFor<P>(namespace: string, policies: ReadonlyMap<string, P>): P | undefined {
  return policies.get(namespace) ?? policies.get(EVERYWHERE);
}

/** The versions that go; notes those that a policy would let go, but for what keeps them. */
async function findLeaving(registry: RetentionRegistry, guards: Guards, held: Held, now: number): Promise<Leaving[]> {
  const policies = new Map((await registry.policies()).map((record) => [record.namespace, record]));
  const leaving: Leaving[] = [];
  for (const namespace of await registry.namespaces()) {
    const policy = policyFor(namespace, policies);
    if (policy === undefined) continue;
    const candidates = await registry.judged(namespace);
    const verdicts = judge(policy, candidates, now);
    for (const [index, candidate] of candidates.entries()) {
      const verdict = verdicts[index] as Verdict;
      const what = formatPackage({ namespace, name: candidate.name, version: candidate.version });
      if (!verdict.goes) {
        if (verdict.wouldGo) held.add(keptByPolicy(what, verdict));
        continue;
      }
      const keeper = guards.of(what, protectorsOf({ namespace, ...candidate }));
      if (keeper === undefined) leaving.push({ namespace, candidate, verdict });
      else held.add(keeper);
    }
  }
  return leaving;
}

function keptByPolicy(
  what: string,
  { because, lockedUntil, class: name }: Extract<Verdict, { goes: false }>,
): HeldEntry {
  return { what, kind: 'policy', name: name ?? '', because, ...(lockedUntil !== undefined && { until: lockedUntil }) };
}

/** Entries with the objects that nothing needs once their versions are gone. */
async function withObjects(
  host: PlannerHost,
  leaving: readonly Leaving[],
  guards: Guards,
  held: Held,
  now: number,
): Promise<PlanEntry[]> {
  const owners = ownersOf(leaving);
  const sets = await freed(host, owners, leaving.length);
  await withoutGuarded(host.registry, sets, guards, held);
  const sized = await measured(host.registry, sets);
  const takers = refTakers(leaving);
  const entries: PlanEntry[] = leaving.map((one, index) => {
    const refs = takers.has(one) ? one.candidate.refs : [];
    return { ...described(one), refs, ...(sized[index] as Sized) };
  });
  const orphans = sized.at(-1) as Sized;
  if (orphans.count > 0) entries.push({ ...ORPHANS, since: now, ...orphans });
  return entries;
}

function described({ namespace, candidate, verdict }: Leaving) {
  const { name, version, manifest } = candidate;
  return {
    version: formatPackage({ namespace, name, version }),
    manifest,
    because: verdict.because,
    since: verdict.since,
    grace: verdict.grace ?? GRACE_DEFAULT_MS,
  };
}

/** The versions that take refs with them: of those of a package that have the same content the first, if all of them go; else a ref still points at one. */
function refTakers(leaving: readonly Leaving[]): Set<Leaving> {
  const groups = new Map<string, { first: Leaving; count: number }>();
  for (const one of leaving) {
    const { namespace, candidate } = one;
    if (candidate.refs.length === 0) continue;
    const key = `${namespace}/${candidate.name}\n${toHex(candidate.manifest)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: one, count: 1 });
    else group.count++;
  }
  const takers = [...groups.values()].filter(({ first, count }) => count === first.candidate.siblings);
  return new Set(takers.map(({ first }) => first));
}

const ORPHANS = { because: 'no version needs it any more', grace: GRACE_DEFAULT_MS, refs: [] };

/** The manifests of which every version goes: by their seq, the place of the first of their versions. */
function ownersOf(leaving: readonly Leaving[]): Map<number, number> {
  const versions = new Map<string, { count: number; first: number; needs: number | null; sharers: number }>();
  for (const [index, { candidate }] of leaving.entries()) {
    const key = toHex(candidate.manifest);
    const known = versions.get(key);
    if (known !== undefined) known.count++;
    else versions.set(key, { count: 1, first: index, needs: candidate.needs, sharers: candidate.sharers });
  }
  const owners = new Map<number, number>();
  for (const { count, first, needs, sharers } of versions.values())
    if (count === sharers && needs !== null) owners.set(needs, first);
  return owners;
}

/** A set of objects: bits by block. */
type ObjectSet = Map<number, number>;

/** For each version that goes the objects that go with it, and behind them those that no version needs any more already. Each object is in one of the sets. */
async function freed(host: PlannerHost, owners: ReadonlyMap<number, number>, count: number): Promise<ObjectSet[]> {
  const sets: ObjectSet[] = Array.from({ length: count + 1 }, () => new Map());
  const owned = await host.registry.needs([...owners.keys()]);
  const blocks = [...new Set(owned.map(({ block }) => block))].sort((a, b) => a - b);
  /** What is spoken for, by a version that stays or by an entry before. */
  const taken: ObjectSet = new Map();
  for (const { manifest, block, bits } of await host.registry.needsOf(blocks))
    if (!owners.has(manifest)) taken.set(block, ((taken.get(block) ?? 0) | bits) >>> 0);
  const inOrder = owned.map((row) => ({ ...row, entry: owners.get(row.manifest) as number }));
  inOrder.sort((a, b) => a.entry - b.entry);
  for (const { entry, block, bits } of inOrder) take(sets[entry] as ObjectSet, taken, block, bits);
  for (const [block, bits] of await host.unneeded()) take(sets[count] as ObjectSet, taken, block, bits);
  return sets;
}

function take(set: ObjectSet, taken: ObjectSet, block: number, bits: number): void {
  const before = taken.get(block) ?? 0;
  const own = (bits & ~before) >>> 0;
  if (own === 0) return;
  set.set(block, ((set.get(block) ?? 0) | own) >>> 0);
  taken.set(block, (before | bits) >>> 0);
}

/** Takes objects out of the sets that are held or locked themselves. */
async function withoutGuarded(
  registry: RetentionRegistry,
  sets: readonly ObjectSet[],
  guards: Guards,
  held: Held,
): Promise<void> {
  const addresses = guards.objects.filter(isContentAddress);
  if (addresses.length === 0) return;
  const owners = new Map<number, ObjectSet[]>();
  for (const set of sets) {
    for (const block of set.keys()) {
      const known = owners.get(block);
      if (known === undefined) owners.set(block, [set]);
      else known.push(set);
    }
  }
  for (const [index, seq] of (await registry.seqsOf(addresses)).entries()) {
    if (seq === null) continue;
    const block = Math.floor((seq - 1) / BLOCK_SEQS);
    const bit = (1 << ((seq - 1) % BLOCK_SEQS)) >>> 0;
    const set = owners.get(block)?.find((one) => ((one.get(block) ?? 0) & bit) !== 0);
    if (set === undefined) continue;
    set.set(block, ((set.get(block) ?? 0) & ~bit) >>> 0);
    const what = addresses[index] as string;
    held.add(guards.of(what, [what]) as HeldEntry);
  }
}

type Sized = Pick<PlanEntry, 'objects' | 'count' | 'size' | 'storedSize'>;

/** The objects of each set that are there, as runs, with their sums. */
async function measured(registry: RetentionRegistry, sets: readonly ObjectSet[]): Promise<Sized[]> {
  const blocks: [number, number][] = [];
  const starts: number[] = [];
  for (const set of sets) {
    starts.push(blocks.length);
    for (const block of [...set].sort(([a], [b]) => a - b)) blocks.push(block);
  }
  const states = await registry.present(blocks);
  return sets.map((_, index) => {
    const runs = new Runs();
    const sums = { count: 0, size: 0, storedSize: 0 };
    for (let at = starts[index] as number; at < (starts[index + 1] ?? blocks.length); at++) {
      const { bits, count, size, storedSize } = states[at] as BlockState;
      runs.add((blocks[at] as [number, number])[0], bits);
      sums.count += count;
      sums.size += size;
      sums.storedSize += storedSize;
    }
    return { objects: runs.done, ...sums };
  });
}

/** Runs of seqs, made of blocks in their order. */
class Runs {
  readonly done: number[] = [];
  /** The seq behind the last run. */
  #end = 1;

  add(block: number, bits: number): void {
    for (let at = 0; at < BLOCK_SEQS; at++) {
      if (((bits >>> at) & 1) === 0) continue;
      const seq = BLOCK_SEQS * block + 1 + at;
      const isNext = seq === this.#end && this.done.length > 0;
      if (isNext) this.done[this.done.length - 1] = (this.done.at(-1) as number) + 1;
      else this.done.push(seq - this.#end, 1);
      this.#end = seq + 1;
    }
  }
}
