/**
 * What can be asked about retention without the bytes: policies, holds, locks, plans, and why a thing is still here.
 *
 * Imports the registry's types, retention and errors. `Retention` is one of these, and adds what decides; the registry reader shows one as its own.
 */

import { ArtifactStoreError } from '../errors.js';
import { requireNamespace } from '../packages/name.js';
import type { PackageRegistry } from '../registry/packages.js';
import type { Registry } from '../registry/registry.js';
import type {
  GuardQuery,
  HoldRecord,
  LockRecord,
  PlanRecord,
  PolicyRecord,
  RetentionRegistry,
} from '../registry/retention.js';
import type { RetentionProtection } from '../retention/guard.js';
import { EVERYWHERE } from '../retention/policy.js';
import { thingOf } from '../retention/thing.js';
import { type Why, whyOf } from '../retention/why.js';

/** What it asks. */
export interface ReaderHost {
  registry: RetentionRegistry;
  packages: PackageRegistry;
  objects: Registry;
  protection: RetentionProtection;
  /** The log's time. */
  log: { now(): Promise<number> };
  requireOpen(): void;
}

/** How retention stands. */
export interface RetentionStatus {
  /** The log's time; milliseconds since 1970 UTC. */
  now: number;
  /** How many there are. */
  policies: number;
  /** The newest first. */
  plans: PlanRecord[];
  /** Begun and not ended: carrying them out again goes on. */
  unfinished: PlanRecord[];
}

export class RetentionReader {
  readonly #host: ReaderHost;

  constructor(host: ReaderHost) {
    this.#host = host;
  }

  /** The newest plans, the newest first; and those that were begun and not ended. */
  async status(limit = 10): Promise<RetentionStatus> {
    this.#host.requireOpen();
    const { registry, log } = this.#host;
    const [now, policies, plans, unfinished] = await Promise.all([
      log.now(),
      registry.policies(),
      registry.plans(limit),
      registry.unfinishedPlans(),
    ]);
    return { now, policies: policies.length, plans, unfinished };
  }

  /** The policy of just this namespace, or of `*`. Throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async policy(namespace: string): Promise<PolicyRecord> {
    this.#host.requireOpen();
    const subject = requirePolicyName(namespace);
    const found = await this.#host.registry.policy(subject);
    if (found !== undefined) return found;
    throw new ArtifactStoreError(
      'AS_ERR_NOT_FOUND',
      `"${subject}" has no policy of its own. "policy ls" lists those there are.`,
      {
        namespace: subject,
      },
    );
  }

  /** All policies, in the order of their namespaces. */
  async policies(): Promise<PolicyRecord[]> {
    this.#host.requireOpen();
    return this.#host.registry.policies();
  }

  /** One page of holds, in the order of what they are on. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async holds(query: GuardQuery = {}): Promise<{ holds: HoldRecord[]; cursor?: string }> {
    this.#host.requireOpen();
    return this.#host.registry.holds(await this.#query(query));
  }

  /** One page of locks, those that are over among them, in the order of what they are on. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async locks(query: GuardQuery = {}): Promise<{ locks: LockRecord[]; cursor?: string }> {
    this.#host.requireOpen();
    return this.#host.registry.locks(await this.#query(query));
  }

  /**
   * Why a thing is still here, or why it is gone.
   *
   * @param name an object by a digest or a prefix, or a version or ref of a package
   * @throws AS_ERR_NOT_FOUND, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_INVALID_DIGEST, AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED
   */
  async why(name: string): Promise<Why> {
    this.#host.requireOpen();
    const { registry, packages, objects, protection, log } = this.#host;
    return whyOf({ registry, packages, objects, protection, now: () => log.now() }, name);
  }

  /**
   * The subject of events about a thing that can be held.
   *
   * @param name an object by a digest or a prefix, a version, a package, or a namespace with a slash behind it
   * @throws AS_ERR_NOT_FOUND, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_INVALID_ARGUMENT
   */
  async subjectOf(name: string): Promise<string> {
    if (!name.includes('/')) return (await this.#host.objects.resolve(name)).blake3;
    const thing = thingOf(name);
    if (thing !== undefined) return thing.subject;
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `"${name}" is nothing that can be held or locked. Give a digest, namespace/name@version, namespace/name, or namespace/ with a slash at its end.`,
    );
  }

  async #query({ subject, ...query }: GuardQuery): Promise<GuardQuery> {
    return { ...query, ...(subject !== undefined && { subject: await this.subjectOf(subject) }) };
  }
}

/** The subject of events about a policy. Throws AS_ERR_INVALID_ARGUMENT. */
export function requirePolicyName(namespace: string): string {
  return namespace === EVERYWHERE ? EVERYWHERE : requireNamespace(namespace);
}
