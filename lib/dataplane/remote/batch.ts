/**
 * A batch of small objects on its way to a daemon, in one piece of memory.
 *
 * Imports the connection, the columns and the memory. Called by the client.
 */

import type { MutableIngestTable } from '../ingest-table.js';
import { withBatchMemory } from './batch-memory.js';
import { objectsValue, readTable, sum } from './columns.js';
import { type Connection, EncodedBody } from './connection.js';
import { encodeHead } from './frames.js';

/** Stores objects, as many as a batch has. Throws as `Connection.ask`; what became of each is in the table. */
export function sendObjects(connection: Connection, objects: readonly Uint8Array[]): Promise<MutableIngestTable> {
  const sizes = objects.map(({ byteLength }) => byteLength);
  const head = encodeHead(objectsValue(sizes));
  return withBatchMemory(head.byteLength + sum(sizes), async (memory) => {
    memory.set(head);
    let at = head.byteLength;
    for (const bytes of objects) {
      memory.set(bytes, at);
      at += bytes.byteLength;
    }
    const value = await connection.call({ operation: 'ingest-many', head: new EncodedBody(memory) });
    return readTable(value, objects.length);
  });
}
