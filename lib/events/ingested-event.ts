/**
 * Finds the members of the usual event, an ingest as this version writes it, by their places: nearly every event of a log is one, and decoding
 * each costs ten times as much.
 *
 * Imports the parts of the envelope and the layout of ingest results. `envelope.ts` reads single events with it, `batch.ts` many.
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
  INGESTED,
  TIME_SIZE,
} from './envelope-parts.js';
import { type IngestLayout, readIngestLayout } from './ingest-layout.js';

/** Places in the bytes that hold the event; offsets from their start. */
export interface IngestedEvent {
  idAt: number;
  dataAt: number;
  layout: IngestLayout;
  /** Milliseconds since 1970 UTC. */
  time: number;
  actorAt: number;
  actorSize: number;
  /** Where the content address begins, as text. */
  subjectAt: number;
}

const BETWEEN_DATA_AND_TIME = Buffer.concat([BEFORE_KIND, encodeCanonical(INGESTED), BEFORE_TIME]);
const BEFORE_DIGITS = Buffer.concat([BEFORE_SUBJECT, ADDRESS_HEAD, Buffer.from(ADDRESS_START, 'latin1')]);

/** CBOR heads: an integer of eight bytes, a text of up to SHORT_MAX. */
const LONG_HEAD = 0x1b;
export const TEXT_HEAD = 0x60;
const SHORT_MAX = 23;
/** Upper half of the largest safe integer. */
const MAX_HIGH = 2 ** 21 - 1;

/**
 * The event that fills the bytes from `start` to `end`.
 *
 * @returns undefined for any other than the usual one. That the digits of its subject are those of its address, and what its id and actor
 *   are, has not been looked at
 */
export function readIngestedEvent(bytes: Uint8Array, start: number, end: number): IngestedEvent | undefined {
  const idAt = after(bytes, start, BEFORE_ID);
  const dataAt = idAt < 0 ? -1 : after(bytes, idAt + ID_LENGTH, BEFORE_DATA);
  const layout = dataAt < 0 ? undefined : readIngestLayout(bytes, dataAt);
  if (layout === undefined) return undefined;
  const timeAt = after(bytes, layout.end, BETWEEN_DATA_AND_TIME);
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
  const time = high * 2 ** 32 + word(bytes, timeAt + 5);
  return { idAt, dataAt, layout, time, actorAt, actorSize, subjectAt };
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
