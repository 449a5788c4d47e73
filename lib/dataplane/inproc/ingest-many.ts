/**
 * Taking in many objects in one call: those that are small, in memory or in files, in operations that they fill.
 *
 * Imports the backend, limits and the contract. Called by index.ts.
 */

import { FILES_GATHERED_MAX, GATHER_ALONE_SIZE } from '../../limits.js';
import type { NativeIngested } from '../../native/addon.js';
import type { File, LocalBackend, Whole } from '../backend/local.js';
import { filesBetween } from '../file-list.js';
import { fileSource } from '../file-source.js';
import type { MutableIngestTable } from '../ingest-table.js';
import { type ByteSource, type FileList, type FileSource, isBytesSource, isFileSource, pathAt } from '../spi.js';
import { aborted, finishFile } from './ingest.js';
import type { Permits } from './permits.js';

/** Nothing is expected of any of them. */
const hints = {};

/** Items of one kind, and their places among all. */
class Part<T> {
  constructor(
    readonly items: T[] = [],
    readonly places: number[] = [],
  ) {}

  add(place: number, item: T): void {
    this.items.push(item);
    this.places.push(place);
  }

  /** The same in parts of up to `most`. */
  slices(most: number): Part<T>[] {
    return Array.from({ length: Math.ceil(this.items.length / most) }, (_, n) => {
      const [start, end] = [n * most, (n + 1) * most];
      return new Part(this.items.slice(start, end), this.places.slice(start, end));
    });
  }
}

/**
 * Stores many objects.
 *
 * @param table takes their results and errors, as many as there are sources
 * @param permits for operations of many files: how many may hold files open at once
 * @param one stores what is neither a file nor small and in memory
 */
export async function ingestMany(
  backend: LocalBackend,
  sources: readonly ByteSource[],
  table: MutableIngestTable,
  permits: Permits,
  one: (source: ByteSource) => Promise<NativeIngested>,
): Promise<void> {
  const wholes = new Part<Whole>();
  const files = new Part<File & { source: FileSource }>();
  const others: Promise<void>[] = [];
  for (let place = 0; place < sources.length; place++) {
    const source = sources[place] as ByteSource;
    if (isFileSource(source)) files.add(place, { path: source.path, hints, source });
    else if (isBytesSource(source) && source.bytes.byteLength < GATHER_ALONE_SIZE) {
      wholes.add(place, { bytes: source.bytes, hints });
    } else others.push(settle(table, place, one(source)));
  }
  await Promise.all([
    backend.ingestWholes(wholes.items, wholes.places, table),
    ...files.slices(FILES_GATHERED_MAX).map((slice) => permits.run(() => ingestFiles(backend, slice, table))),
    ...others,
  ]);
}

/** Files, those that are longer than a first step to their end. */
async function ingestFiles(
  backend: LocalBackend,
  { items, places }: Part<File & { source: FileSource }>,
  table: MutableIngestTable,
): Promise<void> {
  const longer = new Map(await backend.filesBegin(items, places, table));
  const finishing: Promise<void>[] = [];
  for (const [index, { source }] of items.entries()) {
    const place = places[index] as number;
    const handle = longer.get(index);
    if (handle !== undefined) finishing.push(settle(table, place, finishFile(backend, source, hints, handle)));
    else if (!table.errors.has(place)) source.onRead?.(table.sizes[place] as number);
  }
  await Promise.all(finishing);
}

/** Stores the files of a list; otherwise as `ingestMany`. */
export async function ingestFileList(
  backend: LocalBackend,
  files: FileList,
  table: MutableIngestTable,
  permits: Permits,
): Promise<void> {
  const starts = Array.from(
    { length: Math.ceil(files.ends.length / FILES_GATHERED_MAX) },
    (_, n) => n * FILES_GATHERED_MAX,
  );
  await Promise.all(starts.map((start) => permits.run(() => ingestSlice(backend, files, start, table))));
}

/** As many files of a list as one operation has, from `start` on. */
async function ingestSlice(
  backend: LocalBackend,
  files: FileList,
  start: number,
  table: MutableIngestTable,
): Promise<void> {
  const { onRead, signal } = files;
  const slice = filesBetween(files, start, start + FILES_GATHERED_MAX);
  if (signal?.aborted) {
    for (let n = 0; n < slice.ends.length; n++) table.errors.set(start + n, aborted());
    return;
  }
  const longer = await backend.listBegin(slice, start, table);
  const watch = { ...(onRead && { onRead }), ...(signal && { signal }) };
  if (onRead) onRead(sizeOf(table, start, slice.ends.length));
  await Promise.all(
    longer.map(([index, handle]) => {
      const source = fileSource(pathAt(slice, index), watch);
      return settle(table, start + index, finishFile(backend, source, hints, handle));
    }),
  );
}

function sizeOf({ sizes }: MutableIngestTable, start: number, count: number): number {
  let size = 0;
  for (let n = 0; n < count; n++) size += sizes[start + n] as number;
  return size;
}

async function settle(table: MutableIngestTable, place: number, work: Promise<NativeIngested>): Promise<void> {
  try {
    table.set(place, await work);
  } catch (error) {
    table.errors.set(place, error as Error);
  }
}
