/**
 * The registry of tokens over the view in SQLite.
 *
 * Imports the database connection's type, scopes, errors, limits and the registry's types. The composition root makes it from the log's reading
 * connection.
 */

import { isScope } from '../access/scopes.js';
import { ArtifactStoreError } from '../errors.js';
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../limits.js';
import type { Reader } from '../sqlite/connection.js';
import type { KnownToken, TokenPage, TokenQuery, TokenRecord, TokenRegistry } from './tokens.js';

const COLUMNS = `id, holder, scopes, namespaces, expires, hash, rate, quota, used, created_at AS createdAt,
  created_by AS createdBy, revoked_at AS revokedAt, revoked_by AS revokedBy, reason`;
const PAGE = `SELECT ${COLUMNS} FROM tokens WHERE id > ?1 ORDER BY id LIMIT +?2`;
const FIND = `SELECT ${COLUMNS} FROM tokens WHERE id = ?1`;
const USABLE = `
  SELECT ${COLUMNS} FROM tokens
  WHERE revoked_at IS NULL AND hash IS NOT NULL AND (expires IS NULL OR expires > ?1)`;

interface TokenRow {
  id: string;
  holder: string;
  /** JSON. */
  scopes: string;
  /** JSON. */
  namespaces: string | null;
  expires: number | null;
  hash: Uint8Array | null;
  rate: number | null;
  quota: number | null;
  used: number;
  createdAt: number;
  createdBy: string;
  revokedAt: number | null;
  revokedBy: string | null;
  reason: string | null;
}

/**
 * Makes the registry.
 *
 * @param connection reads the log's database, with `registryViews` in it
 */
export function createTokenRegistry(connection: Reader): TokenRegistry {
  return {
    async list({ cursor = '', limit = PAGE_SIZE_DEFAULT }: TokenQuery = {}): Promise<TokenPage> {
      if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_SIZE_MAX) {
        const message = `Tokens cannot be listed: the limit is ${limit}; give 1 to ${PAGE_SIZE_MAX}.`;
        throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { limit });
      }
      // One more than asked for tells whether there is another page.
      const found = await connection.all<TokenRow>(PAGE, [cursor, limit + 1]);
      const tokens = found.slice(0, limit).map(recordOf);
      const last = tokens.at(-1);
      return { tokens, ...(found.length > limit && last !== undefined && { cursor: last.id }) };
    },

    async find(id: string): Promise<TokenRecord | undefined> {
      const row = await connection.get<TokenRow>(FIND, [id]);
      return row && recordOf(row);
    },

    async usable(time: number): Promise<KnownToken[]> {
      const rows = await connection.all<TokenRow>(USABLE, [time]);
      return rows.map((row) => ({ record: recordOf(row), hash: row.hash as Uint8Array }));
    },
  };
}

function recordOf(row: TokenRow): TokenRecord {
  const { id, holder, used, createdAt, createdBy, expires, rate, quota, revokedAt, revokedBy, reason } = row;
  return {
    id,
    holder,
    // A scope of a later version allows nothing here.
    scopes: (JSON.parse(row.scopes) as string[]).filter(isScope),
    ...(row.namespaces !== null && { namespaces: JSON.parse(row.namespaces) as string[] }),
    ...(expires !== null && { expires }),
    ...(rate !== null && { rate }),
    ...(quota !== null && { quota }),
    used,
    createdAt,
    createdBy,
    ...(revokedAt !== null && {
      revoked: { time: revokedAt, actor: revokedBy ?? '', ...(reason !== null && { reason }) },
    }),
  };
}
