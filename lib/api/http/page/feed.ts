/**
 * Events as a table that goes on by itself where scripts run.
 *
 * Imports the log's types and the parts of a page. Called by the overview and the page of events.
 */

import type { Digest } from '../../../dataplane/spi.js';
import { isDigest } from '../../../digest-name.js';
import type { StoredEvent } from '../../../events/log.js';
import { type Html, html } from './html.js';
import { objectLink, when } from './parts.js';

/**
 * The newest events.
 *
 * @param events newest first
 * @param most rows that the table grows to
 */
export function feed(events: readonly StoredEvent[], most: number): Html {
  const after = events[0]?.seq ?? 0;
  return html`<div class="scroll"><table>
<thead><tr><th scope="col" class="number">Event</th><th scope="col">When</th><th scope="col">What</th><th scope="col">Who</th><th scope="col">About</th></tr></thead>
<tbody data-feed data-after="${after}" data-most="${most}">${events.map(row)}</tbody>
</table></div>
${events.length === 0 && html`<p class="nothing">Nothing has happened yet.</p>`}`;
}

/** Says whether the table goes on; empty without scripts. */
export const WATCHING = html`<span class="watching" role="status"></span>`;

function row({ seq, time, kind, actor, subject }: StoredEvent): Html {
  const about = subject !== null && isDigest(subject) ? objectLink(subject as Digest) : subject;
  return html`<tr><td class="number">${seq}</td><td>${when(time)}</td><td class="kind">${kind}</td><td>${actor}</td><td>${about ?? ''}</td></tr>`;
}
