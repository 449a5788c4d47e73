/**
 * Room for a package on its way in: what its files take of the quota of whoever stores them, and of that of the namespace that it comes to.
 *
 * Imports digest text, errors and accounts. quotas.ts makes one for each version; what takes packages in asks it before a byte is read.
 *
 * Before a file has been read, nobody knows whether the namespace has it: room is reserved for all of it. Once it is known, what the namespace has already gives its room back.
 */

import { toHex } from '../digest-name.js';
import { isStoreError } from '../errors.js';
import type { Ownership } from '../registry/quotas.js';
import { type AccountHold, JointHold } from './quota-account.js';

/** What is known of a file once it has been read. */
export interface KnownObject {
  readonly blake3: Uint8Array;
  /** Bytes. */
  readonly size: number;
}

/** Where room is reserved, as far as anything bounds it. */
export interface Rooms {
  token: AccountHold | undefined;
  logical?: AccountHold;
  physical?: AccountHold;
  /** For each address whether it is the namespace's own; absent where nothing bounds the namespace. */
  owned?: (addresses: readonly Uint8Array[]) => Promise<(Ownership | undefined)[]>;
}

export class PackageRoom {
  /** Objects of this package that are known. */
  readonly #seen = new Set<string>();
  /** Bytes of files that were uploaded for the namespace before: their room they have. */
  #waiting = 0;

  readonly #all: JointHold;

  constructor(private readonly rooms: Rooms) {
    const { token, logical, physical } = rooms;
    this.#all = new JointHold([token, logical, physical].filter((hold) => hold !== undefined));
  }

  /**
   * Before a file of so many bytes is read.
   *
   * @param settled waits for files of this package that are under way, whose room may come back; false: there are none
   * @throws AS_ERR_QUOTA
   */
  async reserve(size: number, settled: () => Promise<boolean>): Promise<void> {
    for (;;) {
      try {
        return await this.#all.grow(size);
      } catch (error) {
        if (!isStoreError(error, 'AS_ERR_QUOTA') || !(await settled())) throw error;
      }
    }
  }

  /**
   * Files are known now.
   *
   * @param reserved bytes that `reserve` reserved for them; 0 for those that need not be read
   * @throws AS_ERR_QUOTA: there is no room for what had none reserved
   */
  async settle(files: readonly KnownObject[], reserved: number): Promise<void> {
    const { logical, physical, owned: ownedOf } = this.rooms;
    if (files.length === 0) return;
    const sum = (which: readonly KnownObject[]) => which.reduce((total, { size }) => total + size, 0);
    if (ownedOf === undefined) {
      for (const hold of [logical, physical]) await hold?.grow(sum(files) - reserved);
      return;
    }
    const fresh = files.filter(({ blake3 }) => this.#seen.size < this.#seen.add(toHex(blake3)).size);
    const owned = await ownedOf(fresh.map(({ blake3 }) => blake3));
    const waiting = sum(fresh.filter((_, index) => owned[index] === 'waiting'));
    this.#waiting += waiting;
    await logical?.grow(sum(files) - waiting - reserved);
    await physical?.grow(sum(fresh.filter((_, index) => owned[index] === undefined)) - reserved);
  }

  /**
   * Before the manifest is stored, which says what the package comes to.
   *
   * @param manifest bytes of the manifest itself
   * @param size bytes of all files
   * @throws AS_ERR_QUOTA
   */
  async complete(manifest: number, size: number): Promise<void> {
    const { token, logical, physical } = this.rooms;
    await token?.grow(manifest);
    await physical?.grow(manifest);
    await logical?.growTo(size - this.#waiting);
  }

  /**
   * Before a version comes back whose bytes are all here.
   *
   * @param size bytes of all files
   * @param lacking asked where something bounds the namespace: bytes of those of its objects that the namespace does not need now
   * @throws AS_ERR_QUOTA
   */
  async restore(size: number, lacking: () => Promise<number>): Promise<void> {
    const { logical, physical, owned } = this.rooms;
    await logical?.grow(size);
    await physical?.grow(owned === undefined ? size : await lacking());
  }

  /**
   * To be called once, whatever happened.
   *
   * @param stored bytes that the store did not have before
   * @param isPublished the version is new, and the namespace's
   */
  release(stored: number, isPublished: boolean): void {
    const { token, logical, physical } = this.rooms;
    token?.release(stored);
    for (const hold of [logical, physical]) hold?.release(0, isPublished ? hold.size : 0);
  }
}
