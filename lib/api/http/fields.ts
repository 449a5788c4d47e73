/**
 * Fields of a request that may come only once. Node joins or drops repeated ones, and its list of distinct ones is made of all fields of the request.
 *
 * Imports Node types. Called by `trust.ts` and `access/credentials.ts`.
 */

import type { IncomingMessage } from 'node:http';

/**
 * Every value that a field has, in the order in which they came.
 *
 * @param name lower case
 */
export function valuesOf({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>, name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const field = rawHeaders[at] as string;
    if (field.length === name.length && field.toLowerCase() === name) values.push(rawHeaders[at + 1] as string);
  }
  return values;
}
