/**
 * What a daemon does for its clients: each operation reads its head, asks the data plane, and answers.
 *
 * Imports the contract, what stands in messages, and limits. Called by `host.ts`.
 */

import { toHex } from '../../../digest-name.js';
import { ArtifactStoreError } from '../../../errors.js';
import {
  READ_GATHERED_SIZE_MAX,
  READS_GATHERED_MAX,
  REMOTE_BATCH_TIMEOUT_MS,
  REMOTE_BATCHES_HELD,
  REMOTE_FILES_TOGETHER,
} from '../../../limits.js';
import type { ClosableDataPlane } from '../../closable.js';
import { joinPaths } from '../../file-list.js';
import { fileSource } from '../../file-source.js';
import { MutableIngestTable } from '../../ingest-table.js';
import { Permits } from '../../inproc/permits.js';
import { deleteAll, eraseFrom } from '../../removal.js';
import {
  type ByteRange,
  type BytesSource,
  type ContentAddress,
  type DeletionResult,
  type FileList,
  type IngestTable,
  LOCAL_RECEIPT,
  pathAt,
} from '../../spi.js';
import { lost } from '../barrier.js';
import { withBatchMemory } from '../batch-memory.js';
import { placeTable, readManyRequest, readOutcomesValue, readReads, sum, tableValue } from '../columns.js';
import { deletedValue, readDeletions } from '../deletions.js';
import { malformed } from '../frames.js';
import { listingStream, readListRequest } from '../listing.js';
import type { OperationName } from '../protocol.js';
import { isBytes, isMap } from '../shapes.js';
import {
  type IngestRequest,
  ingestOutcomeValue,
  plainValue,
  readAddress,
  readIngestRequest,
  readServeRequest,
  readVerifyRequest,
} from '../values.js';
import type { Exchange } from './exchange.js';
import { namedError, type Roots, refusedPath } from './roots.js';

/** What the operations work with. */
export interface Host {
  plane: ClosableDataPlane;
  roots: Roots;
  /** Which run of the daemon this is. */
  instance: string;
  /** Nothing is deleted: stores with logs of their own share the objects. */
  isShared: boolean;
}

