/**
 * Taking in many objects in one call: those that are small, in memory or in files, in operations that they fill.
 *
 * Imports the backend, limits and the contract. Called by index.ts.
 */

import { GATHER_ALONE_SIZE } from '../../limits.js';
import type { NativeIngested } from '../../native/addon.js';
import type { File, LocalBackend, Whole } from '../backend/local.js';
import type { IngestTable } from '../ingest-table.js';
import { type ByteSource, type FileSource, isBytesSource, isFileSource } from '../spi.js';
import { finishFile } from './ingest.js';

/** Nothing is expected of any of them. */
const hints = {};

/** Items of one kind, and their places among all. */
class Part<T> {
  readonly items: T[] = [];
  readonly places: number[] = [];

  add(place: number, item: T): void {
    this.items.push(item);
    this.places.push(place);
  }
}

/**
 * Stores many objects.
 *
 * @param table takes their results and errors, as many as there are sources
 * @param one stores what is neither a file nor small and in memory
 */
export async function ingestMany(
  backend: LocalBackend,
  sources: readonly ByteSource[],
  table: IngestTable,
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
    ingestFiles(backend, files, table),
    ...others,
  ]);
}

/** Files, those that are longer than a first step to their end. */
async function ingestFiles(
  backend: LocalBackend,
  { items, places }: Part<File & { source: FileSource }>,
  table: IngestTable,
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

async function settle(table: IngestTable, place: number, work: Promise<NativeIngested>): Promise<void> {
  try {
    table.set(place, await work);
  } catch (error) {
    table.errors.set(place, error as Error);
  }
}
