/**
 * What the operations of this backend work with, made once when it is opened. Types alone, and the sizes that are remembered.
 *
 * Called by index.ts, which makes it, and by the operations.
 */

import { ArtifactStoreError } from '../../../errors.js';
import { READS_REMEMBERED_MAX } from '../../../limits.js';
import type { ContentAddress, Tier } from '../../spi.js';
import type { Bucket } from './bucket.js';
import type { CredentialChain } from './credentials/chain.js';
import type { Keys } from './keys.js';
import type { Marks } from './marks.js';
import type { Findings } from './probe.js';
import type { Requests } from './requests.js';
import type { Spool } from './spool.js';

export interface Parts {
  /** What of the settings is needed later: see S3Options. */
  options: { url: string; spool: string; tier?: Tier; partSize?: number; abandonedMs?: number };
  requests: Requests;
  chain: CredentialChain;
  bucket: Bucket;
  keys: Keys;
  marks: Marks;
  findings: Findings;
  /** Absent in one that only reads. */
  spool: Spool | undefined;
  /** Sentences about trouble, the newest last. */
  notices: readonly string[];
}

/** The spool of what may write. Throws AS_ERR_READ_ONLY. */
export function requireSpool({ spool }: Pick<Parts, 'spool'>): Spool {
  if (spool !== undefined) return spool;
  throw new ArtifactStoreError('AS_ERR_READ_ONLY', 'The store is open for reading. Open it for writing to change it.');
}

/** Sizes of objects that were seen, so that reading one takes one request. */
export class Sizes {
  readonly #sizes = new Map<ContentAddress, number>();

  get(address: ContentAddress): number | undefined {
    return this.#sizes.get(address);
  }

  remember(address: ContentAddress, size: number): void {
    this.#sizes.set(address, size);
    if (this.#sizes.size <= READS_REMEMBERED_MAX) return;
    for (const oldest of this.#sizes.keys()) {
      this.#sizes.delete(oldest);
      break;
    }
  }

  forget(address: ContentAddress): void {
    this.#sizes.delete(address);
  }
}
