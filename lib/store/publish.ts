/**
 * Giving names to what is stored: versions that never change, and refs that move. Each call is one append to the log, so it is seen whole or
 * not at all.
 *
 * Imports event kinds, names, errors and the index of manifests. packages.ts calls it. Whoever publishes or moves holds the lock of the package's name, so what
 * was looked up still holds when the event is written; one process writes a store, so that lock is enough.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { digestBytes, parseDigest } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { objectUndeleted, packagePublished, packageWithdrawn, refMoved, refRemoved } from '../events/kinds.js';
import type { NewEvent, StoredEvent } from '../events/log.js';
import { KeyLocks } from '../key-locks.js';
import { LIFECYCLE_BLOCK } from '../limits.js';
import { formatPackage, type PackageName, type PackageRef, type PackageVersion, requireRef } from '../packages/name.js';
import type { PackageRecord, RefRecord, WithdrawnRecord } from '../registry/packages.js';
import { isProtected } from '../retention/protection.js';
import type { IngestTicket } from './address-guard.js';
import { indexManifest } from './manifest-index.js';
import { cannotRestore, noSuchVersion, notWithdrawn, pointedAt } from './package-errors.js';
import type { PackageHost } from './package-host.js';
import type { TakenTree } from './push.js';

/** How refs may move. */
export interface RefOptions {
  /** The ref cannot move or be removed from then on. Default false. */
  immutable?: boolean;
  /**
   * Compare and set: the content address of the manifest that the ref must point at until now, or null: there must be no such ref. Else
   * AS_ERR_CONFLICT, whose `details.found` is where it points.
   */
  ifRef?: string | null;
  actor?: string;
}

/** Which names a push gives. */
export interface Naming extends RefOptions {
  /** A version to publish, or a ref to move. */
  target: PackageVersion | PackageRef;
  /** Further refs of the package to move. */
  refs?: readonly string[];
  /** Retention class of the version, if it is new. Absent: the default of its namespace's policy. */
  class?: string;
}

/** What was published. */
export interface Published extends PackageVersion {
  /** It is new; false when the same manifest was published before. */
  published: boolean;
  /** Refs that were made or moved. */
  moved: string[];
  /** What was written to the log; empty when everything was so already. */
  events: StoredEvent[];
}

export class Publisher {
  readonly #host: PackageHost;
  readonly #names = new KeyLocks<string>();

  constructor(host: PackageHost) {
    this.#host = host;
  }

