/**
 * What records of one form do not share: kept of each, and written over a copy of one of them, which gives each again.
 *
 * Imports how hex digits are written. `record-rows.ts` packs rows with it.
 */

import { writeHex } from './record-form.js';

/** Where records of one form differ, offsets in bytes from their start. */
export interface Parts {
  /** Place and size of bytes that stand as they are, in turn. */
  readonly own: readonly number[];
  /** The same of bytes that stand as lower-case hex digits, two for each. */
  readonly digits: readonly number[];
  /** Place, size and `from`: the digits of as many bytes as the record itself has at `from`. Nothing has to be kept of those. */
  readonly copies: readonly number[];
}

/** Bytes that are kept of a record: those of its own parts, then those of its digits. */
export function keptSize({ own, digits }: Parts): number {
  let size = 0;
  for (let i = 1; i < own.length; i += 2) size += own[i] as number;
  for (let i = 1; i < digits.length; i += 2) size += digits[i] as number;
  return size;
}

/** Whether all parts lie within a record of `size` bytes. */
export function partsFit({ own, digits, copies }: Parts, size: number): boolean {
  for (let i = 0; i < own.length; i += 2) if (!fits(own[i], own[i + 1], 1, size)) return false;
  for (let i = 0; i < digits.length; i += 2) if (!fits(digits[i], digits[i + 1], 2, size)) return false;
  for (let i = 0; i < copies.length; i += 3) {
    if (!fits(copies[i], copies[i + 1], 2, size) || !fits(copies[i + 2], copies[i + 1], 1, size)) return false;
  }
  return own.length % 2 === 0 && digits.length % 2 === 0 && copies.length % 3 === 0;
}

function fits(place: number | undefined, count: number | undefined, width: number, size: number): boolean {
  return place !== undefined && count !== undefined && place + width * count <= size;
}

/**
 * Writes what was kept of a record over a copy of its model.
 *
 * @param start where the copy begins in `target`
 * @param from where what was kept begins in `kept`
 */
export function fillParts(
  target: Uint8Array,
  start: number,
  { own, digits, copies }: Parts,
  kept: Uint8Array,
  from: number,
): void {
  let at = from;
  for (let i = 0; i < own.length; i += 2) {
    const [place, size] = [start + (own[i] as number), own[i + 1] as number];
    for (let n = 0; n < size; n++) target[place + n] = kept[at + n] as number;
    at += size;
  }
  for (let i = 0; i < digits.length; i += 2) {
    const size = digits[i + 1] as number;
    writeHex(target, start + (digits[i] as number), kept, at, size);
    at += size;
  }
  for (let i = 0; i < copies.length; i += 3) {
    const place = start + (copies[i] as number);
    writeHex(target, place, target, start + (copies[i + 2] as number), copies[i + 1] as number);
  }
}

/** What is to be kept of a record, in which its parts lie. */
export function readParts(record: Uint8Array, { own, digits, copies }: Parts): Uint8Array {
  const kept = new Uint8Array(keptSize({ own, digits, copies }));
  let at = 0;
  for (let i = 0; i < own.length; i += 2) {
    const [place, size] = [own[i] as number, own[i + 1] as number];
    for (let n = 0; n < size; n++) kept[at++] = record[place + n] as number;
  }
  for (let i = 0; i < digits.length; i += 2) {
    const [place, size] = [digits[i] as number, digits[i + 1] as number];
    for (let n = 0; n < size; n++)
      kept[at++] = (nibble(record, place + 2 * n) << 4) | nibble(record, place + 2 * n + 1);
  }
  return kept;
}

/** Of what is no digit any value: it comes back as another byte, which is noticed. */
function nibble(record: Uint8Array, at: number): number {
  const code = record[at] as number;
  return (code < 0x40 ? code - 0x30 : code - 0x57) & 15;
}
