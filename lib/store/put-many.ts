/**
 * Many objects in one call: a part of them goes to the data plane in one call and into the log in one append, while the next is on its way.
 *
 * Imports the contract, the log, digest text, errors, limits and the guard of addresses. Called by the facade.
 */

import type { ByteSource, ContentAddress, DataPlane, IngestTable } from '../dataplane/spi.js';
import { formatBlake3 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import type { EventLog } from '../events/log.js';
import { PUT_PART_MAX, PUT_PARTS_IN_FLIGHT } from '../limits.js';
import type { AddressGuard, IngestTicket } from './address-guard.js';
import { type PutPart, PutResults } from './put-results.js';
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

/**
 * Stores objects durably and writes their events.
 *
 * @param signal once aborted, no further part goes down
 * @throws AS_ERR_ABORTED, and what appending to the log throws: parts that went down before are stored
 */
export async function putMany(
  tools: PutTools,
  sources: readonly ByteSource[],
  actor: string,
  signal?: AbortSignal,
): Promise<PutResults> {
  const parts: PutPart[] = new Array(Math.ceil(sources.length / PUT_PART_MAX));
  let next = 0;
  const work = async () => {
    while (next < parts.length) {
      if (signal?.aborted) throw aborted();
      const part = next++;
      const start = part * PUT_PART_MAX;
      parts[part] = await putPart(tools, sources.slice(start, start + PUT_PART_MAX), actor);
    }
  };
  await Promise.all(Array.from({ length: PUT_PARTS_IN_FLIGHT }, work));
  return new PutResults(sources.length, parts, PUT_PART_MAX);
}

async function putPart({ ingestMany, guard, log, isPresent }: PutTools, sources: readonly ByteSource[], actor: string) {
  const ticket = guard.begin();
  try {
    const table = await ingestMany(sources);
    return await guard.lockedAll(async () => {
      if (guard.anyDeletedSince(ticket)) await refuseDeleted(table, guard, ticket, isPresent);
      const indexes = stored(table);
      return { table, events: indexes.length === 0 ? undefined : await log.appendIngests({ actor, table, indexes }) };
    });
  } finally {
    guard.end(ticket);
  }
}

function stored({ length, errors }: IngestTable): Uint32Array {
  const indexes = new Uint32Array(length - errors.size);
  let count = 0;
  for (let index = 0; index < length; index++) if (!errors.has(index)) indexes[count++] = index;
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
