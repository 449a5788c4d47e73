/** `artifactstore ls <package>`: what a package has, from its manifest. Called by ls.ts. */

import { formatBlake3 } from '../../digest-name.js';
import type { ManifestEntry } from '../../packages/manifest.js';
import { formatSize, pathLine, shortDigest } from '../format.js';
import { entryJson, pathBytes } from '../record.js';
import type { Session } from '../session.js';

/** Columns of a kind that has no digest: as wide as a shortened one. */
const NO_DIGEST = ''.padEnd('blake3:'.length + 12);

/** Lists the entries of a package; with `digests` their content addresses in full. */
export async function listPackage(session: Session, name: string, digests: boolean): Promise<void> {
  const store = await session.openStore();
  const { entries } = await store.packages.open(name);
  for (const entry of entries)
    await session.output.resultSoon(
      () => line(entry, digests),
      () => entryJson(entry),
    );
}

function line(entry: ManifestEntry, digests: boolean): Uint8Array {
  const path = pathBytes(entry.path);
  const blank = NO_DIGEST.padEnd(digests ? 'blake3:'.length + 64 : 0);
  if (entry.kind === 'directory') return pathLine(`dir         -  ${blank}`, path);
  if (entry.kind === 'symlink') {
    return pathLine(`link        -  ${blank}`, Buffer.concat([path, Buffer.from(' -> '), pathBytes(entry.target)]));
  }
  const address = formatBlake3(entry.blake3);
  const kind = entry.executable ? 'exec' : 'file';
  return pathLine(`${kind} ${formatSize(entry.size).padStart(8)}  ${digests ? address : shortDigest(address)}`, path);
}
