/**
 * Reading what may be in one place or another, and may be moved meanwhile.
 *
 * Imports the contract's types and errors. Called by index.ts and by the composition of tiers in the store.
 */

import { isStoreError } from '../../errors.js';
import type { ByteRange, ContentAddress, DataPlane } from '../spi.js';

/** Gives what is asked for in one place: bytes, or how many of them have been sent. Without a range: all of it. */
export type Place<Step> = (rest: ByteRange | undefined) => AsyncIterable<Step>;

/**
 * Reads in the first place, and where it is not there or damaged goes on in the next with what has not come yet.
 *
 * @param range without one, what has come before is read again and left out
 * @throws what the first place throws that says more than that nothing is there; AS_ERR_NOT_FOUND: nothing is, anywhere
 */
export async function* readOn<Step extends Uint8Array | number = Uint8Array>(
  places: readonly Place<Step>[],
  range: ByteRange | undefined,
): AsyncGenerator<Step> {
  let given = 0;
  let failure: unknown;
  for (const place of places) {
    let skip = range === undefined ? given : 0;
    try {
      for await (const step of place(range && { start: range.start + given, end: range.end })) {
        const size = typeof step === 'number' ? step : step.byteLength;
        const left = Math.min(skip, size);
        skip -= left;
        given += size - left;
        if (left === 0) yield step;
        else if (left < size) yield (step as Uint8Array).subarray(left) as Step;
      }
      return;
    } catch (error) {
      if (!isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_CORRUPT')) throw error;
      if (failure === undefined || isStoreError(failure, 'AS_ERR_NOT_FOUND')) failure = error;
    }
  }
  throw failure;
}

/** Whether an object is there, whole as far as a look at its beginning tells. */
export async function isThere(plane: DataPlane, address: ContentAddress): Promise<boolean> {
  try {
    for await (const _ of plane.serveObject(address, { start: 0, end: 0 })) break;
    return true;
  } catch (error) {
    if (isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_CORRUPT')) return false;
    throw error;
  }
}

/** All the bytes of a stream in one piece. */
export async function collect(stream: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const all = Buffer.allocUnsafeSlow(size);
  let offset = 0;
  for await (const chunk of stream) {
    all.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return all;
}
