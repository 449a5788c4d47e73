/**
 * Personal texts of one log: puts pseudonyms into events before they are written, and texts back into what is read.
 *
 * Imports CBOR, the envelope, pseudonyms, the connection's type, errors and limits. `sqlite-log.ts` has one; `revealing-reader.ts` asks it for the registry.
 *
 * Whoever acts has one pseudonym as long as it is not erased, so that what one person did can be found and its index stays small. Whatever somebody wrote has one of
 * its own. Views are derived from the events alone, so pseudonyms stand in them too, and an erasure changes no view.
 */

import { type CborInput, type CborValue, decodeCanonical, Encoded, encodeCanonical } from '../cbor/index.js';
import { ArtifactStoreError } from '../errors.js';
import { ACTORS_REMEMBERED_MAX, EVENT_SIZE_MAX } from '../limits.js';
import type { Connection } from '../sqlite/connection.js';
import { encodeActor, encodeData, revealedEvent } from './envelope.js';
import { INGESTED } from './envelope-parts.js';
import type { KnownText, NewEvent, Removals, StoredEvent, TextQuery } from './log.js';
import {
  isPersonalActor,
  isPseudonym,
  newPersonalText,
  OF_A_PLAN,
  PERSONAL_MEMBERS,
  type PersonalText,
  pseudonymOf,
} from './pseudonym.js';

/** What one append brings. */
export interface Masked {
  /** The events as they are written; the very ones that were given where nothing had to be put apart. */
  readonly events: readonly NewEvent[];
  /** The texts that have to be stored with them. */
  readonly texts: readonly PersonalText[];
}

/** An actor as it is written, and its text where that has to be stored. */
export interface MaskedActor {
  readonly actor: string;
  readonly texts: readonly PersonalText[];
}

interface TextRow {
  pseudonym: string;
  salt: Uint8Array;
  text: Uint8Array;
  actor: number;
}

const KNOWN = 'SELECT pseudonym, salt, text, actor FROM personal WHERE text IS NOT NULL';
const OF_PSEUDONYMS = `${KNOWN} AND pseudonym IN (SELECT value FROM json_each(?1))`;
const ACTORS_OF = `${KNOWN} AND actor = 1 AND text = ?1`;
const MENTIONING = `${KNOWN} AND instr(text, ?1) > 0 ORDER BY pseudonym`;
const NEWEST_ACTORS = `${KNOWN} AND actor = 1 LIMIT +?1`;

export class PersonalTexts {
  readonly #reader: Connection;
  /** Actors that have a pseudonym, by their names; those met first are forgotten first, and get another. */
  readonly #actors = new Map<string, PersonalText>();
  /** The same by pseudonym, for those who read. */
  readonly #byPseudonym = new Map<string, string>();
  /** Actors whose text is on disk already. */
  readonly #stored = new WeakSet<PersonalText>();

  constructor(reader: Connection) {
    this.#reader = reader;
  }

  /** Learns of the actors that there are: for a log that is written to. */
  async load(): Promise<void> {
    for (const row of await this.#reader.all<TextRow>(NEWEST_ACTORS, [ACTORS_REMEMBERED_MAX])) {
      const text = { pseudonym: row.pseudonym, salt: row.salt, text: proven(row), isActor: true };
      this.#remember(text);
      this.#stored.add(text);
    }
  }

  /**
   * Puts texts apart.
   *
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CBOR_ENCODE: a text is not well formed; AS_ERR_LIMIT: it is longer than an event
   */
  mask(events: readonly NewEvent[]): Masked {
    const written = new Written();
    const masked = events.map((event) => {
      const actor = this.#maskedActor(event.actor, written);
      const data = event.kind === INGESTED ? event.data : written.masked(event.data);
      if (actor === event.actor && data === event.data) return event;
      return withParts(event, actor, data);
    });
    return { events: masked, texts: [...written.texts] };
  }

