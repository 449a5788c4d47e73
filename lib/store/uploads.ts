/**
 * Uploads: objects that come over several calls, with crashes, restarts and days between them. What is taken in lives in an upload session of the data
 * plane; what was expected of it, and how it ended, stands in the log.
 *
 * Imports the contract, digest text, event kinds, their envelope and the log's interface. The facade makes one and shows it as `Store.uploads`.
 *
 * The data plane acts first, then the log says so. After a crash between the two an upload lacks its last event; which uploads there are to go on with, the
 * data plane alone says.
 */

import type { UploadSession } from '../dataplane/inproc/index.js';
import type { ContentAddress, DataPlane, IngestResult, ObjectHints, Sha256Digest } from '../dataplane/spi.js';
import { digestBytes, formatBlake3, formatSha256 } from '../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { prepareEvent } from '../events/envelope.js';
import { type EventData, factsOf, newEvent } from '../events/kinds.js';
import type { EventLog } from '../events/log.js';
import { uuidv7 } from '../events/uuid.js';
import { type Expectation, hintsOf } from './checks.js';
import { type PutSource, toByteSource, type Watch } from './source.js';

/** What every put gives. */
interface Named {
  blake3: ContentAddress;
  sha256: Sha256Digest;
  /** Bytes. */
  size: number;
}

/** What the facade lends. */
export interface UploadsContext<Stored extends Named> {
  dataPlane: DataPlane & { uploadSessions(): Promise<UploadSession[]> };
  log: EventLog;
  /** Who acts unless a call says otherwise. */
  actor: string;
  /** Throws when the store cannot be written to. */
  requireWritable(): void;
  /** Stores by `ingest` and acknowledges as any put does. */
  acknowledged(ingest: () => Promise<IngestResult>, actor: string): Promise<Stored>;
}

export interface OpenUploadOptions extends Expectation {
  /** 1 to 64 of A to Z, a to z, 0 to 9, _ and -, never used before; default: a UUID. Whoever knows it can go on with the upload. */
  id?: string;
  /** When it is to be given up on, in milliseconds since 1970 UTC; see `expire`. */
  expires?: number;
  actor?: string;
}

export interface AppendOptions extends Watch {
  /** Bytes that came before: where the upload stands, else AS_ERR_OFFSET. */
  offset: number;
}

/** An upload that can be gone on with. */
export interface UploadInfo {
  id: string;
  /** When something last came; milliseconds since 1970 UTC. */
  changed: number;
  /** Bytes that it takes on disk. */
  storedSize: number;
}

/** Uploads of a store. `Stored` is what a completed one gives. */
export class Uploads<Stored extends Named> {
  constructor(private readonly context: UploadsContext<Stored>) {}

  /**
   * Begins an upload.
   *
   * @returns its id
   * @throws AS_ERR_CONFLICT: the id has been used; AS_ERR_INVALID_ARGUMENT, AS_ERR_INVALID_DIGEST, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async open(options: OpenUploadOptions = {}): Promise<string> {
    const { dataPlane, log } = this.context;
    this.context.requireWritable();
    const { id = uuidv7(Date.now()), expires, actor = this.context.actor } = options;
    const { size, blake3, sha256 } = hintsOf(options);
    const facts: EventData['upload.opened'] = {
      ...(size !== undefined && { size }),
      ...(blake3 && { blake3: digestBytes(blake3) }),
      ...(sha256 && { sha256: digestBytes(sha256) }),
      ...(expires !== undefined && { expires }),
    };
    const isUsed = (await this.#opened(id)) !== undefined || (await this.#offset(id)) !== undefined;
    if (isUsed)
      throw new ArtifactStoreError('AS_ERR_CONFLICT', `There was an upload ${id} before. Choose another id.`, { id });
    const event = newEvent('upload.opened', actor, id, facts);
    prepareEvent(event); // what the log would refuse is refused before anything is made
    await dataPlane.ingestStream(nothing(), { session: { id, offset: 0, final: false } });
    await log.append([event]);
    return id;
  }

  /**
   * Takes in the next bytes. Resolves when all of them are durable.
   *
   * @returns how many bytes the upload has now; when the source fails, those that came before are kept, as far as `offset` says
   * @throws AS_ERR_NOT_FOUND: there is no such upload, or it has ended
   * @throws AS_ERR_OFFSET: it stands elsewhere, at `details.expected`
   * @throws AS_ERR_CONFLICT: another call is appending to it
   * @throws AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_READ_ONLY, AS_ERR_ABORTED, AS_ERR_CLOSED, and what the source throws
   */
  async append(id: string, source: PutSource, options: AppendOptions): Promise<number> {
    this.context.requireWritable();
    await this.offset(id); // appending at 0 would make an upload that nobody opened
    const session = { id, offset: options.offset, final: false } as const;
    const { size } = await this.context.dataPlane.ingestStream(toByteSource(source, options), { session });
    return size;
  }

