/**
 * Many objects on their way to a daemon: small ones share requests, files go as their paths where the daemon reads them itself, and else as their bytes.
 *
 * Imports the connection, the contract, the file system for files that the daemon does not read, and limits. Called by the client.
 */

import { isStoreError } from '../../errors.js';
import {
  GATHER_ALONE_SIZE,
  REMOTE_BATCH_MAX,
  REMOTE_BATCH_PATHS_SIZE_MAX,
  REMOTE_BATCH_SIZE_MAX,
  REMOTE_BATCHES_IN_FLIGHT,
} from '../../limits.js';
import { joinPaths } from '../file-list.js';
import { fileSource } from '../file-source.js';
import type { MutableIngestTable } from '../ingest-table.js';
import { Permits } from '../inproc/permits.js';
import {
  type ByteSource,
  type BytesSource,
  type FileList,
  type FileSource,
  type IngestResult,
  isBytesSource,
  isFileList,
  isFileSource,
  pathAt,
  type Receipt,
} from '../spi.js';
import { sendObjects } from './batch.js';
import { filesValue, placeTable, readTable } from './columns.js';
import { aborted, type Connection } from './connection.js';
import { readIfSmall } from './local-files.js';
import { isBelowAny, pathBytes } from './paths.js';

/** Something to store, and its place among all. */
interface Item<T> {
  place: number;
  what: T;
}

/** Files that are read at a time: as many as Node has threads for, several times over. */
const READ_TOGETHER = 16;

type File = Pick<FileSource, 'path' | 'onRead' | 'signal'>;

/** A call with many objects. */
export class ManyIngest {
  /** Requests of this call under way, whatever they carry. */
  readonly #permits = new Permits(REMOTE_BATCHES_IN_FLIGHT);

  /**
   * @param table takes results and errors, as many as there are sources
   * @param one stores what shares no request
   */
  constructor(
    private readonly connection: Connection,
    private readonly table: MutableIngestTable,
    private readonly one: (source: ByteSource) => Promise<IngestResult>,
  ) {}

  /** Stores all of them. */
  async run(sources: readonly ByteSource[] | FileList): Promise<void> {
    if (isFileList(sources)) {
      return this.#files(Array.from(sources.ends, (_, place) => ({ place, what: fileOf(sources, place) })));
    }
    const objects: Item<Uint8Array>[] = [];
    const files: Item<File>[] = [];
    const others: Item<ByteSource>[] = [];
    for (const [place, source] of sources.entries()) {
      if (isFileSource(source)) files.push({ place, what: source });
      else if (isSmallBytes(source)) objects.push({ place, what: source.bytes });
      else others.push({ place, what: source });
    }
    await Promise.all([this.#objects(objects), this.#files(files), ...others.map((item) => this.#alone(item))]);
  }

  async #objects(items: readonly Item<Uint8Array>[]): Promise<void> {
    const batches = batchesOf(items, ({ byteLength }) => byteLength, REMOTE_BATCH_SIZE_MAX);
    await Promise.all(batches.map((batch) => this.#permits.run(() => this.#sendObjects(batch))));
  }

  async #files(items: readonly Item<File>[]): Promise<void> {
    if (items.length === 0) return;
    const { roots } = await this.connection.greeting();
    const paths = items.filter(({ what }) => isBelowAny(roots, pathBytes(what.path)));
    const batches = batchesOf(paths, ({ path }) => pathBytes(path).byteLength, REMOTE_BATCH_PATHS_SIZE_MAX);
    const refused = await Promise.all(batches.map((batch) => this.#permits.run(() => this.#sendPaths(batch))));
    const known = new Set(paths);
    const unread = [...items.filter((item) => !known.has(item)), ...refused.flat()];
    await this.#readAndSend(unread);
  }

  async #sendObjects(batch: readonly Item<Uint8Array>[]): Promise<void> {
    await this.#take(batch, () =>
      sendObjects(
        this.connection,
        batch.map(({ what }) => what),
      ),
    );
  }

  /** Has the daemon read files; those that it does not read. */
  async #sendPaths(batch: readonly Item<File>[]): Promise<Item<File>[]> {
    const head = filesValue(joinPaths(batch.map(({ what }) => what.path)));
    const request = { operation: 'ingest-many', head, signal: batch[0]?.what.signal } as const;
    const isSent = await this.#take(batch, async () => readTable(await this.connection.call(request), batch.length));
    if (!isSent) return [];
    const refused = batch.filter(({ place }) => isStoreError(this.table.errors.get(place), 'AS_ERR_FORBIDDEN'));
    for (const { place, what } of batch)
      if (!this.table.errors.has(place)) what.onRead?.(this.table.sizes[place] as number);
    for (const { place } of refused) this.table.errors.delete(place);
    return refused;
  }

  /** Takes down what became of a batch; false when all of it failed alike. */
  async #take(batch: readonly Item<unknown>[], send: () => Promise<MutableIngestTable>): Promise<boolean> {
    try {
      placeTable(this.table, await send(), (row) => (batch[row] as Item<unknown>).place);
      return true;
    } catch (error) {
      for (const { place } of batch) this.table.errors.set(place, error as Error);
      return false;
    }
  }

