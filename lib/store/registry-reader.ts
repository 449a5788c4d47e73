/**
 * The log and the registry of a store without its bytes, for reading, beside whoever has the store open: listing what a running service
 * holds must not need the service to stop.
 *
 * SQLite's write-ahead log lets any number of processes read while one writes. Imports what the composition root imports for the
 * control plane, and no data plane. Called by the doors.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { ReadQuery, StoredEvent } from '../events/log.js';
import { openEventLog, type SqliteEventLog } from '../events/sqlite-log.js';
import { FOLLOW_INTERVAL_MS } from '../limits.js';
import type { PackageRegistry } from '../registry/packages.js';
import type { ListQuery, ObjectPage, ObjectRecord, Registry, Usage } from '../registry/registry.js';
import { createPackageRegistry } from '../registry/sqlite-packages.js';
import { createRegistry } from '../registry/sqlite-registry.js';
import { registryViews } from '../registry/views.js';
import { prepareFolder } from './folder.js';

/**
 * Opens the log and the registry of the store in a folder, for reading.
 *
 * @param options `path`: folder of the store
 * @throws AS_ERR_STORE_MISSING, AS_ERR_STORE_FORMAT, AS_ERR_LOG_DAMAGED, AS_ERR_SQLITE, AS_ERR_IO
 */
export async function openRegistry(options: { path: string }): Promise<RegistryReader> {
  const folder = await prepareFolder(options.path, false);
  return new RegistryReader(
    folder.path,
    await openEventLog({ path: folder.log, readOnly: true, views: registryViews }),
  );
}

/** What a store holds, according to its log. Every answer shows what was committed before the question, by any process. */
export class RegistryReader {
  readonly #log: SqliteEventLog;
  readonly #registry: Registry;
  /** Versions and refs; what files a package has is in its manifest, among the bytes. */
  readonly packages: PackageRegistry;

  constructor(
    /** Absolute path of the store's folder. */
    readonly path: string,
    log: SqliteEventLog,
  ) {
    this.#log = log;
    this.#registry = createRegistry(log.reader);
    this.packages = createPackageRegistry(log.reader);
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

  /**
   * Events as they happen, from behind `after` on, without end. Another process commits them, so the log is asked every
   * FOLLOW_INTERVAL_MS.
   *
   * @param options `after`: seq to start behind; default: what is newest now. `signal`: ends it
   */
  async *follow(options: { after?: number; signal?: AbortSignal } = {}): AsyncGenerator<StoredEvent> {
    const { signal } = options;
    let after = options.after ?? (await this.#log.last());
    while (!signal?.aborted) {
      const events = await this.#log.read({ after });
      yield* events;
      after = events.at(-1)?.seq ?? after;
      if (events.length === 0) await sleep(FOLLOW_INTERVAL_MS, undefined, signal && { signal }).catch(() => undefined);
    }
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
