/**
 * Objects as they come: hashed and checked, and stored unless they are there. Small ones in memory, large ones and those of upload sessions through the spool.
 *
 * Imports digests, the checks of hints, the spool, locks and limits. Called by plane.ts.
 */

import { digest } from '../../../digest.js';
import { digestBytes, formatBlake3 } from '../../../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../../../errors.js';
import type { KeyLocks } from '../../../key-locks.js';
import { DIGEST_SIZE, S3_SMALL_SIZE_MAX } from '../../../limits.js';
import { checkDurability } from '../../checks.js';
import type { Permits } from '../../inproc/permits.js';
import type {
  ByteSource,
  ContentAddress,
  IngestHints,
  IngestResult,
  Receipt,
  SessionHints,
  SessionResult,
} from '../../spi.js';
import { digestMismatch, sizeMismatch } from '../native-errors.js';
import type { Stored } from './bucket.js';
import { collect } from './download.js';
import { type Parts, requireSpool, type Sizes } from './parts.js';
import { sized } from './small-source.js';
import { askSession, type Spooled } from './spool.js';
import { outboardSize } from './tree.js';
import type { Writing } from './writing.js';

/** An object whose digests are known, and where its bytes are. */
interface Known {
  address: ContentAddress;
  blake3: Uint8Array;
  sha256: Uint8Array;
  size: number;
  /** Stores outboard and object. `present`: somebody else was first. */
  store(onlyIfAbsent: boolean): Promise<Stored | 'present'>;
}

export interface IntakeTools {
  parts: Parts;
  writing: Writing;
  /** One at a time stores or deletes an object. */
  locks: KeyLocks<ContentAddress>;
  sizes: Sizes;
  /** For what is held in memory. */
  small: Permits;
}

export class Intake {
  readonly #tools: IntakeTools;

  constructor(tools: IntakeTools) {
    this.#tools = tools;
  }

  /** A whole object. Throws as `ingestStream`. */
  async whole(source: ByteSource, hints: IngestHints): Promise<IngestResult> {
    const spool = requireSpool(this.#tools.parts);
    checkDurability(hints.durability ?? 'durable');
    checkSizeHint(hints);
    const given = await sized(source, hints);
    if ('bytes' in given) return this.#tools.small.run(() => this.#ingestSmall(given.bytes, hints));
    const spooled = await spool.take(given.source, hints);
    try {
      return await this.#ingestSpooled(spooled);
    } finally {
      await spooled.release();
    }
  }

  /** One call of an upload session. Throws as `ingestStream`. */
  async session(source: ByteSource, hints: SessionHints): Promise<IngestResult | SessionResult> {
    const { session } = hints;
    const { parts } = this.#tools;
    // Asking is no writing.
    if (parts.spool === undefined && 'query' in session) return askSession(parts.options.spool, source, hints);
    const spool = requireSpool(parts);
    const isLast = 'final' in session && session.final;
    return isLast ? spool.end(source, hints, (spooled) => this.#ingestSpooled(spooled)) : spool.session(source, hints);
  }

  #ingestSmall(bytes: Uint8Array, hints: IngestHints): Promise<IngestResult> {
    const { blake3, sha256 } = digest(bytes);
    const size = bytes.byteLength;
    checkHints(blake3, sha256, size, hints);
    const address = formatBlake3(blake3);
    const store = (onlyIfAbsent: boolean) => this.#tools.writing.small(address, sha256, bytes, onlyIfAbsent);
    return this.#store({ address, blake3, sha256, size, store });
  }

  #ingestSpooled({ result, address }: Spooled): Promise<IngestResult> {
    const { blake3, sha256, size } = result;
    const { parts, writing } = this.#tools;
    const spool = requireSpool(parts);
    const store = async (onlyIfAbsent: boolean) => {
      try {
        if (size > S3_SMALL_SIZE_MAX) return await writing.large(address, sha256, size, spool, onlyIfAbsent);
        const bytes = await collect(spool.plane.serveObject(address), size);
        return await writing.small(address, sha256, bytes, onlyIfAbsent);
      } catch (error) {
        // Somebody else has stored the same bytes and was done with them, and then they were deleted: as rare as it sounds.
        if (!isStoreError(error, 'AS_ERR_NOT_FOUND')) throw error;
        throw new ArtifactStoreError(
          'AS_ERR_CONFLICT',
          `${address} was deleted while it was being stored. Store it again.`,
          { address },
        );
      }
    };
    return this.#store({ address, blake3, sha256, size, store });
  }

  /** Stores an object unless it is there, and looks after damage that is known. */
  #store({ address, blake3, sha256, size, store }: Known): Promise<IngestResult> {
    const { parts, locks, sizes } = this.#tools;
    const { bucket, keys, marks, findings } = parts;
    return locks.locked(address, async () => {
      const found = await bucket.head(keys.object(address));
      const isWhole = found !== undefined && found.size === size && !marks.has(address);
      const result = (stored: Stored, existed: boolean, healed: boolean): IngestResult => {
        sizes.remember(address, size);
        return { blake3, sha256, size, existed, healed, receipts: [this.#receipt(address, size, stored)] };
      };
      if (isWhole) return result(found, true, false);
      const isDamaged = found !== undefined;
      const stored = await store(findings.conditionalPut && !isDamaged);
      if (stored !== 'present') {
        await marks.clear(address);
        return result(stored, false, isDamaged);
      }
      const other = await bucket.head(keys.object(address));
      if (other?.size === size) return result(other, true, false);
      // Gone again, or not whole: the same bytes may be written over it whatever it is.
      return result((await store(false)) as Stored, false, other !== undefined);
    });
  }

  #receipt(address: ContentAddress, size: number, { etag, version }: Stored): Receipt {
    const { options, keys, bucket } = this.#tools.parts;
    return {
      backend: 's3',
      tier: options.tier ?? 'hot',
      key: keys.object(address),
      storedSize: size + outboardSize(size),
      durability: 'replicated',
      bucket: bucket.place.bucket,
      ...(etag !== undefined && { etag }),
      ...(version !== undefined && { version }),
    };
  }
}

function checkSizeHint({ size }: IngestHints): void {
  if (size === undefined || (Number.isSafeInteger(size) && size >= 0)) return;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `size ${size} is not a number of bytes; give an integer from 0 to 2^53-1.`,
  );
}

/** Throws AS_ERR_SIZE_MISMATCH, AS_ERR_DIGEST_MISMATCH: the bytes are not those expected. */
function checkHints(blake3: Uint8Array, sha256: Uint8Array, size: number, hints: IngestHints): void {
  if (hints.size !== undefined && hints.size !== size) throw sizeMismatch(size, hints);
  const isRight = (expected: string | undefined, actual: Uint8Array) =>
    expected === undefined || Buffer.compare(digestBytes(expected as ContentAddress), actual) === 0;
  if (isRight(hints.blake3, blake3) && isRight(hints.sha256, sha256)) return;
  const came = new Uint8Array(2 * DIGEST_SIZE);
  came.set(blake3);
  came.set(sha256, DIGEST_SIZE);
  throw digestMismatch(came, hints);
}
