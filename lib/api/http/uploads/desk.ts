/**
 * What requests for uploads share: who is at which upload, how many are open, how much is held in memory to be checked, and the look for those
 * that nobody goes on with.
 *
 * Imports the store's type, errors and limits. Made and closed by `server.ts`; the handlers of uploads get it with each exchange.
 */

import { isStoreError } from '../../../errors.js';
import {
  UPLOAD_CHECKED_TOTAL_MAX,
  UPLOAD_LIFETIME_MS,
  UPLOAD_SWEEP_INTERVAL_MS,
  UPLOADS_OPEN_MAX,
} from '../../../limits.js';
import type { Store } from '../../../store.js';
import { Refusal } from '../refusal.js';

interface Holder {
  readonly ending: AbortController;
  readonly done: Promise<void>;
}

export class UploadDesk {
  readonly #holders = new Map<string, Holder>();
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> = Promise.resolve();
  #openCount = 0;
  #checkedSize = 0;

  /** @param onError told when the look for uploads to end fails */
  constructor(
    private readonly store: Store,
    private readonly onError: (error: unknown, activity: string) => void,
  ) {
    this.#timer = setInterval(() => this.sweep(), UPLOAD_SWEEP_INTERVAL_MS).unref();
    this.sweep();
  }

  /** Stops looking; resolves when a look under way has ended. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }

  /**
   * Runs `work` as the only one at an upload. Who is at it when another request comes is ended first: its client has lost the connection, or
   * has changed its mind.
   *
   * @param work its signal says that another request has come
   */
  async takeOver<T>(id: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const before = this.#holders.get(id);
    let release: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      release = resolve;
    });
    const holder = { ending: new AbortController(), done };
    this.#holders.set(id, holder);
    before?.ending.abort();
    await before?.done;
    try {
      return await work(holder.ending.signal);
    } finally {
      release();
      if (this.#holders.get(id) === holder) this.#holders.delete(id);
    }
  }

  /**
   * Ends every request that is at an upload, because the service stops: what came is made durable, and each is told to go on with it later.
   */
  interrupt(): void {
    for (const { ending } of this.#holders.values()) ending.abort(stopping());
  }

  /** Uploads that are open, as far as this service knows. */
  get openCount(): number {
    return this.#openCount;
  }

  /** Resolves when nobody is at an upload. */
  async settled(id: string): Promise<void> {
    for (let holder = this.#holders.get(id); holder; holder = this.#holders.get(id)) await holder.done;
  }

  /** Counts an upload that is about to be opened. Throws AS_ERR_LIMIT (503): as many are open as may be. */
  noteOpening(): void {
    if (this.#openCount >= UPLOADS_OPEN_MAX) {
      throw busy(`${UPLOADS_OPEN_MAX} uploads are open, as many as may be. Finish or delete others first.`);
    }
    this.#openCount++;
  }

  /** Counts an upload that has ended, or was not opened after all. */
  noteEnd(): void {
    this.#openCount = Math.max(this.#openCount - 1, 0);
  }

  /** Lends memory for a part that is checked before it is taken in. Throws AS_ERR_LIMIT (503): all of it is lent. */
  async withMemory<T>(size: number, work: () => Promise<T>): Promise<T> {
    if (this.#checkedSize + size > UPLOAD_CHECKED_TOTAL_MAX) {
      throw busy('Too many parts with checksums are under way. Send this one again in a second.');
    }
    this.#checkedSize += size;
    try {
      return await work();
    } finally {
      this.#checkedSize -= size;
    }
  }

  /** Ends the uploads whose time is over, and counts those that are left. Resolves when done; one look at a time. */
  sweep(): Promise<void> {
    this.#sweeping = this.#sweeping.then(() => this.#sweep());
    return this.#sweeping;
  }

  async #sweep(): Promise<void> {
    try {
      if (this.store.readOnly !== false) return;
      await this.store.uploads.expire({ idleSince: Date.now() - UPLOAD_LIFETIME_MS });
      this.#openCount = (await this.store.uploads.list()).length;
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_CLOSED')) return; // who closed the store under the service hears it from requests
      this.onError(error, 'ending uploads that nobody goes on with');
    }
  }
}

function busy(message: string): Refusal {
  return new Refusal('AS_ERR_LIMIT', 503, message, {}, { 'Retry-After': '1' });
}

function stopping(): Refusal {
  const message = 'The service is stopping. The upload has what came before: ask for its offset in a while and go on.';
  return new Refusal('AS_ERR_UNAVAILABLE', 503, message, {}, { 'Retry-After': '1' });
}
