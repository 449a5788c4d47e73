/**
 * The bytes of an event: the canonical CBOR map {v, id, data, kind, time, actor, subject} of docs/formats/events.md.
 *
 * Imports CBOR, kinds, the parts of an envelope, the usual event, digest text, errors and limits. Every implementation of the log encodes and decodes here, so that the same event has the same
 * bytes in any of them.
 */

import {
  type CborInput,
  type CborValue,
  decodeCanonical,
  Encoded,
  encodeCanonical,
  memberSlice,
} from '../cbor/index.js';
import { isContentAddress } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { EVENT_SIZE_MAX } from '../limits.js';
import {
  ADDRESS_HEAD,
  ADDRESS_LENGTH,
  BEFORE_ACTOR,
  BEFORE_DATA,
  BEFORE_ID,
  BEFORE_KIND,
  BEFORE_SUBJECT,
  BEFORE_TIME,
  FIXED_SIZE,
  ID_LENGTH,
  INGESTED,
} from './envelope-parts.js';
import { readIngestedEvent } from './ingested-event.js';
import { CheckedEvent, checkFacts, EVENT_VERSION } from './kinds.js';
import type { NewEvent, StoredEvent } from './log.js';

/** A kind: words of lower-case letters, digits, `-` and `_`, with dots between. */
const KIND = /^[a-z][a-z0-9_-]*(?:\.[a-z][a-z0-9_-]*)+$/;

const PRINTABLE = /^[ -~]+$/;
const ID = /^[ -~]{36}$/;

/** Kinds and actors met before, encoded: nearly every event has the kind and actor of another. */
const encodedKinds = new Map<string, Uint8Array>();
const encodedActors = new Map<string, Uint8Array>();
const ENCODED_NAMES_MAX = 1000;

/** A new event, checked and encoded except for what only the commit knows. */
export interface PreparedEvent {
  readonly kind: string;
  readonly actor: string;
  readonly subject: string | null;
  /** Canonical bytes of the facts. */
  readonly data: Uint8Array;
  /** Canonical bytes of kind, actor and subject; no subject when it is a content address, which is written as it is. */
  readonly encodedKind: Uint8Array;
  readonly encodedActor: Uint8Array;
  readonly encodedSubject: Uint8Array | undefined;
  /** Bytes of the whole event, at most: its time may take fewer. */
  readonly sizeMax: number;
}

/**
 * Checks a new event and encodes what can be encoded before its commit.
 *
 * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CBOR_ENCODE: it is not well formed
 * @throws AS_ERR_LIMIT: it is larger than EVENT_SIZE_MAX
 */
export function prepareEvent(event: NewEvent): PreparedEvent {
  const { kind, actor, subject } = event;
  const encodedKind = encodedKinds.get(kind) ?? encodeKind(kind);
  const encodedActor = encodeActor(actor);
  // The subject of an event made by kinds.ts is a content address: no need to look again.
  const checked = event instanceof CheckedEvent;
  const data = encodeData(event.data);
  const encodedSubject = checked ? undefined : encodeSubject(subject);
  const sizeMax =
    FIXED_SIZE +
    data.byteLength +
    encodedKind.byteLength +
    encodedActor.byteLength +
    (encodedSubject?.byteLength ?? ADDRESS_HEAD.byteLength + ADDRESS_LENGTH);
  if (sizeMax > EVENT_SIZE_MAX) {
    throw new ArtifactStoreError(
      'AS_ERR_LIMIT',
      `An event of kind ${kind} has ${sizeMax} bytes, more than the ${EVENT_SIZE_MAX} an event may have. Store the facts as an object and name its digest.`,
      { kind, size: sizeMax, limit: EVENT_SIZE_MAX },
    );
  }
  if (!checked) checkFacts(kind, subject, data);
  return { kind, actor, subject, data, encodedKind, encodedActor, encodedSubject, sizeMax };
}

/**
 * Writes an event into `target`.
 *
 * @param offset where it begins; `sizeMax` bytes must be free
 * @param encodedTime canonical bytes of its time
 * @returns where it ends
 */
export function writeEvent(
  target: Buffer,
  offset: number,
  event: PreparedEvent,
  id: string,
  encodedTime: Uint8Array,
): number {
  let at = put(target, offset, BEFORE_ID);
  at += target.write(id, at, 'latin1');
  at = put(target, put(target, at, BEFORE_DATA), event.data);
  at = put(target, at, afterData(event, encodedTime));
  if (event.encodedSubject !== undefined) return put(target, at, event.encodedSubject);
  at = put(target, at, ADDRESS_HEAD);
  return at + target.write(event.subject as string, at, 'latin1');
}

