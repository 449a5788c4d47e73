/**
 * A large object into a local file, proven and written by the core, which compares each block with what the tree says of it. Over plain HTTP its bytes are never in
 * JavaScript: they go from the connection into the core. Over TLS they are decrypted, and handed to it. What comes otherwise, because a connection broke again or none can be had so, is handed to the core as it comes.
 *
 * Imports reading, the tree, the native file, errors and limits. Called by reading.ts. docs/adr/0039 and 0042 say why.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { ArtifactStoreError } from '../../../errors.js';
import {
  DIGEST_SIZE,
  FILE_STEP_SIZE,
  GROUP_SIZE,
  S3_BLOCK_SIZE,
  S3_IDLE_TIMEOUT_MS,
  S3_RECEIVE_WAIT_MS,
} from '../../../limits.js';
import { loadAddon } from '../../../native/load.js';
import { ProvenFile } from '../../../native/proven-file.js';
import { NativeError } from '../../../native/scheduler.js';
import { pauseAfter } from '../../receive-pause.js';
import type { ByteRange, ContentAddress, FileSink } from '../../spi.js';
import { isSinkRefused, sinkError } from '../native-errors.js';
import type { DecryptedBody, SocketBody } from './bucket.js';
import { blocks, resumed } from './download.js';
import { OutboardReader } from './outboard.js';
import { again, corrupt, notFound, type ReadTools } from './read.js';
import { ProvenTree } from './tree.js';

/** Blocks that one call of the core receives. */
const STEP_BLOCKS = FILE_STEP_SIZE / S3_BLOCK_SIZE;

/** Whether a range can be proven block by block. */
export function isOfBlocks({ start, end }: ByteRange, size: number): boolean {
  return start % S3_BLOCK_SIZE === 0 && (end === size || end % S3_BLOCK_SIZE === 0);
}

/**
 * Puts a range of a large object, of whole blocks, into a file.
 *
 * @param size of the object
 * @returns false, and nothing has been written: it is no empty regular file
 * @throws AS_ERR_NOT_FOUND, AS_ERR_CORRUPT; AS_ERR_ABORTED: by the sink's signal; AS_ERR_NO_SPACE, AS_ERR_IO: the file
 */
export async function downloadInto(
  tools: ReadTools,
  address: ContentAddress,
  size: number,
  range: ByteRange,
  sink: FileSink,
): Promise<boolean> {
  requireWanted(sink);
  let file: ProvenFile;
  try {
    file = await ProvenFile.begin(sink.path, range.start / GROUP_SIZE, range.end - range.start);
  } catch (error) {
    if (isSinkRefused(error)) return false;
    throw sinkError(error, address, sink.path);
  }
  let isWhole = false;
  try {
    await new Download(tools, address, size, range, sink, file).run();
    isWhole = true;
  } catch (error) {
    throw sinkError(error, address, sink.path);
  } finally {
    if (!isWhole) await file.abort();
  }
  await file.end().catch((error) => Promise.reject(sinkError(error, address, sink.path)));
  return true;
}

class Download {
  readonly #values: Values;
  readonly #key: string;
  #told = 0;

