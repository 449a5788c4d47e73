/**
 * Uploads: objects that come over several calls, with crashes, restarts and days between them. What is taken in lives in an upload session of the data
 * plane; what was expected of it, and how it ended, stands in the log.
 *
 * Imports the contract, digest text, event kinds, their envelope, names of namespaces and the log's interface. The facade makes one and shows it as `Store.uploads`.
 *
 * The data plane acts first, then the log says so. After a crash between the two an upload lacks its last event; which uploads there are to go on with, the
 * data plane alone says.
 */

import type { UploadSession } from '../dataplane/inproc/index.js';
import type {
  ContentAddress,
  DataPlane,
  IngestResult,
  ObjectHints,
  SessionResult,
  Sha256Digest,
} from '../dataplane/spi.js';
import { digestBytes, formatBlake3, formatSha256 } from '../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { prepareEvent } from '../events/envelope.js';
import { type EventData, factsOf, newEvent } from '../events/kinds.js';
import type { EventLog, NewEvent, StoredEvent } from '../events/log.js';
import { uuidv7 } from '../events/uuid.js';
import { SESSION_CHECKPOINT_INTERVAL_MS } from '../limits.js';
import { requireNamespace } from '../packages/name.js';
import { Changes } from './changes.js';
import { type Expectation, hintsOf } from './checks.js';
import type { Hold } from './quota-account.js';
import { metered, type Quotas, type StandingUpload } from './quotas.js';
import { isStream, type PutSource, toByteSource, type Watch } from './source.js';

/** What every put gives. */
interface Named {
  blake3: ContentAddress;
  sha256: Sha256Digest;
  /** Bytes. */
  size: number;
  existed: boolean;
}

/** What the facade lends. */
export interface UploadsContext<Stored extends Named> {
  dataPlane: DataPlane & { uploadSessions(): Promise<UploadSession[]> };
  log: EventLog;
  quotas: Quotas;
  /** Who acts unless a call says otherwise. */
  actor: string;
  /** Uploads for namespaces that have not ended, as far as the log says. */
  openForNamespaces(): Promise<string[]>;
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
  /** What its sender says about it; kept in the log and given back as it is. */
  metadata?: string;
  /** The namespace that the object is for: its length is reserved in the quota of that, and what it becomes counts for it until a package has it. */
  namespace?: string;
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

/** One upload, also one that has ended. */
export interface Upload {
  id: string;
  state: 'open' | 'completed' | 'aborted' | 'expired';
  /** Bytes taken in. */
  offset: number;
  /** Digests of the first `offset` bytes, so of the object when completed; absent when it ended without one. */
  digests?: { blake3: ContentAddress; sha256: Sha256Digest };
  /** Bytes that the object is to have, once that is known. */
  size?: number;
  /** When it is given up on; milliseconds since 1970 UTC. */
  expires?: number;
  /** As given when it was opened. */
  metadata?: string;
  /** The namespace that it is for. */
  namespace?: string;
  /** The event that ended it. */
  end?: StoredEvent;
}

/** Uploads of a store. `Stored` is what a completed one gives. */
export class Uploads<Stored extends Named> {
  readonly #changes = new Changes();
  /** Uploads between their last byte and their last event, when they can be found in neither way. */
  readonly #completing = new Map<string, Promise<unknown>>();
  /** Uploads that are being given up: between the end of the session and the event. */
  readonly #ending = new Set<string>();

  constructor(private readonly context: UploadsContext<Stored>) {}

