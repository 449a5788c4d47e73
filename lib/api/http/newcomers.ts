/**
 * Connections from which no request has come yet. While as many uploads wait with their first bytes as there are slabs for them, nothing is read from further ones: of each, Node
 * would take 64 KiB into memory at once, only to have them wait there and not in the socket.
 *
 * Imports Node types and limits. Told of connections by `connections.ts`, and of uploads by `body.ts`.
 */

import type { Socket } from 'node:net';
import { HTTP_BEGINNING_MAX, HTTP_NEWCOMERS_EVERY_MS } from '../../limits.js';

export class Newcomers {
  /** In the order in which they came. */
  readonly #fresh = new Set<Socket>();
  /** Those from which nothing is read for now. */
  readonly #resting = new Set<Socket>();
  /** Uploads whose first bytes wait for a slab. */
  #beginning = 0;
  #timer: NodeJS.Timeout | undefined;

  /** A connection was made; it is one until `known`, or until it closes. */
  add(socket: Socket): void {
    this.#fresh.add(socket);
    socket.once('close', () => this.known(socket));
    if (this.#isFull) this.#rest();
  }

  /** A request has come from it. */
  known(socket: Socket): void {
    this.#fresh.delete(socket);
    this.#resting.delete(socket);
  }

  /** An upload waits with its first bytes. */
  uploadBegins(): void {
    this.#beginning++;
    if (this.#isFull) this.#rest();
  }

  /** They have been taken. */
  uploadBegan(): void {
    this.#beginning--;
    if (this.#isFull) return;
    const [next] = this.#resting;
    if (next !== undefined) this.#read(next);
  }

  get #isFull(): boolean {
    return this.#beginning >= HTTP_BEGINNING_MAX;
  }

  #rest(): void {
    for (const socket of this.#fresh) {
      this.#fresh.delete(socket);
      this.#resting.add(socket);
      socket.pause();
    }
    this.#timer ??= setInterval(() => this.#readSome(), HTTP_NEWCOMERS_EVERY_MS);
  }

  /** Whatever the uploads do, nobody waits for ever: others may want something else than to store. */
  #readSome(): void {
    for (const socket of [...this.#resting].slice(0, HTTP_BEGINNING_MAX)) this.#read(socket);
    if (this.#resting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #read(socket: Socket): void {
    this.#resting.delete(socket);
    socket.resume();
  }
}

/** Of all services of this process, as the counts in `body.ts` are. */
export const newcomers = new Newcomers();
