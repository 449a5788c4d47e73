/**
 * Many objects in one call: a part of them goes to the data plane in one call and into the log in one append, while the next is on its way.
 *
 * Imports the contract, the log, digest text, errors, limits and the guard of addresses. Called by the facade.
 */

import { filesBetween } from '../dataplane/file-list.js';
import {
  type ByteSource,
  type ContentAddress,
  type DataPlane,
  type FileList,
  type IngestTable,
  isFileList,
} from '../dataplane/spi.js';
import { formatBlake3 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import type { EventLog } from '../events/log.js';
import { PUT_PART_MAX, PUT_PARTS_IN_FLIGHT } from '../limits.js';
import type { AddressGuard, IngestTicket } from './address-guard.js';
import { PartEvents, type PutPart, PutResults } from './put-results.js';
import { aborted } from './source.js';

/** What the facade lends. */
export interface PutTools {
  /** A data plane that takes many objects in one call. */
  ingestMany: NonNullable<DataPlane['ingestMany']>;
  log: EventLog;
  guard: AddressGuard;
  /** Whether an object can be read, as far as a look at its first byte tells. */
  isPresent: (address: ContentAddress) => Promise<boolean>;
}

/** Who stores all of them, or each. */
export type Actors = string | readonly string[];

/**
 * Stores objects durably and writes their events.
 *
 * @param signal once aborted, no further part goes down
 * @throws AS_ERR_ABORTED, and what appending to the log throws: parts that went down before are stored
 */
export async function putMany(
  tools: PutTools,
  sources: readonly ByteSource[] | FileList,
  actors: Actors,
  signal?: AbortSignal,
): Promise<PutResults> {
  const count = isFileList(sources) ? sources.ends.length : sources.length;
  const parts: PutPart[] = new Array(Math.ceil(count / PUT_PART_MAX));
  let next = 0;
  const work = async () => {
    while (next < parts.length) {
      if (signal?.aborted) throw aborted();
      const part = next++;
      const start = part * PUT_PART_MAX;
      const end = start + PUT_PART_MAX;
      const who = typeof actors === 'string' ? actors : actors.slice(start, end);
      parts[part] = await putPart(tools, sourcesBetween(sources, start, end), who);
    }
  };
  await Promise.all(Array.from({ length: PUT_PARTS_IN_FLIGHT }, work));
  return new PutResults(count, parts, PUT_PART_MAX);
}

function sourcesBetween(sources: readonly ByteSource[] | FileList, start: number, end: number) {
  return isFileList(sources) ? filesBetween(sources, start, end) : sources.slice(start, end);
}

async function putPart(
  { ingestMany, guard, log, isPresent }: PutTools,
  sources: readonly ByteSource[] | FileList,
  actors: Actors,
): Promise<PutPart> {
  const ticket = guard.begin();
  try {
    const table = await ingestMany(sources);
    return await guard.lockedAll(
      async () => {
        if (guard.anyDeletedSince(ticket)) await refuseDeleted(table, guard, ticket, isPresent);
        return { table, events: await record(log, table, actors) };
      },
      () => addressesOf(table),
    );
  } finally {
    guard.end(ticket);
  }
}

/** Writes the events of those that are stored: an append for each who stored some, which share a commit. */
async function record(log: EventLog, table: IngestTable, actors: Actors): Promise<PartEvents> {
  const events = new PartEvents(table.length);
  const append = async (actor: string, indexes: Uint32Array) => {
    try {
      events.add(indexes, await log.appendIngests({ actor, table, indexes }));
    } catch (error) {
      if (typeof actors === 'string') throw error;
      for (const index of indexes) table.errors.set(index, error as Error); // what one asks wrongly is no matter of the others
    }
  };
  await Promise.all([...byActor(stored(table), actors)].map(([actor, indexes]) => append(actor, indexes)));
  return events;
}

function byActor(indexes: Uint32Array, actors: Actors): Map<string, Uint32Array> {
  if (indexes.length === 0) return new Map();
  if (typeof actors === 'string') return new Map([[actors, indexes]]);
  const [first = ''] = actors;
  if (actors.every((actor) => actor === first)) return new Map([[first, indexes]]);
  const groups = new Map<string, number[]>();
  for (const index of indexes) {
    const actor = actors[index] as string;
    const group = groups.get(actor);
    if (group === undefined) groups.set(actor, [index]);
    else group.push(index);
  }
  return new Map([...groups].map(([actor, group]) => [actor, Uint32Array.from(group)]));
}

function addressesOf(table: IngestTable): Set<ContentAddress> {
  const addresses = new Set<ContentAddress>();
  for (const index of stored(table)) addresses.add(formatBlake3(table.blake3(index)));
  return addresses;
}

function stored({ length, errors }: IngestTable): Uint32Array {
  const indexes = new Uint32Array(length - errors.size);
  let count = 0;
  const all = errors.size === 0;
  for (let index = 0; index < length; index++) if (all || !errors.has(index)) indexes[count++] = index;
  return indexes;
}

/** Makes errors of the objects whose bytes were deleted after they were stored and before anybody knew. */
async function refuseDeleted(
  table: IngestTable,
  guard: AddressGuard,
  ticket: IngestTicket,
  isPresent: PutTools['isPresent'],
): Promise<void> {
  for (const index of stored(table)) {
    const address = formatBlake3(table.blake3(index));
    if (guard.deletedSince(ticket, address) && !(await isPresent(address))) {
      table.errors.set(index, deletedMeanwhile(address));
    }
  }
}

/** The error of an ingest that lost a race with a deletion. */
export function deletedMeanwhile(address: ContentAddress): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_CONFLICT',
    `${address} was deleted while it was being stored. Store it again.`,
    { address },
  );
}