  /**
   * Publishes what was taken in.
   *
   * @param ticket the one it was taken in with
   * @returns undefined when an object of it was deleted since the ticket was taken
   * @throws AS_ERR_CONFLICT: the version is another manifest's, a ref is immutable, or `ifRef` does not hold
   * @throws AS_ERR_DIGEST_MISMATCH: the version asked for is the content address of another manifest
   * @throws AS_ERR_INVALID_ARGUMENT: a ref, or `ifRef` with any number of refs but one
   */
  publish(tree: TakenTree, ticket: IngestTicket, naming: Naming): Promise<Published | undefined> {
    const { guard, log, actor } = this.#host;
    const { target } = naming;
    const refs = refsOf(naming);
    return this.#locked(target, () =>
      guard.lockedAll(async () => {
        if (!(await this.#isWhole(tree, ticket))) return undefined;
        const by = naming.actor ?? actor;
        const { version, event } = await this.#version(tree, target, by);
        const moves = await this.#moves(refs, tree.manifest, naming, by);
        await tree.record?.();
        const indexed = event ? await indexManifest(this.#host, tree.manifest, tree.addresses, by) : [];
        const { namespace, name } = target;
        const isNew = event !== undefined && naming.class !== undefined;
        const classified = isNew
          ? [await this.#host.retention.classifying({ namespace, name, version }, naming.class as string, by)]
          : [];
        const published = event ? [event, ...classified] : [];
        const events = await log.append([...indexed, ...published, ...moves.map(({ event }) => event)]);
        const moved = moves.map(({ ref }) => ref);
        return { namespace, name, version, published: event !== undefined, moved, events };
      }),
    );
  }

  /**
   * Makes or moves a ref.
   *
   * @param find gives the manifest to point at; asked under the lock of the name
   * @throws AS_ERR_CONFLICT, AS_ERR_INVALID_ARGUMENT, and what `find` throws
   */
  moveRef(ref: PackageRef, find: () => Promise<ContentAddress>, options: RefOptions): Promise<RefRecord> {
    const { registry, log, actor } = this.#host;
    return this.#undisturbed(ref, async () => {
      const moves = await this.#moves([ref], await find(), options, options.actor ?? actor);
      await log.append(moves.map(({ event }) => event));
      return (await registry.ref(ref)) as RefRecord;
    });
  }

  /**
   * Removes a ref; what it pointed at stays.
   *
   * @returns where it pointed
   * @throws AS_ERR_NOT_FOUND, AS_ERR_CONFLICT
   */
  removeRef(ref: PackageRef, options: Omit<RefOptions, 'immutable'> & { reason?: string }): Promise<RefRecord> {
    const { registry, log, actor } = this.#host;
    return this.#undisturbed(ref, async () => {
      const found = await registry.ref(ref);
      if (found === undefined) throw noSuchRef(ref);
      requireExpected(ref, found, options.ifRef);
      if (found.immutable) throw immovable(found);
      const facts = {
        from: digestBytes(found.target),
        ...(options.reason !== undefined && { reason: options.reason }),
      };
      await log.append([refRemoved(options.actor ?? actor, ref, facts)]);
      return found;
    });
  }

  /**
   * Withdraws a version: it is gone, and needs its objects no more. Its name stays taken.
   *
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE: there is no such version, or none any more
   * @throws AS_ERR_IN_USE: refs point at it, and it is not by force, or one of them is immutable
   * @throws AS_ERR_PROTECTED: a hold, a lock or a policy forbids it
   */
  withdraw(version: PackageVersion, options: WithdrawOptions): Promise<Withdrawn> {
    const { registry, log, actor, protection } = this.#host;
    const { reason, plan, force = false } = options;
    return this.#undisturbed(version, async () => {
      const found = await registry.version(version);
      if (found === undefined) throw await noSuchVersion(registry, version);
      const refs = await this.#refsOnlyOf(found);
      const fixed = refs.filter(({ immutable }) => immutable);
      if (refs.length > 0 && (!force || fixed.length > 0)) throw pointedAt(found, refs, fixed);
      const protector = await protection.ofVersion(version, await log.now());
      if (protector !== undefined) throw isProtected(formatPackage(version), 'withdraw', protector);
      const by = options.actor ?? actor;
      const why = reason !== undefined && { reason };
      const removals = refs.map((ref) => refRemoved(by, ref, { from: digestBytes(found.manifest), ...why }));
      const facts = { manifest: digestBytes(found.manifest), ...why, ...(plan !== undefined && { plan }) };
      const events = await log.append([...removals, packageWithdrawn(by, version, facts)]);
      return { record: found, removed: refs.map(({ ref }) => ref), events };
    });
  }

  /**
   * Brings a withdrawn version back, as long as all of its objects are there or can be undeleted.
   *
   * @throws AS_ERR_CONFLICT: it was not withdrawn; AS_ERR_NOT_FOUND: there never was such a version
   * @throws AS_ERR_GONE: objects of it have been removed, `details.missing` has the first of them; push it again
   * @throws AS_ERR_QUOTA: its namespace has no room for it any more
   */
  restore(version: PackageVersion, options: { actor?: string; reason?: string }): Promise<Restored> {
    const { registry, log, guard } = this.#host;
    const by = options.actor ?? this.#host.actor;
    return this.#locked(version, () =>
      guard.lockedAll(async () => {
        const found = await registry.withdrawn(version);
        if (found === undefined) throw await notWithdrawn(registry, version);
        const { manifest, entries, size } = found;
        if (!(await registry.isIndexed(manifest))) throw cannotRestore(version, [manifest]);
        const lost: ContentAddress[] = [];
        await this.#eachNotLive(manifest, async (objects) => {
          for (const { blake3, state } of objects) if (state === 'deleted') lost.push(blake3);
        });
        if (lost.length > 0) throw cannotRestore(version, lost);
        return this.#withinQuota(found, by, async () => {
          let undeleted = 0;
          await this.#eachNotLive(manifest, async (found) => {
            const objects = found.filter(({ state }) => state === 'tombstoned');
            await log.append(objects.map(({ blake3 }) => objectUndeleted(by, blake3, options.reason)));
            undeleted += objects.length;
          });
          const facts = { manifest: digestBytes(manifest), entries, size };
          const events = await log.append([packagePublished(by, version, facts)]);
          return { record: (await registry.version(version)) as PackageRecord, undeleted, events };
        });
      }),
    );
  }

  /** Brings back what its namespace has room for. */
  async #withinQuota<T>(
    { namespace, manifest, size }: WithdrawnRecord,
    actor: string,
    work: () => Promise<T>,
  ): Promise<T> {
    const { quotas } = this.#host;
    const room = await quotas.room(actor, namespace);
    let isPublished = false;
    try {
      await room.restore(size, () => quotas.lacking(namespace, manifest));
      const result = await work();
      isPublished = true;
      return result;
    } finally {
      room.release(0, isPublished);
    }
  }

  /** The objects of a manifest that are not live, some hundreds at a time. */
  async #eachNotLive(
    manifest: ContentAddress,
    work: (objects: Awaited<ReturnType<PackageHost['registry']['notLive']>>) => Promise<void>,
  ): Promise<void> {
    let after = 0;
    for (;;) {
      const objects = await this.#host.registry.notLive(manifest, LIFECYCLE_BLOCK, after);
      if (objects.length === 0) return;
      await work(objects);
      after = objects.at(-1)?.seq ?? after;
    }
  }

  /** Refs that would point at nothing without a version: none while the package has another with the same manifest. */
  async #refsOnlyOf({ namespace, name, version, manifest }: PackageRecord): Promise<RefRecord[]> {
    const { registry } = this.#host;
    const refs = await registry.refsTo({ namespace, name }, manifest);
    if (refs.length === 0) return refs;
    return (await registry.hasOther({ namespace, name, version }, manifest)) ? [] : refs;
  }

  /** Runs `work` under the lock of a name, while nobody decides about everything, as who carries out a retention plan or places a hold does. */
  #undisturbed<T>(named: PackageName, work: () => Promise<T>): Promise<T> {
    return this.#locked(named, () => this.#host.guard.lockedAll(work, () => NO_ADDRESSES));
  }

  #locked<T>(named: PackageName, work: () => Promise<T>): Promise<T> {
    return this.#names.locked(`${named.namespace}/${named.name}`, work);
  }

  /** Whether every object of a tree is there, although some may have been deleted since the ticket was taken; while nobody deletes. */
  async #isWhole({ addresses, record }: TakenTree, ticket: IngestTicket): Promise<boolean> {
    const { guard, areLive, isPresent } = this.#host;
    if (!guard.anyDeletedSince(ticket)) return true;
    const doubtful = addresses.filter((address) => guard.deletedSince(ticket, address));
    if (doubtful.length === 0) return true;
    // What is recorded is there if the log says so; what will be, if its bytes are.
    if (record === undefined) return (await areLive(doubtful)).every((isLive) => isLive);
    for (const address of doubtful) if (!(await isPresent(address))) return false;
    return true;
  }

  /** The version that a tree has or gets, and the event if it is new. */
  async #version(
    tree: TakenTree,
    target: PackageVersion | PackageRef,
    actor: string,
  ): Promise<{ version: string; event?: NewEvent }> {
    const { namespace, name } = target;
    const { manifest, entries, size } = tree;
    const chosen = 'version' in target && !target.version.includes(':') ? target.version : undefined;
    if ('version' in target && chosen === undefined && target.version !== manifest)
      throw otherManifest(target, manifest);
    const { registry } = this.#host;
    const known =
      chosen === undefined
        ? await registry.versionWith(target, manifest)
        : await registry.version({ namespace, name, version: chosen });
    if (known !== undefined && known.manifest !== manifest) throw published(known, manifest);
    const former = chosen === undefined ? undefined : await registry.withdrawn({ namespace, name, version: chosen });
    if (former !== undefined && former.manifest !== manifest) throw published(former, manifest, 'withdrawn');
    if (known !== undefined) return { version: known.version };
    const version = chosen ?? manifest;
    const facts = { manifest: digestBytes(manifest), entries, size };
    return { version, event: packagePublished(actor, { namespace, name, version }, facts) };
  }

  /** The events that make the refs point at a manifest; none for one that does. */
  async #moves(refs: readonly PackageRef[], target: ContentAddress, options: RefOptions, actor: string) {
    const moves: { ref: string; event: NewEvent }[] = [];
    for (const ref of refs) {
      const found = await this.#host.registry.ref(ref);
      requireExpected(ref, found, options.ifRef);
      const immutable = options.immutable === true;
      if (found?.target === target && (found.immutable || !immutable)) continue;
      if (found?.immutable) throw immovable(found);
      const from = found && { from: digestBytes(found.target) };
      const facts = { target: digestBytes(target), ...from, ...(immutable && { immutable }) };
      moves.push({ ref: ref.ref, event: refMoved(actor, ref, facts) });
    }
    return moves;
  }
}

