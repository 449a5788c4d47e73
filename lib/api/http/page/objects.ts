/**
 * `/objects`: the objects, one of them with its digests and its story, and its verification.
 *
 * Imports the exchange and the parts of a page. Called by the router.
 */

import { isStoreError } from '../../../errors.js';
import { formatCount, formatRanges, formatSize } from '../../../format.js';
import type { ObjectRecord } from '../../../registry/registry.js';
import type { Answer, Exchange } from '../exchange.js';
import { type Html, html } from './html.js';
import { answerPage } from './layout.js';
import { fingerprint, nextPage, objectLink, stateMark, table, when } from './parts.js';
import { whyPart } from './why.js';

/** Objects on a page, and lines of a story. */
const ROWS = 100;
const LINES = 500;

/** GET /objects: in the order of their content addresses. */
export async function objectsPage({ store, query }: Exchange): Promise<Answer> {
  const cursor = query.cursor as string | undefined;
  const { objects, cursor: next } = await store.list({ limit: ROWS, ...(cursor !== undefined && { cursor }) });
  return answerPage(200, {
    title: 'Objects',
    room: '/objects',
    body: html`<h1>Objects</h1>
${table(['BLAKE3', 'SHA-256', 'Size', 'First stored', 'State'], objects.map(row), 'Nothing is stored yet.')}
${nextPage(next && `/objects?cursor=${encodeURIComponent(next)}`)}`,
  });
}

function row({ blake3, sha256, size, ingestedAt, state }: ObjectRecord): Html {
  return html`<tr><td>${objectLink(blake3)}</td><td>${objectLink(sha256)}</td><td class="number">${formatSize(size)}</td><td>${when(ingestedAt)}</td><td>${stateMark(state)}</td></tr>`;
}

/** GET /objects/<digest or prefix>: its digests, why it is still here or gone, its places, and what happened to it. */
export async function objectPage(exchange: Exchange): Promise<Answer> {
  const { store, params } = exchange;
  const [name = ''] = params;
  const record = await store.stat(name);
  const { blake3, sha256, size, state, receipts, damaged = [] } = record;
  const story: Html[] = [];
  for await (const { time, sentence, seq } of await store.explain(blake3)) {
    if (story.push(html`<li id="event-${seq}">${when(time)} ${sentence}</li>`) === LINES) break;
  }
  const isThere = state === 'live' || state === 'corrupt';
  return answerPage(200, {
    title: blake3.slice(0, 19),
    room: '/objects',
    sought: name,
    body: html`<h1>Object of ${formatSize(size)} ${stateMark(state)}</h1>
<p>${formatCount(size)} bytes.${damaged.length > 0 && html` Damaged: ${formatRanges(damaged)}.`}</p>
<div class="digests">
<section class="card"><h3>BLAKE3, its content address</h3>${fingerprint(blake3)}<code>${blake3}</code></section>
<section class="card"><h3>SHA-256</h3>${fingerprint(sha256)}<code>${sha256}</code></section>
</div>
${
  isThere &&
  html`<div class="actions">
<a class="button" href="/v1/objects/${blake3}" download="${blake3.slice(7, 19)}">Download</a>
<form method="post" action="/objects/${blake3}/verify"><button>Verify every byte now</button></form>
<a href="/v1/objects/${blake3}/meta">As JSON</a>
</div>`
}
${await whyPart(exchange, blake3)}
<h2>Where it is</h2>
${table(
  ['Backend', 'Tier', 'Key', 'Occupies', 'Durability'],
  receipts.map(
    (one) =>
      html`<tr><td>${one.backend}</td><td>${one.tier}</td><td><code>${one.key}</code></td><td class="number">${formatSize(one.storedSize)}</td><td>${one.durability}</td></tr>`,
  ),
  'Its bytes are gone.',
)}
<h2>What happened to it</h2>
<ol class="story">${story}</ol>`,
  });
}

/** POST /objects/<digest>/verify: reads and checks all of it, and shows the story, which then says how it went. */
export async function verifyObject({ store, params: [name = ''], actor }: Exchange): Promise<Answer> {
  const { blake3 } = await store.stat(name);
  try {
    await store.verify(blake3, { actor });
  } catch (error) {
    // Damage is what was asked about: the story tells of it.
    if (!isStoreError(error, 'AS_ERR_CORRUPT')) throw error;
  }
  const { lastSeq } = await store.stat(blake3);
  return {
    status: 303,
    headers: { Location: `/objects/${blake3}#event-${lastSeq}`, 'Content-Length': 0, 'Cache-Control': 'no-store' },
  };
}
