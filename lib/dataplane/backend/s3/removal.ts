/**
 * Deleting objects and their outboards: many in one request where the server was found to do that, else one by one.
 *
 * Objects go before their outboards: what a crash leaves between the two is an outboard, which nobody reads, and never an object that cannot be proven. Deleting the object
 * again removes it.
 * Imports the bucket's types, locks and limits. Called by plane.ts.
 */

import type { KeyLocks } from '../../../key-locks.js';
import { S3_DELETE_MAX } from '../../../limits.js';
import type { Permits } from '../../inproc/permits.js';
import type { ContentAddress, DeletionResult } from '../../spi.js';
import type { Parts, Sizes } from './parts.js';
import { outboardSize } from './tree.js';

type Outcome = DeletionResult | Error;

/** An object that is to go. */
interface Doomed {
  address: ContentAddress;
  size: number;
}

export class Removal {
  constructor(
    private readonly parts: Parts,
    private readonly locks: KeyLocks<ContentAddress>,
    private readonly sizes: Sizes,
    private readonly permits: Permits,
  ) {}

  /** As `deleteObject`. */
  async one(address: ContentAddress): Promise<DeletionResult> {
    const [outcome] = await this.many([address]);
    if (outcome instanceof Error) throw outcome;
    return outcome as DeletionResult;
  }

  /** As `deleteMany`. What is named twice is deleted once. */
  async many(addresses: readonly ContentAddress[]): Promise<Outcome[]> {
    const distinct = [...new Set(addresses)];
    const outcomes = await this.locks.lockedMany(distinct, () => this.#removeLocked(distinct));
    return addresses.map((address) => {
      const outcome = outcomes.get(address) as Outcome;
      if (!(outcome instanceof Error)) outcomes.set(address, NOTHING_DELETED);
      return outcome;
    });
  }

  async #removeLocked(addresses: readonly ContentAddress[]): Promise<Map<ContentAddress, Outcome>> {
    const { bucket, keys, marks } = this.parts;
    const outcomes = new Map<ContentAddress, Outcome>();
    const doomed: Doomed[] = [];
    const note = (address: ContentAddress, error: unknown) => void outcomes.set(address, error as Error);
    await this.#forEach(addresses, note, async (address) => {
      const found = await bucket.head(keys.object(address));
      if (found !== undefined) doomed.push({ address, size: found.size });
      else outcomes.set(address, await this.#removeLeftover(address));
    });
    for (const { address } of doomed) this.sizes.forget(address);
    await this.#remove(doomed, (address) => keys.object(address), note);
    const gone = doomed.filter(({ address }) => !outcomes.has(address));
    await this.#remove(
      gone.filter(({ size }) => outboardSize(size) > 0),
      (address) => keys.outboard(address),
      note,
    );
    for (const { address, size } of gone) {
      if (!outcomes.has(address)) outcomes.set(address, { deleted: true, freedSize: size + outboardSize(size) });
    }
    await this.#forEach(
      addresses.filter((address) => !(outcomes.get(address) instanceof Error)),
      note,
      (address) => marks.clear(address),
    );
    return outcomes;
  }

  /** The outboard of an object that is not there: a crash was between the two. */
  async #removeLeftover(address: ContentAddress): Promise<DeletionResult> {
    const { bucket, keys } = this.parts;
    const outboard = await bucket.head(keys.outboard(address));
    if (outboard === undefined) return NOTHING_DELETED;
    await bucket.remove(keys.outboard(address));
    return { deleted: true, freedSize: outboard.size };
  }

  /** Removes what has these keys; `note` is told what failed. */
  async #remove(
    objects: readonly Doomed[],
    keyOf: (address: ContentAddress) => string,
    note: (address: ContentAddress, error: unknown) => void,
  ): Promise<void> {
    const { bucket, findings } = this.parts;
    for (let from = 0; from < objects.length; from += S3_DELETE_MAX) {
      const addresses = objects.slice(from, from + S3_DELETE_MAX).map(({ address }) => address);
      let gone: ReadonlySet<string> = new Set();
      try {
        if (findings.multiDelete && addresses.length > 1) gone = await bucket.removeMany(addresses.map(keyOf));
      } catch (error) {
        for (const address of addresses) note(address, error);
        continue;
      }
      // What the answer does not name as deleted is asked for by itself: that says why not.
      const rest = addresses.filter((address) => !gone.has(keyOf(address)));
      await this.#forEach(rest, note, (address) => bucket.remove(keyOf(address)));
    }
  }

  async #forEach(
    addresses: readonly ContentAddress[],
    note: (address: ContentAddress, error: unknown) => void,
    run: (address: ContentAddress) => Promise<void>,
  ): Promise<void> {
    await Promise.all(
      addresses.map((address) => this.permits.run(() => run(address)).catch((error) => note(address, error))),
    );
  }
}

const NOTHING_DELETED: DeletionResult = { deleted: false, freedSize: 0 };