  /** The actor of many ingests, and its text if that has to be stored. */
  maskActor(actor: string): MaskedActor {
    const written = new Written();
    return { actor: this.#maskedActor(actor, written), texts: [...written.texts] };
  }

  /** The actor and the facts of many removals. Throws as `mask` does. */
  maskRemovals(removals: Removals): { removals: Removals; texts: readonly PersonalText[] } {
    const written = new Written();
    const actor = this.#maskedActor(removals.actor, written);
    const { facts } = removals;
    const masked = facts && { facts: written.masked({ ...facts }) as typeof facts };
    return { removals: { ...removals, actor, ...masked }, texts: [...written.texts] };
  }

  /** To be told when the texts of an append are on disk. */
  wereStored(texts: readonly PersonalText[]): void {
    for (const text of texts) if (text.isActor) this.#stored.add(text);
  }

  /** Forgets texts that are about to be erased: whoever acts under the same name from here on gets another pseudonym. */
  forget(pseudonyms: readonly string[]): void {
    for (const pseudonym of pseudonyms) {
      const name = this.#byPseudonym.get(pseudonym);
      this.#byPseudonym.delete(pseudonym);
      if (name !== undefined && this.#actors.get(name)?.pseudonym === pseudonym) this.#actors.delete(name);
    }
  }

  /** The texts that match, as far as they are on disk. */
  async find({ actor, mentioning }: TextQuery): Promise<KnownText[]> {
    const rows = await (actor === undefined
      ? this.#reader.all<TextRow>(MENTIONING, [Buffer.from(mentioning ?? '')])
      : this.#reader.all<TextRow>(ACTORS_OF, [Buffer.from(actor)]));
    const found = rows.map((row) => ({ pseudonym: row.pseudonym, text: proven(row), isActor: row.actor === 1 }));
    return mentioning === undefined ? found : found.filter(({ text }) => text.includes(mentioning));
  }

  /** Every form in which an actor may stand in events: as it is, and by its pseudonyms. */
  async formsOf(actor: string): Promise<string[]> {
    return [actor, ...(await this.find({ actor })).map(({ pseudonym }) => pseudonym)];
  }

  /** Events as whoever reads them wants them. A text that was erased stays the pseudonym that it had. */
  async revealEvents(events: readonly StoredEvent[]): Promise<StoredEvent[]> {
    const wanted = new Set<string>();
    for (const event of events) {
      if (isPseudonym(event.actor)) wanted.add(event.actor);
      for (const [, value] of personalMembers(event)) if (isPseudonym(value)) wanted.add(value);
    }
    const texts = await this.textsOf(wanted);
    return texts.size === 0 ? [...events] : events.map((event) => revealed(event, texts));
  }

  /** What stands behind pseudonyms, as far as it is still there. */
  async textsOf(pseudonyms: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    const unknown: string[] = [];
    for (const pseudonym of pseudonyms) {
      const text = this.#byPseudonym.get(pseudonym);
      if (text === undefined) unknown.push(pseudonym);
      else found.set(pseudonym, text);
    }
    if (unknown.length === 0) return found;
    const rows = await this.#reader.all<TextRow>(OF_PSEUDONYMS, [JSON.stringify(unknown)]);
    for (const row of rows) found.set(row.pseudonym, proven(row));
    return found;
  }

  #maskedActor(actor: string, written: Written): string {
    if (!isPersonalActor(actor)) return actor;
    let known = this.#actors.get(actor);
    if (known === undefined) {
      encodeActor(actor); // refuses one that cannot be
      requireShort(actor);
      known = newPersonalText(actor, true);
      this.#remember(known);
    }
    if (!this.#stored.has(known)) written.texts.add(known);
    return known.pseudonym;
  }

  #remember(text: PersonalText): void {
    if (this.#actors.size >= ACTORS_REMEMBERED_MAX) {
      const [oldest] = this.#actors.values();
      if (oldest !== undefined) this.forget([oldest.pseudonym]);
    }
    this.#actors.set(text.text, text);
    this.#byPseudonym.set(text.pseudonym, text.text);
  }
}

/** What people wrote, of the events of one append: the same text of several of them is stored once. */
class Written {
  readonly texts = new Set<PersonalText>();
  readonly #byText = new Map<string, string>();
  readonly #byData = new Map<CborInput, CborInput>();

  /** Data with pseudonyms in place of what people wrote. */
  masked(data: CborInput): CborInput {
    const known = this.#byData.get(data);
    if (known !== undefined) return known;
    const masked = this.#masked(data);
    // Many events may share data that was encoded once; so should what is made of it.
    const shared =
      data instanceof Encoded && masked !== data ? new Encoded(encodeCanonical(masked), 'written') : masked;
    if (data instanceof Encoded) this.#byData.set(data, shared);
    return shared;
  }

  #masked(data: CborInput): CborInput {
    const map = data instanceof Encoded ? (mayBePersonal(data.bytes) ? decodeCanonical(data.bytes) : null) : data;
    if (!isMap(map) || map[OF_A_PLAN] !== undefined) return data;
    const texts: { [member: string]: string } = {};
    for (const member of PERSONAL_MEMBERS) {
      const text = map[member];
      if (typeof text === 'string' && text !== '') texts[member] = this.#pseudonymOf(text);
    }
    return Object.keys(texts).length === 0 ? data : { ...map, ...texts }; // members keep their places
  }

  #pseudonymOf(text: string): string {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    requireShort(text);
    const made = newPersonalText(text, false);
    this.texts.add(made);
    this.#byText.set(text, made.pseudonym);
    return made.pseudonym;
  }
}

