/**
 * How uploads go, told while they do: as server-sent events to whoever watches one, and as interim answers to the client that sends it.
 *
 * Imports the exchange, the dialects' types and limits. Called by `handlers.ts` and `append.ts`. Progress is in no event of the log: where an upload stands
 * the data plane says, and a line for each second of each upload would be most of the log. docs/adr/0023.
 */

import { EVENTS_RETRY_MS } from '../../../limits.js';
import type { Upload } from '../../../store/uploads.js';
import type { Answer, Exchange } from '../exchange.js';
import { Inbox } from '../inbox.js';
import type { Dialect } from './dialect.js';

export const SSE_TYPE = 'text/event-stream';

/** The last id of a stream: who comes back with it has heard how the upload ended. */
const END = 'end';

/** The stream of an upload's progress. 204 for who has heard its end: by that an EventSource knows not to come back. */
export async function streamProgress(exchange: Exchange, id: string): Promise<Answer> {
  const { headers, method } = exchange;
  if (headers['last-event-id'] === END) return { status: 204, headers: {} };
  const fields = {
    'Content-Type': SSE_TYPE,
    'Cache-Control': 'no-store',
    Vary: 'Accept',
    'X-Accel-Buffering': 'no', // nginx would hold back what is small
  };
  if (method === 'HEAD') return { status: 200, headers: fields };
  const rest = messages(exchange, id);
  return { status: 200, headers: fields, body: { first: await rest.next(), rest } };
}

async function* messages(exchange: Exchange, id: string): AsyncGenerator<Uint8Array> {
  const { store, heartbeatMs } = exchange;
  const watch = store.uploads.watch(id, { signal: exchange.ended() });
  const inbox = new Inbox(watch);
  try {
    const first = await watch.next(); // what there is not, is an answer of its own
    if (first.done) return;
    yield Buffer.from(`retry: ${EVENTS_RETRY_MS}\n\n${message(first.value)}`);
    for (;;) {
      const step = await inbox.next(heartbeatMs);
      if (step?.done) return;
      yield Buffer.from(step ? message(step.value) : ':\n\n');
    }
  } finally {
    void watch.return(undefined); // not awaited: it ends with the signal
  }
}

function message({ id, state, offset, size, digests }: Upload): string {
  const isEnd = state !== 'open';
  const data = JSON.stringify({ id, state, offset, length: size, ...digests });
  return `id: ${isEnd ? END : offset}\nevent: ${isEnd ? state : 'progress'}\ndata: ${data}\n\n`;
}

/** Who is told, and in which words. */
interface Teller {
  exchange: Exchange;
  dialect: Dialect;
}

/**
 * Does `work`, and tells the client meanwhile how far its upload has come, where its dialect has a way to.
 *
 * @param known the upload before `work`
 */
export async function withInterimProgress<T>(teller: Teller, known: Upload, work: () => Promise<T>): Promise<T> {
  const { exchange, dialect } = teller;
  if (dialect.progress?.(known.offset, exchange.headers) === undefined) return work();
  const ending = new AbortController();
  const telling = tell(teller, known, ending.signal).catch(() => undefined); // the work itself says what is wrong
  try {
    return await work();
  } finally {
    ending.abort();
    await telling;
  }
}

async function tell({ exchange, dialect }: Teller, { id, offset: before }: Upload, signal: AbortSignal): Promise<void> {
  for await (const { state, offset } of exchange.store.uploads.watch(id, { signal })) {
    const fields = state === 'open' && offset > before && dialect.progress?.(offset, exchange.headers);
    if (fields && !signal.aborted) exchange.inform(104, 'Upload Resumption Supported', fields);
  }
}
