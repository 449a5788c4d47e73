/**
 * Answers of many values: a JSON value in each line, sent as they come.
 *
 * Imports the exchange's types, limits and the inbox. Called by handlers.
 */

import { LINES_CHUNK_SIZE, LINES_WAIT_MS } from '../../limits.js';
import type { Answer } from './exchange.js';
import { Inbox } from './inbox.js';

const HEADERS = { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' };

/**
 * The answer. What fails after its first line tears the connection.
 *
 * @param heartbeatMs after so much silence comes an empty line; absent: never
 */
export async function linesAnswer(
  method: string,
  values: AsyncGenerator<object>,
  heartbeatMs = Number.POSITIVE_INFINITY,
): Promise<Answer> {
  if (method === 'HEAD') {
    await values.return(undefined);
    return { status: 200, headers: HEADERS };
  }
  const rest = linesOf(values, heartbeatMs);
  return { status: 200, headers: HEADERS, body: { first: await rest.next(), rest } };
}

/** Values that come close to each other go out together: a write each would cost more than many a value. */
async function* linesOf(values: AsyncGenerator<object>, heartbeatMs: number): AsyncGenerator<Uint8Array> {
  const inbox = new Inbox(values);
  let waiting = '';
  let silentMs = 0;
  try {
    for (;;) {
      const step = await inbox.next(LINES_WAIT_MS);
      if (step?.done) break;
      silentMs = step === undefined ? silentMs + LINES_WAIT_MS : 0;
      if (step !== undefined) waiting += `${JSON.stringify(step.value)}\n`;
      else if (waiting === '' && silentMs >= heartbeatMs) waiting = '\n';
      const isDue = step === undefined ? waiting !== '' : waiting.length >= LINES_CHUNK_SIZE;
      if (!isDue) continue;
      yield Buffer.from(waiting);
      waiting = '';
      silentMs = 0;
    }
    if (waiting !== '') yield Buffer.from(waiting);
  } finally {
    await values.return(undefined);
  }
}