/** What stands between data and subject, as it was written last: the events of a commit share it, as a rule. */
let lastAfterData: { kind: Uint8Array; actor: Uint8Array; time: Uint8Array; bytes: Uint8Array } | undefined;

function afterData({ encodedKind: kind, encodedActor: actor }: PreparedEvent, time: Uint8Array): Uint8Array {
  const last = lastAfterData;
  if (last !== undefined && last.kind === kind && last.actor === actor && last.time === time) return last.bytes;
  const bytes = Buffer.concat([BEFORE_KIND, kind, BEFORE_TIME, time, BEFORE_ACTOR, actor, BEFORE_SUBJECT]);
  lastAfterData = { kind, actor, time, bytes };
  return bytes;
}

/**
 * The event that stored bytes are.
 *
 * @param seq its place in the log
 * @throws AS_ERR_LOG_DAMAGED: the bytes are not an event
 */
export function decodeEvent(seq: number, bytes: Uint8Array): StoredEvent {
  return decodeIngested(seq, bytes) ?? decodeAny(seq, bytes);
}

/** The event just stored, with the very data that its maker encoded. */
export function storedEvent(seq: number, prepared: PreparedEvent, id: string, time: number): StoredEvent {
  return new AppendedEvent(seq, prepared, id, time);
}

/** An event as it was appended. Its bytes are written anew when somebody asks: to keep a part of those of a commit would keep them all. */
class AppendedEvent implements StoredEvent {
  readonly v = EVENT_VERSION;
  readonly kind: string;
  readonly actor: string;
  readonly subject: string | null;
  readonly #prepared: PreparedEvent;

  constructor(
    readonly seq: number,
    prepared: PreparedEvent,
    readonly id: string,
    readonly time: number,
  ) {
    this.kind = prepared.kind;
    this.actor = prepared.actor;
    this.subject = prepared.subject;
    this.#prepared = prepared;
  }

