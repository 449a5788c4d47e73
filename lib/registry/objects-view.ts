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
  version: 7,
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
  const alone = new Uint32Array(batch.count);
  let aloneCount = 0;
  const tombstoned: number[] = [];
  const deleted: number[] = [];
  const others: number[] = [];
  for (let i = 0; i < batch.count; i++) {
    if (crowded[i] === 0 && columns.usual[i] === 1) alone[aloneCount++] = i;
    else if (crowded[i] === 0 && removals.kind[i] === TOMBSTONED) tombstoned.push(i);
    else if (crowded[i] === 0 && removals.kind[i] === DELETED) deleted.push(i);
    else if (about[batch.kindOf[i] as number] && batch.hasSubject[i] === 1) others.push(i);
  }
  const ingests = aloneCount === 0 ? null : rowsOf(batch, alone.subarray(0, aloneCount));
  const removed = removalsOf(batch, tombstoned, deleted);
  return { ...ingests, ...removed, ...foldEvents(others.map((index) => batch.event(index))) };
}

function rowsOf(batch: EventBatch, indexes: Uint32Array): { ingests: Uint8Array; order: Uint8Array } {
  const { bytes, ingests: columns, seqs, fillRecords } = batch;
  const sha256Heads = new Float64Array(batch.count);
  const headsOfRows = new Float64Array(indexes.length);
  for (let row = 0; row < indexes.length; row++) {
    const i = indexes[row] as number;
    const head = digestHead(bytes, columns.sha256At[i] as number);
    sha256Heads[i] = head;
    headsOfRows[row] = head;
  }
  const ingests = ingestRows.fill(fillRecords, indexes, {
    blake3: { bytes, from: columns.blake3At },
    sha256: { bytes, from: columns.sha256At },
    sha256Head: { numbers: sha256Heads },
    seq: { numbers: seqs },
    time: { numbers: columns.times },
    size: { numbers: columns.sizes },
    storedSize: { numbers: columns.storedSizes },
    receiptsPlace: { numbers: columns.keptAt, plus: 1 }, // SQL counts from 1
    receiptsSize: { numbers: columns.keptSize },
  });
  return { ingests, order: orderOf(batch, headsOfRows) };
}

/** The rows in the order of their heads. */
function orderOf({ fillRecords }: EventBatch, heads: Float64Array): Uint8Array {
  const rows = new Uint32Array(heads.length);
  for (let row = 0; row < rows.length; row++) rows[row] = row;
  const { order } = orderByHead(heads, rows);
  return sha256Order.fill(fillRecords, order, { row: { numbers: rows } });
}
