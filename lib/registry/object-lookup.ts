/**
 * SQL that finds objects by their addresses, for the registries of objects and of packages. `objects` has no index by address of its own: the log's
 * index has one. Imports nothing.
 */

/** The log's index has the first event about a head in one table and later ones in another. */
export type SubjectTable = 'heads' | 'later';

/** Objects by way of one of these tables: those whose first ingest is the first event about a head, and those that came later. The head is `heads.head`. */
export const by = (table: SubjectTable): string =>
  table === 'heads'
    ? 'heads CROSS JOIN objects ON objects.seq = heads.seq'
    : 'heads CROSS JOIN later ON later.first = heads.seq CROSS JOIN objects ON objects.seq = later.seq';

/** What `query` gives for either of them. */
export const either = (query: (table: SubjectTable) => string): string =>
  `${query('heads')} UNION ALL ${query('later')}`;

/** Sorts before every digest. */
export const NOTHING = new Uint8Array(0);
