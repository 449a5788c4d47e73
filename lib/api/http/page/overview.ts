/**
 * `/`, `/events` and `/find`: what is stored, what happens, and the way to one thing.
 *
 * Imports the exchange, names of packages and the parts of a page. Called by the router.
 */

import { isStoreError } from '../../../errors.js';
import { formatCount, formatSize } from '../../../format.js';
import { parsePackage } from '../../../packages/name.js';
import type { Answer, Exchange } from '../exchange.js';
import { feed, WATCHING } from './feed.js';
import { html } from './html.js';
import { answerPage } from './layout.js';
import { packageHref, versionTable } from './packages.js';

/** Events and packages on the overview, and events on their own page. */
const SOME = 10;
const MANY = 200;

/** GET /: how much there is, the packages, and what happened last. */
export async function overview({ store }: Exchange): Promise<Answer> {
  const [usage, { refs }, { packages }, events] = await Promise.all([
    store.usage(),
    store.packages.refs({ limit: SOME }),
    store.packages.list({ limit: SOME }),
    store.events({ reverse: true, limit: SOME }),
  ]);
  const saved = usage.size === 0 ? '' : `${formatSize(usage.storedSize)} on disk`;
  return answerPage(200, {
    title: 'Overview',
    room: '/',
    body: html`<h1>What is stored</h1>
<dl class="figures">
<div><dt>Objects</dt><dd>${formatCount(usage.objects)}</dd></div>
<div><dt>Bytes</dt><dd>${formatSize(usage.size)}<small>${saved}</small></dd></div>
<div><dt>Events</dt><dd>${formatCount(events[0]?.seq ?? 0)}</dd></div>
</dl>
<h2>Packages</h2>
${versionTable(packages, refs)}
<h2>What happened last${WATCHING}</h2>
${feed(events, SOME)}`,
  });
}

/** GET /events: the newest events, and those to come. */
export async function eventsPage({ store }: Exchange): Promise<Answer> {
  const events = await store.events({ reverse: true, limit: MANY });
  return answerPage(200, {
    title: 'Events',
    room: '/events',
    body: html`<h1>Events${WATCHING}</h1>
${feed(events, MANY)}
<p>All of them: <a href="/v1/events">/v1/events</a>, as JSON, NDJSON, CBOR or a stream.</p>`,
  });
}

/** GET /find?name=: to the page of the object or package of that name. */
export async function find({ store, query }: Exchange): Promise<Answer> {
  const name = String(query.name ?? '').trim();
  const found = name.includes('/') ? await findPackage(name) : await findObject();
  return { status: 303, headers: { Location: found, 'Content-Length': 0, 'Cache-Control': 'no-cache' } };

  async function findObject(): Promise<string> {
    return `/objects/${(await store.stat(name)).blake3}`;
  }

  async function findPackage(text: string): Promise<string> {
    try {
      return packageHref(await store.packages.get(text));
    } catch (error) {
      // A package that has versions, but not the ref that a bare name means.
      if (!isStoreError(error, 'AS_ERR_NOT_FOUND') || /[:@]/.test(text)) throw error;
      const { namespace, name: own } = parsePackage(text);
      return `/packages/${namespace}/${own}`;
    }
  }
}
