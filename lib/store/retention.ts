/**
 * How long things stay: policies, classes, holds, locks, and plans made and carried out. `Store.retention` is one of these.
 *
 * Imports the log's interface, event kinds, the registry's types, retention, limits and errors. The facade makes one and lends it what it needs.
 *
 * Whatever is decided here is decided one after the other (`#serial`) and at the log's time, which never runs backwards. What makes something stay is written while
 * nobody deletes; so a hold or lock that was acknowledged holds against whatever is deleted after it.
 */

import { nearest } from '../config/nearest.js';
import type { ContentAddress } from '../dataplane/spi.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { newEvent } from '../events/kinds.js';
import type { NewEvent } from '../events/log.js';
import { formatTime } from '../format.js';
import { KeyLocks } from '../key-locks.js';
import { PULL_NOTED_EVERY_MS, PULLS_REMEMBERED_MAX } from '../limits.js';
import { formatPackage, type PackageVersion, parsePackage } from '../packages/name.js';
import type { PackageRecord, PackageRegistry } from '../registry/packages.js';
import type { Registry } from '../registry/registry.js';
import type { HoldRecord, JudgedVersion, LockRecord, PolicyRecord } from '../registry/retention.js';
import { judge, minimumUntil } from '../retention/evaluate.js';
import type { RetentionProtection } from '../retention/guard.js';
import { LOCK_MODES, type LockMode, requireAllowed } from '../retention/locks.js';
import { policyFor } from '../retention/planner.js';
import { countsPulls, EVERYWHERE, isKnownClass, KNOWN_CLASSES, type Policy, parsePolicy } from '../retention/policy.js';
import { thingOf } from '../retention/thing.js';
import { requireCase, requireReason } from './checks.js';
import {
  type ApplyOptions,
  type ApplyReport,
  type OpenedPlan,
  type PlannedObjectLine,
  type PlanRun,
  Plans,
  type PlansHost,
} from './retention-plans.js';
import { RetentionReader, requirePolicyName } from './retention-reader.js';

/** What the facade lends. */
export interface RetentionHost
  extends Pick<
    PlansHost,
    'log' | 'registry' | 'plainRegistry' | 'lifecycle' | 'guard' | 'actor' | 'put' | 'read' | 'retire'
  > {
  packages: PackageRegistry;
  objects: Registry;
  protection: RetentionProtection;
  /** Nothing can be recorded. */
  readOnly: boolean;
  requireOpen(): void;
  /** Throws when the store cannot be written to. */
  requireWritable(): void;
}

/** How a plan is made and shown. */
export interface PlanRunOptions {
  actor?: string;
  /** False: only look, and store nothing. Default true. */
  record?: boolean;
  /** False: the versions alone. Default true. */
  objects?: boolean;
}

/** Who decides, and why. */
export interface DecisionOptions {
  actor?: string;
  /** Up to REASON_LENGTH_MAX characters. */
  reason?: string;
}

export interface PlaceOptions extends DecisionOptions {
  /** Which case: 1 to 128 letters, digits, spaces and `. _ : / # -`. */
  case: string;
  reason: string;
}

export interface LockOptions extends DecisionOptions {
  mode: LockMode;
  /** Milliseconds since 1970 UTC. */
  until: number;
  /** Shorten or end a governance lock in force: who says so knows that it is there. Default false. */
  bypassGovernance?: boolean;
}

export class Retention extends RetentionReader {
  readonly #host: RetentionHost;
  readonly #locks = new KeyLocks<'all'>();
  /** When the pull of a version was last noted, by its name; those noted first are forgotten first. */
  readonly #pulled = new Map<string, number>();
  readonly #noting = new Set<Promise<void>>();
  /** Whether the policies of namespaces, and that of all others, ask for pulls. Forgotten when one changes. */
  #asking: Promise<ReadonlyMap<string, boolean>> | undefined;
  readonly #plans: Plans;