  get data(): CborValue {
    return decodeCanonical(this.#prepared.data);
  }

  get dataBytes(): Uint8Array {
    return this.#prepared.data;
  }

  get bytes(): Uint8Array {
    const target = Buffer.alloc(this.#prepared.sizeMax);
    const end = writeEvent(target, 0, this.#prepared, this.id, encodeCanonical(this.time));
    return new Uint8Array(target.buffer, target.byteOffset, end);
  }
}

/** A stored event with texts where its bytes have pseudonyms: in the actor and in the facts. Its bytes stay as they are. */
export function revealedEvent(
  event: StoredEvent,
  actor: string,
  dataBytes: Uint8Array,
  texts: ReadonlyMap<string, string> = new Map(),
): StoredEvent {
  return new RevealedEvent(event, actor, dataBytes, texts);
}

class RevealedEvent implements StoredEvent {
  readonly seq: number;
  readonly v: number;
  readonly id: string;
  readonly time: number;
  readonly kind: string;
  readonly subject: string | null;
  readonly #stored: StoredEvent;

  constructor(
    stored: StoredEvent,
    readonly actor: string,
    readonly dataBytes: Uint8Array,
    readonly texts: ReadonlyMap<string, string>,
  ) {
    this.seq = stored.seq;
    this.v = stored.v;
    this.id = stored.id;
    this.time = stored.time;
    this.kind = stored.kind;
    this.subject = stored.subject;
    this.#stored = stored;
  }

  get data(): CborValue {
    return decodeCanonical(this.dataBytes);
  }

  get bytes(): Uint8Array {
    return this.#stored.bytes;
  }
}

type Columns = Pick<StoredEvent, 'seq' | 'v' | 'id' | 'time' | 'kind' | 'actor' | 'subject'>;

/** An event as it was read. Its facts are decoded, or found in its bytes, when first asked for: most readers never ask. */
class EventRecord implements StoredEvent {
  readonly seq: number;
  readonly v: number;
  readonly id: string;
  readonly time: number;
  readonly kind: string;
  readonly actor: string;
  readonly subject: string | null;
  readonly bytes: Uint8Array;
  #data: CborValue | undefined;
  #dataBytes: Uint8Array | undefined;

  constructor(columns: Columns, bytes: Uint8Array, data?: CborValue, dataBytes?: Uint8Array) {
    this.seq = columns.seq;
    this.v = columns.v;
    this.id = columns.id;
    this.time = columns.time;
    this.kind = columns.kind;
    this.actor = columns.actor;
    this.subject = columns.subject;
    this.bytes = bytes;
    this.#data = data;
    this.#dataBytes = dataBytes;
  }

  get data(): CborValue {
    this.#data ??= decodeCanonical(this.dataBytes);
    return this.#data;
  }

  get dataBytes(): Uint8Array {
    this.#dataBytes ??= memberSlice(this.bytes, 'data') as Uint8Array;
    return this.#dataBytes;
  }
}

/** The usual event, without decoding its facts. Undefined for any other bytes. */
function decodeIngested(seq: number, bytes: Uint8Array): StoredEvent | undefined {
  const found = readIngestedEvent(bytes, 0, bytes.byteLength);
  if (found === undefined) return undefined;
  const { idAt, dataAt, layout, time, actorAt, actorSize, subjectAt } = found;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const id = buffer.toString('latin1', idAt, idAt + ID_LENGTH);
  const actor = buffer.toString('latin1', actorAt, actorAt + actorSize);
  const subject = buffer.toString('latin1', subjectAt, buffer.byteLength);
  if (!PRINTABLE.test(actor) || !isContentAddress(subject) || !ID.test(id)) return undefined;
  const dataBytes = new Uint8Array(bytes.buffer, bytes.byteOffset + dataAt, layout.end - dataAt);
  return new EventRecord(
    { seq, v: EVENT_VERSION, id, time, kind: INGESTED, actor, subject },
    bytes,
    undefined,
    dataBytes,
  );
}

function decodeAny(seq: number, bytes: Uint8Array): StoredEvent {
  const value = decodeMap(seq, bytes);
  const { v, id, time, kind, actor, subject, data } = value;
  const known =
    typeof v === 'number' &&
    v >= 1 &&
    typeof id === 'string' &&
    typeof time === 'number' &&
    typeof kind === 'string' &&
    typeof actor === 'string' &&
    (typeof subject === 'string' || subject === null) &&
    data !== undefined;
  if (!known) throw damaged(seq, 'it lacks members that every event has');
  return new EventRecord({ seq, v, id, time, kind, actor, subject }, bytes, data);
}

function decodeMap(seq: number, bytes: Uint8Array): { readonly [key: string]: CborValue } {
  let value: CborValue;
  try {
    value = decodeCanonical(bytes);
  } catch (error) {
    throw damaged(seq, 'its bytes are not canonical CBOR', error);
  }
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
  if (!isMap) throw damaged(seq, 'its bytes are not a map');
  return value as { readonly [key: string]: CborValue };
}

/** The facts of a new event in canonical CBOR. */
export function encodeData(data: CborInput): Uint8Array {
  return data instanceof Encoded ? data.bytes : encodeCanonical(data);
}

function encodeKind(kind: string): Uint8Array {
  if (!KIND.test(kind)) throw invalid(`"${kind}" is not a kind: write lower-case words with dots between`);
  return remember(encodedKinds, kind);
}

/**
 * The actor in canonical CBOR.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: it is empty, or has a NUL; AS_ERR_CBOR_ENCODE
 */
export function encodeActor(actor: string): Uint8Array {
  const known = encodedActors.get(actor);
  if (known !== undefined) return known;
  if (actor === '') throw invalid('the actor is empty; say who does it');
  refuseNul(actor);
  return remember(encodedActors, actor);
}

function encodeSubject(subject: string | null): Uint8Array | undefined {
  if (subject === '') throw invalid('the subject is empty; say what it happened to, or null');
  if (subject === null) return encodeCanonical(subject);
  refuseNul(subject);
  return isContentAddress(subject) ? undefined : encodeCanonical(subject);
}

/** SQL text ends at U+0000: queries would not find what was written. */
function refuseNul(text: string): void {
  if (text.includes('\0')) throw invalid('actor or subject contain U+0000');
}

function remember(names: Map<string, Uint8Array>, name: string): Uint8Array {
  const bytes = encodeCanonical(name);
  if (names.size === ENCODED_NAMES_MAX) names.clear();
  names.set(name, bytes);
  return bytes;
}

function put(target: Buffer, offset: number, bytes: Uint8Array): number {
  target.set(bytes, offset);
  return offset + bytes.byteLength;
}

function invalid(what: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `An event was refused: ${what}.`);
}

function damaged(seq: number, what: string, cause?: unknown): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_LOG_DAMAGED',
    `Event ${seq} cannot be read: ${what}. Restore the log from a copy.`,
    { seq },
    { cause },
  );
}
