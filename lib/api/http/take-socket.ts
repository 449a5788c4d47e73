/**
 * Taking a connection from Node in the middle of a request's body: from then on whoever has its descriptor reads from it, and Node does not. There is no way back, because
 * Node's parser does not know what others have read, so the connection ends behind the answer.
 *
 * Imports Node types. Called by `body.ts`. What it needs of Node and is no part of its interface is looked for before: docs/adr/0025.
 */

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** What a plain connection is made of. */
interface Handle {
  readonly fd: number;
  reading: boolean;
  readStop(): number;
}

function handleOf(socket: Socket): Handle | undefined {
  const { _handle: handle } = socket as Socket & { _handle?: Partial<Handle> | null };
  const isPlain = typeof handle?.fd === 'number' && handle.fd >= 0 && typeof handle.readStop === 'function';
  return isPlain && 'reading' in handle ? (handle as Handle) : undefined;
}

/** Whether it can be taken: plain, open, and still sending. */
export function canTakeSocket({ socket, complete }: IncomingMessage): boolean {
  return !complete && !socket.destroyed && !(socket instanceof TLSSocket) && handleOf(socket) !== undefined;
}

/** Takes it. What Node has read before has been emitted as `data` of the request when this resolves. */
export async function takeSocket(request: IncomingMessage): Promise<void> {
  const { socket } = request;
  request._read = nothing; // or it would have the socket read on
  stopReading(socket);
  await new Promise((resolve) => setImmediate(resolve)); // the parser may be in the middle of what has come
  request.resume();
  await new Promise((resolve) => setImmediate(resolve));
  socket.on('data', nothing); // at a first listener Node takes its parser off the connection
  for (const listener of socket.listeners('data')) if (listener !== nothing) socket.off('data', listener as () => void);
  stopReading(socket);
}

/** The descriptor of a connection; -1 once it is closed. */
export function descriptorOf(socket: Socket): number {
  return handleOf(socket)?.fd ?? -1;
}

function stopReading(socket: Socket): void {
  socket.pause();
  const handle = handleOf(socket);
  if (handle === undefined) return;
  handle.readStop();
  handle.reading = false;
}

function nothing(): void {}
