/**
 * How records of objects leave the database: all those of a page in two values, because each value of a row costs more on its way out than what is in it.
 *
 * Imports receipts and the registry's types. `sqlite-registry.ts` asks for them.
 */

import { DIGEST_SIZE } from '../limits.js';
import { readReceipts } from './receipts.js';
import type { ObjectRecord, ObjectState, Tombstone } from './registry.js';

/** SQL: of a row of `objects`, what is numbers and words as JSON, and what is bytes as it stands, which is half of what it would be in digits. */
export const RECORD = `
  json_array(size, state, ingested_at, last_seq, json(damaged), json(tombstone), length(receipts), length(cold_receipts)) AS members,
  blake3 || sha256 AS digests, coalesce(receipts, '') || coalesce(cold_receipts, '') AS all_receipts`;

/** SQL: the rows that a query of RECORD finds, as one. */
export const TOGETHER = `
  '[' || coalesce(group_concat(members), '') || ']' AS members,
  CAST(coalesce(group_concat(digests, '') || group_concat(all_receipts, ''), '') AS BLOB) AS bytes`;

/** A row of TOGETHER. */
export interface RecordRows {
  /** JSON arrays of `RecordMembers`. */
  members: string;
  /** BLAKE3 and SHA-256 of each; behind them what is kept of receipts, of each what it has in the tier that ingests go to and then what it has in further ones. */
  bytes: Uint8Array;
}

/** Times in milliseconds, sizes of receipts in bytes. */
type RecordMembers = readonly [
  size: number,
  state: ObjectState,
  ingestedAt: number,
  lastSeq: number,
  damaged: readonly (readonly [number, number])[] | 'lost' | null,
  tombstone: Tombstone | null,
  receiptsSize: number | null,
  coldReceiptsSize: number | null,
];

/** Digits of a digest, and as many bytes of the two of an object. */
const DIGITS = 2 * DIGEST_SIZE;

/** The records in a row of TOGETHER, in the order of the query. */
export function readRecords(rows: RecordRows): ObjectRecord[] {
  const records: RecordMembers[] = JSON.parse(rows.members);
  const bytes = Buffer.from(rows.bytes.buffer, rows.bytes.byteOffset, rows.bytes.byteLength);
  // All at once: a call for each digest would cost many times as much.
  const digits = bytes.toString('hex', 0, DIGITS * records.length);
  const receipts = bytes.toString('latin1', DIGITS * records.length);
  let at = 0;
  const receiptsOf = (size: number | null, address: string) => {
    if (size === null) return [];
    at += size;
    return readReceipts(receipts.slice(at - size, at), address);
  };
  return records.map((members, n) => {
    const [size, state, ingestedAt, lastSeq, damaged, tombstone, receiptsSize, coldReceiptsSize] = members;
    const start = 2 * DIGITS * n;
    const address = digits.slice(start, start + DIGITS);
    const record: ObjectRecord = {
      blake3: `blake3:${address}`,
      sha256: `sha256:${digits.slice(start + DIGITS, start + 2 * DIGITS)}`,
      size,
      state,
      ingestedAt,
      lastSeq,
      receipts: receiptsOf(receiptsSize, address),
    };
    if (coldReceiptsSize !== null) record.receipts.push(...receiptsOf(coldReceiptsSize, address));
    if (state === 'corrupt' && damaged !== null) {
      if (damaged === 'lost') record.lost = true;
      else record.damaged = damaged.map(([from, to]) => ({ start: from, end: to }));
    }
    if (tombstone !== null) record.tombstone = tombstone;
    return record;
  });
}
