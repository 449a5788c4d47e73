/**
 * Giving small objects out into sockets, many in one call of the core: of what an answer costs beyond the kernel's own work, most was spent between JavaScript and the core.
 *
 * Imports the backend, the small reads and limits. Called by index.ts.
 */

import { ANSWER_COLUMNS, DIGEST_SIZE, READ_NOW_SIZE_MAX, SEND_TOGETHER_MAX } from '../../limits.js';
import type { LocalBackend } from '../backend/local.js';
import type { SmallSend } from '../spi.js';
import type { SmallReads } from './serve-small.js';

/** A socket that there is none of: nothing is sent. */
const NO_SOCKET = -1;

export class SmallSends {
  readonly #columns = new Int32Array(SEND_TOGETHER_MAX * ANSWER_COLUMNS);
  readonly #addresses = new Uint8Array(SEND_TOGETHER_MAX * DIGEST_SIZE);

  constructor(
    private readonly backend: LocalBackend,
    private readonly reads: SmallReads,
  ) {}

  /** Sends what can be sent without waiting, and sets `sent` of each. */
  send(memory: Uint8Array, sends: readonly SmallSend[]): void {
    for (let first = 0; first < sends.length; first += SEND_TOGETHER_MAX) {
      this.#sendSome(memory, sends, first, Math.min(first + SEND_TOGETHER_MAX, sends.length));
    }
  }

  #sendSome(memory: Uint8Array, sends: readonly SmallSend[], first: number, end: number): void {
    const columns = this.#columns;
    for (let n = first; n < end; n++) this.#fill(n - first, sends[n] as SmallSend);
    this.backend.sendAnswers(memory, columns, this.#addresses, end - first);
    for (let n = first; n < end; n++) {
      (sends[n] as SmallSend).sent = columns[(n - first) * ANSWER_COLUMNS + ANSWER_COLUMNS - 1] as number;
    }
  }

  #fill(row: number, { socket, start, end, address, size }: SmallSend): void {
    const columns = this.#columns;
    const digest = size > READ_NOW_SIZE_MAX ? undefined : this.reads.known(address);
    const at = row * ANSWER_COLUMNS;
    columns[at] = digest === undefined ? NO_SOCKET : socket;
    columns[at + 1] = start;
    columns[at + 2] = end - start;
    columns[at + 3] = size;
    columns[at + 4] = -1;
    if (digest !== undefined) this.#addresses.set(digest, row * DIGEST_SIZE);
  }
}
