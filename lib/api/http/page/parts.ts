/**
 * What several pages show: digests, times, sizes, tables, and the figure that a digest makes.
 *
 * Imports digest text and formatting. Called by the pages.
 */

import type { Digest } from '../../../dataplane/spi.js';
import { digestAlgorithm, digestBytes, digestHex } from '../../../digest-name.js';
import { formatTime } from '../../../format.js';
import type { ObjectState } from '../../../registry/registry.js';
import { type Html, html, type Part } from './html.js';

/** Hex digits of a shortened digest: 48 bits, so two objects in a million share one once in 500 stores. */
const SHORT_DIGITS = 12;

export function shortDigest(digest: Digest): string {
  return `${digestAlgorithm(digest)}:${digestHex(digest).slice(0, SHORT_DIGITS)}`;
}

/** A link to an object's page. */
export function objectLink(digest: Digest, text: Part = shortDigest(digest)): Html {
  return html`<a class="digest" href="/objects/${digest}">${text}</a>`;
}

export function when(time: number): Html {
  return html`<time datetime="${new Date(time).toISOString()}">${formatTime(time)}</time>`;
}

export function stateMark(state: ObjectState): Html {
  return html`<span class="state ${state}">${state}</span>`;
}

/** Columns of numbers, which stand right. */
const NUMBERS = new Set(['Size', 'Files', 'Occupies']);

/** A table; without rows, what is said instead. */
export function table(heads: readonly string[], rows: readonly Html[], nothing: string): Html {
  if (rows.length === 0) return html`<p class="nothing">${nothing}</p>`;
  return html`<div class="scroll"><table><thead><tr>${heads.map((head) => html`<th scope="col"${NUMBERS.has(head) && html` class="number"`}>${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

/**
 * A digest as a figure: one bar a byte, its height the byte's value and its colour too. Equal figures are equal digests as far as an eye can tell;
 * the text beside it decides.
 */
export function fingerprint(digest: Digest): Html {
  const bars = [...digestBytes(digest)].map((byte, n) => {
    const height = 6 + Math.round((byte / 255) * 34);
    return html`<rect x="${n * 10}" y="${40 - height}" width="8" height="${height}" rx="2" fill="hsl(${Math.round(byte * 1.41)} 65% 55%)"/>`;
  });
  return html`<svg class="fingerprint" viewBox="0 0 318 40" preserveAspectRatio="xMinYMid" role="img" aria-label="${digestAlgorithm(digest)} as a figure">${bars}</svg>`;
}

/** The way to further entries. */
export function nextPage(href: string | undefined): Html | undefined {
  return href === undefined ? undefined : html`<p class="more"><a href="${href}">Further entries</a></p>`;
}
