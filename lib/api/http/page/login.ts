/**
 * `/login` and `/logout`: a token for a browser, which cannot send one with each request by itself. It is kept in a cookie that no script can read and
 * no other site's page can make the browser send.
 *
 * Imports the exchange and the frame of pages. Called by the router; `gate.ts` reads the cookie.
 */

import { isStoreError } from '../../../errors.js';
import { LOGIN_BODY_SIZE_MAX } from '../../../limits.js';
import { SESSION_COOKIE } from '../access/credentials.js';
import type { Answer, Exchange } from '../exchange.js';
import { Refusal } from '../refusal.js';
import { html } from './html.js';
import { answerPage } from './layout.js';

/** GET /login: asks for a token. */
export async function loginPage(): Promise<Answer> {
  return ask(200);
}

/** POST /login: keeps the token, if it is one of this service. */
export async function login({ store, body, isEncrypted }: Exchange): Promise<Answer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > LOGIN_BODY_SIZE_MAX) throw new Refusal('AS_ERR_LIMIT', 413, 'That is more than a token.');
    chunks.push(chunk);
  }
  const token = new URLSearchParams(Buffer.concat(chunks).toString()).get('token')?.trim() ?? '';
  try {
    await store.tokens.authenticate(token);
  } catch (error) {
    if (isStoreError(error, 'AS_ERR_UNAUTHENTICATED')) return ask(422, error.message);
    throw error;
  }
  return withCookie(`${SESSION_COOKIE}=${token}`, isEncrypted);
}

/** POST /logout: forgets the token. */
export async function logout({ isEncrypted }: Exchange): Promise<Answer> {
  return withCookie(`${SESSION_COOKIE}=; Max-Age=0`, isEncrypted);
}

function ask(status: number, problem?: string): Answer {
  return answerPage(status, {
    title: 'Log in',
    body: html`<h1>Log in</h1>
${problem !== undefined && html`<p class="card problem">${problem}</p>`}
<p>This service wants to know who asks. Its operator makes tokens: <code>artifactstore token create</code>.</p>
<form class="actions" method="post" action="/login">
<input type="password" name="token" placeholder="as_…" aria-label="Token" autocomplete="off" required autofocus>
<button>Log in</button>
</form>
<form class="actions" method="post" action="/logout"><button>Forget the token of this browser</button></form>`,
  });
}

function withCookie(cookie: string, isEncrypted: boolean): Answer {
  const bounds = `Path=/; HttpOnly; SameSite=Strict${isEncrypted ? '; Secure' : ''}`;
  const headers = {
    Location: '/',
    'Set-Cookie': `${cookie}; ${bounds}`,
    'Content-Length': 0,
    'Cache-Control': 'no-store',
  };
  return { status: 303, headers };
}
