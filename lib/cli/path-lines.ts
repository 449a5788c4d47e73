/**
 * The lines of many stored files at once, as `pathLine` in format.ts writes each: by the core, because a string for each of 10,000 files is half of the memory that a put
 * of them has V8 collect.
 *
 * Imports records and the contract's types. Called by `put`.
 */

import type { FileList, IngestTable } from '../dataplane/spi.js';
import { DIGEST_SIZE } from '../limits.js';
import { FieldKind, type RecordForm } from '../record-form.js';
import { fillRecords } from '../records.js';

const BEFORE_DIGEST = 'blake3:';
const BEFORE_PATH = '  ';
const PATH_AT = BEFORE_DIGEST.length + 2 * DIGEST_SIZE + BEFORE_PATH.length;
/** Forms that records can have. */
const FORMS_MAX = 256;
/** What would have to be written another way in a line. */
const ESCAPED = Buffer.from('\\\n\r', 'latin1');

/**
 * The lines of the files from `from` to `to`, each with the content address of the same row; undefined where a path has to be written another way, or
 * they are of more lengths than the core takes at once.
 *
 * @param hidden bytes at the start of each path that are not written
 */
export function pathLines(
  { digests }: Pick<IngestTable, 'digests'>,
  { paths, ends }: FileList,
  hidden: number,
  from: number,
  to: number,
): Uint8Array | undefined {
  if (ESCAPED.some((byte) => paths.includes(byte))) return undefined;
  const rows = new Uint32Array(to - from);
  const formOf = new Uint8Array(rows.length);
  const starts = new Uint32Array(to);
  const forms = new Map<number, Form>();
  let size = 0;
  let start = from === 0 ? 0 : (ends[from - 1] as number);
  for (let row = from; row < to; row++) {
    const end = ends[row] as number;
    const length = end - start - hidden;
    let form = forms.get(length);
    if (form === undefined) {
      if (forms.size === FORMS_MAX) return undefined;
      form = formOfLength(forms.size, length);
      forms.set(length, form);
    }
    rows[row - from] = row;
    formOf[row - from] = form.number;
    starts[row] = start + hidden;
    size += form.bytes.length;
    start = end;
  }
  const target = Buffer.allocUnsafe(size);
  fillRecords({
    ...{ target, at: 0, ends: new Uint32Array(rows.length), rows, formOf, forms: [...forms.values()] },
    fields: [
      { kind: FieldKind.hex, column: digests, stride: 2 * DIGEST_SIZE, size: DIGEST_SIZE },
      { kind: FieldKind.rest, column: paths, from: starts, offset: 1 },
    ],
  });
  return target;
}

interface Form extends RecordForm {
  /** Its place among the forms. */
  readonly number: number;
}

/** A line with a path of so many bytes. */
function formOfLength(number: number, length: number): Form {
  const bytes = Buffer.alloc(PATH_AT + length + 1, ' ');
  bytes.write(BEFORE_DIGEST, 0, 'latin1');
  bytes.write('\n', bytes.length - 1, 'latin1');
  return { number, bytes, places: [BEFORE_DIGEST.length, PATH_AT] };
}
