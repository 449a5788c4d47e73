/**
 * Finds the members of a tombstone and of the receipt of a deletion, as this version writes them, by their places: a sweep writes one of each for every object,
 * and decoding them costs many times as much.
 *
 * Imports the usual envelope, the cursor and limits. `batch.ts` reads events with it, `removal-block.ts` those that it wrote.
 */

import { DIGEST_SIZE } from '../limits.js';
import { Cursor } from './cursor.js';
import { ADDRESS_START, ID_LENGTH } from './envelope-parts.js';
import type { EventKind } from './kinds.js';
import { isDigit } from './subject-head.js';
import { betweenDataAndTime, readUsualEnvelope, usualData, usualId } from './usual-envelope.js';

/** The kinds, by their number in columns; 0 stands for any other. */
export const TOMBSTONED = 1;
export const DELETED = 2;
export const REMOVAL_KINDS = ['', 'object.tombstoned', 'object.deleted'] as const satisfies ('' | EventKind)[];

/** Places in the bytes that hold the event; offsets from their start. */
export interface RemovedEvent {
  kind: typeof TOMBSTONED | typeof DELETED;
  idAt: number;
  /** Where begins what events of the same commit and facts have alike, up to the digits: the facts of a tombstone; what stands behind those of a deletion. */
  alikeAt: number;
  actorAt: number;
  /** The 64 hex digits of the content address. */
  digitsAt: number;
}

/** For each event of a batch the same, where `kind` is not 0. */
export interface RemovalColumns {
  readonly kind: Uint8Array;
  readonly idAt: Uint32Array;
  readonly alikeAt: Uint32Array;
  readonly actorAt: Uint32Array;
  readonly digitsAt: Uint32Array;
}

/** Columns of events of which nothing is known. */
export function emptyRemovals(count: number): RemovalColumns {
  return {
    kind: new Uint8Array(count),
    idAt: new Uint32Array(count),
    alikeAt: new Uint32Array(count),
    actorAt: new Uint32Array(count),
    digitsAt: new Uint32Array(count),
  };
}

/** Writes a row of the columns: places `distance` behind those of `event`. */
export function setRemoval(columns: RemovalColumns, index: number, event: RemovedEvent, distance = 0): void {
  columns.kind[index] = event.kind;
  columns.idAt[index] = distance + event.idAt;
  columns.alikeAt[index] = distance + event.alikeAt;
  columns.actorAt[index] = distance + event.actorAt;
  columns.digitsAt[index] = distance + event.digitsAt;
}

const BETWEEN = [TOMBSTONED, DELETED].map((kind) => betweenDataAndTime(REMOVAL_KINDS[kind] as EventKind));

const BEFORE_DELETED = Buffer.from('\xa2\x67deleted', 'latin1');
const BEFORE_FREED_SIZE = Buffer.from('\x69freedSize', 'latin1');
const DELETED_START = BEFORE_DELETED[0] as number;
const BEFORE_PLAN = Buffer.from('\x64plan', 'latin1');
const BEFORE_GRACE = Buffer.from('\x65grace', 'latin1');
const BEFORE_REASON = Buffer.from('\x66reason', 'latin1');

/**
 * The event that fills the bytes from `start` to `end`.
 *
 * @returns undefined for any other than these two in their usual form. Whether the facts of a tombstone are those of its kind has not been looked at
 */
export function readRemovedEvent(bytes: Uint8Array, start: number, end: number): RemovedEvent | undefined {
  const idAt = usualId(bytes, start);
  const dataAt = usualData(bytes, idAt);
  if (dataAt < 0) return undefined;
  const cursor = new Cursor(bytes, dataAt);
  const kind = bytes[dataAt] === DELETED_START && bytes[dataAt + 1] === BEFORE_DELETED[1] ? DELETED : TOMBSTONED;
  if (kind === DELETED) skipDeletion(cursor);
  else skipTombstone(cursor);
  if (cursor.at < 0) return undefined;
  const envelope = readUsualEnvelope(bytes, cursor.at, BETWEEN[kind - 1] as Uint8Array, end);
  if (envelope === undefined) return undefined;
  const { actorAt, subjectAt } = envelope;
  const digitsAt = subjectAt + ADDRESS_START.length;
  for (let i = 0; i < 2 * DIGEST_SIZE; i++) if (!isDigit(bytes[digitsAt + i] as number)) return undefined;
  for (let i = 0; i < ID_LENGTH; i++) if (!isOfId(bytes[idAt + i] as number)) return undefined;
  return { kind, idAt, alikeAt: kind === DELETED ? cursor.at : dataAt, actorAt, digitsAt };
}

function skipDeletion(cursor: Cursor): void {
  cursor.literal(BEFORE_DELETED);
  cursor.boolean();
  cursor.literal(BEFORE_FREED_SIZE);
  cursor.head(0);
}

/** Passes over a map with some of the members, in canonical order. */
function skipTombstone(cursor: Cursor): void {
  let count = cursor.head(0xa0);
  if (cursor.optional(BEFORE_PLAN)) {
    cursor.text();
    count--;
  }
  if (cursor.optional(BEFORE_GRACE)) {
    cursor.head(0);
    count--;
  }
  if (cursor.optional(BEFORE_REASON)) {
    cursor.text();
    count--;
  }
  if (count !== 0) cursor.at = -1;
}

const DASH = 0x2d;

function isOfId(byte: number): boolean {
  return byte === DASH || isDigit(byte);
}
