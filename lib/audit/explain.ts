/**
 * The story of one thing: what happened to it, when and by whom, in order, in sentences.
 *
 * Imports event kinds, the log's interface, and the sentences beside it. The facade calls it, and says how a name leads to a subject.
 *
 * A thing is whatever events have as their subject. So a new kind of thing needs a table of sentences here, and a way from the names that people
 * use to its subject if they are not the same; nothing else knows what things there are.
 */

import { toJson } from '../cbor/index.js';
import { ArtifactStoreError } from '../errors.js';
import { EVENT_VERSION, type EventData, factsOf, isKnownKind } from '../events/kinds.js';
import type { EventLog, StoredEvent } from '../events/log.js';
import { isPseudonym } from '../events/pseudonym.js';
import { readAll } from '../events/read-all.js';
import { ACCESS_SENTENCES } from './access-sentences.js';
import { ERASURE_SENTENCES } from './erasure-sentences.js';
import { OBJECT_SENTENCES } from './object-sentences.js';
import { PACKAGE_SENTENCES } from './package-sentences.js';
import { QUOTA_SENTENCES } from './quota-sentences.js';
import { RETENTION_SENTENCES } from './retention-sentences.js';
import type { Sentences } from './sentences.js';
import { TIER_SENTENCES } from './tier-sentences.js';
import { UPLOAD_SENTENCES } from './upload-sentences.js';

/** By type exhaustive: a kind that is added without a sentence does not compile. */
const SENTENCES: Sentences<EventData> = {
  ...OBJECT_SENTENCES,
  ...TIER_SENTENCES,
  ...PACKAGE_SENTENCES,
  ...UPLOAD_SENTENCES,
  ...ACCESS_SENTENCES,
  ...RETENTION_SENTENCES,
  ...QUOTA_SENTENCES,
  ...ERASURE_SENTENCES,
};

/** One thing that happened. */
export interface StoryLine {
  /** The event. */
  seq: number;
  /** Milliseconds since 1970 UTC. */
  time: number;
  kind: string;
  actor: string;
  /** What happened, as a sentence; "it" is the subject of the story. */
  sentence: string;
}

/** What happened to one thing, oldest first; iterate it. */
export interface Story extends AsyncIterable<StoryLine> {
  /** What it is about: for an object its content address. */
  readonly subject: string;
}

/** From a name to the subject it stands for, if it does. */
export type FindSubject = (name: string) => Promise<string | undefined>;

/**
 * Finds the story of a thing.
 *
 * @param name what `findSubject` makes a subject of
 * @param last the newest event to tell of
 * @throws AS_ERR_NOT_FOUND: nothing has that name, or nothing had happened to it yet; and what the finders throw
 */
export async function explain(
  log: Pick<EventLog, 'read'>,
  name: string,
  finders: readonly FindSubject[],
  last: number,
): Promise<Story> {
  const subject = await findSubject(log, name, finders);
  if (subject === undefined) {
    throw notFound(
      name,
      `Nothing in the log is named "${name}". Give a digest, its first digits, or what an event is about.`,
    );
  }
  const [begin] = await log.read({ subject, last, limit: 1 });
  if (begin === undefined)
    throw notFound(name, `Up to event ${last} nothing had happened to ${subject}. Ask for a later moment.`);
  return { subject, [Symbol.asyncIterator]: () => storyLines(log, subject, last) };
}

/** The subject that a name stands for: itself when there are events about it, else what one of `finders` makes of it; the first decides. */
export async function findSubject(
  log: Pick<EventLog, 'read'>,
  name: string,
  finders: readonly FindSubject[],
): Promise<string | undefined> {
  if (name !== '' && (await log.read({ subject: name, limit: 1 })).length > 0) return name;
  for (const find of finders) {
    const subject = await find(name);
    if (subject !== undefined) return subject;
  }
  return undefined;
}

/** What an event says, as a sentence. One of a kind or version that this code does not know is told as it is. */
export function sentenceOf(event: StoredEvent): string {
  const { kind, v } = event;
  const actor = named(event.actor);
  if (v === EVENT_VERSION && isKnownKind(kind)) return upper(tell(event, kind, actor));
  return `${upper(actor)} did something that this version of artifactstore does not know, ${kind} (version ${v}): ${JSON.stringify(toJson(event.data))}.`;
}

function tell<K extends keyof EventData>(event: StoredEvent, kind: K, actor: string): string {
  const { time, subject } = event;
  return SENTENCES[kind](factsOf(event, kind) as EventData[K], { actor, time, subject });
}

/** An actor whose name was erased still is the same somebody wherever this pseudonym stands. */
function named(actor: string): string {
  return isPseudonym(actor) ? `somebody whose name was erased (${actor})` : actor;
}

/** A sentence that begins with somebody begins with a capital. */
function upper(sentence: string): string {
  return sentence.startsWith('somebody ') ? `S${sentence.slice(1)}` : sentence;
}

async function* storyLines(log: Pick<EventLog, 'read'>, subject: string, last: number): AsyncGenerator<StoryLine> {
  for await (const event of readAll((query) => log.read(query), { subject, last })) {
    const { seq, time, kind, actor } = event;
    yield { seq, time, kind, actor, sentence: sentenceOf(event) };
  }
}

function notFound(name: string, message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_NOT_FOUND', message, { text: name });
}
