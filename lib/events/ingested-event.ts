/**
 * Finds the members of the usual event, an ingest as this version writes it, by their places: nearly every event of a log is one, and decoding
 * each costs ten times as much.
 *
 * Imports the usual envelope and the layout of ingest results. `envelope.ts` reads single events with it, `batch.ts` many.
 */

import { INGESTED } from './envelope-parts.js';
import { type IngestLayout, readIngestLayout } from './ingest-layout.js';
import { betweenDataAndTime, readUsualEnvelope, type UsualEnvelope, usualData, usualId } from './usual-envelope.js';

/** Places in the bytes that hold the event; offsets from their start. */
export interface IngestedEvent extends UsualEnvelope {
  idAt: number;
  dataAt: number;
  layout: IngestLayout;
}

const BETWEEN = betweenDataAndTime(INGESTED);

/**
 * The event that fills the bytes from `start` to `end`.
 *
 * @returns undefined for any other than the usual one. That the digits of its subject are those of its address, and what its id and actor
 *   are, has not been looked at
 */
export function readIngestedEvent(bytes: Uint8Array, start: number, end: number): IngestedEvent | undefined {
  const idAt = usualId(bytes, start);
  const dataAt = usualData(bytes, idAt);
  const layout = dataAt < 0 ? undefined : readIngestLayout(bytes, dataAt);
  if (layout === undefined) return undefined;
  const envelope = readUsualEnvelope(bytes, layout.end, BETWEEN, end);
  if (envelope === undefined) return undefined;
  const { time, actorAt, actorSize, subjectAt } = envelope;
  // Member by member: spreading the envelope took as long as finding everything in the event.
  return { time, actorAt, actorSize, subjectAt, idAt, dataAt, layout };
}
