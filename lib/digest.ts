/**
 * Digests alone, for tools that want nothing else: BLAKE3 and SHA-256 of the same bytes in one pass.
 *
 * Synchronous, on the calling thread. Imports the native addon; opens no store and loads no database.
 */

import { ArtifactStoreError } from './errors.js';
import { DIGEST_SIZE } from './limits.js';
import type { NativeDigester } from './native/addon.js';
import { loadAddon } from './native/load.js';

/** Both digests of the same bytes, 32 bytes each. `toHex` gives them as text. */
export interface Digests {
  blake3: Uint8Array;
  sha256: Uint8Array;
}

/** Digests a stream piece by piece. */
export interface Digester {
  /**
   * Takes in further bytes; any number of calls, any sizes.
   *
   * @returns itself, for chaining
   * @throws AS_ERR_INVALID_ARGUMENT: not a Uint8Array, or the digester is spent
   */
  update(bytes: Uint8Array): Digester;
  /**
   * The digests of everything taken in. The digester is spent.
   *
   * @throws AS_ERR_INVALID_ARGUMENT: called a second time
   */
  digest(): Digests;
}

/**
 * BLAKE3 (default hash mode, BLAKE3 specification 2020) and SHA-256 (FIPS 180-4) of `bytes`.
 *
 * @param bytes any length, any view, shared memory too
 * @throws AS_ERR_INVALID_ARGUMENT: not a Uint8Array
 * @throws AS_ERR_NATIVE: the addon cannot be loaded
 */
export function digest(bytes: Uint8Array): Digests {
  requireBytes(bytes, 'digest takes');
  return split(loadAddon().digestMany([bytes]), 0);
}

/**
 * The digests of many inputs, in order. Faster than calling `digest` for each: small inputs are hashed side by side.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: an input is not a Uint8Array
 * @throws AS_ERR_NATIVE
 */
export function digestMany(inputs: readonly Uint8Array[]): Digests[] {
  if (!Array.isArray(inputs)) throw invalid('digestMany takes an array of Uint8Array', inputs);
  for (const [index, input] of inputs.entries()) requireBytes(input, `digestMany: input ${index} must be`);
  const digests = loadAddon().digestMany(inputs);
  return inputs.map((_, index) => split(digests, index));
}

/**
 * Starts digesting a stream.
 *
 * @throws AS_ERR_NATIVE
 */
export function createDigester(): Digester {
  return new StreamDigester(new (loadAddon().Digester)());
}

class StreamDigester implements Digester {
  #native: NativeDigester | undefined;

  constructor(native: NativeDigester) {
    this.#native = native;
  }

  update(bytes: Uint8Array): Digester {
    requireBytes(bytes, 'update takes');
    this.#live().update(bytes);
    return this;
  }

  digest(): Digests {
    const digests = this.#live().finish();
    this.#native = undefined;
    return split(digests, 0);
  }

  #live(): NativeDigester {
    if (this.#native) return this.#native;
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', 'This digester has given its digests; create another.');
  }
}

/** The pair at `index` of what the addon returns: BLAKE3, then SHA-256, back to back. */
function split(digests: Uint8Array, index: number): Digests {
  const at = index * 2 * DIGEST_SIZE;
  return { blake3: digests.slice(at, at + DIGEST_SIZE), sha256: digests.slice(at + DIGEST_SIZE, at + 2 * DIGEST_SIZE) };
}

function requireBytes(value: unknown, what: string): void {
  if (!(value instanceof Uint8Array)) throw invalid(`${what} a Uint8Array`, value);
}

function invalid(expected: string, value: unknown): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `${expected}, not ${value === null ? 'null' : typeof value}.`,
  );
}
