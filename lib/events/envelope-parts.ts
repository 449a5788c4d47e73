/**
 * What every event has between its values: heads and keys of the canonical map {v, id, data, kind, time, actor, subject}, which never change.
 *
 * Imports CBOR, kinds and limits. `envelope.ts` writes events with them, `ingested-event.ts` finds values between them.
 */

import { encodeCanonical } from '../cbor/index.js';
import { DIGEST_SIZE } from '../limits.js';
import { EVENT_VERSION, type EventKind } from './kinds.js';

/** Members in canonical order: shorter keys first, then by their bytes. */
export const ID_LENGTH = 36;
export const BEFORE_ID = Buffer.concat([encodedHeader(7, 'v', EVENT_VERSION, 'id'), Buffer.from([0x78, ID_LENGTH])]);
export const BEFORE_DATA = encodeCanonical('data');
export const BEFORE_KIND = encodeCanonical('kind');
export const BEFORE_TIME = encodeCanonical('time');
export const BEFORE_ACTOR = encodeCanonical('actor');
export const BEFORE_SUBJECT = encodeCanonical('subject');

/** Bytes of a time at most: from 2^32 ms on, so since 1970-02-19, it has all of them. */
export const TIME_SIZE = 9;

/** Bytes of an event without its facts, kind, actor and subject. */
export const FIXED_SIZE =
  [BEFORE_ID, BEFORE_DATA, BEFORE_KIND, BEFORE_TIME, BEFORE_ACTOR, BEFORE_SUBJECT].reduce(
    (sum, part) => sum + part.byteLength,
    0,
  ) +
  ID_LENGTH +
  TIME_SIZE;

/** A content address as text: its head, and its characters, all ASCII. */
export const ADDRESS_START = 'blake3:';
export const ADDRESS_LENGTH = ADDRESS_START.length + 2 * DIGEST_SIZE;
export const ADDRESS_HEAD = Buffer.from([0x78, ADDRESS_LENGTH]);

/** The kind of nearly every event. */
export const INGESTED = 'object.ingested' satisfies EventKind;

function encodedHeader(members: number, key: string, value: number, next: string): Buffer {
  return Buffer.concat([
    Buffer.from([0xa0 | members]),
    encodeCanonical(key),
    encodeCanonical(value),
    encodeCanonical(next),
  ]);
}