export class Operations {
  readonly #held = new Permits(REMOTE_BATCHES_HELD);
  readonly #handlers: Readonly<Record<OperationName, (exchange: Exchange) => Promise<void>>> = {
    ingest: (exchange) => this.#ingest(exchange),
    'ingest-many': (exchange) => this.#ingestMany(exchange),
    serve: (exchange) => this.#serve(exchange, (address, range) => this.host.plane.serveObject(address, range)),
    'serve-many': (exchange) => this.#serveMany(exchange),
    outboard: (exchange) => this.#serve(exchange, (address, range) => this.host.plane.serveOutboard(address, range)),
    verify: (exchange) => this.#verify(exchange),
    delete: (exchange) => this.#delete(exchange),
    erase: (exchange) => this.#erase(exchange),
    'delete-many': (exchange) => this.#deleteMany(exchange),
    list: (exchange) => this.#list(exchange),
    health: async (exchange) => exchange.answer(plainValue(await this.host.plane.backendHealth())),
    sync: (exchange) => this.#sync(exchange),
    compact: (exchange) => this.#compact(exchange),
    sessions: async (exchange) => {
      const sessions = await this.host.plane.uploadSessions();
      await exchange.answer(sessions.map(plainValue));
    },
  };

  constructor(private readonly host: Host) {}

  /** Carries an operation out. What it throws is for the caller to answer. */
  run(operation: OperationName, exchange: Exchange): Promise<void> {
    return this.#handlers[operation](exchange);
  }

  async #ingest(exchange: Exchange): Promise<void> {
    const { hints, path } = readIngestRequest(await exchange.body.head());
    if (hints.session !== undefined && 'offset' in hints.session) return this.#append(exchange, hints);
    if (path === undefined) {
      const outcome = await this.host.plane.ingestStream(exchange.body.stream(), hints);
      return exchange.answer(ingestOutcomeValue(outcome));
    }
    if (hints.session !== undefined) throw malformed('a session takes bytes, not a path');
    await this.host.roots.using([path], async (opened) => {
      const file = opened.get(0);
      if (file === undefined) throw refusedPath(path);
      exchange.begin();
      let read = 0;
      const onRead = (size: number) => {
        read += size;
        exchange.report({ read });
      };
      const source = fileSource(file, { onRead, signal: exchange.signal });
      const outcome = await this.host.plane.ingestStream(source, hints).catch((error) => {
        throw namedError(error, file, path);
      });
      exchange.report(ingestOutcomeValue(outcome));
      exchange.end();
    });
  }

  /** The answer begins when the first byte is asked for, and the client sends none before. */
  async #append(exchange: Exchange, hints: IngestRequest['hints']): Promise<void> {
    const { body } = exchange;
    async function* source() {
      exchange.begin();
      yield* body.stream();
    }
    const outcome = await this.host.plane.ingestStream(source(), hints);
    exchange.report(ingestOutcomeValue(outcome));
    exchange.end();
  }

  async #ingestMany(exchange: Exchange): Promise<void> {
    const request = readManyRequest(await exchange.body.head());
    const table =
      'files' in request
        ? await this.#ingestFiles(request.files, exchange.signal)
        : await this.#held.run(() => this.#ingestObjects(exchange, request.sizes));
    await exchange.answer(tableValue(table));
  }

  #ingestObjects(exchange: Exchange, sizes: readonly number[]): Promise<IngestTable> {
    return withBatchMemory(sum(sizes), async (memory) => {
      await exchange.within(REMOTE_BATCH_TIMEOUT_MS, () => exchange.body.fill(memory));
      await exchange.body.end();
      return this.host.plane.ingestMany(objectsIn(memory, sizes));
    });
  }

  async #ingestFiles(files: Pick<FileList, 'paths' | 'ends'>, signal: AbortSignal): Promise<IngestTable> {
    const all = Array.from(files.ends, (_, n) => pathAt(files, n));
    const table = new MutableIngestTable(all.length, LOCAL_RECEIPT);
    const starts = Array.from(
      { length: Math.ceil(all.length / REMOTE_FILES_TOGETHER) },
      (_, n) => n * REMOTE_FILES_TOGETHER,
    );
    await Promise.all(
      starts.map((start) => this.#ingestOpened(all.slice(start, start + REMOTE_FILES_TOGETHER), start, table, signal)),
    );
    return table;
  }

  #ingestOpened(
    paths: readonly Uint8Array[],
    start: number,
    table: MutableIngestTable,
    signal: AbortSignal,
  ): Promise<void> {
    return this.host.roots.using(paths, async (opened) => {
      for (const [n, path] of paths.entries()) if (!opened.has(n)) table.errors.set(start + n, refusedPath(path));
      const places = [...opened.keys()];
      const names = [...opened.values()];
      const part = await this.host.plane.ingestMany({ ...joinPaths(names), signal });
      for (const [row, error] of part.errors) {
        part.errors.set(row, namedError(error, names[row] as string, paths[places[row] as number] as Uint8Array));
      }
      placeTable(table, part, (row) => start + (places[row] as number));
    });
  }

  async #serve(
    exchange: Exchange,
    give: (address: ContentAddress, range?: ByteRange) => AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { address, range } = readServeRequest(await exchange.body.head());
    await exchange.stream(give(address, range));
  }

  async #serveMany(exchange: Exchange): Promise<void> {
    const reads = readReads(await exchange.body.head());
    const isTooMuch =
      reads.length > READS_GATHERED_MAX || reads.some(({ range }) => range.end > READ_GATHERED_SIZE_MAX);
    if (isTooMuch)
      throw malformed(
        `there are more than ${READS_GATHERED_MAX} reads, or one that ends beyond ${READ_GATHERED_SIZE_MAX}`,
      );
    const outcomes = await Promise.all(
      reads.map(({ address, range }) => this.#serveSmall(address, range).catch((error: Error) => error)),
    );
    await exchange.answer(
      readOutcomesValue(outcomes),
      outcomes.filter((one) => !(one instanceof Error)) as Uint8Array[],
    );
  }

  async #serveSmall(address: ContentAddress, range: ByteRange): Promise<Uint8Array> {
    const whole = await this.host.plane.serveSmall?.(address, range);
    if (whole !== undefined) return whole;
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.host.plane.serveObject(address, range)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async #verify(exchange: Exchange): Promise<void> {
    const { address, options } = readVerifyRequest(await exchange.body.head());
    const result = await this.host.plane.verifyObject(address, { ...options, signal: exchange.signal });
    await exchange.answer(plainValue({ ...result, damaged: result.damaged.map(plainValue) }));
  }

  async #delete(exchange: Exchange): Promise<void> {
    const address = readAddress(await exchange.body.head());
    const result = this.host.isShared ? { deleted: false, freedSize: 0 } : await this.host.plane.deleteObject(address);
    await exchange.answer(plainValue(result));
  }

  async #erase(exchange: Exchange): Promise<void> {
    const address = readAddress(await exchange.body.head());
    const { plane, isShared } = this.host;
    if (isShared) throw cannotErase();
    await exchange.answer(plainValue(await eraseFrom(plane, address)));
  }

  async #deleteMany(exchange: Exchange): Promise<void> {
    const addresses = readDeletions(await exchange.body.head());
    await exchange.body.end();
    await exchange.answer(deletedValue(await this.#removeMany(addresses)));
  }

  #removeMany(addresses: readonly ContentAddress[]): Promise<(DeletionResult | Error)[]> {
    const { plane, isShared } = this.host;
    if (isShared) return Promise.resolve(addresses.map(() => ({ deleted: false, freedSize: 0 })));
    return deleteAll(plane, addresses);
  }

  async #list(exchange: Exchange): Promise<void> {
    const part = readListRequest(await exchange.body.head());
    const { plane, isShared } = this.host;
    if (isShared) throw cannotList('several stores use its objects, and no log names all of them');
    if (plane.listObjects === undefined) throw cannotList('what stands behind it does not say what it has');
    await exchange.stream(listingStream(await plane.listObjects(part)));
  }

  async #sync(exchange: Exchange): Promise<void> {
    const head = await exchange.body.head();
    const held = isMap(head) ? head.instance : null;
    if (held !== undefined && !isBytes(held, 16))
      throw malformed('a sync names the run of the daemon that holds what was deferred');
    if (held !== undefined && toHex(held) !== this.host.instance) throw lost();
    await this.host.plane.sync();
    await exchange.answer({});
  }

  async #compact(exchange: Exchange): Promise<void> {
    exchange.begin();
    const onProgress = (report: object) => exchange.report(plainValue(report));
    onProgress(await this.host.plane.compact({ onProgress, signal: exchange.signal }));
    exchange.end();
  }
}

/** Objects that stand one behind the other. */
function objectsIn(bytes: Uint8Array, sizes: readonly number[]): BytesSource[] {
  let end = 0;
  return sizes.map((size) => {
    end += size;
    return new OneObject(bytes.subarray(end - size, end));
  });
}

class OneObject implements BytesSource {
  constructor(readonly bytes: Uint8Array) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    yield this.bytes;
  }
}

function cannotList(reason: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_UNAVAILABLE', `This data plane lists nothing: ${reason}.`, { reason });
}

function cannotErase(): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_UNAVAILABLE',
    'This data plane erases nothing: several stores use its objects, and what one must erase another may need. Ask its operator.',
  );
}
