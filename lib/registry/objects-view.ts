/**
 * The view of objects: what there is, with the mapping from SHA-256 and the receipts.
 *
 * Imports the view interface, and the schema and the folding beside it. views.ts hands it to the log; `sqlite-registry.ts` reads the tables.
 *
 * The state of an object after a sequence of events
 * - `object.ingested` makes it live, whatever it was: damage and tombstone are forgotten, receipts replaced.
 * - `object.corrupted` and a verification that does not find it intact make it corrupt, one that does makes it live; neither
 *   changes an object that is deleted.
 * - `object.tombstoned` makes it tombstoned. `object.deleted` makes it deleted, takes its receipts, and stands in for a tombstone where there was none.
 * - What happens to an object that was never ingested changes nothing.
 */

import type { EventBatch } from '../events/batch.js';
import { HEAD_SIZE } from '../events/subject-head.js';
import type { Projection, View } from '../events/view.js';
import { foldEvents } from './objects-fold.js';
import { ingestRows, OBJECTS_DROP, OBJECTS_SCHEMA, OBJECTS_STATEMENTS } from './objects-schema.js';

type Parameter = 'ingests' | 'changes' | 'bytes';

export const objects: View<Parameter> = {
  name: 'objects',
  version: 2,
  schema: OBJECTS_SCHEMA,
  drop: OBJECTS_DROP,
  parameters: ['ingests', 'changes', 'bytes'],
  project,
  apply: OBJECTS_STATEMENTS,
};

function project(batch: EventBatch): Projection<Parameter> | null {
  const about = batch.kinds.map((kind) => kind.startsWith('object.'));
  if (!about.includes(true)) return null;
  const crowded = shared(batch);
  const { usual } = batch.ingests;
  const alone: number[] = [];
  const others: number[] = [];
  for (let i = 0; i < batch.count; i++) {
    if (usual[i] === 1 && crowded[i] === 0) alone.push(i);
    else if (about[batch.kindOf[i] as number] && batch.hasSubject[i] === 1) others.push(i);
  }
  const ingests = alone.length === 0 ? null : rowsOf(batch, alone);
  return { ingests, ...foldEvents(others.map((index) => batch.event(index))) };
}

/** For each event 1 if another of the batch may have the same subject. */
function shared({ count, order, heads }: EventBatch): Uint8Array {
  const crowded = new Uint8Array(count);
  for (let n = 1; n < order.length; n++) {
    const [before, index] = [order[n - 1] as number, order[n] as number];
    // As much of the head as the order goes by.
    if (heads.readUInt32BE(HEAD_SIZE * before) !== heads.readUInt32BE(HEAD_SIZE * index)) continue;
    crowded[before] = 1;
    crowded[index] = 1;
  }
  return crowded;
}

function rowsOf({ first, bytes, ingests }: EventBatch, indexes: readonly number[]): Uint8Array {
  const blob = ingestRows.blob(indexes.length);
  for (let row = 0; row < indexes.length; row++) {
    const i = indexes[row] as number;
    const receiptsAt = ingests.receiptsAt[i] as number;
    ingestRows.setBytes(blob, row, 'blake3', bytes, ingests.blake3At[i] as number);
    ingestRows.setBytes(blob, row, 'sha256', bytes, ingests.sha256At[i] as number);
    ingestRows.setNumber(blob, row, 'seq', first + i);
    ingestRows.setNumber(blob, row, 'time', ingests.times[i] as number);
    ingestRows.setNumber(blob, row, 'size', ingests.sizes[i] as number);
    ingestRows.setNumber(blob, row, 'storedSize', ingests.storedSizes[i] as number);
    ingestRows.setNumber(blob, row, 'receiptsPlace', receiptsAt + 1); // SQL counts from 1
    ingestRows.setNumber(blob, row, 'receiptsSize', (ingests.receiptsEnd[i] as number) - receiptsAt);
  }
  return blob;
}
