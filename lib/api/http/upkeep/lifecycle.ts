/**
 * The end of objects over HTTP: tombstones taken back, and sweeps.
 *
 * Imports the exchange, digest text, errors as clients read them, answers of long work, and the shapes. Called by the router.
 */

import { parseDigest } from '../../../digest-name.js';
import { RECONCILE_BODY_SIZE_MAX, SWEEP_BODY_SIZE_MAX } from '../../../limits.js';
import type { ReconcileOptions, SweepReport } from '../../../store.js';
import { type Answer, type Exchange, json } from '../exchange.js';
import { errorJson } from '../problem.js';
import { progressAnswer } from '../progress.js';
import { count, flag, record } from '../schemas.js';
import { structuredBody } from '../structured-body.js';

/** POST /v1/objects/<digest>/undeletion: takes the tombstone back. */
export async function undeleteObject({ store, params, query, actor }: Exchange): Promise<Answer> {
  const reason = (query.reason as string | undefined)?.normalize('NFC');
  return json(200, await store.undelete(parseDigest(params[0] ?? ''), { actor, ...(reason && { reason }) }));
}

/** What a sweep takes. */
export const SWEEP_BODY = record({ limit: { ...count('Objects to remove at most.'), minimum: 1 } }, ['limit']);

/** POST /v1/sweeps: removes the bytes of what is due. It ends when its client leaves; what is done is done. */
export async function sweepObjects(exchange: Exchange): Promise<Answer> {
  const { store, actor } = exchange;
  const asked = (await structuredBody(exchange, SWEEP_BODY, SWEEP_BODY_SIZE_MAX)) as { limit?: number };
  const signal = exchange.ended();
  return progressAnswer(exchange, async (tell) =>
    sweepJson(await store.sweep({ ...asked, actor, signal, onProgress: (report) => tell(sweepJson(report)) })),
  );
}

/** What a reconciliation takes. */
export const RECONCILE_BODY = record(
  {
    age: count(
      'Milliseconds that bytes without an event must have been there before they are removed; default: a day.',
    ),
    dryRun: flag('Look and tell, and change nothing.'),
  },
  ['age', 'dryRun'],
);

/** POST /v1/reconciliations: compares what is stored with the log. It ends when its client leaves; what is done is done. */
export async function reconcileStore(exchange: Exchange): Promise<Answer> {
  const { store, actor } = exchange;
  const asked = (await structuredBody(exchange, RECONCILE_BODY, RECONCILE_BODY_SIZE_MAX)) as ReconcileOptions;
  const signal = exchange.ended();
  return progressAnswer(exchange, (tell) =>
    store.reconcile({ ...asked, actor, signal, onProgress: (report, steps) => tell({ ...report, steps }) }),
  );
}

function sweepJson({ failed, ...report }: SweepReport) {
  return { ...report, failed: failed.map(({ address, error }) => ({ address, error: errorJson(error) })) };
}
