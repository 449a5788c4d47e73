/**
 * Which handler answers which method on which path, and with which query parameters. The one table of the HTTP surface.
 *
 * Imports the handlers. Called by `server.ts`.
 */

import { readObject } from './download.js';
import { listEvents } from './events/handlers.js';
import { EVENT_PARAMETERS } from './events/query.js';
import type { Handler } from './exchange.js';
import { live, ready } from './health.js';
import { listMissing } from './missing.js';
import { deleteObject, describeObject, listObjects } from './objects.js';
import { Refusal } from './refusal.js';
import { storeObject, storeObjectAs } from './upload.js';
import {
  abortUpload,
  appendToUpload,
  createUpload,
  describeUpload,
  locateUpload,
  overrideMethod,
  uploadAbilities,
} from './uploads/handlers.js';

interface Operation {
  handler: Handler;
  /** Query parameters it takes; any other is refused, so that a misspelt one is noticed. */
  query?: readonly string[];
}

interface Route {
  /** Segments of the path; null is a parameter. */
  path: readonly (string | null)[];
  /** HEAD is answered by GET unless it stands here. */
  methods: Readonly<Record<string, Operation>>;
}

const ROUTES: readonly Route[] = [
  {
    path: ['v1', 'objects'],
    methods: {
      GET: { handler: listObjects, query: ['cursor', 'limit', 'state'] },
      POST: { handler: storeObject },
      PUT: { handler: storeObject },
    },
  },
  { path: ['v1', 'objects', 'missing'], methods: { POST: { handler: listMissing } } },
  {
    path: ['v1', 'objects', null],
    methods: {
      GET: { handler: readObject },
      PUT: { handler: storeObjectAs },
      DELETE: { handler: deleteObject, query: ['reason'] },
    },
  },
  { path: ['v1', 'objects', null, 'meta'], methods: { GET: { handler: describeObject } } },
  {
    path: ['v1', 'uploads'],
    methods: { POST: { handler: createUpload }, OPTIONS: { handler: uploadAbilities } },
  },
  {
    path: ['v1', 'uploads', null],
    methods: {
      GET: { handler: describeUpload },
      HEAD: { handler: locateUpload },
      PATCH: { handler: appendToUpload },
      PUT: { handler: appendToUpload },
      POST: { handler: overrideMethod },
      DELETE: { handler: abortUpload },
      OPTIONS: { handler: uploadAbilities },
    },
  },
  { path: ['v1', 'events'], methods: { GET: { handler: listEvents, query: EVENT_PARAMETERS } } },
  { path: ['livez'], methods: { GET: { handler: live } } },
  { path: ['readyz'], methods: { GET: { handler: ready } } },
];

export interface Match {
  handler: Handler;
  params: string[];
  query: URLSearchParams;
}

/**
 * Finds the handler of a request.
 *
 * @param target the request target: a path and perhaps a query, or an absolute URL
 * @throws AS_ERR_HTTP_ROUTE (404), AS_ERR_HTTP_METHOD (405 with Allow), AS_ERR_HTTP_REQUEST (400), AS_ERR_INVALID_ARGUMENT: a query parameter
 */
export function route(method: string, target: string): Match {
  const { path, query } = parseTarget(target);
  const segments = path.split('/').slice(1).map(decodeSegment);
  for (const { path: pattern, methods } of ROUTES) {
    const params = matchPath(pattern, segments);
    if (params === undefined) continue;
    const operation = methods[method] ?? (method === 'HEAD' ? methods.GET : undefined);
    if (operation === undefined) throw wrongMethod(method, path, methods);
    requireKnownQuery(query, operation.query ?? []);
    return { handler: operation.handler, params, query };
  }
  throw new Refusal('AS_ERR_HTTP_ROUTE', 404, `There is nothing at ${path}. Objects are at /v1/objects.`, { path });
}

function parseTarget(target: string): { path: string; query: URLSearchParams } {
  let local = target;
  if (!target.startsWith('/')) {
    if (!URL.canParse(target)) throw malformed(`"${target}" is not a path.`);
    const url = new URL(target);
    local = url.pathname + url.search;
  }
  const end = local.indexOf('?');
  if (end === -1) return { path: local, query: new URLSearchParams() };
  return { path: local.slice(0, end), query: new URLSearchParams(local.slice(end + 1)) };
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw malformed(`"${segment}" in the path is not percent-encoded UTF-8.`);
  }
}

/** The parameters of a path that fits the pattern. */
function matchPath(pattern: Route['path'], segments: string[]): string[] | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params: string[] = [];
  for (const [n, segment] of segments.entries()) {
    const expected = pattern[n];
    if (expected === null && segment !== '') params.push(segment);
    else if (expected !== segment) return undefined;
  }
  return params;
}

function requireKnownQuery(query: URLSearchParams, known: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of query.keys()) {
    const problem = known.includes(name) ? (seen.has(name) ? 'stands twice in' : '') : 'has no meaning in';
    if (problem) {
      const advice =
        known.length === 0 ? 'It takes no parameters' : `It takes each of ${known.join(', ')} at most once`;
      throw new Refusal('AS_ERR_INVALID_ARGUMENT', 400, `"${name}" ${problem} the query of this request. ${advice}.`, {
        parameter: name,
      });
    }
    seen.add(name);
  }
}

function wrongMethod(method: string, path: string, methods: Route['methods']): Refusal {
  const allowed = [...Object.keys(methods), ...(methods.GET && !methods.HEAD ? ['HEAD'] : [])].join(', ');
  return new Refusal(
    'AS_ERR_HTTP_METHOD',
    405,
    `${method} is not possible on ${path}. Use one of: ${allowed}.`,
    { method, path },
    { Allow: allowed },
  );
}

function malformed(message: string): Refusal {
  return new Refusal('AS_ERR_HTTP_REQUEST', 400, message);
}
