/**
 * What is stored, answered from the views: find an object by any of its names, list, count.
 *
 * Imports types only. The facade and the doors call it; `sqlite-registry.ts` implements it over the tables of `views.ts`.
 */

import type { ByteRange, ContentAddress, Digest, Receipt, Sha256Digest } from '../dataplane/spi.js';

/**
 * `live`: can be read. `corrupt`: damage was found; storing the bytes again heals it. `tombstoned`: deleted for readers, bytes still to be
 * removed. `deleted`: the bytes are gone.
 */
export type ObjectState = 'live' | 'corrupt' | 'tombstoned' | 'deleted';

/** What remains of a deleted object: the event that deleted it. */
export interface Tombstone {
  seq: number;
  id: string;
  /** Milliseconds since 1970 UTC. */
  time: number;
  actor: string;
  reason?: string;
  /** From when on its bytes may be removed: until they are, it can be undeleted. Milliseconds since 1970 UTC; absent: at once. */
  sweepAfter?: number;
  /** The retention plan that named it. */
  plan?: string;
  /** The order under which it was erased. */
  order?: string;
}

/** What the log says about one object. */
export interface ObjectRecord {
  blake3: ContentAddress;
  sha256: Sha256Digest;
  /** Bytes. */
  size: number;
  state: ObjectState;
  /** When it was first stored; milliseconds since 1970 UTC. */
  ingestedAt: number;
  /** The newest event about it. */
  lastSeq: number;
  /** Where its bytes are, in the order of preference for reading; empty once deleted. */
  receipts: Receipt[];
  /** Known damage; only when `corrupt`. */
  damaged?: ByteRange[];
  /** Only when `corrupt`: nothing of it is there any more. */
  lost?: true;
  /** Only when `tombstoned` or `deleted`. */
  tombstone?: Tombstone;
}

/** Which objects to list. */
export interface ListQuery {
  /** From the page before. */
  cursor?: string;
  /** Records on the page at most, 1 to PAGE_SIZE_MAX; PAGE_SIZE_DEFAULT when absent. */
  limit?: number;
  /** Only objects in this state; all when absent. */
  state?: ObjectState;
}

/** One page of a listing, ordered by content address; of objects in a state other than `live`, in the order in which they were first stored. */
export interface ObjectPage {
  objects: ObjectRecord[];
  /** Opaque; pass it to get the next page. Absent on the last page. */
  cursor?: string;
}

/** Objects and bytes that are live. */
export interface Usage {
  objects: number;
  /** Bytes as users see them: the sum of sizes. */
  size: number;
  /** Bytes the receipts say are occupied, in all tiers. */
  storedSize: number;
  /** Those of the objects of which a copy is in the cold tier, and the bytes that these copies occupy; absent when there is none. */
  cold?: { objects: number; storedSize: number };
}

/** What a scrub must know of an object. */
export interface ScannedObject {
  /** Its place in the order in which objects were first stored. */
  seq: number;
  blake3: ContentAddress;
  sha256: Sha256Digest;
  /** Bytes. */
  size: number;
  /** When it was last found intact, unless damage was found since; milliseconds since 1970 UTC. */
  verifiedAt?: number;
}

/** Questions about what is stored. Every answer holds what was committed before the question. */
export interface Registry {
  /**
   * Finds the one object that `text` names: `blake3:<hex>`, `sha256:<hex>`, bare hex of either, or an unambiguous prefix of at
   * least DIGEST_PREFIX_MIN digits. Deleted objects are found too: see `state`.
   *
   * @throws AS_ERR_INVALID_DIGEST: not a digest or prefix
   * @throws AS_ERR_AMBIGUOUS_DIGEST: several objects; `details.candidates` has up to 10 content addresses
   * @throws AS_ERR_NOT_FOUND
   */
  resolve(text: string): Promise<ObjectRecord>;

  /** The record of a content address; undefined when no event ever named it. */
  stat(address: ContentAddress): Promise<ObjectRecord | undefined>;

  /** Which of these digests name an object that is live, at the same places. */
  areLive(digests: readonly Digest[]): Promise<boolean[]>;

  /**
   * One page of objects, in the order that `ObjectPage` says. Objects stored meanwhile appear if they sort behind the
   * cursor; none appears twice.
   *
   * @throws AS_ERR_INVALID_ARGUMENT: cursor, limit or state
   */
  list(query?: ListQuery): Promise<ObjectPage>;

  /** Up to `limit` objects that are live or corrupt, behind `after`, in the order in which they were first stored. */
  scan(after: number, limit: number): Promise<ScannedObject[]>;

  /** Which of these addresses are those of live objects with a copy in the cold tier, at the same places. */
  areCold(addresses: readonly ContentAddress[]): Promise<boolean[]>;

  /** Some live object whose bytes are in the cold tier alone; undefined when there is none. */
  someCold(): Promise<ContentAddress | undefined>;

  /** Objects and bytes that are live. */
  usage(): Promise<Usage>;
}
