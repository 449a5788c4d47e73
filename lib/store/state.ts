/**
 * Whether a store is open, and for writing: what each part of it asks before it does anything.
 *
 * Imports errors. `Store` closes it.
 */

import { ArtifactStoreError } from '../errors.js';

export class StoreState {
  #isClosed = false;

  constructor(
    /** Absolute path of the store's folder. */
    readonly path: string,
    readonly readOnly: boolean,
  ) {}

  /** From now on everything that is asked is refused. */
  close(): void {
    this.#isClosed = true;
  }

  /** Whether events can be written. */
  isWritable(): boolean {
    return !this.readOnly && !this.#isClosed;
  }

  /** Throws AS_ERR_CLOSED. */
  requireOpen(): void {
    if (this.#isClosed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The store is closed; open it again.');
  }

  /** Throws AS_ERR_CLOSED, AS_ERR_READ_ONLY. */
  requireWritable(): void {
    this.requireOpen();
    if (!this.readOnly) return;
    throw new ArtifactStoreError(
      'AS_ERR_READ_ONLY',
      `The store in ${this.path} was opened read-only. Open it for writing to change it.`,
      { path: this.path },
    );
  }
}
