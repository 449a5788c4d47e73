/**
 * Giving names to what is stored: versions that never change, and refs that move. Each call is one append to the log, so it is seen whole or
 * not at all.
 *
 * Imports event kinds, names and errors. packages.ts calls it. Whoever publishes or moves holds the lock of the package's name, so what
 * was looked up still holds when the event is written; one process writes a store, so that lock is enough.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { digestBytes, parseDigest } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { packagePublished, refMoved, refRemoved } from '../events/kinds.js';
import type { NewEvent, StoredEvent } from '../events/log.js';
import { formatPackage, type PackageName, type PackageRef, type PackageVersion, requireRef } from '../packages/name.js';
import type { RefRecord } from '../registry/packages.js';
import type { IngestTicket } from './address-guard.js';
import { KeyLocks } from './key-locks.js';
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
        if (tree.addresses.some((address) => guard.deletedSince(ticket, address))) return undefined;
        const by = naming.actor ?? actor;
        const { version, event } = await this.#version(tree, target, by);
        const moves = await this.#moves(refs, tree.manifest, naming, by);
        const events = await log.append([...(event ? [event] : []), ...moves.map(({ event }) => event)]);
        const { namespace, name } = target;
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
    return this.#locked(ref, async () => {
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
    return this.#locked(ref, async () => {
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

  #locked<T>(named: PackageName, work: () => Promise<T>): Promise<T> {
    return this.#names.locked(`${named.namespace}/${named.name}`, work);
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

function published({ manifest, ...version }: PackageVersion & { manifest: ContentAddress }, other: ContentAddress) {
  const text = formatPackage(version);
  return new ArtifactStoreError(
    'AS_ERR_CONFLICT',
    `${text} is published already, with other content (${manifest}). A version never changes: choose another.`,
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
