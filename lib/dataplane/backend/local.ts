/**
 * The local backend: objects in a folder, through the native core.
 *
 * One method for each native operation, with errors turned into ours; no policy. Imports the scheduler that carries operations to workers,
 * and the addon's types. Called by lib/dataplane/inproc.
 */

import { digestBytes } from '../../digest-name.js';
import { ArtifactStoreError } from '../../errors.js';
import { FILE_FIRST_STEP_SIZE, FILE_FIRST_STEP_WEIGHT } from '../../limits.js';
import {
  type Expectation,
  type Handle,
  type NativeHealth,
  type NativeIngested,
  type NativeVerified,
  Op,
  OpenFlag,
  type Operation,
} from '../../native/addon.js';
import type { Scheduler } from '../../native/scheduler.js';
import type { ContentAddress, IngestHints } from '../spi.js';
import { openError, readError, sourceError, storeError } from './native-errors.js';

export interface LocalOptions {
  /** Folder of the data plane's own. */
  path: string;
  readOnly: boolean;
  /** Make the store when the folder is missing or empty. */
  create: boolean;
}

/** The first step of a read: the object's size, where the bytes are in the slab, and a reader when more remain. */
export interface ReadStart {
  objectSize: number;
  skip: number;
  size: number;
  reader: Handle | undefined;
}

export class LocalBackend {
  /** Readers that nobody has closed yet: an iteration may be abandoned half-way. */
  readonly #readers = new Set<Handle>();

  private constructor(
    readonly path: string,
    readonly readOnly: boolean,
    private readonly scheduler: Scheduler,
    private readonly store: Handle,
  ) {}

  /** @throws AS_ERR_STORE_LOCKED, AS_ERR_STORE_FORMAT, AS_ERR_STORE_MISSING, AS_ERR_READ_ONLY, AS_ERR_IO */
  static async open(options: LocalOptions, scheduler: Scheduler): Promise<LocalBackend> {
    const flags = (options.readOnly ? OpenFlag.readOnly : 0) | (options.create ? OpenFlag.create : 0);
    const store = await scheduler
      .run<Handle>([Op.open, options.path, flags])
      .catch((error) => Promise.reject(openError(error, options.path)));
    return new LocalBackend(options.path, options.readOnly, scheduler, store);
  }

  /** What ends the backend: the scheduler's last operations. */
  closing(): Operation[] {
    return [...[...this.#readers].map((reader): Operation => [Op.readClose, reader]), [Op.close, this.store]];
  }

  health(): Promise<NativeHealth> {
    return this.#store(this.scheduler.run<NativeHealth>([Op.health, this.store]));
  }

  /** A whole object in memory, stored durably; shares its commit with others that wait. */
  ingestWhole(bytes: Uint8Array, hints: IngestHints): Promise<NativeIngested> {
    return this.#store(
      this.scheduler.run<NativeIngested>([Op.ingestWhole, this.store, bytes, ...expectation(hints)], bytes.byteLength),
      hints,
    );
  }

  ingestBegin(): Promise<Handle> {
    return this.#store(this.scheduler.run<Handle>([Op.ingestBegin, this.store]));
  }

  async ingestAppend(ingest: Handle, bytes: Uint8Array): Promise<void> {
    await this.#store(this.scheduler.run<null>([Op.ingestAppend, ingest, bytes], bytes.byteLength));
  }

  ingestCommit(ingest: Handle, hints: IngestHints): Promise<NativeIngested> {
    return this.#store(this.scheduler.run<NativeIngested>([Op.ingestCommit, ingest, ...expectation(hints)]), hints);
  }

  async ingestAbort(ingest: Handle): Promise<void> {
    await this.scheduler.run<null>([Op.ingestAbort, ingest]);
  }

  /** The first FILE_FIRST_STEP_SIZE bytes of a file: the finished ingest if that was all of it, else a handle for `filePump`. */
  fileBegin(path: string | Uint8Array, hints: IngestHints): Promise<NativeIngested | Handle> {
    const operation: Operation = [Op.fileBegin, this.store, path, FILE_FIRST_STEP_SIZE, ...expectation(hints)];
    return this.scheduler
      .run<NativeIngested | Handle>(operation, FILE_FIRST_STEP_WEIGHT)
      .catch((error) => Promise.reject(sourceError(error, path, hints)));
  }

  /** Up to `most` further bytes; 0 at the end of the file. */
  filePump(ingest: Handle, most: number, path: string | Uint8Array): Promise<number> {
    return this.scheduler
      .run<number>([Op.filePump, ingest, most], most)
      .catch((error) => Promise.reject(sourceError(error, path, {})));
  }

  /** Verified bytes from `start`, to `end` or as many as the slab takes. */
  async readStart(address: ContentAddress, start: number, end: number | null, slab: Uint8Array): Promise<ReadStart> {
    const [objectSize = 0, skip = 0, size = 0, reader = 0] = await this.scheduler
      .run<number[]>([Op.readStart, this.store, digestBytes(address), start, end, slab], slab.byteLength)
      .catch((error) => Promise.reject(readError(error, address)));
    if (reader !== 0) this.#readers.add(reader);
    return { objectSize, skip, size, reader: reader === 0 ? undefined : reader };
  }

  async readNext(
    reader: Handle,
    address: ContentAddress,
    offset: number,
    slab: Uint8Array,
  ): Promise<{ skip: number; size: number }> {
    const [skip = 0, size = 0] = await this.scheduler
      .run<number[]>([Op.readNext, reader, offset, slab], slab.byteLength)
      .catch((error) => Promise.reject(readError(error, address)));
    return { skip, size };
  }

  async readClose(reader: Handle): Promise<void> {
    if (this.scheduler.closed) return; // `closing` does it
    this.#readers.delete(reader);
    await this.scheduler.run<null>([Op.readClose, reader]);
  }

  async verifyBegin(address: ContentAddress): Promise<{ size: number; verifier: Handle }> {
    const [size = 0, verifier = 0] = await this.scheduler
      .run<number[]>([Op.verifyBegin, this.store, digestBytes(address)])
      .catch((error) => Promise.reject(readError(error, address)));
    return { size, verifier };
  }

  verifyPump(verifier: Handle, most: number): Promise<number> {
    return this.#store(this.scheduler.run<number>([Op.verifyPump, verifier, most], most));
  }

  verifyFinish(verifier: Handle): Promise<NativeVerified> {
    return this.#store(this.scheduler.run<NativeVerified>([Op.verifyFinish, verifier]));
  }

  async verifyAbort(verifier: Handle): Promise<void> {
    await this.scheduler.run<null>([Op.verifyAbort, verifier]);
  }

  async remove(address: ContentAddress): Promise<{ deleted: boolean; freedSize: number }> {
    const [removed = 0, freedSize = 0] = await this.#store(
      this.scheduler.run<number[]>([Op.remove, this.store, digestBytes(address)]),
    );
    return { deleted: removed !== 0, freedSize };
  }

  #store<T>(outcome: Promise<T>, hints: IngestHints = {}): Promise<T> {
    return outcome.catch((error) => Promise.reject(storeError(error, this.path, hints)));
  }
}

function expectation(hints: IngestHints): Expectation {
  if (hints.size !== undefined && !(Number.isSafeInteger(hints.size) && hints.size >= 0)) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `size ${hints.size} is not a number of bytes; give an integer from 0 to 2^53-1.`,
    );
  }
  return [
    hints.blake3 === undefined ? null : digestBytes(hints.blake3),
    hints.sha256 === undefined ? null : digestBytes(hints.sha256),
    hints.size ?? null,
  ];
}
