/**
 * How the parts of a store are put together: the only place where they all meet, and each is lent what it needs of the others.
 *
 * In four storeys, each standing on those before: bytes and log; what is there, and reading it; putting and removing; names, rules and accounts. What a part needs of a
 * storey above comes as a function, which is called when everything stands.
 *
 * Imports all parts of the store. Used by lib/store.ts, which gives each of its verbs to one of them.
 */

import type { ClosableDataPlane } from '../dataplane/inproc/index.js';
import type { ContentAddress } from '../dataplane/spi.js';
import { TieredPlane } from '../dataplane/tiered/index.js';
import type { EventLog } from '../events/log.js';
import type { SqliteEventLog } from '../events/sqlite-log.js';
import type { LifecycleRegistry } from '../registry/lifecycle.js';
import type { Registry } from '../registry/registry.js';
import { createLifecycleRegistry } from '../registry/sqlite-lifecycle.js';
import { createPackageRegistry } from '../registry/sqlite-packages.js';
import { createQuotaRegistry } from '../registry/sqlite-quotas.js';
import { createRegistry } from '../registry/sqlite-registry.js';
import { createRetentionRegistry } from '../registry/sqlite-retention.js';
import { createTokenRegistry } from '../registry/sqlite-tokens.js';
import { RetentionProtection } from '../retention/guard.js';
import { AddressGuard } from './address-guard.js';
import { DeferredPuts } from './deferred-puts.js';
import { Deletion } from './deletion.js';
import { Erasure } from './erasure.js';
import { History } from './history.js';
import { forgetting, KnownObjects } from './known-objects.js';
import { Lifecycle, type LifecycleHost } from './lifecycle.js';
import { NamespaceQuotas } from './namespace-quotas.js';
import { Objects } from './objects.js';
import { Packages } from './packages.js';
import { Presence } from './presence.js';
import type { PutResult } from './put-results.js';
import { Puts } from './puts.js';
import { Quotas } from './quotas.js';
import { Reads } from './reads.js';
import { Retention } from './retention.js';
import type { StoreState } from './state.js';
import { type ColdReads, Tiers } from './tiers.js';
import { Tokens } from './tokens.js';
import { Uploads } from './uploads.js';
import { Verification } from './verification.js';

/** What a store is made of. */
export interface Foundation {
  readonly state: StoreState;
  /** Who acts unless a call says otherwise. */
  readonly actor: string;
  readonly hot: ClosableDataPlane;
  readonly log: SqliteEventLog;
  readonly cold?: { plane: ClosableDataPlane; reads: ColdReads } | undefined;
}

/** The first storey: bytes, log, registry, and the order among those who work on one object. */
interface Ground extends Omit<Foundation, 'hot' | 'cold' | 'log'> {
  readonly dataPlane: ClosableDataPlane;
  readonly log: EventLog;
  readonly sqlite: SqliteEventLog;
  readonly registry: Registry;
  readonly known: KnownObjects;
  readonly guard: AddressGuard;
  readonly deferred: DeferredPuts;
  flush(): Promise<void>;
  /** Where there is a cold tier. */
  readonly tiers: Tiers | undefined;
}

/** All parts, ready to be used. */
export type StoreParts = ReturnType<typeof composeStore>;

/** Puts a store together over a data plane, or two, and a log. Nothing is read or written. */
export function composeStore(foundation: Foundation) {
  const ground = layGround(foundation);
  const readers = composeReaders(ground);
  const life = composeLife(ground, readers.presence);
  const accounts = composeAccounts(ground, readers.presence);
  const names = composeNames(ground, readers, life, accounts);
  const deletion = new Deletion({
    ...ground,
    ...life,
    presence: readers.presence,
    requireUnneeded: (address) => names.packages.requireUnneeded(address),
  });
  return { ...ground, ...readers, ...life, ...accounts, ...names, deletion };
}

function layGround({ state, actor, hot, log: sqlite, cold }: Foundation): Ground {
  const known = new KnownObjects();
  const guard = new AddressGuard();
  const log = forgetting(sqlite, known);
  const registry = createRegistry(sqlite.reader);
  const { readOnly } = state;
  // The registry knows at once what the cold tier may be long in saying.
  const areCold = (addresses: readonly ContentAddress[]) => registry.areCold(addresses);
  const tiered = cold && new TieredPlane({ hot, cold: cold.plane, readOnly, areCold });
  const dataPlane = tiered ?? hot;
  const deferred = new DeferredPuts(
    () => dataPlane.sync(),
    (event) => log.append([event]),
  );
  const flush = () => deferred.flush();
  const tiers = tiered && new Tiers({ plane: tiered, log, registry, guard, readOnly, coldReads: cold.reads, flush });
  return { state, actor, dataPlane, log, sqlite, registry, known, guard, deferred, flush, tiers };
}

