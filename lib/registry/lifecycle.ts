/**
 * What has to be known to delete objects: how each stands, which may be swept, which nobody needs any more.
 *
 * Types, and a number. `lib/store/lifecycle.ts` and retention ask it; `sqlite-lifecycle.ts` implements it over the tables of `views.ts`.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import type { ObjectState } from './registry.js';

/** Stands for the time from which on bytes may be removed, of an object that is to be erased: a sweep, which leaves traces, must not do it. */
export const ERASE_AFTER = -1;

/** How an object stands, as far as its deletion is concerned. */
export interface Standing {
  /** Its place in the order in which objects were first stored. */
  seq: number;
  blake3: ContentAddress;
  state: ObjectState;
  /** Bytes. */
  size: number;
  /** Bytes that it occupies, by its receipts. */
  storedSize: number;
  /** A version of a package needs it. */
  needed: boolean;
  /** When it is tombstoned: from when on its bytes may be removed; milliseconds since 1970 UTC, 0 for at once, ERASE_AFTER for an erasure. */
  sweepAfter?: number;
}

/** Where a reading of objects that may be swept goes on. */
export interface DuePlace {
  sweepAfter: number;
  seq: number;
}

/** An object that may be swept. */
export interface Due extends DuePlace {
  blake3: ContentAddress;
}

/** What has to be known of an object whose bytes are about to be removed. */
export type Removable = Pick<Standing, 'blake3' | 'needed'>;

/** An object that nobody needs any more. */
export type Collectable = Pick<Standing, 'seq' | 'blake3' | 'size' | 'storedSize'>;

/** Questions of who deletes. Every answer holds what was committed before the question. */
export interface LifecycleRegistry {
  /** How these objects stand, at the same places; undefined for one that was never stored. */
  standing(addresses: readonly ContentAddress[]): Promise<(Standing | undefined)[]>;

  /** Up to `limit` tombstoned objects whose grace is over at `now`, behind `after`: those first that have waited longest. */
  due(now: number, limit: number, after?: DuePlace): Promise<Due[]>;

  /** Those of them, in any order, that may be swept at `now` still. By their seqs, which costs little: nothing has to be looked up, and neighbours stand together. */
  stillDue(objects: readonly Due[], now: number): Promise<Removable[]>;

  /** Up to `limit` objects whose erasure was begun and not ended. */
  toErase(limit: number): Promise<ContentAddress[]>;

  /**
   * Up to `limit` objects that belonged to packages and are needed by no version now, behind the one with the seq `after`, in the order in which they
   * were first stored. Costs what there is to collect, not what there is.
   */
  collectable(limit: number, after?: number): Promise<Collectable[]>;

  /** The addresses with the first byte `part` whose bytes the log says are there: live, damaged or tombstoned. In no order. */
  presentIn(part: number): Promise<ContentAddress[]>;

  /** How many versions of packages need each of these objects, at the same places; 0 for one that was never stored. */
  references(addresses: readonly ContentAddress[]): Promise<number[]>;

  /**
   * Up to `limit` manifests of versions of which the log does not say what they need: as long as there is one, nobody knows whether what seems to be
   * needed by none is.
   */
  unknownNeeds(limit: number): Promise<ContentAddress[]>;
}
