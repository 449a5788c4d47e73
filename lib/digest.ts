/**
 * Digests alone, for tools that want nothing else: BLAKE3 and SHA-256 of the same bytes in one pass.
 *
 * Synchronous, on the calling thread. Imports the native addon; opens no store and loads no database.
 */

import { ArtifactStoreError } from './errors.js';
import { DIGEST_SIZE } from './limits.js';
import type { NativeDigester } from './native/addon.js';
import { loadAddon } from './native/load.js';

/** Bytes of both digests of one input. */
const PAIR_SIZE = 2 * DIGEST_SIZE;
/** Inputs whose digests fit the scratch memory; of more, the cost of new memory is lost among them. */
const SCRATCH_COUNT = 64;

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
 * The digests of many inputs in one piece of memory. Small inputs hash faster than objects and texts are made for their digests; here each
 * is made only when it is asked for.
 */
export interface DigestTable {
  /** How many inputs. */
  readonly length: number;
  /** 64 bytes an input, in order: BLAKE3, then SHA-256. */
  readonly bytes: Uint8Array;
  /**
   * The digest of input `index`: 32 bytes, a view of `bytes`.
   *
   * @throws AS_ERR_INVALID_ARGUMENT: there is no such input
   */
  blake3(index: number): Uint8Array;
  sha256(index: number): Uint8Array;
  /**
   * The digest of input `index` as 64 lower-case hex digits.
   *
   * @throws AS_ERR_INVALID_ARGUMENT: there is no such input
   */
  blake3Hex(index: number): string;
  sha256Hex(index: number): string;
}

/**
 * Where the addon writes digests that are copied out at once: making memory for them takes longer than hashing a small input. Off the heap
 * of V8, which a Uint8Array without an ArrayBuffer of its own is not.
 */
const scratch = new Uint8Array(new ArrayBuffer(SCRATCH_COUNT * PAIR_SIZE));
const scratchOfOne = scratch.subarray(0, PAIR_SIZE);

/**
 * BLAKE3 (default hash mode, BLAKE3 specification 2020) and SHA-256 (FIPS 180-4) of `bytes`.
 *
 * @param bytes any length, any view, shared memory too
 * @throws AS_ERR_INVALID_ARGUMENT: not a Uint8Array
 * @throws AS_ERR_NATIVE: the addon cannot be loaded
 */
export function digest(bytes: Uint8Array): Digests {
  requireBytes(bytes, 'digest takes');
  loadAddon().digestOne(bytes, scratchOfOne);
  return split(scratchOfOne, 0);
}

/**
 * The digests of many inputs, in order. Faster than calling `digest` for each: small inputs are hashed side by side.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: an input is not a Uint8Array
 * @throws AS_ERR_NATIVE
 */
export function digestMany(inputs: readonly Uint8Array[]): Digests[] {
  requireInputs(inputs, 'digestMany');
  const size = inputs.length * PAIR_SIZE;
  const digests = size <= scratch.byteLength ? scratch.subarray(0, size) : new Uint8Array(size);
  loadAddon().digestMany(inputs, digests);
  return inputs.map((_, index) => split(digests, index));
}

/**
 * The digests of many inputs, like `digestMany`, as a table: the form that costs least for small inputs.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: an input is not a Uint8Array
 * @throws AS_ERR_NATIVE
 */
export function digestTable(inputs: readonly Uint8Array[]): DigestTable {
  requireInputs(inputs, 'digestTable');
  const table = new Table(inputs.length);
  loadAddon().digestMany(inputs, table.bytes);
  return table;
}

/**
 * The digests of consecutive parts of `bytes`, such as those of `chunk`: like `digestTable` of the parts, without a view for each.
 *
 * @param ends where each part ends, ascending, at most the length of `bytes`; a part begins where the one before it ends, the first at 0.
 *   What lies behind the last end is left out
 * @throws AS_ERR_INVALID_ARGUMENT: not a Uint8Array, or the ends do not ascend or lie outside
 * @throws AS_ERR_NATIVE
 */
export function digestParts(bytes: Uint8Array, ends: readonly number[] | Float64Array): DigestTable {
  requireBytes(bytes, 'digestParts takes');
  if (!Array.isArray(ends) && !(ends instanceof Float64Array)) {
    throw invalid('digestParts takes ends as an array of numbers or a Float64Array', ends);
  }
  const numbers = Float64Array.from(ends);
  requireAscending(numbers, bytes.byteLength);
  const table = new Table(numbers.length);
  loadAddon().digestParts(bytes, numbers, table.bytes);
  return table;
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
    this.#live().finish(scratchOfOne);
    this.#native = undefined;
    return split(scratchOfOne, 0);
  }

  #live(): NativeDigester {
    if (this.#native) return this.#native;
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', 'This digester has given its digests; create another.');
  }
}

class Table implements DigestTable {
  readonly length: number;
  /** From Node's pool where it is small, which is cheaper again than memory of its own. */
  readonly bytes: Buffer;

  /** Of `length` inputs, whose digests are still to be written to `bytes`. */
  constructor(length: number) {
    this.length = length;
    this.bytes = Buffer.allocUnsafe(length * PAIR_SIZE);
  }

  blake3(index: number): Uint8Array {
    return this.#view(this.#at(index));
  }

  sha256(index: number): Uint8Array {
    return this.#view(this.#at(index) + DIGEST_SIZE);
  }

  blake3Hex(index: number): string {
    const at = this.#at(index);
    return this.bytes.toString('hex', at, at + DIGEST_SIZE);
  }

  sha256Hex(index: number): string {
    const at = this.#at(index) + DIGEST_SIZE;
    return this.bytes.toString('hex', at, at + DIGEST_SIZE);
  }

  #view(at: number): Uint8Array {
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + at, DIGEST_SIZE);
  }

  #at(index: number): number {
    if (Number.isInteger(index) && index >= 0 && index < this.length) return index * PAIR_SIZE;
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `The table has digests 0 to ${this.length - 1}, not ${index}.`,
    );
  }
}

function requireInputs(inputs: readonly Uint8Array[], caller: string): void {
  if (!Array.isArray(inputs)) throw invalid(`${caller} takes an array of Uint8Array`, inputs);
  // Not entries(), which makes an array an input.
  for (let index = 0; index < inputs.length; index++) {
    if (!(inputs[index] instanceof Uint8Array)) {
      throw invalid(`${caller}: input ${index} must be a Uint8Array`, inputs[index]);
    }
  }
}

function requireAscending(ends: Float64Array, size: number): void {
  let before = 0;
  for (const [index, end] of ends.entries()) {
    if (!(Number.isInteger(end) && end >= before && end <= size)) {
      throw new ArtifactStoreError(
        'AS_ERR_INVALID_ARGUMENT',
        `digestParts: end ${index} must be an integer from ${before} to ${size}, not ${end}.`,
      );
    }
    before = end;
  }
}

/** The pair at `index` of what the addon returns: BLAKE3, then SHA-256, back to back. */
function split(digests: Uint8Array, index: number): Digests {
  const at = index * PAIR_SIZE;
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
