/**
 * What every sentence about an event is made of. Imports types and formatting. Each file of sentences beside it uses it; `explain.ts` puts them
 * together.
 */

import type { StoredEvent } from '../events/log.js';
import { isPseudonym } from '../events/pseudonym.js';
import { formatCount, formatSize } from '../format.js';

/** Who it was, and what stands beside the facts. */
export type Told = Pick<StoredEvent, 'actor' | 'time' | 'subject'>;

/** A writer for each kind of a table of facts: what happened as a sentence, in which "it" is the subject. */
export type Sentences<Table> = { readonly [K in keyof Table]: (facts: Table[K], event: Told) => string };

/** `512 B`, `1.5 MB (1,500,000 bytes)`. */
export function exactSize(size: number): string {
  return size < 1000 ? formatSize(size) : `${formatSize(size)} (${formatCount(size)} bytes)`;
}

/** `: reason`, or nothing. */
export function because(reason: string | undefined): string {
  if (reason === undefined) return '';
  return isPseudonym(reason) ? ' (the reason was erased)' : `: ${reason}`;
}

/** `1 version`, `2,000 versions`. */
export function count(number: number, what: string): string {
  return `${formatCount(number)} ${number === 1 ? what : `${what}s`}`;
}

/** ` by the plan id`, or nothing. */
export function planned(plan: string | undefined): string {
  return plan === undefined ? '' : ` by the plan ${plan}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function list(items: readonly string[]): string {
  const [last, ...before] = items.toReversed();
  return before.length === 0 ? (last ?? '') : `${before.reverse().join(', ')} and ${last}`;
}
