/**
 * The open connections and the answers under way on each: what a graceful end has to wait for.
 *
 * Imports Node types and the newcomers. Called by `listeners.ts` and `server.ts`.
 */

import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { newcomers } from './newcomers.js';

export class Connections {
  readonly #responses = new Map<Socket, Set<ServerResponse>>();
  /** Connections on which TLS has yet to be agreed on, by the client's address and port. */
  readonly #greeting = new Map<string, Socket>();
  #closing = false;

  /** Connections that are open. */
  get count(): number {
    return this.#responses.size;
  }

  /**
   * Follows every connection that a server accepts from now on.
   *
   * @param isTls whether requests come over sockets of TLS, each on top of one that was accepted before
   */
  follow(server: Server, isTls: boolean): void {
    if (isTls) server.on('connection', (socket: Socket) => this.#greet(socket));
    server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#greeting.delete(addressOf(socket));
      this.#responses.set(socket, new Set());
      if (!isTls) newcomers.add(socket);
      socket.once('close', () => this.#responses.delete(socket));
      if (this.#closing) socket.destroy();
    });
  }

  /** Whether requests can come over a socket: over one on which TLS failed, none can. */
  has(socket: Socket): boolean {
    return this.#responses.has(socket);
  }

  /** An answer is under way until its response closes, or `untrack` is told that all of it has left. */
  track(response: ServerResponse): void {
    newcomers.known(response.req.socket);
    this.#responses.get(response.req.socket)?.add(response);
  }

  /** An answer has been written, or given up: what the connection has not taken yet is waited for. */
  untrack(response: ServerResponse): void {
    const { socket } = response.req;
    if (response.closed || socket.destroyed || (response.writableEnded && socket.writableLength === 0))
      this.#ended(response);
    else response.once('close', () => this.#ended(response));
  }

  /** Whether the head of an answer is out, so that nothing else may be written to the connection. */
  isAnswering(socket: Socket): boolean {
    return [...(this.#responses.get(socket) ?? [])].some((response) => response.headersSent);
  }

  /** Ends idle connections now and the others behind their answers. */
  endIdle(): void {
    this.#closing = true;
    for (const socket of this.#greeting.values()) socket.destroy();
    for (const [socket, responses] of this.#responses) if (responses.size === 0) socket.destroy();
  }

  /** Tears whatever is left. */
  destroyAll(): void {
    for (const socket of this.#responses.keys()) socket.destroy();
  }

  #ended(response: ServerResponse): void {
    const { socket } = response.req;
    const others = this.#responses.get(socket);
    others?.delete(response);
    if (this.#closing && others?.size === 0) socket.destroySoon();
  }

  #greet(socket: Socket): void {
    const address = addressOf(socket);
    this.#greeting.set(address, socket);
    socket.once('close', () => this.#greeting.delete(address));
  }
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
