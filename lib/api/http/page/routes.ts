/**
 * Where people look around with a browser.
 *
 * Imports the pages. Read by `rooms.ts`.
 */

import type { Answer, Exchange, Handler } from '../exchange.js';
import { problemAnswer } from '../problem.js';
import type { Operation, Parameters, Room, Scope } from '../route.js';
import { ref, text } from '../schemas.js';
import { icon, script, style } from './assets.js';
import { html } from './html.js';
import { answerPage } from './layout.js';
import { login, loginPage, logout } from './login.js';
import { objectPage, objectsPage, verifyObject } from './objects.js';
import { eventsPage, find, overview } from './overview.js';
import { directoryPage, packagePage, packagesPage } from './packages.js';

const HTML = { 'text/html': undefined };
const FORM = { 'application/x-www-form-urlencoded': undefined };
const CURSOR: Parameters = { cursor: { schema: text(), description: 'From the page before.' } };
const OBJECT: Parameters = { name: { schema: text(), description: 'A digest, or a prefix of one.' } };
const PACKAGE: Parameters = {
  namespace: { schema: text(), description: 'Of the package.' },
  name: { schema: text(), description: 'Of the package.' },
};
const VERSION: Parameters = { ...PACKAGE, version: { schema: text(), description: 'Of the package.' } };
const PLACE: Parameters = { ...VERSION, path: { schema: text(), description: 'A directory in it.' } };

/** A page. What goes wrong is a page as well. */
function page(id: string, summary: string, show: Handler, query?: Parameters): Operation {
  return {
    id,
    scope: 'read',
    forBrowsers: true,
    handler: (exchange) => shown(exchange, show),
    summary,
    ...(query && { query }),
    answers: { 200: { description: 'A page for people.', content: HTML }, 303: { description: 'It is elsewhere.' } },
    problems: {
      description: 'What was wrong, as a page.',
      content: { ...HTML, 'application/problem+json': ref('Problem') },
    },
  };
}

async function shown(exchange: Exchange, show: Handler): Promise<Answer> {
  try {
    return await show(exchange);
  } catch (error) {
    const problem = problemAnswer(error, exchange.requestId);
    if (problem.status >= 500) throw error;
    const { title, detail, code } = JSON.parse(String(problem.body));
    const body = html`<h1>${title}</h1><p class="card problem">${detail}</p><p><code>${code}</code></p>`;
    return answerPage(problem.status, { title, body, sought: String(exchange.query.name ?? '') });
  }
}

function asset(id: string, type: string, handler: Handler): Operation {
  const scope: Scope = 'public';
  const answers = { 200: { description: 'A file.', content: { [type]: undefined } } };
  return { id, scope, handler, summary: 'A part of the pages.', answers };
}

export const PAGES: Room = {
  name: 'pages',
  description: 'For people with a browser; they read without scripts.',
  routes: [
    { path: '/', methods: { GET: page('showOverview', 'What is stored and what happens.', overview) } },
    { path: '/objects', methods: { GET: page('showObjects', 'The objects.', objectsPage, CURSOR) } },
    {
      path: '/objects/{name}',
      parameters: OBJECT,
      methods: { GET: page('showObject', 'An object: its digests and its story.', objectPage) },
    },
    {
      path: '/objects/{name}/verify',
      parameters: OBJECT,
      methods: {
        POST: {
          ...page('verifyFromPage', 'Verifies an object and shows its story.', verifyObject),
          scope: 'write',
          body: {
            description: 'Nothing.',
            required: false,
            content: FORM,
          },
        },
      },
    },
    { path: '/packages', methods: { GET: page('showPackages', 'The packages.', packagesPage, CURSOR) } },
    {
      path: '/packages/{namespace}/{name}',
      parameters: PACKAGE,
      methods: { GET: page('showPackage', 'A package: its versions and refs.', packagePage) },
    },
    {
      path: '/packages/{namespace}/{name}/{version}',
      parameters: VERSION,
      methods: { GET: page('showVersion', 'The files of a version.', directoryPage) },
    },
    {
      path: '/packages/{namespace}/{name}/{version}/{path*}',
      parameters: PLACE,
      methods: { GET: page('showDirectory', 'A directory of a version.', directoryPage) },
    },
    { path: '/events', methods: { GET: page('showEvents', 'The newest events, and those to come.', eventsPage) } },
    {
      path: '/find',
      methods: {
        GET: page('find', 'Leads to the object or package of a name.', find, {
          name: { schema: text(), description: 'A digest, a prefix, or namespace/name.' },
        }),
      },
    },
    {
      path: '/login',
      methods: {
        GET: { ...page('showLogin', 'Asks for a token.', loginPage), scope: 'public' },
        POST: {
          ...page('login', 'Keeps a token in a cookie.', login),
          scope: 'public',
          body: { description: '`token`.', required: true, content: FORM },
        },
      },
    },
    {
      path: '/logout',
      methods: { POST: { ...page('logout', 'Forgets the token.', logout), scope: 'public' } },
    },
    { path: '/page.css', methods: { GET: asset('readStyle', 'text/css', style) } },
    { path: '/page.js', methods: { GET: asset('readScript', 'text/javascript', script) } },
    { path: '/icon.svg', methods: { GET: asset('readIcon', 'image/svg+xml', icon) } },
  ],
};
