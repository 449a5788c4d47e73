/**
 * The view of objects: what there is, with the mapping from SHA-256 and the receipts.
 *
 * Imports the view interface, and the schema, the folding and the removals beside it. views.ts hands it to the log; `sqlite-registry.ts` reads the tables.
 *
 * The state of an object after a sequence of events
 * - `object.ingested` makes it live, whatever it was: damage and tombstone are forgotten, receipts replaced.
 * - `object.corrupted` and a verification that does not find it intact make it corrupt, one that does makes it live; neither
 *   changes an object that is deleted.
 * - `object.lost` makes it corrupt and nothing of it left, with the same exception. `object.discarded` changes nothing.
 * - `object.tombstoned` makes it tombstoned; `object.undeleted` takes that back, and means nothing once the bytes are removed. `object.deleted` makes it deleted, takes its receipts, and stands in for a tombstone where there was none.
 * - `object.copied` says where it is in a further tier, and `object.evicted` that it is there no more; neither changes its state. An ingest goes to `hot`, and
 *   leaves other tiers as they are.
 * - What happens to an object that was never ingested changes nothing.
 */

import type { EventBatch } from '../events/batch.js';
import { putBytes, putNumber } from '../events/fixed-rows.js';
import { orderByHead } from '../events/head-order.js';
import { DELETED, TOMBSTONED } from '../events/removed-event.js';
import { digestHead } from '../events/subject-head.js';
import type { Projection, View } from '../events/view.js';
import { foldEvents } from './objects-fold.js';
import { removalsOf } from './objects-removals.js';
import { ingestRows, OBJECTS_DROP, OBJECTS_SCHEMA, OBJECTS_STATEMENTS, sha256Order } from './objects-schema.js';

type Parameter = 'ingests' | 'order' | 'tombstoned' | 'deleted' | 'rests' | 'changes' | 'changed' | 'bytes';

export const objects: View<Parameter> = {
  name: 'objects',
  version: 6,
  schema: OBJECTS_SCHEMA,
  drop: OBJECTS_DROP,
  parameters: ['ingests', 'order', 'tombstoned', 'deleted', 'rests', 'changes', 'changed', 'bytes'],
  project,
  apply: OBJECTS_STATEMENTS,
};

function project(batch: EventBatch): Projection<Parameter> | null {
  const about = batch.kinds.map((kind) => kind.startsWith('object.'));
  if (!about.includes(true)) return null;
  const { crowded, ingests: columns, removals } = batch;
  const alone: number[] = [];
  const tombstoned: number[] = [];
  const deleted: number[] = [];
  const others: number[] = [];
  for (let i = 0; i < batch.count; i++) {
    if (crowded[i] === 0 && columns.usual[i] === 1) alone.push(i);
    else if (crowded[i] === 0 && removals.kind[i] === TOMBSTONED) tombstoned.push(i);
    else if (crowded[i] === 0 && removals.kind[i] === DELETED) deleted.push(i);
    else if (about[batch.kindOf[i] as number] && batch.hasSubject[i] === 1) others.push(i);
  }
  const ingests = alone.length === 0 ? null : rowsOf(batch, alone);
  const removed = removalsOf(batch, tombstoned, deleted);
  return { ...ingests, ...removed, ...foldEvents(others.map((index) => batch.event(index))) };
}

function rowsOf(batch: EventBatch, indexes: readonly number[]): { ingests: Uint8Array; order: Uint8Array } {
  const { first, bytes, ingests: columns } = batch;
  const { width, places } = ingestRows;
  const blob = ingestRows.blob(indexes.length);
  const sha256Heads = new Float64Array(indexes.length);
  for (let row = 0; row < indexes.length; row++) {
    const i = indexes[row] as number;
    const at = width * row;
    const sha256At = columns.sha256At[i] as number;
    const receiptsAt = columns.receiptsAt[i] as number;
    const sha256Head = digestHead(bytes, sha256At);
    sha256Heads[row] = sha256Head;
    putBytes(blob, at, places.blake3, bytes, columns.blake3At[i] as number);
    putBytes(blob, at, places.sha256, bytes, sha256At);
    putNumber(blob, at, places.sha256Head, sha256Head);
    putNumber(blob, at, places.seq, first + i);
    putNumber(blob, at, places.time, columns.times[i] as number);
    putNumber(blob, at, places.size, columns.sizes[i] as number);
    putNumber(blob, at, places.storedSize, columns.storedSizes[i] as number);
    putNumber(blob, at, places.receiptsPlace, receiptsAt + 1); // SQL counts from 1
    putNumber(blob, at, places.receiptsSize, (columns.receiptsEnd[i] as number) - receiptsAt);
  }
  return { ingests: blob, order: orderOf(sha256Heads) };
}

function orderOf(heads: Float64Array): Uint8Array {
  const rows = new Uint32Array(heads.length);
  for (let row = 0; row < rows.length; row++) rows[row] = row;
  const order = orderByHead(heads, rows);
  const blob = sha256Order.blob(order.length);
  for (let n = 0; n < order.length; n++)
    putNumber(blob, sha256Order.width * n, sha256Order.places.row, order[n] as number);
  return blob;
}
