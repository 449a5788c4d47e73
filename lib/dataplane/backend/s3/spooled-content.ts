/**
 * A large object in the spool as content to be sent: a worker reads its file into memory that is used again and again, and hashes it in the same go.
 *
 * Reading it through the data plane would do, and costs a copy into fresh memory for every byte. What is read is verified all the same. Imports the spool, the tree,
 * the hasher and errors. Called by index.ts.
 */

import { ArtifactStoreError } from '../../../errors.js';
import { GROUP_SIZE } from '../../../limits.js';
import type { Hasher } from '../../../native/hasher.js';
import type { ByteRange, ContentAddress } from '../../spi.js';
import { wrongGroups } from './read.js';
import type { Spool } from './spool.js';
import { NODE_SIZE, ProvenTree } from './tree.js';
import type { Content } from './upload.js';

/** @param size of the object, larger than what the spool keeps in packs */
export function spooledContent(spool: Spool, hasher: Hasher, address: ContentAddress, size: number): Content {
  const fill = async (memory: ArrayBuffer, range: ByteRange) => {
    const { start, end } = range;
    const nodes = nodesOf(spool.plane.serveOutboard(address, range));
    const tree = new ProvenTree(address, size, range, () => nodes.next().then(({ value }) => value || undefined));
    try {
      const file = { path: spool.fileOf(address), start };
      const { buffer, sha256, values } = await hasher
        .file(memory, end - start, start / GROUP_SIZE, file)
        .catch((cause) => {
          throw unreadable(spool, address, (cause as Error).message);
        });
      const [wrong] = await wrongGroups(tree, start, end - start, values, size);
      if (wrong) throw unreadable(spool, address, `bytes ${wrong.start} to ${wrong.end - 1} are not what was written`);
      return { buffer, sha256 };
    } finally {
      await nodes.return(undefined);
    }
  };
  return { size, read: (range) => spool.plane.serveObject(address, range), fill };
}

async function* nodesOf(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const part of parts) {
    for (let at = 0; at < part.byteLength; at += NODE_SIZE) yield part.subarray(at, at + NODE_SIZE);
  }
}

function unreadable({ path }: Spool, address: ContentAddress, reason: string): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_IO',
    `${address} cannot be read back from the spool in ${path}: ${reason}. Check its disk, and store the object again.`,
    { path, address },
  );
}
