/**
 * The events of many removals, tombstones or receipts of deletion: the bytes of `kinds.ts` for each, without making an object of any. The first of each form is
 * written as any event is; all others are its bytes with another identity, address and size.
 *
 * Imports the envelope, kinds, the usual removal, columns and identities. `sqlite-log.ts` commits it.
 */

import { randomFillSync } from 'node:crypto';
import { DIGEST_SIZE } from '../limits.js';
import type { Parts } from '../record-parts.js';
import { type PreparedEvent, prepareEvent, writeEvent } from './envelope.js';
import { ADDRESS_START, BEFORE_DATA, BEFORE_ID, ID_LENGTH } from './envelope-parts.js';
import type { CommitBuffer, EventBlock } from './event-block.js';
import { headSize, Writer } from './ingest-layout.js';
import { newEvent } from './kinds.js';
import type { Removals } from './log.js';
import type { PersonalText } from './pseudonym.js';
import { type RemovedEvent, readRemovedEvent, setRemoval } from './removed-event.js';
import { refillUuidv7, UUID_RANDOM_SIZE, uuidv7, uuidv7Parts } from './uuid.js';

/** Where the facts begin in an event. */
const DATA_AT = BEFORE_ID.byteLength + ID_LENGTH + BEFORE_DATA.byteLength;
const DIGITS = 2 * DIGEST_SIZE;

/** Events that differ in their identity, in their address and in the value of one size. */
interface Form {
  readonly event: PreparedEvent;
  /** Bytes of the size at the end of the facts; 0: there is none. */
  readonly sizeBytes: number;
}

/** A form in the buffer of a commit. */
interface Written {
  /** The first event of the form. */
  readonly start: number;
  readonly end: number;
  readonly members: RemovedEvent | undefined;
  /** Its number among the forms of the commit. */
  readonly alike: number;
}

/** Removals that are to be recorded. */
export class PreparedRemovals implements EventBlock<void> {
  readonly count: number;
  readonly sizeMax: number;
  /** Those of one object are somebody's who waits; those of many go behind whoever does. */
  readonly isBehind: boolean;
  readonly texts: readonly PersonalText[];
  readonly #removals: Removals;
  /** By what `#formOf` says of an event. */
  readonly #forms: (Form | undefined)[] = [];

  /**
   * @param removals with the actor and facts as they are to be written
   * @param texts what the pseudonyms in them stand for, where that is not on disk
   * @throws as `prepareEvent` does
   */
  constructor(removals: Removals, texts: readonly PersonalText[] = []) {
    this.texts = texts;
    this.#removals = removals;
    this.count = removals.addresses.length;
    this.isBehind = this.count > 1;
    let sizeMax = 0;
    for (let n = 0; n < this.count; n++) {
      const which = this.#formOf(n);
      this.#forms[which] ??= this.#form(n);
      sizeMax += this.#forms[which].event.sizeMax;
    }
    this.sizeMax = sizeMax;
  }

  write(buffer: CommitBuffer, index: number): void {
    const { bytes, ends, removals, time, encodedTime, forms } = buffer;
    const random = randomFillSync(new Uint8Array(UUID_RANDOM_SIZE * this.count));
    const written: (Written | undefined)[] = [];
    let at = index === 0 ? 0 : (ends[index - 1] as number);
    for (let n = 0; n < this.count; n++) {
      const which = this.#formOf(n);
      const form = this.#forms[which] as Form;
      let first = written[which];
      if (first === undefined) {
        const end = writeEvent(bytes, at, form.event, uuidv7(time), encodedTime);
        const size = end - at;
        const alike = this.count > 1 ? forms.add(() => partsOf(form, size)) : 0;
        first = { start: at, end, members: readRemovedEvent(bytes, at, end), alike };
        written[which] = first;
      } else {
        bytes.copyWithin(at, first.start, first.end);
        refillUuidv7(bytes, at + BEFORE_ID.byteLength, random, UUID_RANDOM_SIZE * n);
      }
      const end = at + first.end - first.start;
      this.#fillIn(bytes, at, end, form, n);
      if (first.members !== undefined) setRemoval(removals, index + n, first.members, at - first.start);
      forms.of[index + n] = first.alike;
      ends[index + n] = end;
      at = end;
    }
  }

  /** Writes what an event does not share with the first of its form over it. */
  #fillIn(bytes: Buffer, start: number, end: number, { event, sizeBytes }: Form, n: number): void {
    const { addresses, results } = this.#removals;
    bytes.write((addresses[n] as string).slice(ADDRESS_START.length), end - DIGITS, 'latin1');
    if (sizeBytes === 0) return;
    const writer = new Writer(bytes, start + DATA_AT + event.data.byteLength - sizeBytes);
    writer.head(0, results?.[n]?.freedSize ?? 0);
  }

  /** Which form an event has: which size its size takes, and what became of its object. */
  #formOf(n: number): number {
    const result = this.#removals.results?.[n];
    return result === undefined ? 0 : 2 * headSize(result.freedSize) + Number(result.deleted);
  }

  #form(n: number): Form {
    const { actor, addresses, results, facts = {} } = this.#removals;
    const address = addresses[n] as string;
    const result = results?.[n];
    // The size is the last of the facts.
    return result === undefined
      ? { event: prepareEvent(newEvent('object.tombstoned', actor, address, facts)), sizeBytes: 0 }
      : {
          event: prepareEvent(newEvent('object.deleted', actor, address, result)),
          sizeBytes: headSize(result.freedSize),
        };
  }
}

/** In what events of a form differ, each of `size` bytes. */
function partsOf({ event, sizeBytes }: Form, size: number): Parts {
  const { own, digits } = uuidv7Parts(BEFORE_ID.byteLength);
  const sizeAt = DATA_AT + event.data.byteLength - sizeBytes;
  return {
    own: sizeBytes === 0 ? own : [...own, sizeAt, sizeBytes],
    digits: [...digits, size - DIGITS, DIGEST_SIZE],
    copies: [],
  };
}
