/**
 * A value that is encoded already and becomes part of a larger one as it is, byte for byte. An event embeds a data plane's
 * result this way, so that the bytes returned, stored and served are the same. May import scan. Called by whoever holds such bytes.
 */

import { plainBytes } from './bytes.js';
import { type Measure, scan } from './scan.js';

/** Canonical bytes to stand in place of a value in `encodeCanonical`. Checked once, here. */
export class Encoded {
  /** The bytes, as given: they must not change while this is in use. */
  readonly bytes: Uint8Array;
  #measure: Measure | undefined;

  /**
   * @param bytes one canonical value; bytes in shared memory are copied, because another thread could change them after the check
   * @param origin `written`: the caller has just written them by the rules of the profile, so they need no check
   * @throws AS_ERR_CBOR_DECODE: they are not
   */
  constructor(bytes: Uint8Array, origin: 'given' | 'written' = 'given') {
    this.bytes = origin === 'written' ? bytes : plainBytes(bytes);
    if (origin === 'given') this.#measure = scan(this.bytes);
  }

  /** What they cost the limits of the value around them. */
  get measure(): Measure {
    this.#measure ??= scan(this.bytes);
    return this.#measure;
  }
}
