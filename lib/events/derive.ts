/**
 * Views of a part of a log: the same tables as beside the log, derived anew from its first events, in a database of their own.
 *
 * Knows the log by its interface alone. Imports the database connection's type, how views are applied, errors and limits. The registry as it was is
 * made here.
 */

import { ArtifactStoreError } from '../errors.js';
import { PAGE_SIZE_MAX } from '../limits.js';
import type { Connection } from '../sqlite/connection.js';
import { EventBatch } from './batch.js';
import type { EventLog } from './log.js';
import { logIndex } from './log-index.js';
import { SqliteViews } from './sqlite-views.js';
import type { View } from './view.js';

/**
 * Makes views, and the log's index that they rely on, from the events 1 to `last`.
 *
 * @param connection an empty database, to which nobody else writes
 * @throws AS_ERR_ABORTED, and whatever reading the log or writing the database throws
 */
export async function deriveViews(
  connection: Connection,
  views: readonly View[],
  log: Pick<EventLog, 'read'>,
  last: number,
  signal?: AbortSignal,
): Promise<void> {
  const all = [logIndex, ...views];
  const applied = new SqliteViews(all);
  await applied.prepare(connection);
  await applied.prepareApply(connection);
  await connection.transaction(async () => {
    for (const { schema } of all) await connection.exec(schema);
    for (let after = 0; after < last; ) {
      if (signal?.aborted) throw aborted(last);
      const events = await log.read({ after, last, limit: PAGE_SIZE_MAX });
      if (events.length === 0) return;
      const batch = EventBatch.ofBytes(events); // as they stand in the log, with pseudonyms
      await applied.apply(connection, batch, applied.project(batch));
      after = batch.last;
    }
  });
}

function aborted(last: number): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_ABORTED', `Given up before the views of ${last} events were derived.`);
}
