/**
 * The keys of maps met lately, as strings. The same few keys stand in every entry and event, and comparing bytes with a string that
 * exists costs far less than making a new one (measured: a manifest decodes in two thirds of the time). Imports nothing. Called by the reader.
 */

/** Slots, a power of two: several times the keys of our formats, small enough to stay in the CPU's cache. */
const SLOTS = 256;
/** Longest key kept: all of ours are shorter, and what stays in memory is bounded. */
const KEY_SIZE_MAX = 32;

const slots: string[] = new Array(SLOTS).fill('');

/** The ASCII key at [start, end) of `bytes`; `make` makes it when it is not the one met last in its slot. */
export function cachedKey(bytes: Uint8Array, start: number, end: number, make: () => string): string {
  const size = end - start;
  if (size === 0 || size > KEY_SIZE_MAX) return make();
  const slot = (size * 67 + (bytes[start] as number) * 31 + (bytes[end - 1] as number) * 7) % SLOTS;
  const known = slots[slot] as string;
  if (known.length === size && equals(bytes, start, known)) return known;
  const key = make();
  slots[slot] = key;
  return key;
}

/** True only for ASCII: a code unit beyond it never equals the byte at its place, nor does a byte that is part of a longer character. */
function equals(bytes: Uint8Array, start: number, known: string): boolean {
  for (let i = 0; i < known.length; i++) {
    const byte = bytes[start + i] as number;
    if (byte > 0x7f || byte !== known.charCodeAt(i)) return false;
  }
  return true;
}
