/**
 * One random history of a store beside a simple model of it: publish, put, move refs, hold, release, lock, delete, erase, undelete, withdraw, restore, and what happens to the
 * store as a whole (world.ts). After every step each object is what the model says: nothing live, held or locked is missing, and nothing goes that no plan or person named.
 *
 * Has names and contents of its own, so any number of them share a store and do not meet. Made by world.ts.
 */

import { digest } from '../../lib/digest.js';
import { isStoreError } from '../../lib/errors.js';
import type { PackageSource } from '../../lib/store/entry-intake.js';
import type { Store } from '../../lib/store.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const GRACE = DAY;
/** Of what no version needs any more, of which no policy says how long. */
const GRACE_OF_ORPHANS = 7 * DAY;
const KEPT_FOR = 2 * DAY;
const MINIMUM = 3 * DAY;

/** What the policy below says of a class, for the model. */
export const POLICY = {
  defaultClass: 'build',
  classes: {
    build: { keep: { afterPublish: '2d', last: 1 }, grace: '1d' },
    evidence: { minimum: '3d', keep: { afterPublish: '2d', last: 0 }, grace: '1d' },
    release: {},
  },
};
type Class = keyof typeof POLICY.classes;

interface ModelVersion {
  contents: string[];
  class: Class;
  publishedAt: number;
  order: number;
  withdrawn: boolean;
}

interface ModelObject {
  address: string;
  state: 'live' | 'tombstoned' | 'deleted';
  sweepAfter: number;
  packaged: boolean;
}

/** What a plan of the store as a whole says. */
export interface Planned {
  plan: string;
  versions: readonly string[];
  objects: readonly string[];
  /** Of the objects, those that go with no version. */
  orphans: ReadonlySet<string>;
  storedSize: number;
}

export class History {
  readonly #versions = new Map<string, ModelVersion>();
  readonly #refs = new Map<string, string>();
  readonly #holds = new Set<string>();
  readonly #locks = new Map<string, number>();
  /** By name: `0` to `5` are contents, others manifests. */
  readonly #objects = new Map<string, ModelObject>();
  readonly trail: string[] = [];
  #order = 0;

  constructor(
    private readonly world: { readonly store: Store },
    private readonly namespace: string,
    private readonly random: (below: number) => number,
  ) {}

  get store(): Store {
    return this.world.store;
  }

  /** Does something. */
  async act(): Promise<void> {
    const steps = [
      this.#publish,
      this.#publish,
      this.#publish,
      this.#put,
      this.#moveRef,
      this.#hold,
      this.#release,
      this.#lock,
      this.#delete,
      this.#erase,
      this.#undelete,
      this.#withdraw,
      this.#restore,
    ];
    await this.#pick(steps).call(this);
  }

