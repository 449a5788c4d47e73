/**
 * What usual events have around their facts, found by its place: time, actor and the content address that they are about.
 *
 * Imports the parts of the envelope and CBOR. `ingested-event.ts` and `removed-event.ts` each know the facts of theirs.
 */

import { encodeCanonical } from '../cbor/index.js';
import {
  ADDRESS_HEAD,
  ADDRESS_LENGTH,
  ADDRESS_START,
  BEFORE_ACTOR,
  BEFORE_DATA,
  BEFORE_ID,
  BEFORE_KIND,
  BEFORE_SUBJECT,
  BEFORE_TIME,
  ID_LENGTH,
  TIME_SIZE,
} from './envelope-parts.js';
import type { EventKind } from './kinds.js';

/** Places in the bytes that hold the event, behind its facts. */
export interface UsualEnvelope {
  /** Milliseconds since 1970 UTC. */
  time: number;
  actorAt: number;
  actorSize: number;
  /** Where the content address begins, as text. */
  subjectAt: number;
}

const BEFORE_DIGITS = Buffer.concat([BEFORE_SUBJECT, ADDRESS_HEAD, Buffer.from(ADDRESS_START, 'latin1')]);

/** CBOR heads: an integer of eight bytes, a text of up to SHORT_MAX. */
const LONG_HEAD = 0x1b;
export const TEXT_HEAD = 0x60;
const SHORT_MAX = 23;
/** Upper half of the largest safe integer. */
const MAX_HIGH = 2 ** 21 - 1;

/** What stands between the facts of an event of this kind and its time. */
export function betweenDataAndTime(kind: EventKind): Uint8Array {
  return Buffer.concat([BEFORE_KIND, encodeCanonical(kind), BEFORE_TIME]);
}

/** Where the identity begins of an event that begins at `start`; -1 if it is none of this version. */
export function usualId(bytes: Uint8Array, start: number): number {
  return after(bytes, start, BEFORE_ID);
}

/** Where the facts begin behind an identity that begins at `idAt`; -1 if they do not. */
export function usualData(bytes: Uint8Array, idAt: number): number {
  return idAt < 0 ? -1 : after(bytes, idAt + ID_LENGTH, BEFORE_DATA);
}

/**
 * What stands behind the facts, which end at `at`, of an event that ends at `end`.
 *
 * @param between as `betweenDataAndTime` gives it
 * @returns undefined where it is not the usual form. What the digits of the address are has not been looked at
 */
export function readUsualEnvelope(
  bytes: Uint8Array,
  at: number,
  between: Uint8Array,
  end: number,
): UsualEnvelope | undefined {
  const timeAt = after(bytes, at, between);
  if (timeAt < 0 || bytes[timeAt] !== LONG_HEAD) return undefined;
  const high = word(bytes, timeAt + 1);
  const actorHeadAt = after(bytes, timeAt + TIME_SIZE, BEFORE_ACTOR);
  const actorSize = (bytes[actorHeadAt] ?? 0) - TEXT_HEAD;
  // Times from 2^32 ms to 2^53 ms and actors of up to 23 bytes: their heads can be read at a glance.
  if (high === 0 || high > MAX_HIGH || actorHeadAt < 0 || actorSize < 1 || actorSize > SHORT_MAX) return undefined;
  const actorAt = actorHeadAt + 1;
  const digitsAt = after(bytes, actorAt + actorSize, BEFORE_DIGITS);
  const subjectAt = digitsAt - ADDRESS_START.length;
  if (digitsAt < 0 || subjectAt + ADDRESS_LENGTH !== end) return undefined;
  return { time: high * 2 ** 32 + word(bytes, timeAt + 5), actorAt, actorSize, subjectAt };
}

/** Where `expected` ends if it stands at `at`; -1 if it does not. */
function after(bytes: Uint8Array, at: number, expected: Uint8Array): number {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return -1;
  return at + expected.length;
}

/** 32 bits, unsigned, big-endian; NaN past the end. */
function word(bytes: Uint8Array, at: number): number {
  const high = (bytes[at] as number) * 2 ** 24 + (bytes[at + 1] as number) * 2 ** 16;
  return high + (bytes[at + 2] as number) * 2 ** 8 + (bytes[at + 3] as number);
}
