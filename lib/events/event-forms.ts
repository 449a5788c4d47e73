/**
 * Which events of a commit are alike but for some parts, so that a row can be packed. Blocks that write many events alike say so here.
 *
 * Imports what parts are. Blocks fill it; `row-plan.ts` reads it.
 */

import type { Parts } from '../record-parts.js';

/** Forms that one commit may have: each event has a byte for its own. Events of further ones stay as they are. */
const FORMS_MAX = 255;

/** Events of a commit from which on forms are worth a look: of two or three, what has to be said about their form is as long as they are. */
const EVENTS_MIN = 4;

/** The forms of the events of one commit. */
export class EventForms {
  /** For each event its form, from 1 on; 0: none. */
  readonly of: Uint8Array;
  readonly parts: Parts[] = [];
  readonly #known = new Map<string, number>();

  /** @param count events in the commit */
  constructor(count: number) {
    this.of = new Uint8Array(count);
  }

  /** Takes a form up that no other block has; gives its number, 0 when there are too many, or too few events. */
  add(parts: () => Parts): number {
    return this.parts.length < FORMS_MAX && this.of.length >= EVENTS_MIN ? this.parts.push(parts()) : 0;
  }

  /** The same of a form that several blocks may have, known by a name. */
  named(name: string, parts: () => Parts): number {
    let number = this.#known.get(name);
    if (number === undefined) {
      number = this.add(parts);
      this.#known.set(name, number);
    }
    return number;
  }
}