  /** Does something between the making of a plan and its being carried out; tells whether the plan still fits. */
  async actLate({ versions, objects }: Planned): Promise<boolean> {
    await this.#pick([this.#publish, this.#moveRef, this.#hold, this.#put, this.#lock, this.#delete]).call(this);
    const going = this.#goingVersions();
    const [versionsLeft, objectsLeft] = [new Set(going), new Set(this.#goingObjects(going))];
    const own = new Set([...this.#objects.values()].map(({ address }) => address));
    return (
      versions.every((version) => !version.startsWith(`${this.namespace}/`) || versionsLeft.has(version)) &&
      objects.every((address) => !own.has(address) || objectsLeft.has(address))
    );
  }

  #pick<T>(of: readonly T[]): T {
    return of[this.random(of.length)] as T;
  }

  /** Takes a tombstone back that is due, beside a sweep: whoever comes first has it, and what was taken back stays. */
  async undeleteBeside(): Promise<void> {
    const due = [...this.#objects].filter(
      ([, { state, sweepAfter }]) => state === 'tombstoned' && sweepAfter <= Date.now(),
    );
    if (due.length === 0) return;
    const [name, object] = this.#pick(due);
    this.note(`undelete ${name} beside it`);
    for (let turns = this.random(12); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    const code = await codeOf(this.store.undelete(object.address));
    if (code !== undefined && code !== 'AS_ERR_GONE') this.fail(`undelete ${name} gave ${code}`);
    object.state = code === undefined ? 'live' : 'deleted';
  }

  /** Every object is what the model says. */
  checkStates(states: ReadonlyMap<string, string>): void {
    for (const [name, { address, state }] of this.#objects) {
      const found = states.get(address);
      if (found !== state) this.fail(`the object ${name} is ${found}, not ${state}`);
    }
  }

  /** Contents that are there can be read: all, or one of them. */
  async checkBytes(all: boolean): Promise<void> {
    const there = [...this.#objects].filter(([name, { state }]) => state === 'live' && !name.includes(','));
    const read = all || there.length === 0 ? there : [this.#pick(there)];
    for (const [name, { address }] of read) {
      const bytes = await (await this.store.get(address)).bytes();
      if (Buffer.from(bytes).toString() !== this.#text(name)) this.fail(`the object ${name} has other bytes`);
    }
  }

  fail(what: string): never {
    throw new Error(`${this.namespace}: ${what} after\n${this.trail.join('\n')}`);
  }

  #text(name: string): string {
    return `${this.namespace} ${name}`;
  }

  note(what: string): void {
    this.trail.push(what);
  }

  #stored(name: string, address: string, packaged: boolean): void {
    const known = this.#objects.get(name);
    const was = known?.packaged ?? false;
    this.#objects.set(name, { address, state: 'live', sweepAfter: 0, packaged: was || packaged });
  }

  // What the model knows.

  #isHeld(things: readonly string[]): boolean {
    return things.some((thing) => this.#holds.has(thing) || (this.#locks.get(thing) ?? 0) > Date.now());
  }

  #isVersionKept(name: string, { class: of, publishedAt }: ModelVersion): boolean {
    const minimum = of === 'evidence' && Date.now() < publishedAt + MINIMUM;
    return minimum || this.#isHeld([name, `${this.namespace}/x`, `${this.namespace}/`]);
  }

  #needing(object: string): [string, ModelVersion][] {
    return [...this.#versions].filter(([, one]) => !one.withdrawn && partsOf(one).includes(object));
  }

  #isObjectKept(object: string): boolean {
    if (this.#isHeld([object])) return true;
    return this.#needing(object).some(([name, one]) => this.#isVersionKept(name, one));
  }

  /** Versions that the policy lets go, and nothing keeps. */
  #goingVersions(): string[] {
    const there = [...this.#versions].filter(([, one]) => !one.withdrawn);
    return there
      .filter(([name, one]) => {
        if (one.class === 'release' || Date.now() < one.publishedAt + KEPT_FOR) return false;
        const newer = there.filter(([, other]) => other.class === one.class && other.order > one.order).length;
        const isNamed = [...this.#refs.values()].some((target) => target === manifestOf(one));
        const isLast = one.class === 'build' && newer < 1;
        return !isLast && !isNamed && !this.#isVersionKept(name, one);
      })
      .map(([name]) => name)
      .sort();
  }

  /** Objects that nothing needs once those are gone. */
  #goingObjects(versions: readonly string[]): string[] {
    return [...this.#objects]
      .filter(([name, { state, packaged }]) => {
        const needed = this.#needing(name).some(([version]) => !versions.includes(version));
        return packaged && state === 'live' && !needed && !this.#isHeld([name]);
      })
      .map(([, { address }]) => address)
      .sort();
  }

  // Steps.

  async #publish(): Promise<void> {
    const contents = [...new Set(Array.from({ length: 1 + this.random(3) }, () => String(this.random(6))))].sort();
    const of = this.#pick(['build', 'build', 'evidence', 'release'] as const);
    const name = `${this.namespace}/x@${this.#order}`;
    const version = { contents, class: of, publishedAt: 0, order: this.#order++, withdrawn: false };
    const ref = this.random(4) === 0 ? [this.#pick(['latest', 'stable'])] : [];
    this.note(`publish ${name} ${contents} ${of} ${ref}`);
    const texts = contents.map((content) => [content, Buffer.from(this.#text(content))] as const);
    async function* entries(): AsyncGenerator<PackageSource> {
      for (const [path, bytes] of texts) {
        const content = async function* () {
          yield bytes;
        };
        yield { kind: 'file', path, size: bytes.byteLength, content: content() };
      }
    }
    const pushed = await this.store.packages.pushEntries(entries(), name, { class: of, refs: ref });
    version.publishedAt = pushed.events.find(({ kind }) => kind === 'package.published')?.time ?? Date.now();
    this.#versions.set(name, version);
    for (const one of ref) this.#refs.set(one, manifestOf(version));
    for (const content of contents) this.#stored(content, await this.#addressOf(content), true);
    this.#stored(manifestOf(version), pushed.manifest, true);
  }

  async #addressOf(content: string): Promise<string> {
    const known = this.#objects.get(content)?.address;
    if (known !== undefined) return known;
    return `blake3:${Buffer.from(digest(Buffer.from(this.#text(content))).blake3).toString('hex')}`;
  }

  async #put(): Promise<void> {
    const content = String(this.random(6));
    this.note(`put ${content}`);
    const { blake3 } = await this.store.put(Buffer.from(this.#text(content)));
    this.#stored(content, blake3, false);
  }

  #anyVersion(): [string, ModelVersion] | undefined {
    return this.#versions.size === 0 ? undefined : this.#pick([...this.#versions]);
  }

  async #moveRef(): Promise<void> {
    const [name, version] = this.#anyVersion() ?? [];
    if (name === undefined || version === undefined || version.withdrawn) return;
    const ref = this.#pick(['latest', 'stable']);
    this.note(`move ${ref} to ${name}`);
    await this.store.packages.moveRef(`${this.namespace}/x:${ref}`, name);
    this.#refs.set(ref, manifestOf(version));
  }

  /** Something that can be held: by its name in the model, and in the store. */
  #anyThing(): [string, string] | undefined {
    const [version, known] = this.#anyVersion() ?? [];
    const things: [string, string][] = [[`${this.namespace}/x`, `${this.namespace}/x`]];
    if (version !== undefined && !known?.withdrawn) things.push([version, version]);
    for (const [name, { address, state }] of this.#objects) if (state !== 'deleted') things.push([name, address]);
    return this.#pick(things);
  }

  async #hold(): Promise<void> {
    const [name, thing] = this.#anyThing() ?? [];
    if (name === undefined || thing === undefined || this.#holds.has(name)) return;
    this.note(`hold ${name}`);
    await this.store.retention.hold(thing, { case: 'C', reason: 'model' });
    this.#holds.add(name);
  }

  async #release(): Promise<void> {
    if (this.#holds.size === 0) return;
    const name = this.#pick([...this.#holds]);
    this.note(`release ${name}`);
    await this.store.retention.release(this.#objects.get(name)?.address ?? name, { case: 'C' });
    this.#holds.delete(name);
  }

  async #lock(): Promise<void> {
    const [name, thing] = this.#anyThing() ?? [];
    if (name === undefined || thing === undefined) return;
    const until = Math.max(this.#locks.get(name) ?? 0, Date.now() + HOUR + this.random(3) * DAY);
    this.note(`lock ${name}`);
    await this.store.retention.lock(thing, { mode: 'compliance', until });
    this.#locks.set(name, until);
  }

  /** What a plan says of this history is what the model says. */
  compare({ versions, objects }: Planned): void {
    const expected = this.#goingVersions();
    const planned = versions.filter((one) => one.startsWith(`${this.namespace}/`)).sort();
    if (planned.join() !== expected.join()) this.fail(`the plan has ${planned}, not ${expected}`);
    const own = new Set([...this.#objects.values()].map(({ address }) => address));
    const named = objects.filter((address) => own.has(address)).sort();
    const going = this.#goingObjects(expected);
    if (named.join() !== going.join()) this.fail(`the plan has the objects ${named}, not ${going}`);
  }

  /** In the model, what a plan named is gone. */
  gone({ versions, objects, orphans }: Planned): void {
    for (const version of versions) {
      const known = this.#versions.get(version);
      if (known !== undefined) known.withdrawn = true;
    }
    const named = new Set(objects);
    for (const object of this.#objects.values())
      if (named.has(object.address)) {
        const grace = orphans.has(object.address) ? GRACE_OF_ORPHANS : GRACE;
        Object.assign(object, { state: 'tombstoned', sweepAfter: Date.now() + grace });
      }
  }

  /** In the model, what is due is swept. */
  swept(): void {
    for (const [name, object] of this.#objects) {
      if (object.state !== 'tombstoned' || object.sweepAfter > Date.now()) continue;
      if (!this.#isObjectKept(name)) object.state = 'deleted';
    }
  }

  async #delete(): Promise<void> {
    if (this.#objects.size === 0) return;
    const [name, object] = this.#pick([...this.#objects]);
    const [force, grace] = [this.random(3) === 0, this.random(2) * DAY];
    this.note(`delete ${name} ${force ? 'by force' : ''} ${grace}`);
    const expected =
      object.state !== 'live'
        ? 'AS_ERR_GONE'
        : !force && this.#needing(name).length > 0
          ? 'AS_ERR_IN_USE'
          : this.#isObjectKept(name)
            ? 'AS_ERR_PROTECTED'
            : undefined;
    if (force && expected === undefined && this.#needing(name).length > 0) return; // a version that cannot be pulled is of no use here
    const code = await codeOf(this.store.delete(object.address, { force, grace }));
    if (code !== expected) this.fail(`delete ${name} gave ${code}, not ${expected}`);
    if (code === undefined)
      Object.assign(object, { state: grace > 0 ? 'tombstoned' : 'deleted', sweepAfter: Date.now() + grace });
  }

  /** At once and for good, whatever policies say, but not what somebody holds. */
  async #erase(): Promise<void> {
    if (this.#objects.size === 0) return;
    const [name, object] = this.#pick([...this.#objects]);
    const needing = this.#needing(name).map(([version]) => version);
    const through = [...needing, ...(needing.length > 0 ? [`${this.namespace}/x`, `${this.namespace}/`] : [])];
    const expected = object.state !== 'deleted' && this.#isHeld([name, ...through]) ? 'AS_ERR_PROTECTED' : undefined;
    if (expected === undefined && needing.length > 0) return; // as for deletions by force
    this.note(`erase ${name}`);
    const code = await codeOf(this.store.erase({ order: 'model', objects: [object.address] }));
    if (code !== expected) this.fail(`erase ${name} gave ${code}, not ${expected}`);
    if (code === undefined) Object.assign(object, { state: 'deleted', sweepAfter: 0 });
  }

  async #undelete(): Promise<void> {
    const gone = [...this.#objects].filter(([, { state }]) => state !== 'live');
    if (gone.length === 0) return;
    const [name, object] = this.#pick(gone);
    this.note(`undelete ${name}`);
    const code = await codeOf(this.store.undelete(object.address));
    const expected = object.state === 'deleted' ? 'AS_ERR_GONE' : undefined;
    if (code !== expected) this.fail(`undelete ${name} gave ${code}, not ${expected}`);
    if (code === undefined) object.state = 'live';
  }

  async #withdraw(): Promise<void> {
    const [name, version] = this.#anyVersion() ?? [];
    if (name === undefined || version === undefined) return;
    this.note(`withdraw ${name}`);
    const isNamed = [...this.#refs.values()].some((target) => target === manifestOf(version));
    const twins = [...this.#versions.values()].filter(
      (one) => !one.withdrawn && manifestOf(one) === manifestOf(version),
    );
    const expected = version.withdrawn
      ? 'AS_ERR_GONE'
      : isNamed && twins.length < 2
        ? 'AS_ERR_IN_USE'
        : this.#isVersionKept(name, version)
          ? 'AS_ERR_PROTECTED'
          : undefined;
    const code = await codeOf(this.store.packages.withdraw(name));
    if (code !== expected) this.fail(`withdraw ${name} gave ${code}, not ${expected}`);
    if (code === undefined) version.withdrawn = true;
  }

  async #restore(): Promise<void> {
    const [name, version] = this.#anyVersion() ?? [];
    if (name === undefined || version === undefined || !version.withdrawn) return;
    this.note(`restore ${name}`);
    const parts = partsOf(version).map((part) => this.#objects.get(part) as ModelObject);
    const expected = parts.some(({ state }) => state === 'deleted') ? 'AS_ERR_GONE' : undefined;
    let time = Date.now();
    const code = await codeOf(
      this.store.packages.undelete(name).then(({ record }) => {
        time = record.publishedAt;
      }),
    );
    if (code !== expected) this.fail(`restore ${name} gave ${code}, not ${expected}`);
    if (code !== undefined) return;
    Object.assign(version, { withdrawn: false, publishedAt: time, order: this.#order++ });
    for (const part of parts) part.state = 'live';
  }
}

const manifestOf = ({ contents }: ModelVersion) => `${contents.join(',')},`;
const partsOf = (version: ModelVersion) => [...version.contents, manifestOf(version)];

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
}
