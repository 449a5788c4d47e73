/**
 * Small answers of one turn of the event loop, which leave together when it ends: nothing is made for each of them, and sending many in a row costs less than the same
 * between requests. Why, and how much: docs/adr/0048.
 *
 * Imports Node types, the exchange, heads and limits. Given answers by `server.ts`, which is told when they have left.
 */

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { SmallSend } from '../../dataplane/spi.js';
import { SEND_HEAD_SIZE_MAX, SEND_JOINED_SIZE_MAX, SEND_TOGETHER_MAX } from '../../limits.js';
import { StoredObject } from '../../store/stored-object.js';
import type { Store } from '../../store.js';
import type { Answer, ObjectAnswer } from './exchange.js';
import { writeHead } from './head.js';
import type { Turn } from './turn.js';

export interface OutboxHost {
  readonly store: Store | undefined;
  /** The connection has all of an answer, or has ended. */
  onLeft(turn: Turn): void;
  /** Nothing of an answer has been sent, because its object has to be read first. */
  onUnread(turn: Turn, answer: ObjectAnswer): void;
}

/** Bytes for one answer. */
const PLACE_SIZE = SEND_HEAD_SIZE_MAX + SEND_JOINED_SIZE_MAX;

/** What Node knows of an answer's head; no part of its interface, so it is looked for before it is used. */
interface Inner {
  _header?: string | null;
  _headerSent?: boolean;
}

/** Stands for a head that has left. */
const SENT = 'HTTP/1.1';

/** An answer on its way out. */
class Leaving {
  constructor(
    readonly turn: Turn,
    readonly answer: Answer,
    readonly connection: Socket,
    /** Where in the memory its bytes are; with an object, those before it. */
    readonly start: number,
    readonly end: number,
    /** Of the body. */
    readonly bodySize: number,
    readonly object: SmallSend | undefined,
  ) {}
}

export class Outbox {
  #memory: Buffer | undefined;
  #waiting: Leaving[] = [];

  constructor(private readonly host: OutboxHost) {}

  /** Takes an answer, if it is one that can leave so: the next on a plain connection that stays open, and small. False: it has to go the usual way. */
  take(turn: Turn, answer: Answer): boolean {
    const { body } = answer;
    const { socket } = turn.response;
    if (socket === null || body === undefined || !isPlain(turn, socket)) return false;
    const length = lengthOf(body);
    if (length === undefined) return false;
    const isBare = turn.request.method === 'HEAD';
    const size = isBare ? 0 : length;
    if (size > SEND_JOINED_SIZE_MAX) return false;
    const memory = this.#place();
    const start = this.#waiting.length * PLACE_SIZE;
    const room = start + SEND_HEAD_SIZE_MAX;
    const head = writeHead(memory, start, room, answer, length, turn.visit.id);
    if (head === undefined) return false;
    const isObject = body instanceof StoredObject;
    const end = isObject || isBare ? head : head + write(memory, head, body);
    const object = isObject && !isBare ? sendOf(body, start, end) : undefined;
    if (this.#waiting.length === 0) setImmediate(this.#flush);
    this.#waiting.push(new Leaving(turn, answer, socket, start, end, size, object));
    if (this.#waiting.length === SEND_TOGETHER_MAX) this.flush();
    return true;
  }

  /** Sends what waits now. */
  flush(): void {
    const leaving = this.#waiting;
    if (leaving.length === 0) return;
    this.#waiting = [];
    const objects: SmallSend[] = [];
    for (const { object, connection } of leaving) {
      if (object === undefined) continue;
      object.socket = descriptorOf(connection);
      objects.push(object);
    }
    const memory = this.#place();
    if (objects.length > 0) this.host.store?.sendSmall(memory, objects);
    for (const one of leaving) this.#conclude(one, memory);
  }

  readonly #flush = () => this.flush();

  #place(): Buffer {
    this.#memory ??= Buffer.allocUnsafeSlow(SEND_TOGETHER_MAX * PLACE_SIZE);
    return this.#memory;
  }

  #conclude({ turn, answer, connection, start, end, bodySize, object }: Leaving, memory: Buffer): void {
    if (connection.destroyed) {
      this.host.onLeft(turn);
      return;
    }
    if (object !== undefined && object.sent < 0) {
      this.host.onUnread(turn, answer as ObjectAnswer);
      return;
    }
    const sent = start + (object?.sent ?? 0);
    const written = end + (object?.size ?? 0);
    if (sent < written) connection.write(Buffer.from(memory.subarray(sent, written))); // others need the place
    turn.visit.bytesOut += bodySize;
    endResponse(turn.response, answer.status);
    this.host.onLeft(turn);
  }
}

function sendOf({ record, size }: StoredObject, start: number, end: number): SmallSend {
  return { socket: -1, start, end, address: record.blake3, size, sent: -1 };
}

/** Has Node go on to the next request: what it would write has been written. */
function endResponse(response: ServerResponse, status: number): void {
  const inner: Inner = response as unknown as Inner;
  response.statusCode = status;
  inner._header = SENT;
  inner._headerSent = true;
  response.end();
}

/** Whether nothing of an answer's head is Node's business, and it is this answer's turn on the connection. */
function isPlain({ request, response }: Turn, socket: Socket): boolean {
  if (socket instanceof TLSSocket || !socket.writable || !('_header' in response && '_headerSent' in response))
    return false;
  if (!response.shouldKeepAlive || request.httpVersion !== '1.1') return false;
  return request.headers['tus-resumable'] === undefined; // there is a field then that is not in the answer
}

/** Bytes of a body that does not come piece by piece. */
function lengthOf(body: NonNullable<Answer['body']>): number | undefined {
  if (body instanceof StoredObject) return body.size;
  if (typeof body === 'string') return Buffer.byteLength(body);
  return 'rest' in body ? undefined : body.byteLength;
}

function write(memory: Buffer, at: number, body: Exclude<Answer['body'], StoredObject | undefined>): number {
  if (typeof body === 'string') return memory.write(body, at);
  if ('rest' in body) return 0;
  memory.set(body, at);
  return body.byteLength;
}

/** The descriptor of a connection on which nothing waits; -1: there is none, or what comes next has to wait behind it. */
function descriptorOf(connection: Socket): number {
  if (connection.destroyed || connection.writableLength > 0) return -1;
  return (connection as Socket & { _handle?: { fd?: number } })._handle?.fd ?? -1;
}