  /**
   * Begins an upload.
   *
   * @returns its id
   * @throws AS_ERR_QUOTA: the quota of the namespace, or that of the token that acts, has no room for `size` bytes; the room is the upload's until it ends
   * @throws AS_ERR_CONFLICT: the id has been used; AS_ERR_INVALID_ARGUMENT, AS_ERR_INVALID_DIGEST, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async open(options: OpenUploadOptions = {}): Promise<string> {
    const { dataPlane, log, quotas } = this.context;
    this.context.requireWritable();
    const { id = uuidv7(Date.now()), expires, metadata, namespace, actor = this.context.actor } = options;
    const { size, blake3, sha256 } = hintsOf(options);
    const facts: EventData['upload.opened'] = {
      ...(size !== undefined && { size }),
      ...(blake3 && { blake3: digestBytes(blake3) }),
      ...(sha256 && { sha256: digestBytes(sha256) }),
      ...(expires !== undefined && { expires }),
      ...(metadata !== undefined && { metadata }),
      ...(namespace !== undefined && { namespace: requireNamespace(namespace) }),
    };
    const isUsed = (await this.#history(id)).opened !== undefined || (await this.#session(id)) !== undefined;
    if (isUsed)
      throw new ArtifactStoreError('AS_ERR_CONFLICT', `There was an upload ${id} before. Choose another id.`, { id });
    const event = newEvent('upload.opened', actor, id, facts);
    prepareEvent(event); // what the log would refuse is refused before anything is made
    const hold = await quotas.hold(actor, namespace);
    try {
      await hold?.growTo(size ?? 0);
      await dataPlane.ingestStream(nothing(), { session: { id, offset: 0, final: false } });
      await log.append([event]);
    } catch (error) {
      hold?.release();
      throw error;
    }
    if (hold !== undefined) await quotas.keepForUpload(id, hold);
    return id;
  }

  /**
   * Takes in the next bytes. Resolves when all of them are durable.
   *
   * @returns how many bytes the upload has now; when the source fails, those that came before are kept, as far as `offset` says
   * @throws AS_ERR_NOT_FOUND: there is no such upload, or it has ended
   * @throws AS_ERR_OFFSET: it stands elsewhere, at `details.expected`
   * @throws AS_ERR_CONFLICT: another call is appending to it
   * @throws AS_ERR_QUOTA: the token that opened it, or the namespace that it is for, has no room for more; what came before is kept
   * @throws AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_READ_ONLY, AS_ERR_ABORTED, AS_ERR_CLOSED, and what the source throws
   */
  async append(id: string, source: PutSource, options: AppendOptions): Promise<number> {
    this.context.requireWritable();
    await this.offset(id); // appending at 0 would make an upload that nobody opened
    const hold = await this.context.quotas.ofUpload(id);
    const session = { id, offset: options.offset, final: false } as const;
    const within = hold === undefined ? source : await withinHold(source, hold, options.offset);
    try {
      const { size } = await this.context.dataPlane.ingestStream(toByteSource(within, options), { session });
      return size;
    } finally {
      this.#changes.note(id);
    }
  }