/** What is there, reading it, and what has happened. */
function composeReaders(ground: Ground) {
  const { state, log, registry, tiers } = ground;
  const presence = new Presence(ground);
  const reads = new Reads({
    ...ground,
    record: (address) => presence.record(address),
    isPresent: (address) => presence.isPresent(address),
    mayRecord: () => state.isWritable(),
  });
  const verification = new Verification({
    ...ground,
    ...{ path: state.path, readOnly: state.readOnly, presence },
    isTiered: tiers !== undefined,
  });
  const objects = new Objects({ ...ground, reads, presence });
  return { presence, reads, verification, objects, history: new History(log, registry) };
}

/** How objects end. */
function composeLife(ground: Ground, presence: Presence) {
  const { state, sqlite, dataPlane, registry } = ground;
  const retentionRegistry = createRetentionRegistry(sqlite.reader);
  const lifecycleRegistry: LifecycleRegistry = createLifecycleRegistry(sqlite.reader);
  const protection = new RetentionProtection(retentionRegistry);
  const host: LifecycleHost = {
    ...ground,
    registry: lifecycleRegistry,
    registryBehind: createLifecycleRegistry(sqlite.readerBehind),
    protection,
    compact: (signal) => dataPlane.compact(signal && { signal }),
    isPresent: (address) => presence.isPresent(address),
  };
  const erasure = new Erasure({
    ...ground,
    lifecycle: host,
    resolve: (name) => registry.resolve(name),
    requireWritable: () => state.requireWritable(),
  });
  return { lifecycle: new Lifecycle(host), lifecycleRegistry, retentionRegistry, protection, erasure };
}

/** Taking in, and who may take how much. */
function composeAccounts(ground: Ground, presence: Presence) {
  const { state, sqlite } = ground;
  const asked = asks(state);
  const quotaRegistry = createQuotaRegistry(sqlite.reader);
  const tokens = new Tokens({ ...ground, registry: createTokenRegistry(sqlite.reader), ...asked });
  const account = new Quotas({
    limitOf: (token) => tokens.quotaOf(token),
    usedBy: async (token) => (await tokens.find(token)).used,
    standingUploads: () => uploads.standing(),
    namespaces: quotaRegistry,
  });
  const puts = new Puts({ ...ground, presence, quotas: account });
  const uploads: Uploads<PutResult> = new Uploads({
    ...ground,
    quotas: account,
    openForNamespaces: () => quotaRegistry.uploads(),
    requireWritable: asked.requireWritable,
    acknowledged: (ingest, by) => puts.acknowledged(ingest, by),
  });
  const quotas = new NamespaceQuotas({ ...ground, registry: quotaRegistry, quotas: account, ...asked });
  return { account, tokens, puts, uploads, quotas };
}

/** Packages, and the rules by which they stay and go. */
function composeNames(
  ground: Ground,
  { presence, reads, objects }: ReturnType<typeof composeReaders>,
  { lifecycle, lifecycleRegistry, retentionRegistry, protection }: ReturnType<typeof composeLife>,
  { account, puts }: ReturnType<typeof composeAccounts>,
) {
  const { state, sqlite, registry } = ground;
  const asked = asks(state);
  const packageRegistry = createPackageRegistry(sqlite.reader);
  const retention = new Retention({
    ...ground,
    ...{ path: state.path, readOnly: state.readOnly, protection },
    registry: retentionRegistry,
    plainRegistry: createRetentionRegistry(sqlite.plainReader),
    packages: packageRegistry,
    objects: registry,
    lifecycle: lifecycleRegistry,
    put: async (bytes, by) => {
      state.requireWritable();
      return puts.put(bytes, { actor: by });
    },
    read: async (name) => {
      const object = await objects.get(name);
      return { address: object.record.blake3, bytes: await object.bytes() };
    },
    retire: (addresses, options) => lifecycle.retire(addresses, options),
    ...asked,
  });
  const packages = new Packages({
    ...ground,
    ...{ path: state.path, protection, retention },
    registry: packageRegistry,
    quotas: account,
    serve: (object, by) => reads.whole(object, by),
    areLive: (addresses) => registry.areLive(addresses),
    isPresent: (address) => presence.isPresent(address),
    discard: (addresses) => presence.discard(addresses),
    get: async (name, options) => {
      state.requireOpen();
      return objects.get(name, options);
    },
    ...asked,
  });
  return { packages, retention };
}

/** What most parts ask before they do anything. */
function asks(state: StoreState) {
  return { requireOpen: () => state.requireOpen(), requireWritable: () => state.requireWritable() };
}
