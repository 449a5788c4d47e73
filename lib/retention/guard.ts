/**
 * What protects objects and versions: holds, locks, and the minimum of a policy, on the thing itself or on whatever needs it. The answer to `protection.ts`.
 *
 * Imports policies, locks and the registry's types. The facade makes one and asks it before anything is deleted; `why.ts` tells people the same.
 *
 * The strongest comes first: a hold, which has no end, then a compliance lock, then whatever lasts longest.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import type { PackageVersion } from '../packages/name.js';
import type { Removable } from '../registry/lifecycle.js';
import type { HoldRecord, LockRecord, RetentionRegistry } from '../registry/retention.js';
import { formatDuration } from './duration.js';
import { minimumUntil } from './evaluate.js';
import type { HeldEntry } from './plan.js';
import { heldBy, lockedBy, policyFor } from './planner.js';
import type { Policy } from './policy.js';
import type { Deletion, Protection, Protector } from './protection.js';
import { protectorsOf } from './thing.js';

export class RetentionProtection implements Protection {
  readonly #registry: RetentionRegistry;

  constructor(registry: RetentionRegistry) {
    this.#registry = registry;
  }

  async ofObjects(
    objects: readonly Removable[],
    deletion: Exclude<Deletion, 'withdraw'>,
    now: number,
  ): Promise<ReadonlyMap<ContentAddress, Protector>> {
    const found = new Map<ContentAddress, Protector>();
    for (const [address, protector] of await this.#onObjects(objects, now)) found.set(address, protector);
    for (const { blake3, needed } of objects) {
      if (!needed || found.has(blake3)) continue;
      const [first] = await this.throughNeeders(blake3, now, 1, deletion !== 'erase');
      if (first !== undefined) found.set(blake3, first);
    }
    return found;
  }

  async ofVersion(version: PackageVersion, now: number): Promise<Protector | undefined> {
    return (await this.allOfVersion(version, now, 1))[0];
  }

  /** Everything that protects a version, the strongest first, at most `limit` of each kind. */
  async allOfVersion(version: PackageVersion, now: number, limit: number): Promise<Protector[]> {
    const { holds, locks } = await this.#registry.guarding(protectorsOf(version), now, limit);
    const all = protectors(protectorsOf(version)[0], holds, locks);
    const judged = await this.#registry.judged(version.namespace, version.name);
    const candidate = judged.find((one) => one.version === version.version);
    if (candidate === undefined) return all;
    const minimum = minimumOf(version.namespace, candidate, await this.#policies(), now);
    return minimum === undefined ? all : ordered([...all, minimum]);
  }

  /** Everything that protects an object itself, the strongest first, at most `limit` of each kind. */
  async allOnObject(address: ContentAddress, now: number, limit: number): Promise<Protector[]> {
    const { holds, locks } = await this.#registry.guarding([address], now, limit);
    return protectors(address, holds, locks);
  }

  /**
   * Everything that protects an object by way of the versions that need it, the strongest first, at most `limit` of each kind.
   *
   * @param withPolicies false: holds and locks alone, as for an erasure
   */
  async throughNeeders(address: ContentAddress, now: number, limit: number, withPolicies = true): Promise<Protector[]> {
    const { holds, locks } = await this.#registry.guardingNeeders(address, now, limit);
    const policies = withPolicies ? await this.#policies() : new Map<string, Policy>();
    const minima: Protector[] = [];
    if (policies.size > 0) {
      for (const needing of await this.#registry.needingClasses(address)) {
        const minimum = minimumOf(needing.namespace, needing, policies, now);
        if (minimum !== undefined) minima.push(minimum);
      }
    }
    return ordered([...protectors(address, holds, locks), ...minima]);
  }

  async #onObjects(objects: readonly Removable[], now: number): Promise<Map<ContentAddress, Protector>> {
    const addresses = objects.map(({ blake3 }) => blake3);
    const { holds, locks } = await this.#registry.guardingEach(addresses, now);
    const found = new Map<ContentAddress, Protector>();
    for (const hold of holds) found.set(hold.subject as ContentAddress, protectorOf(heldBy(hold.subject, hold)));
    for (const lock of locks) {
      const address = lock.subject as ContentAddress;
      if (!found.has(address)) found.set(address, protectorOf(lockedBy(address, lock)));
    }
    return found;
  }

  async #policies(): Promise<Map<string, Policy>> {
    return new Map((await this.#registry.policies()).map(({ namespace, policy }) => [namespace, policy]));
  }
}

function protectors(what: string, holds: readonly HoldRecord[], locks: readonly LockRecord[]): Protector[] {
  const entries = [...holds.map((hold) => heldBy(what, hold)), ...locks.map((lock) => lockedBy(what, lock))];
  return ordered(entries.map(protectorOf));
}

function protectorOf({ kind, name, until, because }: HeldEntry): Protector {
  return { kind, name, because, ...(until !== undefined && { until }) };
}

function minimumOf(
  namespace: string,
  version: { name: string; version: string; class?: string; publishedAt: number },
  policies: ReadonlyMap<string, Policy>,
  now: number,
): Protector | undefined {
  const minimum = minimumUntil(policyFor(namespace, policies), version);
  if (minimum === undefined || now >= minimum.until) return undefined;
  const { class: name, until } = minimum;
  const length = formatDuration(until - version.publishedAt);
  const because = `${namespace}/${version.name}@${version.version} is of the class "${name}", which must be kept for ${length}`;
  return { kind: 'policy', name, until, because };
}

/** The strongest first. */
function ordered(all: readonly Protector[]): Protector[] {
  return [...all].sort((a, b) => strength(b) - strength(a) || (b.until ?? 0) - (a.until ?? 0));
}

function strength({ kind, name }: Protector): number {
  if (kind === 'hold') return 2;
  return kind === 'lock' && name === 'compliance' ? 1 : 0;
}
