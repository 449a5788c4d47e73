/**
 * The frame of every page, and its way out.
 *
 * Imports the exchange and HTML. Called by the pages.
 */

import type { Answer } from '../exchange.js';
import { type Html, html } from './html.js';

const ROOMS = [
  ['/', 'Overview'],
  ['/packages', 'Packages'],
  ['/objects', 'Objects'],
  ['/events', 'Events'],
] as const;

const HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Cache-Control': 'no-cache',
  // Not no-referrer: with that a browser hides the origin of our own forms too, and the service would not trust them.
  'Referrer-Policy': 'same-origin',
  // Only what this service itself gives; no inline script or style, so that nothing that is shown can become either.
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
};

export interface Page {
  readonly title: string;
  readonly body: Html;
  /** The room that it is in, for the navigation. */
  readonly room?: (typeof ROOMS)[number][0];
  /** What is in the search field. */
  readonly sought?: string;
}

/** A page as an answer. */
export function answerPage(status: number, page: Page): Answer {
  return { status, headers: HEADERS, body: frame(page).text };
}

function frame({ title, body, room, sought = '' }: Page): Html {
  const links = ROOMS.map(
    ([href, name]) => html`<a href="${href}"${room === href && html` aria-current="page"`}>${name}</a>`,
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · artifactstore</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header>
<a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28">artifactstore</a>
<nav aria-label="Main">${links}</nav>
<form action="/find" role="search">
<input type="search" name="name" value="${sought}" placeholder="digest, prefix, or namespace/name" aria-label="Find an object or a package" spellcheck="false" autocomplete="off">
<button>Find</button>
</form>
</header>
<main id="content">
${body}
</main>
<footer>Every byte is verified when it leaves. <a href="/openapi.json">OpenAPI</a> <a href="/readyz">Health</a> <a href="/login">Log in</a></footer>
</body>
</html>
`;
}
