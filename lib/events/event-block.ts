/**
 * What one append brings to a commit: events that have been checked, to be written when their place and time are known.
 *
 * Imports the envelope and identities. `sqlite-log.ts` commits blocks; `ingest-block.ts` has another kind of them.
 */

import { encodeData, type PreparedEvent, prepareEvent, revealedEvent, storedEvent, writeEvent } from './envelope.js';
import type { EventForms } from './event-forms.js';
import type { IngestColumns } from './ingest-columns.js';
import type { NewEvent, StoredEvent } from './log.js';
import type { Masked } from './personal-texts.js';
import type { PersonalText } from './pseudonym.js';
import type { RemovalColumns } from './removed-event.js';
import { uuidv7 } from './uuid.js';

/** Where the events of a commit are written. */
export interface CommitBuffer {
  /** Events end to end: room for `sizeMax` of every block. */
  readonly bytes: Buffer;
  /** Where each ends. */
  readonly ends: Uint32Array;
  /** The same events, where they are at hand. */
  readonly events: StoredEvent[];
  /** Where the members of usual ingests are, as far as their writer says so. */
  readonly ingests: IngestColumns;
  /** The same of usual removals. */
  readonly removals: RemovalColumns;
  /** Which of them are alike. */
  readonly forms: EventForms;
  /** Seq of the first event. */
  readonly first: number;
  /** Of all of them: milliseconds since 1970 UTC, and in canonical CBOR. */
  readonly time: number;
  readonly encodedTime: Uint8Array;
}

/** Events of one append; `Stored` is what its caller gets. */
export interface EventBlock<Stored = unknown> {
  readonly count: number;
  /** Bytes of its events at most. */
  readonly sizeMax: number;
  /** Nobody waits for it: it lets others go first, and shares its commit with none. */
  readonly isBehind?: boolean;
  /** Texts that the pseudonyms in its events stand for, as far as they are not on disk; and pseudonyms of texts that are to go from there with its commit. */
  readonly texts?: readonly PersonalText[];
  readonly erased?: readonly string[];
  /** Writes them, the first as event `index` of the buffer, and gives what they are once the buffer is stored. */
  write(buffer: CommitBuffer, index: number): Stored;
}

/** Events of any kinds. */
export class PreparedEvents implements EventBlock<StoredEvent[]> {
  readonly count: number;
  readonly sizeMax: number;
  readonly texts: readonly PersonalText[];
  readonly erased: readonly string[];
  readonly #given: readonly NewEvent[];
  readonly #masked: readonly NewEvent[];
  readonly #prepared: readonly PreparedEvent[];

  /**
   * @param given the events, with texts where `masked` has pseudonyms
   * @param erased pseudonyms of texts that go with the commit of these events
   * @throws as `prepareEvent` does
   */
  constructor(
    given: readonly NewEvent[],
    masked: Masked = { events: given, texts: [] },
    erased: readonly string[] = [],
  ) {
    this.#given = given;
    this.#masked = masked.events;
    this.texts = masked.texts;
    this.erased = erased;
    this.#prepared = masked.events.map(prepareEvent);
    this.count = given.length;
    let sizeMax = 0;
    for (const prepared of this.#prepared) sizeMax += prepared.sizeMax;
    this.sizeMax = sizeMax;
  }

  write({ bytes, ends, events, first, time, encodedTime }: CommitBuffer, index: number): StoredEvent[] {
    let end = index === 0 ? 0 : (ends[index - 1] as number);
    return this.#prepared.map((prepared, n) => {
      const id = uuidv7(time);
      end = writeEvent(bytes, end, prepared, id, encodedTime);
      ends[index + n] = end;
      const event = storedEvent(first + index + n, prepared, id, time);
      events[index + n] = event;
      return this.#asGiven(event, n);
    });
  }

  /** The event for who appended it: with the texts that were given. */
  #asGiven(event: StoredEvent, n: number): StoredEvent {
    const given = this.#given[n] as NewEvent;
    if (given === this.#masked[n]) return event;
    return revealedEvent(
      event,
      given.actor,
      given.data === this.#masked[n]?.data ? event.dataBytes : encodeData(given.data),
    );
  }
}
