/**
 * One object on its way to a daemon: as bytes, as a stream, or as the path of a file that the daemon reads itself.
 *
 * Imports the connection, the contract and what stands in messages. Called by the client.
 */

import type { CborInput } from '../../cbor/index.js';
import { isStoreError } from '../../errors.js';
import { REMOTE_CHANNEL_FROM, SLAB_SIZE } from '../../limits.js';
import {
  type ByteSource,
  type FileSource,
  type IngestHints,
  type IngestResult,
  isBytesSource,
  isFileSource,
  type SessionHints,
  type SessionResult,
} from '../spi.js';
import { type Answer, aborted, type Connection, type Rest } from './connection.js';
import { encodeFailedEnd, encodePieces, encodeWhole, malformed, STREAM_END } from './frames.js';
import { readIfSmall } from './local-files.js';
import { isBelowAny, pathBytes } from './paths.js';
import { isCount, isMap } from './shapes.js';
import { plainValue, readIngestOutcome } from './values.js';

export type Outcome = IngestResult | SessionResult;

/** What an ingest gave, and in which run of the daemon. */
export interface Ingested {
  outcome: Outcome;
  instance: string;
}

/** Stores one object, or carries one step of an upload session out. Throws as the contract says, and as `Connection.ask`. */
export async function ingest(
  connection: Connection,
  source: ByteSource,
  hints: IngestHints | SessionHints,
): Promise<Ingested> {
  const { session } = hints;
  if (session !== undefined)
    return 'offset' in session
      ? sendOnceAsked(connection, source, hints, 'append')
      : send(connection, hints, [STREAM_END]);
  if (isFileSource(source)) {
    if (source.signal?.aborted) throw aborted();
    const found = await ingestPath(connection, source, hints);
    if (found !== undefined) return found;
    await readIfSmall(source.path); // refuses what is no regular file, as who reads it here would
  }
  if (isBytesSource(source)) {
    const { bytes } = source;
    return send(
      connection,
      hints,
      bytes.byteLength <= SLAB_SIZE ? [encodeWhole(bytes)] : () => new SentStream(once(bytes)),
    );
  }
  const isLarge = (hints.size ?? Number.POSITIVE_INFINITY) >= REMOTE_CHANNEL_FROM;
  if (isLarge && (await connection.takeChannel()))
    return sendOnceAsked(connection, source, hints, 'channel').finally(() => connection.leaveChannel());
  const stream = new SentStream(source);
  return send(connection, hints, stream).catch((error) => {
    throw stream.failure?.error ?? error;
  });
}

function send(connection: Connection, hints: IngestHints | SessionHints, rest: Rest): Promise<Ingested> {
  const request = {
    operation: 'ingest',
    head: { hints: hintsValue(hints) },
    rest,
    isStream: !Array.isArray(rest),
  } as const;
  return connection.ask(request, async ({ body, instance }) => {
    const outcome = readIngestOutcome(await body.head());
    await body.end();
    return { outcome, instance };
  });
}

/** Has the daemon read the file; undefined when it does not. */
async function ingestPath(
  connection: Connection,
  { path: given, onRead, signal }: FileSource,
  hints: IngestHints,
): Promise<Ingested | undefined> {
  const path = pathBytes(given);
  if (!isBelowAny((await connection.greeting()).roots, path)) return undefined;
  let told = 0;
  const tell = (size: number) => {
    if (size > told) onRead?.(size - told);
    told = Math.max(size, told); // an attempt after another begins anew
  };
  try {
    const head = { hints: hintsValue(hints), path };
    return await connection.ask({ operation: 'ingest', head, signal, isStream: true }, (answer) =>
      reported(answer, tell),
    );
  } catch (error) {
    if (told === 0 && isStoreError(error, 'AS_ERR_FORBIDDEN')) return undefined;
    throw error;
  }
}

/**
 * Sends a stream that is not asked for a byte before the daemon has begun. Of an append to an upload session, because somebody else may be writing to the session; over a connection of
 * its own, because the daemon has somebody else read it from there on.
 */
async function sendOnceAsked(
  connection: Connection,
  source: ByteSource,
  hints: IngestHints | SessionHints,
  kind: 'append' | 'channel',
): Promise<Ingested> {
  const gate = new Gate();
  const stream = new SentStream(source, gate);
  const request = {
    operation: 'ingest',
    head: { hints: hintsValue(hints) },
    rest: stream,
    isStream: true,
    isIdempotent: kind === 'channel',
    channel: kind === 'channel' ? 'written' : undefined,
  } as const;
  try {
    return await connection.ask(request, (answer) => reported(answer, () => undefined, gate));
  } catch (error) {
    throw stream.failure?.error ?? error;
  } finally {
    gate.settle(false);
  }
}

/** The answer to who wants to know more than the result. */
async function reported({ body, instance }: Answer, tell: (read: number) => void, gate?: Gate): Promise<Ingested> {
  await body.head();
  gate?.settle(true);
  let outcome: Outcome | undefined;
  for await (const report of body.values()) {
    if (!isMap(report)) throw malformed('a report of an ingest is a map');
    if (isCount(report.read)) tell(report.read);
    else outcome = readIngestOutcome(report);
  }
  if (outcome === undefined) throw malformed('an ingest ended without a result');
  return { outcome, instance };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function hintsValue(hints: IngestHints | SessionHints): CborInput {
  const { session, ...others } = hints;
  return { ...(plainValue(others) as object), ...(session && { session: plainValue(session) }) };
}

/** Whether something may begin; said once. */
class Gate {
  settle: (isOpen: boolean) => void = () => undefined;
  readonly opened = new Promise<boolean>((resolve) => {
    this.settle = resolve;
  });
}

/** A source as it is sent. When it throws, the other end is told, and keeps of a session what came before; the failure itself is the caller's. */
class SentStream implements AsyncIterable<Uint8Array> {
  failure: { error: unknown } | undefined;

  constructor(
    private readonly source: ByteSource,
    private readonly gate?: Gate,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    if (this.gate !== undefined && !(await this.gate.opened)) return;
    try {
      yield* encodePieces(this.source);
    } catch (error) {
      this.failure = { error };
    }
    yield this.failure === undefined ? STREAM_END : encodeFailedEnd(aborted());
  }
}
