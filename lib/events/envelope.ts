/**
 * The bytes of an event: the canonical CBOR map {v, id, data, kind, time, actor, subject} of docs/formats/events.md.
 *
 * Imports CBOR, kinds, errors and limits. Every implementation of the log encodes and decodes here, so that the same event has the same
 * bytes in any of them.
 */

import { type CborValue, decodeCanonical, Encoded, encodeCanonical, memberSlice } from '../cbor/index.js';
import { ArtifactStoreError } from '../errors.js';
import { EVENT_SIZE_MAX } from '../limits.js';
import { checkFacts, EVENT_VERSION } from './kinds.js';
import type { NewEvent, StoredEvent } from './log.js';

/** A kind: words of lower-case letters, digits, `-` and `_`, with dots between. */
const KIND = /^[a-z][a-z0-9_-]*(?:\.[a-z][a-z0-9_-]*)+$/;

/** Members in canonical order: shorter keys first, then by their bytes. The heads and keys between the values never change. */
const BEFORE_ID = encodedHeader(7, 'v', EVENT_VERSION, 'id');
const BEFORE_DATA = encodeCanonical('data');
const BEFORE_KIND = encodeCanonical('kind');
const BEFORE_TIME = encodeCanonical('time');
const BEFORE_ACTOR = encodeCanonical('actor');
const BEFORE_SUBJECT = encodeCanonical('subject');
const ID_HEAD = Buffer.from([0x78, 36]);
const TIME_SIZE = 9;
const FIXED_SIZE =
  [BEFORE_ID, BEFORE_DATA, BEFORE_KIND, BEFORE_TIME, BEFORE_ACTOR, BEFORE_SUBJECT].reduce(
    (sum, part) => sum + part.byteLength,
    0,
  ) +
  ID_HEAD.byteLength +
  36 +
  TIME_SIZE;

/** Kinds and actors met before, encoded: nearly every event has the kind and actor of another. */
const encodedNames = new Map<string, Uint8Array>();
const ENCODED_NAMES_MAX = 1000;

/** A new event, checked and encoded except for what only the commit knows. */
export interface PreparedEvent {
  readonly kind: string;
  readonly actor: string;
  readonly subject: string | null;
  /** Canonical bytes of the facts. */
  readonly data: Uint8Array;
  /** Canonical bytes of kind, actor and subject. */
  readonly encodedKind: Uint8Array;
  readonly encodedActor: Uint8Array;
  readonly encodedSubject: Uint8Array;
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
  if (!KIND.test(kind)) throw invalid(`"${kind}" is not a kind: write lower-case words with dots between`);
  if (actor === '') throw invalid('the actor is empty; say who does it');
  if (subject === '') throw invalid('the subject is empty; say what it happened to, or null');
  // SQL text ends at U+0000: queries would not find what was written.
  if (`${actor}${subject}`.includes('\0')) throw invalid('actor or subject contain U+0000');
  const data = event.data instanceof Encoded ? event.data.bytes : encodeCanonical(event.data);
  const encodedKind = encodeName(kind);
  const encodedActor = encodeName(actor);
  const encodedSubject = encodeCanonical(subject);
  const sizeMax =
    FIXED_SIZE + data.byteLength + encodedKind.byteLength + encodedActor.byteLength + encodedSubject.byteLength;
  if (sizeMax > EVENT_SIZE_MAX) {
    throw new ArtifactStoreError(
      'AS_ERR_LIMIT',
      `An event of kind ${kind} has ${sizeMax} bytes, more than the ${EVENT_SIZE_MAX} an event may have. Store the facts as an object and name its digest.`,
      { kind, size: sizeMax, limit: EVENT_SIZE_MAX },
    );
  }
  checkFacts(kind, subject, data);
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
  at = put(target, at, ID_HEAD);
  at += target.write(id, at, 'latin1');
  at = put(target, put(target, at, BEFORE_DATA), event.data);
  at = put(target, put(target, at, BEFORE_KIND), event.encodedKind);
  at = put(target, put(target, at, BEFORE_TIME), encodedTime);
  at = put(target, put(target, at, BEFORE_ACTOR), event.encodedActor);
  return put(target, put(target, at, BEFORE_SUBJECT), event.encodedSubject);
}

/**
 * The event that stored bytes are.
 *
 * @param seq its place in the log
 * @throws AS_ERR_LOG_DAMAGED: the bytes are not an event
 */
export function decodeEvent(seq: number, bytes: Uint8Array): StoredEvent {
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

/** The event just stored, with the very data that its maker encoded. */
export function storedEvent(
  seq: number,
  prepared: PreparedEvent,
  id: string,
  time: number,
  bytes: Uint8Array,
): StoredEvent {
  const { kind, actor, subject } = prepared;
  return new EventRecord({ seq, v: EVENT_VERSION, id, time, kind, actor, subject }, bytes, undefined, prepared.data);
}

type Columns = Pick<StoredEvent, 'seq' | 'v' | 'id' | 'time' | 'kind' | 'actor' | 'subject'>;

/** An event whose facts are decoded, or found in its bytes, when first asked for: most readers never ask. */
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

function encodedHeader(members: number, key: string, value: number, next: string): Buffer {
  return Buffer.concat([
    Buffer.from([0xa0 | members]),
    encodeCanonical(key),
    encodeCanonical(value),
    encodeCanonical(next),
  ]);
}

function encodeName(name: string): Uint8Array {
  const known = encodedNames.get(name);
  if (known !== undefined) return known;
  const bytes = encodeCanonical(name);
  if (encodedNames.size === ENCODED_NAMES_MAX) encodedNames.clear();
  encodedNames.set(name, bytes);
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
