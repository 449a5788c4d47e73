/**
 * Records written many at a time by the core: see record-form.ts. A function of memory alone, which knows no record's meaning and no data plane.
 *
 * Imports the addon and what a record is. Whoever opens an event log where the addon is hands it over.
 */

import { loadAddon } from './native/load.js';
import type { FillRecords } from './record-form.js';

/** Writes records. @throws RangeError: something does not fit, and nothing has been written */
export const fillRecords: FillRecords = ({ target, at, ends, rows, formOf, forms, fields }) => {
  const placed = fields.map(({ kind, column, stride = 0, offset = 0, size = 0, from }, index) => {
    const places = Uint32Array.from(forms, (form) => form.places[index] as number);
    return [kind, column, stride, offset, size, places, from] as const;
  });
  const bytes = forms.map((form) => form.bytes);
  loadAddon().fillRecords(target, at, ends, rows, formOf, bytes, placed);
};