  /**
   * How an upload goes: where it stands now, again whenever it stands elsewhere, and at last how it has ended. While bytes come it is looked at as often
   * as they are made durable.
   *
   * @throws AS_ERR_NOT_FOUND, as `find` does; AS_ERR_CLOSED
   */
  async *watch(id: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<Upload> {
    let before: Upload | undefined;
    while (!signal?.aborted) {
      const change = this.#changes.next(id, SESSION_CHECKPOINT_INTERVAL_MS, signal);
      await this.#completing.get(id);
      const upload = await this.find(id);
      const { state, offset, size } = upload;
      if (state !== before?.state || offset !== before.offset || size !== before.size) yield upload;
      if (state !== 'open') return;
      before = upload;
      await change;
    }
  }

  /** Every upload that has not ended, with the bytes that it has or is to have. Throws AS_ERR_CLOSED. */
  async standing(): Promise<StandingUpload[]> {
    const standing: StandingUpload[] = [];
    for (const { id } of await this.list()) {
      const { opened, openedBy, sized } = await this.#history(id);
      const size = opened?.size ?? sized?.size ?? (await this.#session(id))?.size ?? 0;
      standing.push({ id, actor: openedBy, namespace: opened?.namespace, size });
    }
    return standing;
  }

  /** How many bytes an upload has: where `append` goes on. Throws AS_ERR_NOT_FOUND, AS_ERR_CLOSED. */
  async offset(id: string): Promise<number> {
    const session = await this.#session(id);
    if (session === undefined) throw notFound(id);
    return session.size;
  }

  /**
   * What is known about an upload, one that has ended included.
   *
   * @throws AS_ERR_NOT_FOUND: there never was one, or it ended in a crash; AS_ERR_CLOSED
   */
  async find(id: string): Promise<Upload> {
    const session = await this.#session(id);
    const { opened, sized, end } = await this.#history(id);
    const size = opened?.size ?? sized?.size;
    const told = {
      ...(opened?.expires !== undefined && { expires: opened.expires }),
      ...(opened?.metadata !== undefined && { metadata: opened.metadata }),
      ...(opened?.namespace !== undefined && { namespace: opened.namespace }),
    };
    if (session !== undefined) {
      const sizes = { offset: session.size, ...(size !== undefined && { size }) };
      return { id, state: 'open', ...sizes, digests: textOf(session), ...told };
    }
    if (end === undefined) throw notFound(id);
    const object = factsOf(end, 'upload.completed');
    if (object) {
      return { id, state: 'completed', offset: object.size, size: object.size, digests: textOf(object), ...told, end };
    }
    const given = factsOf(end, 'upload.aborted') ?? factsOf(end, 'upload.expired');
    const state = end.kind === 'upload.aborted' ? 'aborted' : 'expired';
    return { id, state, offset: given?.offset ?? 0, ...(size !== undefined && { size }), ...told, end };
  }

  /** Who opened an upload; undefined when there never was one of this id. Throws AS_ERR_CLOSED. */
  async openedBy(id: string): Promise<string | undefined> {
    return (await this.#history(id)).openedBy;
  }

  /**
   * Says how many bytes the object will have, for an upload that was opened without; it is expected from then on.
   *
   * @throws AS_ERR_NOT_FOUND; AS_ERR_SIZE_MISMATCH: it is known to have another size, or more bytes already
   * @throws AS_ERR_QUOTA: the token that opened it, or the namespace that it is for, has no room for so much
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async announce(id: string, size: number, options: { actor?: string } = {}): Promise<void> {
    this.context.requireWritable();
    const offset = await this.offset(id);
    const { opened, sized } = await this.#history(id);
    const known = opened?.size ?? sized?.size;
    if (known === size) return;
    if (known !== undefined || size < offset) {
      throw new ArtifactStoreError(
        'AS_ERR_SIZE_MISMATCH',
        `Upload ${id} cannot have ${size} bytes: it has ${offset}${known === undefined ? ' already' : ` of ${known}`}.`,
        { id, size, offset, ...(known !== undefined && { expected: known }) },
      );
    }
    await (await this.context.quotas.ofUpload(id))?.growTo(size);
    await this.context.log.append([newEvent('upload.sized', options.actor ?? this.context.actor, id, { size })]);
    this.#changes.note(id);
  }

  /**
   * Ends an upload with its object, which must be what was expected when it was opened. If it is not, the upload stays as it is.
   *
   * @throws AS_ERR_NOT_FOUND, AS_ERR_DIGEST_MISMATCH, AS_ERR_SIZE_MISMATCH
   * @throws AS_ERR_CONFLICT: another call is appending; or the same content was deleted at this moment, and the upload has to be sent again
   * @throws AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async complete(id: string, options: { actor?: string } = {}): Promise<Stored> {
    this.context.requireWritable();
    const completing = this.#complete(id, options);
    const settled = completing.catch(() => undefined);
    this.#completing.set(id, settled);
    try {
      return await completing;
    } finally {
      if (this.#completing.get(id) === settled) this.#completing.delete(id);
      this.#changes.note(id);
    }
  }

  async #complete(id: string, options: { actor?: string }): Promise<Stored> {
    const { dataPlane, log, quotas } = this.context;
    const { actor = this.context.actor } = options;
    const offset = await this.offset(id);
    const { opened, openedBy, sized } = await this.#history(id);
    const hints = expectedBy({ ...sized, ...opened });
    const session = { id, offset, final: true } as const;
    const ingest = () => dataPlane.ingestStream(nothing(), { ...hints, session });
    const stored = await this.context.acknowledged(ingest, actor).catch(async (error: unknown) => {
      await this.#endedWithout(id, offset, actor);
      throw error;
    });
    const facts: EventData['upload.completed'] = {
      ...{ size: stored.size, blake3: digestBytes(stored.blake3), sha256: digestBytes(stored.sha256) },
      ...(opened?.namespace !== undefined && { namespace: opened.namespace }),
    };
    try {
      await log.append([newEvent('upload.completed', actor, id, facts)]);
    } finally {
      // Not before: whoever counts in between would find it nowhere.
      await quotas.endUpload(id, stored.existed || actor !== openedBy ? 0 : stored.size, stored.size);
    }
    return stored;
  }

  /** Of an upload that could not be completed: where nothing is left to complete, as when somebody deleted its object before its event, it has ended. */
  async #endedWithout(id: string, offset: number, actor: string): Promise<void> {
    try {
      if ((await this.#session(id)) !== undefined) return;
      await this.context.quotas.endUpload(id);
      await this.context.log.append([newEvent('upload.aborted', actor, id, { offset, reason: NOT_KEPT })]);
    } catch {
      // What counts is why it could not be completed; opening the store counts anew.
    }
  }

  /** Ends an upload without an object and frees its space. Throws AS_ERR_NOT_FOUND, AS_ERR_CONFLICT, AS_ERR_READ_ONLY, AS_ERR_CLOSED. */
  async abort(id: string, options: { actor?: string; reason?: string } = {}): Promise<void> {
    this.context.requireWritable();
    const { actor = this.context.actor, reason } = options;
    const offset = await this.offset(id);
    const facts = { offset, ...(reason !== undefined && { reason }) };
    await this.#giveUp(id, newEvent('upload.aborted', actor, id, facts));
  }

  async #giveUp(id: string, end: NewEvent): Promise<void> {
    this.#ending.add(id);
    try {
      await this.context.dataPlane.ingestStream(nothing(), { session: { id, abort: true } });
      await this.context.quotas.endUpload(id);
      await this.context.log.append([end]);
    } finally {
      this.#ending.delete(id);
    }
    this.#changes.note(id);
  }

  /**
   * Ends the uploads that nobody goes on with: those whose time, as given when they were opened, is over, and those without a time to which nothing has come
   * since `idleSince`. One that is being written to is left. What a crash took between its end and the event of it is ended in the log as well, where it is for a
   * namespace: it would hold room there for ever.
   *
   * @param options `idleSince`: milliseconds since 1970 UTC
   * @returns the ids of those that were ended
   */
  async expire(options: { idleSince: number; actor?: string }): Promise<string[]> {
    this.context.requireWritable();
    const { idleSince, actor = this.context.actor } = options;
    const ended: string[] = [];
    for (const { id, changed } of await this.list()) {
      const expires = (await this.#history(id)).opened?.expires;
      if (expires === undefined ? changed >= idleSince : expires > Date.now()) continue;
      const session = await this.#session(id);
      if (session === undefined) continue;
      const facts = { offset: session.size, idleSince: Math.floor(changed) };
      if (await this.#giveUpIdle(id, newEvent('upload.expired', actor, id, facts))) ended.push(id);
    }
    for (const id of await this.#lost()) {
      await this.context.quotas.endUpload(id);
      await this.context.log.append([newEvent('upload.aborted', actor, id, { offset: 0, reason: LOST })]);
      ended.push(id);
    }
    return ended;
  }

  /** Uploads for namespaces of which nothing is left but that they were opened. */
  async #lost(): Promise<string[]> {
    const open = await this.context.openForNamespaces();
    if (open.length === 0) return [];
    const there = new Set((await this.list()).map(({ id }) => id));
    const isEnding = (id: string) => this.#completing.has(id) || this.#ending.has(id);
    const gone = open.filter((id) => !there.has(id) && !isEnding(id));
    // What was ending before this looked at it has had its event since.
    const still = new Set(gone.length === 0 ? [] : await this.context.openForNamespaces());
    return gone.filter((id) => still.has(id));
  }

  /** Uploads that have not ended, the oldest change first. Throws AS_ERR_CLOSED. */
  async list(): Promise<UploadInfo[]> {
    const sessions = await this.context.dataPlane.uploadSessions();
    return sessions.sort((a, b) => a.changed - b.changed);
  }

  async #session(id: string): Promise<SessionResult | undefined> {
    try {
      return await this.context.dataPlane.ingestStream(nothing(), { session: { id, query: true } });
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  /** Whether the upload could be given up: not while somebody writes to it. */
  async #giveUpIdle(id: string, end: NewEvent): Promise<boolean> {
    try {
      await this.#giveUp(id, end);
      return true;
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_CONFLICT')) return false;
      throw error;
    }
  }

  /** What the log says of an upload: how it was begun, the size given later, how it ended. */
  async #history(id: string): Promise<UploadHistory> {
    const history: UploadHistory = {};
    for (const event of await this.context.log.read({ subject: id, limit: UPLOAD_EVENTS_MAX })) {
      history.opened ??= factsOf(event, 'upload.opened');
      if (event.kind === 'upload.opened') history.openedBy ??= event.actor;
      history.sized ??= factsOf(event, 'upload.sized');
      if (ENDS.has(event.kind)) history.end = event;
    }
    return history;
  }
}

/** Why an upload ended whose end nobody saw. */
const LOST = 'it ended in a crash';
const NOT_KEPT = 'its object was not kept when it was completed';
/** Events that an upload can have: begun, sized, ended. */
const UPLOAD_EVENTS_MAX = 3;
const ENDS: ReadonlySet<string> = new Set(['upload.completed', 'upload.aborted', 'upload.expired']);

interface UploadHistory {
  opened?: EventData['upload.opened'] | undefined;
  openedBy?: string;
  sized?: EventData['upload.sized'] | undefined;
  end?: StoredEvent;
}

function textOf({ blake3, sha256 }: { blake3: Uint8Array; sha256: Uint8Array }): Required<Upload>['digests'] {
  return { blake3: formatBlake3(blake3), sha256: formatSha256(sha256) };
}

function notFound(id: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_NOT_FOUND', `There is no upload ${id}, or it has ended. Open another.`, { id });
}

function expectedBy(facts: EventData['upload.opened'] = {}): ObjectHints {
  const { size, blake3, sha256 } = facts;
  return {
    ...(size !== undefined && { size }),
    ...(blake3 && { blake3: formatBlake3(blake3) }),
    ...(sha256 && { sha256: formatSha256(sha256) }),
  };
}

/** The source, as far as there is room for it behind what has come before. */
async function withinHold(source: PutSource, hold: Hold, offset: number): Promise<PutSource> {
  let end = offset;
  const makeRoom = (size: number) => {
    end += size;
    return hold.growTo(end);
  };
  if (isStream(source)) return metered(source, makeRoom);
  if (source instanceof Uint8Array) await hold.growTo(offset + source.byteLength);
  return source;
}

/** A source without bytes. */
async function* nothing(): AsyncGenerator<Uint8Array> {}