const NO_ADDRESSES: ReadonlySet<ContentAddress> = new Set();

/** How a version is withdrawn. */
export interface WithdrawOptions {
  actor?: string;
  /** Stands in the event, and in the answer to whoever asks for the version. */
  reason?: string;
  /** The retention plan that named it. */
  plan?: string;
  /** Remove the refs that point at it, unless they are immutable. Default false: refuse. */
  force?: boolean;
}

/** What was withdrawn. */
export interface Withdrawn {
  /** As it was. */
  record: PackageRecord;
  /** Refs that were removed. */
  removed: string[];
  events: StoredEvent[];
}

/** What was brought back. */
export interface Restored {
  record: PackageRecord;
  /** Objects of it that were tombstoned and are not any more. */
  undeleted: number;
  events: StoredEvent[];
}

/** The refs that a push moves, each once. */
function refsOf({ target, refs = [], ifRef }: Naming): PackageRef[] {
  const { namespace, name } = target;
  const names = new Set([...('ref' in target ? [target.ref] : []), ...refs.map(requireRef)]);
  if (ifRef !== undefined && names.size !== 1) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `ifRef says where one ref must point, but ${names.size} are to move. Push with just one ref.`,
    );
  }
  return [...names].map((ref) => ({ namespace, name, ref }));
}

