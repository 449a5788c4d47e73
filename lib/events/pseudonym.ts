/**
 * Pseudonyms: what stands in the bytes of an event where a person's name, or what a person wrote, would stand. The text itself is in a table beside the log, where it can be
 * erased while no byte of any event changes.
 *
 * Imports nothing of the project. `personal-texts.ts` puts pseudonyms into new events and texts back into those that are read; docs/formats/events.md documents them.
 *
 * A pseudonym commits to its text: it is made from the text and 256 random bits. As long as both are there, anyone can check that this is the text that was meant; when both are
 * gone, nobody can find out what it was, not even by trying all names there are.
 */

import { createHmac, randomBytes } from 'node:crypto';

/** Whom or what a token did is known by the token's id, which is nobody's name: such an actor stands as it is. */
export const TOKEN_ACTOR = 'token:';

/** Members of the data of an event, of whatever kind, that hold what people wrote, or whom something is for. */
export const PERSONAL_MEMBERS = ['holder', 'metadata', 'reason'] as const;

/** Made by a retention plan, in whose words its reason stands: nobody wrote it. */
export const OF_A_PLAN = 'plan';

/** 132 bits in base64url behind a tilde: few enough for the usual form of events, and nobody finds two texts for one. */
const MARK = '~';
const CHARACTERS = 22;
const SALT_SIZE = 32;

const ANY = new RegExp(`${MARK}[A-Za-z0-9_-]{${CHARACTERS}}`, 'g');
const ONE = new RegExp(`^${MARK}[A-Za-z0-9_-]{${CHARACTERS}}$`);

/** A text that is kept apart from the events in which its pseudonym stands. */
export interface PersonalText {
  readonly pseudonym: string;
  /** What makes it a secret what an erased text was: 32 random bytes. */
  readonly salt: Uint8Array;
  readonly text: string;
  /** Who did something; else what somebody wrote. */
  readonly isActor: boolean;
}

/** A text with a pseudonym of its own. */
export function newPersonalText(text: string, isActor: boolean): PersonalText {
  const salt = randomBytes(SALT_SIZE);
  return { pseudonym: pseudonymOf(salt, text), salt, text, isActor };
}

/** The pseudonym of a text: the first 22 characters of HMAC-SHA-256 (RFC 2104) in base64url (RFC 4648), with the salt as key. */
export function pseudonymOf(salt: Uint8Array, text: string): string {
  return MARK + createHmac('sha256', salt).update(text).digest('base64url').slice(0, CHARACTERS);
}

export function isPseudonym(text: string): boolean {
  return text.length === CHARACTERS + 1 && ONE.test(text);
}

/** Adds the pseudonyms that stand in a text to `found`. */
export function pseudonymsIn(text: string, found: Set<string>): void {
  if (!text.includes(MARK)) return;
  for (const pseudonym of text.match(ANY) ?? []) found.add(pseudonym);
}

/** A text with those of its pseudonyms replaced that there is something behind, written as the place they stand in wants it. */
export function withTexts(
  text: string,
  texts: ReadonlyMap<string, string>,
  write: (text: string) => string = (found) => found,
): string {
  return text.replace(ANY, (pseudonym) => {
    const found = texts.get(pseudonym);
    return found === undefined ? pseudonym : write(found);
  });
}

/** Whether an actor is a person, as far as anyone can tell, or something that may be named after one. */
export function isPersonalActor(actor: string): boolean {
  return !actor.startsWith(TOKEN_ACTOR);
}
