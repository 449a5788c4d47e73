/** What crashes and failing backends leave behind in a store, and what a reconciliation makes of it, wherever the bytes are. */

import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import type { DataPlane } from '../../lib/dataplane/spi.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import type { Store } from '../../lib/index.js';

/**
 * Leaves bytes without events and takes bytes of events away, and sees both found and put right; then has what is due swept.
 *
 * @param store an empty one
 * @param plane its bytes, as somebody else sees them
 */
export async function checkReconciled(t: Test, store: Store, plane: DataPlane): Promise<void> {
  const put = async (size: number) => (await store.put(randomBytes(size))).blake3;
  const kept = [await put(10), await put(100_000), await put(400_000)];
  const lost = [await put(20), await put(300_000)];
  const orphans: string[] = [];
  for (const size of [30, 20_000, 500_000]) {
    async function* source() {
      yield randomBytes(size);
    }
    orphans.push(formatBlake3((await plane.ingestStream(source(), {})).blake3));
  }
  for (const address of lost) await plane.deleteObject(address);
  const { objects, ...found } = await store.reconcile({ dryRun: true });
  t.match(found, { orphans: 3, orphansSize: 520_030, lost: 2, discarded: 0, young: 3 });
  t.equal(objects, 6);
  t.match(await store.reconcile(), { orphans: 3, discarded: 0, young: 3, lost: 2 }, 'too young to be removed');
  for (const address of lost) t.match(await store.stat(address), { state: 'corrupt', lost: true });
  t.match(await store.reconcile({ age: 0 }), { orphans: 3, discarded: 3, lost: 0 });
  for (const address of orphans) t.equal((await plane.verifyObject(address as `blake3:${string}`)).status, 'missing');
  t.match(await store.reconcile({ age: 0 }), { objects: 3, orphans: 0, lost: 0 });
  for (const address of kept) t.match(await store.verify(address), { status: 'intact' });
  await store.retire(kept, { grace: 0 });
  t.match(await store.sweep(), { objects: 3, failedCount: 0 }, 'what is due goes together');
  for (const address of kept) t.equal((await plane.verifyObject(address)).status, 'missing');
}
