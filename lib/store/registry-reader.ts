/**
 * The log and the registry of a store without its bytes, for reading, beside whoever has the store open: listing what a running service
 * holds must not need the service to stop.
 *
 * SQLite's write-ahead log lets any number of processes read while one writes. Imports what the composition root imports for the
 * control plane, and no data plane. Called by the doors.
 */

import type { Story } from '../audit/explain.js';
import type { ReadQuery, StoredEvent } from '../events/log.js';
import type { Moment } from '../events/read-all.js';
import { openEventLog, type SqliteEventLog } from '../events/sqlite-log.js';
import type { Delivery } from '../events/subscribe.js';
import { FOLLOW_INTERVAL_MS } from '../limits.js';
import type { PastRegistry } from '../registry/past-registry.js';
import type { ListQuery, ObjectPage, ObjectRecord, Registry, Usage } from '../registry/registry.js';
import { createPackageRegistry } from '../registry/sqlite-packages.js';
import { createQuotaRegistry } from '../registry/sqlite-quotas.js';
import { createRegistry } from '../registry/sqlite-registry.js';
import { createRetentionRegistry } from '../registry/sqlite-retention.js';
import { createTokenRegistry } from '../registry/sqlite-tokens.js';
import type { TokenRegistry } from '../registry/tokens.js';
import { registryViews } from '../registry/views.js';
import { RetentionProtection } from '../retention/guard.js';
import { prepareFolder } from './folder.js';
import {
  type ExplainOptions,
  type FollowOptions,
  History,
  type PastOptions,
  type SubscriptionOptions,
} from './history.js';
import { usageOf, versionsNeeding } from './package-pages.js';
import type { Packages } from './packages.js';
import { QuotaReader } from './quota-reader.js';
import { RetentionReader } from './retention-reader.js';

/**
 * Opens the log and the registry of the store in a folder, for reading.
 *
 * @param options `path`: folder of the store
 * @throws AS_ERR_STORE_MISSING, AS_ERR_STORE_FORMAT, AS_ERR_LOG_DAMAGED, AS_ERR_SQLITE, AS_ERR_IO
 */
export async function openRegistry(options: { path: string }): Promise<RegistryReader> {
  const folder = await prepareFolder(options.path, false, 'either');
  return new RegistryReader(
    folder.path,
    await openEventLog({ path: folder.log, readOnly: true, views: registryViews }),
  );
}

/** What a store holds, according to its log. Every answer shows what was committed before the question, by any process. */
export class RegistryReader {
  readonly #log: SqliteEventLog;
  readonly #registry: Registry;
  readonly #history: History;
  /** Packages, as `Store.packages` lists them; what files one has is in its manifest, among the bytes. */
  readonly packages: Pick<Packages, 'list' | 'refs' | 'containing' | 'usage'>;
  /** Tokens without their secrets. */
  readonly tokens: TokenRegistry;
  /** How long things stay, as far as it can be asked without deciding anything. */
  readonly retention: RetentionReader;
  /** What namespaces may take, and do. */
  readonly quotas: QuotaReader;

  constructor(
    /** Absolute path of the store's folder. */
    readonly path: string,
    log: SqliteEventLog,
  ) {
    this.#log = log;
    this.#registry = createRegistry(log.reader);
    this.#history = new History(log, this.#registry, FOLLOW_INTERVAL_MS);
    const packages = createPackageRegistry(log.reader);
    this.packages = {
      list: (query) => packages.versions(query),
      refs: (query) => packages.refs(query),
      containing: (address) => versionsNeeding(packages, address),
      usage: (namespace) => usageOf(packages, namespace),
    };
    this.tokens = createTokenRegistry(log.reader);
    this.quotas = new QuotaReader(createQuotaRegistry(log.reader), () => undefined);
    const retention = createRetentionRegistry(log.reader);
    this.retention = new RetentionReader({
      registry: retention,
      packages,
      objects: this.#registry,
      protection: new RetentionProtection(retention),
      log,
      requireOpen: () => undefined, // a closed log refuses by itself
    });
  }

  /** As `Store.stat`. */
  stat(name: string): Promise<ObjectRecord> {
    return this.#registry.resolve(name);
  }

  /** As `Store.list`. */
  list(query: ListQuery = {}): Promise<ObjectPage> {
    return this.#registry.list(query);
  }

  /** As `Store.usage`. */
  usage(): Promise<Usage> {
    return this.#registry.usage();
  }

  /** As `Store.events`. */
  events(query: ReadQuery = {}): Promise<StoredEvent[]> {
    return this.#log.read(query);
  }

  /** As `Store.follow`. Another process commits the events, so the log is asked every FOLLOW_INTERVAL_MS. */
  follow(options: FollowOptions = {}): AsyncGenerator<StoredEvent> {
    return this.#history.follow(options);
  }

  /** As `Store.subscribe`, asking as `follow` does. */
  subscribe(options: SubscriptionOptions = {}): AsyncGenerator<Delivery> {
    return this.#history.subscribe(options);
  }

  /** As `Store.explain`. */
  explain(name: string, options: ExplainOptions = {}): Promise<Story> {
    return this.#history.explain(name, options);
  }

  /** What events call the thing that has this name: for a prefix of a digest the content address. Throws AS_ERR_AMBIGUOUS_DIGEST. */
  subjectOf(name: string): Promise<string | undefined> {
    return this.#history.subjectOf(name);
  }

  /** As `Store.at`. */
  at(moment: Moment, options: PastOptions = {}): Promise<PastRegistry> {
    return this.#history.at(moment, options);
  }

  /** As `Store.seqAt`. */
  seqAt(moment: Moment): Promise<number> {
    return this.#history.seqAt(moment);
  }

  close(): Promise<void> {
    this.#history.close();
    return this.#log.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
