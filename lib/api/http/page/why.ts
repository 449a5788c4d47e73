/**
 * The part of a page that says why an object or a version is still here, or why it is gone.
 *
 * Imports why things stay or go, and HTML. Called by the pages of objects and packages.
 */

import { WHY_TITLES, whyIfAny } from '../../../retention/why.js';
import type { Exchange } from '../exchange.js';
import { type Html, html } from './html.js';

/** @param subject a content address, or `namespace/name@version` */
export async function whyPart({ store }: Pick<Exchange, 'store'>, subject: string): Promise<Html> {
  const why = await whyIfAny(store.retention, subject);
  if (why === undefined) return html``;
  const title = WHY_TITLES[why.state];
  return html`<h2>${`${title.charAt(0).toUpperCase()}${title.slice(1)}`}</h2>
<div class="why">${why.sentences.map((sentence) => html`<p>${sentence}</p>`)}</div>`;
}