  constructor(host: RetentionHost) {
    super(host);
    this.#host = host;
    this.#plans = new Plans({
      ...host,
      serially: (work) => this.#serially(work),
      whyNot: (version) => this.#whyNot(version),
    });
  }

  /**
   * Makes a plan: what the policies let go, and what keeps some of it all the same. It is stored as an object; nothing goes before it is carried out.
   *
   * @param options `record: false`: only look, and store nothing
   * @throws AS_ERR_PLAN: the log does not say yet what some version needs; AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_CLOSED
   */
  async plan(options: { actor?: string; record?: boolean } = {}): Promise<OpenedPlan> {
    return this.#plans.plan(options);
  }

  /**
   * A plan that was made.
   *
   * @param name its content address, or an unambiguous prefix of it
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_CORRUPT, AS_ERR_PLAN, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_CLOSED
   */
  async openPlan(name: string): Promise<OpenedPlan & { plan: ContentAddress }> {
    return this.#plans.open(name);
  }

  /**
   * As `plan`, for who shows it: what it comes to, and by iterating what it names.
   *
   * @param options `objects: false`: leave the objects out
   */
  async planRun({ objects = true, ...options }: PlanRunOptions = {}): Promise<PlanRun> {
    return this.#plans.run(await this.#plans.plan(options), { objects });
  }

  /** As `openPlan`, for who shows it. */
  async showPlan(name: string, options: Pick<PlanRunOptions, 'objects'> = {}): Promise<PlanRun> {
    return this.#plans.run(await this.#plans.open(name), options);
  }

  /** The objects that a plan names, with the reason of each, in the order of its entries. */
  plannedObjects(plan: Pick<OpenedPlan, 'entries'>): AsyncGenerator<PlannedObjectLine> {
    return this.#plans.objects(plan);
  }

  /**
   * Carries out a plan, exactly: when something of it would not go any more, nothing is done. One that was begun, and ended by a crash or a signal, is gone on with.
   *
   * @param name as for `openPlan`
   * @throws AS_ERR_PLAN: it no longer fits, `details.changes` has what changed, or it was carried out already; and what `openPlan` throws
   * @throws AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_CLOSED
   */
  async apply(name: string, options: ApplyOptions = {}): Promise<ApplyReport> {
    return this.#plans.apply(name, options);
  }

  /** Why a version would not go now, in a sentence. */
  async #whyNot(version: string): Promise<string> {
    try {
      return (await this.why(version)).sentences.join(' ');
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_NOT_FOUND')) return 'it is gone already';
      throw error;
    }
  }

  /**
   * Sets the policy of a namespace, or of all that have none of their own.
   *
   * @param namespace a namespace, or `*`
   * @param policy as people write it: see `parsePolicy`
   * @throws AS_ERR_POLICY: it is none, contradicts itself, or would let everything go that is there now and does not say so; nothing is changed
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async setPolicy(namespace: string, policy: unknown, options: DecisionOptions = {}): Promise<PolicyRecord> {
    this.#host.requireWritable();
    const subject = requirePolicyName(namespace);
    const parsed = parsePolicy(policy);
    return this.#serially(async () => {
      await this.#requireSomethingKept(subject, parsed);
      await this.#append('policy.set', subject, { policy: parsed, ...this.#reason(options) }, options);
      this.#asking = undefined;
      return (await this.#host.registry.policy(subject)) as PolicyRecord;
    });
  }

  /** Takes a policy away: the namespace is under that of `*` then, if there is one. Throws AS_ERR_NOT_FOUND, and as `setPolicy`. */
  async removePolicy(namespace: string, options: DecisionOptions = {}): Promise<PolicyRecord> {
    this.#host.requireWritable();
    const subject = requirePolicyName(namespace);
    return this.#serially(async () => {
      const found = await this.policy(subject);
      await this.#append('policy.removed', subject, this.#reason(options), options);
      this.#asking = undefined;
      return found;
    });
  }

  /**
   * Changes the class of a version, by which its policy judges it.
   *
   * @param name a version or a ref
   * @throws AS_ERR_NOT_FOUND; AS_ERR_POLICY: no such class; AS_ERR_LOCKED: the minimum of its class keeps it, and that of the new one would not as long
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async classify(
    name: string,
    className: string,
    options: DecisionOptions = {},
  ): Promise<PackageVersion & { class: string }> {
    this.#host.requireWritable();
    return this.#serially(async () => {
      const version = await this.#version(name);
      await this.requireClass(version.namespace, className);
      await this.#requireNoShorterMinimum(version, className);
      await this.#append(
        'package.classified',
        formatPackage(version),
        { class: className, ...this.#reason(options) },
        options,
      );
      return { ...version, class: className };
    });
  }

  /** The event that gives a version its class as it is published. Throws AS_ERR_POLICY: no such class. */
  async classifying(version: PackageVersion, className: string, actor: string): Promise<NewEvent> {
    await this.requireClass(version.namespace, className);
    return newEvent('package.classified', actor, formatPackage(version), { class: className });
  }

  /** Makes sure that versions of a namespace may have a class. Throws AS_ERR_POLICY. */
  async requireClass(namespace: string, className: string): Promise<void> {
    const policies = new Map((await this.#host.registry.policies()).map((record) => [record.namespace, record.policy]));
    const classes = policyFor(namespace, policies)?.classes ?? {};
    if (isKnownClass(className, classes)) return;
    const known = [...new Set([...KNOWN_CLASSES, ...Object.keys(classes)])];
    const meant = nearest(className, known);
    const advice = meant === undefined ? `There are ${known.join(', ')}.` : `Did you mean "${meant}"?`;
    throw new ArtifactStoreError(
      'AS_ERR_POLICY',
      `"${className}" is no class of the namespace "${namespace}". ${advice}`,
      {
        class: className,
        known,
      },
    );
  }

  /**
   * Places a hold: as long as it is there, nobody and nothing deletes the thing, nor whatever it needs.
   *
   * @param name an object by a digest, `namespace/name@version`, `namespace/name`, or `namespace/`
   * @throws AS_ERR_CONFLICT: there is one of this case on it already; AS_ERR_NOT_FOUND, AS_ERR_GONE: no such object or version
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async hold(name: string, options: PlaceOptions): Promise<HoldRecord> {
    this.#host.requireWritable();
    const { case: id, reason } = { ...options, case: requireCase(options.case, 'a case') };
    if (reason.trim() === '') throw invalid('A hold needs a reason: say why it has to stay.');
    return this.#protecting(name, async (subject) => {
      if ((await this.#host.registry.hold(subject, id)) !== undefined) {
        const message = `${subject} has a hold for the case ${id} already. Give another case, or release it first.`;
        throw new ArtifactStoreError('AS_ERR_CONFLICT', message, { subject, case: id });
      }
      await this.#append('hold.placed', subject, { case: id, reason: requireReason(reason) }, options);
      return (await this.#host.registry.hold(subject, id)) as HoldRecord;
    });
  }

  /**
   * Releases a hold. Others on the same thing stay.
   *
   * @throws AS_ERR_NOT_FOUND: no hold of this case on it; AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async release(name: string, options: DecisionOptions & { case: string }): Promise<HoldRecord> {
    this.#host.requireWritable();
    const id = requireCase(options.case, 'a case');
    return this.#serially(async () => {
      const subject = await this.subjectOf(name);
      const found = await this.#host.registry.hold(subject, id);
      if (found === undefined) {
        const message = `${subject} has no hold for the case ${id}. "hold ls" lists those there are.`;
        throw new ArtifactStoreError('AS_ERR_NOT_FOUND', message, { subject, case: id });
      }
      await this.#append('hold.released', subject, { case: id, ...this.#reason(options) }, options);
      return found;
    });
  }

  /**
   * Locks a thing until a time. `governance`: who has the scope `release` can shorten it, expressly; `compliance`: nobody can. Either can be extended.
   *
   * @param name as for `hold`
   * @throws AS_ERR_LOCKED: it would shorten or loosen a lock in force; AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async lock(name: string, options: LockOptions): Promise<LockRecord> {
    this.#host.requireWritable();
    const { mode, until, bypassGovernance = false } = options;
    if (!LOCK_MODES.includes(mode))
      throw invalid(`"${mode}" is no mode of a lock. Give one of ${LOCK_MODES.join(', ')}.`);
    if (!Number.isSafeInteger(until) || until < 0)
      throw invalid(`A lock cannot end at ${until}: give milliseconds since 1970.`);
    return this.#protecting(name, async (subject) => {
      const [before, now] = await Promise.all([this.#host.registry.lock(subject), this.#host.log.now()]);
      requireAllowed(subject, before, { mode, until }, now, bypassGovernance);
      const isShorter = before !== undefined && now < before.until && until < before.until;
      const facts = { mode, until, ...(isShorter && { bypass: true as const }), ...this.#reason(options) };
      await this.#append('lock.set', subject, facts, options);
      return (await this.#host.registry.lock(subject)) as LockRecord;
    });
  }

  /**
   * Notes that a version was read, where its policy asks for pulls, once in PULL_NOTED_EVERY_MS. The reader does not wait, and a note that cannot be written is
   * none: it is tried with the next reading.
   */
  notePull(version: PackageRecord, actor = this.#host.actor): void {
    if (this.#host.readOnly) return;
    const subject = formatPackage({ namespace: version.namespace, name: version.name, version: version.version });
    const known = this.#pulled.get(subject);
    if (known !== undefined && Date.now() < known + PULL_NOTED_EVERY_MS) return;
    this.#remember(subject, Date.now());
    const noting = this.#notePull(subject, version, actor).catch(() => void this.#pulled.delete(subject));
    this.#noting.add(noting);
    void noting.then(() => this.#noting.delete(noting));
  }

  /** Waits for pulls that are being noted. */
  async settled(): Promise<void> {
    await Promise.all(this.#noting);
  }

  async #notePull(subject: string, version: PackageVersion, actor: string): Promise<void> {
    const { registry, log } = this.#host;
    if (!policyFor(version.namespace, await this.#askingPolicies())) return;
    const [before, now] = await Promise.all([registry.pulledAt(version), log.now()]);
    if (before !== undefined && now < before + PULL_NOTED_EVERY_MS) return this.#remember(subject, before);
    await log.append([newEvent('package.pulled', actor, subject, {})]);
  }

  #askingPolicies(): Promise<ReadonlyMap<string, boolean>> {
    this.#asking ??= this.#host.registry
      .policies()
      .then((records) => new Map(records.map(({ namespace, policy }) => [namespace, countsPulls(policy)])));
    return this.#asking;
  }

  #remember(subject: string, time: number): void {
    this.#pulled.delete(subject);
    this.#pulled.set(subject, time);
    if (this.#pulled.size <= PULLS_REMEMBERED_MAX) return;
    const [oldest] = this.#pulled.keys();
    if (oldest !== undefined) this.#pulled.delete(oldest);
  }

  /** Runs what makes a thing stay: while nobody deletes, and only if the thing is there. */
  #protecting<T>(name: string, work: (subject: string) => Promise<T>): Promise<T> {
    return this.#serially(() =>
      this.#host.guard.lockedAlone(async () => {
        const subject = await this.subjectOf(name);
        await this.#requireThere(subject);
        return work(subject);
      }),
    );
  }

  async #requireThere(subject: string): Promise<void> {
    const thing = thingOf(subject);
    if (thing?.kind === 'version') await this.#version(subject);
    if (thing?.kind !== 'object') return;
    const { state } = (await this.#host.objects.stat(subject as ContentAddress)) ?? {};
    if (state !== 'deleted') return;
    const message = `${subject} is gone for good: its bytes were removed, so nothing can make it stay. Store the bytes again first.`;
    throw new ArtifactStoreError('AS_ERR_GONE', message, { address: subject });
  }

  async #version(name: string): Promise<PackageVersion> {
    const named = parsePackage(name);
    const { packages } = this.#host;
    const target = 'ref' in named ? (await packages.ref(named))?.target : undefined;
    const isAddress = 'version' in named && named.version.includes(':');
    const manifest = isAddress ? (named.version as ContentAddress) : target;
    const found =
      manifest !== undefined
        ? await packages.versionWith(named, manifest)
        : 'version' in named
          ? await packages.version(named)
          : undefined;
    if (found !== undefined) return { namespace: found.namespace, name: found.name, version: found.version };
    const text = formatPackage(named);
    throw new ArtifactStoreError('AS_ERR_NOT_FOUND', `There is no package ${text}. "packages" lists what there is.`, {
      package: text,
    });
  }

  /** The minimum of a class is a lock: another class must not shorten it. */
  async #requireNoShorterMinimum(version: PackageVersion, className: string): Promise<void> {
    const { registry, log } = this.#host;
    const judged = (await registry.judged(version.namespace, version.name)).find(
      (one) => one.version === version.version,
    );
    if (judged === undefined) return;
    const policies = new Map((await registry.policies()).map(({ namespace, policy }) => [namespace, policy]));
    const policy = policyFor(version.namespace, policies);
    const before = minimumUntil(policy, judged);
    if (before === undefined || (await log.now()) >= before.until) return;
    const after = minimumUntil(policy, { ...judged, class: className });
    if (after !== undefined && after.until >= before.until) return;
    const text = formatPackage(version);
    throw new ArtifactStoreError(
      'AS_ERR_LOCKED',
      `${text} is of the class "${before.class}", which must be kept until ${formatTime(before.until)} (minimum); as "${className}" it would not. Choose a class with a minimum as long, or wait.`,
      { subject: text, rule: `minimum of class "${before.class}"`, until: before.until },
    );
  }

  /** Refuses a policy that would let go all that it is for, unless each class that goes says that this is meant. */
  async #requireSomethingKept(subject: string, policy: Policy): Promise<void> {
    const { registry, log } = this.#host;
    const now = await log.now();
    const own = new Set((await registry.policies()).map(({ namespace }) => namespace));
    const concerned = subject === EVERYWHERE ? (await registry.namespaces()).filter((one) => !own.has(one)) : [subject];
    const going = new Map<string, number>();
    for (const namespace of concerned) {
      const candidates: JudgedVersion[] = await registry.judged(namespace);
      for (const verdict of judge({ policy, pullsSince: countsPulls(policy) ? now : 0 }, candidates, now)) {
        if (!verdict.goes) return; // something is kept
        going.set(verdict.class, (going.get(verdict.class) ?? 0) + 1);
      }
    }
    const silent = [...going.keys()].filter((name) => !policy.classes[name]?.deleteEverything);
    if (silent.length === 0) return;
    const count = [...going.values()].reduce((sum, one) => sum + one, 0);
    const where = subject === EVERYWHERE ? 'in all namespaces that it is for' : `in "${subject}"`;
    throw new ArtifactStoreError(
      'AS_ERR_POLICY',
      `This policy would delete everything: of ${count} versions ${where} it keeps none (${silent.map((name) => `class "${name}"`).join(', ')}). If that is meant, add "deleteEverything": true to each of these classes.`,
      { namespace: subject, versions: count, classes: silent },
    );
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    return this.#locks.locked('all', work);
  }

  async #append<K extends Parameters<typeof newEvent>[0]>(
    kind: K,
    subject: string,
    facts: Parameters<typeof newEvent<K>>[3],
    { actor = this.#host.actor }: DecisionOptions,
  ): Promise<void> {
    await this.#host.log.append([newEvent(kind, actor, subject, facts)]);
  }

  #reason({ reason }: DecisionOptions): { reason?: string } {
    return reason === undefined ? {} : { reason: requireReason(reason) };
  }
}

function invalid(message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
}
