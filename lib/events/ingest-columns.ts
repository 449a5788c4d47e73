/**
 * Where the members of many usual ingests are in the bytes that hold them: what the views need of an event without making an object of it.
 *
 * Imports nothing. Whoever writes such events fills them in; `batch.ts` finds them where nobody did.
 */

/** Ingests in the usual form, by the index of their event. Places count from the start of the batch's bytes. */
export interface IngestColumns {
  /** 1 where the event is one; the other columns mean something only there. */
  readonly usual: Uint8Array;
  /** Milliseconds since 1970 UTC. */
  readonly times: Float64Array;
  /** Bytes in the object. */
  readonly sizes: Float64Array;
  /** Bytes it occupies, over all receipts. */
  readonly storedSizes: Float64Array;
  readonly blake3At: Uint32Array;
  readonly sha256At: Uint32Array;
  /** What a registry keeps of the receipts: see IngestLayout. */
  readonly keptAt: Uint32Array;
  readonly keptSize: Uint32Array;
  readonly actorAt: Uint32Array;
  /** 1 where the writer of the event says that it has the actor of the event before it, whatever its form. */
  readonly sameActor: Uint8Array;
}

/** Columns of events of which nothing is known. */
export function emptyColumns(count: number): IngestColumns {
  return {
    usual: new Uint8Array(count),
    times: new Float64Array(count),
    sizes: new Float64Array(count),
    storedSizes: new Float64Array(count),
    blake3At: new Uint32Array(count),
    sha256At: new Uint32Array(count),
    keptAt: new Uint32Array(count),
    keptSize: new Uint32Array(count),
    actorAt: new Uint32Array(count),
    sameActor: new Uint8Array(count),
  };
}
