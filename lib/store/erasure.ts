/**
 * Erasure on legal demand: what is about a person goes for good, at once, and the log stays whole and says that it went, under which order. `Store.erase` is this.
 *
 * Imports event kinds, the log's interface, CBOR, digest text, errors, limits, and the erasing of objects. Made by composition.ts. What is a personal text: `lib/events/pseudonym.ts`; why it is
 * so: docs/adr/0035.
 *
 * Objects first, texts and the event that names all of it last: who repeats an order that a crash cut short erases what is left, and the event tells of both.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { digestBytes } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { decodeEvent } from '../events/envelope.js';
import { newEvent } from '../events/kinds.js';
import type { EventLog, KnownText } from '../events/log.js';
import { personalTextsOf } from '../events/personal-texts.js';
import { isPseudonym } from '../events/pseudonym.js';
import { ERASED_IN_EVENT_MAX, ERASURE_SHOWN_MAX } from '../limits.js';
import { requireCase, requireReason } from './checks.js';
import { type ErasedObject, eraseObjects, finishErasures, requireErasable } from './erase-objects.js';
import type { LifecycleHost } from './lifecycle.js';

/** What has to go. */
export interface ErasureDemand {
  /** Which order demands it: 1 to 128 letters, digits, spaces and `. _ : / # -`. It stays in the log, so it should name nobody. */
  order: string;
  /** Actors by these names. */
  names?: readonly string[];
  /** Names of actors, and what people wrote, in which one of these stands, letter for letter. */
  mentioning?: readonly string[];
  /** What people wrote in the events with these seqs: reasons, holders, metadata. Not who did it. */
  events?: readonly number[];
  /** Objects, by either digest or an unambiguous prefix of one. Packages that need them stay, without them. */
  objects?: readonly string[];
  /** Stands in the events, and can be erased like any other. Up to REASON_LENGTH_MAX characters. */
  reason?: string;
  actor?: string;
  /** Only say what would go. Default false. */
  dryRun?: boolean;
}

/** What went, or would go. */
export interface ErasureReport {
  order: string;
  /** It was only looked for. */
  dryRun: boolean;
  /** How many texts; the first ERASURE_SHOWN_MAX of them, and what they are only as long as they are there. */
  textCount: number;
  texts: (Pick<KnownText, 'pseudonym' | 'isActor'> & { text?: string })[];
  objects: ErasedObject[];
  /** Names that stand in events of a former version of the log, which nothing may change: those are still there. */
  standing: string[];
  /** Something may be left in the files of the log, because others read them: it goes when the store is closed. */
  remains: boolean;
  /** Seqs of the events that say so. */
  events: number[];
}

/** What the facade lends. */
export interface ErasureHost {
  readonly actor: string;
  readonly log: EventLog;
  readonly lifecycle: LifecycleHost;
  resolve(name: string): Promise<{ blake3: ContentAddress }>;
  /** Throws when the store cannot be written to. */
  requireWritable(): void;
}

export class Erasure {
  readonly #host: ErasureHost;

  constructor(host: ErasureHost) {
    this.#host = host;
  }

  /** As `Store.erase`. */
  async erase(demand: ErasureDemand): Promise<ErasureReport> {
    this.#host.requireWritable();
    const { dryRun = false, reason, actor = this.#host.actor } = demand;
    const order = requireCase(demand.order, 'an order');
    const by = { actor, order, ...(reason !== undefined && { reason: requireReason(reason) }) };
    const addresses = await this.#addresses(demand.objects ?? []);
    await requireErasable(this.#host.lifecycle, addresses);
    const texts = await this.#texts(demand);
    const report = { order, dryRun, textCount: texts.length, standing: [], remains: false, events: [] };
    if (dryRun) {
      const objects = addresses.map((address) => ({ address, freedSize: 0 }));
      return { ...report, texts: texts.slice(0, ERASURE_SHOWN_MAX), objects };
    }
    const objects = await eraseObjects(this.#host.lifecycle, addresses, by);
    const { events, remains } = await this.#record(texts, addresses, by);
    const shown = texts.slice(0, ERASURE_SHOWN_MAX).map(({ pseudonym, isActor }) => ({ pseudonym, isActor }));
    return { ...report, texts: shown, objects, standing: await this.#standing(demand.names ?? []), remains, events };
  }

  /** Ends what a crash cut short, as far as it can be; the rest is left to the same order, and to the next opening. For whoever opens the store for writing. */
  async finish(): Promise<void> {
    await finishErasures(this.#host.lifecycle).catch(() => undefined);
  }

  async #addresses(names: readonly string[]): Promise<ContentAddress[]> {
    const addresses = new Set<ContentAddress>();
    for (const name of names) addresses.add((await this.#host.resolve(name)).blake3);
    return [...addresses];
  }

  /** Every text that is demanded, once. */
  async #texts({ names = [], mentioning = [], events = [] }: ErasureDemand): Promise<KnownText[]> {
    const { log } = this.#host;
    const found = new Map<string, KnownText>();
    const add = (texts: readonly KnownText[]) => {
      for (const text of texts) found.set(text.pseudonym, text);
    };
    for (const name of names) add(await log.findTexts({ actor: requireText(name) }));
    for (const text of mentioning) add(await log.findTexts({ mentioning: requireText(text) }));
    for (const seq of events) add(await this.#writtenIn(seq));
    return [...found.values()];
  }

  async #writtenIn(seq: number): Promise<KnownText[]> {
    const { log } = this.#host;
    const [event] = Number.isSafeInteger(seq) && seq > 0 ? await log.read({ first: seq, last: seq, limit: 1 }) : [];
    if (event === undefined) throw invalid(`There is no event ${seq}. "audit" lists those there are.`);
    const pseudonyms = personalTextsOf(decodeEvent(seq, event.bytes)).filter(isPseudonym);
    const texts = await log.textsOf(new Set(pseudonyms));
    return [...texts].map(([pseudonym, text]) => ({ pseudonym, text, isActor: false }));
  }

  /** Erases the texts, and writes down what was erased, so much in each event as one can hold. */
  async #record(
    texts: readonly KnownText[],
    addresses: readonly ContentAddress[],
    { actor, order, reason }: { actor: string; order: string; reason?: string },
  ): Promise<{ events: number[]; remains: boolean }> {
    const events: number[] = [];
    let remains = false;
    for (let from = 0; from === 0 || from < Math.max(texts.length, addresses.length); from += ERASED_IN_EVENT_MAX) {
      const part = texts.slice(from, from + ERASED_IN_EVENT_MAX).map(({ pseudonym }) => pseudonym);
      const objects = addresses.slice(from, from + ERASED_IN_EVENT_MAX).map(digestBytes);
      const facts = { texts: part, objects, ...(reason !== undefined && { reason }) };
      const erased = await this.#host.log.erase(part, newEvent('data.erased', actor, order, facts));
      events.push(erased.event.seq);
      remains ||= erased.remains;
    }
    return { events, remains };
  }

  /** Those of the names by which events can still be found: events of a former version, in whose bytes they stand. */
  async #standing(names: readonly string[]): Promise<string[]> {
    const standing: string[] = [];
    for (const name of names) {
      const [event] = await this.#host.log.read({ actor: name, limit: 1 });
      if (event !== undefined && decodeEvent(event.seq, event.bytes).actor === name) standing.push(name);
    }
    return standing;
  }
}

/** An empty text stands in every other. */
function requireText(text: string): string {
  if (text !== '') return text;
  throw invalid('An empty text stands everywhere: it would erase all there is. Give the name, or what has to go.');
}

function invalid(message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
}
