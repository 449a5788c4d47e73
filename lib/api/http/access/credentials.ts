/**
 * What a request presents to say who asks: `Authorization: Bearer`, or a browser's cookie. Never a parameter of the URL, which logs and histories keep.
 *
 * Imports the challenges and the fields of a request. Called by `gate.ts`.
 */

import type { IncomingMessage } from 'node:http';
import { valuesOf } from '../fields.js';
import { credentialsMalformed } from './challenge.js';

/** The cookie in which a browser keeps its token. */
export const SESSION_COOKIE = 'artifactstore-token';

/** RFC 6750, section 2.1. */
const BEARER = /^bearer +(.*)$/i;
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * The bearer token of a request; undefined when it presents none. Other schemes are those of proxies and mean nothing here.
 *
 * @throws AS_ERR_UNAUTHENTICATED (400): several, or not the form of one
 */
export function bearerOf(request: IncomingMessage): string | undefined {
  if (request.headers.authorization === undefined) return undefined;
  const fields = valuesOf(request, 'authorization');
  if (fields.length > 1) {
    throw credentialsMalformed(`A request has at most one Authorization header; this one has ${fields.length}.`);
  }
  const field = fields[0]?.trim();
  if (field === undefined || !/^bearer(?: |$)/i.test(field)) return undefined;
  const text = BEARER.exec(field)?.[1];
  if (text !== undefined && TOKEN.test(text)) return text;
  throw credentialsMalformed('Authorization: Bearer is followed by a token of letters, digits and . _ ~ + / -');
}

/** The token of a browser that has logged in; undefined when it has not. */
export function cookieOf({ headers }: IncomingMessage): string | undefined {
  for (const pair of headers.cookie?.split(';') ?? []) {
    const [name, value] = pair.trim().split('=', 2);
    if (name === SESSION_COOKIE && value) return value;
  }
  return undefined;
}