  /** How many bytes an upload has: where `append` goes on. Throws AS_ERR_NOT_FOUND, AS_ERR_CLOSED. */
  async offset(id: string): Promise<number> {
    const offset = await this.#offset(id);
    if (offset === undefined) {
      throw new ArtifactStoreError('AS_ERR_NOT_FOUND', `There is no upload ${id}, or it has ended. Open another.`, {
        id,
      });
    }
    return offset;
  }

  /**
   * Ends an upload with its object, which must be what was expected when it was opened. If it is not, the upload stays as it is.
   *
   * @throws AS_ERR_NOT_FOUND, AS_ERR_DIGEST_MISMATCH, AS_ERR_SIZE_MISMATCH
   * @throws AS_ERR_CONFLICT: another call is appending; or the same content was deleted at this moment, and the upload has to be sent again
   * @throws AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async complete(id: string, options: { actor?: string } = {}): Promise<Stored> {
    const { dataPlane, log } = this.context;
    this.context.requireWritable();
    const { actor = this.context.actor } = options;
    const offset = await this.offset(id);
    const hints = expectedBy(await this.#opened(id));
    const session = { id, offset, final: true } as const;
    const stored = await this.context.acknowledged(
      () => dataPlane.ingestStream(nothing(), { ...hints, session }),
      actor,
    );
    const facts = { size: stored.size, blake3: digestBytes(stored.blake3), sha256: digestBytes(stored.sha256) };
    await log.append([newEvent('upload.completed', actor, id, facts)]);
    return stored;
  }

  /** Ends an upload without an object and frees its space. Throws AS_ERR_NOT_FOUND, AS_ERR_CONFLICT, AS_ERR_READ_ONLY, AS_ERR_CLOSED. */
  async abort(id: string, options: { actor?: string; reason?: string } = {}): Promise<void> {
    this.context.requireWritable();
    const { actor = this.context.actor, reason } = options;
    const offset = await this.offset(id);
    await this.#drop(id);
    const facts = { offset, ...(reason !== undefined && { reason }) };
    await this.context.log.append([newEvent('upload.aborted', actor, id, facts)]);
  }

  /**
   * Ends the uploads that nobody goes on with: those whose time, as given when they were opened, is over, and those without a time to which nothing has come
   * since `idleSince`. One that is being written to is left.
   *
   * @param options `idleSince`: milliseconds since 1970 UTC
   * @returns the ids of those that were ended
   */
  async expire(options: { idleSince: number; actor?: string }): Promise<string[]> {
    this.context.requireWritable();
    const { idleSince, actor = this.context.actor } = options;
    const ended: string[] = [];
    for (const { id, changed } of await this.list()) {
      const expires = (await this.#opened(id))?.expires;
      if (expires === undefined ? changed >= idleSince : expires > Date.now()) continue;
      const offset = await this.#offset(id);
      if (offset === undefined || !(await this.#dropIdle(id))) continue;
      await this.context.log.append([
        newEvent('upload.expired', actor, id, { offset, idleSince: Math.floor(changed) }),
      ]);
      ended.push(id);
    }
    return ended;
  }

  /** Uploads that have not ended, the oldest change first. Throws AS_ERR_CLOSED. */
  async list(): Promise<UploadInfo[]> {
    const sessions = await this.context.dataPlane.uploadSessions();
    return sessions.sort((a, b) => a.changed - b.changed);
  }

  async #offset(id: string): Promise<number | undefined> {
    try {
      return (await this.context.dataPlane.ingestStream(nothing(), { session: { id, query: true } })).size;
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async #drop(id: string): Promise<void> {
    await this.context.dataPlane.ingestStream(nothing(), { session: { id, abort: true } });
  }

  /** Whether the upload could be dropped: not while somebody writes to it. */
  async #dropIdle(id: string): Promise<boolean> {
    try {
      await this.#drop(id);
      return true;
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_CONFLICT')) return false;
      throw error;
    }
  }

  /** What was said when the upload was opened. */
  async #opened(id: string): Promise<EventData['upload.opened'] | undefined> {
    const [event] = await this.context.log.read({ subject: id, kind: 'upload.opened', reverse: true, limit: 1 });
    return event && factsOf(event, 'upload.opened');
  }
}

function expectedBy(facts: EventData['upload.opened'] = {}): ObjectHints {
  const { size, blake3, sha256 } = facts;
  return {
    ...(size !== undefined && { size }),
    ...(blake3 && { blake3: formatBlake3(blake3) }),
    ...(sha256 && { sha256: formatSha256(sha256) }),
  };
}

/** A source without bytes. */
async function* nothing(): AsyncGenerator<Uint8Array> {}
