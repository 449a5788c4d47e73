/**
 * An answer whose body is left in its connection: undici sends the request and reads the head, and from there on whoever has the descriptor reads, and undici does not.
 *
 * The connection is one of its own, because nobody else can use it afterwards. Imports undici, the addon for the descriptor, and limits. Called by requests.ts.
 */

import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { buildConnector, Client, type Dispatcher } from 'undici';
import { S3_CONNECT_TIMEOUT_MS } from '../../../limits.js';
import { loadAddon } from '../../../native/load.js';

export interface HandedOver {
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
  /** Of the body, what had been read with the head. */
  before: Uint8Array;
  /** A descriptor from which the rest comes. Whoever has it ends it with the addon's `dropSocket`. */
  socket: number;
}

/**
 * Sends a request over plain HTTP.
 *
 * @param isWanted whether the body of such an answer is to be handed over
 * @returns undefined: it is not wanted, or cannot be handed over; nothing of the request is left
 * @throws what undici does: no connection, no answer
 */
export async function handOver(
  origin: string,
  request: Dispatcher.RequestOptions,
  isWanted: (answer: Pick<HandedOver, 'status' | 'headers'>) => boolean,
): Promise<HandedOver | undefined> {
  const connect = buildConnector({ timeout: S3_CONNECT_TIMEOUT_MS });
  let connection: Socket | undefined;
  const client = new Client(origin, {
    pipelining: 1,
    connect: (options, callback) =>
      connect(options, (...result) => {
        connection = result[1] ?? undefined;
        callback(...result);
      }),
  });
  try {
    const answer = await headOf(client, request);
    await setImmediate(); // what of the body was read with the head goes back to the connection
    if (connection === undefined || !isWanted(answer)) return undefined;
    const chunks: Buffer[] = [];
    for (let chunk = connection.read(); chunk !== null; chunk = connection.read()) chunks.push(chunk as Buffer);
    // The descriptor is the connection; that of Node's is closed below, and takes nothing with it.
    const socket = loadAddon().keepSocket(descriptorOf(connection));
    return socket < 0 ? undefined : { ...answer, before: Buffer.concat(chunks), socket };
  } finally {
    await client.destroy();
  }
}

/** The head of the answer; undici reads no further. */
function headOf(client: Client, request: Dispatcher.RequestOptions): Promise<Pick<HandedOver, 'status' | 'headers'>> {
  return new Promise((resolve, reject) => {
    client.dispatch(request, {
      onRequestStart: () => undefined,
      onResponseStart(controller, status, headers) {
        controller.pause();
        resolve({ status, headers: headers as HandedOver['headers'] });
      },
      onResponseError: (_, error) => reject(error), // after an answer nobody listens
    });
  });
}

/** No part of Node's interface; where it is missing, nothing is handed over. */
function descriptorOf(connection: Socket): number {
  const { _handle: handle } = connection as Socket & { _handle?: { fd?: number } | null };
  return handle?.fd ?? -1;
}
