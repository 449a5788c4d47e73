/**
 * What the facade needs of a data plane beyond the contract: a barrier, upkeep that needs no decision, and an end. Types alone.
 *
 * Implemented by inproc and remote; the facade knows no more of either.
 */

import type { Family } from '../metrics/exposition.js';
import type { WorkerLoad } from '../native/scheduler.js';
import type { CompactionReport, CompactionWatch } from './inproc/compaction.js';
import type { ByteRange, ByteSource, ContentAddress, DataPlane, FileList, IngestTable } from './spi.js';

/** What is kept of an upload session that has not ended. */
export interface UploadSession {
  id: string;
  /** When it last changed: milliseconds since 1970. */
  changed: number;
  /** Bytes it takes on disk. */
  storedSize: number;
}

/** What is stored under addresses, by column. */
export interface ListedColumns {
  /** 32 bytes each, ascending. */
  readonly addresses: Uint8Array;
  /** Bytes. */
  readonly sizes: Float64Array;
  /** When what each lies in last changed, in milliseconds since 1970 UTC: it was stored no later. */
  readonly changed: Float64Array;
}

/** Objects that are stored. */
export interface ObjectListing extends ListedColumns {
  /** What else is stored under addresses whose objects are not: proofs of objects that never came. Deleting the object removes it. Absent: nothing. */
  readonly leftovers?: ListedColumns;
}

/** The contract's five operations, a barrier, upkeep that needs no decision, and an end. */
export interface ClosableDataPlane extends DataPlane {
  ingestMany(sources: readonly ByteSource[] | FileList): Promise<IngestTable>;
  /**
   * Makes durable whatever was ingested before the call with `durability: 'deferred'`. When it fails, some of that may be lost, and no later
   * sync succeeds until the data plane has been opened again, which finds out: AS_ERR_IO, AS_ERR_NO_SPACE.
   */
  sync(): Promise<void>;
  /** Gives back the space that deleted objects still take in segments shared with others. Happens by itself after many deletions. */
  compact(watch?: CompactionWatch): Promise<CompactionReport>;
  /**
   * What is stored under the addresses that begin with the byte `part`, 0 to 255, in their order, whether or not anybody knows of it: for who compares it with
   * the log. What comes or goes meanwhile may be among it or not. Absent where what stands behind it cannot say.
   *
   * @throws AS_ERR_UNAVAILABLE: others may use the same objects, or that is not known
   * @throws AS_ERR_INVALID_ARGUMENT: `part`; AS_ERR_CORRUPT, AS_ERR_IO
   */
  listObjects?(part: number): Promise<ObjectListing>;
  /** Every upload session there is, in no order: for whoever aborts those that nobody goes on with. */
  uploadSessions(): Promise<UploadSession[]>;
  /**
   * What proves an object's bytes, or those of one range, to who has the address: of every node of its BLAKE3 tree over groups of 16 KiB that covers some
   * of them and has children, the chaining values of the two, 64 bytes, in pre-order. Of an object of one group there is none. Each is verified before it
   * is yielded.
   *
   * @throws as `serveObject`
   */
  serveOutboard(address: ContentAddress, range?: ByteRange): AsyncIterable<Uint8Array>;
  /** How busy its workers are at this moment; of a data plane elsewhere, how busy the connections to it are. */
  load(): WorkerLoad;
  /** What it counts, for metrics; absent when it counts nothing. */
  families?(): Family[];
  /**
   * Waits for ingests, verifications and deletions under way, syncs, then releases everything; readers fail with AS_ERR_CLOSED. Fails as
   * `sync` does, everything being released all the same.
   */
  close(): Promise<void>;
}
