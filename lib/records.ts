/**
 * Records written many at a time by the core, and packed into rows by it: see record-form.ts and record-rows.ts. Functions of memory alone, which know no
 * record's meaning and no data plane.
 *
 * Imports the addon and what a record is. Whoever opens an event log where the addon is hands it over.
 */

import { loadAddon } from './native/load.js';
import type { FillRecords } from './record-form.js';
import type { Parts } from './record-parts.js';
import { encodeParts, type RowPacking } from './record-rows.js';

/** Writes records. @throws RangeError: something does not fit, and nothing has been written */
export const fillRecords: FillRecords = ({ target, at, ends, rows, formOf, forms, fields }) => {
  const placed = fields.map(({ kind, column, stride = 0, offset = 0, size = 0, from }, index) => {
    const places = Uint32Array.from(forms, (form) => form.places[index] as number);
    return [kind, column, stride, offset, size, places, from] as const;
  });
  const bytes = forms.map((form) => form.bytes);
  loadAddon().fillRecords(target, at, ends, rows, formOf, bytes, placed);
};

/** Packs rows, and takes records out of them. Both throw a RangeError, before anything has been written, where something does not fit. */
export const rowPacking: RowPacking = {
  pack: ({ bytes, ends, rows, formOf, forms, target, rowEnds, endsInRows }) => {
    const words = forms.map((form) => [...wordsOf(form), encodeParts(form)] as const);
    loadAddon().packRows(bytes, ends, rows, formOf, words, target, rowEnds, endsInRows);
  },
  unpack: ({ forms, formOf, kept, target, at }) => {
    const words = forms.map(({ model, parts }) => [model, ...wordsOf(parts)] as const);
    loadAddon().unpackRow(words, formOf, kept, target, at);
  },
};

function wordsOf({ own, digits, copies }: Parts): [Uint32Array, Uint32Array, Uint32Array] {
  return [Uint32Array.from(own), Uint32Array.from(digits), Uint32Array.from(copies)];
}