function requireExpected(ref: PackageRef, found: RefRecord | undefined, ifRef: string | null | undefined): void {
  if (ifRef === undefined) return;
  const expected = ifRef === null ? undefined : parseDigest(ifRef);
  if (found?.target === expected) return;
  const text = formatPackage(ref);
  const is = found === undefined ? 'there is no such ref' : `it points at ${found.target}`;
  throw new ArtifactStoreError(
    'AS_ERR_CONFLICT',
    `${text} is not where it was expected: ${is}. Look at what changed, then try again.`,
    { ref: text, expected: expected ?? 'none', found: found?.target ?? 'none' },
  );
}

function published(
  { manifest, ...version }: PackageVersion & { manifest: ContentAddress },
  other: ContentAddress,
  state: 'published' | 'withdrawn' = 'published',
) {
  const text = formatPackage(version);
  const was = state === 'published' ? 'is published already' : 'was published, and withdrawn since';
  return new ArtifactStoreError(
    'AS_ERR_CONFLICT',
    `${text} ${was}, with other content (${manifest}). A version never changes: choose another.`,
    { version: text, published: manifest, manifest: other },
  );
}

function otherManifest(target: PackageVersion, manifest: ContentAddress): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_DIGEST_MISMATCH',
    `The directory is not ${formatPackage(target)}: its manifest is ${manifest}. Nothing was published.`,
    { expected: target.version, manifest },
  );
}

function immovable(ref: RefRecord): ArtifactStoreError {
  const text = formatPackage({ namespace: ref.namespace, name: ref.name, ref: ref.ref });
  return new ArtifactStoreError(
    'AS_ERR_CONFLICT',
    `${text} is immutable and points at ${ref.target}: it can neither move nor be removed. Choose another ref.`,
    { ref: text, target: ref.target },
  );
}

export function noSuchRef(ref: PackageRef): ArtifactStoreError {
  const text = formatPackage(ref);
  return new ArtifactStoreError('AS_ERR_NOT_FOUND', `There is no ref ${text}. "packages" lists what there is.`, {
    ref: text,
  });
}
