/**
 * Verification over HTTP: of one object, or of many with the findings as they come.
 *
 * Imports the exchange, digest text, errors, limits, the scrub's types and lines of JSON. Called by the router.
 */

import type { VerifyResult } from '../../../dataplane/spi.js';
import { formatBlake3, formatSha256 } from '../../../digest-name.js';
import { SCRUB_BODY_SIZE_MAX } from '../../../limits.js';
import type { ScrubOptions, ScrubReport, Store } from '../../../store.js';
import { type Answer, type Exchange, json } from '../exchange.js';
import { linesAnswer } from '../lines.js';
import { errorJson } from '../problem.js';
import { Refusal } from '../refusal.js';
import { count, record, text } from '../schemas.js';
import { structuredBody } from '../structured-body.js';

/** POST /v1/objects/<digest>/verification. */
export async function verifyOne({ store, params: [name = ''], query, actor }: Exchange): Promise<Answer> {
  const { record: found, ...result } = await store.verify(name, { actor, digests: query.quick ? 'blake3' : 'both' });
  return json(200, { record: found, ...resultJson(result) });
}

const SHARE = { type: 'number', exclusiveMinimum: 0, maximum: 1 };

/** What `Store.scrub` takes. */
export const SCRUB_BODY = record(
  {
    digests: { enum: ['both', 'blake3'] },
    sample: { oneOf: [record({ share: SHARE }), record({ count: { ...count(), minimum: 1 } })] },
    seed: text('The same text, the same sample.'),
    olderThan: count('Milliseconds: only what was not found intact within them.'),
    bytesPerSecond: { type: 'number', exclusiveMinimum: 0 },
    resume: { type: 'boolean' },
  },
  ['digests', 'sample', 'seed', 'olderThan', 'bytesPerSecond', 'resume'],
);

/** Stores that are being verified for somebody: all of their bytes are read, so one such request is enough at a time. */
const underWay = new WeakSet<Store>();

/** POST /v1/verifications. It ends when its client leaves, and can be resumed. */
export async function verifyMany(exchange: Exchange): Promise<Answer> {
  const { store, actor, method, heartbeatMs } = exchange;
  const asked = (await structuredBody(exchange, SCRUB_BODY, SCRUB_BODY_SIZE_MAX)) as ScrubOptions;
  if (underWay.has(store)) {
    const message = 'The objects are being verified for somebody else. Ask again when that has ended.';
    throw new Refusal('AS_ERR_CONFLICT', 409, message);
  }
  underWay.add(store);
  const signal = exchange.ended();
  try {
    const scrub = await store.scrub({ ...asked, actor, signal });
    const { count: objects, size, seed, began } = scrub;
    return await linesAnswer(method, findings(store, { count: objects, size, seed, began }, scrub), heartbeatMs);
  } catch (error) {
    underWay.delete(store);
    throw error;
  }
}

async function* findings(store: Store, plan: object, scrub: AsyncIterable<ScrubReport>): AsyncGenerator<object> {
  try {
    yield plan;
    for await (const report of scrub) yield findingJson(report);
  } finally {
    underWay.delete(store);
  }
}

function findingJson(report: ScrubReport): object {
  const { object } = report;
  if ('result' in report) return { object, result: resultJson(report.result) };
  return { object, error: errorJson(report.error) };
}

function resultJson({ blake3, sha256, ...result }: VerifyResult) {
  return {
    ...result,
    ...(blake3 && { blake3: formatBlake3(blake3) }),
    ...(sha256 && { sha256: formatSha256(sha256) }),
  };
}
