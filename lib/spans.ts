/**
 * Tells whoever listens what ran from when to when: `node:diagnostics_channel`, channel SPANS. Who asks why somebody waited needs to know what ran at that
 * moment; nobody else pays for it.
 *
 * Imports Node's own modules. Published by the connection to the database and the scheduler of native operations.
 */

import { channel } from 'node:diagnostics_channel';

/** The name of the channel. Part of the public API: docs/operations.md. */
export const SPANS = 'artifactstore:spans';

/** Something that ran, told when it is over. Times are those of `performance.now()`. */
export interface Span {
  /** What kind of thing ran: `sqlite`, or `native`. */
  kind: 'sqlite' | 'native';
  /** Which: the beginning of a statement, or operations. */
  what: string;
  begin: number;
  end: number;
}

const spans = channel(SPANS);

/** When something begins; undefined while nobody listens, because the first look at Node's clock loads a dozen of its modules. */
export function beginSpan(): number | undefined {
  return spans.hasSubscribers ? performance.now() : undefined;
}

/** Tells that something has run since `begin`. */
export function tellSpan(kind: Span['kind'], what: string, begin: number | undefined): void {
  if (begin === undefined || !spans.hasSubscribers) return;
  spans.publish({ kind, what, begin, end: performance.now() } satisfies Span);
}
