/** Every row of every view, for comparison. Used by the tests of events and registry. */

import type { Reader } from '../../lib/sqlite/connection.js';

/** Tables by name, each with its rows in the order of its primary key. */
export async function dumpViews(connection: Reader): Promise<{ [table: string]: unknown[] }> {
  const tables = await connection.all<{ name: string; columns: number }>(
    `SELECT name, (SELECT count(*) FROM pragma_table_info(sqlite_schema.name)) AS columns
    FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('events', 'personal') ORDER BY name`,
  );
  const dump: { [table: string]: unknown[] } = {};
  for (const { name, columns } of tables) {
    dump[name] = await connection.all(`SELECT * FROM ${name} ORDER BY ${columns === 1 ? '1' : '1, 2'}`);
  }
  return dump;
}