function withParts(event: NewEvent, actor: string, data: CborInput): NewEvent {
  const masked = Object.create(Object.getPrototypeOf(event)) as NewEvent; // one that was right by construction still is
  return Object.assign(masked, { ...event, actor, data });
}

/** A text can be as long as an event could be that held it. */
function requireShort(text: string): void {
  const size = encodeCanonical(text).byteLength; // refuses text that is not well formed
  if (size <= EVENT_SIZE_MAX) return;
  throw new ArtifactStoreError(
    'AS_ERR_LIMIT',
    `A text of ${size} bytes is more than the ${EVENT_SIZE_MAX} an event may have. Store it as an object and name its digest.`,
    { size, limit: EVENT_SIZE_MAX },
  );
}

const KEYS = PERSONAL_MEMBERS.map((member) => Buffer.from(encodeCanonical(member)));

/** Whether encoded data can have a member that is personal: a look that costs much less than decoding. */
function mayBePersonal(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return KEYS.some((key) => buffer.includes(key));
}

/** The texts that people wrote in an event as it stands in the log: pseudonyms, or in an event of a former version the texts themselves. */
export function personalTextsOf(event: StoredEvent): string[] {
  return personalMembers(event).map(([, value]) => value);
}

/** The personal members of an event's data. */
function personalMembers(event: StoredEvent): [string, string][] {
  if (event.kind === INGESTED || !mayBePersonal(event.dataBytes)) return [];
  const { data } = event;
  if (!isMap(data)) return [];
  return PERSONAL_MEMBERS.flatMap((member): [string, string][] => {
    const value = data[member];
    return typeof value === 'string' ? [[member, value]] : [];
  });
}

/** An event as it stands in the log with texts in place of its pseudonyms, as far as there are any. */
export function revealed(event: StoredEvent, texts: ReadonlyMap<string, string>): StoredEvent {
  const own = new Map<string, string>();
  const textOf = (written: string) => {
    const text = texts.get(written);
    if (text !== undefined) own.set(written, text);
    return text ?? written;
  };
  const actor = textOf(event.actor);
  const members = personalMembers(event).map(([member, written]) => [member, textOf(written)] as const);
  if (own.size === 0) return event;
  const dataBytes =
    members.length === 0 ? event.dataBytes : encodeData({ ...(event.data as object), ...Object.fromEntries(members) });
  return revealedEvent(event, actor, dataBytes, own);
}

function isMap(value: CborInput | undefined): value is { readonly [key: string]: CborValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** The text of a row, if its pseudonym is made from it. */
function proven({ pseudonym, salt, text: bytes }: TextRow): string {
  const text = Buffer.from(bytes).toString();
  if (pseudonymOf(salt, text) === pseudonym) return text;
  throw new ArtifactStoreError(
    'AS_ERR_LOG_DAMAGED',
    `The text behind ${pseudonym} is not the one that the events commit to: it was changed. Restore the log from a copy.`,
    { pseudonym },
  );
}
