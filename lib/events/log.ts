/**
 * The event log as everyone sees it: an interface, so that another database can stand behind it.
 *
 * Imports types only. The facade and the doors call it; `sqlite-log.ts` implements it, and whatever implements it must pass
 * `test/events/log-conformance.ts`.
 */

import type { CborInput, CborValue } from '../cbor/index.js';
import type { ContentAddress, DeletionResult, IngestTable } from '../dataplane/spi.js';
import type { ObjectEventData } from './object-kinds.js';

/** An event that has not happened yet: the log adds its place, identity and time. `kinds.ts` builds these. */
export interface NewEvent {
  /** What happened: a kind of `kinds.ts`, or one this version does not know. Lower-case words with dots between. */
  kind: string;
  /** Who did it. */
  actor: string;
  /** What it happened to: for objects, the content address; null when there is no one thing. */
  subject: string | null;
  /** The facts, as the kind documents them. An `Encoded` goes into the log byte for byte. */
  data: CborInput;
}

/** An event as it stands in the log. */
export interface StoredEvent {
  /** Place in the log, from 1, without gaps. */
  readonly seq: number;
  /** Version of the envelope; 1 today. Events with a newer one are kept, given out and not understood. */
  readonly v: number;
  /** UUIDv7, unique over all logs. */
  readonly id: string;
  /** Milliseconds since 1970 UTC; never less than that of the event before. */
  readonly time: number;
  readonly kind: string;
  /** Who did it: the name, or the pseudonym where that was erased. */
  readonly actor: string;
  readonly subject: string | null;
  /** The facts, decoded when first asked for, with the texts that people wrote as far as they were not erased. */
  readonly data: CborValue;
  /** The canonical CBOR bytes of `data` alone. */
  readonly dataBytes: Uint8Array;
  /** The event as stored: canonical CBOR, the truth that everything above is read from. It has pseudonyms where the others have texts. */
  readonly bytes: Uint8Array;
  /** What the pseudonyms in `bytes` stand for, as far as the others have texts for them; absent: there are none. Only of events that were read. */
  readonly texts?: ReadonlyMap<string, string>;
}

/** Ingests by one actor, to be recorded. */
export interface Ingests {
  actor: string;
  table: IngestTable;
  /** Which results of the table, in order; none of them an error. */
  indexes: Uint32Array;
}

/** Removals of objects by one actor, to be recorded: tombstones for the same reason, or, with `results`, receipts of deletion. */
export interface Removals {
  actor: string;
  addresses: readonly ContentAddress[];
  /** Of tombstones: what all of them say. */
  facts?: ObjectEventData['object.tombstoned'];
  /** Of receipts: what became of each object, at the same places. */
  results?: readonly DeletionResult[];
}

/** Events that were stored together, next to each other. */
export interface StoredEvents {
  readonly length: number;
  /** Seq of the first. */
  readonly first: number;
  /** Of all of them: milliseconds since 1970 UTC. */
  readonly time: number;
  /** The event at `index`. */
  event(index: number): StoredEvent;
}

/** Which events are wanted; all that is given must hold. */
export interface EventFilters {
  /** Only this kind. */
  kind?: string;
  /** Only this subject. */
  subject?: string;
  /** Only what this actor did. */
  actor?: string;
}

/** Which events to read. Bounds and filters go together; each narrows what the others leave. */
export interface ReadQuery extends EventFilters {
  /** Cursor: start behind this seq in reading order. Absent: from the first event, or from the last when `reverse`. */
  after?: number;
  /** Events to give at most, 1 to PAGE_SIZE_MAX; PAGE_SIZE_DEFAULT when absent. */
  limit?: number;
  /** Only events with this seq or a later one, in either direction. */
  first?: number;
  /** Only events with this seq or an earlier one, in either direction. */
  last?: number;
  /** Only events of this time or later; milliseconds since 1970 UTC. */
  since?: number;
  /** Only events of this time or earlier; milliseconds since 1970 UTC. */
  until?: number;
  /** Newest first. */
  reverse?: boolean;
}

/** A text as the log still has it. */
export interface KnownText {
  pseudonym: string;
  text: string;
  isActor: boolean;
}