  /** Reads files here: small ones share requests, larger ones are streams. */
  async #readAndSend(items: readonly Item<File>[]): Promise<void> {
    const parts = batchesOf(items, () => 0, 0);
    await Promise.all(parts.map((part) => this.#permits.run(() => this.#readPart(part))));
  }

  async #readPart(part: readonly Item<File>[]): Promise<void> {
    let small: Item<Uint8Array>[] = [];
    let size = 0;
    const flush = async () => {
      await this.#sendObjects(small);
      [small, size] = [[], 0];
    };
    for (let at = 0; at < part.length; at += READ_TOGETHER) {
      const found = await Promise.all(part.slice(at, at + READ_TOGETHER).map((item) => this.#read(item)));
      for (const { place, what } of found.filter((one) => one !== undefined)) {
        if (size + what.byteLength > REMOTE_BATCH_SIZE_MAX) await flush();
        small.push({ place, what });
        size += what.byteLength;
      }
    }
    if (small.length > 0) await flush();
  }

  /** The bytes of a small file; a larger one is stored alone. */
  async #read(item: Item<File>): Promise<Item<Uint8Array> | undefined> {
    const { place, what } = item;
    try {
      if (what.signal?.aborted) throw aborted();
      const bytes = await readIfSmall(what.path);
      if (bytes === undefined) await this.#alone({ place, what: fileSource(what.path, what) });
      else what.onRead?.(bytes.byteLength);
      return bytes && { place, what: bytes };
    } catch (error) {
      this.table.errors.set(place, error as Error);
      return undefined;
    }
  }

  async #alone({ place, what }: Item<ByteSource>): Promise<void> {
    try {
      const { receipts, blake3, sha256, ...result } = await this.one(what);
      const [{ backend, tier, durability, storedSize }] = receipts as [Receipt];
      Object.assign(this.table.receipt, { backend, tier, durability });
      this.table.set(place, { ...result, digests: Buffer.concat([blake3, sha256]), storedSize });
    } catch (error) {
      this.table.errors.set(place, error as Error);
    }
  }
}

/** Whether it shares a request. */
export function isSmallBytes(source: ByteSource): source is BytesSource {
  return isBytesSource(source) && source.bytes.byteLength < GATHER_ALONE_SIZE;
}

function fileOf(files: FileList, place: number): File {
  const { onRead, signal } = files;
  return { path: pathAt(files, place), ...(onRead && { onRead }), ...(signal && { signal }) };
}

/** Items in parts that a request may have; of any size where `sizeMax` is 0. */
function batchesOf<T>(items: readonly Item<T>[], sizeOf: (what: T) => number, sizeMax: number): Item<T>[][] {
  const batches: Item<T>[][] = [];
  let size = 0;
  for (const item of items) {
    const own = sizeOf(item.what);
    const last = batches.at(-1);
    if (last === undefined || last.length === REMOTE_BATCH_MAX || (sizeMax > 0 && size + own > sizeMax)) {
      batches.push([item]);
      size = own;
    } else {
      last.push(item);
      size += own;
    }
  }
  return batches;
}
