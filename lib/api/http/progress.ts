/**
 * Answers of long work: the report as JSON, or, for who accepts lines of JSON, how far it has come in one line after the other, and the report in the last.
 *
 * Imports the exchange, the choice of a representation, lines and errors as clients read them. Called by handlers.
 */

import { preferredType } from './accept.js';
import { type Answer, type Exchange, json } from './exchange.js';
import { linesAnswer } from './lines.js';
import { errorJson } from './problem.js';

const LINES_TYPE = 'application/x-ndjson';

/**
 * Lines are `{ progress }`, as many as there are, then `{ report }`, or `{ error }` when the work fails after the first of them; before it, the answer is the
 * problem itself.
 *
 * @param work does it, and tells how far it has come
 */
export async function progressAnswer(
  { headers, method, heartbeatMs }: Pick<Exchange, 'headers' | 'method' | 'heartbeatMs'>,
  work: (tell: (progress: object) => void) => Promise<object>,
): Promise<Answer> {
  const wanted = preferredType(headers.accept, ['application/json', LINES_TYPE]);
  if (wanted === 'application/json') return json(200, await work(() => undefined));
  return linesAnswer(method, told(work), heartbeatMs);
}

/** Of what is told faster than it is sent, the newest. */
async function* told(work: (tell: (progress: object) => void) => Promise<object>): AsyncGenerator<object> {
  let latest: object | undefined;
  let wake = () => {};
  let hasBegun = false;
  const tell = (progress: object) => {
    latest = progress;
    wake();
  };
  const ended = work(tell).then(
    (report) => ({ report }),
    (error: unknown) => ({ error }),
  );
  for (;;) {
    const more = new Promise<undefined>((resolve) => {
      wake = () => resolve(undefined);
      if (latest !== undefined) wake();
    });
    const end = await Promise.race([more, ended]);
    if (end === undefined) {
      yield { progress: latest };
      latest = undefined;
      hasBegun = true;
      continue;
    }
    if ('report' in end) yield end;
    else if (hasBegun) yield { error: errorJson(end.error) };
    else throw end.error;
    return;
  }
}
