/**
 * Records written many at a time by the core, and packed into rows by it: see record-form.ts and record-rows.ts. Functions of memory alone, which know no
 * record's meaning and no data plane.
 *
 * Imports the addon and what a record is. Whoever opens an event log where the addon is hands it over.
 */

import { loadAddon } from './native/load.js';
import type { FillRecords } from './record-form.js';
import { encodeParts, type PackRows } from './record-rows.js';

/** Writes records. @throws RangeError: something does not fit, and nothing has been written */
export const fillRecords: FillRecords = ({ target, at, ends, rows, formOf, forms, fields }) => {
  const placed = fields.map(({ kind, column, stride = 0, offset = 0, size = 0, from }, index) => {
    const places = Uint32Array.from(forms, (form) => form.places[index] as number);
    return [kind, column, stride, offset, size, places, from] as const;
  });
  const bytes = forms.map((form) => form.bytes);
  loadAddon().fillRecords(target, at, ends, rows, formOf, bytes, placed);
};

/** Writes rows. @throws RangeError: something does not fit, and nothing has been written */
export const packRows: PackRows = ({ bytes, ends, rows, formOf, forms, target, rowEnds, endsInRows }) => {
  const words = forms.map((form) => {
    const { own, digits, copies } = form;
    return [Uint32Array.from(own), Uint32Array.from(digits), Uint32Array.from(copies), encodeParts(form)] as const;
  });
  loadAddon().packRows(bytes, ends, rows, formOf, words, target, rowEnds, endsInRows);
};
