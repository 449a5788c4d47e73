/**
 * Finds the operation of a request, and takes its path and query apart.
 *
 * Imports the API and the validation. Called by `server.ts`.
 */

import type { QueryValues } from './exchange.js';
import { API } from './openapi/routes.js';
import { Refusal } from './refusal.js';
import type { Method, Operation, Route } from './route.js';
import { readQuery } from './validate.js';

export interface Match {
  operation: Operation;
  params: string[];
  query: QueryValues;
  /** What stands for the parameter `namespace` of the path, if it has one. */
  namespace: string | undefined;
}

const NO_QUERY: QueryValues = Object.freeze({});

interface Entry {
  /** Segments of the path; null is a parameter. */
  readonly segments: readonly (string | null)[];
  /** Whether the last parameter takes the rest of the path. */
  readonly takesRest: boolean;
  /** Which parameter of the path is a namespace; -1: none. */
  readonly namespaceAt: number;
  readonly methods: Route['methods'];
}

const ENTRIES: readonly Entry[] = API.flatMap(({ routes }) => routes).map(({ path, methods }) => ({
  segments: path
    .split('/')
    .slice(1)
    .map((segment) => (segment.startsWith('{') ? null : segment)),
  takesRest: path.endsWith('*}'),
  namespaceAt: [...path.matchAll(/\{([^}]*)\}/g)].findIndex(([, name]) => name === 'namespace'),
  methods,
}));

/** The entries that a path of so many segments may fit, in their order: most of a path's entries need not be looked at. */
const byLength = new Map<number, readonly Entry[]>();

function entriesFor(length: number): readonly Entry[] {
  const known = byLength.get(length);
  if (known !== undefined) return known;
  const fitting = ENTRIES.filter(({ segments, takesRest }) =>
    takesRest ? length >= segments.length : length === segments.length,
  );
  if (byLength.size < ENTRIES.length) byLength.set(length, fitting); // clients choose lengths
  return fitting;
}

/**
 * Finds the operation of a request.
 *
 * @param target the request target: a path and perhaps a query, or an absolute URL
 * @throws AS_ERR_HTTP_ROUTE (404), AS_ERR_HTTP_METHOD (405 with Allow), AS_ERR_HTTP_REQUEST (400), AS_ERR_INVALID_ARGUMENT: a query parameter
 */
export function route(method: string, target: string): Match {
  const { path, query } = parseTarget(target);
  const raw = splitPath(path);
  const segments = path.includes('%') ? raw.map(decodeSegment) : raw;
  for (const entry of entriesFor(segments.length)) {
    const params = matchPath(entry, segments);
    if (params === undefined) continue;
    const { methods } = entry;
    const operation = methods[method as Method] ?? (method === 'HEAD' ? methods.GET : undefined);
    if (operation === undefined) throw wrongMethod(method, path, methods);
    const namespace = entry.namespaceAt < 0 ? undefined : params[entry.namespaceAt];
    return { operation, params, query: query === undefined ? NO_QUERY : readQuery(query, operation), namespace };
  }
  throw new Refusal('AS_ERR_HTTP_ROUTE', 404, `There is nothing at ${path}. Objects are at /v1/objects.`, { path });
}

function parseTarget(target: string): { path: string; query: URLSearchParams | undefined } {
  let local = target;
  if (!target.startsWith('/')) {
    if (!URL.canParse(target)) throw malformed(`"${target}" is not a path.`);
    const url = new URL(target);
    local = url.pathname + url.search;
  }
  const end = local.indexOf('?');
  if (end === -1) return { path: local, query: undefined };
  return { path: local.slice(0, end), query: new URLSearchParams(local.slice(end + 1)) };
}

/** Its segments. `split` would do, at several times the cost: V8 leaves it to its runtime. */
function splitPath(path: string): string[] {
  const segments: string[] = [];
  let start = 1;
  for (let end = path.indexOf('/', start); end >= 0; end = path.indexOf('/', start)) {
    segments.push(path.slice(start, end));
    start = end + 1;
  }
  segments.push(path.slice(start));
  return segments;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw malformed(`"${segment}" in the path is not percent-encoded UTF-8.`);
  }
}

/** The parameters of a path that fits, of which it is known that it has enough segments. */
function matchPath({ segments: pattern, takesRest }: Entry, segments: string[]): string[] | undefined {
  const last = pattern.length - 1;
  if (pattern[0] !== segments[0] && pattern[0] !== null) return undefined;
  if (pattern[1] !== segments[1] && typeof pattern[1] === 'string') return undefined;
  const params: string[] = [];
  for (let n = 0; n <= last; n++) {
    const expected = pattern[n];
    const segment = takesRest && n === last ? segments.slice(n).join('/') : (segments[n] as string);
    if (expected === null && segment !== '') params.push(segment);
    else if (expected !== segment) return undefined;
  }
  return params;
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