  constructor(
    private readonly tools: ReadTools,
    private readonly address: ContentAddress,
    private readonly size: number,
    private readonly range: ByteRange,
    private readonly sink: FileSink,
    private readonly file: ProvenFile,
  ) {
    const reader = new OutboardReader(tools.bucket, tools.keys.outboard(address), size);
    const together = S3_BLOCK_SIZE / GROUP_SIZE;
    this.#values = new Values(
      new ProvenTree(address, size, range, (index) => reader.node(index), undefined, together),
      range.start,
    );
    this.#key = tools.keys.object(address);
  }

  /** Where the next byte stands in the object. */
  get #at(): number {
    return this.range.start + this.file.position;
  }

  async run(): Promise<void> {
    const { bucket } = this.tools;
    const { end } = this.range;
    while (this.#at < end) {
      const from = this.#at;
      const body = await bucket.getAlone(this.#key, from, end);
      const ending = body === undefined ? 'unavailable' : await this.#guarded(() => this.#read(body));
      this.#tell();
      if (ending === 'broken' && this.#at > from) {
        bucket.notice(
          `GET ${bucket.place.bucket}/${this.#key} broke off at byte ${this.#at} of ${end}; it goes on from there.`,
        );
      } else if (ending !== 'whole' && ending !== 'wrong') {
        await this.#guarded(() => this.#take());
      }
    }
  }

  /** Runs a step; a block that came wrong is fetched by itself, with what proves it. */
  async #guarded<T>(step: () => Promise<T>): Promise<T | 'wrong'> {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof NativeError) || error.failure.name !== 'AS_E_CORRUPT') throw error;
    }
    const block = { start: this.#at, end: Math.min(this.#at + S3_BLOCK_SIZE, this.range.end) };
    const bytes = await again(this.tools, this.address, this.size, block);
    await this.#append(bytes);
    return 'wrong';
  }

  #read(body: SocketBody | DecryptedBody): Promise<'whole' | 'broken'> {
    return 'socket' in body ? this.#receive(body) : this.#takeDecrypted(body);
  }

  /** Everything that comes over TLS: while the core has one piece, the next comes. */
  async #takeDecrypted({ size, body }: DecryptedBody): Promise<'whole' | 'broken'> {
    const leave = () => body.close();
    this.sink.signal?.addEventListener('abort', leave, { once: true });
    try {
      this.#requireSize(size);
      for (let piece = await body.next(); piece !== undefined; piece = await body.next()) {
        await this.#append(piece);
        body.release(piece);
      }
      return this.#at < this.range.end ? 'broken' : 'whole';
    } finally {
      this.sink.signal?.removeEventListener('abort', leave);
      body.close();
    }
  }

  /** Everything that comes over a connection of its own. */
  async #receive({ size, before, socket }: SocketBody): Promise<'whole' | 'broken'> {
    try {
      this.#requireSize(size);
      await this.#append(before);
      let waitMs = S3_RECEIVE_WAIT_MS;
      let heard = performance.now();
      while (this.#at < this.range.end) {
        const from = this.#at;
        const values = await this.#values.from(from, STEP_BLOCKS);
        const step = this.file.receive(socket, values, waitMs);
        void this.#values.from(from, 2 * STEP_BLOCKS).catch(() => undefined); // those of the next step, meanwhile; what fails is said when they are needed
        await step;
        const came = this.#at - from;
        this.#tell();
        if (came > 0) heard = performance.now();
        if (performance.now() - heard > S3_IDLE_TIMEOUT_MS) return 'broken';
        // A connection over which little comes holds no thread.
        const isQuick = came >= S3_BLOCK_SIZE;
        waitMs = isQuick ? S3_RECEIVE_WAIT_MS : 0;
        if (!isQuick && this.#at < this.range.end) await sleep(pauseAfter(performance.now() - heard));
      }
      return 'whole';
    } catch (error) {
      if (error instanceof NativeError && error.failure.name === 'AS_E_SOURCE') return 'broken';
      throw error;
    } finally {
      loadAddon().dropSocket(socket);
    }
  }

  /** All that is left as it comes by the ordinary way, which tries as often as it takes. */
  async #take(): Promise<void> {
    const coming = await resumed(this.tools.bucket, this.#key, { start: this.#at, end: this.range.end });
    if (coming === undefined) throw notFound(this.address);
    try {
      this.#requireSize(coming.size);
      // Handed over in pieces of a block: a step of the core costs more than copying so much.
      const free: ArrayBuffer[] = [];
      for await (const { buffer, size } of blocks(coming.bytes, S3_BLOCK_SIZE, free)) {
        await this.#append(new Uint8Array(buffer, 0, size));
        free.push(buffer);
      }
    } finally {
      await coming.leave();
    }
  }

  async #append(bytes: Uint8Array): Promise<void> {
    if (bytes.byteLength === 0) return;
    const from = this.#at;
    const values = await this.#values.from(from, Math.ceil(bytes.byteLength / S3_BLOCK_SIZE) + 1);
    await this.file.append(bytes, values);
    this.#tell();
  }

  #requireSize(size: number): void {
    if (size !== this.size) throw corrupt(this.address, [{ start: 0, end: this.size }]);
  }

  /** Says how much has come since it was said last. A block that came wrong is told once. */
  #tell(): void {
    requireWanted(this.sink);
    const size = this.file.position - this.#told;
    if (size <= 0) return;
    this.#told += size;
    this.sink.onWrite?.(size);
  }
}

/** Chaining values of blocks, in their order, as far as somebody has looked ahead. */
class Values {
  /** Those that have been proven, the first that of block `#first`. */
  #known: Uint8Array[] = [];
  #first: number;
  #asked: Promise<void> = Promise.resolve();
  #isAll = false;

  /** @param start of the range that the tree is over */
  constructor(
    private readonly tree: ProvenTree,
    start: number,
  ) {
    this.#first = start / S3_BLOCK_SIZE;
  }

  /** Those of up to `count` blocks, from the one on that byte `at` lies in; earlier ones are not asked for again. Where the outboard is damaged, a value is none that any block has. */
  async from(at: number, count: number): Promise<Uint8Array> {
    const wanted = Math.floor(at / S3_BLOCK_SIZE);
    this.#asked = this.#asked.then(() => this.#look(wanted + count));
    await this.#asked;
    const values = Buffer.concat(this.#known.slice(wanted - this.#first, wanted - this.#first + count));
    this.#known.splice(0, wanted - this.#first);
    this.#first = Math.max(this.#first, wanted);
    return values;
  }

  async #look(end: number): Promise<void> {
    while (!this.#isAll && this.#first + this.#known.length < end) {
      const value = await this.tree.next();
      if (value === null) this.#isAll = true;
      else this.#known.push(value ?? new Uint8Array(DIGEST_SIZE));
    }
  }
}

function requireWanted({ signal }: FileSink): void {
  if (signal?.aborted) throw new ArtifactStoreError('AS_ERR_ABORTED', 'The read was given up.');
}
