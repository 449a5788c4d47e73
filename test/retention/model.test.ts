/**
 * Random histories of a store against a simple model: publish, put, move refs, hold, lock, plan, apply, delete, erase, undelete, withdraw, restore, sweep, crash. After
 * every step each object is what the model says: nothing live, held or locked is missing, and nothing goes that no plan or person named.
 *
 * Most keep their bytes in memory (test/support/memory-plane.ts), since what is tested decides and does not store; the first of them, a store as anybody opens it.
 * ARTIFACTSTORE_RETENTION_HISTORIES runs as many in memory as are wanted by hand, ARTIFACTSTORE_RETENTION_SEED repeats one run. A crash is a copy of the folder, and
 * of the memory, opened in place of the store, which is not closed first.
 */

import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { isStoreError } from '../../lib/errors.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { openStore } from '../../lib/index.js';
import { registryViews } from '../../lib/registry/views.js';
import type { PackageSource } from '../../lib/store/entry-intake.js';
import { Store } from '../../lib/store.js';
import { randomSource } from '../events/random-events.js';
import { MemoryPlane } from '../support/memory-plane.js';

const HISTORIES = Number(process.env.ARTIFACTSTORE_RETENTION_HISTORIES ?? 60);
const HISTORIES_ON_DISK = 4;
const SEED = Number(process.env.ARTIFACTSTORE_RETENTION_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Steps of one history, and histories of one store: each has names and contents of its own, and meets the plans of the others. */
const STEPS = 24;
const HISTORIES_OF_A_STORE = 25;

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const GRACE = DAY;
/** Of what no version needs any more, of which no policy says how long. */
const GRACE_OF_ORPHANS = 7 * DAY;
const KEPT_FOR = 2 * DAY;
const MINIMUM = 3 * DAY;

/** What the policy below says of a class, for the model. */
const POLICY = {
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

/** Time, which only goes on. */
const real = Date.now;
let offset = 0;
Date.now = () => real() + offset;
t.teardown(() => {
  Date.now = real;
});

class History {
  readonly #versions = new Map<string, ModelVersion>();
  readonly #refs = new Map<string, string>();
  readonly #holds = new Set<string>();
  readonly #locks = new Map<string, number>();
  /** By name: `0` to `5` are contents, others manifests. */
  readonly #objects = new Map<string, ModelObject>();
  /** Of the newest plan, the objects that go with no version. */
  readonly #orphans = new Set<string>();
  readonly trail: string[] = [];
  #order = 0;

  constructor(
    public store: Store,
    private readonly namespace: string,
    private readonly random: (below: number) => number,
    private readonly crash: () => Promise<Store>,
  ) {}

  async begin(): Promise<void> {
    await this.store.retention.setPolicy(this.namespace, POLICY);
  }

  async step(step: number): Promise<void> {
    const steps = [
      this.#publish,
      this.#publish,
      this.#publish,
      this.#put,
      this.#moveRef,
      this.#hold,
      this.#release,
      this.#lock,
      this.#wait,
      this.#wait,
      this.#plan,
      this.#apply,
      this.#apply,
      this.#applyLate,
      this.#delete,
      this.#erase,
      this.#undelete,
      this.#withdraw,
      this.#restore,
      this.#sweep,
      this.#restart,
    ];
    await this.#pick(steps).call(this);
    await this.#check(step);
  }

  /** Ends what would hold things up for the histories behind. */
  async end(): Promise<void> {
    await this.store.retention.removePolicy(this.namespace);
  }

  #pick<T>(of: readonly T[]): T {
    return of[this.random(of.length)] as T;
  }

  /** Every object is what the model says, and one of those that are there can be read, after each step another; at the end all can. */
  async #check(step: number): Promise<void> {
    const states = new Map<string, string>();
    for (let cursor: string | undefined; ; ) {
      const page = await this.store.list({ limit: 10_000, ...(cursor !== undefined && { cursor }) });
      for (const { blake3, state } of page.objects) states.set(blake3, state);
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
    for (const [name, { address, state }] of this.#objects) {
      const found = states.get(address);
      if (found !== state) this.#fail(`the object ${name} is ${found}, not ${state}`);
    }
    const there = [...this.#objects].filter(([name, { state }]) => state === 'live' && !name.includes(','));
    const read = step === STEPS - 1 ? there : there.slice(step % there.length, (step % there.length) + 1);
    for (const [name, { address }] of read) {
      const bytes = await (await this.store.get(address)).bytes();
      if (Buffer.from(bytes).toString() !== this.#text(name)) this.#fail(`the object ${name} has other bytes`);
    }
  }

  #fail(what: string): never {
    throw new Error(`seed ${SEED}, ${this.namespace}: ${what} after\n${this.trail.join('\n')}`);
  }

  #text(name: string): string {
    return `${this.namespace} ${name}`;
  }

  #note(what: string): void {
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
    this.#note(`publish ${name} ${contents} ${of} ${ref}`);
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
    const { digest } = await import('../../lib/digest.js');
    return `blake3:${Buffer.from(digest(Buffer.from(this.#text(content))).blake3).toString('hex')}`;
  }

  async #put(): Promise<void> {
    const content = String(this.random(6));
    this.#note(`put ${content}`);
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
    this.#note(`move ${ref} to ${name}`);
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
    this.#note(`hold ${name}`);
    await this.store.retention.hold(thing, { case: 'C', reason: 'model' });
    this.#holds.add(name);
  }

  async #release(): Promise<void> {
    if (this.#holds.size === 0) return;
    const name = this.#pick([...this.#holds]);
    this.#note(`release ${name}`);
    await this.store.retention.release(this.#objects.get(name)?.address ?? name, { case: 'C' });
    this.#holds.delete(name);
  }

  async #lock(): Promise<void> {
    const [name, thing] = this.#anyThing() ?? [];
    if (name === undefined || thing === undefined) return;
    const until = Math.max(this.#locks.get(name) ?? 0, Date.now() + HOUR + this.random(3) * DAY);
    this.#note(`lock ${name}`);
    await this.store.retention.lock(thing, { mode: 'compliance', until });
    this.#locks.set(name, until);
  }

  async #wait(): Promise<void> {
    const hours = 1 + this.random(60);
    this.#note(`wait ${hours} h`);
    offset += hours * HOUR;
  }

  /** What a plan says of this history. */
  #compare(entries: readonly { version?: string }[], objects: readonly string[]): void {
    const versions = entries
      .flatMap(({ version }) => version ?? [])
      .filter((one) => one.startsWith(`${this.namespace}/`));
    const expected = this.#goingVersions();
    if (versions.sort().join() !== expected.join()) this.#fail(`the plan has ${versions}, not ${expected}`);
    const own = new Set([...this.#objects.values()].map(({ address }) => address));
    const named = objects.filter((address) => own.has(address)).sort();
    const going = this.#goingObjects(expected);
    if (named.join() !== going.join()) this.#fail(`the plan has the objects ${named}, not ${going}`);
  }

  async #planned(): Promise<{
    plan: string;
    objects: string[];
    entries: readonly { version?: string }[];
    storedSize: number;
  }> {
    const { plan, entries, storedSize } = await this.store.retention.plan();
    const objects: string[] = [];
    this.#orphans.clear();
    for await (const { blake3, version } of this.store.retention.plannedObjects({ entries })) {
      objects.push(blake3);
      if (version === undefined) this.#orphans.add(blake3);
    }
    return { plan: plan as string, objects, entries, storedSize };
  }

  async #plan(): Promise<void> {
    this.#note('plan');
    const { entries, objects } = await this.#planned();
    this.#compare(entries, objects);
  }

  async #apply(): Promise<void> {
    this.#note('plan and apply');
    const planned = await this.#planned();
    this.#compare(planned.entries, planned.objects);
    const before = (await this.store.usage()).storedSize;
    const report = await this.store.retention.apply(planned.plan);
    if (report.keptCount > 0 || report.objects !== planned.objects.length) this.#fail(`apply did ${report.objects}`);
    const after = (await this.store.usage()).storedSize;
    if (before - after !== planned.storedSize)
      this.#fail(`announced ${planned.storedSize}, returned ${before - after}`);
    this.#gone(planned);
  }

  /** In the model, what a plan named is gone. */
  #gone({ entries, objects }: { entries: readonly { version?: string }[]; objects: readonly string[] }): void {
    for (const { version } of entries) {
      const known = this.#versions.get(version ?? '');
      if (known !== undefined) known.withdrawn = true;
    }
    const named = new Set(objects);
    for (const object of this.#objects.values())
      if (named.has(object.address)) {
        const grace = this.#orphans.has(object.address) ? GRACE_OF_ORPHANS : GRACE;
        Object.assign(object, { state: 'tombstoned', sweepAfter: Date.now() + grace });
      }
  }

  /** Something happens between plan and apply: the plan is carried out as it is, or not at all. */
  async #applyLate(): Promise<void> {
    const planned = await this.#planned();
    this.#note('plan, and before it is applied:');
    await this.#pick([this.#publish, this.#moveRef, this.#hold, this.#put, this.#lock, this.#delete]).call(this);
    const [versions, objects] = [this.#goingVersions(), this.#goingObjects(this.#goingVersions())];
    const own = new Set([...this.#objects.values()].map(({ address }) => address));
    const fits =
      planned.entries.every(
        ({ version }) => !version?.startsWith(`${this.namespace}/`) || versions.includes(version),
      ) && planned.objects.every((address) => !own.has(address) || objects.includes(address));
    try {
      await this.store.retention.apply(planned.plan);
      this.#note('apply');
      if (!fits) this.#fail('a plan was carried out that did not fit any more');
      this.#gone(planned);
    } catch (error) {
      if (!isStoreError(error, 'AS_ERR_PLAN')) throw error;
      this.#note('apply: refused');
      if (fits) this.#fail(`a plan was refused that still fitted: ${error.message}`);
    }
  }

  async #delete(): Promise<void> {
    if (this.#objects.size === 0) return;
    const [name, object] = this.#pick([...this.#objects]);
    const [force, grace] = [this.random(3) === 0, this.random(2) * DAY];
    this.#note(`delete ${name} ${force ? 'by force' : ''} ${grace}`);
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
    if (code !== expected) this.#fail(`delete ${name} gave ${code}, not ${expected}`);
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
    this.#note(`erase ${name}`);
    const code = await codeOf(this.store.erase({ order: 'model', objects: [object.address] }));
    if (code !== expected) this.#fail(`erase ${name} gave ${code}, not ${expected}`);
    if (code === undefined) Object.assign(object, { state: 'deleted', sweepAfter: 0 });
  }

  async #undelete(): Promise<void> {
    const gone = [...this.#objects].filter(([, { state }]) => state !== 'live');
    if (gone.length === 0) return;
    const [name, object] = this.#pick(gone);
    this.#note(`undelete ${name}`);
    const code = await codeOf(this.store.undelete(object.address));
    const expected = object.state === 'deleted' ? 'AS_ERR_GONE' : undefined;
    if (code !== expected) this.#fail(`undelete ${name} gave ${code}, not ${expected}`);
    if (code === undefined) object.state = 'live';
  }

  async #withdraw(): Promise<void> {
    const [name, version] = this.#anyVersion() ?? [];
    if (name === undefined || version === undefined) return;
    this.#note(`withdraw ${name}`);
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
    if (code !== expected) this.#fail(`withdraw ${name} gave ${code}, not ${expected}`);
    if (code === undefined) version.withdrawn = true;
  }

  async #restore(): Promise<void> {
    const [name, version] = this.#anyVersion() ?? [];
    if (name === undefined || version === undefined || !version.withdrawn) return;
    this.#note(`restore ${name}`);
    const parts = partsOf(version).map((part) => this.#objects.get(part) as ModelObject);
    const expected = parts.some(({ state }) => state === 'deleted') ? 'AS_ERR_GONE' : undefined;
    let time = Date.now();
    const code = await codeOf(
      this.store.packages.undelete(name).then(({ record }) => {
        time = record.publishedAt;
      }),
    );
    if (code !== expected) this.#fail(`restore ${name} gave ${code}, not ${expected}`);
    if (code !== undefined) return;
    Object.assign(version, { withdrawn: false, publishedAt: time, order: this.#order++ });
    for (const part of parts) part.state = 'live';
  }

  async #sweep(): Promise<void> {
    this.#note('sweep');
    await this.store.sweep();
    for (const [name, object] of this.#objects) {
      if (object.state !== 'tombstoned' || object.sweepAfter > Date.now()) continue;
      if (!this.#isObjectKept(name)) object.state = 'deleted';
    }
  }

  async #restart(): Promise<void> {
    this.#note('crash');
    this.store = await this.crash();
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

t.setTimeout(0);

/** Opens a store in a folder, and what a crash of it leaves in another. */
interface Place {
  open(folder: string): Promise<Store>;
  crash(from: string, to: string): Promise<void>;
}

/** As anybody does. */
const ON_DISK: Place = {
  open: (folder) => openStore({ path: folder, actor: 'model' }),
  crash: (from, to) => cp(from, to, { recursive: true }),
};

/** The log in a file, the bytes in memory. */
class InMemory implements Place {
  readonly #planes = new Map<string, MemoryPlane>();

  async open(folder: string): Promise<Store> {
    await mkdir(folder, { recursive: true });
    const plane = this.#planes.get(folder) ?? new MemoryPlane();
    this.#planes.set(folder, plane);
    const log = await openEventLog({ path: join(folder, 'events.db'), views: registryViews });
    const store = new Store(folder, false, 'model', plane, log);
    await store.finishDeletions();
    return store;
  }

  async crash(from: string, to: string): Promise<void> {
    await cp(from, to, { recursive: true });
    this.#planes.set(to, (this.#planes.get(from) as MemoryPlane).copy());
    this.#planes.delete(from);
  }
}

/** Runs histories, some of them in one store after the other; gives the number of their steps. */
async function run(histories: number, place: Place): Promise<number> {
  const random = randomSource(SEED);
  const root = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'artifactstore-model-'));
  const left: Store[] = [];
  let [folder, steps] = [0, 0];
  let store: Store | undefined;
  const pathOf = (n: number) => join(root, String(n));
  const open = async () => {
    store = await place.open(pathOf(folder));
    left.push(store);
    return store;
  };
  const closeAll = async () => {
    for (const one of left.splice(0)) await one.close();
    await rm(root, { recursive: true, force: true });
  };
  try {
    for (let n = 0; n < histories; n++) {
      if (n % HISTORIES_OF_A_STORE === 0) {
        await closeAll();
        folder++;
        await open();
      }
      const crash = async () => {
        await place.crash(pathOf(folder), pathOf(folder + 1));
        folder++;
        return open();
      };
      const history = new History(store as Store, `h${n}`, random, crash);
      await history.begin();
      for (let step = 0; step < STEPS; step++, steps++) await history.step(step);
      await history.end();
    }
  } finally {
    await closeAll();
  }
  return steps;
}

t.test(`${HISTORIES_ON_DISK} random histories on disk, ${HISTORIES} in memory`, async (t) => {
  t.setTimeout(0);
  t.comment(`seed ${SEED}`);
  t.equal(await run(HISTORIES_ON_DISK, ON_DISK), HISTORIES_ON_DISK * STEPS, 'on disk');
  t.equal(await run(HISTORIES, new InMemory()), HISTORIES * STEPS, 'in memory');
});