/** Which texts are looked for: all that is given must hold. */
export interface TextQuery {
  /** Actors with just this name. */
  actor?: string;
  /** Texts that people wrote, and actors, in which this stands; by its bytes. */
  mentioning?: string;
}

/** How far a rebuild has come. */
export interface RebuildProgress {
  /** Events applied. */
  events: number;
  /** Events in the log. */
  total: number;
}

/** The append-only log: the truth from which every view is derived. */
export interface EventLog {
  /**
   * Appends events, all or none, in this order and next to each other. They are durable, and every view shows them,
   * before the promise resolves. Calls that wait for the same commit share it; one that fails does not fail the others.
   *
   * @throws AS_ERR_LIMIT: an event is larger than EVENT_SIZE_MAX, or the call has more than COMMIT_EVENTS_MAX
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CBOR_ENCODE: an event is not well formed
   * @throws AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_STORE_LOCKED, AS_ERR_LOG_DAMAGED, AS_ERR_SQLITE: the database
   * @throws AS_ERR_CLOSED
   */
  append(events: readonly NewEvent[]): Promise<StoredEvent[]>;

  /**
   * Appends `object.ingested` for each of many ingests, as `append` does, from columns and into columns: an object for each would cost more than
   * the event.
   *
   * @throws as `append` does
   */
  appendIngests(ingests: Ingests): Promise<StoredEvents>;

  /**
   * Appends `object.tombstoned` or `object.deleted` for each of many objects, as `append` does, and gives nothing: who removes many reads none of it.
   *
   * @throws as `append` does
   */
  appendRemovals(removals: Removals): Promise<void>;

  /**
   * One page of events in order. To go on, pass the last event's seq as `after`; an empty page is the end for now.
   *
   * @throws AS_ERR_INVALID_ARGUMENT: a cursor, bound, time or limit outside its range
   * @throws AS_ERR_LOG_DAMAGED: what is stored is not an event
   */
  read(query?: ReadQuery): Promise<StoredEvent[]>;

  /** Seq of the newest event; 0 when there is none. */
  last(): Promise<number>;

  /**
   * The time that an event would have now: that of the clock, and never less than that of the newest event. Whoever decides by time what may be deleted
   * asks here, because a clock that was set back must not undo what the log says has happened.
   */
  now(): Promise<number>;

  /**
   * Tells of commits made by this log: `listener` gets the seq of the newest event after each. It runs between the commit and the
   * callers' continuation, must not block, and what it throws is reported as an uncaught exception.
   *
   * @returns a function that ends the subscription
   */
  onCommit(listener: (last: number) => void): () => void;

  /**
   * Drops every view and derives it again from the events. Readers see the old views until the new ones are complete; appends wait.
   *
   * @param progress called now and then
   * @throws AS_ERR_READ_ONLY, AS_ERR_NO_SPACE, AS_ERR_LOG_DAMAGED, AS_ERR_SQLITE, AS_ERR_CLOSED
   */
  rebuild(progress?: (progress: RebuildProgress) => void): Promise<void>;

  /** What stands behind pseudonyms, as far as it was not erased. */
  textsOf(pseudonyms: ReadonlySet<string>): Promise<ReadonlyMap<string, string>>;

  /** The texts about people that the log still has, as far as they match; those of appends that were acknowledged. */
  findTexts(query: TextQuery): Promise<KnownText[]>;

  /**
   * Erases texts and appends an event that says so, both or neither. The events in which they stood stay byte for byte as they are, with pseudonyms that nothing stands
   * behind any more. Before it resolves, the files of the log have been looked through for what may be left of them.
   *
   * @param pseudonyms of texts that are there; others are passed over
   * @returns the event, and whether something may be left in the files because others read them: closing the log takes it away
   * @throws as `append` does
   */
  erase(pseudonyms: readonly string[], event: NewEvent): Promise<{ event: StoredEvent; remains: boolean }>;

  /**
   * Does, behind the appends made before, what closing would have to do with their traces in the files, so that it has less to do. Never rejects: what fails here fails in
   * `close`.
   */
  settle(): Promise<void>;

  /** Waits for appends under way, then closes. Closing twice is allowed; afterwards every call fails with AS_ERR_CLOSED. */
  close(): Promise<void>;
}
