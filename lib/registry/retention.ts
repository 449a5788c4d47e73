/**
 * What is known about how long things stay, answered from the views: policies, holds, locks, plans, and what protects a thing.
 *
 * Imports types only. The facade calls it; `sqlite-retention.ts` implements it over the tables of `retention-view.ts`.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import type { PlanFacts } from '../events/retention-kinds.js';
import type { PackageVersion } from '../packages/name.js';
import type { Candidate } from '../retention/evaluate.js';
import type { Lock } from '../retention/locks.js';
import type { Policy } from '../retention/policy.js';
import type { ObjectState } from './registry.js';

/** The policy of a namespace, as it was set last. */
export interface PolicyRecord {
  /** `*`: of all that have none of their own. */
  namespace: string;
  policy: Policy;
  /** Milliseconds since 1970 UTC. */
  setAt: number;
  actor: string;
  /** The event that set it: its version. */
  seq: number;
  reason?: string;
  /** Since when pulls of its versions have been noted without a break; absent: it does not ask for them. */
  pullsSince?: number;
}

/** A hold that has not been released. */
export interface HoldRecord {
  /** What is held: see `retention/thing.ts`. */
  subject: string;
  case: string;
  reason: string;
  /** Milliseconds since 1970 UTC. */
  placedAt: number;
  actor: string;
  seq: number;
}

/** The lock of a thing, be it over or not. */
export interface LockRecord extends Lock {
  subject: string;
  /** Milliseconds since 1970 UTC. */
  setAt: number;
  actor: string;
  seq: number;
  reason?: string;
}

/** A plan that was made. */
export interface PlanRecord extends PlanFacts {
  /** Content address of the plan, an object. */
  plan: ContentAddress;
  /** Milliseconds since 1970 UTC. */
  plannedAt: number;
  actor: string;
  seq: number;
  /** When carrying it out began, and when it was done. */
  startedAt?: number;
  appliedAt?: number;
  /** What went. */
  applied?: PlanFacts;
}

/** Which holds or locks to list, in the order of their subjects. */
export interface GuardQuery {
  /** Only of this thing. */
  subject?: string;
  cursor?: string;
  /** Records on the page at most, 1 to PAGE_SIZE_MAX; PAGE_SIZE_DEFAULT when absent. */
  limit?: number;
}

/** A version as policies judge it. */
export interface JudgedVersion extends Candidate {
  /** 32 bytes. */
  manifest: Uint8Array;
  /** By which `needs` knows its manifest; null when the log does not say yet what that needs. */
  needs: number | null;
  /** Versions in the whole store with this manifest, this one among them. */
  sharers: number;
  /** Those of them that are of the same package. */
  siblings: number;
}

/** Some of the objects that a manifest needs: a block of seqs as in object-sets.ts. */
export interface NeededBlock {
  manifest: number;
  block: number;
  bits: number;
}

/** What of a block is there, neither tombstoned nor deleted. */
export interface BlockState {
  /** Which of its objects; their number, and the sums of their sizes. */
  bits: number;
  count: number;
  size: number;
  storedSize: number;
}

/** An object of a set. */
export interface PlannedObject {
  seq: number;
  blake3: ContentAddress;
  state: ObjectState;
  size: number;
  storedSize: number;
}

/** Versions that need an object and were published with the same class: the newest of them. */
export interface NeedingClass {
  namespace: string;
  name: string;
  version: string;
  class?: string;
  publishedAt: number;
}

/** Questions about retention. Every answer holds what was committed before the question. */
export interface RetentionRegistry {
  /** The policy of just this namespace, or of `*`. */
  policy(namespace: string): Promise<PolicyRecord | undefined>;
  /** All policies, in the order of their namespaces. */
  policies(): Promise<PolicyRecord[]>;

  /** One page of holds. Throws AS_ERR_INVALID_ARGUMENT: cursor or limit. */
  holds(query?: GuardQuery): Promise<{ holds: HoldRecord[]; cursor?: string }>;
  hold(subject: string, caseId: string): Promise<HoldRecord | undefined>;
  /** One page of locks, also of those that are over. Throws AS_ERR_INVALID_ARGUMENT: cursor or limit. */
  locks(query?: GuardQuery): Promise<{ locks: LockRecord[]; cursor?: string }>;
  lock(subject: string): Promise<LockRecord | undefined>;

  /** Up to `limit` holds on any of these things, and locks that end after `now`, the last to end first. */
  guarding(
    subjects: readonly string[],
    now: number,
    limit: number,
  ): Promise<{ holds: HoldRecord[]; locks: LockRecord[] }>;
  /** For each of these things that has any, one of its holds, and its lock if it ends after `now`. */
  guardingEach(subjects: readonly string[], now: number): Promise<{ holds: HoldRecord[]; locks: LockRecord[] }>;
  /** As `guarding`, for whatever needs an object: versions, their packages and namespaces. The object itself is not among them. */
  guardingNeeders(
    address: ContentAddress,
    now: number,
    limit: number,
  ): Promise<{ holds: HoldRecord[]; locks: LockRecord[] }>;
  /** For each namespace and class the newest of the versions that need an object. */
  needingClasses(address: ContentAddress): Promise<NeedingClass[]>;

  /** Whether a version of a package ever needed an object, be it gone since. */
  wasNeeded(address: ContentAddress): Promise<boolean>;

  /** The class that a version was given, if it was. */
  classOf(version: PackageVersion): Promise<string | undefined>;
  /** When a version was last noted as pulled. */
  pulledAt(version: PackageVersion): Promise<number | undefined>;

  /** All versions of a namespace, or of one package of it, as policies judge them. */
  judged(namespace: string, name?: string): Promise<JudgedVersion[]>;
  /** Names of all namespaces that have a version. */
  namespaces(): Promise<string[]>;

  /** All blocks of what these manifests need, in any order. */
  needs(manifests: readonly number[]): Promise<NeededBlock[]>;
  /** What any manifest of a version needs of these blocks, in any order. */
  needsOf(blocks: readonly number[]): Promise<NeededBlock[]>;
  /** Objects that once belonged to a version and are needed by none now, as blocks. */
  unneeded(): Promise<[block: number, bits: number][]>;
  /** What of these blocks is there, at the same places. */
  present(blocks: readonly (readonly [block: number, bits: number])[]): Promise<BlockState[]>;
  /** Objects by their seqs, which must not be more than PLAN_SLICE_OBJECTS, in their order. */
  objectsAt(seqs: readonly number[]): Promise<PlannedObject[]>;
  /** The seqs of these objects, at the same places; null for one that was never stored. */
  seqsOf(addresses: readonly ContentAddress[]): Promise<(number | null)[]>;

  /** The newest plans, the newest first. */
  plans(limit: number): Promise<PlanRecord[]>;
  plan(plan: ContentAddress): Promise<PlanRecord | undefined>;
  /** Plans that were begun and not ended, the oldest first. */
  unfinishedPlans(): Promise<PlanRecord[]>;
}
